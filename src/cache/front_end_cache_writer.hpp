// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cache/block_writer.hpp"
#include "cache/cache_entry.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"

namespace headgate {

/// The cache work of one write whose base write is done.
struct CacheWrite {
  CacheEntry entry;
  WriteIdentity identity;
};

/// Under what the cache work may be done (R4b): Allocation's epoch and cache histories.
struct WriteFence {
  Epoch epoch;
  std::shared_ptr<const std::vector<HistoryId>> cache_histories;
};

/// Writer of the channel cache on the node that accepted a write (R1): block entries and channel
/// counters in one burst, then the access counter if grants changed, then the sequence documents.
/// The cache writer repairs with the same code. Confined to its executor. The space and the
/// listener must outlive it.
///
/// A step that fails or whose outcome is unknown is no error of the write: the base holds it, its
/// feed entry makes the cache writer finish the work. Every step may be repeated (R5, I8).
class FrontEndCacheWriter {
 public:
  enum class Outcome : std::uint8_t {
    complete,         ///< the sequence document is there and names this write
    left_unfinished,  ///< the cache writer will finish or resequence it (R4, R4b)
  };

  struct Statistics {
    std::uint64_t cas_retries = 0;    ///< of indexed blocks
    std::uint64_t blocks_opened = 0;  ///< directory records inserted
    std::uint64_t unfinished = 0;
  };

  /// The reader of this node learns what was written; it must outlive the writer.
  FrontEndCacheWriter(const CacheSpace& space, CacheReader& reader, ChangeListener& listener);
  ~FrontEndCacheWriter();

  /// Does the cache work of one write or bulk, then wakes the feeds. One outcome per write, in
  /// order. Idempotent.
  Task<std::vector<Outcome>> write(std::vector<CacheWrite> writes, WriteFence fence);

  /// Raises the access counter, so that every pass that begins later loads its principal anew
  /// (R5b). Errors: as Bucket::increment; an unknown outcome must be repeated.
  Task<Result<void>> raise_access_counter();

  Statistics statistics() const;

 private:
  Task<std::vector<Outcome>> write_sequence_documents(std::vector<SequenceDocument> documents,
                                                      WriteFence fence);
  Task<bool> is_mine(SequenceDocument document);

  const CacheSpace& space_;
  CacheReader& reader_;
  ChangeListener& listener_;
  std::unique_ptr<BlockWriter> blocks_;
  std::uint64_t unfinished_ = 0;
};

/// Every channel that a write is entered in, with its removal mark: its channels, those it left,
/// and the hidden channels of the principals it grants to.
std::vector<BlockWrite> block_writes_of(const std::vector<CacheWrite>& writes);

}  // namespace headgate
