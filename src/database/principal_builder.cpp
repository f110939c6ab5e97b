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
    is_complete_ = page.complete_to == kNoSequence || page.complete_to <= query_.since;
    query_.since = page.complete_to;
  }

  Result<DocumentGrants> grants() const {
    DocumentGrants all;
    for (const auto& [id, document] : newest_) {
      for (const Grant& grant : document->entry.grants) {
        if (grant.principal != query_.channel) continue;
        HG_TRY(const DocumentGrants given, DocumentGrants::decode(grant.given));
        merge_grants(all.channels, given.channels);
        merge_grants(all.roles, given.roles);
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
    HG_CO_TRY(DocumentGrants grants, channel.grants());
    granted.push_back({std::move(grants), channel.is_provisional()});
  }
  co_return granted;
}

// On an unknown history of the base nobody is given anything (I7).
bool PrincipalBuilder::is_audited(const PassStart& pass, const PrincipalName& name,
                                  const PrincipalRecords::Stored& stored) const {
  return !context_.space.is_shared() || !HG_RULE("I7") ||
         records_.is_of(*pass.record, name, stored);
}

Task<Result<std::vector<HeldRole>>> PrincipalBuilder::read_roles(PassStart pass, Grants roles,
                                                                 BuiltPrincipal& built,
                                                                 Principal& principal) {
  std::vector<PrincipalName> names;
  std::vector<ChannelId> channels;
  for (const auto& [role, since] : roles) {
    names.push_back(PrincipalName::role(role));
    channels.push_back(ChannelId::of_principal(names.back().text()));
    principal.hidden_channels.push_back(channels.back());
  }
  std::vector<HeldRole> held;
  if (names.empty()) co_return held;
  HG_CO_TRY(const auto stored, co_await records_.load_many(names));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!is_audited(pass, names[i], stored[i])) co_return Errc::rolled_back;
  HG_CO_TRY(const auto granted, co_await read_grants(std::move(pass), std::move(channels)));
  for (std::size_t i = 0; i < names.size(); ++i) {
    built.is_provisional = built.is_provisional || granted[i].is_provisional;
    if (!stored[i].is_live()) continue;
    HG_CO_TRY(RoleRecord role, decode_role(stored[i].envelope.record));
    merge_grants(role.admin_channels, granted[i].grants.channels);
    const Sequence since = std::max(roles.at(names[i].name), role.created_at);
    held.push_back({since, std::move(role.admin_channels)});
    principal.roles.insert(names[i].name);
  }
  co_return held;
}

Task<Result<BuiltPrincipal>> PrincipalBuilder::build(std::string name, PassStart pass) {
  const PrincipalName full = PrincipalName::user(name);
  HG_CO_TRY(const PrincipalRecords::Stored stored, co_await records_.load(full));
  if (!is_audited(pass, full, stored)) co_return Errc::rolled_back;
  if (!stored.is_live()) co_return Error{Errc::not_found, "no such user"};
  HG_CO_TRY(UserRecord user, decode_user(stored.envelope.record));

  auto principal = std::make_shared<Principal>();
  principal->name = std::move(name);
  principal->sequence = stored.envelope.sequence;
  principal->sessions_since = user.sessions_since;
  principal->hidden_channels.push_back(ChannelId::of_principal(full.text()));
  HG_CO_TRY(auto granted, co_await read_grants(pass, principal->hidden_channels));
  Granted& own = granted.front();

  BuiltPrincipal built;
  built.is_provisional = own.is_provisional;
  built.is_disabled = user.is_disabled;
  built.token_issued_at = user.token_issued_at;
  built.password_hash = std::move(user.password_hash);
  Grants roles = std::move(user.admin_roles);
  merge_grants(roles, user.token_roles);
  merge_grants(roles, own.grants.roles);
  HG_CO_TRY(const auto held,
            co_await read_roles(std::move(pass), std::move(roles), built, *principal));
  merge_grants(user.admin_channels, user.token_channels);
  principal->access = EffectiveAccess::of_user(user.admin_channels, own.grants.channels, held);
  principal->sync_user = sync_user_of(*principal);
  built.principal = std::move(principal);
  co_return built;
}

std::shared_ptr<const Principal> PrincipalBuilder::guest() const {
  auto principal = std::make_shared<Principal>();
  Grants channels;
  for (const std::string& channel : context_.config->guest.admin_channels)
    channels.emplace(channel, kCreation);
  principal->access = EffectiveAccess::of_user(channels, {}, {});
  principal->sync_user = sync_user_of(*principal);
  return principal;
}

}  // namespace headgate
