// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "document/json.hpp"

// Answers of the server as text for people.
namespace headgate {

// A member of an object; empty, 0, false if it is absent or of another kind.
std::string text_of(const JsonView& object, std::string_view name);
std::uint64_t number_of(const JsonView& object, std::string_view name);
bool is_set(const JsonView& object, std::string_view name);

/// A value on one line: texts as they are, lists with commas, the rest as JSON.
std::string print_value(const JsonView& value);
/// The elements of a list, one a line.
std::string print_lines(const JsonView& list);
/// The members of an object, one a line, their values in one column. `_` in names is a blank.
std::string print_fields(const JsonView& object);

}  // namespace headgate
