// SPDX-License-Identifier: Apache-2.0
#include "access/principal.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace headgate {
namespace {

// docs/key-layout.md, Principals.
constexpr std::uint8_t kUserFormat = 1;
constexpr std::uint8_t kRoleFormat = 2;
constexpr std::uint8_t kDisabledFlag = 1;
constexpr std::uint8_t kSessionsFlag = 2;
constexpr std::uint8_t kTokenFlag = 4;
constexpr std::uint8_t kKnownFlags = kDisabledFlag | kSessionsFlag | kTokenFlag;
constexpr std::size_t kMinGrantBytes = 2;  // an empty name's length and a small sequence

void write_grants(ByteWriter& out, const Grants& grants) {
  out.varint(grants.size());
  for (const auto& [name, at] : grants) out.text(name).varint(at.value());
}

Grants read_grants(ByteReader& in) {
  Grants grants;
  const std::size_t count = in.count(kMinGrantBytes);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view name = in.text();
    grants.insert_or_assign(grants.end(), std::string(name), Sequence(in.varint()));
  }
  return grants;
}

Result<void> check_format(std::uint8_t format, std::uint8_t known, std::string_view what) {
  if (format > known)
    return Error{Errc::unsupported, std::string(what) + " in format " + std::to_string(format)};
  if (format != known) return Error{Errc::corrupted, std::string(what)};
  return {};
}

}  // namespace

std::string encode(const UserRecord& user) {
  ByteWriter out;
  const bool has_sessions = user.sessions_since != Sequence();
  const bool has_token = user.token_issued_at != 0;
  const int flags = (user.is_disabled ? kDisabledFlag : 0) | (has_sessions ? kSessionsFlag : 0) |
                    (has_token ? kTokenFlag : 0);
  out.u8(kUserFormat).u8(static_cast<std::uint8_t>(flags)).varint(user.sequence.value());
  out.text(user.name).text(user.password_hash).text(user.email);
  write_grants(out, user.admin_channels);
  write_grants(out, user.admin_roles);
  if (has_sessions) out.varint(user.sessions_since.value());
  if (has_token) {
    out.varint(user.token_issued_at);
    write_grants(out, user.token_channels);
    write_grants(out, user.token_roles);
  }
  return std::move(out).bytes();
}

std::string encode(const RoleRecord& role) {
  ByteWriter out;
  out.u8(kRoleFormat).varint(role.sequence.value()).varint(role.created_at.value());
  out.text(role.name);
  write_grants(out, role.admin_channels);
  return std::move(out).bytes();
}

Result<UserRecord> decode_user(std::string_view bytes) {
  ByteReader in(bytes);
  HG_CHECK(check_format(in.u8(), kUserFormat, "user"));
  UserRecord user;
  const std::uint8_t flags = in.u8();
  if ((flags & ~kKnownFlags) != 0) return Error{Errc::corrupted, "user"};
  user.is_disabled = (flags & kDisabledFlag) != 0;
  user.sequence = Sequence(in.varint());
  user.name = in.text();
  user.password_hash = in.text();
  user.email = in.text();
  user.admin_channels = read_grants(in);
  user.admin_roles = read_grants(in);
  if ((flags & kSessionsFlag) != 0) user.sessions_since = Sequence(in.varint());
  if ((flags & kTokenFlag) != 0) {
    user.token_issued_at = in.varint();
    user.token_channels = read_grants(in);
    user.token_roles = read_grants(in);
  }
  HG_CHECK(in.finish("user"));
  return user;
}

Result<RoleRecord> decode_role(std::string_view bytes) {
  ByteReader in(bytes);
  HG_CHECK(check_format(in.u8(), kRoleFormat, "role"));
  RoleRecord role;
  role.sequence = Sequence(in.varint());
  role.created_at = Sequence(in.varint());
  role.name = in.text();
  role.admin_channels = read_grants(in);
  HG_CHECK(in.finish("role"));
  return role;
}

Grants regrant(const Grants& before, const std::set<std::string>& names, Sequence at) {
  Grants after;
  for (const std::string& name : names) {
    const auto held = before.find(name);
    after.emplace_hint(after.end(), name, held == before.end() ? at : held->second);
  }
  return after;
}

void merge_grants(Grants& into, const Grants& more) {
  for (const auto& [name, at] : more) {
    const auto [held, is_new] = into.emplace(name, at);
    if (!is_new) held->second = std::min(held->second, at);
  }
}

EffectiveAccess::EffectiveAccess() : channels_{{std::string(kPublicChannel), Sequence(1)}} {}

EffectiveAccess EffectiveAccess::admin() {
  EffectiveAccess access;
  access.channels_.emplace(kStarChannel, Sequence(1));
  access.star_ = Sequence(1);
  access.is_admin_ = true;
  return access;
}

EffectiveAccess EffectiveAccess::of_user(const Grants& own, const Grants& by_documents,
                                         std::span<const HeldRole> roles) {
  EffectiveAccess access;
  merge_grants(access.channels_, own);
  merge_grants(access.channels_, by_documents);
  for (const HeldRole& role : roles) {
    Grants held = role.channels;
    for (auto& [channel, at] : held) at = std::max(at, role.granted_at);
    merge_grants(access.channels_, held);
  }
  const auto star = access.channels_.find(std::string(kStarChannel));
  if (star != access.channels_.end()) access.star_ = star->second;
  return access;
}

bool EffectiveAccess::can_read(std::span<const std::string> document_channels) const {
  return star_ || std::ranges::any_of(document_channels, [this](const std::string& channel) {
           return channels_.contains(channel);
         });
}

std::optional<Sequence> EffectiveAccess::granted_at(std::string_view channel) const {
  const auto held = channels_.find(std::string(channel));
  if (held == channels_.end()) return star_;
  return star_ ? std::min(*star_, held->second) : held->second;
}

std::vector<std::string> EffectiveAccess::channel_names() const {
  std::vector<std::string> names;
  names.reserve(channels_.size());
  for (const auto& [channel, at] : channels_) names.push_back(channel);
  return names;
}

}  // namespace headgate
