// SPDX-License-Identifier: Apache-2.0
#include <random>

#include "bucket/memory/memory_bucket.hpp"
#include "bucket/rocksdb/rocks_test.hpp"

namespace headgate {
namespace {

/// Random pipelines on few keys, carried out on the memory bucket, which is the model, and on the
/// embedded one.
class RocksModelTest : public RocksTest, public testing::WithParamInterface<unsigned> {
 protected:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  Key some_key() {
    constexpr KeyKind kKinds[] = {KeyKind::document, KeyKind::session, KeyKind::block,
                                  KeyKind::channel_counter, KeyKind::sequence_document};
    return key(std::string(1, static_cast<char>('a' + pick(4))), kKinds[pick(5)]);
  }

  WriteOptions some_options(const Key& k) {
    WriteOptions options;
    if (pick(4) == 0) options.durability = Durability::disk;
    if (pick(3) == 0) options.feed_entry = "entry " + std::to_string(++entries_);
    if (k.kind == KeyKind::session && pick(2) == 0)
      options.expires = environment_.wall_now() + std::chrono::seconds(pick(20));
    return options;
  }

  /// Replace and Remove get the version that each bucket knows, or a wrong one; Remove also none.
  Operation some_operation() {
    const Key k = some_key();
    const std::string bytes(pick(6), static_cast<char>('a' + pick(26)));
    switch (pick(8)) {
      case 0:
        return operation::Get{k};
      case 1:
        return operation::GetRange{k, pick(8)};
      case 2:
        return operation::Insert{k, bytes, some_options(k), some_conditions()};
      case 3:
        return operation::Replace{k, bytes, Cas(pick(4)), some_options(k), some_conditions()};
      case 4:
        if (pick(5) == 0) return operation::Remove{k, {}, some_options(k), some_conditions()};
        return operation::Remove{k, Cas(pick(4)), some_options(k), some_conditions()};
      case 5:
        return operation::Increment{k, pick(5), some_options(k)};
      default:
        return operation::Append{k, bytes, some_options(k)};
    }
  }

  std::vector<Condition> some_conditions() {
    std::vector<Condition> conditions;
    if (pick(3) == 0) conditions.push_back({some_key(), std::nullopt});
    if (pick(3) == 0) conditions.push_back({some_key(), std::string(pick(2), 'a')});
    return conditions;
  }

  std::vector<Reply> carry_out(Bucket& bucket, std::vector<Operation> operations) {
    for (Operation& operation : operations) {
      Cas* cas = nullptr;
      if (auto* replace = std::get_if<operation::Replace>(&operation)) cas = &replace->cas;
      auto* remove = std::get_if<operation::Remove>(&operation);
      if (remove && remove->cas) cas = &*remove->cas;
      if (cas && cas->value() != 0)
        *cas = environment_.run(bucket.get(key_of(operation), kNoDeadline)).cas;
    }
    return environment_.run(bucket.pipeline(std::move(operations), kNoDeadline));
  }

  void compare(const std::vector<Reply>& model, const std::vector<Reply>& real) {
    ASSERT_EQ(model.size(), real.size());
    for (std::size_t i = 0; i < model.size(); ++i) {
      EXPECT_EQ(to_string(model[i].status), to_string(real[i].status)) << i;
      EXPECT_EQ(model[i].bytes, real[i].bytes) << i;
      EXPECT_EQ(model[i].number, real[i].number) << i;
      EXPECT_EQ(model[i].position == PartitionPosition(), real[i].position == PartitionPosition());
    }
  }

  std::vector<std::string> feed_of(Bucket& bucket) {
    EXPECT_TRUE(environment_.run(bucket.barrier(kNoDeadline)));
    const auto feed = std::move(*bucket.open_feed(kDatabase, {}));
    const auto entries =
        environment_.run(feed->next(10'000, environment_.now() + std::chrono::seconds(1)));
    std::vector<std::string> all;
    for (const FeedEntry& entry : *entries)
      all.push_back(entry.key.name + entry.bytes + (entry.is_removal ? " removed" : ""));
    return all;
  }

  std::mt19937_64 random_{GetParam()};
  int entries_ = 0;
};

TEST_P(RocksModelTest, AnswersAsTheMemoryBucketDoes) {
  MemoryStore memory;
  MemoryBucket model(environment_, memory);
  open();
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    std::vector<Operation> operations;
    const std::uint64_t count = 1 + pick(12);
    for (std::uint64_t i = 0; i < count; ++i) operations.push_back(some_operation());
    const auto expected = carry_out(model, operations);
    compare(expected, carry_out(*bucket_, operations));
    if (pick(10) == 0) environment_.advance(std::chrono::seconds(5));
    if (pick(50) == 0) {
      EXPECT_EQ(feed_of(model), feed_of(*bucket_));
      close();
      open();
    }
  }
  EXPECT_EQ(feed_of(model), feed_of(*bucket_));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RocksModelTest, testing::Range(1u, 9u));

}  // namespace
}  // namespace headgate
