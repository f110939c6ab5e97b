// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "changes/changes_options.hpp"
#include "changes/changes_source.hpp"
#include "changes/page_merge.hpp"
#include "changes/row_cache.hpp"

namespace headgate {

/// One change that goes to the client.
struct PickedChange {
  Change change;
  std::vector<ChannelId> left;  ///< for the row's `removed`
  bool is_removed = false;  ///< the reader sees the document by no channel any more, or loses it
};

/// Writes the rows of one feed, all but their sequence ids; what another feed has written already
/// comes from the cache. Confined to its executor. Everything passed in must outlive it, and the
/// calls in flight.
class RowWriter {
 public:
  /// Documents are read until they have so many bytes.
  static constexpr std::size_t kDocumentBytes = 4u << 20;

  RowWriter(ChangesSource& source, RowCache& rows, const ChangesOptions& options)
      : source_(source), rows_(rows), options_(options) {}

  /// Rows for the first of the changes, at least one; with include_docs perhaps not for all.
  /// Errors: those of reading documents: unavailable, timeout_unknown_outcome, corrupted.
  Task<Result<std::vector<RowCache::Row>>> write(std::shared_ptr<const Principal> reader,
                                                 const std::vector<PickedChange>& changes);

 private:
  RowCache::Key key_of(const PickedChange& picked) const;
  RowCache::Row make(const PickedChange& picked) const;
  RowCache::Row without_document(const PickedChange& picked);
  std::string row_text(const PickedChange& picked, std::string_view document) const;
  Task<Result<std::vector<RowCache::Row>>> with_documents(std::shared_ptr<const Principal> reader,
                                                          const std::vector<PickedChange>& changes);
  Task<Result<void>> read_documents(std::shared_ptr<const Principal> reader,
                                    const std::vector<PickedChange>& changes,
                                    std::vector<RowCache::Row>& rows);
  Task<Result<void>> read_mine(std::shared_ptr<const Principal> reader,
                               const std::vector<PickedChange>& changes,
                               const std::vector<std::size_t>& mine,
                               std::vector<RowCache::Row>& rows);

  ChangesSource& source_;
  RowCache& rows_;
  const ChangesOptions& options_;
};

}  // namespace headgate
