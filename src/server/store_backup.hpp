// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "api/backup_job.hpp"
#include "base/environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/rocksdb/backup.hpp"

namespace headgate {

/// Backups of the embedded store, by worker threads. Environment and store must outlive it.
class StoreBackup final : public BackupJob {
 public:
  StoreBackup(Environment& environment, const RocksStore& store);
  ~StoreBackup() override;

  Task<Result<void>> start(std::string to) override;
  Progress progress() const override { return progress_; }
  /// Gives up what is not whole. Afterwards no other is begun.
  Task<void> stop();

 private:
  Task<void> copy(std::shared_ptr<RocksBackup> backup);
  void end(Result<bool> outcome);

  Environment& environment_;
  const RocksStore& store_;
  Progress progress_;
  bool is_stopping_ = false;
  TaskScope tasks_;
};

}  // namespace headgate
