// SPDX-License-Identifier: Apache-2.0
// Processes write to the embedded store and are killed, at any moment; the power is cut; the disk
// fails. What is found afterwards is compared with a record of what was asked and answered.
//
//   headgate_bucket_rocksdb_crash_test --crash_seconds=600 --crash_seed=7 --crash_keep=found
//
// runs longer, from another seed, and copies what a failure leaves. What a seed does depends on how
// fast the machine is: the same seed meets other moments.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/log.hpp"
#include "base/manual_environment.hpp"
#include "bucket/rocksdb/crash/crash_judge.hpp"
#include "bucket/rocksdb/crash/crash_writer.hpp"
#include "bucket/rocksdb/crash/durable_files.hpp"
#include "bucket/rocksdb/crash/shared_file.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"

extern char** environ;

namespace headgate {
namespace {

using std::chrono::milliseconds;

std::chrono::seconds seconds_each{9};
std::uint64_t first_seed = 1;
std::string keep_in;

constexpr KeyKind kKinds[] = {
    KeyKind::document, KeyKind::local_document,  KeyKind::principal,        KeyKind::stable_copy,
    KeyKind::block,    KeyKind::channel_counter, KeyKind::sequence_document};

/// Reads a store as a new process would find it.
class StoreReader {
 public:
  StoreReader(const std::string& directory, std::uint16_t databases) : databases_(databases) {
    auto store = RocksStore::open({.directory = directory,
                                   .block_cache_bytes = 1u << 20,
                                   .write_buffer_bytes = 1u << 20,
                                   .free_bytes_min = 1});
    if (!store) {
      found_.complaint = "open: " + store.error().context;
      return;
    }
    store_ = std::move(*store);
    bucket_ = std::make_unique<RocksBucket>(environment_, *store_);
  }

  FoundStore read() {
    if (!store_) return std::move(found_);
    found_.is_clean = store_->was_clean_open();
    found_.history = store_->history();
    found_.histories = store_->histories();
    for (std::uint16_t database = 1; database < databases_; ++database) {
      for (const KeyKind kind : kKinds) read_values(database, kind);
      read_feeds(database);
    }
    return std::move(found_);
  }

 private:
  void complain(const std::string& what, Errc code) {
    found_.complaint = what + ": " + std::string(to_string(code));
  }

  void read_values(std::uint16_t database, KeyKind kind) {
    const auto page =
        environment_.run(bucket_->scan({DatabaseId(database), kind, "tag"}, kNoDeadline));
    if (!page) return complain("scan", page.error().code);
    for (const auto& item : page->items) {
      const Key key{DatabaseId(database), kind, "tag", item.name};
      const Reply reply = environment_.run(bucket_->get(key, kNoDeadline));
      if (!reply.ok()) return complain("get", reply.status);
      found_.contents.values[{database, kind, static_cast<std::uint8_t>(std::stoi(item.name))}] = {
          item.cas.value(), reply.number, item.bytes};
    }
  }

  void read_feeds(std::uint16_t database) {
    for (const FeedEntry& entry : read_feed(database, {}))
      found_.contents.feed[slot_of(database, entry)] = entry_of(entry);
    const auto stored =
        found_.contents.values.find({database, KeyKind::stable_copy, kCheckpointName});
    if (stored == found_.contents.values.end()) return;
    const Checkpoint at = Checkpoint::parse(stored->second.bytes);
    const HistoryStart& before = found_.histories[found_.histories.size() > 1 && !found_.is_clean
                                                      ? found_.histories.size() - 2
                                                      : found_.histories.size() - 1];
    const FeedPosition from{before.history, PartitionPosition(at.position)};
    for (const FeedEntry& entry : read_feed(database, {from}))
      found_.feed_after[database][slot_of(database, entry)] = entry_of(entry);
    found_.feed_after.try_emplace(database);
  }

