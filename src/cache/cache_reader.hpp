// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "cache/cache_entry.hpp"
#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {

enum class ReadMode : std::uint8_t {
  available,  ///< everything in the cache; what lies above stable may grow below itself
  stable,     ///< only sequences at or below stable
};

inline constexpr Sequence kNoSequence{std::numeric_limits<std::uint64_t>::max()};

/// One entry of a channel, with what the cache knows of its write.
struct ChannelEntry {
  Sequence sequence;
  bool is_removal = false;  ///< the document left the channel by this write
  std::shared_ptr<const SequenceDocument> document;
};

/// What a pass found in one channel.
struct ChannelPage {
  /// Ascending; of each document only its newest entry within the page.
  std::vector<ChannelEntry> entries;
  /// The page holds every entry of the channel in (since, complete_to]; kNoSequence: to the end of
  /// what is there now. In mode available entries above stable may still appear below it.
  Sequence complete_to = kNoSequence;
  /// Lowest entry above stable whose sequence document is not there yet (R15b): the pass must not
  /// count this channel as seen, and looks again soon.
  std::optional<Sequence> awaited;
};

/// The beginning of a pass: read before anything else the pass uses (R15).
struct PassStart {
  Sequence stable;
  std::uint64_t access_counter = 0;
  /// What the pass's other replies must agree with.
  std::shared_ptr<const StableRecord> record;
  /// Passes begin in this order; what was read for a later one serves an earlier one.
  std::uint64_t number = 0;
};

struct ChannelQuery {
  ChannelId channel;
  Sequence since;  ///< exclusive
  /// The client has seen entries up to here: a page that goes above stable does not end before it
  /// (R17b: else an older revision may follow a newer one). 0: none above `since`; kNoSequence: a
  /// page has all there is above stable.
  Sequence seen = {};
};

/// Reader of one database's channel cache on one node, shared by all its feeds: what many passes
/// want at once is read once. Keeps blocks, directories, counters and sequence documents in
/// bounded memory. Confined to its executor. The space must outlive it, and the calls in flight.
///
/// Errors of all calls: unavailable (also before the first stable record of this history is
/// published, and where a client has seen far more above stable than max_early allows), rolled_back
/// (R15, R16: drop the pass and begin another), corrupted.
class CacheReader {
 public:
  struct Statistics {
    std::uint64_t passes = 0;
    std::uint64_t stable_reads = 0;    ///< bucket calls that read the stable record
    std::uint64_t counter_reads = 0;   ///< bucket calls that read channel counters
    std::uint64_t block_reads = 0;     ///< block and record keys read
    std::uint64_t document_reads = 0;  ///< sequence documents read
    std::uint64_t document_hits = 0;   ///< sequence documents found in memory
    std::uint64_t channel_hits = 0;    ///< channels whose blocks in memory were up to date
    std::uint64_t channel_misses = 0;  ///< channels whose blocks were read
    std::uint64_t dropped_passes = 0;
    std::size_t entries_kept = 0;  ///< in memory now, what channels cost included
  };

  /// The allocator tells the largest sequence that can be in the cache now (indexed blocks and
  /// reading without a star channel need an end), and where an emptied cache is built anew (C6). It
  /// must outlive the reader.
  CacheReader(const CacheSpace& space, SequenceAllocator& allocator);
  ~CacheReader();

  /// Reads stable and the access counter; calls made while a read is under way share the next one.
  Task<Result<PassStart>> start_pass();

  /// Reads the counters of all channels, then the blocks of those that changed, then sequence
  /// documents. One page for each query, in order, of about `limit` entries at most (the page then
  /// says how far it is complete). With a star channel turned off, "*" is read from the sequence
  /// documents.
  Task<Result<std::vector<ChannelPage>>> read(PassStart pass, ReadMode mode,
                                              std::vector<ChannelQuery> queries, std::size_t limit);

  /// The channels' counters as this pass finds them, in order; 0: never raised. Any difference from
  /// an earlier value, also a smaller one, says that the channel changed (C4).
  Task<Result<std::vector<std::uint64_t>>> counters(PassStart pass,
                                                    std::vector<ChannelId> channels);

  /// Takes over a sequence document that this node has just written under `history`, so that its
  /// feeds need not read it.
  void learn(Sequence sequence, std::shared_ptr<const SequenceDocument> document,
             HistoryId history);
  /// What is in memory was read or written under these histories of the cache.
  bool knows_under(const std::vector<HistoryId>& cache_histories) const;
  /// The stable record last read; null before the first.
  std::shared_ptr<const StableRecord> record() const;

  /// The sequence document if it is in memory; null says nothing.
  std::shared_ptr<const SequenceDocument> known(Sequence sequence);

  Statistics statistics() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate
