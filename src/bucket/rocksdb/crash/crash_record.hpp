// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "bucket/bucket.hpp"
#include "bucket/rocksdb/crash/disk_journal.hpp"
#include "bucket/rocksdb/crash/journaling_file_system.hpp"

namespace headgate {

/// One write that the writing process asks for; the whole of it follows from these fields, so that
/// whoever reads the record can do it again.
struct CrashOperation {
  enum class Kind : std::uint8_t { insert, replace, remove, append, increment, drop, barrier };

  Kind kind;
  KeyKind key_kind;
  std::uint8_t name;  ///< kCheckpointName: what follows in `number` is the state of a feed's reader
  bool is_durable;
  bool has_entry;
  std::uint16_t database;
  std::uint32_t length;  ///< of the value; checkpoint: how many entries had been shown
  std::uint64_t number;  ///< increment: what is added; checkpoint: the reader's position
  std::uint64_t cas;     ///< of replace and remove
  std::uint64_t id;      ///< no other operation has it; the value's bytes come from it

  // The answer. `is_answered` is raised last.
  std::atomic<bool> is_answered;
  Errc status;
  std::uint64_t new_cas;
  std::uint64_t new_number;
  std::uint64_t history;

  Key key() const;
  std::string value() const;
  std::string entry() const;
  /// Drop and barrier are no operations of a pipeline.
  Operation operation() const;
  bool is_of_pipeline() const { return kind != Kind::drop && kind != Kind::barrier; }
};
inline constexpr std::uint8_t kCheckpointName = 255;
inline constexpr std::uint16_t kLastingDatabase = 1;  ///< is never dropped

/// A checkpoint's value: what a reader had been shown, counted over all readers of the process.
struct Checkpoint {
  std::uint64_t operation = 0;  ///< CrashOperation::id
  std::uint64_t shown = 0;
  std::uint64_t position = 0;

  std::string print() const;
  static Checkpoint parse(const std::string& text);
};

struct ShownEntry {
  std::uint16_t database;
  KeyKind key_kind;
  std::uint8_t name;
  bool is_removal;
  std::uint64_t position;
  std::uint64_t entry;  ///< CrashOperation::id
};

/// What the writing process is to do, and what it did, in a file that outlives it.
struct CrashRecord {
  static constexpr std::size_t kOperationsMax = 100'000;
  static constexpr std::size_t kShownMax = 400'000;
  enum class Phase : std::uint8_t { starting, writing, closing, closed };

  // The task.
  std::uint64_t seed;
  std::uint64_t first_id;
  DiskFault fault;
  std::uint16_t databases[3];  ///< live beside kLastingDatabase
  std::uint16_t next_database;
  std::atomic<bool> must_stop;

  // What was done.
  std::atomic<Phase> phase;
  std::uint64_t history;
  std::atomic<std::size_t> operation_count;
  std::atomic<std::size_t> shown_count;
  char complaint[256];  ///< of a process that ended because an answer was wrong
  CrashOperation operations[kOperationsMax];
  ShownEntry shown[kShownMax];
  DiskJournal journal;
};

}  // namespace headgate
