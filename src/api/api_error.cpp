// SPDX-License-Identifier: Apache-2.0
#include "api/api_error.hpp"

#include "document/json.hpp"

namespace headgate {

namespace {

constexpr std::string_view kRealm = R"(Basic realm="Headgate")";

struct Mapping {
  int status;
  std::string_view token;
  std::string_view reason;  ///< if the error has no context
  bool shows_context = true;
};

constexpr Mapping kUnavailable{503, "service_unavailable", "try again later"};

Mapping mapping_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return {400, "bad_request", "bad request"};
    case Errc::unauthorized:
      return {401, "unauthorized", "Login required"};
    case Errc::forbidden:
      return {403, "forbidden", "forbidden"};
    case Errc::not_found:
      return {404, "not_found", "missing"};
    case Errc::conflict:
    case Errc::cas_mismatch:
      return {409, "conflict", "Document update conflict"};
    case Errc::exists:
      return {412, "file_exists", "it exists already"};
    case Errc::too_large:
      return {413, "too_large", "too large"};
    case Errc::no_space:
      return {507, "insufficient_storage", "the disk is full", false};
    case Errc::overloaded:
      return {503, "service_unavailable", "overloaded, try again later", false};
    case Errc::timeout_unknown_outcome:
      return {503, "service_unavailable", "no answer in time: it may have been done, or not",
              false};
    case Errc::unavailable:
    case Errc::rolled_back:
    case Errc::fenced:
    case Errc::cancelled:
      return kUnavailable;
    case Errc::internal:
      return {500, "internal_server_error", "internal error"};
    case Errc::ok:
    case Errc::condition_failed:
    case Errc::unsupported:
    case Errc::corrupted:
      break;
  }
  return {500, "internal_server_error", "internal error", false};
}

}  // namespace

ApiError api_error(const Error& error) {
  const Mapping mapping = mapping_of(error.code);
  const bool has_context = mapping.shows_context && !error.context.empty();
  return {mapping.status, mapping.token, has_context ? error.context : std::string(mapping.reason)};
}

HttpResponse error_response(const ApiError& error) {
  JsonWriter out;
  out.begin_object().key("error").string(error.token).key("reason").string(error.reason);
  out.end_object();
  HttpResponse response = json_response(error.status, std::move(out).text());
  if (error.status == 401) response.headers.add("WWW-Authenticate", kRealm);
  if (error.status == 503) response.headers.add("Retry-After", "1");
  return response;
}

HttpResponse json_response(int status, std::string json) {
  json += '\n';
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "must-revalidate"}},
          .body = std::move(json),
          .shared_body = nullptr};
}

}  // namespace headgate
