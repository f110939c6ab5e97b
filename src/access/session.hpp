// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace headgate {

/// A login that is remembered, as stored (docs/key-layout.md). It is over at `ends_at`, and as soon
/// as the user's UserRecord::sessions_since is another one.
struct Session {
  std::string user;
  Sequence sessions_since;
  WallTime ends_at;
  std::chrono::seconds life{};  ///< a renewal lasts so long again
  bool is_one_time = false;     ///< ends when it is used

  friend bool operator==(const Session&, const Session&) = default;
};

std::string encode(const Session& session);
/// Errors: corrupted; unsupported (written by a newer Headgate).
Result<Session> decode_session(std::string_view bytes);

/// What the client keeps: 64 hex digits, a secret. `random` must be unpredictable.
std::string make_session_id(const std::array<std::uint64_t, 4>& random);
bool is_session_id(std::string_view text);
/// The name under which a session is stored. Whoever reads the store learns no ids.
std::string session_digest(std::string_view id);

}  // namespace headgate
