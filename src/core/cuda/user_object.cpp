#include "core/cuda/user_object.hpp"

#include "core/cuda/driver_check.hpp"

#include <string>
#include <utility>

namespace greenlane::detail {
namespace {

struct Capture {
  std::uint64_t id;
  CUgraph graph;
};

std::optional<Capture> find_capture(const driver::Table& driver, StreamView stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  cuuint64_t id = 0;
  CUgraph graph = nullptr;
  check(driver, driver.cuStreamGetCaptureInfo(stream.handle(), &status, &id, &graph, nullptr, nullptr),
        "cuStreamGetCaptureInfo", "stream " + to_string(stream) + " could not be asked for the graph that it captures");
  if (status != CU_STREAM_CAPTURE_STATUS_ACTIVE || !graph) return std::nullopt;
  return Capture{.id = id, .graph = graph};
}

// Runs in any thread, possibly with locks of the driver held.
void CUDA_CB let_go(void* lane) {
  std::unique_ptr<LaneInGraph> owned(static_cast<LaneInGraph*>(lane));
  owned->graph_is_gone();
  DropQueue::instance().put(std::move(owned));
}

}  // namespace

std::optional<std::uint64_t> capture_of(const driver::Table& driver, StreamView stream) {
  const auto capture = find_capture(driver, stream);
  return capture ? std::optional(capture->id) : std::nullopt;
}

void give_to_capture(const driver::Table& driver, StreamView stream, std::unique_ptr<LaneInGraph> lane) {
  const auto capture = find_capture(driver, stream);
  if (!capture) return;
  const std::string what = "a graph that is being captured on stream " + to_string(stream) + " cannot keep its lanes";
  DropQueue::instance().start();
  CUuserObject object = nullptr;
  check(driver, driver.cuUserObjectCreate(&object, lane.get(), let_go, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC),
        "cuUserObjectCreate", what);
  [[maybe_unused]] const auto* const owned_by_the_object = lane.release();
  const CUresult result = driver.cuGraphRetainUserObject(capture->graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);
  if (result != CUDA_SUCCESS) driver.cuUserObjectRelease(object, 1);
  check(driver, result, "cuGraphRetainUserObject", what);
}

}  // namespace greenlane::detail
