// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/environment.hpp"
#include "bucket/bucket.hpp"
#include "cache/channel_id.hpp"
#include "sequence/deployment.hpp"

namespace headgate {

enum class BlockFormat : std::uint8_t {
  append,   ///< entries added by atomic append; blocks numbered by fill (append-blocks)
  indexed,  ///< two bits a sequence, written by read and compare-and-swap
};

/// Who does the cache work of a write.
enum class CacheWrites : std::uint8_t {
  frontend,  ///< the node that accepted the write
  feed,      ///< the cache writer alone, from the mutation feed
};

/// What must have happened to a batch of writes, and to their cache work, before stable covers it.
enum class StableDurability : std::uint8_t {
  none,        ///< it was done; a failover may lose what stable covers, and all is checked again
  replicated,  ///< it survives a failover of either bucket
};

/// Settings of one database's cache. The block format, the capacity and what shares a tag are part
/// of what is stored.
struct CacheSettings {
  BlockFormat block_format = BlockFormat::append;
  CacheWrites cache_writes = CacheWrites::frontend;
  std::uint32_t block_capacity = 1024;  ///< entries (append) or sequences (indexed) of one block
  /// Sequence documents of so many adjacent sequences share one tag, and with it one partition.
  std::uint32_t sequences_per_tag = 1000;
  bool has_star_channel = true;  ///< every write is entered in "*", too
  std::chrono::nanoseconds gap_timeout = std::chrono::seconds(1);
  /// How long a front end may take from its base write to its sequence document before the cache
  /// writer does the work itself. Too short costs work, never correctness.
  std::chrono::nanoseconds repair_delay = std::chrono::milliseconds(250);
  std::chrono::nanoseconds poll = std::chrono::milliseconds(250);
  std::chrono::nanoseconds publish_interval = std::chrono::milliseconds(5);
  /// Absent: replicated in a cluster, none in a single process, whose one log loses both or
  /// neither.
  std::optional<StableDurability> stable_durability = {};
  std::uint32_t max_early = 10'000;  ///< entries above stable that one pass may meet
  std::chrono::nanoseconds operation_timeout = std::chrono::seconds(5);
  std::size_t reader_entries = 1'000'000;  ///< block entries kept in memory by one reader
  std::size_t reader_documents = 100'000;  ///< sequence documents kept in memory by one reader
  /// Entries and documents that one pass of compaction keeps in memory; the rest is for the next.
  std::size_t compaction_entries = 1'000'000;
};

/// The cache bucket of one database as its parts see it: where its keys lie, how long a call may
/// take. Confined to the executor of its environment. The environment and bucket must outlive it.
struct CacheSpace {
  Environment& environment;
  Bucket& bucket;
  DatabaseId database;
  CacheSettings settings;
  Deployment deployment = Deployment::single_process;
  /// Part of every key: another one each time that the cache bucket was found empty (C6).
  std::uint32_t generation = 0;

  bool is_shared() const { return deployment == Deployment::cluster; }
  /// In a single process there is one log: nothing has to be made durable apart.
  bool has_durable_stable() const {
    return is_shared() && settings.stable_durability.value_or(StableDurability::replicated) ==
                              StableDurability::replicated;
  }
  Deadline deadline() const { return environment.now() + settings.operation_timeout; }

  Key block_key(const ChannelId& channel, std::uint64_t block) const;
  /// Directory record of block `block` >= 1.
  Key record_key(const ChannelId& channel, std::uint64_t block) const;
  Key counter_key(const ChannelId& channel) const;
  Key sequence_key(Sequence sequence) const;
  /// The last sequence whose document has the same tag.
  Sequence last_of_tag(Sequence sequence) const;
  /// Of the sequence documents with the tag of `sequence` (sequence_fold.hpp).
  Key fold_key(Sequence sequence) const;
  Key dead_ranges_key() const;
  Key stable_key() const;
  Key access_counter_key() const;
};

/// Key of the base bucket's copy of the stable record.
Key stable_copy_key(DatabaseId database);

/// What the parts of the cache room tell whoever lets changes feeds wait. Called on the executor;
/// must not suspend.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  /// Something new may be found in these channels above stable (R1: "wake the waiting feeds").
  virtual void channels_changed(const std::vector<ChannelId>& channels) = 0;
  /// Stable rose; `channels` are those with entries newly at or below it (R15c); empty: any.
  virtual void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) = 0;
};

}  // namespace headgate
