// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/http_session.hpp"

namespace headgate {

/// The exchange of a session: writes what the handler answers in HTTP's framing.
class SessionExchange final : public HttpExchange {
 public:
  explicit SessionExchange(HttpSession& session)
      : session_(session), body_(session.share_.options.body_budget) {}

  void drop_body() override;
  void respond(HttpResponse response) override;
  void begin_stream(int status, HttpHeaders headers) override;
  Task<Result<void>> write(std::string data) override;
  Task<Result<void>> write(std::vector<SharedBytes> buffers) override;
  void end_stream(std::string last) override;
  Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(WebSocketOptions options) override;
  bool is_disconnected() const override;
  bool is_stopping() const override;

  /// For the session, when the request's head is known.
  void set_framing(bool keeps_alive, bool is_http10);
  /// Writes what the handler left to write. False if the connection cannot go on.
  [[gnu::noinline]] Task<bool> finish();  // see HttpSession::read_request()
  void tell_interrupt() { interrupt(); }
  /// What the request's body holds of the server's budget.
  BodyHold& body() { return body_; }

 private:
  enum class State : unsigned char { unanswered, responded, streaming, ended, upgraded };

  void watch_peer() override;
  bool is_chunked() const { return !is_http10_; }
  std::string head_text(int status, const HttpHeaders& headers) const;
  OutgoingBytes whole_answer();
  OutgoingBytes stream_end();
  void frame(OutgoingBytes& bytes, std::size_t payload);
  Task<Result<void>> write_chunk(OutgoingBytes bytes);

  HttpSession& session_;
  BodyHold body_;
  State state_ = State::unanswered;
  bool is_head_method_ = false;
  bool is_http10_ = false;
  bool keeps_alive_ = false;
  std::string pending_head_;  // of a stream, until its first write
  std::optional<HttpResponse> response_;
  std::string last_;
};

}  // namespace headgate
