// SPDX-License-Identifier: Apache-2.0
#include "cli/admin_client.hpp"

#include <fmt/format.h>

#include <utility>

#include "document/json.hpp"
#include "net/basic_auth.hpp"
#include "net/uri.hpp"

namespace headgate {

namespace {

std::string authorization_of(std::string_view login) {
  if (login.empty()) return {};
  const std::size_t colon = login.find(':');
  BasicCredentials credentials{std::string(login.substr(0, colon)), {}};
  if (colon != std::string_view::npos) credentials.password = login.substr(colon + 1);
  return format_basic_auth(credentials);
}

Errc code_of(int status) {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
      return Errc::invalid_argument;
    case 401:
      return Errc::unauthorized;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 409:
    case 412:
      return Errc::exists;
    case 503:
    case 507:
      return Errc::unavailable;
    default:
      return Errc::internal;
  }
}

std::string reason_of(const HttpReply& reply) {
  if (reply.status == 401) return "the admin port wants a login: --login NAME:PASSWORD";
  if (validate_json(reply.body)) {
    const auto reason = JsonView(reply.body).find("reason");
    if (const auto text = reason ? reason->as_string() : std::nullopt) return *text;
  }
  return fmt::format("the server answered {}", reply.status);
}

}  // namespace

AdminClient::AdminClient(const AdminConnection& connection)
    : client_(connection.url, connection.trust),
      url_(connection.url),
      authorization_(authorization_of(connection.login)) {}

Result<std::string> AdminClient::get(std::string_view target) {
  return ask(HttpMethod::get, target, {});
}

Result<std::string> AdminClient::put(std::string_view target, std::string_view json) {
  return ask(HttpMethod::put, target, json);
}

Result<std::string> AdminClient::post(std::string_view target, std::string_view json) {
  return ask(HttpMethod::post, target, json);
}

Result<std::string> AdminClient::remove(std::string_view target) {
  return ask(HttpMethod::del, target, {});
}

Result<std::string> AdminClient::ask(HttpMethod method, std::string_view target,
                                     std::string_view json) {
  HttpHeaders headers;
  if (!authorization_.empty()) headers.add("Authorization", authorization_);
  if (!json.empty()) headers.add("Content-Type", "application/json");
  auto reply = client_.request(method, target, std::move(headers), json);
  if (!reply) return Error{reply.error().code, url_ + ": " + reply.error().context};
  if (reply->status >= 300) return Error{code_of(reply->status), reason_of(*reply)};
  if (!reply->body.empty() && !validate_json(reply->body))
    return Error{Errc::corrupted, url_ + ": the answer is no JSON"};
  return std::move(reply->body);
}

std::string admin_target(std::initializer_list<std::string_view> segments) {
  std::string target;
  for (const std::string_view segment : segments) target += "/" + percent_encode(segment);
  return target;
}

}  // namespace headgate
