// SPDX-License-Identifier: Apache-2.0
#include "database/principal_builder.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr std::size_t kPage = 1'000;
/// Of the guest's configured channels: there since the database was made.
constexpr Sequence kCreation{1};

std::shared_ptr<const SyncUser> sync_user_of(const Principal& principal) {
  const std::vector<std::string> roles(principal.roles.begin(), principal.roles.end());
  return SyncUser::make(principal.name, principal.access.channel_names(), roles);
}

void add_history(GrantHistory& into, const GrantHistory& more) {
  for (const auto& [name, spans] : more)
    into[name].insert(into[name].end(), spans.begin(), spans.end());
}

/// From its creation to its deletion, each time.
std::vector<GrantSpan> lives_of(const RoleRecord& role, bool is_live) {
  std::vector<GrantSpan> lives = role.past_lives;
  if (is_live) lives.push_back({role.created_at, kUnended});
  return lives;
}

Sequence narrowed_at(const Principal& principal) {
  Sequence last = principal.sequence;
  for (const auto& [name, spans] : principal.access_history) {
    for (const GrantSpan& span : spans)
      if (span.end != kUnended) last = std::max(last, span.end);
    // Until stable has come to the later grant the channel is not read, though it was before.
    const auto present = principal.access.channels().find(name);
    const bool is_given_anew =
        present != principal.access.channels().end() && spans.back().start < present->second;
    if (is_given_anew && spans.back().end == kUnended) last = std::max(last, present->second);
  }
  return last;
}

/// The newest entry of each document that was met in one hidden channel.
class HiddenChannel {
 public:
  explicit HiddenChannel(ChannelId id) : query_{std::move(id), Sequence(), kNoSequence} {}

  bool is_complete() const { return is_complete_; }
  bool is_provisional() const { return is_provisional_; }
  const ChannelQuery& query() const { return query_; }

  void take(const ChannelPage& page) {
    for (const ChannelEntry& entry : page.entries)
      newest_[entry.document->entry.doc_id] = entry.document;
    is_provisional_ = is_provisional_ || page.awaited.has_value();
    is_complete_ = page.complete_to == kUnended || page.complete_to <= query_.since;
    query_.since = page.complete_to;
  }

  Result<std::vector<std::pair<std::string, DocumentGrants>>> by_document() const {
    std::vector<std::pair<std::string, DocumentGrants>> all;
    for (const auto& [id, document] : newest_) {
      for (const Grant& grant : document->entry.grants) {
        if (grant.principal != query_.channel) continue;
        HG_TRY(DocumentGrants given, DocumentGrants::decode(grant.given));
        all.emplace_back(id.text(), std::move(given));
      }
    }
    return all;
  }

 private:
  ChannelQuery query_;
  std::unordered_map<DocId, std::shared_ptr<const SequenceDocument>> newest_;
  bool is_complete_ = false;
  bool is_provisional_ = false;
};

}  // namespace

DocumentGrants PrincipalBuilder::Granted::all() const {
  DocumentGrants all;
  for (const auto& [id, given] : by_document) {
    merge_grants(all.channels, given.channels);
    merge_grants(all.roles, given.roles);
    add_history(all.past_channels, given.past_channels);
    add_history(all.past_roles, given.past_roles);
  }
  return all;
}

Task<Result<std::vector<PrincipalBuilder::Granted>>> PrincipalBuilder::read_grants(
    PassStart pass, std::vector<ChannelId> channels) {
  std::vector<HiddenChannel> hidden;
  for (ChannelId& channel : channels) hidden.emplace_back(std::move(channel));
  while (true) {
    std::vector<HiddenChannel*> open;
    std::vector<ChannelQuery> queries;
    for (HiddenChannel& channel : hidden) {
      if (channel.is_complete()) continue;
      open.push_back(&channel);
      queries.push_back(channel.query());
    }
    if (open.empty()) break;
    // Grants count from the moment they can be read, also above stable: revoking waits for nobody.
    HG_CO_TRY(const auto pages,
              co_await context_.reader.read(pass, ReadMode::available, std::move(queries), kPage));
    for (std::size_t i = 0; i < open.size(); ++i) open[i]->take(pages[i]);
  }
  std::vector<Granted> granted;
  for (const HiddenChannel& channel : hidden) {
    HG_CO_TRY(auto by_document, channel.by_document());
    granted.push_back({std::move(by_document), channel.is_provisional()});
  }
  co_return granted;
}

