// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/api_call.hpp"
#include "base/task.hpp"
#include "net/cookies.hpp"

// Who makes a request on the public port.
namespace headgate {

/// Of the cookie, and with `_` and the id behind it of the WebSocket protocol that brings a
/// one-time session: the name that clients of Sync Gateway know.
inline constexpr std::string_view kSessionCookie = "SyncGatewaySession";

/// By the first of these that the request has: an Authorization header, a one-time session, a
/// cookie; else the guest. Renews the cookie with the answer.
/// REQUIRES: the call has its database. Errors: unauthorized, overloaded, unavailable. Who has
/// failed too often is answered 429.
Task<Result<std::shared_ptr<const Principal>>> authenticate(ApiCall& call);

/// The id that the WebSocket protocols of a handshake bring; none: they do not.
std::optional<std::string> one_time_session(const HttpHeaders& headers);

/// The user of this name and password; unknown names take as long as wrong passwords. Errors: as
/// authenticate().
Task<Result<std::shared_ptr<const Principal>>> check_login(ApiCall& call, std::string name,
                                                           std::string password);

/// Answers 429; returns what the action is to return.
Error refuse_guesses(ApiCall& call, std::chrono::seconds wait);

/// With an empty id a cookie that removes the session's.
SetCookie session_cookie(ApiCall& call, std::string id, std::chrono::seconds life);

}  // namespace headgate
