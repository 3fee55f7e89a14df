// All of greenlane::core: devices, partitions, lanes, streams, bindings, graphs.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/core/graph.hpp>
#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/lane_work.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/core/partition.hpp>
#include <greenlane/core/stream.hpp>
#include <greenlane/core/units.hpp>
