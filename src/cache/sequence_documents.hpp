// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/signal.hpp"
#include "cache/cache_entry.hpp"
#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// Sequence documents as one reader knows them: read in batches that many passes share, kept in
/// bounded memory, as they never change. What is read far back takes free room only, and leaves the
/// rest to what many share. Confined to its executor.
class SequenceDocuments {
 public:
  using Pointer = std::shared_ptr<const SequenceDocument>;

  explicit SequenceDocuments(const CacheSpace& space)
      : space_(space), batch_done_(space.environment) {}

  /// One pointer for each sequence, null where there is no document now.
  /// Errors: rolled_back under other histories than the record's, unavailable, corrupted.
  Task<Result<std::vector<Pointer>>> get(std::vector<Sequence> sequences,
                                         std::shared_ptr<const StableRecord> record);
  /// The document if it is in memory, else null.
  Pointer find(Sequence sequence);
  void learn(Sequence sequence, Pointer document);
  /// Forgets everything: the cache's history has changed.
  void clear();

  std::uint64_t reads() const { return reads_; }
  /// Documents that get() found in memory.
  std::uint64_t hits() const { return hits_; }

 private:
  using Known = std::unordered_map<Sequence, Pointer>;
  // What is read in one trip for all passes that asked before it began.
  struct Batch {
    Known found;
    bool is_done = false;
    Errc failure = Errc::ok;
  };

  enum class Use : std::uint8_t { shared, passing };

  Pointer peek(Sequence sequence) const;
  std::size_t half() const;  ///< of what may be kept
  void fill_room(Sequence sequence, Pointer document);
  Task<Result<void>> read(std::vector<Sequence> sequences,
                          std::shared_ptr<const StableRecord> record, Known& found, Use use);
  Task<Result<void>> read_together(std::vector<Sequence> sequences,
                                   std::shared_ptr<const StableRecord> record, Known& found);

  const CacheSpace& space_;
  // Two generations: when the young one is full it becomes the old one, and the old one goes.
  Known young_;
  Known old_;
  std::shared_ptr<Batch> next_;
  std::vector<Sequence> wanted_;
  bool is_reading_ = false;
  Signal batch_done_;
  std::uint64_t reads_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t clears_ = 0;
};

}  // namespace headgate
