// SPDX-License-Identifier: Apache-2.0
#include "server/copy_command.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "cli/exit_status.hpp"
#include "database/store_copy.hpp"
#include "net/worker_pool.hpp"
#include "server/node_buckets.hpp"
#include "server/signal_watch.hpp"

namespace headgate {

namespace {

constexpr std::chrono::seconds kOpenTime{10};
constexpr std::chrono::seconds kStopTime{60};
constexpr std::chrono::seconds kTellEvery{2};

int fail(const Error& why) {
  std::cerr << "headgate copy: " << why.context << std::endl;
  return static_cast<int>(exit_status(why.code));
}

std::string_view name_of(StoreCopy::Step step) {
  switch (step) {
    case StoreCopy::Step::preparing:
      return "preparing";
    case StoreCopy::Step::copying:
      return "copying";
    case StoreCopy::Step::comparing:
      return "comparing";
    case StoreCopy::Step::finishing:
    case StoreCopy::Step::done:
      return "finishing";
  }
  return "";
}

/// A server that is not there, or a failover.
bool is_of_the_moment(Errc code) {
  return code == Errc::unavailable || code == Errc::overloaded || code == Errc::rolled_back ||
         code == Errc::timeout_unknown_outcome;
}

/// The event loop of one copy.
class CopyRun {
 public:
  CopyRun(const ServerConfig& to, RocksStore& store)
      : workers_(to.worker_threads),
        environment_(workers_),
        source_(environment_, store),
        buckets_(environment_, to, nullptr),
        stop_wanted_(environment_),
        scope_(environment_) {}
  ~CopyRun() { workers_.stop(); }

  int run() {
    SignalWatch signals([this] { environment_.post_from_thread([this] { stop(); }); }, kStopTime);
    scope_.spawn(main_task());
    environment_.run();
    return exit_status_;
  }

 private:
  void stop() {
    is_stopping_ = true;
    if (copy_) copy_->stop();
    stop_wanted_.raise();
  }

  Task<void> main_task() {
    if (const auto opened = co_await buckets_.open(environment_.now() + kOpenTime); !opened)
      exit_status_ = fail(opened.error());
    else
      co_await copy();
    environment_.stop();
  }

  Task<void> copy() {
    copy_.emplace(StoreCopy::Dependencies{environment_, source_, buckets_.base(), buckets_.cache()},
                  buckets_.durabilities());
    if (is_stopping_) copy_->stop();
    TaskScope telling(environment_);
    telling.spawn(tell());
    const auto done = co_await copy_->run();
    is_stopping_ = true;
    stop_wanted_.raise();
    co_await telling.join();
    if (done) {
      const StoreCopy::Progress& all = copy_->progress();
      std::cout << fmt::format("copied and compared: {} databases, {} values written\n",
                               all.databases, all.counts.written)
                << std::flush;
    } else if (done.error().code == Errc::cancelled) {
      exit_status_ = fail({Errc::internal, "stopped; run it again to go on"});
    } else {
      Error why = done.error();
      if (is_of_the_moment(why.code)) why.context += "; run it again to go on";
      exit_status_ = fail(why);
    }
  }

  Task<void> tell() {
    while (!is_stopping_) {
      co_await stop_wanted_.wait_past(stop_wanted_.count(), environment_.now() + kTellEvery);
      if (is_stopping_) co_return;
      const StoreCopy::Progress& now = copy_->progress();
      std::cerr << fmt::format("{} {}: {} % ({} of {} databases done), {} values, {} MB\n",
                               name_of(now.step), now.database, now.percent, now.finished,
                               now.databases, now.counts.values, now.counts.bytes >> 20)
                << std::flush;
    }
  }

  WorkerPool workers_;
  AsioEnvironment environment_;
  RocksBucket source_;
  NodeBuckets buckets_;
  std::optional<StoreCopy> copy_;
  Signal stop_wanted_;
  bool is_stopping_ = false;
  int exit_status_ = 0;
  TaskScope scope_;
};

}  // namespace

int run_copy(const CopyRequest& request) {
  SignalWatch::block_signals();
  set_log_level(LogLevel::warning);
  if (!request.to.base.is_redis() || request.to.uses_rocksdb())
    return fail({Errc::invalid_argument,
                 "--to: the tables base and cache must name Redis servers (engine = \"redis\")"});
  // An embedded store that is not there would be made.
  if (!std::filesystem::exists(std::filesystem::path(request.from) / "CURRENT"))
    return fail({Errc::not_found, "--from: there is no data in the directory " + request.from});
  RocksOptions options;
  options.directory = request.from;
  options.block_cache_bytes = request.to.block_cache_bytes;
  options.write_buffer_bytes = request.to.write_buffer_bytes;
  auto store = RocksStore::open(options);
  if (!store) {
    const Error& why = store.error();
    return fail({why.code,
                 fmt::format("cannot open the data directory {}: {}", request.from, why.context)});
  }
  return CopyRun(request.to, **store).run();
}

}  // namespace headgate
