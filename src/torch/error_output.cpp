#include "torch/error_output.hpp"

#include "text/first_line.hpp"

#include <iostream>
#include <streambuf>
#include <utility>

// A function of PyTorch 2.13 and newer; null in older versions.
extern "C" __attribute__((weak)) const char* torch_exception_get_what_without_backtrace();

namespace greenlane::detail {
namespace {

thread_local std::string* collector = nullptr;

// A buffer in front of std::cerr's own. It stays until the process ends, so that it is never destroyed while another
// thread uses it.
class Filter final : public std::streambuf {
 public:
  explicit Filter(std::streambuf* next) : next_(next) {}

 protected:
  int_type overflow(int_type c) override {
    if (!collector) return next_->sputc(traits_type::to_char_type(c));
    if (!traits_type::eq_int_type(c, traits_type::eof())) collector->push_back(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    if (!collector) return next_->sputn(text, count);
    collector->append(text, static_cast<std::size_t>(count));
    return count;
  }
  int sync() override { return collector ? 0 : next_->pubsync(); }

 private:
  std::streambuf* next_;
};

void install_filter() {
  static const bool installed = [] {
    std::cerr.rdbuf(new Filter(std::cerr.rdbuf()));
    return true;
  }();
  (void)installed;
}

// Returns the rest of the first line that contains `before`; empty if there is none.
std::string after(std::string_view text, std::string_view before) {
  const auto start = text.find(before);
  return start == std::string_view::npos ? std::string() : text::first_line(text.substr(start + before.size()));
}

// Returns PyTorch's record of this thread's last failure. Older versions write the reason to std::cerr instead.
std::string recorded_reason() {
  const char* text =
      torch_exception_get_what_without_backtrace ? torch_exception_get_what_without_backtrace() : nullptr;
  return text ? text::first_line(text) : std::string();
}

}  // namespace

ErrorOutput::ErrorOutput() : outer_(collector) {
  install_filter();
  collector = &text_;
}

ErrorOutput::~ErrorOutput() {
  collector = outer_;
  if (!text_.empty()) std::cerr << text_ << std::flush;
}

std::string ErrorOutput::take() { return std::exchange(text_, {}); }

std::string reason_of(std::string_view output, const std::exception& thrown) {
  constexpr std::string_view kNoReason = "API call failed";
  if (auto reason = after(output, "Exception in aoti_torch: "); !reason.empty()) return reason;
  auto said = after(output, "Error: ");
  auto text = text::first_line(thrown.what());
  if (!said.empty() && said.find(kNoReason) == std::string::npos) return said;
  if (text.find(kNoReason) == std::string::npos) return text;
  if (auto reason = recorded_reason(); !reason.empty()) return reason;
  return said.empty() ? text : said;
}

}  // namespace greenlane::detail
