// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/environment.hpp"
#include "base/signal.hpp"
#include "base/types.hpp"

namespace headgate {

/// Rows without their sequence ids, as many feeds want them: each is written once, and with
/// include_docs its document is read once. Bounded in bytes. Confined to its executor.
class RowCache {
 public:
  /// Which of the shapes of a row.
  enum Variant : std::uint8_t {
    kAllDocs = 1,
    kIncludeDocs = 2,
    kAttachments = 4,
    kConflicts = 8,
    kRevoked = 32,
    kRedacted = 16,  ///< include_docs of a document out of the reader's reach: no body
    kRedactedAsDeleted = 64,
  };
  struct Key {
    Sequence sequence;
    std::uint8_t variant = 0;
    std::string removed;  ///< JSON array of the channels left; empty: none

    friend bool operator==(const Key&, const Key&) = default;
  };
  using Row = std::shared_ptr<const std::string>;

  RowCache(Environment& environment, std::size_t bytes_max)
      : bytes_max_(bytes_max), filled_(environment) {}

  /// Null if it is not there.
  Row find(const Key& key);
  void add(const Key& key, Row row);

  /// Claims the right to make a row; false while somebody else has it: wait for filled() and look
  /// again. Whoever claimed must release, with or without add().
  bool claim(const Key& key);
  void release(const Key& key);
  Signal& filled() { return filled_; }

  std::size_t bytes() const { return young_bytes_ + old_bytes_; }
  std::uint64_t made() const { return made_; }
  /// Rows that find() had.
  std::uint64_t hits() const { return hits_; }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  using Rows = std::unordered_map<Key, Row, Hash>;

  void keep(const Key& key, Row row);

  // Two generations: when the young one holds half of the bytes it becomes the old one.
  std::size_t bytes_max_;
  Rows young_;
  Rows old_;
  std::size_t young_bytes_ = 0;
  std::size_t old_bytes_ = 0;
  std::unordered_set<Key, Hash> claims_;
  std::uint64_t made_ = 0;
  std::uint64_t hits_ = 0;
  Signal filled_;
};

}  // namespace headgate
