#include "engine.hpp"

#include "context.hpp"

#include <utility>

namespace tensorrt_double {
namespace {

// The text of an engine, as TensorRT would write it to a file.
class Text final : public IHostMemory, public apiv::VHostMemory {
 public:
  explicit Text(std::string text) : text_(std::move(text)) { mImpl = this; }
  void* data() const noexcept override { return text_.data(); }
  std::size_t size() const noexcept override { return text_.size(); }
  DataType type() const noexcept override { return DataType::kINT8; }

 private:
  mutable std::string text_;
};

class RuntimeConfig final : public IRuntimeConfig, public apiv::VRuntimeConfig {
 public:
  RuntimeConfig() { mImpl = this; }
  IRuntimeConfig* getPImpl() noexcept override { return this; }
  void setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy strategy) noexcept override {
    strategy_ = strategy;
  }
  ExecutionContextAllocationStrategy getExecutionContextAllocationStrategy() const noexcept override {
    return strategy_;
  }

 private:
  ExecutionContextAllocationStrategy strategy_ = ExecutionContextAllocationStrategy::kSTATIC;
};

}  // namespace

Engine::Engine(EngineText text) : text_(std::move(text)) {
  mImpl = this;
  if (text_.input) tensors_.push_back({"x", DataType::kFLOAT, TensorIOMode::kINPUT, vector_of(-1)});
  if (text_.shape) tensors_.push_back({"n", DataType::kINT64, TensorIOMode::kINPUT, vector_of(1)});
  const auto blocks = vector_of(text_.shape ? -1 : text_.blocks);
  tensors_.push_back({"where", DataType::kINT32, TensorIOMode::kOUTPUT, blocks});
  if (text_.input) tensors_.push_back({"twice", DataType::kFLOAT, TensorIOMode::kOUTPUT, vector_of(-1)});
  if (text_.count) tensors_.push_back({"count", DataType::kINT32, TensorIOMode::kOUTPUT, vector_of(1)});
}

const Tensor& Engine::tensor(char const* name) const noexcept {
  for (const auto& tensor : tensors_) {
    if (tensor.name == name) return tensor;
  }
  die(std::string("an engine was asked for a tensor that it does not have: ") + name);
}

IHostMemory* Engine::serialize() const noexcept { return new Text(text_.text); }

IRuntimeConfig* Engine::createRuntimeConfig() noexcept { return new RuntimeConfig; }

IExecutionContext* Engine::createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept {
  return createExecutionContext(config->getExecutionContextAllocationStrategy());
}

IExecutionContext* Engine::createExecutionContext(ExecutionContextAllocationStrategy /*strategy*/) noexcept {
  return new Context(*this);
}

Dims Engine::getProfileShape(char const* name, int32_t profile, OptProfileSelector select) const noexcept {
  if (tensor(name).name != "x") die("profiles are of 'x' only");
  const auto& [least, greatest] = text_.profiles.at(profile);
  return vector_of(select == OptProfileSelector::kMIN ? least : greatest);
}

}  // namespace tensorrt_double
