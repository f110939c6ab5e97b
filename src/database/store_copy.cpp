// SPDX-License-Identifier: Apache-2.0
#include "database/store_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/task_scope.hpp"
#include "bucket/owned_record.hpp"
#include "database/base_keys.hpp"
#include "database/database.hpp"
#include "database/node_registry.hpp"

namespace headgate {
namespace {

/// All of the base bucket but what the target makes for itself: numbers that were given back are
/// below stable, and the records of epochs and stable are written at the end.
constexpr std::array kCopied{KeyKind::attachment,     KeyKind::revision_body, KeyKind::document,
                             KeyKind::principal,      KeyKind::expiry,        KeyKind::session,
                             KeyKind::local_document, KeyKind::progress};
/// Ranges at work at once: each holds some megabytes, or one large value, of both sides.
constexpr std::uint32_t kAtOnce = 4;
constexpr std::uint32_t kGenerationsMost = 1'000;

class Nobody final : public ChangeListener {
 public:
  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}
};

}  // namespace

Task<Result<void>> StoreCopy::run() {
  progress_ = {};
  HG_CO_TRY(const std::vector<Resting> all, co_await prepare());
  progress_.step = Step::copying;
  HG_CO_CHECK(co_await walk(all, CopyMode::make_equal));
  // What a failover may have taken is found by comparing, if it came before this.
  HG_CO_TRY(auto histories, co_await with_.base.barrier(deadline()));
  progress_.step = Step::comparing;
  HG_CO_CHECK(co_await walk(all, CopyMode::compare));
  progress_.step = Step::finishing;
  HG_CO_CHECK(co_await finish(all, std::move(histories)));
  progress_.step = Step::done;
  co_return Result<void>();
}

// --- The source, and whether the target may be one -----------------------------------------------

Task<Result<std::vector<StoreCopy::Resting>>> StoreCopy::prepare() {
  NodeRegistry registry(with_.environment, with_.base, {});
  HG_CO_TRY(const auto node, co_await registry.find_at_work());
  if (node)
    co_return Error{Errc::exists,
                    fmt::format("the target is in use by node {}: stop it first", node->name)};
  DatabaseCatalog catalog(with_.environment, with_.source, with_.source);
  HG_CO_CHECK(co_await catalog.open());
  HG_CO_TRY(std::vector<DatabaseEntry> entries, co_await catalog.list());
  for (DatabaseEntry& entry : entries) {
    HG_CO_TRY(entry.config.durability, settled(entry));
  }
  HG_CO_TRY(const StoreIdentity identity, co_await catalog.identity());
  std::vector<Resting> all;
  for (DatabaseEntry& entry : entries) {
    progress_.database = entry.name;
    HG_CO_TRY(Resting resting, co_await rest(std::move(entry)));
    all.push_back(std::move(resting));
  }
  progress_.databases = all.size();
  DatabaseCatalog target(with_.environment, with_.base, with_.cache);
  HG_CO_CHECK(co_await target.begin_copy(identity));
  co_return all;
}

Result<Durability> StoreCopy::settled(const DatabaseEntry& entry) const {
  const Durability wanted = entry.config.durability;
  if (durabilities_.contains(wanted)) return wanted;
  const Durability other = wanted == Durability::disk ? Durability::replicated : Durability::disk;
  if (wanted != Durability::memory && durabilities_.contains(other)) return other;
  return Error{Errc::invalid_argument,
               fmt::format("database {} promises durability \"{}\", which the target cannot: give "
                           "it replicas, or set \"memory\" before",
                           entry.name, to_string(wanted))};
}

// What the last process left open is closed as at any start of a server.
Task<Result<StoreCopy::Resting>> StoreCopy::rest(DatabaseEntry entry) {
  HG_CO_TRY(auto record, co_await record_at_rest(entry));
  if (!record) {
    Nobody nobody;
    Database database({with_.environment, with_.source, with_.source, nobody}, entry);
    HG_CO_CHECK(co_await database.start());
    co_await database.stop();
    HG_CO_TRY(record, co_await record_at_rest(entry));
  }
  if (!record)
    co_return Error{Errc::unavailable,
                    fmt::format("database {} does not come to rest: see what `headgate serve` "
                                "says of it",
                                entry.name)};
  co_return Resting{std::move(entry), *std::move(record)};
}

// At rest every number that could be drawn is at or below stable, and every entry of the feed is
// covered by the record's checkpoint.
Task<Result<std::optional<StableRecord>>> StoreCopy::record_at_rest(const DatabaseEntry& entry) {
  const CacheSpace space{with_.environment, with_.source, entry.id, entry.config.cache_settings()};
  const auto found = co_await with_.source.get_many(
      {epochs_key(entry.id), horizon_key(entry.id, 0), space.stable_key()}, deadline());
  if (found[0].ok()) {
    HG_CO_TRY(const EpochRecord epochs, EpochRecord::decode(found[0].bytes));
    const char* why = epochs.is_made ? "its channel cache was kept in another bucket"
                                     : "it was restored from a backup";
    co_return Error{Errc::unsupported,
                    fmt::format("database {} cannot be copied: {}", entry.name, why)};
  }
  for (const Reply& reply : found)
    if (!reply.ok() && reply.status != Errc::not_found)
      co_return Error{reply.status, "reading the source's records"};
  if (!found[1].ok() || !found[2].ok()) co_return std::optional<StableRecord>();
  HG_CO_TRY(const Horizon horizon, Horizon::decode(found[1].bytes));
  HG_CO_TRY(StableRecord record, StableRecord::decode(found[2].bytes));
  HG_CO_TRY(const auto feed, with_.source.open_feed(entry.id, {}));
  HG_CO_TRY(const FeedPositions heads, co_await feed->heads(deadline()));
  bool is_covered = record.stable >= horizon.limit && record.checkpoint.size() == heads.size();
  for (std::size_t i = 0; is_covered && i < heads.size(); ++i)
    is_covered = heads[i].position <= record.checkpoint[i].position;
  if (!is_covered) co_return std::optional<StableRecord>();
  co_return std::optional(std::move(record));
}

