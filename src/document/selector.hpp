// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/json.hpp"

namespace re2 {
class RE2;
}

namespace headgate {

/// A Mango selector: tells which documents match, as CouchDB's `_find` and `filter=_selector` do.
/// A value; const use is safe from any thread.
///
/// As there, a member that is not there matches nothing but `{"$exists": false}`, negations
/// included. Unlike there, strings are compared by their bytes. `$regex` takes RE2's syntax, which
/// has no back references: its time is linear in the text.
class Selector {
 public:
  static constexpr std::size_t kNodesMax = 10'000;
  static constexpr int kDepthMax = 64;

  /// Reads a JSON object; the empty one matches every document.
  /// Errors: invalid_argument, naming the operator.
  static Result<Selector> parse(const JsonView& selector);

  /// `document` is the whole document, `_id`, `_rev` and `_deleted` among its members.
  bool matches(const JsonView& document) const;

 private:
  enum class Kind : std::uint8_t {
    conjunction,
    disjunction,
    negation,
    field,  ///< the member at `path` is there and matches the one child
    absent,
    present,
    equal,
    unequal,
    less,
    less_or_equal,
    greater,
    greater_or_equal,
    is_in,
    is_not_in,
    all_of,
    some_element,
    every_element,
    size,
    modulo,
    type,
    pattern,
  };
  struct Node {
    Kind kind{};
    std::vector<Node> children;
    std::vector<std::string> path;
    std::string argument;  ///< JSON text
    std::int64_t number = 0;
    std::int64_t divisor = 0;
    JsonKind type = JsonKind::null;
    std::shared_ptr<const re2::RE2> pattern;
  };
  class Parser;

  static bool matches(const Node& node, const JsonView& value);
  static bool matches_field(const Node& node, const JsonView& value);
  static bool matches_list(const Node& node, const JsonView& value);

  Node root_;
};

/// Order of JSON values as in CouchDB's views: null, false, true, numbers, strings, arrays,
/// objects. Strings by their bytes, arrays by their elements, objects by their members in order.
int compare_json(const JsonView& a, const JsonView& b);

}  // namespace headgate
