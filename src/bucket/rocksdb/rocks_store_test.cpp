// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/rocks_store.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/task_scope.hpp"
#include "bucket/rocksdb/rocks_test.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class RocksStoreTest : public RocksTest {
 protected:
  /// The store as a crash of the process at this moment would leave it.
  std::string crashed_copy() { return crashed_copy(directory_ / "store", "crashed"); }
  std::string crashed_copy(const std::string& of, const std::string& name) {
    const std::string copy = directory_ / name;
    std::error_code failed;
    do {  // again, if a file that nobody needs any more was just deleted
      std::filesystem::remove_all(copy);
      std::filesystem::copy(of, copy, failed);
    } while (failed);
    return copy;
  }
  std::filesystem::path newest_log() {
    std::filesystem::path newest;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "store"))
      if (file.path().extension() == ".log") newest = std::max(newest, file.path());
    return newest;
  }
  std::uintmax_t log_bytes() {
    std::uintmax_t sum = 0;
    std::error_code gone;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "store"))
      if (file.path().extension() == ".log")
        if (const auto bytes = file.file_size(gone); !gone) sum += bytes;
    return sum;
  }
};

TEST_F(RocksStoreTest, KeepsItsHistoryWhenClosedInOrder) {
  open();
  EXPECT_TRUE(store_->was_clean_open());
  const HistoryId history = store_->history();
  const Cas cas = insert(key("a"), "x").cas;
  close();
  open();
  EXPECT_TRUE(store_->was_clean_open());
  EXPECT_EQ(store_->history(), history);
  EXPECT_EQ(get(key("a")).cas, cas);
  EXPECT_EQ(insert(key("b"), "y").cas.value(), cas.value() + 1);
}

TEST_F(RocksStoreTest, BeginsANewHistoryAfterACrash) {
  open();
  close();
  open();  // an orderly close does not count for what came after it
  const HistoryId history = store_->history();
  const Reply a = insert(key("a"), "x", with_entry("a", Durability::disk));
  append(key("block", KeyKind::block), "123");
  auto crashed = options();
  crashed.directory = crashed_copy();
  close();
  open(crashed);
  EXPECT_FALSE(store_->was_clean_open());
  EXPECT_NE(store_->history(), history);
  const auto histories = store_->histories();
  ASSERT_EQ(histories.size(), 2u);
  EXPECT_EQ(histories[0].history, history);
  EXPECT_EQ(histories[1].start, a.position);
  EXPECT_EQ(get(key("a")).bytes, "x");
  EXPECT_EQ(get(key("a")).history, store_->history());
  EXPECT_EQ(get(key("block", KeyKind::block)).bytes, "123");
  EXPECT_EQ(append(key("block", KeyKind::block), "4").number, 4u);
  EXPECT_EQ(insert(key("b"), "y", {.if_history = history}).status, Errc::rolled_back);
  // Versions of writes that the crash may have lost are not given again.
  EXPECT_GT(insert(key("b"), "y").cas.value(), 1'000'000u);
  close();
  open(crashed);
  EXPECT_TRUE(store_->was_clean_open());
  EXPECT_EQ(store_->histories().size(), 2u);
}

// Else a loss of power could take back the new limit with the versions beyond the old one, and they
// would be given again.
TEST_F(RocksStoreTest, ANewRangeOfVersionsIsDurableBeforeOneOfThemIsKnown) {
  open();
  constexpr std::size_t kAtOnce = 50'000;
  Cas last;
  for (std::uint64_t given = 0; given < 1'000'000; given += kAtOnce) {
    ASSERT_EQ(store_->statistics().wal_syncs, 0u);
    std::vector<Operation> many(
        kAtOnce, operation::Increment{key("counter", KeyKind::channel_counter), 1, {}});
    last = run(bucket_->pipeline(std::move(many), kNoDeadline)).back().cas;
  }
  while (last.value() <= 1'000'000)
    last =
        run(bucket_->increment(key("counter", KeyKind::channel_counter), 1, {}, kNoDeadline)).cas;
  EXPECT_EQ(store_->statistics().wal_syncs, 1u);
}

