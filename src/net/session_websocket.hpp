// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "net/http_session.hpp"
#include "net/websocket.hpp"

namespace headgate {

/// Answers the handshake on the connection of a session. Errors: cancelled: it was malformed and is
/// answered so, or the connection broke. `session` must outlive what is returned.
Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(HttpSession& session, HttpRequest request,
                                                          WebSocketOptions options);

}  // namespace headgate
