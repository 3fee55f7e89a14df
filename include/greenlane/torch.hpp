// All of greenlane::torch: engines.
#pragma once

#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/bindable.hpp>
#include <greenlane/torch/graphs.hpp>
#include <greenlane/torch/pipeline_graph.hpp>
#include <greenlane/torch/signature.hpp>
#include <greenlane/torch/tensor_io.hpp>
#include <greenlane/torch/tensorrt.hpp>