// On an unknown history of the base nobody is given anything (I7).
bool PrincipalBuilder::is_audited(const PassStart& pass, const PrincipalName& name,
                                  const PrincipalRecords::Stored& stored) const {
  return !context_.space.is_shared() || !HG_RULE("I7") ||
         records_.is_of(*pass.record, name, stored);
}

Task<Result<PrincipalBuilder::Roles>> PrincipalBuilder::read_roles(PassStart pass,
                                                                   GrantTimeline held,
                                                                   Principal& principal) {
  std::vector<PrincipalName> names;
  std::vector<ChannelId> channels;
  for (const auto& [role, spans] : held.spans()) {
    names.push_back(PrincipalName::role(role));
    channels.push_back(ChannelId::of_principal(names.back().text()));
    if (held.present.contains(role)) principal.hidden_channels.push_back(channels.back());
  }
  Roles roles;
  if (names.empty()) co_return roles;
  HG_CO_TRY(const auto stored, co_await records_.load_many(names));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!is_audited(pass, names[i], stored[i])) co_return Errc::rolled_back;
  HG_CO_TRY(auto granted, co_await read_grants(std::move(pass), std::move(channels)));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i].name;
    principal.is_provisional = principal.is_provisional || granted[i].is_provisional;
    if (stored[i].envelope.record.empty()) continue;  // there never was such a role
    HG_CO_TRY(RoleRecord role, decode_role(stored[i].envelope.record));
    GrantTimeline given{std::move(role.admin_channels), std::move(role.past_channels)};
    const DocumentGrants by_documents = granted[i].all();
    merge_grants(given.present, by_documents.channels);
    add_history(given.past, by_documents.past_channels);
    roles.timelines[name] = {lives_of(role, stored[i].is_live()), given.spans()};
    const auto since = held.present.find(name);
    if (!stored[i].is_live() || since == held.present.end()) continue;
    roles.present.push_back({std::max(since->second, role.created_at), std::move(given.present)});
    principal.roles.insert(name);
  }
  co_return roles;
}

// The configuration decides at once; its record tells since when, and follows it.
void PrincipalBuilder::keep_configured(UserRecord& guest) const {
  std::erase_if(guest.admin_channels, [&](const auto& grant) {
    return !context_.config->guest.admin_channels.contains(grant.first);
  });
}

Task<Result<BuiltPrincipal>> PrincipalBuilder::build(std::string name, PassStart pass) {
  const PrincipalName full = PrincipalName::user(name);
  HG_CO_TRY(const PrincipalRecords::Stored stored, co_await records_.load(full));
  if (!is_audited(pass, full, stored)) co_return Errc::rolled_back;
  if (!stored.is_live()) co_return Error{Errc::not_found, "no such user"};
  HG_CO_TRY(UserRecord user, decode_user(stored.envelope.record));

  if (full.is_guest()) keep_configured(user);

  auto principal = std::make_shared<Principal>();
  principal->name = std::move(name);
  if (!full.is_guest()) principal->sequence = stored.envelope.sequence;
  principal->sessions_since = user.sessions_since;
  principal->hidden_channels.push_back(ChannelId::of_principal(full.text()));
  HG_CO_TRY(auto granted, co_await read_grants(pass, principal->hidden_channels));
  const DocumentGrants own = granted.front().all();
  principal->is_provisional = granted.front().is_provisional;

  BuiltPrincipal built;
  built.is_disabled = user.is_disabled;
  built.token_issued_at = user.token_issued_at;
  built.password_hash = std::move(user.password_hash);
  GrantTimeline held{std::move(user.admin_roles), std::move(user.past_roles)};
  merge_grants(held.present, user.token_roles);
  merge_grants(held.present, own.roles);
  add_history(held.past, own.past_roles);
  HG_CO_TRY(const Roles roles, co_await read_roles(std::move(pass), held, *principal));
  GrantTimeline channels{std::move(user.admin_channels), std::move(user.past_channels)};
  merge_grants(channels.present, user.token_channels);
  principal->access = EffectiveAccess::of_user(channels.present, own.channels, roles.present);
  merge_grants(channels.present, own.channels);
  add_history(channels.past, own.past_channels);
  principal->access_history = access_history(channels, held, roles.timelines);
  principal->narrowed_at = narrowed_at(*principal);
  principal->sync_user = sync_user_of(*principal);
  built.principal = std::move(principal);
  co_return built;
}