  std::vector<FeedEntry> read_feed(std::uint16_t database, FeedPositions from) {
    const auto feed = std::move(*bucket_->open_feed(DatabaseId(database), std::move(from)));
    const auto heads = environment_.run(feed->heads(kNoDeadline));
    std::vector<FeedEntry> all;
    while (heads && feed->positions().front().position < heads->front().position) {
      auto entries = environment_.run(feed->next(1'000, kNoDeadline));
      if (!entries) return complain("a feed from a stored position", entries.error().code), all;
      for (FeedEntry& entry : *entries) all.push_back(std::move(entry));
    }
    return all;
  }

  static StoreContents::Slot slot_of(std::uint16_t database, const FeedEntry& entry) {
    return {database, entry.key.kind, static_cast<std::uint8_t>(std::stoi(entry.key.name))};
  }
  static StoreContents::Entry entry_of(const FeedEntry& entry) {
    return {entry.position.value(), std::stoull(entry.bytes), entry.is_removal};
  }

  const std::uint16_t databases_;
  ManualEnvironment environment_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<RocksBucket> bucket_;
  FoundStore found_;
};

class RocksCrashTest : public testing::Test {
 protected:
  RocksCrashTest() {
    std::filesystem::create_directory(shadows_);
    for (std::uint16_t& database : databases_) database = next_database_++;
  }

  std::mt19937_64 random_;
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  /// Rounds until the time is over.
  template <class Round>
  void repeat(Round round) {
    set_log_level(LogLevel::critical);
    random_.seed(first_seed);
    const auto until = std::chrono::steady_clock::now() + seconds_each;
    for (round_ = 0; std::chrono::steady_clock::now() < until && !HasFailure(); ++round_) {
      SCOPED_TRACE("seed " + std::to_string(first_seed) + ", round " + std::to_string(round_));
      round();
    }
    std::cout << round_ << " rounds, " << judge_.operations() << " operations, " << judge_.lost()
              << " of them lost" << std::endl;
  }

  /// One process from its start to its end; the last argument is how it is to end.
  enum class Stop : std::uint8_t { kill, order, kill_while_closing };
  void run_process(DiskFault fault, Stop stop, End end) {
    SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault.kind)) + " after " +
                 std::to_string(fault.after) + ", lasts " + std::to_string(fault.lasts) +
                 (end == End::power_lost ? ", then the power is cut" : ""));
    begin_record(fault);
    const pid_t process = start_process();
    if (pick(4) != 0) wait_until_it_writes(process);
    std::this_thread::sleep_for(std::chrono::microseconds(pick(120'000)));
    if (stop != Stop::kill) {
      (*record_)->must_stop = true;
      const auto patience = stop == Stop::order ? milliseconds(20'000) : milliseconds(pick(20));
      wait_for_end(process, patience);
    }
    kill(process, SIGKILL);
    int status = 0;
    waitpid(process, &status, 0);
    check_exit(status);
    files_.replay((*record_)->journal);
    // What a killed process left is durable when the next one has opened the store.
    const bool has_opened = (*record_)->phase != CrashRecord::Phase::starting;
    if (!has_opened && last_end_ == End::killed) end = End::killed;
    last_end_ = end;
    if (end == End::power_lost) files_.cut_power(random_);
    judge(end);
    next_id_ += (*record_)->operation_count;
    for (int i = 0; i < 3; ++i) databases_[i] = (*record_)->databases[i];
    next_database_ = (*record_)->next_database;
  }

 private:
  void begin_record(DiskFault fault) {
    std::filesystem::remove(directory_ / "record");
    record_.emplace(directory_ / "record");
    CrashRecord& record = **record_;
    record.seed = random_();
    record.first_id = next_id_;
    record.fault = fault;
    std::copy(std::begin(databases_), std::end(databases_), std::begin(record.databases));
    record.next_database = next_database_;
  }

  pid_t start_process() {
    const std::string record = directory_ / "record";
    std::string arguments[] = {"crash-writer", "--crash-writer", store_, shadows_, record};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                    arguments[3].data(), arguments[4].data(), nullptr};
    pid_t process = 0;
    HG_ASSERT(posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, argv, environ) == 0);
    return process;
  }

  static bool has_ended(pid_t process) {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOWAIT | WNOHANG);
    return info.si_pid == process;
  }
  void wait_until_it_writes(pid_t process) {
    while ((*record_)->phase == CrashRecord::Phase::starting && !has_ended(process))
      std::this_thread::sleep_for(milliseconds(1));
  }
  static void wait_for_end(pid_t process, milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until && !has_ended(process))
      std::this_thread::sleep_for(milliseconds(1));
  }

