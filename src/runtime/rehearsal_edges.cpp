#include "runtime/rehearsal_edges.hpp"

#include "runtime/edge_config.hpp"
#include "runtime/edge_examples.hpp"
#include "runtime/serving/error_text.hpp"
#include "runtime/tensor_payload.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace greenlane::runtime {
namespace {

// Returns what an edge counted since `before`.
EdgeStats since(const EdgeCounts& before, const EdgeCounts& now, const std::string& producer) {
  return {.producer = producer,
          .waiting = now.waiting,
          .taken = now.taken - before.taken,
          .dropped = now.dropped - before.dropped,
          .rejected = now.rejected - before.rejected};
}

}  // namespace

RecordedItems recorded_items(const LoadedPipeline& pipeline, std::size_t source) {
  const auto& config = pipeline.config();
  const std::vector engines(pipeline.engines().begin(), pipeline.engines().end());
  const auto example = to_device(item_of(pipeline, source), DeviceId{});
  const auto fail_at = [&](const std::string& key, const std::string& why, const std::string& remedy) {
    throw ConfigError({.what = config.file.string() + ": source." + config.sources[source].name + "." + key,
                       .why = why,
                       .remedy = remedy});
  };
  const auto fail = [&](const std::string& why, const std::string& remedy) { fail_at("items", why, remedy); };
  if (!config.sources[source].period) {
    fail_at("rate_hz", "the key is missing, and a rehearsal publishes at that rate",
            "say how often the program publishes");
  }
  const auto& file = config.sources[source].items;
  if (file.empty()) return {example};
  std::vector<at::Tensor> tensors;
  try {
    tensors = load_tensors(file.string());
  } catch (const Error& error) {
    fail(error.what(), "");
  }
  if (tensors.empty() || tensors.size() % example.size() != 0) {
    fail("'" + file.string() + "' holds " + std::to_string(tensors.size()) + " tensors, and an item has " +
             std::to_string(example.size()),
         "save a list with the tensors of one item after another");
  }
  RecordedItems items;
  for (auto at = tensors.begin(); at != tensors.end(); at += static_cast<std::ptrdiff_t>(example.size())) {
    items.emplace_back(at, at + static_cast<std::ptrdiff_t>(example.size()));
    try {
      require_item_fits(config, engines, source, items.back());
    } catch (const Error& error) {
      fail(error.what(), "record items as the program will publish them");
    }
  }
  return items;
}

void require_recorded_items(const LoadedPipeline& pipeline) {
  for (std::size_t i = 0; i < pipeline.config().sources.size(); ++i) (void)recorded_items(pipeline, i);
}

RehearsalEdges::RehearsalEdges(const LoadedPipeline& pipeline)
    : pipeline_(pipeline), edges_(pipeline, /*keeps_last=*/true), players_(pipeline.config().sources.size()) {
  for (std::size_t i = 0; i < players_.size(); ++i) {
    players_[i].items = recorded_items(pipeline, i);
    players_[i].result.name = pipeline.config().sources[i].name;
  }
  before_.resize(pipeline.engines().size());
}

RehearsalEdges::~RehearsalEdges() { stop(); }

void RehearsalEdges::start(const Timetable& timetable, bool trace) {
  for (std::size_t i = 0; i < players_.size(); ++i)
    players_[i].thread = std::thread([this, i, &timetable, trace] { play(i, timetable, trace); });
}

void RehearsalEdges::play(std::size_t source, const Timetable& timetable, bool trace) {
  auto& player = players_[source];
  Ticks ticks(timetable.begin, pipeline_.config().sources[source].period.value());
  try {
    for (std::size_t i = 0; !is_stopped_ && ticks.next() < timetable.end; i = (i + 1) % player.items.size()) {
      std::this_thread::sleep_until(ticks.next());
      const auto now = Clock::now();
      (void)ticks.take(now);
      const auto published = edges_.sources()[source]->publish(player.items[i]);
      if (now < timetable.measure) continue;
      ++player.result.published;
      if (!trace || player.result.times.size() >= kMostSpans) continue;
      if (player.result.times.empty()) player.result.first = published.sequence;
      player.result.times.push_back(now - timetable.measure);
    }
  } catch (const RequestError&) {
    return;  // stopped while an edge was full
  } catch (const std::exception& error) {
    player.error = error.what();
  }
}

