// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate {

/// Decodes %XX; every other byte is kept, `+` too. Absent if a % is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);
/// Encodes all but letters, digits and -._~, so that the result is one path segment or one query
/// value.
std::string percent_encode(std::string_view text);

/// Decoded query parameters in their order; a name may come twice.
class QueryParameters {
 public:
  using Parameter = std::pair<std::string, std::string>;

  void add(std::string name, std::string value);
  /// The first parameter of that name; absent if there is none, empty for `name` and `name=`.
  /// The pointer lives as long as this object stays as it is.
  const std::string* find(std::string_view name) const;

  bool empty() const { return parameters_.empty(); }
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }

 private:
  std::vector<Parameter> parameters_;
};

/// Reads `a=1&b=2`; `+` is a space, empty parts are left out. Absent if badly encoded.
std::optional<QueryParameters> parse_query(std::string_view query);

/// Splits the path of a request target at its slashes, then decodes each segment, so a segment may
/// hold a slash. The leading slash and one trailing slash begin no segment: "/db/" is {"db"}, "/"
/// is {}. Absent if badly encoded or not beginning with a slash.
std::optional<std::vector<std::string>> parse_path(std::string_view path);

}  // namespace headgate
