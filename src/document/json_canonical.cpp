// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <vector>

#include "document/json.hpp"

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
    std::string_view name;  ///< decoded; of a member
    std::string_view raw;   ///< of a scalar
    std::uint32_t first_child = kNone;
    std::uint32_t last_child = kNone;
    std::uint32_t next = kNone;
    char opening = 0;  ///< '{' or '[' of a container
    bool is_sorted = true;
  };

  void read() {
    while (at_ < text_.size()) {
      switch (text_[at_]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ',':
        case ':':
          ++at_;
          break;
        case '{':
        case '[':
          open();
          break;
        case '}':
        case ']':
          close();
          break;
        default:
          read_scalar();
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

  void read_scalar() {
    const std::size_t begin = at_;
    if (text_[at_] == '"') {
      ++at_;
      while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, text_.size());
    } else {
      at_ = std::min(text_.find_first_of(" \t\r\n,]}", at_), text_.size());
    }
    const std::string_view raw = text_.substr(begin, at_ - begin);
    if (expects_name()) {
      name_ = decoded(raw);
      has_name_ = true;
    } else {
      add(raw);
    }
  }

  bool expects_name() const {
    return !has_name_ && !open_.empty() && values_[open_.back()].opening == '{';
  }

  std::string_view decoded(std::string_view raw) {
    if (raw.find('\\') == std::string_view::npos) return raw.substr(1, raw.size() - 2);
    return names_.emplace_back(*JsonView(raw).as_string());
  }

  std::uint32_t add(std::string_view raw) {
    const auto index = static_cast<std::uint32_t>(values_.size());
    Value& value = values_.emplace_back();
    value.raw = raw;
    value.name = std::exchange(name_, {});
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

  void sort(std::uint32_t object) {
    order_.clear();
    for (auto i = values_[object].first_child; i != kNone; i = values_[i].next) order_.push_back(i);
    std::ranges::sort(order_, {},
                      [this](std::uint32_t i) { return std::pair(values_[i].name, i); });
    values_[object].first_child = order_.front();
    for (std::size_t i = 0; i + 1 < order_.size(); ++i) values_[order_[i]].next = order_[i + 1];
    values_[order_.back()].next = kNone;
  }

  /// As deep as the text is, which validate_json() has bounded.
  void write(std::uint32_t index) {
    const Value& value = values_[index];
    if (value.opening == 0) return write_scalar(value.raw);
    out_.push_back(value.opening);
    for (std::uint32_t i = value.first_child; i != kNone; i = values_[i].next) {
      if (i != value.first_child) out_.push_back(',');
      if (value.opening == '{') {
        append_json_string(out_, values_[i].name);
        out_.push_back(':');
      }
      write(i);
    }
    out_.push_back(value.opening == '{' ? '}' : ']');
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
  std::vector<std::uint32_t> order_;
  std::deque<std::string> names_;
  std::string_view name_;
  bool has_name_ = false;
  std::string out_;
};

}  // namespace

std::string canonical_json(std::string_view text) {
  return Canonizer(text).run();
}

}  // namespace headgate