  void check_exit(int status) {
    CrashRecord& record = **record_;
    const bool has_fault = record.fault.kind != DiskFault::Kind::none;
    // RocksDB as Debian builds it asserts that nobody syncs a log file again that failed, and does
    // so itself when it flushes.
    if (WIFSIGNALED(status)) {
      EXPECT_TRUE(WTERMSIG(status) == SIGKILL || (has_fault && WTERMSIG(status) == SIGABRT))
          << "the process ended by itself";
    } else if (WEXITSTATUS(status) == kWriterCannotOpen) {
      EXPECT_TRUE(has_fault) << record.complaint;
    } else {
      EXPECT_EQ(WEXITSTATUS(status), kWriterDone) << record.complaint;
    }
  }

  /// Looks at a copy, so that the next process finds the store as this one left it.
  void judge(End end) {
    const std::string copy = directory_ / "copy";
    std::filesystem::remove_all(copy);
    if (std::filesystem::exists(store_)) std::filesystem::copy(store_, copy);
    const FoundStore found = StoreReader(copy, (*record_)->next_database).read();
    EXPECT_EQ(judge_.judge(**record_, end, found), "");
    if (HasFailure() && !keep_in.empty())
      std::filesystem::copy(directory_ / "", keep_in, std::filesystem::copy_options::recursive);
  }

  TemporaryDirectory directory_;
  const std::string store_ = directory_ / "store";
  const std::string shadows_ = directory_ / "shadows";
  DurableFiles files_{store_, shadows_};
  CrashJudge judge_;
  std::optional<SharedFile<CrashRecord>> record_;
  End last_end_ = End::power_lost;
  std::uint64_t round_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint16_t databases_[3] = {};
  std::uint16_t next_database_ = kLastingDatabase + 1;
};

TEST_F(RocksCrashTest, WhatWasAnsweredOutlivesTheProcess) {
  repeat([&] {
    const Stop stops[] = {Stop::kill, Stop::kill, Stop::kill_while_closing, Stop::order};
    run_process({}, stops[pick(4)], End::killed);
  });
}

TEST_F(RocksCrashTest, WhatIsDurableOutlivesAPowerFailure) {
  repeat([&] {
    const Stop stops[] = {Stop::kill, Stop::kill, Stop::kill_while_closing, Stop::order};
    run_process({}, stops[pick(4)], pick(4) == 0 ? End::killed : End::power_lost);
  });
}

class NewStoreTest : public RocksCrashTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Several, NewStoreTest, testing::Range(0, 6));

// Of a new store the directory and the first files have to be durable, too.
TEST_P(NewStoreTest, OutlivesAPowerFailure) {
  set_log_level(LogLevel::critical);
  random_.seed(first_seed + static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < 3; ++i) run_process({}, Stop::kill, End::power_lost);
}

TEST_F(RocksCrashTest, WhatIsDurableOutlivesFailuresOfTheDisk) {
  repeat([&] {
    using Fault = DiskFault::Kind;
    const Fault faults[] = {Fault::none,        Fault::log_sync,        Fault::log_sync_no_space,
                            Fault::log_append,  Fault::log_append_part, Fault::log_no_space,
                            Fault::table_write, Fault::table_no_space};
    const DiskFault fault{faults[pick(8)], static_cast<std::uint32_t>(pick(pick(2) ? 10 : 200)),
                          pick(2) == 0 ? 1 : 1 + static_cast<std::uint32_t>(pick(20))};
    run_process(fault, Stop::order, pick(2) == 0 ? End::killed : End::power_lost);
  });
}

}  // namespace

void set_crash_options(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value =
        argument.substr(std::min(argument.find('='), argument.size() - 1) + 1);
    if (argument.starts_with("--crash_seconds=")) seconds_each = std::chrono::seconds(stoul(value));
    if (argument.starts_with("--crash_seed=")) first_seed = stoull(value);
    if (argument.starts_with("--crash_keep=")) keep_in = value;
  }
}

}  // namespace headgate

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--crash-writer")
    return headgate::crash_writer_main(argv[2], argv[3], argv[4]);
  testing::InitGoogleTest(&argc, argv);
  headgate::set_crash_options(argc, argv);
  return RUN_ALL_TESTS();
}
