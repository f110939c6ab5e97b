// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http_client.hpp"

namespace headgate {

/// Where a command finds its server.
struct AdminConnection {
  std::string url = "http://127.0.0.1:4985";  ///< of an admin port
  std::string login = {};                     ///< NAME:PASSWORD; empty: none
  TlsTrust trust = {};                        ///< for https
};

/// One admin port, asked by a command. Blocks; one thread.
///
/// The calls return the body of an answer that says yes: valid JSON, or nothing. Errors: what the
/// server said, with its reason as context: invalid_argument (400, 405, 413, 415), unauthorized,
/// forbidden, not_found, exists (409, 412), unavailable (503, 507), internal; corrupted (no JSON);
/// and those of HttpClient.
class AdminClient {
 public:
  explicit AdminClient(const AdminConnection& connection);

  Result<std::string> get(std::string_view target);
  Result<std::string> put(std::string_view target, std::string_view json);
  Result<std::string> post(std::string_view target, std::string_view json);
  Result<std::string> remove(std::string_view target);

 private:
  Result<std::string> ask(HttpMethod method, std::string_view target, std::string_view json);

  HttpClient client_;
  std::string url_;
  std::string authorization_;  ///< empty: no login
};

/// An address of percent-encoded segments: "/db/_user/ann".
std::string admin_target(std::initializer_list<std::string_view> segments);

}  // namespace headgate
