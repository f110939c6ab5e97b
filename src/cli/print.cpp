// SPDX-License-Identifier: Apache-2.0
#include "cli/print.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace headgate {

std::string text_of(const JsonView& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->as_string().value_or("") : "";
}

std::uint64_t number_of(const JsonView& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->as_uint64().value_or(0) : 0;
}

bool is_set(const JsonView& object, std::string_view name) {
  const auto value = object.find(name);
  return value && value->as_bool().value_or(false);
}

std::string print_value(const JsonView& value) {
  if (const auto text = value.as_string()) return *text;
  if (const auto fact = value.as_bool()) return *fact ? "yes" : "no";
  if (!value.is_array()) return std::string(value.raw());
  std::string line;
  for (const JsonView& element : value.elements())
    line += (line.empty() ? "" : ", ") + print_value(element);
  return line.empty() ? "-" : line;
}

std::string print_lines(const JsonView& list) {
  std::string out;
  for (const JsonView& element : list.elements()) out += print_value(element) + "\n";
  return out;
}

std::string print_fields(const JsonView& object) {
  std::size_t width = 0;
  for (const auto& member : object.members()) width = std::max(width, member.name().size());
  std::string out;
  for (const auto& member : object.members()) {
    std::string name = member.name() + ":";
    std::ranges::replace(name, '_', ' ');
    out += fmt::format("{:<{}}  {}\n", name, width + 1, print_value(member.value));
  }
  return out;
}

}  // namespace headgate
