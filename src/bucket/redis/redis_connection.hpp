// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "bucket/redis/redis_socket.hpp"
#include "bucket/redis/resp.hpp"

namespace headgate {

/// One multiplexed connection to one server: calls are written one behind the other, many in one
/// system call, and answered in their order. Connects when there is something to send, again after
/// a loss, with growing pauses. Confined to its executor; must outlive the calls.
///
/// Invariant: a call of which the kernel has not taken the last byte has not been carried out; of
/// any other that has no answer nobody can tell.
class RedisConnection {
 public:
  enum class End : unsigned char {
    answered,
    not_sent,  ///< not carried out: no connection, or the deadline came first
    lost,      ///< carried out or not: no answer came
  };
  struct Answer {
    End end = End::not_sent;
    RespReply reply = {};  ///< if answered
  };

  /// All must outlive it. `tls` may be null.
  RedisConnection(AsioEnvironment& environment, RedisAddress address, const RedisOptions& options,
                  RedisTls* tls);

  /// Sends one command, or two whose first answer does not matter.
  Task<Answer> call(std::string wire, Deadline deadline, bool skips_first_answer = false);
  /// Runs after each time a connection was made.
  void set_on_connected(std::function<void()> then) { on_connected_ = std::move(then); }
  const RedisAddress& address() const { return address_; }
  /// How often a connection was made.
  std::uint64_t connects() const { return connects_; }
  /// Why the last attempt to connect failed; empty after a success.
  const std::string& failure() const { return failure_; }

 private:
  struct Call {
    explicit Call(Environment& environment) : done(environment) {}
    std::string wire = {};
    std::size_t size = 0;
    std::uint64_t end_offset = 0;  // in the bytes of this connection
    TimePoint sent = {};
    bool skips_first_answer = false;
    bool is_given_up = false;  // its caller went away before it was written
    std::optional<Answer> answer = {};
    Signal done;
  };
  using Shared = std::shared_ptr<Call>;

  Task<void> run();
  Task<Result<void>> open();
  Task<Result<void>> authenticate(Deadline deadline);
  Task<Result<RespReply>> exchange(std::string wire, Deadline deadline);
  Task<void> read_loop();
  Task<void> write_loop();
  void gather();
  /// False if the bytes are no protocol.
  bool take_answers();
  bool is_silent() const;
  void finish(const Shared& call, Answer answer);
  void end_waiting();
  void end_in_flight();

  AsioEnvironment& environment_;
  const RedisAddress address_;
  const RedisOptions& options_;
  RedisTls* tls_;
  std::function<void()> on_connected_;
  struct ReaderFree {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  std::unique_ptr<redisReader, ReaderFree> reader_;
  RedisSocket socket_;
  std::deque<Shared> waiting_;
  std::deque<Shared> in_flight_;
  std::string out_;  // written up to out_sent_
  std::size_t out_sent_ = 0;
  std::uint64_t gathered_ = 0;  // bytes of this connection that went into out_
  std::uint64_t connects_ = 0;
  TimePoint last_progress_;  // a byte went or came
  bool is_open_ = false;
  std::string failure_;
  Signal work_;
  TaskScope writer_;
  TaskScope tasks_;
};

}  // namespace headgate
