// Nothing: the tests load TensorRT's lean runtime, which has all that Torch-TensorRT's asks of libnvinfer.so.
