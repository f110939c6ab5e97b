// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/rocksdb/crash/crash_record.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"

namespace headgate {

/// The writing process: opens the store, keeps some calls under way, follows the feeds, and notes
/// all of it in the record, until it is killed or told to stop.
class CrashWriter {
 public:
  CrashWriter(ManualEnvironment& environment, RocksStore& store, CrashRecord& record);

  Task<void> run();

 private:
  using Slot = std::tuple<std::uint16_t, KeyKind, std::uint8_t>;

  // What to do.
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool one_in(std::uint64_t n) { return pick(n) == 0; }
  CrashOperation& add(CrashOperation::Kind kind, std::uint16_t database, KeyKind key_kind,
                      std::uint8_t name);
  std::vector<CrashOperation*> some_operations();
  void add_one(std::vector<CrashOperation*>& to, bool is_durable);
  std::uint16_t some_database();
  std::uint32_t some_length();

  // Doing it.
  Task<void> load();
  Task<void> first_write();
  Task<void> call();
  Task<void> carry_out(std::vector<CrashOperation*> operations);
  Task<void> barrier();
  Task<void> drop();
  Task<void> look_after_refusal();
  void take(CrashOperation& operation, const Reply& reply);
  static void answer(CrashOperation& operation, const Reply& reply);
  Task<void> follow(std::uint16_t database);
  void show(std::uint16_t database, const FeedEntry& entry);
  Task<void> store_checkpoint(std::uint16_t database, std::uint64_t position);
  bool is_reopening(Errc code) const;
  void complain(const std::string& about, Errc code);

  ManualEnvironment& environment_;
  CrashRecord& record_;
  RocksBucket bucket_;
  std::mt19937_64 random_;
  std::map<Slot, std::uint64_t> cas_;
  std::uint64_t durable_percent_;
  std::size_t window_;
  std::size_t calls_ = 0;
  std::size_t calls_refused_ = 0;
  Signal changed_;
  TaskScope tasks_;
};

/// The writing process's main(): its arguments are the store's directory, the one for links, and
/// the record's path. Its exit status is one of these.
inline constexpr int kWriterDone = 0;
inline constexpr int kWriterComplains = 3;   ///< CrashRecord::complaint
inline constexpr int kWriterCannotOpen = 4;  ///< the same
int crash_writer_main(const std::string& directory, const std::string& shadows,
                      const std::string& record);

}  // namespace headgate
