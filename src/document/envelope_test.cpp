// SPDX-License-Identifier: Apache-2.0
#include "document/envelope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::SizeIs;

using Names = std::set<std::string, std::less<>>;

std::string hex_digest(char digit) {
  return std::string(32, digit);
}

/// A document as an ordinary first write leaves it.
DocumentEnvelope ordinary() {
  DocumentEnvelope envelope;
  const Revision first{1, hex_digest('a')};
  EXPECT_TRUE(envelope.tree.insert(first, nullptr, false));
  envelope.sequence = Sequence(1'000'000);
  record_sequence(envelope, {envelope.sequence, {}, {}});
  assign_channels(envelope, Names{"news"}, envelope.sequence);
  envelope.contents.push_back(
      {first, R"({"text":")" + std::string(489, 'x') + "\"}", false, {}, {}});
  envelope.time_saved = WallTime(std::chrono::milliseconds(1'700'000'000'123));
  return envelope;
}

/// A document with something of everything.
DocumentEnvelope rich() {
  DocumentEnvelope envelope = ordinary();
  const Revision first{1, hex_digest('a')}, second{2, "no-hex"}, loser{2, hex_digest('0')};
  EXPECT_TRUE(envelope.tree.insert(second, &first, false));
  EXPECT_TRUE(envelope.tree.insert(loser, &first, false));
  envelope.last_written = loser;
  envelope.sequence = Sequence(1'000'007);
  assign_channels(envelope, Names{"sport", "a"}, envelope.sequence);
  assign_grants(envelope, {{"user:ann", {"old"}}}, {}, Sequence(1'000'001));
  assign_grants(envelope, {{"user:ann", {"news", "sport"}}}, {{"user:bob", {"role:x"}}},
                envelope.sequence);
  record_sequence(envelope, {Sequence(1'000'005), {}, {}});
  record_sequence(envelope, {envelope.sequence, {"news"}, {"user:ann", "user:bob"}});
  Attachment attachment{"pic", "image/png", "md5-x", 10, 2, "gzip", 7};
  envelope.contents = {{second, "{}", false, {attachment}, {}},
                       {loser, "", true, {}, {"news", "sport"}}};
  envelope.expiry = WallTime(std::chrono::seconds(1'800'000'000));
  return envelope;
}

TEST(Envelope, DecodingGivesWhatWasEncoded) {
  for (const auto& envelope : {DocumentEnvelope(), ordinary(), rich()}) {
    const auto decoded = decode_envelope(encode_envelope(envelope));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, envelope);
  }
}

TEST(Envelope, AnOrdinaryDocumentCostsFewBytes) {
  const auto envelope = ordinary();
  ASSERT_EQ(envelope.contents[0].body.size(), 500u);
  EXPECT_LT(encode_envelope(envelope).size(), 500u + 60u);
}

TEST(Envelope, CutOffOrLengthenedBytesAreCorrupted) {
  const std::string bytes = encode_envelope(rich());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_EQ(decode_envelope(bytes.substr(0, length)).error().code, Errc::corrupted) << length;
  EXPECT_EQ(decode_envelope(bytes + '\0').error().code, Errc::corrupted);
}

TEST(Envelope, DamagedBytesNeverCrashAndStayInForm) {
  const std::string bytes = encode_envelope(rich());
  for (std::size_t at = 1; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto decoded = decode_envelope(damaged);
      if (!decoded) {
        EXPECT_EQ(decoded.error().code, Errc::corrupted);
      } else {
        EXPECT_EQ(*decode_envelope(encode_envelope(*decoded)), *decoded);
      }
    }
  }
}

TEST(Envelope, ANewerFormatIsUnsupported) {
  std::string bytes = encode_envelope(ordinary());
  bytes[0] = 2;
  EXPECT_EQ(decode_envelope(bytes).error().code, Errc::unsupported);
  bytes[0] = 0;
  EXPECT_EQ(decode_envelope(bytes).error().code, Errc::corrupted);
}

