// SPDX-License-Identifier: Apache-2.0
#include "server/testing/fault_plan.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace headgate {

namespace {

using Fault = FaultBucket::Fault;

template <class Value>
struct Named {
  std::string_view name;
  Value value;
};

constexpr Named<FaultBucket::Effect> kEffects[] = {
    {"stop", FaultBucket::Effect::exit_process},
    {"hold", FaultBucket::Effect::hold},
    {"fail", FaultBucket::Effect::fail},
};
constexpr Named<FaultBucket::Moment> kMoments[] = {
    {"before", FaultBucket::Moment::before},
    {"after", FaultBucket::Moment::after},
};
constexpr Named<KeyKind> kPoints[] = {
    {"document-write", KeyKind::document},
    {"block", KeyKind::block},
    {"first-block", KeyKind::block},
    {"counter", KeyKind::channel_counter},
    {"counters", KeyKind::channel_counter},
    {"block-record", KeyKind::block_record},
    {"sequence-document", KeyKind::sequence_document},
    {"access-counter", KeyKind::access_counter},
    {"stable", KeyKind::stable},
    {"principal", KeyKind::principal},
};

template <class Table>
auto find(const Table& table, std::string_view name) -> std::optional<decltype(table[0].value)> {
  for (const auto& entry : table)
    if (entry.name == name) return entry.value;
  return std::nullopt;
}

/// Cuts off what stands before the first `separator`.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

struct Filter {
  KeyKind kind{};
  std::string tag;
  std::string name;

  bool operator()(const Operation& operation) const {
    const Key& key = key_of(operation);
    return is_write(operation) && key.kind == kind && key.tag.starts_with(tag) &&
           key.name.starts_with(name);
  }
};

bool read_count(std::string_view text, std::size_t& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_option(std::string_view option, Fault& fault, Filter& filter) {
  const std::string_view name = cut(option, '=');
  if (name == "skip") return read_count(option, fault.skip);
  if (name == "times") return read_count(option, fault.times) && fault.times > 0;
  if (name == "tag") filter.tag = option;
  if (name == "name") filter.name = option;
  return name == "tag" || name == "name";
}

std::optional<Fault> parse_fault(std::string_view text) {
  Fault fault;
  Filter filter;
  std::string_view how = cut(text, ':');
  const auto effect = find(kEffects, cut(how, '-'));
  const auto moment = find(kMoments, how);
  const auto kind = find(kPoints, cut(text, ':'));
  if (!effect || !moment || !kind) return std::nullopt;
  fault.effect = *effect;
  fault.moment = *moment;
  filter.kind = *kind;
  // The last option may hold colons itself: names of principals do.
  while (!text.empty()) {
    const bool is_last = text.starts_with("tag=") || text.starts_with("name=");
    const std::string_view option = is_last ? std::exchange(text, {}) : cut(text, ':');
    if (!read_option(option, fault, filter)) return std::nullopt;
  }
  fault.matches = filter;
  return fault;
}

}  // namespace

Result<std::vector<Fault>> parse_faults(std::string_view text) {
  std::vector<Fault> faults;
  while (!text.empty()) {
    const std::string_view one = cut(text, ',');
    auto fault = parse_fault(one);
    if (!fault) return Error{Errc::invalid_argument, "no such fault: " + std::string(one)};
    faults.push_back(*std::move(fault));
  }
  return faults;
}

}  // namespace headgate
