// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_compaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "cache/sequence_fold.hpp"

namespace headgate {
namespace {

// So many numbers are worth a look; beyond, as many as were left the last time: what is read over
// and over stays in proportion to what is written.
constexpr std::uint64_t kAtLeast = 10'000;
constexpr std::size_t kAtOnce = 1'000;
// After a failure, and at most after several: what is found is read again.
constexpr std::chrono::seconds kRetry{10};
constexpr std::chrono::seconds kRetryMost{600};
constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kJob = "compaction";

// All numbers of its tag lie at or below the floor: who still writes at one of them is late.
bool is_foldable(const ChannelCompaction::Site& site, Sequence sequence) {
  return site.space.last_of_tag(sequence) <= site.floor || !HG_RULE("R19 fold");
}

}  // namespace

// --- When ----------------------------------------------------------------------------------------

// Up to here nothing is lost by a failover, nor looked at by an audit. One process has one log.
Sequence CacheCompaction::floor() const {
  const StableRecord& record = context_.stable.record();
  const bool is_shared = context_.d.space.is_shared() && HG_RULE("R19 floor");
  return is_shared ? record.durable_floor : record.stable;
}

bool CacheCompaction::is_worth_it() const {
  const Sequence floor = this->floor();
  if (floor <= progress_.to) return is_requested_;
  return is_requested_ ||
         floor.value() - progress_.to.value() >= std::max(kAtLeast, progress_.live) ||
         HG_BUGGIFY("compact at once");
}

bool CacheCompaction::is_due() const {
  if (is_running_ || is_interrupted_ || context_.audit_floor) return false;
  return context_.environment().now() >= not_before_ && is_worth_it();
}

Key CacheCompaction::progress_key() const {
  return {context_.d.space.database, KeyKind::progress, std::string(kJob), std::string(kJob)};
}

Task<Result<void>> CacheCompaction::load_progress() {
  const std::uint32_t generation = context_.d.space.generation;
  if (loaded_for_ == generation) co_return Result<void>();
  progress_ = {};
  const Reply reply = co_await context_.d.base.get(progress_key(), context_.deadline());
  if (!reply.ok() && reply.status != Errc::not_found) co_return reply.status;
  ByteReader reader(reply.bytes);
  if (reply.ok() && reader.u8() == kFormat && reader.varint() == generation) {
    const Sequence to(reader.varint());
    const std::uint64_t live = reader.varint();
    if (reader.finish("compaction")) progress_ = {to, live};
  }
  loaded_for_ = generation;
  co_return Result<void>();
}

Task<Result<void>> CacheCompaction::store_progress(Progress progress) {
  progress_ = progress;
  ByteWriter writer;
  writer.u8(kFormat).varint(context_.d.space.generation);
  writer.varint(progress.to.value()).varint(progress.live);
  const Key key = progress_key();
  const Reply present = co_await context_.d.base.get(key, context_.deadline());
  Reply stored;
  if (present.ok())
    stored = co_await context_.d.base.replace(key, std::move(writer).bytes(), present.cas, {},
                                              context_.deadline());
  else
    stored =
        co_await context_.d.base.insert(key, std::move(writer).bytes(), {}, context_.deadline());
  if (!stored.ok()) co_return Error{stored.status, "storing how far compaction came"};
  co_return Result<void>();
}

// --- One pass ------------------------------------------------------------------------------------

Task<void> CacheCompaction::run() {
  is_running_ = true;
  return finish(pass());
}

Task<void> CacheCompaction::finish(Task<Result<void>> pass) {
  const auto done = co_await std::move(pass);
  is_running_ = false;
  failures_ = done ? 0 : failures_ + 1;
  if (done) co_return;
  not_before_ = context_.environment().now() + std::min(kRetry * failures_, kRetryMost);
  log(LogLevel::warning, "cache_writer.compaction_failed",
      {{"database", fmt::to_string(context_.d.space.database.value())},
       {"error", std::string(to_string(done.error().code))},
       {"what", done.error().context}});
}

Result<void> CacheCompaction::check(const ChannelCompaction::Site& site) const {
  if (is_interrupted_) return Error{Errc::unavailable, "compaction was interrupted"};
  const bool is_same_walk = context_.cache_histories == site.histories && !context_.audit_floor &&
                            context_.d.space.generation == site.space.generation;
  if (!is_same_walk) return Error{Errc::rolled_back, "another walk has begun"};
  return {};
}

// What was between the floor and the beginning of an epoch may have lost block entries and kept its
// sequence document; of a cache built anew that is all from before.
bool CacheCompaction::is_in_doubt(const StableRecord& record, Sequence sequence) const {
  if (!context_.d.space.is_shared()) return false;
  if (context_.d.space.generation > 0 && record.epochs.of(sequence) != record.epoch) return true;
  return record.epochs.resume(sequence) < sequence;
}

Task<Result<void>> CacheCompaction::pass() {
  HG_CO_CHECK(co_await load_progress());
  if (!is_worth_it() && !HG_BUGGIFY("compact what is worth nothing")) co_return Result<void>();
  const bool is_requested = std::exchange(is_requested_, false);
  const ChannelCompaction::Site site{context_.d.space, context_.cache_histories, floor(),
                                     context_.stable.dead_ranges()};
  SupersededSurvey found(
      [this](const Grant& grant) { return context_.d.repair.may_take_access(grant); });
  const std::size_t most =
      HG_BUGGIFY("compaction keeps little") ? 8 : context_.d.space.settings.compaction_entries;
  HG_CO_TRY(const Sequence to, co_await survey(site, most, found));
  HG_CO_CHECK(co_await compact_channels(site, found));
  HG_CO_CHECK(co_await drop_documents(site, found));
  ++context_.statistics.compactions;
  HG_PROBE("R19 compacted");
  // What lies beyond is for the next time, at once only if that frees memory for it.
  const bool goes_on = found.documents().size() + found.dead().size() >= most / 4;
  is_requested_ = is_requested_ || (is_requested && goes_on && to < site.floor);
  co_return co_await store_progress(
      {goes_on ? to : site.floor, found.live() - found.documents().size()});
}

// Up to where it came.
Task<Result<Sequence>> CacheCompaction::survey(const ChannelCompaction::Site& site,
                                               std::size_t most, SupersededSurvey& found) {
  const StableRecord record = context_.stable.record();
  const CacheSpace& space = site.space;
  Sequence from(1);
  while ((from = site.dead.skip(from)) <= site.floor && found.size() < most) {
    HG_CO_CHECK(check(site));
    const Key key = space.sequence_key(from);
    HG_CO_TRY(const auto page,
              co_await space.bucket.scan({space.database, key.kind, key.tag, key.name,
                                          space.settings.sequences_per_tag, false},
                                         space.deadline()));
    if (page.history != site.histories->at(space.bucket.partition_of(key).value()))
      co_return Error{Errc::rolled_back, "compaction"};
    for (const auto& item : page.items) {
      const Sequence sequence(ByteReader(item.name).be64());
      if (sequence > site.floor) break;
      if (site.dead.contains(sequence)) continue;
      const auto document = SequenceDocument::decode(sequence, item.bytes);
      if (!document) continue;
      if (!document->is_dead)
        found.add(*document, item.cas, is_in_doubt(record, sequence));
      else if (is_foldable(site, sequence))
        found.add_dead(sequence, item.cas);
    }
    from = space.last_of_tag(from).next();
    co_await space.environment.yield();
  }
  co_return std::min(site.floor, from.previous());
}

// One channel that cannot be compacted now keeps no other waiting.
Task<Result<void>> CacheCompaction::compact_channels(const ChannelCompaction::Site& site,
                                                     const SupersededSurvey& found) {
  std::vector<ChannelId> channels;
  for (const auto& [channel, entries] : found.entries()) channels.push_back(channel);
  std::sort(channels.begin(), channels.end());
  ChannelCompaction compaction(site);
  HG_CO_TRY(channels, co_await compaction.with_closed_blocks(std::move(channels)));
  for (const ChannelId& channel : channels) {
    HG_CO_CHECK(check(site));
    const auto gone = co_await compaction.compact(channel, found.entries().at(channel));
    if (gone)
      context_.statistics.entries_dropped += *gone;
    else if (gone.error().code == Errc::corrupted)
      log(LogLevel::error, "cache_writer.channel_not_compacted", {{"what", gone.error().context}});
    co_await site.space.environment.yield();
  }
  co_return Result<void>();
}

// R3: a dead number stays dead, so that whoever is late with its write is told (R4): by its dead
// document or, where all numbers of its tag lie at or below the floor, by the tag's fold.
Task<Result<void>> CacheCompaction::drop_documents(const ChannelCompaction::Site& site,
                                                   const SupersededSurvey& found) {
  auto documents = found.documents();
  documents.insert(documents.end(), found.dead().begin(), found.dead().end());
  std::ranges::sort(documents, {}, &SupersededSurvey::Document::sequence);
  for (std::size_t from = 0; from < documents.size(); from += kAtOnce) {
    HG_CO_CHECK(check(site));
    const auto begin = documents.begin() + static_cast<std::ptrdiff_t>(from);
    const auto length = std::min(kAtOnce, documents.size() - from);
    HG_CO_CHECK(co_await drop_step(site, {begin, begin + static_cast<std::ptrdiff_t>(length)}));
    HG_PROBE("R19 documents dropped");
    co_await site.space.environment.yield();
  }
  context_.statistics.documents_dropped += found.documents().size();
  co_return Result<void>();
}

Task<Result<void>> CacheCompaction::drop_step(const ChannelCompaction::Site& site,
                                              std::vector<SupersededSurvey::Document> documents) {
  const CacheSpace& space = site.space;
  std::vector<Sequence> folded;
  std::vector<Operation> operations;
  for (const auto& [sequence, cas] : documents) {
    const Key key = space.sequence_key(sequence);
    WriteOptions options;
    options.if_history = site.histories->at(space.bucket.partition_of(key).value());
    if (is_foldable(site, sequence)) {
      folded.push_back(sequence);
      operations.push_back(operation::Remove{key, cas, std::move(options), {}});
    } else {
      operations.push_back(operation::Replace{
          key, SequenceDocument::dead(sequence).encode(), cas, std::move(options), {}});
    }
  }
  HG_CO_CHECK(co_await write_folds(space, std::move(folded), *site.histories));
  const auto replies = co_await space.bucket.pipeline(std::move(operations), space.deadline());
  for (const Reply& reply : replies)
    if (!reply.ok() && reply.status != Errc::cas_mismatch && reply.status != Errc::not_found)
      co_return Error{reply.status, "dropping sequence documents"};
  co_return Result<void>();
}

}  // namespace headgate
