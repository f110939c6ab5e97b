// SPDX-License-Identifier: Apache-2.0
#include "api/api_handler.hpp"

#include "base/log.hpp"

namespace headgate {

namespace {

Error bad_login() {
  return {Errc::unauthorized, "Invalid login"};
}

/// The media type of a body, without parameters; empty: not named.
std::string_view media_type(const HttpRequest& request) {
  std::string_view type = request.headers.find("Content-Type").value_or("");
  type = type.substr(0, type.find(';'));
  return type.substr(0, type.find_last_not_of(" \t") + 1);
}

/// JSON, or a type that clients name when nobody told them one. The latter only if no web page
/// sends it: pages of other sites can, without the browser asking this server for its leave.
bool is_json_body(const HttpRequest& request) {
  const std::string_view type = media_type(request);
  if (equals_ignoring_case(type, "application/json")) return true;
  const bool is_unchosen = type.empty() || equals_ignoring_case(type, "text/plain") ||
                           equals_ignoring_case(type, "application/x-www-form-urlencoded");
  return is_unchosen && !request.headers.has("Origin");
}

/// Counts a request for as long as it is handled.
class ActiveRequest {
 public:
  explicit ActiveRequest(ApiStatistics& statistics) : statistics_(statistics) {
    ++statistics_.active_requests;
  }
  ActiveRequest(const ActiveRequest&) = delete;
  ActiveRequest& operator=(const ActiveRequest&) = delete;
  ~ActiveRequest() { --statistics_.active_requests; }

 private:
  ApiStatistics& statistics_;
};

}  // namespace

ApiHandler::ApiHandler(ApiServices& services)
    : services_(services), port_(ApiPort::public_port), passwords_(services.environment) {}

ApiHandler::ApiHandler(ApiServices& services, std::optional<AdminCredentials> credentials)
    : services_(services),
      port_(ApiPort::admin_port),
      credentials_(std::move(credentials)),
      passwords_(services.environment) {}

std::uint64_t ApiHandler::body_limit(const HttpRequest& head) {
  const Resource* resource = find_resource(head.path, port_);
  return resource != nullptr ? resource->body_limit : kDefaultBodyLimit;
}

Task<void> ApiHandler::handle(HttpExchange& exchange) {
  ApiCall call(services_, exchange, port_);
  const ActiveRequest active(services_.statistics);
  const auto result = co_await dispatch(call);
  if (result) co_return;
  const Error& error = result.error();
  const ApiError answer = api_error(error);
  if (answer.status >= 500) {
    log(LogLevel::warning, "api.failed",
        {{"method", std::string(to_string(exchange.request().method))},
         {"path", exchange.request().target},
         {"status", std::to_string(answer.status)},
         {"error", std::string(to_string(error.code))},
         {"context", error.context}});
  }
  // A stream that has begun is cut instead: the client sees that it is not whole.
  if (!call.is_answered()) call.respond_error(answer);
}

Task<Result<void>> ApiHandler::dispatch(ApiCall& call) {
  const Resource* resource = find_resource(call.request().path, port_);
  if (resource == nullptr) co_return Error{Errc::not_found, "no such address"};
  const Resource::Method* method = resource->find(call.request().method, port_);
  if (method == nullptr) {
    const std::string allowed = resource->allowed(port_);
    HttpResponse response =
        error_response({405, "method_not_allowed", "Only " + allowed + " allowed"});
    response.headers.add("Allow", allowed);
    call.respond(std::move(response));
    co_return Result<void>();
  }
  if (services_.statistics.active_requests > services_.max_requests && !resource->is_of_server) {
    ++services_.statistics.overloaded;
    co_return Errc::overloaded;
  }
  if (!resource->takes_any_type && !call.request().body.empty() && !is_json_body(call.request())) {
    call.respond_error({415, "bad_content_type", "Content-Type must be application/json"});
    co_return Result<void>();
  }
  co_return co_await run(call, *resource, *method);
}

Task<Result<void>> ApiHandler::run(ApiCall& call, const Resource& resource,
                                   const Resource::Method& method) {
  if (port_ == ApiPort::admin_port) {
    HG_CO_CHECK(co_await check_admin(call));
    call.reader = Principal::admin();
  }
  if (!resource.is_of_server && method.needs_database) {
    HG_CO_TRY(call.lease, co_await services_.databases.find(call.request().path[0]));
    if (port_ == ApiPort::public_port) {
      if (call.database().config()->is_offline)
        co_return Error{Errc::unavailable, "The database is offline"};
      HG_CO_TRY(call.reader, co_await login(call));
    }
  }
  co_return co_await method.action(call);
}

// Basic credentials, then the guest.
Task<Result<std::shared_ptr<const Principal>>> ApiHandler::login(ApiCall& call) {
  const auto authorization = call.request().headers.find("Authorization");
  PrincipalStore& principals = call.database().principals();
  if (!authorization || authorization->empty()) co_return co_await principals.guest();
  auto credentials = parse_basic_auth(*authorization);
  if (!credentials || credentials->user.empty()) co_return bad_login();
  co_return co_await principals.authenticate(std::move(credentials->user),
                                             std::move(credentials->password));
}

Task<Result<void>> ApiHandler::check_admin(ApiCall& call) {
  if (!credentials_) co_return Result<void>();
  const auto authorization = call.request().headers.find("Authorization");
  if (!authorization) co_return Error{Errc::unauthorized, "Login required"};
  const auto credentials = parse_basic_auth(*authorization);
  if (!credentials) co_return bad_login();
  HG_CO_TRY(const bool is_right,
            co_await passwords_.verify(credentials_->user, credentials_->password_hash,
                                       credentials->password));
  if (!is_right || credentials->user != credentials_->user) co_return bad_login();
  co_return Result<void>();
}

}  // namespace headgate
