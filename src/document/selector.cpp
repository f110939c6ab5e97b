// SPDX-License-Identifier: Apache-2.0
#include "document/selector.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace headgate {
namespace {

constexpr std::size_t kPatternBytesMax = 1'000;
constexpr std::int64_t kPatternMemoryMax = 1 << 20;

// None: the path leads to nothing, also because what it leads through has no members.
std::optional<JsonView> member_at(const JsonView& value, const std::vector<std::string>& path) {
  JsonView at = value;
  for (const std::string& name : path) {
    if (at.is_array()) {
      std::size_t index = 0;
      const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
      if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
      auto element = at.elements().begin();
      for (; index > 0 && element != at.elements().end(); --index) ++element;
      if (element == at.elements().end()) return std::nullopt;
      at = JsonView(*element);
    } else {
      const auto member = at.find(name);
      if (!member) return std::nullopt;
      at = *member;
    }
  }
  return at;
}

int rank(const JsonView& value) {
  switch (value.kind()) {
    case JsonKind::null:
      return 0;
    case JsonKind::boolean:
      return *value.as_bool() ? 2 : 1;
    case JsonKind::number:
      return 3;
    case JsonKind::string:
      return 4;
    case JsonKind::array:
      return 5;
    case JsonKind::object:
      return 6;
  }
  return 0;
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int compare_numbers(const JsonView& a, const JsonView& b) {
  const auto whole_a = a.as_int64(), whole_b = b.as_int64();
  if (whole_a && whole_b) return order(*whole_a, *whole_b);
  return order(a.as_double().value_or(0), b.as_double().value_or(0));
}

int compare_arrays(const JsonView& a, const JsonView& b) {
  auto left = a.elements().begin(), right = b.elements().begin();
  const auto end = a.elements().end();
  for (; left != end && right != end; ++left, ++right)
    if (const int compared = compare_json(*left, *right); compared != 0) return compared;
  return order(left != end, right != end);
}

int compare_objects(const JsonView& a, const JsonView& b) {
  auto left = a.members().begin(), right = b.members().begin();
  const auto end = a.members().end();
  for (; left != end && right != end; ++left, ++right) {
    if (const int compared = order(left->name(), right->name()); compared != 0) return compared;
    if (const int compared = compare_json(left->value, right->value); compared != 0)
      return compared;
  }
  return order(left != end, right != end);
}

template <class Fits>
bool any_element(const JsonView& list, Fits fits) {
  for (const JsonView& each : list.elements())
    if (fits(each)) return true;
  return false;
}

bool contains(const JsonView& list, const JsonView& value) {
  return any_element(list, [&](const JsonView& each) { return compare_json(each, value) == 0; });
}

// A list is in another one if it shares an element with it, or is an element of it.
bool is_in(const JsonView& value, const JsonView& list) {
  if (contains(list, value)) return true;
  return any_element(value, [&](const JsonView& each) { return contains(list, each); });
}

bool has_all(const JsonView& value, const JsonView& wanted) {
  if (!value.is_array()) return false;
  const auto first = wanted.elements().begin();
  if (first == wanted.elements().end()) return false;
  auto second = first;
  if (++second == wanted.elements().end() && first->is_array() && compare_json(*first, value) == 0)
    return true;
  return !any_element(wanted, [&](const JsonView& each) { return !contains(value, each); });
}

std::int64_t count(const JsonView& list) {
  std::int64_t elements = 0;
  for ([[maybe_unused]] const JsonView& each : list.elements()) ++elements;
  return elements;
}

/// "a.b" are two steps; a backslash before the dot makes it a part of the name.
std::vector<std::string> path_of(std::string_view name) {
  std::vector<std::string> path(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size() && name[i + 1] == '.')
      path.back() += name[++i];
    else if (name[i] == '.')
      path.emplace_back();
    else
      path.back() += name[i];
  }
  return path;
}

}  // namespace

int compare_json(const JsonView& a, const JsonView& b) {
  if (const int compared = order(rank(a), rank(b)); compared != 0) return compared;
  switch (a.kind()) {
    case JsonKind::number:
      return compare_numbers(a, b);
    case JsonKind::string:
      return order(*a.as_string(), *b.as_string());
    case JsonKind::array:
      return compare_arrays(a, b);
    case JsonKind::object:
      return compare_objects(a, b);
    default:
      return 0;
  }
}

/// Negations are pushed down to the comparisons while reading, as CouchDB does: so that what is
/// not there matches no negation either.
class Selector::Parser {
 public:
  Result<Node> condition(const JsonView& value, bool is_negated, int depth) {
    if (depth > kDepthMax) return bad("nested too deeply");
    if (!value.is_object() || value.members().begin() == value.members().end())
      return comparison(is_negated ? Kind::unequal : Kind::equal, value);
    return members(value, is_negated, depth);
  }

