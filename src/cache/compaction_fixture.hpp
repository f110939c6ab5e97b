// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cache/cache_fixture.hpp"

namespace headgate {

/// Ten documents of one channel that are written again and again, and whoever reads them (R19).
class CompactionTest : public CacheFixture {
 public:
  using Names = std::vector<std::string>;
  static constexpr int kDocuments = 10;
  static constexpr int kRevisions = 6;

 protected:
  explicit CompactionTest(CacheSettings settings = small_settings()) : CacheFixture(settings) {}

  static std::string name(int number) { return "d" + std::to_string(number); }

  /// Every document once after the other, again and again, while stable follows.
  void write_revisions(int revisions = kRevisions, int documents = kDocuments) {
    for (int revision = 0; revision < revisions; ++revision)
      for (int d = 0; d < documents; ++d) {
        last_ = put(name(d), {"a"});
        if (d % 3 == 0) ASSERT_TRUE(stable_reaches(last_));
      }
  }
  /// Until it is over.
  void compact() {
    ASSERT_TRUE(stable_reaches(last_));
    const auto before = writer_->statistics().compactions;
    writer_->compact();
    for (int i = 0; i < 100 && writer_->statistics().compactions == before; ++i)
      env_.advance(std::chrono::milliseconds(200));
    ASSERT_GT(writer_->statistics().compactions, before);
  }
  /// As many passes as it takes to read a channel from `since`, by a reader that knows nothing.
  Names read_in_pages(const std::string& channel, Sequence since, std::size_t limit) {
    CacheReader reader(*space_, *allocator_);
    Names all;
    while (true) {
      const PassStart pass = env_.run(reader.start_pass()).value();
      const auto pages = env_.run(reader.read(
          pass, ReadMode::stable, {{ChannelId::of_documents(channel), since, {}}}, limit));
      if (!pages) ADD_FAILURE() << pages.error().context;
      if (!pages) return all;
      std::ranges::move(names(pages->at(0)), std::back_inserter(all));
      if (pages->at(0).complete_to >= pass.stable) return all;
      since = pages->at(0).complete_to;
    }
  }
  /// What a client holds that was sent these, one after the other.
  static Names held(const Names& rows) {
    std::map<std::string, std::string> last;
    for (const std::string& row : rows) last[row.substr(0, row.find('@'))] = row;
    Names all;
    for (const auto& [id, row] : last) all.push_back(row);
    return all;
  }
  Names newest(int documents = kDocuments) const {
    Names all;
    for (int d = 0; d < documents; ++d)
      all.push_back(name(d) + "@" + std::to_string(docs_.at(name(d)).entry.sequence.value()));
    return all;
  }
  bool is_there(const Key& key) { return env_.run(cache_.get(key, kNoDeadline)).ok(); }
  bool is_dead(Sequence sequence) {
    const Reply reply = env_.run(cache_.get(space_->sequence_key(sequence), kNoDeadline));
    if (!reply.ok()) return is_there(space_->fold_key(sequence));
    return SequenceDocument::decode(sequence, reply.bytes).value().is_dead;
  }
  /// Sequence documents that a reader looks at who knows nothing and reads all of a channel.
  std::uint64_t cost_of_first_sync() {
    CacheReader cold(*space_, *allocator_);
    const PassStart pass = env_.run(cold.start_pass()).value();
    EXPECT_TRUE(env_.run(cold.read(pass, ReadMode::stable,
                                   {{ChannelId::of_documents("a"), Sequence(), {}}}, 100'000)));
    return cold.statistics().document_reads;
  }
  std::uint64_t length_of_block(std::uint64_t block) {
    const Key key = space_->block_key(ChannelId::of_documents("a"), block);
    return env_.run(cache_.get(key, kNoDeadline)).bytes.size();
  }

  Sequence last_;
};

class CompactionOfAnyFormat : public CompactionTest,
                              public testing::WithParamInterface<BlockFormat> {
 protected:
  static CacheSettings settings() {
    CacheSettings settings = small_settings(GetParam());
    settings.sequences_per_tag = 8;
    return settings;
  }
  CompactionOfAnyFormat() : CompactionTest(settings()) {}
};

}  // namespace headgate
