// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/crash_model.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace headgate {
namespace {

using Kind = CrashOperation::Kind;

std::uint64_t version_of(const StoreContents::Value& value) {
  return value.cas;
}
std::uint64_t version_of(const StoreContents::Entry& entry) {
  return entry.position;
}

template <class Map>
void describe(const char* what, const Map& expected, const Map& found, int& left,
              std::ostringstream& into) {
  std::set<StoreContents::Slot> slots;
  for (const auto& [slot, value] : expected) slots.insert(slot);
  for (const auto& [slot, value] : found) slots.insert(slot);
  for (const StoreContents::Slot& slot : slots) {
    const auto wanted = expected.find(slot);
    const auto got = found.find(slot);
    if (wanted != expected.end() && got != found.end() && wanted->second == got->second) continue;
    if (left-- <= 0) return;
    into << what << " of database " << std::get<0>(slot) << ", kind "
         << static_cast<int>(std::get<1>(slot)) << ", name " << static_cast<int>(std::get<2>(slot))
         << ": version " << (got == found.end() ? 0 : version_of(got->second)) << " instead of "
         << (wanted == expected.end() ? 0 : version_of(wanted->second)) << "; ";
  }
}

}  // namespace

std::uint64_t StoreContents::last_position() const {
  std::uint64_t last = 0;
  for (const auto& [slot, entry] : feed) last = std::max(last, entry.position);
  return last;
}

std::uint64_t StoreContents::last_version() const {
  std::uint64_t last = last_position();
  for (const auto& [slot, value] : values) last = std::max(last, value.cas);
  return last;
}

std::string StoreContents::differences(const StoreContents& found) const {
  std::ostringstream text;
  int left = 6;
  describe("value", values, found.values, left, text);
  describe("entry", feed, found.feed, left, text);
  return text.str();
}

Reply CrashModel::apply(const CrashOperation& operation) {
  const StoreContents::Slot slot{operation.database, operation.key_kind, operation.name};
  const auto at = contents.values.find(slot);
  const bool is_there = at != contents.values.end();
  switch (operation.kind) {
    case Kind::barrier:
      return {};
    case Kind::drop: {
      const auto is_of_it = [&](const auto& e) {
        return std::get<0>(e.first) == operation.database;
      };
      std::erase_if(contents.values, is_of_it);
      std::erase_if(contents.feed, is_of_it);
      return {};
    }
    case Kind::insert:
      if (is_there) return {.status = Errc::exists};
      break;
    case Kind::replace:
    case Kind::remove:
      if (!is_there) return {.status = Errc::not_found};
      if (at->second.cas != operation.cas) return {.status = Errc::cas_mismatch};
      break;
    default:
      break;
  }
  return stamp(operation);
}

Reply CrashModel::stamp(const CrashOperation& operation) {
  const StoreContents::Slot slot{operation.database, operation.key_kind, operation.name};
  Reply reply{.cas = Cas(++version)};
  if (operation.has_entry)
    contents.feed[slot] = {version, operation.id, operation.kind == Kind::remove};
  if (operation.kind == Kind::remove) {
    contents.values.erase(slot);
    return Reply{};
  }
  StoreContents::Value& value = contents.values[slot];
  value.cas = version;
  if (operation.kind == Kind::increment) {
    reply.number = value.number += operation.number;
  } else if (operation.kind == Kind::append) {
    value.bytes += operation.value();
    reply.number = value.bytes.size();
  } else {
    value.bytes = operation.value();
  }
  return reply;
}

}  // namespace headgate
