// What a model that AOTInductor compiled writes to besides its outputs, read from the wrapper that it put into the
// package (PyTorch 2.11 to 2.14, for CPU and CUDA). A constant is a parameter, a buffer or a tensor literal.
//
// How it is found. A wrapper has one function, `run_impl`: a list of statements that move, view and pass handles of
// tensors. We follow the handles of inputs and constants through it (moves, casts, views, data pointers, subgraphs of
// torch.cond and while_loop) and look at each call that is given one:
//   - kernels on the CPU and CUTLASS kernels are given pointers; one that is cast to `const T*` is read, another is
//     written to;
//   - Triton kernels are called through `call_NAME`, which is defined in the same source. Inductor names the parameters
//     of its own kernels: `in_ptr0` is read, and so are the `arg_A` of its templates; others are written to, and all
//     that a user's kernel is given;
//   - PyTorch's shims are known by name (torch/shim_calls.hpp);
//   - calls through the proxy executor are known where `extern_nodes` says that they are ATen's;
//   - anything else may write to all that it is given.
// A model that returns what it wrote to is seen like any other: an input that is returned is the caller's own memory, a
// constant is cloned.
//
// Its limits. Whoever is given an alias of two inputs sees one of them written to only. A kernel of Inductor's is
// trusted to keep to its names, and a user's kernel that goes by a name of Inductor's (`triton_poi_…`) with it. An
// input on CUDA that is not aligned as it was at compile time is copied by the wrapper first; what is written is then
// lost, as it is without greenlane.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::detail {

// As the package says: AOTInductor's ConstantType.
enum class ConstantKind { unknown, parameter, buffer, tensor, folded };

struct PackageConstant {
  // As AOTIModelPackageLoader::get_constant_fqns gives it.
  std::string name;
  ConstantKind kind = ConstantKind::unknown;
  bool is_written = false;
};

struct PackageEffects {
  // False where there is no source, or one that is not understood: then all that is listed counts as written to, and
  // `constants` may lack some.
  bool is_known = false;
  // By the index of the input.
  std::vector<bool> writes_input;
  // In the order of the package.
  std::vector<PackageConstant> constants;
  // Takes numbers from the device's generator in each run.
  bool draws_random_numbers = true;
  // Calls what may keep state of its own: custom operators and objects of custom classes.
  bool has_hidden_state = true;

  // The names of those that the model writes to.
  [[nodiscard]] std::vector<std::string> written_constants() const;
};

// Of a model with that many inputs. `wrapper_source` is the package's record `data/aotinductor/MODEL/*.wrapper.cpp`,
// and `extern_nodes` the record `*.wrapper.json` beside it, which names the operators that are called through the proxy
// executor; without it they all count as custom ones. Never throws for what is in them. Takes time in proportion to
// them, a few times over where the model has loops.
[[nodiscard]] PackageEffects effects_of_source(std::string_view wrapper_source, std::size_t inputs,
                                               std::string_view extern_nodes = {});

}  // namespace greenlane::detail
