// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/publisher.hpp"

#include <algorithm>

#include "bucket/rocksdb/engine.hpp"

namespace headgate {

void Publisher::add(std::shared_ptr<Mailbox> mailbox) {
  const std::lock_guard lock(mutex_);
  mailboxes_.push_back(std::move(mailbox));
}

void Publisher::remove(const std::shared_ptr<Mailbox>& mailbox) {
  const std::lock_guard lock(mutex_);
  std::erase(mailboxes_, mailbox);
}

void Publisher::note_entries(const std::vector<DatabaseId>& databases, std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  for (const DatabaseId database : databases) unsynced_[database] = version;
}

Mailbox::Databases Publisher::raise_synced(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  if (version <= engine_.synced) return {};
  engine_.synced = version;
  Mailbox::Databases fed;
  for (const auto& [database, highest] : unsynced_) fed.push_back(database);
  std::erase_if(unsynced_, [&](const auto& entry) { return entry.second <= version; });
  return fed;
}

std::vector<std::shared_ptr<Mailbox>> Publisher::watching() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Mailbox>> all;
  std::copy_if(mailboxes_.begin(), mailboxes_.end(), std::back_inserter(all),
               [](const auto& mailbox) { return mailbox->is_watching(); });
  return all;
}

}  // namespace headgate
