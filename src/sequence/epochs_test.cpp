// SPDX-License-Identifier: Apache-2.0
#include "sequence/epochs.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

Epochs two_failovers() {
  Epochs epochs;
  epochs.add({Epoch(1), Sequence(1)});
  epochs.add({Epoch(2), Sequence(100), Sequence(60)});
  epochs.add({Epoch(3), Sequence(200), Sequence(150)});
  return epochs;
}

// R17: min(token, floor of each later epoch).
TEST(Epochs, ATokenContinuesFromTheFloorsOfLaterEpochs) {
  const Epochs epochs = two_failovers();
  EXPECT_EQ(epochs.resume(Sequence(0)), Sequence(0));
  EXPECT_EQ(epochs.resume(Sequence(50)), Sequence(50));
  EXPECT_EQ(epochs.resume(Sequence(80)), Sequence(60));
  EXPECT_EQ(epochs.resume(Sequence(100)), Sequence(60));
  EXPECT_EQ(epochs.resume(Sequence(101)), Sequence(101));
  EXPECT_EQ(epochs.resume(Sequence(180)), Sequence(150));
  EXPECT_EQ(epochs.resume(Sequence(300)), Sequence(300));
}

TEST(Epochs, ATokensLowPartDecides) {
  const Epochs epochs = two_failovers();
  const auto resumed = [&](const char* text) {
    return epochs.resume(SequenceId::parse(text).value()).print();
  };
  EXPECT_EQ(resumed("40::90"), "40::90");
  EXPECT_EQ(resumed("70::90"), "60::201");
  EXPECT_EQ(resumed("180::230"), "180::230");  // printed in the last epoch
  EXPECT_EQ(resumed("220::230"), "220::230");
  EXPECT_EQ(resumed("180"), "150::201");
}

// Channels of one number may be granted in one epoch, and not in the other.
TEST(Epochs, ABackfillOfAnOlderEpochBeginsAnew) {
  const Epochs epochs = two_failovers();
  const auto resumed = [&](const char* text) {
    return epochs.resume(SequenceId::parse(text).value()).print();
  };
  EXPECT_EQ(resumed("40:5"), "39");
  EXPECT_EQ(resumed("90:5"), "60::201");
  EXPECT_EQ(resumed("40:90:5"), "40");  // stable had not come to the grant
  EXPECT_EQ(resumed("201:90:5"), "201:90:5");
  EXPECT_EQ(resumed("230:5"), "230:5");
}

// Numbers that survived are printed long after their epoch is over.
TEST(Epochs, ADatedTokenStaysWhereItIs) {
  const Epochs epochs = two_failovers();
  for (std::uint64_t s = 0; s < 250; ++s) {
    const SequenceId dated = epochs.dated(SequenceId{Sequence(), Sequence(), Sequence(s)});
    EXPECT_EQ(dated.safe(), Sequence(s));
    EXPECT_EQ(epochs.resume(dated), dated) << s;
    const bool is_in_doubt = (s > 60 && s <= 100) || (s > 150 && s <= 200);
    EXPECT_EQ(dated.sequence, Sequence(is_in_doubt ? 201 : s));
  }
}

TEST(Epochs, ANumberTellsItsEpoch) {
  const Epochs epochs = two_failovers();
  EXPECT_EQ(epochs.of(Sequence(2)), Epoch(1));
  EXPECT_EQ(epochs.of(Sequence(100)), Epoch(1));
  EXPECT_EQ(epochs.of(Sequence(101)), Epoch(2));
  EXPECT_EQ(epochs.of(Sequence(500)), Epoch(3));
}

TEST(Epochs, AnEpochsFloorOnlyFalls) {
  Epochs epochs;
  epochs.add({Epoch(1), Sequence(1)});
  epochs.add({Epoch(2), Sequence(100)});
  EXPECT_EQ(epochs.resume(Sequence(80)), Sequence(80));
  epochs.add({Epoch(2), Sequence(100), Sequence(60)});
  epochs.add({Epoch(2), Sequence(100)});
  EXPECT_EQ(epochs.resume(Sequence(80)), Sequence(60));
}

TEST(Epochs, ManyAreFoldedTogetherOnTheSafeSide) {
  Epochs epochs;
  for (std::uint64_t e = 1; e <= 200; ++e)
    epochs.add({Epoch(e), Sequence(e * 10), Sequence(e * 10 - 5)});
  for (std::uint64_t s = 11; s < 2'000; ++s) {
    const std::uint64_t later = (s + 9) / 10;  // the first epoch whose base is at or above s
    EXPECT_LE(epochs.resume(Sequence(s)), Sequence(std::min(s, later * 10 - 5)));
  }
  EXPECT_LT(epochs.resume(Sequence(12)), Sequence(13));
  ByteWriter writer;
  epochs.encode_to(writer);
  EXPECT_LT(writer.bytes().size(), 1'000u);
}

// Case E: what was printed before a restore is void, whatever its form; what is printed after it at
// the numbers of the backup tells so.
TEST(Epochs, ARestoreMakesEarlierTokensVoid) {
  Epochs epochs;
  const Sequence base(1'000);
  epochs.add({Epoch(2), base, Epochs::kStartAgain});
  const auto id = [](std::string_view text) { return SequenceId::parse(text).value(); };
  for (const std::string_view text : {"1", "7", "1000", "5::9", "9:3", "8:9:3", "400:900"}) {
    EXPECT_TRUE(epochs.is_void(id(text))) << text;
    const SequenceId dated = epochs.dated(id(text));
    EXPECT_FALSE(epochs.is_void(id(dated.print()))) << text << " printed as " << dated.print();
  }
  for (const std::string_view text :
       {"1001", "2000", "7::1001", "1001:900:7", "1500:7", "3::1200"}) {
    EXPECT_FALSE(epochs.is_void(id(text))) << text;
    EXPECT_EQ(epochs.dated(id(text)), id(text)) << text;
  }
  EXPECT_EQ(epochs.dated(id("7")).print(), "7::1001");
  EXPECT_EQ(epochs.undated(id("7::1001")), id("7"));
  EXPECT_EQ(epochs.dated(id("900:7")).print(), "1001:900:7");
  EXPECT_EQ(epochs.dated(SequenceId()), SequenceId());
}

// Nothing was announced anew: whoever reads the backup's numbers need not look beyond them.
TEST(Epochs, OnlyAnAuditAnnouncesAnew) {
  Epochs epochs;
  epochs.add({Epoch(2), Sequence(1'000), Epochs::kStartAgain});
  EXPECT_FALSE(epochs.is_audited_after(Sequence(7)));
  epochs.add({Epoch(3), Sequence(2'000), Sequence(1'500)});
  EXPECT_TRUE(epochs.is_audited_after(Sequence(7)));
  EXPECT_TRUE(epochs.is_audited_after(Sequence(1'800)));
  EXPECT_FALSE(epochs.is_audited_after(Sequence(2'001)));
  EXPECT_TRUE(epochs.is_void(SequenceId::parse("1000").value()));
  EXPECT_FALSE(epochs.is_void(SequenceId::parse("1800").value()));
}

TEST(EpochRecord, IsReadAsItWasWritten) {
  const EpochRecord record{3, true, Sequence(9'000), two_failovers()};
  const std::string bytes = record.encode();
  EXPECT_EQ(EpochRecord::decode(bytes).value(), record);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(EpochRecord::decode(bytes.substr(0, length))) << length;
  EXPECT_FALSE(EpochRecord::decode(bytes + "x"));
}

}  // namespace
}  // namespace headgate
