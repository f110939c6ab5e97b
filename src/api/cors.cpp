// SPDX-License-Identifier: Apache-2.0
#include "api/cors.hpp"

#include <algorithm>
#include <string>

namespace headgate {

namespace {

constexpr std::string_view kExposed =
    "Accept-Ranges, Cache-Control, Content-Range, ETag, Location, Retry-After, X-Request-Id";

void share(ApiCall& call, std::string_view origin, bool with_credentials) {
  call.add_header("Vary", "Origin");
  call.add_header("Access-Control-Allow-Origin", origin);
  if (with_credentials) call.add_header("Access-Control-Allow-Credentials", "true");
  call.add_header("Access-Control-Expose-Headers", kExposed);
}

/// True if the page may read the answer.
bool share_database(ApiCall& call) {
  const auto origin = call.request().headers.find("Origin");
  const auto config = call.database().config();
  if (config->cors.origins.empty()) return false;
  if (!origin || !config->cors.allows(*origin)) {
    call.add_header("Vary", "Origin");
    return false;
  }
  const std::string text(*origin);
  share(call, text, config->cors.allows_credentials);
  return true;
}

bool is_own_origin(const HttpHeaders& headers) {
  const auto origin = headers.find("Origin");
  if (!origin) return true;
  const auto host = headers.find("Host");
  const std::size_t authority = origin->find("://");
  return host && authority != std::string_view::npos &&
         equals_ignoring_case(origin->substr(authority + 3), *host);
}

}  // namespace

bool is_of_foreign_page(const HttpHeaders& headers) {
  if (!is_own_origin(headers)) return true;
  const std::string_view site = headers.find("Sec-Fetch-Site").value_or("none");
  const std::string_view mode = headers.find("Sec-Fetch-Mode").value_or("");
  return site != "none" && site != "same-origin" && mode != "navigate";
}

Task<Result<void>> open_database(ApiCall& call) {
  HG_CO_TRY(call.lease, co_await call.services().databases.find(call.request().path[0]));
  if (call.is_admin_port()) co_return Result<void>();
  share_database(call);
  if (call.database().config()->is_offline)
    co_return Error{Errc::unavailable, "The database is offline"};
  co_return Result<void>();
}

void share_with_every_origin(ApiCall& call) {
  if (const auto origin = call.request().headers.find("Origin"))
    share(call, std::string(*origin), true);
}

bool is_trusted_origin(ApiCall& call) {
  const HttpHeaders& headers = call.request().headers;
  const CorsConfig& cors = call.database().config()->cors;
  return is_own_origin(headers) ||
         (cors.allows_credentials && cors.allows(headers.find("Origin").value_or("")));
}

bool is_known_origin(ApiCall& call) {
  const HttpHeaders& headers = call.request().headers;
  return is_own_origin(headers) ||
         (!call.is_admin_port() &&
          call.database().config()->cors.allows(headers.find("Origin").value_or("")));
}

bool is_preflight(const HttpRequest& request) {
  return request.method == HttpMethod::options && request.headers.has("Origin") &&
         request.headers.has("Access-Control-Request-Method");
}

Task<Result<void>> answer_preflight(ApiCall& call, const Resource& resource) {
  std::int64_t max_age = 600;
  if (resource.is_of_server) {
    share_with_every_origin(call);
  } else {
    HG_CO_TRY(call.lease, co_await call.services().databases.find(call.request().path[0]));
    if (!share_database(call)) co_return Error{Errc::forbidden, "the origin is not allowed"};
    max_age = call.database().config()->cors.max_age.count();
  }
  HttpResponse response{.status = 204};
  response.headers.add("Access-Control-Allow-Methods", resource.allowed(ApiPort::public_port));
  // Whatever the page wants to send: no header does anything here that a page may not do.
  if (const auto wanted = call.request().headers.find("Access-Control-Request-Headers"))
    response.headers.add("Access-Control-Allow-Headers", *wanted);
  response.headers.add("Access-Control-Max-Age", std::to_string(max_age));
  call.respond(std::move(response));
  co_return Result<void>();
}

}  // namespace headgate
