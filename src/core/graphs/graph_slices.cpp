#include "core/graphs/graph_slices.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace greenlane::detail {
namespace {

using std::chrono::nanoseconds;

// A relation between nodes, with a row of bits for each node.
class Relation {
 public:
  explicit Relation(std::size_t nodes) : words_((nodes + 63) / 64), bits_(nodes * words_) {}
  void add(std::size_t row, std::size_t column) {
    bits_[row * words_ + column / 64] |= std::uint64_t{1} << column % 64;
  }
  void add_all_of(std::size_t row, std::size_t other) {
    for (std::size_t word = 0; word < words_; ++word) bits_[row * words_ + word] |= bits_[other * words_ + word];
  }
  [[nodiscard]] bool has(std::size_t row, std::size_t column) const {
    return (bits_[row * words_ + column / 64] >> column % 64 & 1) != 0;
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

std::vector<std::size_t> in_order(const GraphShape& shape) {
  const auto nodes = static_cast<std::size_t>(shape.nodes);
  std::vector<int> waits_for(nodes);
  std::vector<std::vector<std::size_t>> after(nodes);
  for (const auto& edge : shape.edges) {
    ++waits_for[static_cast<std::size_t>(edge.to)];
    after[static_cast<std::size_t>(edge.from)].push_back(static_cast<std::size_t>(edge.to));
  }
  std::vector<std::size_t> order;
  for (std::size_t node = 0; node < nodes; ++node) {
    if (waits_for[node] == 0) order.push_back(node);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const auto node : after[order[next]]) {
      if (--waits_for[node] == 0) order.push_back(node);
    }
  }
  return order;
}

}  // namespace

std::vector<Slice> finest_slices(const GraphShape& shape) {
  const auto nodes = static_cast<std::size_t>(shape.nodes);
  const auto order = in_order(shape);
  Relation before(nodes);  // row: a node; column: a node before it
  std::vector<std::vector<std::size_t>> directly_before(nodes);
  for (const auto& edge : shape.edges)
    directly_before[static_cast<std::size_t>(edge.to)].push_back(static_cast<std::size_t>(edge.from));
  for (const auto node : order) {
    for (const auto earlier : directly_before[node]) {
      before.add(node, earlier);
      before.add_all_of(node, earlier);
    }
  }
  // is_before_cut: the node comes before a cut after `last`. may_cut_after: a cut after `last` is allowed.
  const auto is_before_cut = [&](std::size_t node, std::size_t last) { return node == last || before.has(last, node); };
  const auto may_cut_after = [&](std::size_t last) {
    for (std::size_t node = 0; node < nodes; ++node) {
      if (node != last && !before.has(last, node) && !before.has(node, last)) return false;
    }
    for (const auto& edge : shape.edges) {
      if (edge.programmatic && is_before_cut(static_cast<std::size_t>(edge.from), last) &&
          !is_before_cut(static_cast<std::size_t>(edge.to), last))
        return false;
    }
    const auto earlier = std::ranges::count_if(
        shape.memory_nodes, [&](int node) { return is_before_cut(static_cast<std::size_t>(node), last); });
    return earlier == 0 || std::cmp_equal(earlier, shape.memory_nodes.size());
  };

  std::vector<Slice> slices(1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    slices.back().push_back(static_cast<int>(order[i]));
    // No node taken so far comes after order[i]. If a cut is allowed here, they are exactly the nodes before it.
    const bool is_last = i + 1 == order.size();
    if (!is_last && may_cut_after(order[i])) slices.emplace_back();
  }
  return slices;
}

std::vector<Slice> merge_slices(std::span<const Slice> slices, std::span<const nanoseconds> times,
                                nanoseconds longest) {
  std::vector<Slice> merged;
  nanoseconds length{0};
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (merged.empty() || length + times[i] > longest) {
      merged.emplace_back();
      length = nanoseconds(0);
    }
    merged.back().insert(merged.back().end(), slices[i].begin(), slices[i].end());
    length += times[i];
  }
  return merged;
}

}  // namespace greenlane::detail
