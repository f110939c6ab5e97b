// SPDX-License-Identifier: Apache-2.0
#include "api/api_handler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/actions.hpp"
#include "api/authentication.hpp"
#include "api/body_type.hpp"
#include "api/cors.hpp"
#include "api/document_request.hpp"
#include "api/request_log.hpp"

namespace headgate {

namespace {

Error bad_login() {
  return {Errc::unauthorized, "Invalid login"};
}

/// Whether a Host header names this machine: no name that somebody else can give it.
bool is_local_name(std::string_view host) {
  if (host.starts_with("[::1]")) return true;
  host = host.substr(0, host.find(':'));
  const bool is_numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return equals_ignoring_case(host, "localhost") || (is_numeric && host.starts_with("127."));
}

bool takes_body(const Resource& resource, const HttpRequest& request) {
  return resource.takes_any_type || request.body.empty() || is_json_body(request) ||
         (resource.takes_multipart && is_multipart_related(request));
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

RequestKind kind_of(const Resource& resource, const Resource::Method& method) {
  const ApiAction writes[] = {put_document, post_document, delete_document, put_attachment,
                              delete_attachment};
  if (std::ranges::find(writes, method.action) != std::end(writes)) return RequestKind::write;
  if (method.action == bulk_docs) return RequestKind::bulk;
  if (method.action == changes) return RequestKind::feed;
  if (method.is_for_admins) return RequestKind::admin;
  if (resource.is_of_server || !method.needs_database || method.action == get_session)
    return RequestKind::other;
  return RequestKind::read;
}

bool is_write(ApiAction action) {
  const ApiAction writes[] = {put_document,      post_document, delete_document, put_attachment,
                              delete_attachment, bulk_docs,     post_purge};
  return std::ranges::find(writes, action) != std::end(writes);
}

/// A node without the role is no place for it: a load balancer sent the request here by mistake.
Result<void> check_role(const ApiServices& services, ApiAction action) {
  if (is_write(action) && !services.takes_writes)
    return Error{Errc::unavailable, "this node takes no writes (node.roles)"};
  if (action == changes && !services.serves_feeds)
    return Error{Errc::unavailable, "this node serves no feeds (node.roles)"};
  return {};
}

/// The settings of a store may change while it works: what was offered is refused from then on.
Result<void> check_promise(ApiCall& call) {
  const auto& is_kept_now = call.services().durability.is_kept_now;
  const Durability wanted = call.durability.value_or(call.database().config()->durability);
  if (!is_kept_now || is_kept_now(wanted)) return {};
  return Error{Errc::unavailable,
               fmt::format("the store does not keep durability \"{}\" now", to_string(wanted))};
}

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
  const TimePoint begin = services_.environment.now();
  const ActiveRequest active(services_.statistics);
  const auto result = co_await dispatch(call);
  if (!result) respond_failed(call, result.error());
  co_await call.finish();
  const auto duration = services_.environment.now() - begin;
  if (call.kind && !call.has_waited)
    services_.statistics.durations[static_cast<std::size_t>(*call.kind)].add(duration);
  log_answer(call, duration);
}

void ApiHandler::respond_failed(ApiCall& call, const Error& error) {
  const ApiError answer = api_error(error);
  if (answer.status >= 500) log_failure(call, answer, error);
  // A stream that has begun is cut instead: the client sees that it is not whole.
  if (!call.is_answered()) call.respond_error(answer);
}

Task<Result<void>> ApiHandler::dispatch(ApiCall& call) {
  const Resource* resource = find_resource(call.request().path, port_);
  if (resource == nullptr) co_return Error{Errc::not_found, "no such address"};
  if (port_ == ApiPort::public_port && is_preflight(call.request()))
    co_return co_await answer_preflight(call, *resource);
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
  if (is_encoded_body(call.request())) {
    call.respond_error(
        {415, "bad_content_type", "Content-Encoding: bodies must not be compressed"});
    co_return Result<void>();
  }
  if (!takes_body(*resource, call.request())) {
    call.respond_error({415, "bad_content_type", "Content-Type must be application/json"});
    co_return Result<void>();
  }
  co_return co_await run(call, *resource, *method);
}

Task<Result<void>> ApiHandler::run(ApiCall& call, const Resource& resource,
                                   const Resource::Method& method) {
  call.kind = kind_of(resource, method);
  if (port_ == ApiPort::admin_port) {
    HG_CO_CHECK(co_await check_admin(call));
    call.reader = Principal::admin();
  }
  if (resource.is_of_server && port_ == ApiPort::public_port) share_with_every_origin(call);
  if (!resource.is_of_server && method.needs_database) {
    HG_CO_CHECK(co_await open_database(call));
    if (port_ == ApiPort::public_port) {
      HG_CO_TRY(call.reader, co_await authenticate(call));
    }
  }
  HG_CO_CHECK(check_role(services_, method.action));
  HG_CO_TRY(call.durability, requested_durability(call.request(), services_.durability));
  if (is_write(method.action)) HG_CO_CHECK(check_promise(call));
  co_return co_await method.action(call);
}

Task<Result<void>> ApiHandler::check_admin(ApiCall& call) {
  // A browser sends a form of any page, and the login that it remembers with it.
  if (is_of_foreign_page(call.request().headers))
    co_return Error{Errc::forbidden, "pages of other sites may not use the admin port"};
  if (!credentials_) {
    // A page can give its own name this machine's address (DNS rebinding).
    if (is_local_name(call.request().headers.find("Host").value_or("localhost")))
      co_return Result<void>();
    co_return Error{Errc::forbidden, "without a login the admin port answers to localhost alone"};
  }
  const auto authorization = call.request().headers.find("Authorization");
  if (!authorization) co_return Error{Errc::unauthorized, "Login required"};
  const auto given = parse_basic_auth(*authorization);
  if (!given) co_return bad_login();
  const LoginLimiter::Account account{{}, given->user, call.request().remote_address};
  LoginLimiter& limiter = call.services().login_limiter;
  const std::string& hash = credentials_->password_hash;
  const bool is_known = passwords_.is_verified(credentials_->user, hash, given->password);
  if (const auto wait = limiter.blocked_for(account); wait && !is_known)
    co_return refuse_guesses(call, *wait);
  HG_CO_TRY(const bool is_right,
            co_await passwords_.verify(credentials_->user, hash, given->password));
  if (is_right && is_equal_in_constant_time(given->user, credentials_->user))
    co_return Result<void>();
  limiter.failed(account);
  co_return bad_login();
}

}  // namespace headgate
