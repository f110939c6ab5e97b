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

void write_spans(ByteWriter& out, const std::vector<GrantSpan>& spans) {
  out.varint(spans.size());
  for (const GrantSpan& span : spans) out.varint(span.start.value()).varint(span.end.value());
}

std::vector<GrantSpan> read_spans(ByteReader& in) {
  std::vector<GrantSpan> spans(in.count(kMinGrantBytes));
  for (GrantSpan& span : spans) {
    span.start = Sequence(in.varint());
    span.end = Sequence(in.varint());
  }
  return spans;
}

void write_history(ByteWriter& out, const GrantHistory& history) {
  out.varint(history.size());
  for (const auto& [name, spans] : history) {
    out.text(name);
    write_spans(out, spans);
  }
}

GrantHistory read_history(ByteReader& in) {
  GrantHistory history;
  for (std::size_t left = in.count(kMinGrantBytes); left > 0 && in.ok(); --left) {
    std::string name(in.text());
    history.insert_or_assign(std::move(name), read_spans(in));
  }
  return history;
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
  write_history(out, user.past_channels);
  write_history(out, user.past_roles);
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
  write_history(out, role.past_channels);
  write_spans(out, role.past_lives);
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
  user.past_channels = read_history(in);
  user.past_roles = read_history(in);
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
  role.past_channels = read_history(in);
  role.past_lives = read_spans(in);
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

void add_span(std::vector<GrantSpan>& spans, GrantSpan span) {
  if (!spans.empty() && spans.back().end == span.start) {
    spans.back().end = span.end;
    return;
  }
  spans.push_back(span);
  if (spans.size() <= kGrantSpansMax) return;
  spans[1].start = spans[0].start;
  spans.erase(spans.begin());
}

void end_grants(GrantHistory& history, const Grants& before, const Grants& after, Sequence at) {
  for (const auto& [name, since] : before)
    if (!after.contains(name)) add_span(history[name], {since, at});
  if (history.size() <= kGrantHistoryMax) return;
  std::vector<GrantHistory::iterator> by_end;
  for (auto named = history.begin(); named != history.end(); ++named) by_end.push_back(named);
  std::ranges::sort(by_end, {}, [](const auto& named) { return named->second.back().end; });
  by_end.resize(by_end.size() - kGrantHistoryMax);
  for (const auto& named : by_end) history.erase(named);
}

GrantHistory GrantTimeline::spans() const {
  GrantHistory all = past;
  for (const auto& [name, since] : present) all[name].push_back({since, kUnended});
  return all;
}

namespace {

GrantSpan common(const GrantSpan& a, const GrantSpan& b) {
  return {std::max(a.start, b.start), std::min(a.end, b.end)};
}

void add_common(const std::vector<GrantSpan>& held, const RoleTimeline& role, GrantHistory& into) {
  for (const GrantSpan& grant : held) {
    for (const GrantSpan& life : role.lives) {
      const GrantSpan member = common(grant, life);
      for (const auto& [channel, spans] : role.channels) {
        for (const GrantSpan& span : spans) {
          const GrantSpan readable = common(member, span);
          if (readable.start < readable.end) into[channel].push_back(readable);
        }
      }
    }
  }
}

std::vector<GrantSpan> join(std::vector<GrantSpan> spans) {
  std::ranges::sort(spans, {}, &GrantSpan::start);
  std::vector<GrantSpan> joined;
  for (const GrantSpan& span : spans) {
    if (!joined.empty() && span.start <= joined.back().end)
      joined.back().end = std::max(joined.back().end, span.end);
    else
      joined.push_back(span);
  }
  return joined;
}

}  // namespace

GrantHistory access_history(const GrantTimeline& own, const GrantTimeline& held,
                            const std::map<std::string, RoleTimeline>& roles) {
  GrantHistory all = own.spans();
  for (const auto& [name, spans] : held.spans()) {
    const auto role = roles.find(name);
    if (role != roles.end()) add_common(spans, role->second, all);
  }
  all.erase(std::string(kPublicChannel));
  for (auto& [channel, spans] : all) spans = join(std::move(spans));
  return all;
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
