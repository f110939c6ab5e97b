// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

// The JSON boundary. Text from outside is validated once, as a whole; afterwards it is read in
// place and passed on as raw slices, so that numbers and members come back exactly as sent.
namespace headgate {

struct JsonLimits {
  std::size_t depth_max = 1'000;  ///< arrays and objects inside one another; `[]` has depth 1
  std::size_t bytes_max = 64 * 1024 * 1024;
};

/// Checks that `text` is one JSON value (RFC 8259): valid UTF-8, no lone surrogates, no trailing
/// text. Integers of any length are legal as long as a double can hold their magnitude. Members of
/// the same name are legal here: parse_document() refuses them at a document's top level, deeper
/// ones are kept as sent. Safe from any thread.
/// Errors: invalid_argument with what and the byte offset; too_large (bytes_max).
Result<void> validate_json(std::string_view text, const JsonLimits& limits = {});

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

/// A value inside validated JSON text, read lazily: nothing is decoded or copied before it is asked
/// for, and a step over a value costs its length. The text must outlive the view and must have
/// passed validate_json(): reading anything else is a bug. Const use is safe from any thread.
class JsonView {
 public:
  struct Member;
  class MemberIterator;
  class ElementIterator;
  template <class Iterator>
  struct Range {
    Iterator first;
    Iterator begin() const { return first; }
    Iterator end() const { return {}; }
  };

  /// The value null.
  JsonView() = default;
  /// REQUIRES: validate_json(text) succeeded, or `text` is raw() of another view.
  explicit JsonView(std::string_view valid_text);

  JsonKind kind() const;
  bool is_null() const { return kind() == JsonKind::null; }
  bool is_string() const { return kind() == JsonKind::string; }
  bool is_number() const { return kind() == JsonKind::number; }
  bool is_array() const { return kind() == JsonKind::array; }
  bool is_object() const { return kind() == JsonKind::object; }
  /// The value as sent, without the white space around it.
  std::string_view raw() const { return raw_; }

  // None: another kind, or a number that does not fit (fractions and exponents are no integers).
  std::optional<bool> as_bool() const;
  std::optional<std::int64_t> as_int64() const;
  std::optional<std::uint64_t> as_uint64() const;
  std::optional<double> as_double() const;
  std::optional<std::string> as_string() const;

  /// Members of an object in their order, duplicates included; none for other kinds.
  Range<MemberIterator> members() const;
  /// Elements of an array in their order; none for other kinds.
  Range<ElementIterator> elements() const;
  /// The first member of that name. None: no such member, or no object.
  std::optional<JsonView> find(std::string_view name) const;

 private:
  std::string_view raw_ = "null";
};

struct JsonView::Member {
  std::string_view raw_name;  ///< with quotes, as sent
  JsonView value;
  std::string_view raw;  ///< name, colon and value as sent

  std::string name() const { return *JsonView(raw_name).as_string(); }
  bool is_named(std::string_view name) const;
};

/// Input iterator; a default-made one is the end.
class JsonView::MemberIterator {
 public:
  MemberIterator() = default;
  /// `rest` begins after the '{' or ','.
  explicit MemberIterator(std::string_view rest);
  const Member& operator*() const { return member_; }
  const Member* operator->() const { return &member_; }
  MemberIterator& operator++();
  friend bool operator==(const MemberIterator& a, const MemberIterator& b) {
    return a.is_end_ == b.is_end_;
  }

 private:
  void read();
  std::string_view rest_;
  Member member_;
  bool is_end_ = true;
};

/// Input iterator; a default-made one is the end.
class JsonView::ElementIterator {
 public:
  ElementIterator() = default;
  /// `rest` begins after the '[' or ','.
  explicit ElementIterator(std::string_view rest);
  const JsonView& operator*() const { return element_; }
  const JsonView* operator->() const { return &element_; }
  ElementIterator& operator++();
  friend bool operator==(const ElementIterator& a, const ElementIterator& b) {
    return a.is_end_ == b.is_end_;
  }

 private:
  void read();
  std::string_view rest_;
  JsonView element_;
  bool is_end_ = true;
};

/// One spelling for equal values: members sorted by the bytes of their names at every level (equal
/// names keep their order), no white space, strings with the fewest escapes, numbers as sent.
/// REQUIRES: validate_json(text) succeeded.
std::string canonical_json(std::string_view text);

/// Writes the JSON that Headgate sends. Commas are put by the writer; the caller keeps begin and
/// end in balance. Text that is not UTF-8 is written with U+FFFD in place of the bad bytes.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  /// The name of the next value.
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// A value that is JSON already.
  JsonWriter& raw(std::string_view json);
  /// Members of an object that is JSON already, `{...}`, as members of the object being written.
  JsonWriter& members_of(std::string_view json_object);

  const std::string& text() const& { return text_; }
  std::string text() && { return std::move(text_); }

 private:
  void separate();
  std::string text_;
  bool needs_comma_ = false;
};

/// Appends `value` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view value);
bool is_valid_utf8(std::string_view text);

}  // namespace headgate
