// SPDX-License-Identifier: Apache-2.0
#include "sequence/sequence_id.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

namespace headgate {
namespace {

SequenceId id(std::uint64_t low, std::uint64_t trigger, std::uint64_t sequence) {
  return {Sequence(low), Sequence(trigger), Sequence(sequence)};
}

SequenceId parsed(const std::string& text) {
  return SequenceId::parse(text).value();
}

// sync_gateway PR 8423 (CBG-5429): stale low parts and triggers are left out.
TEST(SequenceId, PrintsTheCasesOfTheReference) {
  EXPECT_EQ(id(80, 0, 100).print(), "80::100");
  EXPECT_EQ(id(110, 0, 100).print(), "100");
  EXPECT_EQ(id(100, 0, 100).print(), "100");
  EXPECT_EQ(id(105, 110, 20).print(), "105:110:20");
  EXPECT_EQ(id(120, 110, 20).print(), "120:110:20");
  EXPECT_EQ(id(0, 110, 20).print(), "110:20");
  EXPECT_EQ(id(0, 110, 150).print(), "150");
  EXPECT_EQ(id(120, 130, 150).print(), "120::150");
  EXPECT_EQ(id(160, 130, 150).print(), "150");
  EXPECT_EQ(id(5, 10, 3).print(), "5:10:3");
}

TEST(SequenceId, ParsesEveryForm) {
  EXPECT_EQ(parsed(""), id(0, 0, 0));
  EXPECT_EQ(parsed("7"), id(0, 0, 7));
  EXPECT_EQ(parsed("\"5::7\""), id(5, 0, 7));
  EXPECT_EQ(parsed("8:7"), id(0, 8, 7));
  EXPECT_EQ(parsed("5:8:7"), id(5, 8, 7));
  EXPECT_EQ(parsed("18446744073709551615"), id(0, 0, ~0ull));
}

TEST(SequenceId, RefusesEverythingElse) {
  for (const char* text : {"foo", ":", ":1", "::1", "1:", "1::", "a:b:c:d", "1:2:3:4", "123:ggg",
                           "-1", "+1", " 1", "1 ", "1.0", "18446744073709551616", "\"", "0x1"})
    EXPECT_EQ(SequenceId::parse(text).error().code, Errc::invalid_argument) << text;
}

void expect_ascending(const std::vector<std::string>& chain) {
  for (std::size_t i = 0; i < chain.size(); ++i)
    for (std::size_t j = 0; j < chain.size(); ++j)
      EXPECT_EQ(parsed(chain[i]).is_before(parsed(chain[j])), i < j) << chain[i] << " " << chain[j];
}

TEST(SequenceId, OrdersTheChainsOfTheReference) {
  expect_ascending({"1234", "5677", "5678:1234", "5678:2222", "5678", "6666:5678", "6666"});
  const std::vector<std::string> with_low = {
      "1200::1233", "1205::1234", "1234",          "1234:5677:2000", "1234::5677", "1234::5678",
      "1300:1100",  "1300::1350", "1300:1400:100", "1300::1400",     "1301:1000"};
  for (std::size_t i = 0; i + 1 < with_low.size(); ++i) {
    EXPECT_TRUE(parsed(with_low[i]).is_before(parsed(with_low[i + 1]))) << with_low[i];
    EXPECT_FALSE(parsed(with_low[i + 1]).is_before(parsed(with_low[i]))) << with_low[i];
  }
}

TEST(SequenceId, PropertyPrintedFormsKeepWhatMatters) {
  EXPECT_TRUE(rc::check("print, then parse", [] {
    const auto small = rc::gen::inRange<std::uint64_t>(0, 20);
    const SequenceId original = id(*small, *small, *small);
    const SequenceId read = parsed(original.print());
    RC_ASSERT(read.sequence == original.sequence);
    RC_ASSERT(read.is_in_backfill() == original.is_in_backfill());
    RC_ASSERT(read.print() == original.print());
    // A client that echoes the printed form restarts where it would have with the original,
    // except that a low part inside a backfill is bounded by the trigger.
    if (!original.is_in_backfill()) RC_ASSERT(read.safe() == original.safe());
  }));
}

TEST(SequenceId, PropertyOrderIsIrreflexiveAndAsymmetric) {
  EXPECT_TRUE(rc::check("is_before", [] {
    const auto small = rc::gen::inRange<std::uint64_t>(0, 12);
    const SequenceId a = parsed(id(*small, *small, *small).print());
    const SequenceId b = parsed(id(*small, *small, *small).print());
    RC_ASSERT(!a.is_before(a));
    RC_ASSERT(!(a.is_before(b) && b.is_before(a)));
  }));
}

}  // namespace
}  // namespace headgate
