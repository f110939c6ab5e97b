// SPDX-License-Identifier: Apache-2.0
#include "net/http_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "net/session_exchange.hpp"

namespace headgate {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
// What a peer may send ahead while its request is being handled; the kernel keeps the rest.
constexpr std::size_t kMaxKeptInput = 64 * 1024;
constexpr int kReadsPerTurn = 8;
constexpr std::chrono::seconds kLingerTimeout{2};
constexpr HttpFailure kTimeout{408, "timeout", "the request took too long to arrive"};
constexpr HttpFailure kRefused{503, "service_unavailable", "too many connections"};

}  // namespace

HttpSession::HttpSession(HttpSessionShare& share, TcpSocket socket, PeerAddress peer,
                         Admission admission)
    : TcpConnection(share.environment.loop(), std::move(socket), share.options.tls.get()),
      share_(share),
      peer_(std::move(peer)),
      admission_(admission) {}

void HttpSession::enter(Phase phase, std::chrono::seconds timeout) {
  phase_ = phase;
  // The present tick is partly over.
  deadline_ = share_.tick + static_cast<std::uint32_t>(timeout.count()) + 1;
}

void HttpSession::enter_handling() {
  phase_ = Phase::handling;
  deadline_ = kNever;
}

Task<void> HttpSession::run() {
  for (;;) {
    if (input_.empty()) {
      if (share_.is_stopping) break;
      input_.shrink_to_fit();
      enter(Phase::idle, share_.options.idle_timeout);
      co_await readable();
    }
    if (!co_await serve_one()) break;
  }
  if (has_unread_request_ && !has_failed()) co_await linger();
  close();
  co_await closed();
}

Task<bool> HttpSession::serve_one() {
  SessionExchange exchange(*this);
  if (!co_await read_request(exchange)) co_return false;
  enter_handling();
  exchange_ = &exchange;
  ++share_.stats.requests_total;
  ++share_.stats.handlers;
  co_await share_.handler.handle(exchange);
  --share_.stats.handlers;
  exchange_ = nullptr;
  is_peer_watched_ = false;
  co_return co_await exchange.finish();
}

Task<bool> HttpSession::read_request(SessionExchange& exchange) {
  HttpRequest& request = exchange.request();
  RequestParser parser(request, share_.options.max_head_bytes);
  if (!co_await read_stage(parser, Phase::head)) co_return false;
  request.remote_address = peer_.text;
  request.is_loopback = peer_.is_loopback;
  request.is_tls = share_.options.tls != nullptr;
  exchange.set_framing(parser.keeps_alive(), parser.is_http10());
  if (admission_ == Admission::refused) {
    ++share_.stats.refused_total;
    co_return co_await refuse(kRefused, parser);
  }
  if (parser.is_done()) co_return true;
  co_return co_await read_body(exchange, parser);
}

Task<bool> HttpSession::read_body(SessionExchange& exchange, RequestParser& parser) {
  parser.begin_body(share_.handler.body_limit(exchange.request()), exchange.body());
  if (parser.failure()) co_return co_await refuse(*parser.failure(), parser);
  if (parser.expects_continue() && input_.empty() && !parser.is_http10()) {
    OutgoingBytes bytes;
    bytes.suffix = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!co_await send(std::move(bytes))) co_return false;
  }
  co_return co_await read_stage(parser, Phase::body);
}

Task<bool> HttpSession::read_stage(RequestParser& parser, Phase phase) {
  const auto timeout =
      phase == Phase::head ? share_.options.head_timeout : share_.options.body_timeout;
  received_ = input_.size();
  received_mark_ = 0;
  for (;;) {
    const Progress progress = read_available(parser);
    if (progress == Progress::done) co_return true;
    if (parser.failure()) co_return co_await refuse(*parser.failure(), parser);
    if (progress == Progress::ended) {
      if (has_timed_out_ && parser.has_begun()) co_return co_await refuse(kTimeout, parser);
      co_return false;
    }
    if (phase_ != phase && parser.has_begun()) enter(phase, timeout);
    co_await readable();
  }
}