// RocksDB alone goes on behind pages that were not written, with what was written after them.
TEST_F(RocksStoreTest, WhatIsFoundAfterAPowerFailureIsAPrefix) {
  open();
  insert(key("durable"), "x", kDurable);
  const auto log = newest_log();
  const auto size = std::filesystem::file_size(log);
  insert(key("lost"), std::string(40'000, 'x'));  // to behind the next block of the log
  const auto end_of_lost = std::filesystem::file_size(log);
  insert(key("after"), std::string(40'000, 'y'));
  auto crashed = options();
  crashed.directory = crashed_copy();
  close();
  std::fstream file(crashed.directory + "/" + log.filename().string(),
                    std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(size));
  file << std::string(end_of_lost - size, '\0');
  file.close();
  open(crashed);
  EXPECT_EQ(get(key("durable")).bytes, "x");
  EXPECT_EQ(get(key("lost")).status, Errc::not_found);
  EXPECT_EQ(get(key("after")).status, Errc::not_found);
}

// What a read has to merge: appends since the value was in the log as a whole.
TEST_F(RocksStoreTest, AValueThatIsAppendedToIsWrittenWholeNowAndThen) {
  open();
  const Key block = key("block", KeyKind::block);
  const std::string entry(8, 'e');
  std::string expected;
  int longest = 0;
  int since_whole = 0;
  for (int i = 0; i < 450; ++i) {
    const std::uint64_t before = store_->statistics().wal_bytes;
    ASSERT_TRUE(append(block, entry).ok());
    expected += entry;
    const bool is_whole = store_->statistics().wal_bytes - before >= expected.size();
    since_whole = is_whole && expected.size() > 200 ? 0 : since_whole + 1;
    longest = std::max(longest, since_whole);
  }
  EXPECT_LE(longest, 128);
  EXPECT_GE(longest, 64);  // and not all the time
  EXPECT_EQ(get(block).bytes, expected);
}

TEST_F(RocksStoreTest, ARestartHasNoMoreThanHalfTheWriteBuffersToReadAgain) {
  open();
  const std::size_t limit = options().write_buffer_bytes / 2;
  const std::string value(64 * 1024, 'v');
  for (std::size_t i = 0; i < limit / value.size() + 16; ++i)
    ASSERT_TRUE(insert(key(std::to_string(i)), value, with_entry("small", Durability::disk)).ok());
  // The feed's few bytes alone keep every log alive.
  EXPECT_TRUE(eventually([&] { return log_bytes() < limit + 4 * value.size(); })) << log_bytes();
}

TEST_F(RocksStoreTest, AnUnfinishedFormatFileIsWrittenAgain) {
  std::filesystem::create_directory(directory_ / "store");
  std::ofstream(directory_ / "store" + "/HEADGATE-FORMAT");
  open();
  close();
  open();
  EXPECT_TRUE(store_->was_clean_open());
}

TEST_F(RocksStoreTest, MovesAReaderBackOnlyIfItIsBeyondTheNewHistory) {
  open();
  const HistoryId old = store_->history();
  const Reply a = insert(key("a"), "x", with_entry("a", Durability::disk));
  auto crashed = options();
  crashed.directory = crashed_copy();
  insert(key("lost"), "x", with_entry("lost", Durability::disk));
  close();
  open(crashed);
  const auto beyond = open_feed({{old, PartitionPosition(a.position.value() + 1)}});
  EXPECT_EQ(run(beyond->next(10, kNoDeadline)).error().code, Errc::rolled_back);
  EXPECT_EQ(beyond->positions()[0], (FeedPosition{store_->history(), a.position}));
  const auto within = open_feed({{old, a.position}});
  const Reply b = insert(key("b"), "x", with_entry("b", Durability::disk));
  const auto entries = run(within->next(10, kNoDeadline));
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->at(0).position, b.position);
}

TEST_F(RocksStoreTest, FindsTheLastPositionOfAllDatabases) {
  open();
  PartitionPosition last;
  for (const std::uint32_t database : {9u, 0xffffffffu, 1u, 0u, 7u}) {
    Key elsewhere = key("a");
    elsewhere.database = DatabaseId(database);
    insert(elsewhere, "x", with_entry("first", Durability::memory));
    elsewhere.name = "b";
    last = insert(elsewhere, "x", with_entry("second", Durability::memory)).position;
  }
  auto crashed = options();
  crashed.directory = crashed_copy();
  close();
  open(crashed);
  EXPECT_EQ(store_->histories().back().start, last);
}

TEST_F(RocksStoreTest, RemembersABoundedNumberOfHistories) {
  auto current = options();
  for (std::size_t i = 0; i < RocksStore::kHistoriesKept + 3; ++i) {
    open(current);
    const std::string copy = crashed_copy(current.directory, "crash" + std::to_string(i));
    close();
    std::filesystem::remove_all(current.directory);
    current.directory = copy;
  }
  open(current);
  EXPECT_EQ(store_->histories().size(), RocksStore::kHistoriesKept);
  EXPECT_EQ(store_->histories().back().history, store_->history());
}

TEST_F(RocksStoreTest, RefusesADirectoryThatIsOpenAlready) {
  open();
  const auto second = RocksStore::open(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_THAT(second.error().context, HasSubstr("in use"));
}

/// A process that holds the lock file as RocksDB does; only calls that are safe after fork().
pid_t hold_lock_in_another_process(const std::string& path) {
  int ready[2];
  HG_ASSERT(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    const char done = fcntl(file, F_SETLK, &lock) == 0 ? '1' : '0';
    if (write(ready[1], &done, 1) != 1) _exit(1);
    while (true) pause();
  }
  char done = '0';
  HG_ASSERT(read(ready[0], &done, 1) == 1 && done == '1');
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

TEST_F(RocksStoreTest, RefusesADirectoryThatAnotherProcessHolds) {
  open();
  close();
  const pid_t other = hold_lock_in_another_process(directory_ / "store" + "/LOCK");
  const auto second = RocksStore::open(options());
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_THAT(second.error().context, HasSubstr("in use by another process"));
  open();
}

TEST_F(RocksStoreTest, RefusesANewerFormatAndOtherDatabases) {
  open();
  insert(key("a"), "x");
  close();
  const std::string format = directory_ / "store" + "/HEADGATE-FORMAT";
  std::ofstream(format) << "2\n";
  auto newer = RocksStore::open(options());
  EXPECT_EQ(newer.error().code, Errc::unsupported);
  EXPECT_THAT(newer.error().context, HasSubstr("format 2"));
  std::ofstream(format) << "what?";
  EXPECT_EQ(RocksStore::open(options()).error().code, Errc::corrupted);
  std::filesystem::remove(format);
  EXPECT_EQ(RocksStore::open(options()).error().code, Errc::unsupported);
  std::ofstream(format) << "1\n";
  open();
  EXPECT_EQ(get(key("a")).bytes, "x");
}

TEST_F(RocksStoreTest, ADirectoryThatCannotBeMadeIsAClearError) {
  auto nowhere = options();
  nowhere.directory = directory_ / "no/such/parent";
  const auto store = RocksStore::open(nowhere);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().context, HasSubstr("no/such/parent"));
}

TEST_F(RocksStoreTest, ReopensToTheSameValuesFeedAndCounters) {
  open();
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    insert(key(n), "value " + n, with_entry(n, Durability::memory));
    append(key("block", KeyKind::block), n);
    run(bucket_->increment(key("counter", KeyKind::channel_counter), 2, {}, kNoDeadline));
  }
  const std::string block = get(key("block", KeyKind::block)).bytes;
  close();
  open();
  EXPECT_EQ(get(key("block", KeyKind::block)).bytes, block);
  EXPECT_EQ(append(key("block", KeyKind::block), "+").number, block.size() + 1);
  EXPECT_EQ(get(key("counter", KeyKind::channel_counter)).number, 600u);
  const auto entries = run(open_feed()->next(1000, kNoDeadline));
  ASSERT_EQ(entries->size(), 300u);
  for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ((*entries)[i].bytes, std::to_string(i));
}

TEST_F(RocksStoreTest, ALoneDurableWriteIsOneSync) {
  open();
  std::size_t before = disk_.files->log_syncs();
  ASSERT_TRUE(insert(key("a"), "x", with_entry("a", Durability::disk)).ok());
  append(key("block", KeyKind::block), "entry");
  run(bucket_->increment(key("counter", KeyKind::channel_counter), 1, {}, kNoDeadline));
  insert(key("1", KeyKind::sequence_document), "document");
  EXPECT_EQ(run(open_feed()->next(1, kNoDeadline))->size(), 1u);
  EXPECT_EQ(disk_.files->log_syncs() - before, 1u);
  EXPECT_EQ(store_->statistics().wal_syncs, 1u);
  EXPECT_EQ(store_->statistics().feed_syncs, 0u);
  EXPECT_EQ(store_->statistics().batches, 4u);
  // A barrier syncs what was written since, once.
  before = disk_.files->log_syncs();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(run(bucket_->barrier(kNoDeadline)));
  EXPECT_EQ(disk_.files->log_syncs() - before, 1u);
}

TEST_F(RocksStoreTest, AReplicatedWriteIsSyncedAsThereAreNoReplicas) {
  open();
  const std::size_t before = disk_.files->log_syncs();
  ASSERT_TRUE(insert(key("a"), "x", {.durability = Durability::replicated}).ok());
  EXPECT_EQ(disk_.files->log_syncs() - before, 1u);
}

TEST_F(RocksStoreTest, TheFeedShowsOnlyWhatIsSynced) {
  open();
  insert(key("a"), "x", with_entry("synced", Durability::disk));
  disk_.files->hold_syncs();
  insert(key("b"), "x", with_entry("not yet", Durability::memory));
  EXPECT_EQ(get(key("b")).bytes, "x");
  const auto feed = open_feed();
  EXPECT_EQ(run(feed->next(10, kNoDeadline))->size(), 1u);
  EXPECT_EQ(run(feed->heads(kNoDeadline))->at(0), feed->positions().at(0));
  EXPECT_TRUE(run(feed->next(10, environment_.now() + seconds(1)))->empty());
  disk_.files->release_syncs();
  const auto entries = run(feed->next(10, kNoDeadline));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ((*entries)[0].bytes, "not yet");
  EXPECT_EQ(store_->statistics().feed_syncs, 1u);
}

TEST_F(RocksStoreTest, TheFeedHoldsOneEntryForAKey) {
  open();
  Cas cas = insert(key("hot"), "0", with_entry("0", Durability::memory)).cas;
  for (int i = 1; i <= 50; ++i) {
    const auto options = with_entry(std::to_string(i), Durability::memory);
    cas = run(bucket_->replace(key("hot"), "x", cas, options, kNoDeadline)).cas;
  }
  run(bucket_->remove(key("hot"), cas, with_entry("removed", Durability::memory), kNoDeadline));
  insert(key("hot"), "again", with_entry("again", Durability::disk));
  const auto entries = run(open_feed()->next(100, kNoDeadline));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ((*entries)[0].bytes, "again");
}

Task<void> insert_later(Bucket& bucket, Key key, WriteOptions options, Deadline deadline,
                        Reply& into) {
  into = co_await bucket.insert(std::move(key), "x", options, deadline);
}

TEST_F(RocksStoreTest, AWritePastItsDeadlineMayBeDoneOrNot) {
  open();
  disk_.files->hold_syncs();
  const Deadline soon = environment_.now() + seconds(1);
  Reply begun;
  Reply waiting;
  TaskScope calls(environment_);
  calls.spawn(insert_later(*bucket_, key("begun"), kDurable, soon, begun));
  environment_.run_ready();
  ASSERT_TRUE(eventually([&] { return disk_.files->held_syncs() == 1; }));
  calls.spawn(insert_later(*bucket_, key("waiting"), kDurable, soon, waiting));
  environment_.advance(seconds(1));
  EXPECT_EQ(begun.status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(waiting.status, Errc::timeout_unknown_outcome);
  disk_.files->release_syncs();
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  EXPECT_EQ(get(key("begun")).bytes, "x");
  EXPECT_EQ(get(key("waiting")).status, Errc::not_found);
}

TEST_F(RocksStoreTest, AFullQueueAnswersOverloaded) {
  auto small = options();
  small.queue_operations_max = 2;
  open(small);
  disk_.files->hold_syncs();
  Reply replies[3];
  TaskScope calls(environment_);
  calls.spawn(insert_later(*bucket_, key("a"), kDurable, kNoDeadline, replies[0]));
  environment_.run_ready();
  ASSERT_TRUE(eventually([&] { return disk_.files->held_syncs() == 1; }));
  calls.spawn(insert_later(*bucket_, key("b"), {}, kNoDeadline, replies[1]));
  calls.spawn(insert_later(*bucket_, key("c"), {}, kNoDeadline, replies[2]));
  environment_.run_ready();
  EXPECT_EQ(store_->statistics().queue_operations, 2u);
  const Reply refused = insert(key("d"), "x");
  EXPECT_EQ(refused.status, Errc::overloaded);
  EXPECT_EQ(refused.history, store_->history());
  EXPECT_EQ(store_->statistics().overloads, 1u);
  EXPECT_EQ(get(key("d")).status, Errc::not_found);
  disk_.files->release_syncs();
  run(calls.join());
  for (const Reply& reply : replies) EXPECT_TRUE(reply.ok());
  EXPECT_TRUE(insert(key("d"), "x").ok());
}

TEST_F(RocksStoreTest, WhatWaitsTogetherIsWrittenTogether) {
  open();
  disk_.files->hold_syncs();
  std::vector<Reply> replies(65);
  TaskScope calls(environment_);
  calls.spawn(insert_later(*bucket_, key("first"), kDurable, kNoDeadline, replies[64]));
  environment_.run_ready();
  ASSERT_TRUE(eventually([&] { return disk_.files->held_syncs() == 1; }));
  for (std::size_t i = 0; i < 64; ++i)
    calls.spawn(insert_later(*bucket_, key(std::to_string(i)), kDurable, kNoDeadline, replies[i]));
  environment_.run_ready();
  disk_.files->release_syncs();
  run(calls.join());
  for (const Reply& reply : replies) EXPECT_TRUE(reply.ok());
  EXPECT_EQ(store_->statistics().wal_syncs, 2u);
  EXPECT_EQ(store_->statistics().batches, 2u);
}

TEST_F(RocksStoreTest, GivesBackTheSpaceOfADroppedDatabaseEvenAfterARestart) {
  open();
  for (int i = 0; i < 100; ++i) insert(key(std::to_string(i)), std::string(1000, 'x'));
  ASSERT_TRUE(run(bucket_->drop_database(kDatabase, kNoDeadline)));
  EXPECT_EQ(get(key("1")).status, Errc::not_found);
  close();
  open();
  EXPECT_EQ(get(key("1")).status, Errc::not_found);
  EXPECT_TRUE(eventually([&] { return store_->statistics().databases_being_dropped == 0; }));
}

}  // namespace
}  // namespace headgate
