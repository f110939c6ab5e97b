// SPDX-License-Identifier: Apache-2.0
// Why a user sees a document, or does not.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/actions.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

namespace {

/// All that the answer is made of.
struct Facts {
  std::optional<DocumentEnvelope> document;
  bool has_user = false;
  bool is_disabled = false;
  std::shared_ptr<const Principal> user;
  std::vector<GrantOrigin> origins;
  Sequence stable;
};

Result<std::string> required(ApiCall& call, std::string_view name) {
  const std::string* value = call.query().find(name);
  if (!value || value->empty())
    return Error{Errc::invalid_argument, std::string(name) + ": missing"};
  return *value;
}

Task<Result<Facts>> gather(ApiCall& call, std::string id, std::string name) {
  Database& database = call.database();
  Facts facts;
  HG_CO_TRY(const PassStart pass, co_await database.cache_reader().start_pass());
  facts.stable = pass.stable;
  std::vector<DocId> ids{DocId(std::move(id))};
  HG_CO_TRY(auto envelopes, co_await database.documents().load(std::move(ids)));
  facts.document = std::move(envelopes.front());
  if (name == kGuestName) {
    name.clear();
    facts.is_disabled = database.config()->guest.is_disabled;
  } else {
    const auto record = co_await database.principals().get_user(name);
    if (!record && record.error().code == Errc::not_found) co_return facts;
    if (!record) co_return record.error();
    facts.is_disabled = record->is_disabled;
  }
  facts.has_user = true;
  HG_CO_TRY(facts.user, co_await database.principals().inspect(name));
  HG_CO_TRY(facts.origins, co_await database.principals().origins(std::move(name)));
  co_return facts;
}

std::vector<std::string> shared_channels(const Facts& facts) {
  std::vector<std::string> shared;
  for (const std::string& channel : facts.document->current_channels())
    if (facts.user->access.can_read_channel(channel)) shared.push_back(channel);
  return shared;
}

/// The first reason why the user does not see the document; empty: it does.
std::string reason(const Facts& facts) {
  if (!facts.document) return "there is no such document";
  if (!facts.has_user) return "there is no such user";
  if (facts.is_disabled) return "the user is disabled";
  if (facts.user->access.can_read(facts.document->current_channels())) return {};
  if (facts.document->current_channels().empty()) {
    if (facts.document->tree.is_deleted())
      return "the document is deleted: the sync function put its tombstone in no channel";
    return "the document's winner is in no channel: the sync function put it in none";
  }
  std::vector<std::string> channels = facts.document->current_channels();
  channels.emplace_back(kStarChannel);
  for (const std::string& channel : channels) {
    const auto held = facts.user->access_history.find(channel);
    if (held != facts.user->access_history.end())
      return fmt::format("the user has none of the document's channels: it lost {} at {}", channel,
                         held->second.back().end.value());
  }
  return "the user has none of the document's channels";
}

/// Where a feed of the user that begins at 0 has it.
SequenceId place_on_feed(const Facts& facts) {
  const Sequence sequence = facts.document->sequence;
  Sequence granted = kNoSequence;
  std::vector<std::string> channels = shared_channels(facts);
  if (facts.user->access.has_star()) channels.emplace_back(kStarChannel);
  for (const std::string& channel : channels)
    granted = std::min(granted, facts.user->access.granted_at(channel).value());
  if (granted > sequence) return {Sequence(), granted, sequence};
  return {sequence > facts.stable ? facts.stable : Sequence(), Sequence(), sequence};
}

void write_document(JsonWriter& out, const DocumentEnvelope& document) {
  out.key("rev").string(to_string(document.tree.winner().value()));
  if (document.tree.is_deleted()) out.key("deleted").boolean(true);
  out.key("sequence").number(document.sequence.value());
  out.key("channels").begin_array();
  for (const auto& [name, membership] : document.channels) {
    if (!membership.is_current()) continue;
    out.begin_object().key("channel").string(name).key("by").string("sync function");
    out.key("since").number(membership.since.value()).end_object();
  }
  out.end_array().key("left").begin_array();
  for (const auto& [name, membership] : document.channels) {
    if (membership.is_current()) continue;
    out.begin_object().key("channel").string(name);
    out.key("at").number(membership.removal->sequence.value()).end_object();
  }
  out.end_array();
}

std::string_view name_of(GrantGiver::Kind kind) {
  constexpr std::array<std::string_view, 4> kNames = {"admin", "token", "configuration",
                                                      "document"};
  return kNames[static_cast<std::size_t>(kind)];
}

void write_origin(JsonWriter& out, const GrantOrigin& origin) {
  out.begin_object().key("channel").string(origin.channel);
  out.key("since").number(origin.since.value());
  out.key("by").string(name_of(origin.by.kind));
  if (!origin.by.document.empty()) out.key("document").string(origin.by.document);
  if (!origin.role.empty()) {
    out.key("role").string(origin.role);
    out.key("role_by").string(name_of(origin.role_by.kind));
    if (!origin.role_by.document.empty()) out.key("role_document").string(origin.role_by.document);
  }
  out.end_object();
}

void write_user(JsonWriter& out, const Facts& facts) {
  out.key("disabled").boolean(facts.is_disabled);
  out.key("channels").begin_array();
  out.begin_object().key("channel").string(kPublicChannel);
  out.key("since").number(std::uint64_t{1}).key("by").string("everyone").end_object();
  for (const GrantOrigin& origin : facts.origins) write_origin(out, origin);
  out.end_array().key("lost").begin_array();
  for (const auto& [channel, spans] : facts.user->access_history) {
    if (facts.user->access.can_read_channel(channel)) continue;
    out.begin_object().key("channel").string(channel);
    out.key("since").number(spans.back().start.value());
    out.key("until").number(spans.back().end.value()).end_object();
  }
  out.end_array();
}

void write_verdict(JsonWriter& out, const Facts& facts) {
  const std::string why_not = reason(facts);
  out.key("readable").boolean(why_not.empty());
  if (!why_not.empty()) {
    out.key("reason").string(why_not);
    return;
  }
  out.key("through").begin_array();
  for (const std::string& channel : shared_channels(facts)) out.string(channel);
  if (facts.user->access.has_star()) out.string(kStarChannel);
  out.end_array();
  const SequenceId place = place_on_feed(facts);
  out.key("seq").string(place.print());
  // Until then only mode `available` has it, and a backfill waits.
  const Sequence needed = std::max(place.trigger, facts.document->sequence);
  out.key("is_stable").boolean(needed <= facts.stable);
}

}  // namespace

Task<Result<void>> explain(ApiCall& call) {
  HG_CO_TRY(const std::string id, required(call, "doc"));
  HG_CO_TRY(const std::string name, required(call, "user"));
  HG_CO_TRY(const Facts facts, co_await gather(call, id, name));
  JsonWriter out;
  out.begin_object();
  write_verdict(out, facts);
  out.key("stable").number(facts.stable.value());
  out.key("document").begin_object().key("id").string(id);
  if (facts.document) write_document(out, *facts.document);
  out.end_object().key("user").begin_object().key("name").string(name);
  if (facts.has_user) write_user(out, facts);
  out.end_object().end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
