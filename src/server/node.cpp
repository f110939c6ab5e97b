// SPDX-License-Identifier: Apache-2.0
#include "server/node.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <optional>

#include "base/log.hpp"
#include "base/task_scope.hpp"
#include "net/worker_pool.hpp"
#include "server/command_line.hpp"
#include "server/metrics.hpp"
#include "server/signal_watch.hpp"

namespace headgate {

namespace {

constexpr std::chrono::seconds kDrainTime{10};
constexpr std::chrono::seconds kStopTime{30};

int fail(std::string_view what) {
  std::cerr << "headgate: " << what << std::endl;
  return 1;
}

/// The store and the process itself need these.
constexpr std::size_t kReservedDescriptors = 1'024;

void keep_to_descriptor_limit(ServerConfig& config) {
  const std::size_t limit = raise_descriptor_limit();
  const std::size_t free =
      limit > 2 * kReservedDescriptors ? limit - kReservedDescriptors : limit / 2;
  if (config.max_connections <= free) return;
  log(LogLevel::warning, "server.fewer_connections",
      {{"descriptors", std::to_string(limit)}, {"connections", std::to_string(free)}});
  config.max_connections = free;
}

/// Less room than this on the disk, and the store cannot even be opened.
constexpr std::uintmax_t kStartBytes = 16u << 20;

/// Empty: there is room, or nobody knows.
std::string lack_of_room(const std::string& directory) {
  std::filesystem::path path = std::filesystem::absolute(directory);
  std::error_code unknown;
  while (!std::filesystem::exists(path, unknown) && path.has_relative_path())
    path = path.parent_path();
  const auto space = std::filesystem::space(path, unknown);
  if (unknown || space.available >= kStartBytes) return {};
  return fmt::format("the disk of the data directory {} is full: {} KiB are free, {} are needed",
                     directory, space.available >> 10, kStartBytes >> 10);
}

/// How long a Redis that is not there yet is waited for.
constexpr std::chrono::seconds kOpenTime{10};

/// One run of the event loop, from start to stop.
class Node {
 public:
  /// `store` may be null.
  Node(const ServerConfig& config, const FrontEndHooks& hooks, RocksStore* store)
      : config_(config),
        hooks_(hooks),
        workers_(config.worker_threads),
        environment_(workers_),
        stop_wanted_(environment_),
        buckets_(environment_, config, store),
        scope_(environment_) {}

  ~Node() { workers_.stop(); }

  int run() {
    SignalWatch signals([this] { environment_.post_from_thread([this] { stop_wanted_.raise(); }); },
                        kStopTime);
    scope_.spawn(main_task());
    environment_.run();
    return exit_status_;
  }

 private:
  Task<void> main_task() {
    const auto before = stop_wanted_.count();
    if (const auto opened = co_await buckets_.open(environment_.now() + kOpenTime); !opened) {
      exit_status_ = fail(opened.error().context);
    } else {
      co_await serve(before);
    }
    environment_.stop();
  }

  Task<void> serve(std::uint64_t before) {
    front_end_.emplace(environment_, buckets_, config_, hooks_,
                       [this] { return metrics_text(*front_end_, workers_); });
    if (const auto started = co_await front_end_->start(); !started) {
      exit_status_ = fail(started.error().context);
    } else {
      announce();
      co_await stop_wanted_.wait_past(before);
    }
    const bool is_done = co_await front_end_->stop(environment_.now() + kDrainTime);
    log(LogLevel::info, "server.stopped", {{"drained", is_done ? "true" : "false"}});
  }

  void announce() {
    std::cout << "public " << url_of(config_.public_port, front_end_->public_port()) << "\n"
              << "admin " << url_of(config_.admin_port, front_end_->admin_port()) << std::endl;
    log(LogLevel::info, "server.started",
        {{"version", std::string(kVersion)},
         {"data", config_.uses_rocksdb() ? config_.data : std::string()}});
  }

  const ServerConfig& config_;
  const FrontEndHooks& hooks_;
  WorkerPool workers_;
  AsioEnvironment environment_;
  Signal stop_wanted_;
  NodeBuckets buckets_;
  std::optional<FrontEnd> front_end_;
  int exit_status_ = 0;
  TaskScope scope_;
};

}  // namespace

int serve(ServerConfig config, const FrontEndHooks& hooks) {
  SignalWatch::block_signals();
  set_log_level(config.log_level);
  hide_user_data(config.hides_user_data);
  keep_to_descriptor_limit(config);
  if (!config.uses_rocksdb()) return Node(config, hooks, nullptr).run();
  if (const std::string lack = lack_of_room(config.data); !lack.empty()) return fail(lack);
  RocksOptions options;
  options.directory = config.data;
  options.block_cache_bytes = config.block_cache_bytes;
  options.write_buffer_bytes = config.write_buffer_bytes;
  auto store = RocksStore::open(options);
  if (!store)
    return fail(
        fmt::format("cannot open the data directory {}: {}", config.data, store.error().context));
  if (!(*store)->was_clean_open()) log(LogLevel::warning, "store.was_not_closed");
  return Node(config, hooks, store->get()).run();
}

int run_headgate(int count, const char* const* arguments, const FrontEndHooks& hooks) {
  const CommandLine line = parse_command_line(count, arguments);
  if (line.exit_status) return *line.exit_status;
  return line.copy ? run_copy(*line.copy) : serve(line.config, hooks);
}

}  // namespace headgate