  Result<Node> members(const JsonView& object, bool is_negated, int depth) {
    Node all = node(is_negated ? Kind::disjunction : Kind::conjunction);
    for (const JsonView::Member& member : object.members()) {
      const std::string name = member.name();
      if (++nodes_ > kNodesMax) return bad("too many conditions");
      if (name.starts_with('$')) {
        HG_TRY(Node read, operation(name, member.value, is_negated, depth + 1));
        all.children.push_back(std::move(read));
      } else {
        HG_TRY(Node read, field(name, member.value, is_negated, depth + 1));
        all.children.push_back(std::move(read));
      }
    }
    return all;
  }

 private:
  static Error bad(std::string_view what) {
    return {Errc::invalid_argument, "selector: " + std::string(what)};
  }
  static Node node(Kind kind) {
    Node made;
    made.kind = kind;
    return made;
  }
  static Result<Node> comparison(Kind kind, const JsonView& argument) {
    Node made = node(kind);
    made.argument = argument.raw();
    return made;
  }

  Result<Node> field(const std::string& name, const JsonView& value, bool is_negated, int depth) {
    Node made = node(Kind::field);
    made.path = path_of(name);
    HG_TRY(Node child, condition(value, is_negated, depth));
    made.children.push_back(std::move(child));
    return made;
  }

  Result<Node> operation(const std::string& name, const JsonView& argument, bool is_negated,
                         int depth) {
    if (name == "$and") return list(Kind::conjunction, name, argument, is_negated, depth);
    if (name == "$or") return list(Kind::disjunction, name, argument, is_negated, depth);
    if (name == "$nor") return list(Kind::disjunction, name, argument, !is_negated, depth);
    if (name == "$not") {
      if (!argument.is_object()) return bad("$not needs an object");
      return members(argument, !is_negated, depth);
    }
    if (const auto kind = comparison_named(name, is_negated)) return comparison(*kind, argument);
    if (name == "$exists") return exists(argument, is_negated);
    if (name == "$in" || name == "$nin") {
      if (!argument.is_array()) return bad(name + " needs a list");
      return comparison((name == "$in") != is_negated ? Kind::is_in : Kind::is_not_in, argument);
    }
    HG_TRY(Node made, test(name, argument, depth));
    if (!is_negated) return made;
    Node negated = node(Kind::negation);
    negated.children.push_back(std::move(made));
    return negated;
  }

  static std::optional<Kind> comparison_named(std::string_view name, bool is_negated) {
    if (name == "$eq") return is_negated ? Kind::unequal : Kind::equal;
    if (name == "$ne") return is_negated ? Kind::equal : Kind::unequal;
    if (name == "$lt") return is_negated ? Kind::greater_or_equal : Kind::less;
    if (name == "$lte") return is_negated ? Kind::greater : Kind::less_or_equal;
    if (name == "$gt") return is_negated ? Kind::less_or_equal : Kind::greater;
    if (name == "$gte") return is_negated ? Kind::less : Kind::greater_or_equal;
    return std::nullopt;
  }

  Result<Node> list(Kind kind, const std::string& name, const JsonView& argument, bool is_negated,
                    int depth) {
    if (!argument.is_array()) return bad(name + " needs a list");
    if (is_negated) kind = kind == Kind::conjunction ? Kind::disjunction : Kind::conjunction;
    Node made = node(kind);
    for (const JsonView& each : argument.elements()) {
      if (!each.is_object()) return bad(name + " needs a list of objects");
      if (++nodes_ > kNodesMax || depth > kDepthMax) return bad("too many conditions");
      HG_TRY(Node read, members(each, is_negated, depth + 1));
      made.children.push_back(std::move(read));
    }
    return made;
  }

  static Result<Node> exists(const JsonView& argument, bool is_negated) {
    const auto wanted = argument.as_bool();
    if (!wanted) return bad("$exists needs true or false");
    return node(*wanted != is_negated ? Kind::present : Kind::absent);
  }

  Result<Node> test(const std::string& name, const JsonView& argument, int depth) {
    if (name == "$elemMatch") return elements(Kind::some_element, name, argument, depth);
    if (name == "$allMatch") return elements(Kind::every_element, name, argument, depth);
    if (name == "$all") {
      if (!argument.is_array()) return bad("$all needs a list");
      return comparison(Kind::all_of, argument);
    }
    if (name == "$size") {
      Node made = node(Kind::size);
      const auto wanted = argument.as_int64();
      if (!wanted || *wanted < 0) return bad("$size needs a number");
      made.number = *wanted;
      return made;
    }
    if (name == "$mod") return modulo(argument);
    if (name == "$type") return type(argument);
    if (name == "$regex") return pattern(argument);
    return bad("unknown operator " + name);
  }

