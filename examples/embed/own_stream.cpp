// Runs an AOTInductor package on a CUDA stream that this program made itself, without Python in the process.
//
//   own_stream model.pt2 model.inputs.pt
//
// Any stream will do: one of cudaStreamCreateWithPriority, of another library, of a green context of your own.
#include <greenlane/core/error.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <cuda_runtime_api.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

std::shared_ptr<CUstream_st> make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return {stream, [](cudaStream_t owned) { (void)cudaStreamDestroy(owned); }};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: own_stream MODEL.pt2 MODEL.inputs.pt\n");
    return 2;
  }
  try {
    const auto engine = greenlane::load_aoti(argv[1]);
    const auto inputs = greenlane::to_device(greenlane::load_tensors(argv[2]), engine->device().id());
    const auto expected = engine->run(inputs);  // on the caller's stream

    const auto stream = make_stream();
    const greenlane::StreamView view(stream.get());
    engine->bind(greenlane::Lane::adopt(engine->device(), view, {}, stream));  // the lane keeps the stream alive
    const auto outputs = engine->run(inputs);  // on our stream; the caller stream waits for it
    const bool ran_there = cudaStreamQuery(stream.get()) == cudaErrorNotReady;
    check(cudaDeviceSynchronize());

    const auto difference = greenlane::difference(outputs, expected);
    std::printf("bound to %s; %s after the call; outputs %s\n", to_string(view).c_str(),
                ran_there ? "it was busy" : "it was done", difference.empty() ? "agree" : difference.c_str());
    return difference.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "own_stream: %s\n", error.what());
    return 1;
  }
}
