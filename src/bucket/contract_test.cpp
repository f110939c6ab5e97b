// SPDX-License-Identifier: Apache-2.0
#include "bucket/contract_test.hpp"

#include <gmock/gmock.h>

#include "base/bytes.hpp"

namespace headgate {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> BucketContract::scan(Bucket::Scan what) {
  const auto page = run(bucket_->scan(std::move(what), kNoDeadline));
  EXPECT_TRUE(page);
  std::vector<std::string> names;
  if (page) {
    for (const auto& item : page->items) names.push_back(item.name);
  }
  return names;
}

TEST_P(BucketContract, GetOfNothingIsNotFoundAndCarriesTheHistory) {
  const Reply reply = get(key("a"));
  EXPECT_EQ(reply.status, Errc::not_found);
  EXPECT_NE(reply.history, HistoryId());
  const auto partition = bucket_->partition_of(key("a"));
  EXPECT_LT(partition.value(), bucket_->partition_count());
  EXPECT_EQ(bucket_->histories().at(partition.value()), reply.history);
}

TEST_P(BucketContract, InsertWritesOnce) {
  const Reply first = insert(key("a"), "one");
  ASSERT_EQ(first.status, Errc::ok);
  EXPECT_NE(first.cas, Cas());
  EXPECT_EQ(insert(key("a"), "two").status, Errc::exists);
  const Reply read = get(key("a"));
  EXPECT_EQ(read.bytes, "one");
  EXPECT_EQ(read.cas, first.cas);
  EXPECT_EQ(read.history, first.history);
}

TEST_P(BucketContract, EveryKindKeepsItsOwnValues) {
  const KeyKind kinds[] = {KeyKind::document, KeyKind::principal, KeyKind::attachment,
                           KeyKind::block,    KeyKind::stable,    KeyKind::sequence_document};
  for (const KeyKind kind : kinds)
    EXPECT_TRUE(insert(key("a", kind), std::to_string(static_cast<int>(kind))).ok());
  for (const KeyKind kind : kinds)
    EXPECT_EQ(get(key("a", kind)).bytes, std::to_string(static_cast<int>(kind)));
  EXPECT_EQ(get(key("a", KeyKind::document, "other tag")).status, Errc::not_found);
  Key of_other_database = key("a");
  of_other_database.database = DatabaseId(8);
  EXPECT_EQ(get(of_other_database).status, Errc::not_found);
}

TEST_P(BucketContract, KeysMayHoldAnyBytes) {
  const std::string strange("\0\xff tag\0", 7);
  EXPECT_TRUE(insert(key(strange, KeyKind::document, strange), strange).ok());
  EXPECT_TRUE(insert(key("", KeyKind::document, ""), "empty").ok());
  EXPECT_EQ(get(key(strange, KeyKind::document, strange)).bytes, strange);
  EXPECT_EQ(get(key("", KeyKind::document, "")).bytes, "empty");
}

TEST_P(BucketContract, ReplaceNeedsTheVersion) {
  EXPECT_EQ(replace(key("a"), "x", Cas(1)).status, Errc::not_found);
  const Cas first = insert(key("a"), "one").cas;
  const Reply second = replace(key("a"), "two", first);
  ASSERT_EQ(second.status, Errc::ok);
  EXPECT_GT(second.cas, first);
  EXPECT_EQ(replace(key("a"), "three", first).status, Errc::cas_mismatch);
  EXPECT_EQ(get(key("a")).bytes, "two");
  EXPECT_EQ(get(key("a")).cas, second.cas);
}

TEST_P(BucketContract, RemoveNeedsTheVersion) {
  EXPECT_EQ(remove(key("a"), Cas(1)).status, Errc::not_found);
  const Cas first = insert(key("a"), "one").cas;
  const Cas second = replace(key("a"), "two", first).cas;
  EXPECT_EQ(remove(key("a"), first).status, Errc::cas_mismatch);
  EXPECT_EQ(get(key("a")).bytes, "two");
  EXPECT_EQ(remove(key("a"), second).status, Errc::ok);
  EXPECT_EQ(get(key("a")).status, Errc::not_found);
  EXPECT_EQ(remove(key("a"), second).status, Errc::not_found);
  EXPECT_GT(insert(key("a"), "three").cas, second);
}

TEST_P(BucketContract, AppendReturnsTheNewLength) {
  for (const KeyKind kind : {KeyKind::block, KeyKind::document}) {
    EXPECT_EQ(append(key("a", kind), "12345").number, 5u);
    EXPECT_EQ(append(key("a", kind), "").number, 5u);
    EXPECT_EQ(append(key("a", kind), "678").number, 8u);
    EXPECT_EQ(get(key("a", kind)).bytes, "12345678");
    EXPECT_EQ(get_range(key("a", kind), 0).number, 8u);
  }
}

TEST_P(BucketContract, AppendAddsToWhatWasInsertedAndMakesANewVersion) {
  for (const KeyKind kind : {KeyKind::block, KeyKind::document}) {
    const Cas first = insert(key("a", kind), "abc").cas;
    EXPECT_EQ(append(key("a", kind), "de").number, 5u);
    EXPECT_EQ(replace(key("a", kind), "x", first).status, Errc::cas_mismatch);
    const Reply read = get(key("a", kind));
    EXPECT_EQ(read.bytes, "abcde");
    EXPECT_TRUE(replace(key("a", kind), "x", read.cas).ok());
    EXPECT_EQ(append(key("a", kind), "y").number, 2u);
    EXPECT_TRUE(remove(key("a", kind), get(key("a", kind)).cas).ok());
    EXPECT_EQ(append(key("a", kind), "z").number, 1u);
  }
}

TEST_P(BucketContract, ManyAppendsKeepTheirOrder) {
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string entry = std::to_string(i) + ",";
    expected += entry;
    ASSERT_EQ(append(key("a", KeyKind::block), entry).number, expected.size());
  }
  EXPECT_EQ(get(key("a", KeyKind::block)).bytes, expected);
}