TEST(Envelope, FlagsFollowTheTree) {
  EXPECT_EQ(ordinary().flags(), 0);
  EXPECT_EQ(rich().flags(),
            document_flag::kHidden | document_flag::kConflict | document_flag::kBranched);
  DocumentEnvelope deleted;
  ASSERT_TRUE(deleted.tree.insert({1, "a"}, nullptr, true));
  EXPECT_EQ(deleted.flags(), document_flag::kDeleted);
}

TEST(Envelope, ChannelsOfALoserAreItsOwn) {
  const auto envelope = rich();
  EXPECT_THAT(envelope.channels_of({2, "no-hex"}), ElementsAre("a", "sport"));
  EXPECT_THAT(envelope.channels_of({2, hex_digest('0')}), ElementsAre("news", "sport"));
  EXPECT_THAT(envelope.channels_of({9, "x"}), IsEmpty());
}

TEST(AssignChannels, RemembersWhenAChannelWasLeft) {
  auto envelope = ordinary();
  const Revision rev{1, hex_digest('a')};
  EXPECT_THAT(assign_channels(envelope, Names{"b"}, Sequence(2'000'000)), ElementsAre("news"));
  const auto& news = envelope.channels.at("news");
  EXPECT_EQ(news.removal, (ChannelRemoval{Sequence(2'000'000), rev, false}));
  EXPECT_THAT(news.past,
              ElementsAre(ChannelInterval{Sequence(1'000'000), Sequence(2'000'000), false}));
  EXPECT_THAT(assign_channels(envelope, Names{"b"}, Sequence(3'000'000)), IsEmpty())
      << "a removal is reported once";
  EXPECT_EQ(envelope.channels.at("b").since, Sequence(2'000'000)) << "a stay keeps its start";
  EXPECT_THAT(assign_channels(envelope, Names{"news"}, Sequence(4'000'000)), ElementsAre("b"));
  EXPECT_TRUE(envelope.channels.at("news").is_current());
  EXPECT_EQ(envelope.channels.at("news").since, Sequence(4'000'000));
  EXPECT_THAT(envelope.channels.at("news").past, SizeIs(1));
}

TEST(AssignChannels, KeepsFiveStaysAndMergesTheOldest) {
  DocumentEnvelope envelope;
  for (std::uint64_t n = 1; n <= 7; ++n) {
    assign_channels(envelope, Names{"c"}, Sequence(10 * n));
    assign_channels(envelope, {}, Sequence(10 * n + 5));
  }
  const auto& past = envelope.channels.at("c").past;
  ASSERT_THAT(past, SizeIs(kChannelHistoryMax));
  EXPECT_EQ(past[0], (ChannelInterval{Sequence(10), Sequence(35), true}));
  EXPECT_EQ(past[4], (ChannelInterval{Sequence(70), Sequence(75), false}));
}

TEST(AssignGrants, AGrantKeepsItsFirstSequenceUntilItStops) {
  DocumentEnvelope envelope;
  EXPECT_THAT(assign_grants(envelope, {{"user:a", {"x"}}}, {}, Sequence(1)), ElementsAre("user:a"));
  EXPECT_THAT(assign_grants(envelope, {{"user:a", {"x"}}}, {}, Sequence(2)), IsEmpty());
  EXPECT_EQ(envelope.access.at("user:a").at("x"), Sequence(1));
  EXPECT_THAT(assign_grants(envelope, {{"user:a", {"x", "y"}}, {"role:r", {"y"}}}, {}, Sequence(3)),
              ElementsAre("role:r", "user:a"));
  EXPECT_THAT(envelope.ended_grants, IsEmpty());
  EXPECT_THAT(assign_grants(envelope, {{"role:r", {"y"}}}, {{"user:a", {"role:r"}}}, Sequence(4)),
              ElementsAre("user:a"));
  EXPECT_EQ(envelope.access.count("user:a"), 0u);
  EXPECT_THAT(envelope.ended_grants,
              ElementsAre(EndedGrant{"user:a", "x", false, Sequence(1), Sequence(4)},
                          EndedGrant{"user:a", "y", false, Sequence(3), Sequence(4)}));
  EXPECT_EQ(envelope.roles.at("user:a").at("role:r"), Sequence(4));
  EXPECT_THAT(assign_grants(envelope, {{"user:a", {"x"}}}, {}, Sequence(5)),
              ElementsAre("role:r", "user:a"));
  EXPECT_EQ(envelope.access.at("user:a").at("x"), Sequence(5)) << "given again, it counts anew";
  EXPECT_THAT(envelope.roles, testing::IsEmpty());
}

