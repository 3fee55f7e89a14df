#include "torch/model_state.hpp"

#include "torch/writes.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::detail {

ModelState::ModelState(PackageEffects effects, torch::inductor::AOTIModelPackageLoader& loader)
    : effects_(std::move(effects)) {
  const auto written = effects_.written_constants();
  if (effects_.is_known && written.empty()) return;
  for (const auto& [name, tensor] : loader.get_runner()->extract_constants_map(/*use_inactive=*/false)) {
    if (!effects_.is_known || std::ranges::find(written, name) != written.end()) constants_.push_back(tensor);
  }
}

bool ModelState::writes_input(std::size_t index) const {
  return !effects_.is_known || (index < effects_.writes_input.size() && effects_.writes_input[index]);
}

void ModelState::note_writes(const std::vector<at::Tensor>& inputs) const {
  if (!WriteScope::is_active()) return;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (writes_input(i)) WriteScope::note(inputs[i]);
  }
  for (const auto& tensor : constants_) WriteScope::note(tensor);
}

}  // namespace greenlane::detail
