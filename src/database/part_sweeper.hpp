// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/task_scope.hpp"
#include "database/database_context.hpp"

namespace headgate {

/// Removes attachments and bodies that no document refers to: what a crash, a failed write or a
/// purge that was cut off left behind. What a write itself makes superfluous goes with the write.
/// Safe beside writers and other sweepers (document_parts.hpp). Confined to its executor. The
/// context must outlive it; stop() before that goes.
class PartSweeper {
 public:
  explicit PartSweeper(DatabaseContext& context) : context_(context), tasks_(context.environment) {}

  /// Looks at everything once, in the background. Nothing happens while it runs.
  void start();
  /// Idempotent.
  Task<void> stop();

  bool is_running() const { return is_running_; }
  std::uint64_t removed() const { return removed_; }

 private:
  /// What one version of a document, or its absence, says of its parts.
  struct Owner {
    bool is_readable = false;  ///< else nothing of it is removed
    std::set<Key> parts;
    Condition is_still;
  };

  Task<void> run();
  Task<Result<void>> sweep(KeyKind kind, std::string tag);
  Task<Result<Owner>> owner_of(DocId id);

  DatabaseContext& context_;
  std::uint64_t removed_ = 0;
  bool is_running_ = false;
  bool is_stopping_ = false;
  TaskScope tasks_;
};

}  // namespace headgate
