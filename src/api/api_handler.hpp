// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "access/password.hpp"
#include "api/api_call.hpp"
#include "api/router.hpp"
#include "net/basic_auth.hpp"
#include "net/http_exchange.hpp"

namespace headgate {

/// Who may use the admin port.
struct AdminCredentials {
  std::string user;
  std::string password_hash;  ///< crypt(3) text
};

/// Everything that one port serves. Confined to its executor; `services` must outlive it.
class ApiHandler final : public HttpHandler {
 public:
  /// The public port: users of the databases and their guests.
  explicit ApiHandler(ApiServices& services);
  /// The admin port. Without credentials everybody who reaches it is an admin, whatever credentials
  /// a request carries: only for loopback addresses.
  ApiHandler(ApiServices& services, std::optional<AdminCredentials> credentials);

  std::uint64_t body_limit(const HttpRequest& head) override;
  Task<void> handle(HttpExchange& exchange) override;

 private:
  Task<Result<void>> dispatch(ApiCall& call);
  Task<Result<void>> run(ApiCall& call, const Resource& resource, const Resource::Method& method);
  // Not inlined: its frame would last as long as the request, which may be a waiting feed.
  [[gnu::noinline]] Task<Result<void>> check_admin(ApiCall& call);
  void respond_failed(ApiCall& call, const Error& error);

  ApiServices& services_;
  ApiPort port_;
  std::optional<AdminCredentials> credentials_;
  PasswordVerifier passwords_;
};

}  // namespace headgate
