// The tensors that a compiled model writes to besides its outputs, read from the wrapper source that AOTInductor put
// into the package (PyTorch 2.11 to 2.15, for CPU and CUDA). A constant is a parameter, a buffer or a tensor literal.
//
// How it is found. A wrapper has one function, `run_impl`: a list of statements that move, view and pass handles of
// tensors. The handles of inputs and constants are followed through it (moves, casts, views, data pointers, subgraphs
// of torch.cond and while_loop). Each call that takes such a handle is judged:
//   - kernels on the CPU and CUTLASS kernels take pointers: a pointer that is cast to `const T*` is read, any other is
//     written to;
//   - Triton kernels are called through `call_NAME`, which is defined in the same source. Inductor names its kernels'
//     parameters: `in_ptr0` is read, and so is `arg_A` of a template. Other parameters are written to, and so are all
//     parameters of a user's kernel;
//   - PyTorch's shims are known by name (torch/effects/shim_calls.hpp);
//   - calls through the proxy executor are known if `extern_nodes` says that they are ATen's;
//   - any other call may write to all of its arguments.
// An output that was written to needs no rule of its own: an input that is returned is the caller's own memory, and a
// constant is cloned.
//
// Limits. If two inputs are aliases, only the one that a call names is seen as written to. Inductor's kernels are
// trusted to keep to their names, and so is a user's kernel with a name like Inductor's (`triton_poi_…`). An input on
// CUDA that is not aligned as it was at compile time is copied by the wrapper first; a write to it is then lost, as it
// is without greenlane.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::detail {

// AOTInductor's ConstantType, as the package says it.
enum class ConstantKind { unknown, parameter, buffer, tensor, folded };

struct PackageConstant {
  // The name that AOTIModelPackageLoader::get_constant_fqns gives.
  std::string name;
  ConstantKind kind = ConstantKind::unknown;
  bool is_written = false;
};

struct PackageEffects {
  // False if there is no source, or if it is not understood. Then everything listed counts as written to, and
  // `constants` may be incomplete.
  bool is_known = false;
  // True for each input that may be written to, by its index.
  std::vector<bool> writes_input;
  // In the package's order.
  std::vector<PackageConstant> constants;
  // True if each run takes numbers from the device's generator.
  bool draws_random_numbers = true;
  // True if it calls custom operators or objects of custom classes, which may keep state of their own.
  bool has_hidden_state = true;
  // True if it enqueues work on streams of its own, beside the one that it is called with. PyTorch 2.14 and newer makes
  // them for `with torch.cuda.stream(…)` inside a model that was exported with strict=True. They are not in its lane.
  bool has_own_streams = false;

  // Returns the names of the constants that the model writes to.
  [[nodiscard]] std::vector<std::string> written_constants() const;
};

// Returns the effects of a model with `inputs` inputs. `wrapper_source` is the package's record
// `data/aotinductor/MODEL/*.wrapper.cpp`. `extern_nodes` is the record `*.wrapper.json` beside it, which names the
// operators that are called through the proxy executor; without it they all count as custom ones. Never throws because
// of their content. The time is proportional to their size, a few times more if the model has loops.
[[nodiscard]] PackageEffects effects_of_source(std::string_view wrapper_source, std::size_t inputs,
                                               std::string_view extern_nodes = {});

}  // namespace greenlane::detail
