// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <tuple>
#include <vector>

#include "document/json.hpp"
#include "document/json_scan.hpp"

namespace headgate {

namespace {

constexpr std::uint32_t kNone = 0xffffffff;

/// Takes a text apart in one pass and writes it in the other order. One flat list of values, so
/// that the work does not grow with depth times length, whoever sends it.
class Canonizer {
 public:
  explicit Canonizer(std::string_view text) : text_(text) {}

  std::string run() {
    read();
    out_.reserve(text_.size());
    if (!values_.empty()) write(0);
    return std::move(out_);
  }

 private:
  struct Value {
    std::string_view name;      ///< decoded; of a member
    std::string_view raw_name;  ///< with quotes; empty if it needs writing anew
    std::string_view raw;       ///< of a scalar
    std::uint32_t first_child = kNone;
    std::uint32_t last_child = kNone;
    std::uint32_t next = kNone;
    char opening = 0;  ///< '{' or '[' of a container
    bool is_sorted = true;
  };
  /// First bytes of a name as a number: decides most comparisons.
  struct Place {
    std::uint64_t prefix = 0;
    std::uint32_t index = 0;
  };

  void read() {
    values_.reserve(text_.size() / 16 + 8);
    while (at_ < text_.size()) {
      switch (json_scan::step_at(text_, at_)) {
        case json_scan::Step::separator:
          ++at_;
          break;
        case json_scan::Step::open:
          open();
          break;
        case json_scan::Step::close:
          close();
          break;
        case json_scan::Step::quote:
          read_string();
          break;
        case json_scan::Step::on:
          read_word();
          break;
      }
    }
  }

  void open() {
    const std::uint32_t index = add({});
    values_[index].opening = text_[at_++];
    open_.push_back(index);
  }

  void close() {
    ++at_;
    if (open_.empty()) return;
    const std::uint32_t closed = open_.back();
    open_.pop_back();
    if (!values_[closed].is_sorted) sort(closed);
  }

  void read_string() {
    const std::size_t begin = at_;
    at_ = std::min(json_scan::end_of_string(text_, at_ + 1), text_.size());
    const std::string_view raw = text_.substr(begin, at_ - begin);
    if (expects_name()) {
      read_name(raw);
    } else {
      add(raw);
    }
  }

  void read_word() {
    const std::size_t begin = at_;
    at_ = json_scan::end_of_scalar(text_, at_);
    add(text_.substr(begin, at_ - begin));
  }

  bool expects_name() const {
    return !has_name_ && !open_.empty() && values_[open_.back()].opening == '{';
  }

  void read_name(std::string_view raw) {
    has_name_ = true;
    const bool is_escaped = raw.find('\\') != std::string_view::npos;
    if (is_escaped) {
      name_ = names_.emplace_back(*JsonView(raw).as_string());
    } else {
      raw_name_ = raw;
      name_ = raw.substr(1, raw.size() - 2);
    }
  }

  std::uint32_t add(std::string_view raw) {
    const auto index = static_cast<std::uint32_t>(values_.size());
    Value& value = values_.emplace_back();
    value.raw = raw;
    value.name = std::exchange(name_, {});
    value.raw_name = std::exchange(raw_name_, {});
    has_name_ = false;
    if (open_.empty()) return index;
    Value& parent = values_[open_.back()];
    if (parent.last_child == kNone) {
      parent.first_child = index;
    } else {
      Value& before = values_[parent.last_child];
      before.next = index;
      if (value.name < before.name) parent.is_sorted = false;
    }
    parent.last_child = index;
    return index;
  }

  static std::uint64_t prefix_of(std::string_view name) {
    std::uint64_t prefix = 0;
    for (std::size_t i = 0; i < 8; ++i)
      prefix = prefix << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0u);
    return prefix;
  }

  void sort(std::uint32_t object) {
    order_.clear();
    for (auto i = values_[object].first_child; i != kNone; i = values_[i].next)
      order_.push_back({prefix_of(values_[i].name), i});
    std::ranges::sort(order_, [this](const Place& a, const Place& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      return std::tie(values_[a.index].name, a.index) < std::tie(values_[b.index].name, b.index);
    });
    values_[object].first_child = order_.front().index;
    for (std::size_t i = 0; i + 1 < order_.size(); ++i)
      values_[order_[i].index].next = order_[i + 1].index;
    values_[order_.back().index].next = kNone;
  }

  /// As deep as the text is, which validate_json() has bounded.
  void write(std::uint32_t index) {
    const Value& value = values_[index];
    if (value.opening == 0) return write_scalar(value.raw);
    out_.push_back(value.opening);
    for (std::uint32_t i = value.first_child; i != kNone; i = values_[i].next) {
      if (i != value.first_child) out_.push_back(',');
      if (value.opening == '{') {
        write_name(values_[i]);
      }
      write(i);
    }
    out_.push_back(value.opening == '{' ? '}' : ']');
  }

  void write_name(const Value& member) {
    if (member.raw_name.empty()) {
      append_json_string(out_, member.name);
    } else {
      out_.append(member.raw_name);
    }
    out_.push_back(':');
  }

  void write_scalar(std::string_view raw) {
    if (raw.front() != '"' || raw.find('\\') == std::string_view::npos) {
      out_.append(raw);
    } else {
      append_json_string(out_, *JsonView(raw).as_string());
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Value> values_;
  std::vector<std::uint32_t> open_;
  std::vector<Place> order_;
  std::deque<std::string> names_;
  std::string_view name_;
  std::string_view raw_name_;
  bool has_name_ = false;
  std::string out_;
};

}  // namespace

std::string canonical_json(std::string_view text) {
  return Canonizer(text).run();
}

}  // namespace headgate
