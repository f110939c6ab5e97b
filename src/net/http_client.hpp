// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http_message.hpp"
#include "net/tls_client_channel.hpp"

namespace headgate {

/// An answer as received; chunks are joined.
struct HttpReply {
  int status = 0;
  HttpHeaders headers;
  std::string body;
};

/// One keep-alive connection to a server for tests and the command line. Blocks the
/// calling thread, so never for an executor's. One request at a time; one thread at a time.
///
/// Errors: invalid_argument (a URL that is none, no certificates in the file), unavailable (cannot
/// connect, or the certificate is not believed; the connection broke or the answer is no HTTP),
/// timeout_unknown_outcome (no whole answer in time). After an error the next request connects
/// anew. A request on a kept connection that the server has closed meanwhile is sent again on a new
/// one.
class HttpClient {
 public:
  using Timeout = std::chrono::milliseconds;
  static constexpr Timeout kDefaultTimeout{30'000};

  /// `base_url` is "http://host:port" or "https://host:port", with an optional path that goes
  /// before every target. `trust` is for the latter.
  explicit HttpClient(std::string_view base_url, TlsTrust trust = {});
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  /// Sends a request and reads the whole answer. `target` begins with a slash.
  Result<HttpReply> request(HttpMethod method, std::string_view target, HttpHeaders headers = {},
                            std::string_view body = {}, Timeout timeout = kDefaultTimeout);
  Result<HttpReply> get(std::string_view target, HttpHeaders headers = {});
  Result<HttpReply> put(std::string_view target, std::string_view json, HttpHeaders headers = {});
  Result<HttpReply> post(std::string_view target, std::string_view json, HttpHeaders headers = {});
  Result<HttpReply> del(std::string_view target, HttpHeaders headers = {});

  /// Sends a request and reads only the head of the answer; read_line() and read_rest() bring the
  /// body. The next request drops what is left.
  Result<HttpReply> open_stream(HttpMethod method, std::string_view target,
                                HttpHeaders headers = {}, std::string_view body = {},
                                Timeout timeout = kDefaultTimeout);
  /// The next line without its end; absent when the body has ended (a last line without an end is
  /// given first). After timeout_unknown_outcome, reading may go on. REQUIRES: open_stream().
  Result<std::optional<std::string>> read_line(Timeout timeout = kDefaultTimeout);
  /// What is left of the body.
  Result<std::string> read_rest(Timeout timeout = kDefaultTimeout);

  /// Ends the connection; a stream's server notices.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate
