// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bucket/decorator/failing_calls.hpp"
#include "cache/stable_record.hpp"
#include "database/base_scan.hpp"
#include "database/database_fixture.hpp"

namespace headgate {

/// A database one of whose bucket calls fails, and an oracle that tells from the base bucket alone
/// what its cache has to show.
class ErrorPathsFixture : public DatabaseFixture {
 protected:
  /// One public operation. What it changes may be several things, each of which is done or not.
  struct Case {
    const char* name;
    /// What has to be there before; `id` is another one each time.
    std::function<void(const std::string& id)> prepare;
    /// One outcome for each thing.
    std::function<std::vector<Errc>(const std::string& id)> act;
    /// Whether each thing is done, as the base bucket says; none if there is nothing to do.
    std::function<std::vector<bool>(const std::string& id)> is_done;
    Errc expected = Errc::ok;  ///< of an act in which nothing fails
  };

  ErrorPathsFixture(DatabaseConfig config, const MakeBucket& make_bucket)
      : DatabaseFixture(std::move(config), 1, make_bucket) {}

  void run_cases(const std::vector<Case>& cases, const CallFailure& failure) {
    for (const Case& one : cases) {
      if (HasFailure()) return;
      run_case(one, failure);
    }
  }
  void run_case(const Case& one, const CallFailure& failure) {
    SCOPED_TRACE(one.name);
    std::vector<Errc> first;
    const auto id_of = [&](std::size_t n) { return std::string(one.name) + std::to_string(n); };
    if (one.prepare) one.prepare(id_of(0));
    for_each_failing_call(
        bucket_, failure, [&](std::size_t n) { first = one.act(id_of(n)); },
        [&](std::size_t n) {
          check_truth(one, id_of(n), first);
          repeat(one, id_of(n), first);
          expect_consistent();
          if (one.prepare) one.prepare(id_of(n + 1));
        });
    reopen();  // what was remembered agrees with what is there
    expect_consistent();
  }

  /// Stable reaches the highest number; I3, I4, I6; every channel shows what the base holds.
  void expect_consistent() {
    const TimePoint limit = env_.now() + std::chrono::seconds(30);
    while (db_->stable() < db_->highest() && env_.now() < limit)
      env_.run(env_.sleep_for(std::chrono::milliseconds(20)));
    ASSERT_EQ(db_->stable(), db_->highest()) << "stable does not come to the highest number";
    const auto pass = env_.run(db_->cache_reader().start_pass());
    ASSERT_TRUE(pass) << pass.error().context;
    ASSERT_GE(pass->stable, stable_before_) << "I3";
    stable_before_ = pass->stable;
    load_documents();
    expect_every_number_accounted_for(pass->stable);
    for (const ReadMode mode : {ReadMode::available, ReadMode::stable})
      for (const std::string& channel : channels_) expect_channel(channel, mode);
  }

  static Errc code(const auto& result) { return result ? Errc::ok : result.error().code; }
  Bucket& inner() { return counting_; }

 private:
  static bool is_certain(Errc code) { return code != Errc::timeout_unknown_outcome; }

  void check_truth(const Case& one, const std::string& id, const std::vector<Errc>& outcomes) {
    if (!one.is_done) return;
    const std::vector<bool> done = one.is_done(id);
    ASSERT_EQ(done.size(), outcomes.size());
    for (std::size_t i = 0; i < done.size(); ++i)
      if (is_certain(outcomes[i]))
        EXPECT_EQ(done[i], outcomes[i] == Errc::ok)
            << id << ", thing " << i << ": answered " << to_string(outcomes[i]);
  }

  /// The same again, while nothing fails: it succeeds, or finds that it was done before.
  void repeat(const Case& one, const std::string& id, const std::vector<Errc>& first) {
    const std::vector<bool> done_before = one.is_done ? one.is_done(id) : std::vector<bool>();
    const std::vector<Errc> again = one.act(id);
    for (std::size_t i = 0; i < again.size(); ++i) {
      const bool was_done = i < done_before.size() && done_before[i];
      if (!was_done) EXPECT_EQ(again[i], one.expected) << id << ", thing " << i << ", repeated";
      if (was_done && first[i] != Errc::ok)
        EXPECT_TRUE(again[i] == Errc::ok || again[i] == Errc::conflict ||
                    again[i] == Errc::exists || again[i] == Errc::not_found)
            << id << ", thing " << i << ", repeated: " << to_string(again[i]);
    }
    if (!one.is_done || one.expected != Errc::ok) return;
    for (const bool is_done : one.is_done(id)) EXPECT_TRUE(is_done) << id << ", repeated";
  }

  void load_documents() {
    documents_.clear();
    channels_ = {"*"};
    BaseScan scan(inner(), db_->id(), {KeyKind::document, {}, false}, 1'000);
    while (const auto item = env_.run(scan.next(kNoDeadline)).value()) {
      documents_[item->name] = decode_envelope(item->bytes).value();
      for (const auto& [channel, membership] : documents_[item->name].channels)
        channels_.insert(channel);
    }
  }

  void expect_every_number_accounted_for(Sequence stable) {
    const Reply buried = env_.run(inner().get(db_->cache_space().dead_ranges_key(), kNoDeadline));
    const DeadRanges ranges = buried.ok() ? DeadRanges::decode(buried.bytes).value() : DeadRanges();
    std::vector<Key> keys;
    for (std::uint64_t n = 2; n <= stable.value(); ++n)
      keys.push_back(db_->cache_space().sequence_key(Sequence(n)));
    const auto replies = env_.run(inner().get_many(std::move(keys), kNoDeadline));
    std::set<Sequence> live;
    for (std::uint64_t n = 2; n <= stable.value(); ++n) {
      const Sequence sequence(n);
      const Reply& reply = replies[n - 2];
      if (ranges.contains(sequence)) continue;
      ASSERT_TRUE(reply.ok()) << "I4: " << n << " is not accounted for";
      const auto document = SequenceDocument::decode(sequence, reply.bytes).value();
      if (document.is_dead || document.entry.is_principal()) continue;
      live.insert(sequence);
      EXPECT_TRUE(holds(document.entry)) << "I6: " << n << " is no write of the base";
    }
    for (const auto& [id, envelope] : documents_)
      if (!envelope.is_purged())
        EXPECT_TRUE(live.contains(envelope.sequence)) << "I5: " << id << " is not in the cache";
  }

  bool holds(const CacheEntry& entry) const {
    const auto at = documents_.find(entry.doc_id.text());
    if (at == documents_.end()) return false;
    for (const RecordedSequence& recent : at->second.recent)
      if (recent.sequence == entry.sequence) return true;
    return at->second.sequence == entry.sequence;
  }

  /// The last entry of each document tells whether it is in the channel now.
  void expect_channel(const std::string& channel, ReadMode mode) {
    std::map<std::string, const ChannelEntry*> last;
    const auto found = entries(ChannelId::of_documents(channel), mode);
    for (const ChannelEntry& entry : found)
      if (!entry.document->entry.is_principal()) last[entry.document->entry.doc_id.text()] = &entry;
    for (const auto& [id, envelope] : documents_) {
      if (envelope.is_purged()) continue;
      const auto membership = envelope.channels.find(channel);
      const bool is_in = channel == "*" ||
                         (membership != envelope.channels.end() && membership->second.is_current());
      const auto at = last.find(id);
      const bool is_shown = at != last.end() && !at->second->is_removal;
      EXPECT_EQ(is_shown, is_in) << id << " in channel " << channel;
      if (is_shown && is_in) EXPECT_EQ(at->second->sequence, envelope.sequence) << id;
    }
    for (const auto& [id, entry] : last)
      EXPECT_TRUE(documents_.contains(id) && !documents_.at(id).is_purged())
          << id << " is in channel " << channel << " alone";
  }

  std::map<std::string, DocumentEnvelope> documents_;
  std::set<std::string> channels_;
  Sequence stable_before_;
};

}  // namespace headgate