TEST_P(BucketContract, GetRangeReturnsTheTail) {
  EXPECT_EQ(get_range(key("a", KeyKind::block), 0).status, Errc::not_found);
  append(key("a", KeyKind::block), "0123456789");
  EXPECT_EQ(get_range(key("a", KeyKind::block), 0).bytes, "0123456789");
  const Reply tail = get_range(key("a", KeyKind::block), 7);
  EXPECT_EQ(tail.bytes, "789");
  EXPECT_EQ(tail.number, 10u);
  for (const std::uint64_t offset : {10ull, 11ull, ~0ull}) {
    const Reply none = get_range(key("a", KeyKind::block), offset);
    EXPECT_EQ(none.status, Errc::ok);
    EXPECT_EQ(none.bytes, "");
    EXPECT_EQ(none.number, 10u);
  }
}

TEST_P(BucketContract, IncrementBeginsAtZero) {
  const Key counter = key("a", KeyKind::channel_counter);
  EXPECT_EQ(get(counter).status, Errc::not_found);
  EXPECT_EQ(increment(counter, 1).number, 1u);
  EXPECT_EQ(increment(counter, 41).number, 42u);
  EXPECT_EQ(get(counter).number, 42u);
  EXPECT_EQ(increment(counter, 0).number, 42u);
}

TEST_P(BucketContract, AKeyHoldsBytesOrACounter) {
  increment(key("counter", KeyKind::channel_counter), 5);
  insert(key("bytes", KeyKind::channel_counter), "text");
  EXPECT_EQ(append(key("counter", KeyKind::channel_counter), "x").status, Errc::invalid_argument);
  EXPECT_EQ(increment(key("bytes", KeyKind::channel_counter), 1).status, Errc::invalid_argument);
  EXPECT_EQ(get_range(key("counter", KeyKind::channel_counter), 0).status, Errc::invalid_argument);
  EXPECT_EQ(get(key("counter", KeyKind::channel_counter)).number, 5u);
  EXPECT_EQ(get(key("bytes", KeyKind::channel_counter)).bytes, "text");
}