void RehearsalEdges::begin_figures() {
  for (std::size_t i = 0; i < before_.size(); ++i) {
    if (const auto& intake = edges_.intake(i)) before_[i] = intake->counts();
  }
  for (const auto& path : edges_.paths()) path->begin(Clock::now());
  for (std::size_t i = 0; i < players_.size(); ++i) players_[i].before = edges_.sources()[i]->published();
}

void RehearsalEdges::leave_out_warm_up(PipelineStats& stats) const {
  for (std::size_t i = 0; i < stats.sources.size(); ++i) stats.sources[i].published -= players_[i].before;
  for (std::size_t i = 0; i < stats.engines.size(); ++i) {
    for (std::size_t edge = 0; edge < stats.engines[i].edges.size(); ++edge) {
      auto& counts = stats.engines[i].edges[edge];
      counts.taken -= before_[i][edge].taken;
      counts.dropped -= before_[i][edge].dropped;
      counts.rejected -= before_[i][edge].rejected;
    }
  }
}

void RehearsalEdges::stop() {
  is_stopped_ = true;
  edges_.close();
  for (auto& player : players_) {
    if (player.thread.joinable()) player.thread.join();
  }
}

void RehearsalEdges::fill(ModeResult& result) const {
  const auto now = Clock::now();
  const auto& config = pipeline_.config();
  for (const auto& player : players_) result.sources.push_back(player.result);
  for (std::size_t i = 0; i < result.engines.size(); ++i) {
    const auto& intake = edges_.intake(i);
    if (!intake) continue;
    EngineStats stats;
    pipeline_.engines()[i]->fill(stats, now);
    result.engines[i].not_ready = stats.figures.not_ready;
    result.engines[i].stale = stats.figures.stale;
    result.engines[i].ages = stats.figures.ages;
    const auto counts = intake->counts();
    for (std::size_t edge = 0; edge < counts.size(); ++edge) {
      const auto before = edge < before_[i].size() ? before_[i][edge] : EdgeCounts{};
      result.engines[i].edges.push_back(since(before, counts[edge], config.engines[i].edges[edge].producer));
    }
    for (const auto& player : players_) {
      if (!player.error.empty() && result.engines[i].error.empty()) result.engines[i].error = player.error;
    }
  }
  for (std::size_t i = 0; i < config.paths.size(); ++i) {
    const auto& path = config.paths[i];
    const auto figures = edges_.paths()[i]->now(now);
    result.paths.push_back({.name = path.name,
                            .from = path.from,
                            .to = path.to,
                            .deadline = path.deadline,
                            .latency = edges_.paths()[i]->latencies(),
                            .misses = figures.misses,
                            .dropped = figures.dropped});
  }
}

bool RehearsalEdges::has_last(std::size_t engine) const {
  return edges_.intake(engine) && edges_.runs(engine)->last().outputs;
}

std::string RehearsalEdges::difference_of_last(std::size_t engine) const {
  const auto tensors_of = [](const Payload& payload) -> const std::vector<at::Tensor>& {
    return static_cast<const TensorPayload&>(payload).tensors();
  };
  const auto about = [](std::uint64_t sequence, const std::string& source, const std::string& text) {
    return "item " + std::to_string(sequence) + " of source '" + source + "': " + text;
  };
  const auto& last = edges_.runs(engine)->last();
  const auto& config = pipeline_.config();
  for (std::size_t edge = 0; edge < last.inputs.values.size(); ++edge) {
    const auto& producer = config.engines[engine].edges[edge].producer;
    const auto source = find_source(config, producer);
    if (!source) continue;
    const auto& value = *last.inputs.values[edge];
    const auto& items = players_[*source].items;
    const auto& recorded = items[(value.sequence - 1) % items.size()];
    const auto text = difference(tensors_of(*value.payload), recorded);
    if (!text.empty()) return about(value.sequence, producer, text);
  }
  return difference(tensors_of(*edges_.runs(engine)->repeat_last()), tensors_of(*last.outputs));
}

}  // namespace greenlane::runtime
