// SPDX-License-Identifier: Apache-2.0
#include "database/principal_envelope.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"
#include "database/base_keys.hpp"
#include "document/envelope.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kIsDeleted = 1;

// What was granted at a lost number is granted anew. That it was before, too, stays known: its
// holder may have read by it.
void move_grants(Grants& grants, GrantHistory& history, const std::set<Sequence>& lost,
                 Sequence to) {
  Grants ended;
  for (auto& [granted, since] : grants)
    if (lost.contains(since)) ended.emplace(granted, std::exchange(since, to));
  end_grants(history, ended, {}, to);
}

// The beginning stays, lest it come after the end.
void move_spans(std::vector<GrantSpan>& spans, const std::set<Sequence>& lost, Sequence to) {
  for (GrantSpan& span : spans)
    if (lost.contains(span.end)) span.end = to;
}

void move_history(GrantHistory& history, const std::set<Sequence>& lost, Sequence to) {
  for (auto& [name, spans] : history) move_spans(spans, lost, to);
}

void add_numbers(const Grants& grants, std::set<Sequence>& into) {
  for (const auto& [granted, since] : grants) into.insert(since);
}

/// Since when the record grants what it grants. What cannot be read says nothing here: its reader
/// will be told.
std::set<Sequence> granting_numbers(const PrincipalName& name, const std::string& record) {
  std::set<Sequence> numbers;
  if (record.empty()) return numbers;
  if (name.kind == PrincipalKind::user) {
    if (const auto user = decode_user(record)) {
      add_numbers(user->admin_channels, numbers);
      add_numbers(user->admin_roles, numbers);
      add_numbers(user->token_channels, numbers);
      add_numbers(user->token_roles, numbers);
    }
  } else if (const auto role = decode_role(record)) {
    add_numbers(role->admin_channels, numbers);
    numbers.insert(role->created_at);
  }
  return numbers;
}

}  // namespace

Result<void> PrincipalEnvelope::resequence(const PrincipalName& name,
                                           const std::set<Sequence>& lost, Sequence to,
                                           Sequence stable) {
  if (!record.empty() && name.kind == PrincipalKind::user) {
    HG_TRY(UserRecord user, decode_user(record));
    move_grants(user.admin_channels, user.past_channels, lost, to);
    move_grants(user.admin_roles, user.past_roles, lost, to);
    move_grants(user.token_channels, user.past_channels, lost, to);
    move_grants(user.token_roles, user.past_roles, lost, to);
    move_history(user.past_channels, lost, to);
    move_history(user.past_roles, lost, to);
    user.sequence = to;
    record = headgate::encode(user);
  } else if (!record.empty()) {
    HG_TRY(RoleRecord role, decode_role(record));
    move_grants(role.admin_channels, role.past_channels, lost, to);
    move_history(role.past_channels, lost, to);
    move_spans(role.past_lives, lost, to);
    if (lost.contains(role.created_at))
      add_span(role.past_lives, {std::exchange(role.created_at, to), to});
    role.sequence = to;
    record = headgate::encode(role);
  }
  advance(to, stable);
  return {};
}

void PrincipalEnvelope::advance(Sequence next, Sequence stable) {
  HG_ASSERT(next > sequence);
  if (sequence != Sequence()) recent.push_back(sequence);
  sequence = next;
  if (recent.size() < kRecentSequencesMax) return;
  const auto last = recent.end() - static_cast<std::ptrdiff_t>(kRecentSequencesMin);
  recent.erase(recent.begin(), std::lower_bound(recent.begin(), last, stable));
}

FeedRecord PrincipalEnvelope::feed_record(const PrincipalName& name) const {
  FeedRecord fed;
  fed.entry.sequence = sequence;
  fed.entry.doc_id = principal_doc_id(name);
  fed.entry.flags = CacheEntry::kPrincipal;
  if (is_deleted) fed.entry.flags |= CacheEntry::kDeleted;
  // Nothing is given: what the record itself says is read from the record. Listed as a grant so
  // that the access counter is raised with it, by whoever does the cache work.
  fed.entry.grants.push_back({ChannelId::of_principal(name.text()), {}});
  // R7: where it began to grant something its hidden channel has to have an entry.
  const std::set<Sequence> granting = granting_numbers(name, record);
  for (const Sequence earlier : recent) {
    RecentSequence& fed_earlier = fed.recent.emplace_back(RecentSequence{earlier, {}, {}});
    if (granting.contains(earlier))
      fed_earlier.grants.push_back(ChannelId::of_principal(name.text()));
  }
  return fed;
}

std::string PrincipalEnvelope::encode() const {
  ByteWriter writer;
  writer.u8(kFormat).u8(is_deleted ? kIsDeleted : 0).varint(sequence.value());
  writer.varint(recent.size());
  for (const Sequence earlier : recent) writer.varint(earlier.value());
  writer.text(record);
  return std::move(writer).bytes();
}

Result<PrincipalEnvelope> PrincipalEnvelope::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "principal of a newer format"};
  PrincipalEnvelope envelope;
  envelope.is_deleted = (reader.u8() & kIsDeleted) != 0;
  envelope.sequence = Sequence(reader.varint());
  for (std::size_t left = reader.count(); left > 0; --left)
    envelope.recent.push_back(Sequence(reader.varint()));
  envelope.record = std::string(reader.text());
  HG_CHECK(reader.finish("principal"));
  return envelope;
}

}  // namespace headgate
