// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/signal.hpp"
#include "base/task.hpp"
#include "base/task_scope.hpp"
#include "database/database_context.hpp"
#include "database/document_writer.hpp"

namespace headgate {

/// Judges all documents anew by the present sync function while the database serves: those whose
/// channels or grants come out differently are written at a new sequence, so that every client
/// hears of it like of any change. Its place is kept in the base bucket: what was interrupted goes
/// on where it was. One runs in a database at a time, on the node that was asked. Confined to its
/// executor. The context and writer must outlive it; stop() before they go.
class DocumentResync {
 public:
  enum class State : std::uint8_t { idle, running, stopped, completed, failed };
  struct Progress {
    State state = State::idle;
    std::uint64_t processed = 0;  ///< documents, tombstones among them
    std::uint64_t changed = 0;    ///< written anew
    std::uint64_t failed = 0;     ///< could not be judged: unreadable, or the function failed
    std::string place;            ///< id of the last one processed

    friend bool operator==(const Progress&, const Progress&) = default;
  };

  DocumentResync(DatabaseContext& context, DocumentWriter& writer)
      : context_(context),
        writer_(writer),
        changed_(context.environment),
        tasks_(context.environment) {}

  /// Begins, or goes on from where one was stopped or failed under the same sync function, unless
  /// `from_start`. Nothing happens if one is running. Errors: unavailable, no_space, corrupted.
  Task<Result<void>> start(bool from_start);
  /// Goes on with one that was running when the process ended. Errors: as start().
  Task<Result<void>> resume();
  /// Ends the work of now and keeps the place. Idempotent.
  Task<void> stop();
  /// The same, but resume() goes on with it: for the end of the process.
  Task<void> suspend();

  const Progress& progress() const { return progress_; }

 private:
  struct Stored {
    Progress progress;
    std::uint64_t function = 0;  ///< which sync function it was begun with
  };
  std::uint64_t function_now() const;
  Task<Result<Stored>> load();
  Task<Result<void>> save();
  Task<void> run();
  Task<Result<bool>> run_batch();
  Task<Result<void>> judge(std::vector<DocId> ids);

  DatabaseContext& context_;
  DocumentWriter& writer_;
  Progress progress_;
  std::uint64_t function_ = 0;
  bool is_stopping_ = false;
  bool is_suspended_ = false;
  Signal changed_;
  TaskScope tasks_;
};

}  // namespace headgate
