// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/reads.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/bytes.hpp"
#include "bucket/rocksdb/feed_record.hpp"
#include "bucket/rocksdb/stored_value.hpp"

namespace headgate {
namespace {

/// Fewer keys are quicker read one by one.
constexpr std::size_t kDenseRunMin = 4;
/// Steps of an iterator that are cheaper than seeking.
constexpr int kStepsMax = 8;

rocksdb::ReadOptions options_for(Tier tier) {
  rocksdb::ReadOptions options;
  if (tier == Tier::memory) options.read_tier = rocksdb::kBlockCacheTier;
  return options;
}

Reply answer(const Operation& operation, std::string_view stored, WallTime now) {
  const auto value = read_value(stored);
  if (!value) return {.status = value.error().code};
  if (!is_live(value->header, now)) return {.status = Errc::not_found};
  const auto* range = std::get_if<operation::GetRange>(&operation);
  if (range && value->header.is_counter) return {.status = Errc::invalid_argument};
  if (range) {
    const std::size_t offset = std::min<std::size_t>(range->offset, value->payload.size());
    return {.bytes = std::string(value->payload.substr(offset)), .number = value->payload.size()};
  }
  if (value->header.is_counter) return {.number = counter_number(*value), .cas = value->header.cas};
  return {.bytes = std::string(value->payload), .cas = value->header.cas};
}

Reply answer(const Operation& operation, const rocksdb::Status& status, std::string_view stored,
             WallTime now) {
  if (status.IsIncomplete()) return {.status = Errc::timeout_unknown_outcome};
  if (!status.ok()) return {.status = code_of(status)};
  return answer(operation, stored, now);
}

/// Reads of several keys of one engine, at one time.
struct Reader {
  const RocksEngine& engine;
  std::span<const Operation> operations;
  std::span<Reply> replies;
  WallTime now;
  rocksdb::ReadOptions options;

  void read_one(std::size_t i, const std::string& stored) {
    rocksdb::PinnableSlice bytes;
    const Family family = family_of(key_of(operations[i]).kind);
    const auto status = engine.db->Get(options, engine.family(family), stored, &bytes);
    set(i, answer(operations[i], status, bytes.ToStringView(), now));
  }

  void read_dense(std::size_t first, const std::vector<std::string>& keys) {
    const std::string after_last = keys.back() + '\0';
    const rocksdb::Slice end(after_last);
    rocksdb::ReadOptions bounded = options;
    bounded.iterate_upper_bound = &end;
    const std::unique_ptr<rocksdb::Iterator> at(
        engine.db->NewIterator(bounded, engine.family(Family::sequence_documents)));
    at->Seek(keys.front());
    for (std::size_t k = 0; k < keys.size(); ++k) {
      for (int i = 0; i < kStepsMax && at->Valid() && at->key().ToStringView() < keys[k]; ++i)
        at->Next();
      if (at->Valid() && at->key().ToStringView() < keys[k]) at->Seek(keys[k]);
      if (at->Valid() && at->key().ToStringView() == keys[k]) {
        set(first + k, answer(operations[first + k], at->value().ToStringView(), now));
      } else {
        const auto status =
            at->Valid() || at->status().ok() ? rocksdb::Status::NotFound() : at->status();
        set(first + k, answer(operations[first + k], status, {}, now));
      }
    }
  }

  void set(std::size_t i, Reply reply) {
    replies[i] = std::move(reply);
    if (replies[i].status != Errc::timeout_unknown_outcome) replies[i].history = engine.history();
  }

  void set_unavailable(std::size_t i) {
    if (replies[i].status == Errc::timeout_unknown_outcome) set(i, {.status = Errc::unavailable});
  }

  bool is_dense_candidate(std::size_t i) const {
    return replies[i].status == Errc::timeout_unknown_outcome &&
           std::holds_alternative<operation::Get>(operations[i]) &&
           key_of(operations[i]).kind == KeyKind::sequence_document;
  }

