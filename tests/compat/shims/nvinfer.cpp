// An empty library: the tests load TensorRT's lean runtime, which has every symbol that Torch-TensorRT needs of
// libnvinfer.so.
