// Pickles as data: a tree of the written values. Nothing in a pickle is imported, called or run, and nesting uses no
// stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

enum class PickleKind {
  none,
  boolean,
  integer,
  real,
  text,
  global,  // the name of a function or class
  tuple,
  list,
  dict,      // its items alternate between keys and values
  call,      // its items are the called object, and the tuple of arguments
  reference  // its one item names an object outside of the pickle
};

// A value in a pickle, cheap to copy.
// Lifetime: its text and items live as long as the tree and the tree's bytes.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::int64_t number = 0;  // of booleans and integers
  std::string_view text;    // of texts; of globals "module.name"
  std::size_t node = 0;     // of kinds with items
};

class PickleTree {
 public:
  // Reads numbers, texts, lists, tuples, dicts and objects of protocols 2 to 5.
  // Throws: std::runtime_error, which says why, if the bytes are cut off or of another form.
  // Lifetime: the bytes must outlive the tree.
  explicit PickleTree(std::string_view bytes);

  PickleTree(const PickleTree&) = delete;
  PickleTree& operator=(const PickleTree&) = delete;

  [[nodiscard]] const PickleValue& root() const { return root_; }
  // Returns the value's items; empty if its kind has none.
  [[nodiscard]] std::span<const PickleValue> items(const PickleValue& value) const;
  // Describes a value for messages: "a dict", "an object of 'collections.OrderedDict'".
  [[nodiscard]] std::string describe(const PickleValue& value) const;

 private:
  using Values = std::vector<PickleValue>;

  void step(unsigned char operation);
  bool scalar(unsigned char operation);
  bool container(unsigned char operation);
  bool memory(unsigned char operation);
  bool object(unsigned char operation);

  std::string_view take(std::uint64_t count);
  std::string_view take_line();
  std::uint64_t take_number(std::size_t bytes);
  std::int64_t take_signed(std::uint64_t bytes);

  void push(PickleKind kind, std::int64_t number = 0, std::string_view text = {});
  void push_with(PickleKind kind, Values items);
  void push_global(std::string_view module, std::string_view name);
  PickleValue pop();
  Values pop_last(std::size_t count);
  Values pop_to_mark();
  void add_to_top(const Values& values);

  std::string_view bytes_;
  std::size_t at_ = 0;
  Values stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue> memo_;
  std::vector<Values> nodes_;
  std::set<std::string, std::less<>> names_;
  PickleValue root_;
};

}  // namespace greenlane::detail
