// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "document/json.hpp"

// Strict reading of configuration objects. All errors are invalid_argument; their context goes on
// where the name of the member ends: "must be true or false".
namespace headgate::config_fields {

inline Error wrong(std::string_view what) {
  return {Errc::invalid_argument, std::string(what)};
}

template <class T, std::size_t N = 2>
using Names = std::array<std::pair<std::string_view, T>, N>;

template <class T, std::size_t N>
Result<void> read_name(const JsonView& value, const Names<T, N>& names, T& into) {
  const auto text = value.as_string();
  for (const auto& [name, meaning] : names) {
    if (text != name) continue;
    into = meaning;
    return {};
  }
  std::string known;
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0) known += i + 1 < N ? ", " : " or ";
    known += "\"" + std::string(names[i].first) + "\"";
  }
  return wrong("must be " + known);
}

template <class T, std::size_t N>
std::string_view name_of(const Names<T, N>& names, T value) {
  for (const auto& [name, meaning] : names)
    if (meaning == value) return name;
  return names[0].first;
}

inline Result<void> read_bool(const JsonView& value, bool& into) {
  const auto read = value.as_bool();
  if (!read) return wrong("must be true or false");
  into = *read;
  return {};
}

struct Bounds {
  std::uint64_t least;
  std::uint64_t greatest;
};

inline Result<std::uint64_t> read_number(const JsonView& value, Bounds bounds) {
  const auto read = value.as_uint64();
  if (!read || *read < bounds.least || *read > bounds.greatest)
    return wrong("must be a whole number from " + std::to_string(bounds.least) + " to " +
                 std::to_string(bounds.greatest));
  return *read;
}

template <class T>
Result<void> read_number_into(const JsonView& value, Bounds bounds, T& into) {
  HG_TRY(const std::uint64_t read, read_number(value, bounds));
  into = static_cast<T>(read);
  return {};
}

inline Result<void> read_milliseconds(const JsonView& value, Bounds bounds,
                                      std::chrono::milliseconds& into) {
  HG_TRY(const std::uint64_t read, read_number(value, bounds));
  into = std::chrono::milliseconds(read);
  return {};
}

/// Text of at least one byte.
inline Result<void> read_text(const JsonView& value, std::string& into) {
  auto text = value.as_string();
  if (!text || text->empty()) return wrong("must be a text");
  into = std::move(*text);
  return {};
}

/// One member of an object that is read strictly.
template <class T>
struct Field {
  std::string_view name;
  Result<void> (*read)(const JsonView& value, T& into);
};

template <class T>
Result<void> read_fields(const JsonView& object, std::span<const Field<T>> fields, T& into) {
  if (!object.is_object()) return wrong("must be an object");
  std::set<std::string> seen;
  for (const JsonView::Member& member : object.members()) {
    const std::string name = member.name();
    if (!seen.insert(name).second) return wrong("\"" + name + "\" is given twice");
    const Field<T>* field = nullptr;
    for (const Field<T>& candidate : fields)
      if (candidate.name == name) field = &candidate;
    if (!field) return wrong("\"" + name + "\" is not a known setting");
    if (auto read = field->read(member.value, into); !read)
      return wrong("\"" + name + "\" " + read.error().context);
  }
  return {};
}

}  // namespace headgate::config_fields
