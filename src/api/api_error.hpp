// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http_message.hpp"

namespace headgate {

/// A failure as clients get it: `{"error": token, "reason": reason}`. Tokens are CouchDB's, in
/// lower case: PouchDB takes the token for the error's name, and only "unauthorized" and
/// "forbidden" end a replication instead of repeating it for ever.
struct ApiError {
  int status = 500;
  std::string_view token;
  std::string reason;
};

/// The one place where codes become statuses. The error's context is the reason if the client can
/// do something about it, or if it names a failing script; else it stays in the log.
ApiError api_error(const Error& error);

/// With what the status demands: Retry-After for 503, WWW-Authenticate for 401.
HttpResponse error_response(const ApiError& error);

/// An answer with a JSON body, which is ended by a line feed.
HttpResponse json_response(int status, std::string json);

}  // namespace headgate
