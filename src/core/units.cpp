#include <greenlane/core/units.hpp>

#include <atomic>

namespace greenlane {

UnitSetId UnitSetId::next() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return UnitSetId(++last);
}

}  // namespace greenlane
