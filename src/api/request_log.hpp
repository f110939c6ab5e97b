// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "api/api_call.hpp"

namespace headgate {

/// The client's X-Request-Id if it is made of up to 64 letters, digits and `-_.:+/=`, so that it
/// can stand in a log and a header; else a fresh one.
std::string request_id_of(const HttpRequest& request, Environment& environment);

/// Where a request went, for the log: `/db/_bulk_docs`, `/db/{docid}`. Names no document.
std::string route_of(const HttpRequest& request);

/// A request that failed by the server's fault; of those refused by overload one line a second.
void log_failure(ApiCall& call, const ApiError& answer, const Error& error);
/// A request that was answered: at level debug, and as a warning if it took longer than the
/// services allow. Feeds that wait are never slow.
void log_answer(ApiCall& call, std::chrono::nanoseconds duration);

}  // namespace headgate