  /// Keys of the ascending run that begins at `first`; one of them at least.
  std::vector<std::string> ascending_run(std::size_t first) const {
    std::vector<std::string> keys = {stored_key(key_of(operations[first]))};
    if (!is_dense_candidate(first)) return keys;
    for (std::size_t i = first + 1; i < operations.size() && is_dense_candidate(i); ++i) {
      std::string next = stored_key(key_of(operations[i]));
      if (next <= keys.back()) break;
      keys.push_back(std::move(next));
    }
    return keys;
  }
};

/// Absent for Incomplete.
template <class T>
std::optional<Result<T>> outcome(const rocksdb::Status& status, T value) {
  if (status.IsIncomplete()) return std::nullopt;
  if (!status.ok()) return Result<T>(error_of(status, "read"));
  return Result<T>(std::move(value));
}

}  // namespace

bool read_values(const RocksEngine& engine, std::span<const Operation> operations,
                 std::span<Reply> replies, WallTime now, Tier tier) {
  Reader reader{engine, operations, replies, now, options_for(tier)};
  const auto open = engine.hold_open();
  if (!open) {
    for (std::size_t i = 0; i < operations.size(); ++i) reader.set_unavailable(i);
    return false;
  }
  for (std::size_t i = 0; i < operations.size();) {
    if (replies[i].status != Errc::timeout_unknown_outcome) {
      ++i;
      continue;
    }
    if (engine.dropped.contains(key_of(operations[i]).database)) {
      reader.set(i++, {.status = Errc::not_found});
      continue;
    }
    const std::vector<std::string> keys = reader.ascending_run(i);
    if (keys.size() >= kDenseRunMin) {
      reader.read_dense(i, keys);
    } else {
      for (std::size_t k = 0; k < keys.size(); ++k) reader.read_one(i + k, keys[k]);
    }
    i += keys.size();
  }
  return std::any_of(replies.begin(), replies.end(), [](const Reply& reply) {
    return reply.status == Errc::timeout_unknown_outcome;
  });
}

std::optional<Result<Bucket::ScanPage>> read_page(const RocksEngine& engine,
                                                  const Bucket::Scan& scan, WallTime now,
                                                  Tier tier) {
  const auto open = engine.hold_open();
  if (!open) return Result<Bucket::ScanPage>(Errc::unavailable);
  const std::string prefix = stored_prefix(scan.database, scan.kind, scan.tag);
  Bucket::ScanPage page{{}, engine.history()};
  if (engine.dropped.contains(scan.database)) return Result<Bucket::ScanPage>(std::move(page));
  // The bounds keep it from the marks of what was removed on both sides.
  const std::string end = end_of_prefix(prefix);
  const rocksdb::Slice begin_slice(prefix);
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options = options_for(tier);
  options.iterate_lower_bound = &begin_slice;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> at(
      engine.db->NewIterator(options, engine.family(family_of(scan.kind))));
  if (!scan.in_reverse) {
    at->Seek(prefix + scan.from);
  } else if (!scan.from.empty()) {
    at->SeekForPrev(prefix + scan.from);
  } else {
    at->SeekToLast();
  }
  while (page.items.size() < scan.limit && at->Valid()) {
    const auto value = read_value(at->value().ToStringView());
    if (!value) return Result<Bucket::ScanPage>(value.error());
    if (is_live(value->header, now)) {
      const std::string_view name = at->key().ToStringView().substr(prefix.size());
      const auto bytes = value->header.is_counter ? std::string_view() : value->payload;
      page.items.push_back({std::string(name), std::string(bytes), value->header.cas});
    }
    scan.in_reverse ? at->Prev() : at->Next();
  }
  return outcome(at->status(), std::move(page));
}

std::optional<Result<std::vector<FeedEntry>>> read_feed(const RocksEngine& engine,
                                                        DatabaseId database,
                                                        PartitionPosition after, std::size_t limit,
                                                        Tier tier) {
  const auto open = engine.hold_open();
  if (!open) return Result<std::vector<FeedEntry>>(Errc::unavailable);
  // Read before the iterator is made: whatever is synced by now, it sees.
  const PartitionPosition synced(engine.synced);
  const std::string end = feed_key(database, PartitionPosition(synced.value() + 1));
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options = options_for(tier);
  options.iterate_upper_bound = &end_slice;
  std::vector<FeedEntry> entries;
  if (after >= synced || engine.dropped.contains(database))
    return Result<std::vector<FeedEntry>>(entries);
  const std::unique_ptr<rocksdb::Iterator> at(engine.db->NewIterator(options, engine.feed));
  at->Seek(feed_key(database, PartitionPosition(after.value() + 1)));
  for (; at->Valid() && entries.size() < limit; at->Next()) {
    auto record = read_feed_record(database, at->value().ToStringView());
    if (!record) return Result<std::vector<FeedEntry>>(record.error());
    const PartitionPosition position = position_of_feed_key(at->key().ToStringView());
    entries.push_back({std::move(record->key), std::move(record->bytes), record->is_removal,
                       Cas(position.value()), kOnlyPartition, position, engine.history()});
  }
  return outcome(at->status(), std::move(entries));
}

std::optional<Result<PartitionPosition>> read_head(const RocksEngine& engine, DatabaseId database,
                                                   Tier tier) {
  const auto open = engine.hold_open();
  if (!open) return Result<PartitionPosition>(Errc::unavailable);
  const PartitionPosition synced(engine.synced);
  const std::unique_ptr<rocksdb::Iterator> at(
      engine.db->NewIterator(options_for(tier), engine.feed));
  at->SeekForPrev(feed_key(database, synced));
  PartitionPosition head;
  if (engine.dropped.contains(database)) return Result<PartitionPosition>(head);
  if (at->Valid() && at->key().starts_with(database_prefix(database)))
    head = position_of_feed_key(at->key().ToStringView());
  return outcome(at->status(), head);
}

}  // namespace headgate