HttpSession::Progress HttpSession::read_available(RequestParser& parser) {
  if (!input_.empty() && parse(parser, input_)) return Progress::done;
  for (int i = 0; i < kReadsPerTurn && !parser.failure(); ++i) {
    std::size_t count = 0;
    const ReadStatus status =
        read_some(share_.input.get(), HttpSessionShare::kInputCapacity, count);
    if (status == ReadStatus::ended) return Progress::ended;
    if (status == ReadStatus::would_block) return Progress::starved;
    received_ += count;
    std::string_view bytes(share_.input.get(), count);
    if (!input_.empty()) bytes = input_.append(bytes);
    if (parse(parser, bytes)) return Progress::done;
  }
  return Progress::starved;
}

bool HttpSession::parse(RequestParser& parser, std::string_view bytes) {
  const std::size_t taken = parser.parse(bytes);
  if (bytes.data() == input_.data()) {
    input_.erase(0, taken);
  } else {
    input_.assign(bytes.substr(taken));
  }
  return parser.is_stage_done() && !parser.failure();
}

Task<bool> HttpSession::refuse(HttpFailure failure, const RequestParser& parser) {
  has_unread_request_ = true;
  ++share_.stats.refusals_by_status[failure.status];
  OutgoingBytes bytes;
  bytes.data =
      fmt::format("{{\"error\":\"{}\",\"reason\":\"{}\"}}\n", failure.error, failure.reason);
  bytes.prefix = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}"
      "Connection: close\r\n\r\n",
      failure.status, reason_phrase(failure.status), bytes.data.size(),
      failure.status == 503 ? "Retry-After: 1\r\n" : "");
  if (parser.is_head_method()) bytes.data.clear();
  co_await send(std::move(bytes));
  co_return false;
}

Task<bool> HttpSession::send(OutgoingBytes bytes) {
  std::size_t sent = 0;
  WriteStatus status = write_some(bytes, sent);
  if (status == WriteStatus::would_block) {
    std::size_t& unsent = share_.stats.unsent_bytes;
    const std::size_t total = bytes.size();
    const auto before = std::pair(phase_, deadline_);
    unsent += total - sent;
    while (status == WriteStatus::would_block) {
      enter(Phase::writing, share_.options.write_timeout);
      co_await writable();
      const std::size_t sent_before = sent;
      status = write_some(bytes, sent);
      unsent -= sent - sent_before;
    }
    unsent -= total - sent;
    std::tie(phase_, deadline_) = before;
  }
  co_return status == WriteStatus::done;
}

Task<void> HttpSession::linger() {
  shutdown_send();
  enter(Phase::lingering, kLingerTimeout);
  for (;;) {
    for (int i = 0; i < kReadsPerTurn; ++i) {
      std::size_t count = 0;
      const ReadStatus status =
          read_some(share_.input.get(), HttpSessionShare::kInputCapacity, count);
      if (status == ReadStatus::ended) co_return;
      if (status == ReadStatus::would_block) break;
    }
    co_await readable();
  }
}

void HttpSession::watch_peer() {
  if (is_peer_watched_) return;
  is_peer_watched_ = true;
  watch_read();
}

void HttpSession::on_unawaited_read() {
  if (!is_peer_watched_) return;
  while (input_.size() < kMaxKeptInput) {
    std::size_t count = 0;
    const std::size_t room =
        std::min(HttpSessionShare::kInputCapacity, kMaxKeptInput - input_.size());
    const ReadStatus status = read_some(share_.input.get(), room, count);
    if (status == ReadStatus::would_block) return watch_read();
    if (status == ReadStatus::ended) {
      is_peer_gone_ = true;
      exchange_->tell_interrupt();
      return;
    }
    input_.append(share_.input.get(), count);
  }
}

void HttpSession::sweep() {
  if (share_.tick < deadline_) return;
  if (phase_ == Phase::body && received_ - received_mark_ >= share_.options.min_body_bytes) {
    received_mark_ = received_;
    enter(Phase::body, share_.options.body_timeout);
    return;
  }
  deadline_ = kNever;
  has_timed_out_ = true;
  if (phase_ != Phase::lingering) ++share_.stats.timeouts_total;
  if (phase_ == Phase::writing) {
    fail();
  } else {
    stop_reading();
  }
}

void HttpSession::begin_stop() {
  if (phase_ == Phase::idle || phase_ == Phase::lingering) {
    stop_reading();
  } else if (exchange_ != nullptr) {
    exchange_->tell_interrupt();
  }
}

}  // namespace headgate
