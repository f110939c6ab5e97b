// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/channel_name.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace headgate {

/// Name of a channel or role -> sequence of the write that granted it.
using Grants = std::map<std::string, Sequence>;

/// End of what goes on.
inline constexpr Sequence kUnended{std::numeric_limits<std::uint64_t>::max()};

/// A time during which something was granted: from the write at `start` until the one at `end`.
struct GrantSpan {
  Sequence start;
  Sequence end;  ///< kUnended: it still is

  friend bool operator==(const GrantSpan&, const GrantSpan&) = default;
};
/// Name of a channel or role -> when it was granted, until it was taken away; oldest first.
using GrantHistory = std::map<std::string, std::vector<GrantSpan>>;

/// Ended spans kept of one name; beyond, the two oldest become one, and what was between them: a
/// revocation is rather sent too often than not at all.
inline constexpr std::size_t kGrantSpansMax = 10;
/// Names with ended spans kept in one record; beyond, those that ended first are forgotten.
inline constexpr std::size_t kGrantHistoryMax = 1'000;

/// A user as stored (docs/key-layout.md, Principals). The guest has an empty name.
struct UserRecord {
  std::string name;
  std::string password_hash;  ///< crypt(3) text; empty: no password is accepted
  std::string email;          ///< empty: none
  bool is_disabled = false;
  Grants admin_channels;
  Grants admin_roles;  ///< without "role:"
  GrantHistory past_channels;
  GrantHistory past_roles;
  Sequence sequence;  ///< of the write that stored this record
  /// Of the write that last ended all sessions: a new user, password or a disabling. 0: unknown.
  Sequence sessions_since;
  /// What the newest bearer token gave that brought something new, and when that was issued
  /// (seconds since 1970; 0: there was none).
  Grants token_channels;
  Grants token_roles;  ///< without "role:"
  std::uint64_t token_issued_at = 0;

  friend bool operator==(const UserRecord&, const UserRecord&) = default;
};

/// A role as stored. A deleted one is kept for what it gave: without channels, and created_at 0.
struct RoleRecord {
  std::string name;
  Grants admin_channels;
  GrantHistory past_channels;
  std::vector<GrantSpan> past_lives;  ///< from creation to deletion, oldest first
  Sequence sequence;                  ///< of the write that stored this record
  Sequence created_at;  ///< of the write that made the role, anew if it had been deleted

  friend bool operator==(const RoleRecord&, const RoleRecord&) = default;
};

std::string encode(const UserRecord& user);
std::string encode(const RoleRecord& role);
/// Errors: corrupted; unsupported (written by a newer Headgate).
Result<UserRecord> decode_user(std::string_view bytes);
Result<RoleRecord> decode_role(std::string_view bytes);

/// `names` as grants after a write at `at`: what `before` held keeps its sequence, what is new gets
/// `at`, what is no longer named is gone.
Grants regrant(const Grants& before, const std::set<std::string>& names, Sequence at);

/// Enters into `history` what `before` held and `after` does not, as ended at `at`.
void end_grants(GrantHistory& history, const Grants& before, const Grants& after, Sequence at);
/// Adds a span to those of one name, within kGrantSpansMax; one that begins where the newest ends
/// prolongs it.
void add_span(std::vector<GrantSpan>& spans, GrantSpan span);

/// What was and is granted of channels, or of roles.
struct GrantTimeline {
  Grants present;
  GrantHistory past;

  /// Both, by name; the present ones have no end.
  GrantHistory spans() const;
};
/// A role's part in a user's past: when it existed, and what it gave then.
struct RoleTimeline {
  std::vector<GrantSpan> lives;  ///< the present one has no end
  GrantHistory channels;
};
/// The times in which a user could read a channel, from wherever it came, oldest first and without
/// what touches or overlaps; the present one has no end. `roles` are those of `held`, by name.
GrantHistory access_history(const GrantTimeline& own, const GrantTimeline& held,
                            const std::map<std::string, RoleTimeline>& roles);

/// Adds `more` to `into`; what is in both keeps the lower sequence.
void merge_grants(Grants& into, const Grants& more);

/// What one role gives to those who have it: its own channels, admin's and documents' together,
/// and since when the user has the role: the later of its grant and its creation. A grant may come
/// first, and who read on meanwhile has passed its sequence without getting anything for it.
struct HeldRole {
  Sequence granted_at;
  Grants channels;
};

/// The channels that a principal can read and since which sequence it can: the rights at one
/// moment. A value; safe from any thread while nobody changes it.
class EffectiveAccess {
 public:
  /// Only `!`.
  EffectiveAccess();
  /// Admin requests: every document, also those in no channel. channels() holds `*` at 1.
  static EffectiveAccess admin();
  /// A user's rights: the union of `own` (admin_channels), `by_documents` (channels granted to this
  /// user by access()) and, for each role, its channels at the later of the role's grant and the
  /// channel's; `!` at 1; of several sequences the lowest. `roles` has the existing roles only.
  static EffectiveAccess of_user(const Grants& own, const Grants& by_documents,
                                 std::span<const HeldRole> roles);

  /// True for a document that is in any of these channels now, or for a holder of `*`.
  /// A document in no channel is for admins and holders of `*`.
  bool can_read(std::span<const std::string> document_channels) const;
  bool can_read_channel(std::string_view channel) const { return granted_at(channel).has_value(); }
  /// Since when the channel is held, by itself or through `*`, whichever came first; absent: not.
  std::optional<Sequence> granted_at(std::string_view channel) const;
  bool has_star() const { return star_.has_value(); }
  bool is_admin() const { return is_admin_; }

  /// Exactly what is held, `!` and `*` among it, by name.
  const Grants& channels() const { return channels_; }
  std::vector<std::string> channel_names() const;

  friend bool operator==(const EffectiveAccess&, const EffectiveAccess&) = default;

 private:
  Grants channels_;
  std::optional<Sequence> star_;
  bool is_admin_ = false;
};

}  // namespace headgate