TEST_P(BucketContract, InsertIfChecksPrefixAndAbsence) {
  append(key("block", KeyKind::block), "abc");
  append(key("block", KeyKind::block), "def");
  const auto try_with = [&](const char* name, std::vector<Condition> conditions) {
    return insert_if(key(name, KeyKind::block_record), "record", std::move(conditions)).status;
  };
  const Key block = key("block", KeyKind::block);
  const Key absent = key("absent", KeyKind::block);
  EXPECT_EQ(try_with("1", {{block, "abcd"}}), Errc::ok);
  EXPECT_EQ(try_with("2", {{block, ""}, {absent, std::nullopt}}), Errc::ok);
  EXPECT_EQ(try_with("3", {{block, "abd"}}), Errc::condition_failed);
  EXPECT_EQ(try_with("3", {{block, "abcdefg"}}), Errc::condition_failed);
  EXPECT_EQ(try_with("3", {{block, std::nullopt}}), Errc::condition_failed);
  EXPECT_EQ(try_with("3", {{absent, ""}}), Errc::condition_failed);
  EXPECT_EQ(try_with("3", {{block, "abc"}, {absent, "x"}}), Errc::condition_failed);
  EXPECT_EQ(get(key("3", KeyKind::block_record)).status, Errc::not_found);
  EXPECT_EQ(try_with("1", {{block, "wrong"}}), Errc::exists);
  EXPECT_EQ(try_with("4", {{key("block", KeyKind::block, "elsewhere"), std::nullopt}}),
            Errc::invalid_argument);
}

TEST_P(BucketContract, ReplaceAndRemoveCheckConditionsAfterTheVersion) {
  const Key part = key("part", KeyKind::attachment);
  const Key absent = key("absent", KeyKind::attachment);
  const Cas first = insert(key("a"), "1 one").cas;
  insert(part, "bytes");
  const auto replace_if = [&](Cas cas, std::vector<Condition> conditions) {
    return pipeline({operation::Replace{key("a"), "2 two", cas, {}, std::move(conditions)}})[0];
  };
  EXPECT_EQ(replace_if(Cas(~0ull), {{absent, ""}}).status, Errc::cas_mismatch);
  EXPECT_EQ(replace_if(first, {{part, ""}, {absent, ""}}).status, Errc::condition_failed);
  EXPECT_EQ(replace_if(first, {{key("part", KeyKind::attachment, "elsewhere"), ""}}).status,
            Errc::invalid_argument);
  EXPECT_EQ(get(key("a")).bytes, "1 one");
  const Reply second = replace_if(first, {{part, ""}, {absent, std::nullopt}});
  EXPECT_EQ(second.status, Errc::ok);

  const auto remove_if = [&](std::optional<Cas> cas, std::vector<Condition> conditions) {
    return pipeline({operation::Remove{part, cas, {}, std::move(conditions)}})[0].status;
  };
  EXPECT_EQ(remove_if(Cas(~0ull), {{key("a"), "2 "}}), Errc::cas_mismatch);
  EXPECT_EQ(remove_if({}, {{key("a"), "1 "}}), Errc::condition_failed);
  EXPECT_EQ(remove_if({}, {{key("a"), std::nullopt}}), Errc::condition_failed);
  EXPECT_EQ(get(part).bytes, "bytes");
  EXPECT_EQ(remove_if({}, {{key("a"), "2 "}}), Errc::ok) << "whatever its version";
  EXPECT_EQ(remove_if({}, {}), Errc::not_found);
  EXPECT_EQ(replace_if(second.cas, {{part, ""}}).status, Errc::condition_failed);
}

TEST_P(BucketContract, WritesUnderAnotherHistoryAreNotDone) {
  insert(key("a"), "one");
  const Reply before = get(key("a"));
  const WriteOptions right{.if_history = before.history};
  const WriteOptions wrong{.if_history = HistoryId(before.history.value() + 1)};
  EXPECT_EQ(insert(key("b"), "x", wrong).status, Errc::rolled_back);
  EXPECT_EQ(insert(key("a"), "x", wrong).status, Errc::rolled_back);
  EXPECT_EQ(replace(key("a"), "x", before.cas, wrong).status, Errc::rolled_back);
  EXPECT_EQ(remove(key("a"), before.cas, wrong).status, Errc::rolled_back);
  EXPECT_EQ(append(key("a"), "x", wrong).status, Errc::rolled_back);
  EXPECT_EQ(increment(key("c"), 1, wrong).status, Errc::rolled_back);
  EXPECT_EQ(increment(key("c"), 1, wrong).history, before.history);
  EXPECT_EQ(get(key("a")).bytes, "one");
  EXPECT_EQ(get(key("b")).status, Errc::not_found);
  EXPECT_EQ(get(key("c")).status, Errc::not_found);

  EXPECT_TRUE(insert(key("b"), "x", right).ok());
  EXPECT_TRUE(append(key("a"), "x", right).ok());
  EXPECT_TRUE(increment(key("c"), 1, right).ok());
  EXPECT_TRUE(replace(key("a"), "y", get(key("a")).cas, right).ok());
  EXPECT_TRUE(remove(key("a"), get(key("a")).cas, right).ok());
}

