// SPDX-License-Identifier: Apache-2.0
#include "api/authentication.hpp"

#include <array>
#include <utility>

#include "api/cors.hpp"
#include "net/basic_auth.hpp"

namespace headgate {

namespace {

using Login = Result<std::shared_ptr<const Principal>>;

Error bad_login() {
  return {Errc::unauthorized, "Invalid login"};
}

Task<Login> resume_session(ApiCall& call, std::string id) {
  auto resumed = co_await call.database().sessions().resume(id);
  if (!resumed) {
    // So that the browser comes without it, as a guest or to log in.
    if (resumed.error().code == Errc::unauthorized)
      call.add_header("Set-Cookie", session_cookie(call, {}, {}).text());
    co_return std::move(resumed).error();
  }
  if (resumed->is_renewed)
    call.add_header("Set-Cookie", session_cookie(call, std::move(id), resumed->life).text());
  co_return std::move(resumed->user);
}

std::optional<std::string> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  return std::string(authorization.substr(kScheme.size()));
}

Task<Login> sign_in(ApiCall& call, std::string token) {
  const auto config = call.database().config();
  if (config->jwt.empty()) co_return bad_login();
  HG_CO_TRY(TokenClaims claims,
            verify_token(token, config->jwt, call.services().environment.wall_now()));
  co_return co_await call.database().principals().sign_in(std::move(claims));
}

}  // namespace

std::optional<std::string> one_time_session(const HttpHeaders& headers) {
  const std::string_view offered = headers.find("Sec-WebSocket-Protocol").value_or("");
  const std::string prefix = std::string(kSessionCookie) + "_";
  const std::size_t begin = offered.find(prefix);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view rest = offered.substr(begin + prefix.size());
  return std::string(rest.substr(0, rest.find_first_of(", \t")));
}

SetCookie session_cookie(ApiCall& call, std::string id, std::chrono::seconds life) {
  constexpr std::array<std::string_view, 3> kSameSites = {"Lax", "Strict", "None"};
  const SessionConfig& config = call.database().config()->sessions;
  return {.name = std::string(kSessionCookie),
          .value = std::move(id),
          .path = "/" + percent_encode(call.database().name()),
          .max_age = life,
          .same_site = kSameSites[static_cast<std::size_t>(config.same_site)],
          .is_secure = config.is_cookie_secure || call.request().is_tls};
}

Error refuse_guesses(ApiCall& call, std::chrono::seconds wait) {
  HttpResponse response =
      error_response({429, "too_many_requests", "Too many wrong passwords, try again later"});
  response.headers.add("Retry-After", std::to_string(wait.count()));
  call.respond(std::move(response));
  return bad_login();
}

Task<Login> check_login(ApiCall& call, std::string name, std::string password) {
  PrincipalStore& principals = call.database().principals();
  LoginLimiter& limiter = call.services().login_limiter;
  const LoginLimiter::Account account{call.database().name(), name, call.request().remote_address};
  if (const auto wait = limiter.blocked_for(account)) {
    auto known = co_await principals.authenticate_known(std::move(name), std::move(password));
    if (known || known.error().code != Errc::unauthorized) co_return known;
    co_return refuse_guesses(call, *wait);
  }
  auto user = co_await principals.authenticate(std::move(name), std::move(password));
  if (!user && user.error().code == Errc::unauthorized) limiter.failed(account);
  co_return user;
}

Task<Login> authenticate(ApiCall& call) {
  const HttpHeaders& headers = call.request().headers;
  const auto authorization = headers.find("Authorization");
  if (authorization && !authorization->empty()) {
    if (const auto token = bearer_token(*authorization)) co_return co_await sign_in(call, *token);
    auto credentials = parse_basic_auth(*authorization);
    if (!credentials || credentials->user.empty()) co_return bad_login();
    co_return co_await check_login(call, std::move(credentials->user),
                                   std::move(credentials->password));
  }
  if (auto id = one_time_session(headers); id && is_websocket_upgrade(call.request()))
    co_return co_await call.database().sessions().take(*std::move(id));
  const auto cookie = find_cookie(headers, kSessionCookie);
  if (cookie && is_trusted_origin(call))
    co_return co_await resume_session(call, std::string(*cookie));
  co_return co_await call.database().principals().guest();
}

}  // namespace headgate
