// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/principal.hpp"
#include "access/sync_function.hpp"
#include "cache/cache_entry.hpp"
#include "cache/channel_id.hpp"

namespace headgate {

/// The guest, where people read or write its name.
inline constexpr std::string_view kGuestName = "GUEST";

/// Who makes a request, with its rights at one moment: an admin, the guest or a user. Immutable,
/// shared. Ask PrincipalStore::load() again for each request and each pass of a feed.
struct Principal {
  std::string name;  ///< empty: the guest, or an admin
  EffectiveAccess access;
  /// When it could read which channel, as far as is known, oldest first; the present time of a
  /// channel has no end. Empty for an admin.
  GrantHistory access_history;
  /// The newest write that may have taken something from it: of its own record, that ended a time,
  /// or that gave a channel anew. Until stable has come there a failover may undo that, and nobody
  /// would know of it (B5).
  Sequence narrowed_at;
  /// An entry of a hidden channel was not complete yet (R15b): not to be remembered, and who waits
  /// with these rights has to look again, since nothing tells when it is.
  bool is_provisional = false;
  std::set<std::string> roles;  ///< names of the existing roles it has, without "role:"
  /// Of the user's own record: the place of its pseudo entry `_user/NAME`; 0: it has none.
  Sequence sequence;
  /// Sessions that began before it are over; 0: unknown.
  Sequence sessions_since;
  /// Hidden channels whose changes may change these rights: of the user and of its roles. Their
  /// counters wake its feeds (R5b).
  std::vector<ChannelId> hidden_channels;
  /// What the sync function sees of the writer; null for an admin.
  std::shared_ptr<const SyncUser> sync_user;

  bool is_admin() const { return access.is_admin(); }
  bool is_guest() const { return !is_admin() && name.empty(); }

  static std::shared_ptr<const Principal> admin();
};

/// Whether the document of this entry can be read now by a holder of `access`: it is in one of the
/// channels held, or `*` is held. False for entries of users and roles.
bool is_visible(const CacheEntry& entry, const EffectiveAccess& access);

}  // namespace headgate
