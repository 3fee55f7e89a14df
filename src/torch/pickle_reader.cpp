#include "torch/pickle_reader.hpp"

#include <iterator>
#include <stdexcept>
#include <utility>

namespace greenlane::detail {
namespace {

[[noreturn]] void fail(const std::string& why) { throw std::runtime_error(why); }

bool has_items(PickleKind kind) {
  return kind == PickleKind::tuple || kind == PickleKind::list || kind == PickleKind::dict ||
         kind == PickleKind::call || kind == PickleKind::reference;
}

}  // namespace

PickleTree::PickleTree(std::string_view bytes) : bytes_(bytes) {
  while (true) {
    const auto operation = static_cast<unsigned char>(take_number(1));
    if (operation == '.') break;
    step(operation);
  }
  root_ = pop();
}

std::span<const PickleValue> PickleTree::items(const PickleValue& value) const {
  return has_items(value.kind) ? std::span<const PickleValue>(nodes_[value.node]) : std::span<const PickleValue>();
}

std::string PickleTree::describe(const PickleValue& value) const {
  switch (value.kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return "a bool";
    case PickleKind::integer:
      return "an int";
    case PickleKind::real:
      return "a float";
    case PickleKind::text:
      return "a text";
    case PickleKind::global:
      return "the name '" + std::string(value.text) + "'";
    case PickleKind::tuple:
      return "a tuple";
    case PickleKind::list:
      return "a list";
    case PickleKind::dict:
      return "a dict";
    case PickleKind::call: {
      const auto& callee = items(value).front();
      return "an object of '" + (callee.kind == PickleKind::global ? std::string(callee.text) : "?") + "'";
    }
    case PickleKind::reference:
      return "a storage";
  }
  return "something else";
}

void PickleTree::step(unsigned char operation) {
  if (scalar(operation) || container(operation) || memory(operation) || object(operation)) return;
  fail("its pickle has operation " + std::to_string(operation) + ", which no list of tensors needs");
}

bool PickleTree::scalar(unsigned char operation) {
  switch (operation) {
    case 'N':
      push(PickleKind::none);
      return true;
    case 0x88:
      push(PickleKind::boolean, 1);
      return true;
    case 0x89:
      push(PickleKind::boolean, 0);
      return true;
    case 'K':
      push(PickleKind::integer, take_signed(1) & 0xff);
      return true;
    case 'M':
      push(PickleKind::integer, take_signed(2) & 0xffff);
      return true;
    case 'J':
      push(PickleKind::integer, take_signed(4));
      return true;
    case 0x8a:
      push(PickleKind::integer, take_signed(take_number(1)));
      return true;
    case 0x8b:
      push(PickleKind::integer, take_signed(take_number(4)));
      return true;
    case 'G':
      (void)take(8);
      push(PickleKind::real);
      return true;
    // Texts and bytes, with lengths of 1, 4 and 8 bytes.
    case 0x8c:
    case 'U':
    case 'C':
      push(PickleKind::text, 0, take(take_number(1)));
      return true;
    case 'X':
    case 'T':
    case 'B':
      push(PickleKind::text, 0, take(take_number(4)));
      return true;
    case 0x8d:
    case 0x8e:
      push(PickleKind::text, 0, take(take_number(8)));
      return true;
    default:
      return false;
  }
}

bool PickleTree::container(unsigned char operation) {
  switch (operation) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case ')':
      push_with(PickleKind::tuple, {});
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push_with(PickleKind::tuple, pop_last(operation - 0x84U));
      return true;
    case 't':
      push_with(PickleKind::tuple, pop_to_mark());
      return true;
    case ']':
      push_with(PickleKind::list, {});
      return true;
    case 'l':
      push_with(PickleKind::list, pop_to_mark());
      return true;
    case '}':
      push_with(PickleKind::dict, {});
      return true;
    case 'd':
      push_with(PickleKind::dict, pop_to_mark());
      return true;
    case 'a':
      add_to_top(pop_last(1));
      return true;
    case 's':
      add_to_top(pop_last(2));
      return true;
    case 'e':
    case 'u':
      add_to_top(pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool PickleTree::memory(unsigned char operation) {
  const auto recall = [&](std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("its pickle names what it does not hold");
    stack_.push_back(found->second);
  };
  const auto remember = [&](std::uint64_t key) {
    if (stack_.empty()) fail("its pickle is malformed");
    memo_[key] = stack_.back();
  };
  switch (operation) {
    case 'q':
      remember(take_number(1));
      return true;
    case 'r':
      remember(take_number(4));
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'h':
      recall(take_number(1));
      return true;
    case 'j':
      recall(take_number(4));
      return true;
    case '0':
      (void)pop();
      return true;
    case 0x80:
      (void)take(1);
      return true;  // the protocol
    case 0x95:
      (void)take(8);
      return true;  // a frame: the number of bytes to read ahead
    default:
      return false;
  }
}

bool PickleTree::object(unsigned char operation) {
  switch (operation) {
    case 'c': {
      const auto module = take_line();
      push_global(module, take_line());
      return true;
    }
    case 0x93: {
      const auto names = pop_last(2);
      push_global(names[0].text, names[1].text);
      return true;
    }
    case 'R':
    case 0x81:
      push_with(PickleKind::call, pop_last(2));
      return true;
    case 'b':
      (void)pop();
      return true;  // an object's state, which is not used
    case 'Q':
      push_with(PickleKind::reference, pop_last(1));
      return true;
    default:
      return false;
  }
}

std::string_view PickleTree::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) fail("its pickle is cut off");
  const auto taken = bytes_.substr(at_, count);
  at_ += count;
  return taken;
}

std::string_view PickleTree::take_line() {
  const auto end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) fail("its pickle is cut off");
  const auto line = take(end - at_);
  (void)take(1);
  return line;
}

