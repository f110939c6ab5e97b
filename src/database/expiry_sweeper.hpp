// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.hpp"
#include "base/signal.hpp"
#include "base/task.hpp"
#include "base/task_scope.hpp"
#include "database/database_context.hpp"
#include "database/document_reader.hpp"
#include "database/document_writer.hpp"

namespace headgate {

/// Deletes documents whose `_exp` has come: a tombstone like any other, which the sync function
/// judges and every client is told of. Finds them by an index in the order of time, which is
/// written before the documents, so that it names all of them and some that expire no more.
/// Confined to its executor. Everything passed in must outlive it; stop() before that goes.
class ExpirySweeper {
 public:
  static constexpr std::chrono::seconds kEvery{5};

  /// `is_mine`: whether this node does it now.
  ExpirySweeper(DatabaseContext& context, DocumentReader& documents, DocumentWriter& writer,
                std::function<bool()> is_mine)
      : context_(context),
        documents_(documents),
        writer_(writer),
        is_mine_(std::move(is_mine)),
        stopped_(context.environment),
        tasks_(context.environment) {}

  void start();
  /// Idempotent.
  Task<void> stop();

  std::uint64_t expired() const { return expired_; }

 private:
  Task<void> run();
  Task<Result<void>> sweep();
  Task<Result<void>> expire(DocId id);

  DatabaseContext& context_;
  DocumentReader& documents_;
  DocumentWriter& writer_;
  std::function<bool()> is_mine_;
  std::uint64_t expired_ = 0;
  bool is_stopping_ = false;
  Signal stopped_;
  TaskScope tasks_;
};

}  // namespace headgate