// --- The values ----------------------------------------------------------------------------------

Task<Result<void>> StoreCopy::walk(const std::vector<Resting>& all, CopyMode mode) {
  progress_.finished = 0;
  for (const Resting& database : all) {
    progress_.database = database.entry.name;
    HG_CO_CHECK(co_await walk_one(database.entry, mode));
    ++progress_.finished;
  }
  co_return Result<void>();
}

Task<Result<void>> StoreCopy::walk_one(const DatabaseEntry& entry, CopyMode mode) {
  unsigned done = 0;
  progress_.percent = 0;
  for (const KeyKind kind : kCopied) {
    for (std::uint32_t first = 0; first < kBaseTags; first += kAtOnce) {
      std::vector<std::unique_ptr<RangeCopy>> ranges;
      std::vector<Task<Result<void>>> running;
      for (std::uint32_t tag = first; tag < std::min(first + kAtOnce, kBaseTags); ++tag) {
        ranges.push_back(std::make_unique<RangeCopy>(
            RangeCopy::Dependencies{with_.environment, with_.source, with_.base, progress_.counts,
                                    is_stopping_},
            ValueRange{entry.id, kind, base_tag(tag)}, entry.config.star_channel, mode));
        running.push_back(ranges.back()->run());
      }
      for (const auto& ended : co_await when_all(with_.environment, std::move(running))) {
        if (ended) continue;
        const Error& why = ended.error();
        co_return Error{why.code, fmt::format("database {}: {}", entry.name, why.context)};
      }
      done += kAtOnce;
      progress_.percent = done * 100 / static_cast<unsigned>(kCopied.size() * kBaseTags);
    }
  }
  co_return Result<void>();
}

// --- The end -------------------------------------------------------------------------------------

// All must have been compared, and said to be complete, in one history: who builds the cache
// believes the records.
Task<Result<void>> StoreCopy::finish(const std::vector<Resting>& all,
                                     std::vector<HistoryId> histories) {
  DatabaseCatalog target(with_.environment, with_.base, with_.cache);
  std::vector<DatabaseEntry> entries;
  for (const Resting& database : all) {
    HG_CO_CHECK(co_await write_records(database, histories));
    entries.push_back(database.entry);
  }
  HG_CO_CHECK(co_await target.enter_copies(entries));
  HG_CO_TRY(const auto after, co_await with_.base.barrier(deadline()));
  if (after != histories)
    co_return Error{Errc::rolled_back, "the target failed over: run the copy again"};
  co_return co_await target.finish_copy();
}

// As a cluster leaves them whose cache bucket is emptied while it rests: the next generation is
// built from what lies before the checkpoint, at its own numbers. The epoch in the list has no
// numbers: those of the source belong to none, as its local documents say.
Task<Result<void>> StoreCopy::write_records(const Resting& database,
                                            std::vector<HistoryId> histories) {
  const DatabaseId id = database.entry.id;
  const Sequence stable = database.record.stable;
  EpochRecord epochs;
  HG_CO_TRY(epochs.generation, co_await unused_generation(id));
  epochs.is_made = true;
  epochs.limit = stable;
  epochs.epochs.add({Epoch(1), stable, stable});

  StableRecord copy;
  copy.stable = copy.durable_floor = stable;
  copy.token = database.record.token;
  copy.base_histories = std::move(histories);
  HG_CO_TRY(const auto feed, with_.base.open_feed(id, {}));
  HG_CO_TRY(copy.checkpoint, co_await feed->heads(deadline()));
  copy.floor_checkpoint = copy.checkpoint;
  copy.generation = epochs.generation;
  copy.epoch = epochs.epochs.last();
  copy.epochs = epochs.epochs;

  const std::pair<Key, std::string> records[] = {{epochs_key(id), epochs.encode()},
                                                 {stable_copy_key(id), copy.encode()}};
  for (const auto& [key, bytes] : records) {
    OwnedRecord record(with_.environment, with_.base, key, std::chrono::seconds(30));
    const Reply loaded = co_await record.load();
    if (!loaded.ok() && loaded.status != Errc::not_found)
      co_return Error{loaded.status, "reading the target's records"};
    HG_CO_CHECK(co_await record.store(bytes, {}));
  }
  co_return Result<void>();
}

// Neither it nor its successor was ever begun: else what an earlier life of the cache bucket left
// would be taken for this one's.
Task<Result<std::uint32_t>> StoreCopy::unused_generation(DatabaseId database) {
  std::uint32_t unused = 0;
  for (std::uint32_t next = 0; next < kGenerationsMost; ++next) {
    const Reply found = co_await with_.cache.get(horizon_key(database, next), deadline());
    if (!found.ok() && found.status != Errc::not_found)
      co_return Error{found.status, "reading the target's cache bucket"};
    if (found.ok())
      unused = next + 1;
    else if (next > unused)
      co_return unused;
  }
  co_return Error{Errc::exists, "the target's cache bucket is not empty"};
}

}  // namespace headgate
