// SPDX-License-Identifier: Apache-2.0
#include "server/restore.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/log.hpp"
#include "base/task_scope.hpp"
#include "bucket/rocksdb/backup.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "cli/backup_command.hpp"
#include "database/restored_store.hpp"
#include "net/asio_environment.hpp"
#include "net/worker_pool.hpp"

namespace headgate {

namespace {

Task<void> renew(AsioEnvironment& environment, Bucket& bucket, Result<std::size_t>& outcome) {
  outcome = co_await renew_identity(environment, bucket);
  environment.stop();
}

Result<std::size_t> renew_store(const std::string& directory) {
  RocksOptions options;
  options.directory = directory;
  HG_TRY(const auto store, RocksStore::open(options));
  WorkerPool workers(1);
  Result<std::size_t> outcome{Errc::internal};
  {
    AsioEnvironment environment(workers);
    RocksBucket bucket(environment, *store);
    TaskScope scope(environment);
    scope.spawn(renew(environment, bucket, outcome));
    environment.run();
    workers.stop();
  }
  return outcome;
}

Result<void> copy(RocksRestore& restore) {
  while (true) {
    HG_TRY(const bool is_copied, restore.step());
    show_copied(restore.bytes_done(), restore.bytes_total());
    if (is_copied) return {};
  }
}

}  // namespace

Result<std::string> restore_store(const std::string& from, const std::string& data) {
  set_log_level(LogLevel::error);
  HG_TRY(const auto restore, RocksRestore::begin(from, data));
  const auto copied = copy(*restore);
  end_copied();
  HG_CHECK(copied);
  HG_TRY(const std::size_t databases, renew_store(restore->directory()));
  HG_CHECK(restore->finish());
  return fmt::format(
      "restored into {}: {} {}, {}\n"
      "Clients take it for another server: they begin anew, and push what the backup lacks.\n",
      data, databases, databases == 1 ? "database" : "databases",
      print_bytes(restore->bytes_total()));
}

}  // namespace headgate