TEST_P(BucketContract, OperationsOfOnePartitionAreCarriedOutInTheirOrder) {
  const Key block = key("block", KeyKind::block);
  const Key counter = key("counter", KeyKind::channel_counter);
  const auto replies = pipeline({operation::Get{block}, operation::Append{block, "ab"},
                                 operation::Increment{counter}, operation::Append{block, "cd"},
                                 operation::GetRange{block, 1}, operation::Insert{block, "no"},
                                 operation::Append{block, "e"}, operation::Increment{counter, 9},
                                 operation::Get{counter}});
  ASSERT_EQ(replies.size(), 9u);
  EXPECT_EQ(replies[0].status, Errc::not_found);
  EXPECT_EQ(replies[1].number, 2u);
  EXPECT_EQ(replies[2].number, 1u);
  EXPECT_EQ(replies[3].number, 4u);
  EXPECT_EQ(replies[4].bytes, "bcd");
  EXPECT_EQ(replies[5].status, Errc::exists);
  EXPECT_EQ(replies[6].number, 5u);
  EXPECT_EQ(replies[7].number, 10u);
  EXPECT_EQ(replies[8].number, 10u);
  for (const Reply& reply : replies) EXPECT_NE(reply.history, HistoryId());
}

TEST_P(BucketContract, WritesOfOneKeyInOnePipelineSeeEachOther) {
  const auto replies = pipeline(
      {operation::Insert{key("a"), "one"}, operation::Insert{key("a"), "two"},
       operation::Append{key("a"), "more"}, operation::Replace{key("a"), "bad", Cas(~0ull)},
       operation::Insert{key("b"), "b", {}, {{key("a"), "onem"}}}, operation::Get{key("a")}});
  EXPECT_EQ(replies[0].status, Errc::ok);
  EXPECT_EQ(replies[1].status, Errc::exists);
  EXPECT_EQ(replies[2].number, 7u);
  EXPECT_EQ(replies[3].status, Errc::cas_mismatch);
  EXPECT_EQ(replies[4].status, Errc::ok);
  EXPECT_EQ(replies[5].bytes, "onemore");
  EXPECT_GT(replies[5].cas, replies[0].cas);
}

TEST_P(BucketContract, APipelineMayTouchManyPartitionsOrNothing) {
  EXPECT_THAT(pipeline({}), IsEmpty());
  std::vector<Operation> writes;
  std::vector<Key> keys;
  for (int i = 0; i < 50; ++i) {
    keys.push_back(key("n", KeyKind::document, "tag " + std::to_string(i)));
    writes.push_back(operation::Insert{keys.back(), std::to_string(i)});
  }
  for (const Reply& reply : pipeline(writes)) EXPECT_TRUE(reply.ok());
  const auto replies = run(bucket_->get_many(keys, kNoDeadline));
  ASSERT_EQ(replies.size(), 50u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(replies[i].bytes, std::to_string(i));
}

TEST_P(BucketContract, GetManyReadsDenseSparseAndAbsentNumbers) {
  const auto at = [&](std::uint64_t n) {
    return key(ByteWriter().be64(n).bytes(), KeyKind::sequence_document);
  };
  std::vector<Operation> writes;
  for (std::uint64_t n = 1; n <= 300; ++n) {
    if (n % 7 != 0) writes.push_back(operation::Insert{at(n), std::to_string(n)});
  }
  pipeline(std::move(writes));
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t n = 0; n <= 310; ++n) wanted.push_back(n);
  for (const std::uint64_t n : {5ull, 4ull, 100ull, 200ull, 299ull, 7ull, 4ull})
    wanted.push_back(n);
  std::vector<Key> keys;
  for (const std::uint64_t n : wanted) keys.push_back(at(n));
  const auto replies = run(bucket_->get_many(keys, kNoDeadline));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool is_there = wanted[i] >= 1 && wanted[i] <= 300 && wanted[i] % 7 != 0;
    EXPECT_EQ(replies[i].status, is_there ? Errc::ok : Errc::not_found) << wanted[i];
    if (is_there) EXPECT_EQ(replies[i].bytes, std::to_string(wanted[i]));
  }
}