std::uint64_t PickleTree::take_number(std::size_t bytes) {
  const auto taken = take(bytes);
  std::uint64_t number = 0;
  for (std::size_t i = bytes; i > 0; --i) number = number << 8U | static_cast<unsigned char>(taken[i - 1]);
  return number;
}

// Reads a number in two's complement.
std::int64_t PickleTree::take_signed(std::uint64_t bytes) {
  if (bytes > sizeof(std::int64_t)) fail("its pickle has a number of more than 64 bits");
  if (bytes == 0) return 0;
  const auto unused = 64U - 8U * static_cast<unsigned>(bytes);
  return static_cast<std::int64_t>(take_number(bytes) << unused) >> unused;
}

void PickleTree::push(PickleKind kind, std::int64_t number, std::string_view text) {
  stack_.push_back({.kind = kind, .number = number, .text = text});
}

void PickleTree::push_with(PickleKind kind, Values items) {
  nodes_.push_back(std::move(items));
  stack_.push_back({.kind = kind, .text = {}, .node = nodes_.size() - 1});
}

void PickleTree::push_global(std::string_view module, std::string_view name) {
  push(PickleKind::global, 0, *names_.insert(std::string(module) + "." + std::string(name)).first);
}

PickleValue PickleTree::pop() { return pop_last(1).front(); }

PickleTree::Values PickleTree::pop_last(std::size_t count) {
  if (count > stack_.size()) fail("its pickle is malformed");
  const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
  Values popped(first, stack_.end());
  stack_.erase(first, stack_.end());
  return popped;
}

PickleTree::Values PickleTree::pop_to_mark() {
  if (marks_.empty() || marks_.back() > stack_.size()) fail("its pickle is malformed");
  const auto mark = marks_.back();
  marks_.pop_back();
  return pop_last(stack_.size() - mark);
}

// Adds values to a list or a dict. Values that fill an object of a class are dropped, because describe() needs only its
// class.
void PickleTree::add_to_top(const Values& values) {
  if (stack_.empty()) fail("its pickle is malformed");
  const auto& top = stack_.back();
  if (top.kind == PickleKind::call) return;
  if (top.kind != PickleKind::list && top.kind != PickleKind::dict) fail("its pickle is malformed");
  auto& items = nodes_[top.node];
  items.insert(items.end(), values.begin(), values.end());
}

}  // namespace greenlane::detail
