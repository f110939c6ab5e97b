// SPDX-License-Identifier: Apache-2.0
#include "api/api_call.hpp"

#include "api/parameters.hpp"

namespace headgate {

void ApiCall::count(int status) {
  is_answered_ = true;
  ++services_.statistics.answers_by_status[status];
}

void ApiCall::respond(HttpResponse response) {
  count(response.status);
  exchange_.respond(std::move(response));
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

void ApiCall::begin_stream(HttpHeaders headers) {
  count(200);
  exchange_.begin_stream(200, std::move(headers));
}

}  // namespace headgate