TEST_P(BucketContract, ScanGoesInTheOrderOfNames) {
  for (const char* name : {"b", "a", "c", "ab", "d"}) insert(key(name), name);
  insert(key("other kind", KeyKind::principal), "x");
  insert(key("other tag", KeyKind::document, "ta"), "x");
  insert(key("other tag", KeyKind::document, "tagg"), "x");
  Bucket::Scan all{.database = kDatabase, .kind = KeyKind::document, .tag = "tag"};
  EXPECT_THAT(scan(all), ElementsAre("a", "ab", "b", "c", "d"));
  auto part = all;
  part.from = "ab";
  part.limit = 2;
  EXPECT_THAT(scan(part), ElementsAre("ab", "b"));
  part.from = "aa";
  EXPECT_THAT(scan(part), ElementsAre("ab", "b"));
  part.from = "e";
  EXPECT_THAT(scan(part), IsEmpty());
  part.limit = 0;
  EXPECT_THAT(scan(part), IsEmpty());
}

TEST_P(BucketContract, ScanInReverse) {
  for (const char* name : {"b", "a", "c", "ab", "d"}) insert(key(name), name);
  insert(key("z", KeyKind::document, "ta"), "x");
  insert(key("a", KeyKind::document, "tah"), "x");
  Bucket::Scan all{.database = kDatabase, .kind = KeyKind::document, .tag = "tag"};
  all.in_reverse = true;
  EXPECT_THAT(scan(all), ElementsAre("d", "c", "b", "ab", "a"));
  auto part = all;
  part.from = "bb";
  part.limit = 2;
  EXPECT_THAT(scan(part), ElementsAre("b", "ab"));
  part.from = "b";
  EXPECT_THAT(scan(part), ElementsAre("b", "ab"));
  part.from = "A";
  EXPECT_THAT(scan(part), IsEmpty());
}

TEST_P(BucketContract, ScanReturnsValuesWithTheirVersions) {
  for (const KeyKind kind : {KeyKind::document, KeyKind::block, KeyKind::sequence_document}) {
    append(key("a", kind), "12");
    append(key("a", kind), "34");
    append(key("gone", kind), "x");
    remove(key("gone", kind), get(key("gone", kind)).cas);
    const auto page =
        run(bucket_->scan({.database = kDatabase, .kind = kind, .tag = "tag"}, kNoDeadline));
    ASSERT_TRUE(page);
    ASSERT_EQ(page->items.size(), 1u);
    EXPECT_EQ(page->items[0].bytes, "1234");
    EXPECT_EQ(page->items[0].cas, get(key("a", kind)).cas);
    EXPECT_EQ(page->history, get(key("a", kind)).history);
  }
}

TEST_P(BucketContract, BarrierNamesTheHistoryOfEveryPartition) {
  const Reply written = insert(key("a"), "x", {.durability = Durability::disk});
  const auto histories = run(bucket_->barrier(kNoDeadline));
  ASSERT_TRUE(histories);
  ASSERT_EQ(histories->size(), bucket_->partition_count());
  EXPECT_EQ(histories->at(bucket_->partition_of(key("a")).value()), written.history);
  EXPECT_EQ(bucket_->histories(), *histories);
}

TEST_P(BucketContract, WritesOfEveryDurabilityAreAcknowledgedAndVisible) {
  std::vector<Operation> writes;
  for (const Durability durability :
       {Durability::replicated, Durability::memory, Durability::disk}) {
    const std::string name = std::to_string(static_cast<int>(durability));
    EXPECT_TRUE(insert(key(name), "x", {.durability = durability}).ok());
    EXPECT_EQ(get(key(name)).bytes, "x");
    writes.push_back(operation::Append{key("block"), name, {.durability = durability}});
  }
  for (const Reply& reply : pipeline(writes)) EXPECT_TRUE(reply.ok());
  EXPECT_EQ(get(key("block")).bytes, "201");
}

