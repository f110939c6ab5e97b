// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{1'000};
constexpr std::size_t kReadBytes = 64 * 1024;
// Calls are joined up to here for one system call.
constexpr std::size_t kWriteBytes = 256 * 1024;

}  // namespace

RedisConnection::RedisConnection(AsioEnvironment& environment, RedisAddress address,
                                 const RedisOptions& options, RedisTls* tls)
    : environment_(environment),
      address_(std::move(address)),
      options_(options),
      tls_(tls),
      socket_(environment),
      work_(environment),
      writer_(environment),
      tasks_(environment) {
  tasks_.spawn(run());
}

Task<RedisConnection::Answer> RedisConnection::call(std::string wire, Deadline deadline,
                                                    bool skips_first_answer) {
  const Shared call = std::make_shared<Call>(environment_);
  call->size = wire.size();
  call->wire = std::move(wire);
  call->skips_first_answer = skips_first_answer;
  waiting_.push_back(call);
  work_.raise();
  if (!call->answer) co_await call->done.wait_past(0, deadline);
  if (call->answer) co_return std::move(*call->answer);
  if (call->sent != TimePoint()) co_return Answer{End::lost};
  call->is_given_up = true;
  co_return Answer{End::not_sent};
}

Task<void> RedisConnection::run() {
  auto pause = kFirstPause;
  while (true) {
    const auto seen = work_.count();
    if (waiting_.empty()) co_await work_.wait_past(seen);
    const auto opened = co_await open();
    if (!opened) {
      if (failure_.empty())
        log(LogLevel::warning, "redis.unreachable", {{"error", opened.error().context}});
      failure_ = opened.error().context;
      end_waiting();
      co_await environment_.sleep_for(pause);
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    pause = kFirstPause;
    failure_.clear();
    ++connects_;
    is_open_ = true;
    if (on_connected_) on_connected_();
    writer_.spawn(write_loop());
    co_await read_loop();
    is_open_ = false;
    socket_.close();
    work_.raise();
    co_await writer_.join();
    end_in_flight();
  }
}

Task<Result<void>> RedisConnection::open() {
  reader_.reset(redisReaderCreate());
  out_.clear();
  out_sent_ = 0;
  gathered_ = 0;
  const Deadline deadline = environment_.now() + options_.connect_timeout;
  HG_CO_CHECK(co_await socket_.connect(address_, tls_, deadline));
  auto authenticated = co_await authenticate(deadline);
  if (!authenticated)
    co_return Error{Errc::unavailable, fmt::format("{}:{}: {}", address_.host, address_.port,
                                                   authenticated.error().context)};
  co_return Result<void>();
}

Task<Result<void>> RedisConnection::authenticate(Deadline deadline) {
  if (options_.password.empty()) co_return Result<void>();
  RespCommand command;
  command.add("AUTH");
  if (!options_.user.empty()) command.add(options_.user);
  command.add(options_.password);
  HG_CO_TRY(const RespReply reply, co_await exchange(command.wire(), deadline));
  if (is_error(*reply)) co_return Error{Errc::unavailable, std::string(resp_text(*reply))};
  co_return Result<void>();
}

Task<Result<RespReply>> RedisConnection::exchange(std::string wire, Deadline deadline) {
  const Error none{Errc::unavailable, "no answer"};
  std::size_t sent = 0;
  while (sent < wire.size()) {
    std::size_t count = 0;
    const auto status = socket_.write_some(std::string_view(wire).substr(sent), count);
    sent += count;
    if (status == RedisSocket::Status::ended) co_return none;
    if (status == RedisSocket::Status::wants_write && !co_await socket_.writable(deadline))
      co_return none;
    if (status == RedisSocket::Status::wants_read && !co_await socket_.readable(deadline))
      co_return none;
  }
  std::array<char, 1024> buffer;
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) co_return none;
    if (reply) co_return RespReply(static_cast<redisReply*>(reply));
    std::size_t count = 0;
    const auto status = socket_.read_some(buffer.data(), buffer.size(), count);
    redisReaderFeed(reader_.get(), buffer.data(), count);
    if (status == RedisSocket::Status::ended) co_return none;
    if (status == RedisSocket::Status::wants_read && !co_await socket_.readable(deadline))
      co_return none;
    if (status == RedisSocket::Status::wants_write && !co_await socket_.writable(deadline))
      co_return none;
  }
}

