// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/channel_name.hpp"
#include "base/result.hpp"

namespace headgate {

/// Most channels of one document, and most (principal, channel or role) pairs it may grant.
inline constexpr std::size_t kMaxDocumentChannels = 10'000;
inline constexpr std::size_t kMaxDocumentGrants = 10'000;

/// The user that writes, as the sync function sees it: the rights before this write. Immutable;
/// shared by all writes of a request.
struct SyncUser {
  std::string name;      ///< empty: the guest
  std::string channels;  ///< names joined by commas, `!` and `*` included where held
  std::string roles;     ///< names without "role:", joined by commas

  static std::shared_ptr<const SyncUser> make(std::string name,
                                              std::span<const std::string> channels,
                                              std::span<const std::string> roles);
};

/// What one run of a sync function is given.
struct SyncInput {
  /// The new revision's JSON object with `_id`, `_rev`, and `_deleted` when so; valid JSON.
  std::string doc;
  /// The parent's body (nearest available ancestor), `_id` added, `_deleted:true` when it is a
  /// tombstone; empty for a new document.
  std::string old_doc;
  /// Null: an admin request or a resync; the require...() calls then do nothing.
  std::shared_ptr<const SyncUser> user;
};

/// Why a write is refused. `code` is one of forbidden (403), unauthorized (401), invalid_argument
/// (400) and internal (500: the function failed); `reason` is for the client.
struct Rejection {
  Errc code = Errc::internal;
  std::string reason;

  friend bool operator==(const Rejection&, const Rejection&) = default;
};

/// What a sync function said about a revision. When `rejection` is set, the write must not be
/// stored and everything else is empty.
struct SyncOutput {
  std::optional<Rejection> rejection;
  /// Sorted and unique, each a valid name.
  std::vector<std::string> channels;
  /// Channels granted by access(); principals need not exist. Never `*`.
  std::map<PrincipalName, std::set<std::string>> access;
  /// Roles (without "role:") granted to users by role().
  std::map<std::string, std::set<std::string>> roles;
  /// JSON text of what expiry() was given last; absent: not called, or with null.
  std::optional<std::string> expiry;
};

/// Decides the channels and grants of a revision, and whether it may be written. Immutable. Safe
/// from any thread, also at the same time. Owned by shared_ptr: may be dropped by its owner while
/// others still run it.
class SyncFunction {
 public:
  SyncFunction() = default;
  SyncFunction(const SyncFunction&) = delete;
  SyncFunction& operator=(const SyncFunction&) = delete;
  virtual ~SyncFunction() = default;

  /// Judges one revision; pure. A refusal is a value in the output. Errors: invalid_argument (the
  /// documents are not JSON objects: a bug of the caller), unavailable (no script runtime could be
  /// started; nothing is known about the revision).
  virtual Result<SyncOutput> run(const SyncInput& input) const = 0;
  /// True: run() takes microseconds and blocks on nothing, so call it where you are. False: call
  /// it through Environment::run_blocking.
  virtual bool runs_inline() const = 0;
};

/// The default when none is configured: channel(doc.channels), without a script engine. A string
/// or an array of strings; everything else is ignored. `*` stays beside other channels.
class NativeSyncFunction final : public SyncFunction {
 public:
  Result<SyncOutput> run(const SyncInput& input) const override { return run(input.doc); }
  bool runs_inline() const override { return true; }

  /// The same for callers that hold no SyncInput; `doc` is the JSON text of an object, with or
  /// without the members of Headgate's own (`_id`, ...).
  static Result<SyncOutput> run(std::string_view doc);
};

}  // namespace headgate