TEST_P(BucketContract, AValueIsAbsentOnceItExpired) {
  const auto in_a_minute = environment_.wall_now() + seconds(60);
  const WriteOptions expiring{.expires = in_a_minute};
  const auto session = [](const char* name) { return key(name, KeyKind::session); };
  const Cas old = insert(session("a"), "one", expiring).cas;
  insert(session("b"), "keeps", {});
  insert(session("c"), "part", expiring);
  append(session("c"), "s");
  increment(session("n"), 5, expiring);
  replace(session("d"), "kept", insert(session("d"), "x", expiring).cas);
  driver_.advance(seconds(59));
  EXPECT_EQ(get(session("a")).bytes, "one");
  EXPECT_EQ(get(session("c")).bytes, "parts");
  driver_.advance(seconds(1));
  for (const char* name : {"a", "c", "n"}) EXPECT_EQ(get(session(name)).status, Errc::not_found);
  EXPECT_EQ(get(session("d")).bytes, "kept");
  EXPECT_EQ(get_range(session("a"), 0).status, Errc::not_found);
  EXPECT_THAT(scan({.database = kDatabase, .kind = KeyKind::session, .tag = "tag"}),
              ElementsAre("b", "d"));
  EXPECT_EQ(replace(session("a"), "x", old).status, Errc::not_found);
  EXPECT_EQ(remove(session("a"), old).status, Errc::not_found);
  EXPECT_TRUE(insert_if(session("e"), "x", {{session("a"), std::nullopt}}).ok());
  EXPECT_EQ(append(session("c"), "new").number, 3u);
  EXPECT_EQ(increment(session("n"), 2).number, 2u);
  EXPECT_GT(insert(session("a"), "two").cas, old);
}

TEST_P(BucketContract, OnlySomeKindsMayExpire) {
  const WriteOptions expiring{.expires = environment_.wall_now() + seconds(60)};
  for (const KeyKind kind : {KeyKind::block, KeyKind::document, KeyKind::sequence_document}) {
    EXPECT_EQ(insert(key("a", kind), "x", expiring).status, Errc::invalid_argument);
    EXPECT_EQ(append(key("a", kind), "x", expiring).status, Errc::invalid_argument);
    EXPECT_EQ(get(key("a", kind)).status, Errc::not_found);
  }
}

TEST_P(BucketContract, TooLargeIsNotDone) {
  const std::string long_name(kMaxNameBytes + 1, 'n');
  const std::string long_tag(kMaxTagBytes + 1, 't');
  const std::string long_entry(kMaxFeedEntryBytes + 1, 'e');
  EXPECT_EQ(insert(key(long_name), "x").status, Errc::too_large);
  EXPECT_EQ(get(key(long_name)).status, Errc::too_large);
  EXPECT_EQ(insert(key("a", KeyKind::document, long_tag), "x").status, Errc::too_large);
  EXPECT_EQ(insert(key("a"), "x", with_entry(long_entry)).status, Errc::too_large);
  EXPECT_EQ(insert(key("a"), std::string(kMaxValueBytes + 1, 'v')).status, Errc::too_large);
  EXPECT_EQ(get(key("a")).status, Errc::not_found);
  EXPECT_TRUE(insert(key(long_name.substr(1), KeyKind::document, long_tag.substr(1)), "x").ok());
  append(key("a"), std::string(kMaxValueBytes, 'v'));
  EXPECT_EQ(append(key("a"), "v").status, Errc::too_large);
  EXPECT_EQ(get_range(key("a"), kMaxValueBytes).number, kMaxValueBytes);
}

TEST_P(BucketContract, CallsPastTheirDeadlineHaveAnUnknownOutcome) {
  const Deadline past = environment_.now();
  const auto replies = run(bucket_->pipeline(
      {operation::Insert{key("a"), "x"}, operation::Get{key("b")}, operation::Increment{key("c")}},
      past));
  ASSERT_EQ(replies.size(), 3u);
  for (const Reply& reply : replies) {
    EXPECT_EQ(reply.status, Errc::timeout_unknown_outcome);
    EXPECT_EQ(reply.history, HistoryId());
  }
  const Errc expected = Errc::timeout_unknown_outcome;
  EXPECT_EQ(run(bucket_->scan({.database = kDatabase}, past)).error().code, expected);
  EXPECT_EQ(run(bucket_->barrier(past)).error().code, expected);
  EXPECT_EQ(run(bucket_->drop_database(DatabaseId(9), past)).error().code, expected);
  EXPECT_EQ(run(open_feed()->heads(past)).error().code, expected);
}

TEST_P(BucketContract, SeveralBucketsStandForOneStore) {
  const auto other = store_->open(environment_);
  const Cas cas = insert(key("a"), "one").cas;
  EXPECT_EQ(run(other->get(key("a"), kNoDeadline)).cas, cas);
  EXPECT_TRUE(run(other->replace(key("a"), "two", cas, {}, kNoDeadline)).ok());
  EXPECT_EQ(replace(key("a"), "three", cas).status, Errc::cas_mismatch);
}

}  // namespace headgate
