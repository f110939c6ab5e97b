// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_call.hpp"
#include "api/router.hpp"
#include "base/task.hpp"

// Requests from pages of other sites (Fetch standard, CORS protocol), on the public port alone.
namespace headgate {

/// Finds the database that the path names, and says with the answer what a page of another site
/// may know of it. Errors: as DatabaseDirectory::find(); unavailable to clients of one that is
/// offline.
Task<Result<void>> open_database(ApiCall& call);

/// The same for what belongs to no database: it is no secret, and PouchDB asks for it.
void share_with_every_origin(ApiCall& call);

/// True if a page of another address made this request: it says so by its Origin, or, where a
/// browser sends none (images, scripts), by Sec-Fetch-Site. Following a link counts as no page's
/// request.
bool is_of_foreign_page(const HttpHeaders& headers);

/// True if cookies count for this request: no page made it, one of this server, or one of an origin
/// that may use credentials. REQUIRES: open_database().
bool is_trusted_origin(ApiCall& call);

/// True if no page made this request, or one that may read answers, with credentials or without:
/// a browser lets every page open a WebSocket. On the admin port only its own. REQUIRES:
/// open_database().
bool is_known_origin(ApiCall& call);

/// A browser's question whether a page may make a request.
bool is_preflight(const HttpRequest& request);
Task<Result<void>> answer_preflight(ApiCall& call, const Resource& resource);

}  // namespace headgate