  Result<Node> elements(Kind kind, const std::string& name, const JsonView& argument, int depth) {
    if (!argument.is_object()) return bad(name + " needs an object");
    Node made = node(kind);
    HG_TRY(Node child, members(argument, false, depth + 1));
    made.children.push_back(std::move(child));
    return made;
  }

  static Result<Node> modulo(const JsonView& argument) {
    std::vector<std::int64_t> numbers;
    for (const JsonView& each : argument.elements())
      if (const auto number = each.as_int64()) numbers.push_back(*number);
    if (!argument.is_array() || count(argument) != 2 || numbers.size() != 2 || numbers[0] == 0)
      return bad("$mod needs [divisor, remainder], whole numbers");
    Node made = node(Kind::modulo);
    made.divisor = numbers[0];
    made.number = numbers[1];
    return made;
  }

  static Result<Node> type(const JsonView& argument) {
    constexpr std::pair<std::string_view, JsonKind> kTypes[] = {
        {"null", JsonKind::null},     {"boolean", JsonKind::boolean}, {"number", JsonKind::number},
        {"string", JsonKind::string}, {"array", JsonKind::array},     {"object", JsonKind::object}};
    const auto name = argument.as_string().value_or("");
    for (const auto& [known, kind] : kTypes) {
      if (name != known) continue;
      Node made = node(Kind::type);
      made.type = kind;
      return made;
    }
    return bad("$type needs the name of a JSON type");
  }

  static Result<Node> pattern(const JsonView& argument) {
    const auto text = argument.as_string();
    if (!text || text->size() > kPatternBytesMax) return bad("$regex needs a short string");
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kPatternMemoryMax);
    auto compiled = std::make_shared<const re2::RE2>(*text, options);
    if (!compiled->ok()) return bad("$regex: " + compiled->error());
    Node made = node(Kind::pattern);
    made.pattern = std::move(compiled);
    return made;
  }

  std::size_t nodes_ = 0;
};

Result<Selector> Selector::parse(const JsonView& selector) {
  if (!selector.is_object())
    return Error{Errc::invalid_argument, "selector: must be a JSON object"};
  Selector parsed;
  HG_TRY(parsed.root_, Parser().members(selector, false, 0));
  return parsed;
}

bool Selector::matches(const JsonView& document) const {
  return matches(root_, document);
}

bool Selector::matches_field(const Node& node, const JsonView& value) {
  const auto member = member_at(value, node.path);
  const Node& child = node.children.front();
  if (member) return matches(child, *member);
  // Of what is not there only its absence is true.
  const bool is_single = child.children.size() == 1;
  return is_single && child.children.front().kind == Kind::absent;
}

bool Selector::matches_list(const Node& node, const JsonView& value) {
  const auto fits = [&](const JsonView& each) { return matches(node.children.front(), each); };
  if (!value.is_array() || value.elements().begin() == value.elements().end()) return false;
  if (node.kind == Kind::some_element) return any_element(value, fits);
  return !any_element(value, [&](const JsonView& each) { return !fits(each); });
}

bool Selector::matches(const Node& node, const JsonView& value) {
  const auto fits = [&](const Node& child) { return matches(child, value); };
  const auto compared = [&] { return compare_json(value, JsonView(node.argument)); };
  switch (node.kind) {
    case Kind::conjunction:
      return std::ranges::all_of(node.children, fits);
    case Kind::disjunction:
      return std::ranges::any_of(node.children, fits);
    case Kind::negation:
      return !matches(node.children.front(), value);
    case Kind::field:
      return matches_field(node, value);
    case Kind::absent:
      return false;
    case Kind::present:
      return true;
    case Kind::equal:
      return compared() == 0;
    case Kind::unequal:
      return compared() != 0;
    case Kind::less:
      return compared() < 0;
    case Kind::less_or_equal:
      return compared() <= 0;
    case Kind::greater:
      return compared() > 0;
    case Kind::greater_or_equal:
      return compared() >= 0;
    case Kind::is_in:
      return is_in(value, JsonView(node.argument));
    case Kind::is_not_in:
      return !is_in(value, JsonView(node.argument));
    case Kind::all_of:
      return has_all(value, JsonView(node.argument));
    case Kind::some_element:
    case Kind::every_element:
      return matches_list(node, value);
    case Kind::size:
      return value.is_array() && count(value) == node.number;
    case Kind::modulo: {
      const auto whole = value.as_int64();
      // Divided by -1 the least number overflows.
      return whole && (node.divisor == -1 ? 0 : *whole % node.divisor) == node.number;
    }
    case Kind::type:
      return value.kind() == node.type;
    case Kind::pattern: {
      const auto text = value.as_string();
      return text && re2::RE2::PartialMatch(*text, *node.pattern);
    }
  }
  return false;
}

}  // namespace headgate
