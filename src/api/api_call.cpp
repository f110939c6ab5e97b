// SPDX-License-Identifier: Apache-2.0
#include "api/api_call.hpp"

#include "api/compression.hpp"
#include "api/parameters.hpp"
#include "api/request_log.hpp"

namespace headgate {

namespace {

/// Larger bodies are compressed on a worker thread.
constexpr std::size_t kCompressedHereMax = 32 * 1024;

}  // namespace

std::string_view to_string(RequestKind kind) {
  switch (kind) {
    case RequestKind::read:
      return "read";
    case RequestKind::write:
      return "write";
    case RequestKind::bulk:
      return "bulk";
    case RequestKind::feed:
      return "feed";
    case RequestKind::admin:
      return "admin";
    case RequestKind::other:
      return "other";
  }
  return "";
}

ApiCall::ApiCall(ApiServices& services, HttpExchange& exchange, ApiPort port)
    : services_(services),
      exchange_(exchange),
      port_(port),
      request_id_(request_id_of(exchange.request(), services.environment)) {
  add_header("X-Request-Id", request_id_);
}

void ApiCall::count(int status) {
  status_ = status;
  ++services_.statistics.answers_by_status[status];
}

void ApiCall::add_headers_to(HttpHeaders& headers) {
  for (std::size_t i = 0; i < headers_.size(); ++i)
    headers.add(headers_[i].first, headers_[i].second);
}

void ApiCall::respond(HttpResponse response) {
  count(response.status);
  add_headers_to(response.headers);
  response_ = std::move(response);
}

void ApiCall::respond_entity(HttpResponse response) {
  const auto tag = response.headers.find("ETag");
  const auto known = request().headers.find("If-None-Match");
  if (!tag || !known || !names_entity(*known, *tag)) return respond(std::move(response));
  const std::string text(*tag);
  respond({.status = 304, .headers = {{"ETag", text}, {"Cache-Control", "must-revalidate"}}});
}

void ApiCall::respond_json(int status, std::string json) {
  respond(json_response(status, std::move(json)));
}

void ApiCall::respond_error(const ApiError& error) {
  respond(error_response(error));
}

Task<Result<std::unique_ptr<WebSocket>>> ApiCall::accept_websocket(WebSocketOptions options) {
  count(101);
  add_headers_to(options.headers);
  return exchange_.accept_websocket(std::move(options));
}

Task<void> ApiCall::finish() {
  if (!response_) co_return;
  if (is_worth_compressing(request(), *response_)) {
    std::string& body = response_->body;
    if (body.size() <= kCompressedHereMax) {
      body = gzip(body);
    } else {
      body = co_await services_.environment.run_blocking(
          [body = std::move(body)] { return gzip(body); });
    }
    response_->headers.add("Content-Encoding", "gzip").add("Vary", "Accept-Encoding");
  }
  exchange_.respond(*std::move(response_));
}

void ApiCall::begin_stream(HttpHeaders headers) {
  count(200);
  add_headers_to(headers);
  exchange_.begin_stream(200, std::move(headers));
}

}  // namespace headgate
