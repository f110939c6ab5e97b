// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "database/base_scan.hpp"
#include "database/document_reader.hpp"

namespace headgate {

struct AllDocsQuery {
  std::optional<std::vector<std::string>> keys = {};  ///< these only, in this order
  std::optional<std::string> start_key = {};
  std::optional<std::string> end_key = {};
  bool has_inclusive_end = true;
  bool is_descending = false;
  std::size_t limit = SIZE_MAX;
  std::size_t skip = 0;
  bool include_docs = false;
  ShowOptions show = {};  ///< with include_docs
  bool with_channels = false;
};

struct AllDocsRow {
  std::string key;
  Revision rev;
  bool is_deleted = false;  ///< only with keys
  /// Only with keys: not_found (no such document) or forbidden.
  std::optional<Errc> error;
  std::optional<std::string> json;         ///< with include_docs; none for tombstones
  std::vector<std::string> channels = {};  ///< with_channels: those that the reader has, too
};

/// A walk over a database's documents in the order of their ids (`_all_docs`), a bounded page at a
/// time. Tombstones and documents out of the reader's reach are left out; with keys each key gets a
/// row. It is no snapshot: what is written meanwhile may appear or not.
/// Confined to its executor. The context and documents must outlive it.
class AllDocsCursor {
 public:
  AllDocsCursor(DatabaseContext& context, DocumentReader& documents,
                std::shared_ptr<const Principal> reader, AllDocsQuery query);

  /// The next rows; none at the end. A page may be short. Errors: as Bucket::scan, corrupted.
  Task<Result<std::vector<AllDocsRow>>> next();
  /// Documents that `skip` has left out. None if the walk began at a key.
  std::optional<std::uint64_t> offset() const;
  /// Documents that the reader can reach. None unless the walk went over all, from first to last.
  std::optional<std::uint64_t> total() const;

 private:
  Task<Result<std::vector<AllDocsRow>>> next_by_keys();
  Task<Result<std::vector<AllDocsRow>>> next_by_range();
  Task<Result<void>> add_documents(std::vector<AllDocsRow>& rows);
  void describe(AllDocsRow& row, const DocumentEnvelope& envelope) const;
  bool is_past_end(const std::string& name) const;
  bool takes_row();

  DatabaseContext& context_;
  DocumentReader& documents_;
  std::shared_ptr<const Principal> reader_;
  AllDocsQuery query_;
  std::size_t page_;
  BaseScan scan_;
  std::size_t next_key_ = 0;
  std::uint64_t skipped_ = 0;
  std::uint64_t taken_ = 0;
  bool has_seen_last_ = false;
  bool is_done_ = false;
};

}  // namespace headgate
