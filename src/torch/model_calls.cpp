#include "torch/model_calls.hpp"

#include "torch/error_output.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

namespace greenlane::detail {

ModelCalls::ModelCalls(const std::string& path, const std::string& model, bool single_threaded, std::size_t runners,
                       c10::DeviceIndex device)
    : single_threaded_(single_threaded), loader_(path, model, single_threaded, runners, device) {}

std::unique_lock<ForkSafeMutex> ModelCalls::turn() {
  return single_threaded_ ? std::unique_lock(turn_) : std::unique_lock<ForkSafeMutex>();
}

std::vector<at::Tensor> ModelCalls::run(const std::vector<at::Tensor>& inputs, void* stream) {
  ErrorOutput output;
  try {
    return loader_.run(inputs, stream);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const auto text = output.take();
    debug(text + error.what());
    throw ModelFailure(reason_of(text, error));
  }
}

}  // namespace greenlane::detail