Task<void> RedisConnection::read_loop() {
  std::string buffer(kReadBytes, '\0');
  while (true) {
    std::size_t count = 0;
    const auto status = socket_.read_some(buffer.data(), buffer.size(), count);
    if (status == RedisSocket::Status::ended) co_return;
    if (status == RedisSocket::Status::done) {
      last_progress_ = environment_.now();
      redisReaderFeed(reader_.get(), buffer.data(), count);
      if (!take_answers()) co_return;
      continue;
    }
    const Deadline until = environment_.now() + options_.silence;
    const bool is_ready = status == RedisSocket::Status::wants_read
                              ? co_await socket_.readable(until)
                              : co_await socket_.writable(until);
    if (!is_ready && is_silent()) {
      log(LogLevel::warning, "redis.silent",
          {{"address", fmt::format("{}:{}", address_.host, address_.port)}});
      co_return;
    }
  }
}

bool RedisConnection::is_silent() const {
  if (in_flight_.empty()) return false;
  return std::max(in_flight_.front()->sent, last_progress_) + options_.silence <=
         environment_.now();
}

bool RedisConnection::take_answers() {
  while (true) {
    void* parsed = nullptr;
    if (redisReaderGetReply(reader_.get(), &parsed) != REDIS_OK) return false;
    if (!parsed) return true;
    RespReply reply(static_cast<redisReply*>(parsed));
    if (in_flight_.empty()) return false;
    if (std::exchange(in_flight_.front()->skips_first_answer, false)) continue;
    const Shared call = std::move(in_flight_.front());
    in_flight_.pop_front();
    finish(call, {End::answered, std::move(reply)});
  }
}

Task<void> RedisConnection::write_loop() {
  while (is_open_) {
    const auto seen = work_.count();
    gather();
    if (out_.empty()) {
      co_await work_.wait_past(seen);
      continue;
    }
    std::size_t count = 0;
    const auto status = socket_.write_some(std::string_view(out_).substr(out_sent_), count);
    out_sent_ += count;
    if (count > 0) last_progress_ = environment_.now();
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
    }
    if (status == RedisSocket::Status::ended) {
      socket_.close();
      co_return;
    }
    if (status == RedisSocket::Status::wants_write)
      co_await socket_.writable(environment_.now() + options_.silence);
    if (status == RedisSocket::Status::wants_read)
      co_await socket_.readable(environment_.now() + options_.silence);
  }
}

void RedisConnection::gather() {
  while (!waiting_.empty() && out_.size() < kWriteBytes) {
    const Shared call = std::move(waiting_.front());
    waiting_.pop_front();
    if (call->is_given_up) continue;
    gathered_ += call->size;
    call->end_offset = gathered_;
    call->sent = environment_.now();
    if (out_.empty()) {
      out_ = std::move(call->wire);
    } else {
      out_ += call->wire;
    }
    call->wire = {};
    in_flight_.push_back(call);
  }
}

void RedisConnection::finish(const Shared& call, Answer answer) {
  call->answer = std::move(answer);
  call->done.raise();
}

void RedisConnection::end_waiting() {
  for (const Shared& call : std::exchange(waiting_, {})) finish(call, {End::not_sent});
}

void RedisConnection::end_in_flight() {
  const std::uint64_t sent = gathered_ - (out_.size() - out_sent_);
  for (const Shared& call : std::exchange(in_flight_, {}))
    finish(call, {call->end_offset <= sent ? End::lost : End::not_sent});
}

}  // namespace headgate
