// SPDX-License-Identifier: Apache-2.0
// What administrators see of a database's inside.
#include <algorithm>

#include "api/actions.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

constexpr std::uint64_t kDumpDefault = 1'000;
constexpr std::uint64_t kDumpMax = 100'000;

void write_names(JsonWriter& out, std::string_view member, const std::vector<std::string>& names) {
  out.key(member).begin_array();
  for (const std::string& name : names) out.string(name);
  out.end_array();
}

void write_channels(JsonWriter& out, const ChannelMap& channels) {
  out.key("channels").begin_array();
  for (const auto& [name, membership] : channels) {
    out.begin_object().key("channel").string(name);
    if (membership.is_current()) {
      out.key("since").number(membership.since.value());
    } else {
      out.key("left_at").number(membership.removal->sequence.value());
      out.key("left_by").string(to_string(membership.removal->rev));
    }
    out.key("past").begin_array();
    for (const ChannelInterval& stay : membership.past) {
      out.begin_array().number(stay.start.value()).number(stay.end.value()).end_array();
    }
    out.end_array().end_object();
  }
  out.end_array();
}

void write_grants(JsonWriter& out, std::string_view member, const GrantMap& grants) {
  out.key(member).begin_object();
  for (const auto& [principal, names] : grants) {
    out.key(principal).begin_object();
    for (const auto& [name, since] : names) out.key(name).number(since.value());
    out.end_object();
  }
  out.end_object();
}

void write_tree(JsonWriter& out, const RevisionTree& tree) {
  out.key("leaves").begin_array();
  for (const RevisionTree::Leaf& leaf : tree.leaves()) {
    out.begin_object().key("rev").string(to_string(leaf.rev));
    if (leaf.is_deleted) out.key("deleted").boolean(true);
    std::vector<std::string> ancestry;
    for (const Revision& rev : tree.ancestry(leaf.rev)) ancestry.push_back(to_string(rev));
    write_names(out, "history", ancestry);
    out.end_object();
  }
  out.end_array();
}

void write_metadata(JsonWriter& out, const DocumentEnvelope& envelope) {
  out.begin_object().key("sequence").number(envelope.sequence.value());
  out.key("recent_sequences").begin_array();
  for (const RecordedSequence& recent : envelope.recent) out.number(recent.sequence.value());
  out.end_array();
  write_channels(out, envelope.channels);
  write_grants(out, "access", envelope.access);
  write_grants(out, "role_access", envelope.roles);
  write_tree(out, envelope.tree);
  using std::chrono::duration_cast;
  const auto saved =
      duration_cast<std::chrono::milliseconds>(envelope.time_saved.time_since_epoch());
  out.key("time_saved_ms").number(std::int64_t{saved.count()});
  if (envelope.expiry) {
    const auto at = duration_cast<std::chrono::seconds>(envelope.expiry->time_since_epoch());
    out.key("expires_s").number(std::int64_t{at.count()});
  }
  out.end_object();
}

/// The rest of the path: an id may have slashes.
std::string id_below(const std::vector<std::string>& path) {
  std::string id = path[2];
  for (std::size_t i = 3; i < path.size(); ++i) id += "/" + path[i];
  return id;
}

void write_entry(JsonWriter& out, const ChannelEntry& found) {
  const CacheEntry& entry = found.document->entry;
  out.begin_object().key("sequence").number(found.sequence.value());
  out.key("id").string(entry.doc_id.text()).key("rev").string(entry.rev_id.text());
  if (entry.is_deleted()) out.key("deleted").boolean(true);
  if (found.is_removal) out.key("removal").boolean(true);
  std::vector<std::string> channels, removals;
  for (const ChannelId& channel : entry.channels) channels.emplace_back(channel.name());
  for (const ChannelId& channel : entry.removals) removals.emplace_back(channel.name());
  write_names(out, "channels", channels);
  if (!removals.empty()) write_names(out, "left", removals);
  out.key("epoch").number(found.document->epoch.value());
  out.end_object();
}

}  // namespace

Task<Result<void>> get_raw(ApiCall& call) {
  const DocId id(id_below(call.request().path));
  DocumentReader& documents = call.database().documents();
  std::vector<DocId> ids{id};
  HG_CO_TRY(const auto envelopes, co_await documents.load(ids));
  if (!envelopes.front()) co_return Error{Errc::not_found, "missing"};
  const auto shown = co_await documents.get_many(call.reader, std::move(ids), {});
  if (!shown.front()) co_return shown.front().error();
  JsonWriter out;
  out.begin_object().members_of(shown.front()->json).key("_sync");
  write_metadata(out, *envelopes.front());
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> dump_channel(ApiCall& call) {
  HG_CO_CHECK(check_channel_name(call.request().path[2]));
  const ChannelId channel = ChannelId::of_documents(call.request().path[2]);
  HG_CO_TRY(const auto since, number_parameter(call.query(), "since"));
  HG_CO_TRY(const auto limit, number_parameter(call.query(), "limit"));
  const auto count = std::clamp<std::uint64_t>(limit.value_or(kDumpDefault), 1, kDumpMax);
  CacheReader& reader = call.database().cache_reader();
  HG_CO_TRY(const PassStart pass, co_await reader.start_pass());
  std::vector<ChannelQuery> queries{{channel, Sequence(since.value_or(0))}};
  HG_CO_TRY(const auto pages,
            co_await reader.read(pass, ReadMode::available, std::move(queries), count));
  const ChannelPage& page = pages.front();
  JsonWriter out;
  out.begin_object().key("channel").string(channel.name());
  out.key("stable").number(pass.stable.value());
  if (page.awaited) out.key("awaited").number(page.awaited->value());
  out.key("entries").begin_array();
  Sequence last(since.value_or(0));
  for (const ChannelEntry& entry : page.entries) {
    write_entry(out, entry);
    last = entry.sequence;
  }
  out.end_array();
  if (page.complete_to != kNoSequence) out.key("next_since").number(page.complete_to.value());
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
