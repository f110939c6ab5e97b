// SPDX-License-Identifier: Apache-2.0
// What becomes of attachments and bodies that nothing refers to, beside writers that may be about
// to.
#include "database/part_sweeper.hpp"

#include <gmock/gmock.h>

#include <random>

#include "database/database_fixture.hpp"
#include "database/embedded_bucket_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

enum class Store : std::uint8_t { memory, rocksdb };

class PartSweeperTest : public DatabaseFixture, public testing::WithParamInterface<Store> {
 protected:
  PartSweeperTest() : DatabaseFixture(scripted(), 1, make_bucket()) {}

  static MakeBucket make_bucket() {
    if (GetParam() == Store::memory) return {};
    return [](ManualEnvironment& environment) {
      return std::make_unique<EmbeddedBucket>(environment);
    };
  }

  /// A document with one attachment `f`; bytes in base64.
  static std::string with(std::string_view base64) {
    return R"({"_attachments":{"f":{"data":")" + std::string(base64) + R"("}}})";
  }
  static constexpr std::string_view kHello = "aGVsbG8=";
  static constexpr std::string_view kWorld = "d29ybGQ=";

  std::size_t count(KeyKind kind) {
    std::size_t parts = 0;
    for (std::uint32_t tag = 0; tag < kBaseTags; ++tag)
      parts +=
          env_.run(counting_.scan({db_->id(), kind, base_tag(tag), "", 1000, false}, kNoDeadline))
              .value()
              .items.size();
    return parts;
  }
  /// Bytes of the attachment, or what it came to.
  std::string bytes_of(std::string_view id) {
    const auto found =
        env_.run(db_->documents().get_attachment(admin(), DocId(std::string(id)), {}, "f"));
    return found ? found->bytes : std::string(to_string(found.error().code));
  }
  void sweep() {
    db_->parts().start();
    for (int i = 0; i < 10'000 && db_->parts().is_running(); ++i)
      env_.run(env_.sleep_for(milliseconds(1)));
    ASSERT_FALSE(db_->parts().is_running());
  }
  void hold(FaultBucket::Matches matches) {
    bucket_.inject({.matches = std::move(matches), .effect = FaultBucket::Effect::hold});
  }
  void await_hold() {
    for (int i = 0; i < 1'000 && bucket_.held() == 0; ++i)
      env_.run(env_.sleep_for(milliseconds(1)));
    ASSERT_EQ(bucket_.held(), 1u);
  }
  static FaultBucket::Matches removal_of(KeyKind kind) {
    return [kind](const Operation& operation) {
      return std::holds_alternative<operation::Remove>(operation) && key_of(operation).kind == kind;
    };
  }
  void begin(WriteItem item) { begun_.spawn(write_to_end(std::move(item))); }
  Task<void> write_to_end(WriteItem item) {
    const auto answer = co_await db_->writer().write_one(admin(), std::move(item));
    EXPECT_TRUE(answer) << answer.error().context;
  }
  void finish() {
    bucket_.release();
    env_.run(begun_.join());
  }

  TaskScope begun_{env_};
};

TEST_P(PartSweeperTest, WhatAWriteReplacesGoesWithIt) {
  const std::string first = put_ok("a", with(kHello));
  const std::string second = put_ok("a", with(kWorld), first);
  EXPECT_EQ(count(KeyKind::attachment), 1u);
  EXPECT_EQ(bytes_of("a"), "world");
  put_ok("a", R"({"_deleted":true})", second);
  EXPECT_EQ(count(KeyKind::attachment), 0u);
}

TEST_P(PartSweeperTest, AnAttachmentThatAnotherLeafHasStays) {
  ASSERT_TRUE(write(replicated("a", with(kHello), "1-a")));
  ASSERT_TRUE(write(replicated("a", with(kHello), "1-b")));
  ASSERT_TRUE(write(replicated("a", R"({"_deleted":true})", "2-c,1-b")));
  sweep();
  EXPECT_EQ(bytes_of("a"), "hello");
}

// A crash, or a failure, between the attachment and its document.
TEST_P(PartSweeperTest, WhatNoDocumentCameToReferToIsRemoved) {
  const std::string kept = put_ok("kept", with(kHello));
  const auto fail_document = [&] {
    bucket_.inject({.matches = writes_of_kind(KeyKind::document), .code = Errc::no_space});
  };
  fail_document();
  EXPECT_FALSE(put("new", with(kHello)));
  fail_document();
  EXPECT_FALSE(put("kept", with(kWorld), kept));
  EXPECT_EQ(count(KeyKind::attachment), 3u);
  reopen(false);
  sweep();
  EXPECT_EQ(count(KeyKind::attachment), 1u);
  EXPECT_EQ(db_->parts().removed(), 2u);
  EXPECT_EQ(bytes_of("kept"), "hello");
}

TEST_P(PartSweeperTest, BodiesOfLosingLeavesAreKeptWhileThereIsOne) {
  const std::string body = R"({"channels":["news"],"x":")" + std::string(400, 'x') + R"("})";
  ASSERT_TRUE(write(replicated("a", body, "1-b")));
  ASSERT_TRUE(write(replicated("a", body, "1-a")));
  EXPECT_EQ(count(KeyKind::revision_body), 1u);
  sweep();
  EXPECT_EQ(count(KeyKind::revision_body), 1u);
  EXPECT_TRUE(get("a", "1-a"));
  ASSERT_TRUE(write(replicated("a", R"({"_deleted":true})", "2-a,1-a")));
  EXPECT_EQ(count(KeyKind::revision_body), 0u);
}

TEST_P(PartSweeperTest, AWriteUnderWayStoresAgainWhatWasSweptAway) {
  const std::string rev = put_ok("old", with(kHello));
  hold(writes_of_kind(KeyKind::document));
  begin(item("new", with(kHello)));
  await_hold();
  sweep();
  EXPECT_EQ(count(KeyKind::attachment), 1u);
  finish();
  EXPECT_EQ(bytes_of("new"), "hello");
  hold(writes_of_kind(KeyKind::document));
  begin(item("old", with(kWorld), rev));
  await_hold();
  sweep();
  finish();
  EXPECT_EQ(bytes_of("old"), "world");
  EXPECT_EQ(count(KeyKind::attachment), 2u);
}

TEST_P(PartSweeperTest, ASweepThatComesLateRemovesNothingThatIsReferredToSince) {
  const std::string rev = put_ok("a", "{}");
  bucket_.inject({.matches = writes_of_kind(KeyKind::document), .code = Errc::no_space});
  EXPECT_FALSE(put("a", with(kHello), rev));
  hold(removal_of(KeyKind::attachment));
  db_->parts().start();
  await_hold();
  put_ok("a", with(kHello), rev);
  finish();
  sweep();
  EXPECT_EQ(bytes_of("a"), "hello");
}

TEST_P(PartSweeperTest, AnAttachmentThatComesBackOutlivesTheWriteThatDroppedIt) {
  const std::string first = put_ok("a", with(kHello));
  hold(removal_of(KeyKind::attachment));
  begin(item("a", with(kWorld), first));
  await_hold();
  const std::string second = to_string(envelope("a").tree.winner().value());
  put_ok("a", with(kHello), second);
  finish();
  EXPECT_EQ(bytes_of("a"), "hello");
}

TEST_P(PartSweeperTest, AReaderThatCameTooLateIsGivenWhatThereIs) {
  const std::string first = put_ok("a", with(kHello));
  hold(of_kind(KeyKind::attachment));
  std::optional<std::string> seen;
  const auto read = [&]() -> Task<void> {
    const auto found = co_await db_->documents().get_attachment(admin(), DocId("a"), {}, "f");
    seen = found ? found->bytes : std::string(to_string(found.error().code));
  };
  begun_.spawn(read());
  await_hold();
  put_ok("a", with(kWorld), first);
  finish();
  EXPECT_EQ(seen, "world");
}

// Writers of a few documents and a few contents, and sweeps that fall in between anywhere.
TEST_P(PartSweeperTest, NothingThatIsReferredToIsEverRemoved) {
  std::mt19937 random(7);
  const auto pick = [&](std::uint32_t below) { return random() % below; };
  for (int round = 0; round < 40 && !HasFailure(); ++round) {
    std::vector<WriteItem> items;
    for (std::uint32_t i = 0; i < 6; ++i) {
      const std::string id(1, static_cast<char>('a' + pick(2)));
      const std::string rev = std::to_string(round + 1) + "-" + std::to_string(pick(1'000));
      const bool is_deleted = pick(4) == 0;
      const std::string body =
          is_deleted ? R"({"_deleted":true})" : with(pick(2) ? kHello : kWorld);
      items.push_back(replicated(id, body, rev));
    }
    if (pick(2)) hold(writes_of_kind(KeyKind::document));
    for (WriteItem& item : items) begin(std::move(item));
    db_->parts().start();
    env_.run(env_.sleep_for(milliseconds(pick(4))));
    finish();
    sweep();
    for (const char* id : {"a", "b"}) {
      const auto document = get(id);
      if (document && document->json.find("_attachments") != std::string::npos)
        EXPECT_THAT(bytes_of(id), testing::AnyOf("hello", "world")) << id << ", round " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PartSweeperTest, testing::Values(Store::memory, Store::rocksdb),
                         [](const auto& info) {
                           return info.param == Store::memory ? "Memory" : "RocksDb";
                         });

}  // namespace
}  // namespace headgate