DocumentEnvelope with_recent(std::uint64_t from, std::uint64_t to) {
  DocumentEnvelope envelope;
  for (std::uint64_t n = to; n >= from; --n) record_sequence(envelope, {Sequence(n), {}, {}});
  envelope.sequence = Sequence(to);
  return envelope;
}

TEST(RecentSequences, AreSortedAndJoined) {
  auto envelope = with_recent(3, 5);
  record_sequence(envelope, {Sequence(4), {"b"}, {}});
  record_sequence(envelope, {Sequence(4), {"a", "b"}, {"user:x"}});
  ASSERT_THAT(envelope.recent, SizeIs(3));
  EXPECT_EQ(envelope.recent[1], (RecordedSequence{Sequence(4), {"a", "b"}, {"user:x"}}));
}

TEST(RecentSequences, StayUntilThereAreTwenty) {
  auto envelope = with_recent(1, kRecentSequencesMax - 1);
  EXPECT_EQ(prune_recent(envelope, Sequence(1'000)), 0u);
}

// sync_gateway#3824, PR 7302: a feed that saw only the last mutation must still account for those
// before it, also when the feed is slow and the document is written fast.
TEST(RecentSequences, PruningLeavesTheLastFiveAndWhatIsAboveStable) {
  auto fast = with_recent(1, 30);
  EXPECT_EQ(prune_recent(fast, Sequence(1'000)), 25u);
  EXPECT_THAT(fast.recent, SizeIs(kRecentSequencesMin));
  EXPECT_EQ(fast.recent.front().sequence, Sequence(26));
  auto slow = with_recent(1, 30);
  EXPECT_EQ(prune_recent(slow, Sequence(11)), 10u);
  EXPECT_EQ(slow.recent.front().sequence, Sequence(11));
  EXPECT_EQ(prune_recent(slow, Sequence(11)), 0u);
}

TEST(SettleContents, MovesLongBodiesOfLosersOutAndDropsInnerRevisions) {
  DocumentEnvelope envelope = ordinary();
  const Revision first{1, hex_digest('a')}, winner{2, "z"}, small{2, "b"}, large{2, "c"};
  for (const auto& rev : {winner, small, large})
    ASSERT_TRUE(envelope.tree.insert(rev, &first, false));
  envelope.contents.push_back({winner, std::string(400, 'w'), false, {}, {"stale"}});
  envelope.contents.push_back({small, std::string(kInlineBodyMax, 's'), false, {}, {"c"}});
  envelope.contents.push_back({large, std::string(kInlineBodyMax + 1, 'l'), false, {}, {}});
  const auto changes = settle_contents(envelope);
  ASSERT_THAT(changes.to_store, SizeIs(1));
  EXPECT_EQ(changes.to_store[0].rev, large);
  EXPECT_EQ(changes.to_store[0].body.size(), kInlineBodyMax + 1);
  EXPECT_EQ(changes.to_load, std::nullopt);
  EXPECT_EQ(envelope.content_of(first), nullptr);
  EXPECT_TRUE(envelope.content_of(large)->is_external);
  EXPECT_FALSE(envelope.content_of(small)->is_external);
  EXPECT_THAT(envelope.winner_content()->channels, IsEmpty());
  const auto again = settle_contents(envelope);
  EXPECT_THAT(again.to_store, IsEmpty());
}

TEST(SettleContents, AsksForTheBodyOfAPromotedLeaf) {
  DocumentEnvelope envelope;
  const Revision winner{2, "z"}, loser{2, "b"}, tombstone{3, "t"};
  ASSERT_TRUE(envelope.tree.insert(winner, nullptr, false));
  ASSERT_TRUE(envelope.tree.insert(loser, nullptr, false));
  ASSERT_TRUE(envelope.tree.insert(tombstone, &winner, true));
  envelope.contents = {{loser, "", true, {}, {}}, {tombstone, "{}", false, {}, {}}};
  EXPECT_EQ(settle_contents(envelope).to_load, loser);
  const Revision next{3, "n"};
  ASSERT_TRUE(envelope.tree.insert(next, &loser, false));
  EXPECT_EQ(settle_contents(envelope).to_load, std::nullopt);
}

TEST(Resequence, MovesWhatWasRecordedAtLostNumbers) {
  DocumentEnvelope envelope = rich();
  record_sequence(envelope, {Sequence(1'000'000), {"kept"}, {}});
  const std::set<Sequence> lost = {Sequence(1'000'005), Sequence(1'000'007)};
  const Sequence n(2'000'000);
  const auto moved = resequence(envelope, lost, n);
  EXPECT_EQ(moved, (RecordedSequence{n, {"news"}, {"user:ann", "user:bob"}}));
  EXPECT_EQ(envelope.sequence, n);
  EXPECT_EQ(envelope.channels.at("news").removal->sequence, n);
  EXPECT_EQ(envelope.channels.at("news").past.at(0).end, n);
  EXPECT_EQ(envelope.channels.at("news").past.at(0).start, Sequence(1'000'000));
  EXPECT_EQ(envelope.channels.at("sport").since, Sequence(1'000'007));
  EXPECT_EQ(envelope.access.at("user:ann").at("news"), n);
  EXPECT_EQ(envelope.roles.at("user:bob").at("role:x"), n);
  EXPECT_THAT(envelope.ended_grants,
              IsSupersetOf({EndedGrant{"user:ann", "news", false, Sequence(1'000'007), n},
                            EndedGrant{"user:bob", "role:x", true, Sequence(1'000'007), n}}))
      << "their holders may have read by them before";
  ASSERT_THAT(envelope.recent, SizeIs(4));
  EXPECT_EQ(envelope.recent[0].removals, std::vector<std::string>{"kept"});
  EXPECT_THAT(envelope.recent[2].removals, IsEmpty());
  EXPECT_EQ(envelope.recent[3], moved);
}

std::string random_name() {
  return *rc::gen::string<std::string>();
}

DocumentEnvelope random_envelope() {
  DocumentEnvelope envelope;
  const auto writes = *rc::gen::inRange(0, 12);
  std::uint64_t sequence = *rc::gen::inRange<std::uint64_t>(0, 1ull << 40);
  for (int i = 0; i < writes; ++i) {
    sequence += *rc::gen::inRange<std::uint64_t>(1, 1'000);
    const auto winner = envelope.tree.winner();
    const bool branches = *rc::gen::inRange(0, 4) == 0;
    const Revision rev{winner ? winner->generation + 1 : 1, "d" + std::to_string(i)};
    const Revision* parent = winner && !branches ? &*winner : nullptr;
    RC_ASSERT(envelope.tree.insert(rev, parent, *rc::gen::inRange(0, 4) == 0).has_value());
    Names channels;
    for (int c = *rc::gen::inRange(0, 4); c > 0; --c) channels.insert(random_name());
    RecordedSequence recorded{Sequence(sequence), {}, {}};
    recorded.removals = assign_channels(envelope, channels, Sequence(sequence));
    recorded.grants = assign_grants(envelope, {{random_name(), channels}},
                                    {{random_name(), channels}}, Sequence(sequence));
    record_sequence(envelope, recorded);
    envelope.contents.push_back({rev, random_name(), *rc::gen::arbitrary<bool>(), {}, {}});
    if (envelope.contents.back().is_external) envelope.contents.back().body.clear();
  }
  envelope.sequence = Sequence(sequence);
  return envelope;
}

RC_GTEST_PROP(EnvelopeProperty, DecodingGivesWhatWasEncoded, ()) {
  const DocumentEnvelope envelope = random_envelope();
  const auto decoded = decode_envelope(encode_envelope(envelope));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == envelope);
}

RC_GTEST_PROP(EnvelopeProperty, SequencesOfAnyDistanceSurvive,
              (std::uint64_t base, std::uint64_t other)) {
  DocumentEnvelope envelope;
  envelope.sequence = Sequence(base);
  record_sequence(envelope, {Sequence(other), {}, {}});
  RC_ASSERT(*decode_envelope(encode_envelope(envelope)) == envelope);
}

}  // namespace
}  // namespace headgate
