// SPDX-License-Identifier: Apache-2.0
#include "net/session_exchange.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/assert.hpp"
#include "net/session_websocket.hpp"

namespace headgate {
namespace {

bool forbids_body(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

void SessionExchange::set_framing(bool keeps_alive, bool is_http10) {
  is_head_method_ = request_.method == HttpMethod::head;
  keeps_alive_ = keeps_alive;
  is_http10_ = is_http10;
}

void SessionExchange::drop_body() {
  HttpExchange::drop_body();
  body_.release();
}

void SessionExchange::respond(HttpResponse response) {
  HG_ASSERT(state_ == State::unanswered);
  state_ = State::responded;
  response_ = std::move(response);
}

void SessionExchange::begin_stream(int status, HttpHeaders headers) {
  HG_ASSERT(state_ == State::unanswered && !forbids_body(status));
  state_ = State::streaming;
  if (is_http10_) keeps_alive_ = false;
  pending_head_ = head_text(status, headers);
  if (is_chunked()) pending_head_ += "Transfer-Encoding: chunked\r\n";
  pending_head_ += "\r\n";
  watch_peer();
}

Task<Result<void>> SessionExchange::write(std::string data) {
  OutgoingBytes bytes;
  bytes.data = std::move(data);
  return write_chunk(std::move(bytes));
}

Task<Result<void>> SessionExchange::write(std::vector<SharedBytes> buffers) {
  OutgoingBytes bytes;
  bytes.shared = std::move(buffers);
  return write_chunk(std::move(bytes));
}

Task<Result<void>> SessionExchange::write_chunk(OutgoingBytes bytes) {
  HG_ASSERT(state_ == State::streaming);
  if (is_head_method_) bytes = {};
  frame(bytes, bytes.size());
  if (!co_await session_.send(std::move(bytes))) {
    co_return Error{Errc::cancelled, "the peer is gone or reads too slowly"};
  }
  co_return Result<void>();
}

void SessionExchange::frame(OutgoingBytes& bytes, std::size_t payload) {
  bytes.prefix = std::exchange(pending_head_, {});
  // An empty chunk would end the stream.
  if (payload == 0 || !is_chunked()) return;
  fmt::format_to(std::back_inserter(bytes.prefix), "{:x}\r\n", payload);
  bytes.suffix = "\r\n";
}

void SessionExchange::end_stream(std::string last) {
  HG_ASSERT(state_ == State::streaming);
  state_ = State::ended;
  last_ = std::move(last);
}

Task<Result<std::unique_ptr<WebSocket>>> SessionExchange::accept_websocket(
    WebSocketOptions options) {
  HG_ASSERT(state_ == State::unanswered);
  state_ = State::upgraded;
  return headgate::accept_websocket(session_, std::move(request_), std::move(options));
}

bool SessionExchange::is_disconnected() const {
  return session_.is_peer_gone_ || session_.has_failed();
}

bool SessionExchange::is_stopping() const {
  return session_.share_.is_stopping;
}

void SessionExchange::watch_peer() {
  if (state_ != State::upgraded) session_.watch_peer();
}

Task<bool> SessionExchange::finish() {
  if (state_ == State::streaming || state_ == State::upgraded) co_return false;
  if (session_.share_.is_stopping) keeps_alive_ = false;
  if (state_ == State::unanswered) {
    respond({.status = 500,
             .headers = {{"Content-Type", "application/json"}},
             .body = R"({"error":"internal_error","reason":"no answer"})"
                     "\n"});
  }
  OutgoingBytes bytes = state_ == State::responded ? whole_answer() : stream_end();
  const bool is_sent = co_await session_.send(std::move(bytes));
  co_return is_sent&& keeps_alive_;
}

OutgoingBytes SessionExchange::whole_answer() {
  HttpResponse& response = *response_;
  const bool has_body = !forbids_body(response.status);
  OutgoingBytes bytes;
  bytes.prefix = head_text(response.status, response.headers);
  const std::size_t length =
      response.shared_body ? response.shared_body->size() : response.body.size();
  // The answer to HEAD may name the length of a body that nobody made.
  if (has_body && !response.headers.has("Content-Length")) {
    fmt::format_to(std::back_inserter(bytes.prefix), "Content-Length: {}\r\n", length);
  }
  bytes.prefix += "\r\n";
  if (!has_body || is_head_method_) return bytes;
  if (response.shared_body) {
    bytes.shared.push_back(std::move(response.shared_body));
  } else {
    bytes.data = std::move(response.body);
  }
  return bytes;
}

OutgoingBytes SessionExchange::stream_end() {
  OutgoingBytes bytes;
  if (!is_head_method_) bytes.data = std::move(last_);
  frame(bytes, bytes.data.size());
  if (is_chunked() && !is_head_method_) {
    bytes.suffix = bytes.data.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
  }
  return bytes;
}

std::string SessionExchange::head_text(int status, const HttpHeaders& headers) const {
  std::string text;
  text.reserve(128 + headers.wire_text().size());
  fmt::format_to(std::back_inserter(text), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  text += headers.wire_text();
  if (!keeps_alive_) {
    text += "Connection: close\r\n";
  } else if (is_http10_) {
    text += "Connection: keep-alive\r\n";
  }
  return text;
}

}  // namespace headgate