/// What the guest's configuration gives; its record, if there is one, tells since when.
Result<std::vector<GrantOrigin>> PrincipalBuilder::origins_of_guest(
    const PrincipalRecords::Stored& stored) const {
  UserRecord guest;
  if (stored.is_live()) {
    HG_TRY(guest, decode_user(stored.envelope.record));
  }
  std::vector<GrantOrigin> origins;
  for (const std::string& channel : context_.config->guest.admin_channels) {
    const auto since = guest.admin_channels.find(channel);
    const Sequence from = since == guest.admin_channels.end() ? kCreation : since->second;
    origins.push_back({channel, from, {GrantGiver::Kind::configuration, {}}, {}, {}});
  }
  return origins;
}

Task<Result<std::vector<GrantOrigin>>> PrincipalBuilder::origins(std::string name, PassStart pass) {
  const PrincipalName full = PrincipalName::user(name);
  HG_CO_TRY(const PrincipalRecords::Stored stored, co_await records_.load(full));
  if (!is_audited(pass, full, stored)) co_return Errc::rolled_back;
  if (full.is_guest()) co_return origins_of_guest(stored);
  if (!stored.is_live()) co_return Error{Errc::not_found, "no such user"};
  HG_CO_TRY(const UserRecord user, decode_user(stored.envelope.record));
  const std::vector<ChannelId> hidden{ChannelId::of_principal(full.text())};
  HG_CO_TRY(const auto granted, co_await read_grants(pass, hidden));
  std::vector<GrantOrigin> origins, roles;
  const auto add = [&](const Grants& channels, const Grants& held, const GrantGiver& by) {
    for (const auto& [channel, since] : channels) origins.push_back({channel, since, by, {}, {}});
    for (const auto& [role, since] : held) roles.push_back({{}, since, {}, role, by});
  };
  add(user.admin_channels, user.admin_roles, {});
  add(user.token_channels, user.token_roles, {GrantGiver::Kind::token, {}});
  for (const auto& [id, given] : granted.front().by_document)
    add(given.channels, given.roles, GrantGiver::of_document(id));
  for (GrantOrigin& role : roles) HG_CO_CHECK(co_await add_role_origins(pass, role, origins));
  co_return origins;
}

Task<Result<void>> PrincipalBuilder::add_role_origins(PassStart pass, GrantOrigin held,
                                                      std::vector<GrantOrigin>& origins) {
  const PrincipalName full = PrincipalName::role(held.role);
  HG_CO_TRY(const PrincipalRecords::Stored stored, co_await records_.load(full));
  if (!stored.is_live()) co_return Result<void>();
  HG_CO_TRY(const RoleRecord role, decode_role(stored.envelope.record));
  const std::vector<ChannelId> hidden{ChannelId::of_principal(full.text())};
  HG_CO_TRY(const auto granted, co_await read_grants(std::move(pass), hidden));
  const Sequence member_since = std::max(held.since, role.created_at);
  const auto add = [&](const Grants& channels, const GrantGiver& by) {
    for (const auto& [channel, since] : channels)
      origins.push_back({channel, std::max(member_since, since), by, held.role, held.role_by});
  };
  add(role.admin_channels, {});
  for (const auto& [id, given] : granted.front().by_document)
    add(given.channels, GrantGiver::of_document(id));
  co_return Result<void>();
}

Task<Result<Grants>> PrincipalBuilder::channels_of_role(std::string name, PassStart pass) {
  Principal holder;
  HG_CO_TRY(Roles roles,
            co_await read_roles(std::move(pass), {{{std::move(name), kCreation}}, {}}, holder));
  if (roles.present.empty()) co_return Error{Errc::not_found, "no such role"};
  co_return std::move(roles.present.front().channels);
}

std::shared_ptr<const Principal> PrincipalBuilder::guest() const {
  auto principal = std::make_shared<Principal>();
  principal->hidden_channels.push_back(ChannelId::of_principal(PrincipalName::guest().text()));
  Grants channels;
  for (const std::string& channel : context_.config->guest.admin_channels)
    channels.emplace(channel, kCreation);
  principal->access = EffectiveAccess::of_user(channels, {}, {});
  principal->sync_user = sync_user_of(*principal);
  return principal;
}

}  // namespace headgate
