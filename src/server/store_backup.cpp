// SPDX-License-Identifier: Apache-2.0
#include "server/store_backup.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/log.hpp"

namespace headgate {

StoreBackup::StoreBackup(Environment& environment, const RocksStore& store)
    : environment_(environment), store_(store), tasks_(environment) {}
StoreBackup::~StoreBackup() = default;

Task<Result<void>> StoreBackup::start(std::string to) {
  if (is_stopping_) co_return Error{Errc::unavailable, "the server is stopping"};
  if (progress_.state == State::running)
    co_return Error{Errc::conflict, "a backup is running: " + progress_.to};
  const Progress before = std::exchange(progress_, {.state = State::running, .to = to});
  const RocksStore& store = store_;  // outlives the workers
  auto begun =
      co_await environment_.run_blocking([&store, to] { return RocksBackup::begin(store, to); });
  if (!begun) {
    progress_ = before;
    co_return begun.error();
  }
  progress_.bytes_total = (*begun)->bytes_total();
  log(LogLevel::info, "backup.begun",
      {{"to", to}, {"bytes", fmt::to_string(progress_.bytes_total)}});
  tasks_.spawn(copy(*std::move(begun)));
  co_return Result<void>();
}

// Between two steps other work gets its turn.
Task<void> StoreBackup::copy(std::shared_ptr<RocksBackup> backup) {
  Result<bool> outcome = backup->is_whole();
  progress_.bytes_done = backup->bytes_done();
  while (outcome && !*outcome && !is_stopping_) {
    outcome = co_await environment_.run_blocking([backup] { return backup->step(); });
    progress_.bytes_done = backup->bytes_done();
  }
  // Removes what is not whole.
  co_await environment_.run_blocking([last = std::move(backup)]() mutable {
    last.reset();
    return true;
  });
  end(std::move(outcome));
}

void StoreBackup::end(Result<bool> outcome) {
  if (outcome && *outcome) {
    progress_.state = State::completed;
    log(LogLevel::info, "backup.completed", {{"to", progress_.to}});
    return;
  }
  progress_.state = State::failed;
  progress_.why = outcome ? "the server is stopping" : outcome.error().context;
  log(LogLevel::error, "backup.failed", {{"to", progress_.to}, {"why", progress_.why}});
}

Task<void> StoreBackup::stop() {
  is_stopping_ = true;
  co_await tasks_.join();
}

}  // namespace headgate
