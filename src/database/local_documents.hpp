// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/types.hpp"
#include "database/database_context.hpp"
#include "document/document_body.hpp"

namespace headgate {

/// Life of a `_local` document, counted anew when it is written or read.
inline constexpr std::chrono::hours kLocalDocumentLife{24 * 90};

/// When a stored `_local` document's life ends. Errors: corrupted, unsupported.
Result<WallTime> end_of_local_document(std::string_view bytes);

/// Store of `_local` documents: checkpoints of replicators. They have no sequence and no channel
/// and are not replicated; every user of the database can read and write them.
/// Confined to its executor. The context must outlive it, and the calls in flight.
class LocalDocuments {
 public:
  struct Stored {
    Revision rev;      ///< generation 0, digest N: the count of writes
    std::string json;  ///< the document with `_id` and `_rev`
    /// Largest sequence of the database when it was written (R18).
    Sequence highest;
  };

  explicit LocalDocuments(DatabaseContext& context) : context_(context) {}

  /// `id` begins with "_local/". In a cluster one is absent that may vouch for writes that a
  /// failover took: whoever pushed up to there pushes again (R18). That is one written above the
  /// floor of a later epoch, and the first of each epoch: its session may have begun before.
  /// Errors: not_found, unavailable, corrupted.
  Task<Result<Stored>> get(DocId id);
  /// Writes or, if `document.is_deleted`, removes. `document` was parsed with
  /// ParseOptions::is_local. Returns the new revision.
  /// Errors: conflict (a missing or another rev), not_found (a rev of something absent), too_large,
  /// unavailable, no_space, timeout_unknown_outcome.
  Task<Result<Revision>> put(DocId id, ParsedDocument document);

 private:
  struct Present;
  Task<Result<Present>> load(DocId id);
  Task<void> renew(DocId id, std::string bytes, Cas cas);

  DatabaseContext& context_;
};

}  // namespace headgate
