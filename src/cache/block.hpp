// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cache/block_writer.hpp"

namespace headgate {

/// Bytes of one entry of an append block: sequence and removal mark in 64 bits.
inline constexpr std::uint64_t kAppendEntryBytes = 8;

std::string encode_append_entries(const std::vector<BlockEntry>& entries);

/// Entries that count (append-blocks A0): those that start below `capacity` entries; in the order
/// they were appended, with duplicates. Errors: corrupted.
Result<std::vector<BlockEntry>> decode_append_block(std::string_view bytes, std::uint64_t capacity);

/// Directory record of an append block, inserted before its first append and never changed.
struct BlockRecord {
  Sequence floor;  ///< stable, as the opener read it before
  Sequence max;    ///< greatest counted sequence of all blocks before this one
  std::uint64_t identity = 0;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<BlockRecord> decode(std::string_view bytes);
  friend bool operator==(const BlockRecord&, const BlockRecord&) = default;
};

/// Block of the indexed format: two bits for each sequence of [first, first + capacity).
class IndexedBlock {
 public:
  IndexedBlock(std::uint64_t number, std::uint32_t capacity);
  /// Errors: corrupted.
  static Result<IndexedBlock> decode(std::uint64_t number, std::uint32_t capacity,
                                     std::string_view bytes);

  static std::uint64_t number_of(Sequence sequence, std::uint32_t capacity) {
    return sequence.value() / capacity;
  }

  /// REQUIRES: the sequence belongs to this block.
  void enter(BlockEntry entry);
  /// Ascending.
  std::vector<BlockEntry> entries() const;
  const std::string& encode() const { return bits_; }

 private:
  std::uint64_t first_;
  std::uint32_t capacity_;
  std::string bits_;
};

}  // namespace headgate
