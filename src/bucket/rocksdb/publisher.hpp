// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "bucket/rocksdb/mailbox.hpp"

namespace headgate {

struct RocksEngine;

/// Raises the version up to which feeds may show entries, and tells the buckets whose feeds that
/// concerns. Safe from any thread.
class Publisher {
 public:
  explicit Publisher(RocksEngine& engine) : engine_(engine) {}

  void add(std::shared_ptr<Mailbox> mailbox);
  void remove(const std::shared_ptr<Mailbox>& mailbox);

  /// `databases` have entries up to `version`, which is written but perhaps not synced.
  void note_entries(const std::vector<DatabaseId>& databases, std::uint64_t version);
  /// Everything up to `version` is synced. Returns the databases that have news.
  Mailbox::Databases raise_synced(std::uint64_t version);
  std::vector<std::shared_ptr<Mailbox>> watching() const;

 private:
  RocksEngine& engine_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Mailbox>> mailboxes_;
  std::map<DatabaseId, std::uint64_t> unsynced_;  // highest version of the database's entries
};

}  // namespace headgate
