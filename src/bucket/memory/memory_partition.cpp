// SPDX-License-Identifier: Apache-2.0
#include "bucket/memory/memory_partition.hpp"

#include <algorithm>
#include <utility>

namespace headgate {

MemoryPartition::MemoryPartition(PartitionNumber number, HistoryId first_history)
    : number_(number), histories_{{first_history, PartitionPosition()}} {}

Reply MemoryPartition::execute(const Operation& operation, WallTime now) {
  const WriteOptions* options = options_of(operation);
  Reply reply;
  if (options && options->if_history && *options->if_history != history()) {
    reply.status = Errc::rolled_back;
  } else {
    reply = std::visit([&](const auto& o) { return run(o, now); }, operation);
  }
  reply.history = history();
  return reply;
}

Reply MemoryPartition::get(const Key& key, WallTime now) const {
  Reply reply = run(operation::Get{key}, now);
  reply.history = history();
  return reply;
}

Reply MemoryPartition::run(const operation::Get& get, WallTime now) const {
  const Value* value = find(get.key, now);
  if (!value) return {.status = Errc::not_found};
  return {.bytes = value->bytes, .number = value->number.value_or(0), .cas = value->cas};
}

Reply MemoryPartition::run(const operation::GetRange& get, WallTime now) const {
  const Value* value = find(get.key, now);
  if (!value) return {.status = Errc::not_found};
  if (value->number) return {.status = Errc::invalid_argument};
  const std::size_t offset = std::min<std::size_t>(get.offset, value->bytes.size());
  return {.bytes = value->bytes.substr(offset), .number = value->bytes.size()};
}

Reply MemoryPartition::run(const operation::Insert& insert, WallTime now) {
  if (find(insert.key, now)) return {.status = Errc::exists};
  if (!hold(insert.conditions, now)) return {.status = Errc::condition_failed};
  return write({.key = insert.key,
                .kind = Mutation::Kind::set,
                .bytes = insert.value,
                .expires = insert.options.expires},
               insert.options);
}

Reply MemoryPartition::run(const operation::Replace& replace, WallTime now) {
  const Value* value = find(replace.key, now);
  if (!value) return {.status = Errc::not_found};
  if (value->cas != replace.cas) return {.status = Errc::cas_mismatch};
  if (!hold(replace.conditions, now)) return {.status = Errc::condition_failed};
  return write({.key = replace.key,
                .kind = Mutation::Kind::set,
                .bytes = replace.value,
                .expires = replace.options.expires},
               replace.options);
}

Reply MemoryPartition::run(const operation::Remove& remove, WallTime now) {
  const Value* value = find(remove.key, now);
  if (!value) return {.status = Errc::not_found};
  if (remove.cas && value->cas != *remove.cas) return {.status = Errc::cas_mismatch};
  if (!hold(remove.conditions, now)) return {.status = Errc::condition_failed};
  Reply reply = write({.key = remove.key, .kind = Mutation::Kind::remove}, remove.options);
  reply.cas = Cas();
  return reply;
}

Reply MemoryPartition::run(const operation::Append& append, WallTime now) {
  const Value* value = find(append.key, now);
  if (value && value->number) return {.status = Errc::invalid_argument};
  const std::size_t length = (value ? value->bytes.size() : 0) + append.bytes.size();
  if (length > kMaxValueBytes) return {.status = Errc::too_large};
  std::optional<WallTime> expires = append.options.expires;
  if (!expires && value) expires = value->expires;
  Reply reply = write({.key = append.key,
                       .kind = value ? Mutation::Kind::append : Mutation::Kind::set,
                       .bytes = append.bytes,
                       .expires = expires},
                      append.options);
  reply.number = length;
  return reply;
}

Reply MemoryPartition::run(const operation::Increment& increment, WallTime now) {
  const Value* value = find(increment.key, now);
  if (value && !value->number) return {.status = Errc::invalid_argument};
  const std::uint64_t number = (value ? *value->number : 0) + increment.delta;
  std::optional<WallTime> expires = increment.options.expires;
  if (!expires && value) expires = value->expires;
  Reply reply = write({.key = increment.key,
                       .kind = Mutation::Kind::set_number,
                       .number = number,
                       .expires = expires},
                      increment.options);
  reply.number = number;
  return reply;
}

const MemoryPartition::Value* MemoryPartition::find(const Key& key, WallTime now) const {
  const auto at = values_.find(key);
  if (at == values_.end()) return nullptr;
  if (at->second.expires && *at->second.expires <= now) return nullptr;
  return &at->second;
}

bool MemoryPartition::hold(const std::vector<Condition>& conditions, WallTime now) const {
  return std::ranges::all_of(conditions, [&](const Condition& c) { return holds(c, now); });
}

bool MemoryPartition::holds(const Condition& condition, WallTime now) const {
  const Value* value = find(condition.key, now);
  if (!condition.prefix) return value == nullptr;
  return value && !value->number && value->bytes.starts_with(*condition.prefix);
}

Reply MemoryPartition::write(Mutation mutation, const WriteOptions& options) {
  mutation.cas = Cas(++last_cas_);
  if (options.feed_entry) {
    mutation.feed_entry = options.feed_entry;
    mutation.position = PartitionPosition(last_position_.value() + 1);
  }
  apply(mutation);
  const Reply reply{.cas = mutation.cas, .position = mutation.position};
  log_.push_back(std::move(mutation));
  return reply;
}

void MemoryPartition::apply(const Mutation& mutation) {
  if (mutation.kind == Mutation::Kind::drop) return apply_drop(mutation.key.database);
  if (mutation.kind == Mutation::Kind::remove) {
    values_.erase(mutation.key);
  } else {
    Value& value = values_[mutation.key];
    if (mutation.kind == Mutation::Kind::append) {
      value.bytes += mutation.bytes;
    } else {
      value.bytes = mutation.bytes;
    }
    value.number.reset();
    if (mutation.kind == Mutation::Kind::set_number) value.number = mutation.number;
    value.cas = mutation.cas;
    value.expires = mutation.expires;
  }
  if (mutation.feed_entry) enter_feed(mutation);
}

void MemoryPartition::enter_feed(const Mutation& mutation) {
  last_position_ = mutation.position;
  Feed& feed = feeds_[mutation.key.database];
  PartitionPosition& entered = entered_[mutation.key];
  feed.erase(entered);
  entered = mutation.position;
  feed[entered] = {mutation.key, *mutation.feed_entry, mutation.kind == Mutation::Kind::remove,
                   mutation.cas};
}

std::vector<Bucket::ScanPage::Item> MemoryPartition::scan(const Bucket::Scan& scan,
                                                          WallTime now) const {
  std::vector<Bucket::ScanPage::Item> items;
  const auto in_range = [&](const Key& key) {
    return key.database == scan.database && key.kind == scan.kind && key.tag == scan.tag;
  };
  const auto add = [&](const auto& entry) {
    if (!find(entry.first, now)) return;
    items.push_back({entry.first.name, entry.second.bytes, entry.second.cas});
  };
  const Key from{scan.database, scan.kind, scan.tag, scan.from};
  if (!scan.in_reverse) {
    for (auto at = values_.lower_bound(from); at != values_.end() && in_range(at->first); ++at) {
      if (items.size() >= scan.limit) break;
      add(*at);
    }
    return items;
  }
  // The tag that comes next after this one.
  const Key next_tag{scan.database, scan.kind, scan.tag + '\0', {}};
  auto at = scan.from.empty() ? values_.lower_bound(next_tag) : values_.upper_bound(from);
  while (at != values_.begin() && items.size() < scan.limit) {
    --at;
    if (!in_range(at->first)) break;
    add(*at);
  }
  return items;
}

void MemoryPartition::read_feed(DatabaseId database, PartitionPosition after, std::size_t limit,
                                std::vector<FeedEntry>& into) const {
  const auto feed = feeds_.find(database);
  if (feed == feeds_.end()) return;
  for (auto at = feed->second.upper_bound(after); at != feed->second.end(); ++at) {
    if (into.size() >= limit) return;
    const FeedRecord& record = at->second;
    into.push_back(
        {record.key, record.bytes, record.is_removal, record.cas, number_, at->first, history()});
  }
}

PartitionPosition MemoryPartition::head(DatabaseId database) const {
  const auto feed = feeds_.find(database);
  if (feed == feeds_.end() || feed->second.empty()) return {};
  return feed->second.rbegin()->first;
}

void MemoryPartition::drop_database(DatabaseId database) {
  log_.push_back({.key = {database, {}, {}, {}}, .kind = Mutation::Kind::drop});
  apply_drop(database);
}

void MemoryPartition::apply_drop(DatabaseId database) {
  const auto is_of_it = [&](const auto& entry) { return entry.first.database == database; };
  std::erase_if(values_, is_of_it);
  std::erase_if(entered_, is_of_it);
  feeds_.erase(database);
}

void MemoryPartition::fail_over(HistoryId next, std::size_t kept_operations) {
  HG_ASSERT(kept_operations <= log_.size());
  const std::map<DatabaseId, Feed> before = std::exchange(feeds_, {});
  log_.resize(kept_operations);
  values_.clear();
  entered_.clear();
  last_position_ = {};
  for (const Mutation& mutation : log_) apply(mutation);
  PartitionPosition start = last_position_;
  // An entry that a lost write had superseded: a reader may be past it without having seen it.
  if (const auto revived = first_not_in(before))
    start = std::min(start, PartitionPosition(revived->value() - 1));
  histories_.push_back({next, start});
}

std::optional<PartitionPosition> MemoryPartition::first_not_in(
    const std::map<DatabaseId, Feed>& before) const {
  std::optional<PartitionPosition> first;
  for (const auto& [database, feed] : feeds_) {
    const auto old = before.find(database);
    for (const auto& [position, record] : feed) {
      if (old != before.end() && old->second.contains(position)) continue;
      if (!first || position < *first) first = position;
      break;
    }
  }
  return first;
}

}  // namespace headgate
