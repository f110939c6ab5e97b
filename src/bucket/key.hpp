// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/types.hpp"

namespace headgate {

/// Every kind of value that Headgate keeps in a bucket. The numbers are part of the stored format
/// (docs/key-layout.md): never reuse one.
enum class KeyKind : std::uint8_t {
  // Base bucket.
  database = 1,        ///< a database's name and configuration (database number 0)
  document = 2,        ///< document envelope; writes carry a feed entry
  principal = 3,       ///< user or role; writes carry a feed entry
  local_document = 4,  ///< `_local/ID`; may have a time to live
  attachment = 5,      ///< attachment bytes by document and digest
  revision_body = 6,   ///< body of a revision that is not the winner
  released = 7,        ///< a range of unused sequences; writes carry a feed entry
  stable_copy = 8,     ///< base bucket's copy of the stable record (R14)
  session = 9,         ///< may have a time to live
  epochs = 10,         ///< list of epochs, largest horizon, cache generation (R6, R17, C6)
  expiry = 11,         ///< when a document expires; in the order of time
  progress = 12,       ///< how far a long job has come
  // Cache bucket.
  block = 32,         ///< cache block of a channel
  block_record = 33,  ///< directory record of an append block
  channel_counter = 34,
  sequence_document = 35,
  dead_ranges = 36,       ///< buried ranges of sequences (R8)
  stable = 37,            ///< the stable record (R14)
  horizon = 38,           ///< the horizon (R6)
  access_counter = 39,    ///< raised before a revocation is acknowledged (R5b)
  sequence_counter = 40,  ///< the sequence last drawn, where several nodes draw (R6)
  sequence_fold = 41,     ///< what is missing of one tag's sequence documents is dead (R19)
};

/// Values of these kinds may have a time to live (WriteOptions::expires); all others never (R19).
constexpr bool may_expire(KeyKind kind) {
  return kind == KeyKind::local_document || kind == KeyKind::session;
}

/// Address of one value. Keys of one database with the same `tag` lie in one partition: they fail
/// over together and lose one common suffix of their writes. `name` orders keys within
/// (database, kind, tag); number names are written big-endian so that this is number order.
struct Key {
  DatabaseId database;
  KeyKind kind{};
  std::string tag;
  std::string name;

  friend auto operator<=>(const Key&, const Key&) = default;
};

}  // namespace headgate
