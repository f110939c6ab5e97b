// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/rocksdb/completion.hpp"

namespace headgate {

class Mailbox;

/// Writes on their way through the committer, or a barrier, or the end of a database.
struct WriteRequest : Completion {
  std::vector<Operation> operations;
  std::vector<Reply> replies;  ///< as many; filled in by the committer
  WallTime now;                ///< decides what has expired
  bool is_barrier = false;
  std::optional<DatabaseId> dropped;
  Errc outcome = Errc::ok;  ///< of a barrier or drop
  std::size_t bytes = 0;
  std::shared_ptr<Mailbox> mailbox;
  /// Nobody waits any more: what is not begun need not be.
  std::atomic<bool> is_abandoned = false;
};

/// Way back from the store's threads to one executor; outlives its bucket while requests are on
/// their way.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  using Requests = std::vector<std::shared_ptr<WriteRequest>>;
  using Databases = std::vector<DatabaseId>;
  /// Told, on the executor, whose feeds have news.
  using Watcher = std::function<void(const Databases&)>;

  Mailbox(Environment& environment, Watcher watcher)
      : environment_(&environment), watcher_(std::move(watcher)) {}

  /// One turn of the executor for all of it. Safe from any thread.
  void deliver(Requests finished, Databases fed);
  /// On the executor: nothing reaches it from now on.
  void detach();

  /// Whether the bucket has open feeds: only then is it told of news. Safe from any thread.
  void set_watching(bool is_watching) { is_watching_ = is_watching; }
  bool is_watching() const { return is_watching_; }

 private:
  void open(const Requests& finished, const Databases& fed);

  std::mutex mutex_;
  Environment* environment_;  // null once detached; under mutex_
  Watcher watcher_;           // executor only
  std::atomic<bool> is_watching_ = false;
};

}  // namespace headgate
