// SPDX-License-Identifier: Apache-2.0
// How the server, a database and its channels are doing: what the console shows.
#include <algorithm>
#include <map>

#include "api/actions.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

constexpr std::size_t kDatabasesMost = 1'000;
constexpr std::uint64_t kChannelsDefault = 100;
constexpr std::uint64_t kChannelsMost = 1'000;
constexpr std::uint64_t kDocumentsDefault = 10'000;
constexpr std::uint64_t kDocumentsMost = 10'000'000;

std::string_view name_of(CacheRepair::Kind kind) {
  switch (kind) {
    case CacheRepair::Kind::cache_work:
      return "cache_work";
    case CacheRepair::Kind::resequence:
      return "resequence";
    case CacheRepair::Kind::bury:
      return "bury";
  }
  return "";
}

void write_figures(JsonWriter& out, const Database& database, const FeedHub& hub) {
  const Sequence stable = database.stable();
  const Sequence highest = std::max(database.highest(), stable);
  out.key("state").string(database.config()->is_offline ? "Offline" : "Online");
  if (database.failure()) out.key("failure").string(database.failure()->context);
  out.key("stable").number(stable.value()).key("highest").number(highest.value());
  out.key("lag").number(highest.value() - stable.value());
  out.key("feeds").number(hub.statistics().feeds);
}

void write_database(JsonWriter& out, const std::string& name,
                    const DatabaseDirectory::Running* running) {
  out.begin_object().key("name").string(name);
  if (running == nullptr) {
    out.key("state").string("Starting").end_object();
    return;
  }
  const auto& [database, hub] = *running;
  write_figures(out, database, hub);
  const CacheWriter::Statistics writer = database.cache_writer_statistics();
  out.key("is_cache_writer_here").boolean(writer.is_in_charge);
  out.key("repairs").number(writer.repairs + writer.resequences + writer.gaps_closed);
  out.end_object();
}

void write_repair(JsonWriter& out, const CacheRepair& repair) {
  out.begin_object().key("kind").string(name_of(repair.kind));
  out.key("time_ms").number(std::int64_t{repair.when.time_since_epoch().count()});
  out.key("first").number(repair.first.value()).key("last").number(repair.last.value());
  if (!repair.key.empty()) out.key("id").string(repair.key);
  out.end_object();
}

void write_cache_writer(JsonWriter& out, const Database& database) {
  const CacheWriter::Statistics writer = database.cache_writer_statistics();
  out.begin_object().key("is_here").boolean(writer.is_in_charge);
  out.key("entries").number(writer.entries).key("published").number(writer.published);
  out.key("awaited").number(writer.awaited).key("gaps").number(writer.gaps);
  out.key("repairs").number(writer.repairs).key("resequences").number(writer.resequences);
  out.key("gaps_closed").number(writer.gaps_closed).key("buried").number(writer.buried);
  out.key("purges").number(writer.purges).key("audits").number(writer.audits);
  out.key("failures").number(writer.failures).key("given_up").number(writer.given_up);
  out.key("unreadable").number(writer.unreadable);
  out.key("recent_repairs").begin_array();
  for (const CacheRepair& repair : database.recent_repairs()) write_repair(out, repair);
  out.end_array().end_object();
}

/// What the answer to `_channels` lists, the largest first.
using Listed = std::vector<std::pair<std::string, ChannelTally::Count>>;

Listed largest_of(const ChannelTally& tally, std::size_t most) {
  Listed listed(tally.channels.begin(), tally.channels.end());
  const auto is_larger = [](const auto& a, const auto& b) {
    return a.second.documents != b.second.documents ? a.second.documents > b.second.documents
                                                    : a.first < b.first;
  };
  std::ranges::sort(listed, is_larger);
  if (listed.size() > most) listed.resize(most);
  return listed;
}

/// How often each channel changed, by the channel cache; 0: never.
Task<Result<std::vector<std::uint64_t>>> counters_of(const CacheSpace& space,
                                                     std::vector<ChannelId> channels) {
  std::vector<Key> keys;
  for (const ChannelId& channel : channels) keys.push_back(space.counter_key(channel));
  const auto replies = co_await space.bucket.get_many(std::move(keys), space.deadline());
  std::vector<std::uint64_t> counters;
  for (const Reply& reply : replies) {
    if (!reply.ok() && reply.status != Errc::not_found)
      co_return Error{reply.status, "reading channel counters"};
    counters.push_back(reply.number);
  }
  co_return counters;
}

}  // namespace

Task<Result<void>> get_server_status(ApiCall& call) {
  ApiServices& services = call.services();
  HG_CO_TRY(const auto names, co_await services.databases.list());
  std::map<std::string, DatabaseDirectory::Running> running;
  for (const auto& one : services.databases.running()) running.emplace(one.database.name(), one);
  const ApiStatistics& statistics = services.statistics;
  JsonWriter out;
  out.begin_object().key("version").string(services.version).key("uuid").string(services.uuid);
  out.key("is_cluster").boolean(bool(services.cluster_json));
  out.key("requests")
      .begin_object()
      .key("active")
      .number(std::uint64_t{statistics.active_requests});
  std::uint64_t answered = 0;
  for (const auto& [status, count] : statistics.answers_by_status) answered += count;
  out.key("answered").number(answered).key("refused").number(statistics.overloaded).end_object();
  out.key("feeds").begin_object().key("longpoll").number(std::uint64_t{statistics.longpoll_feeds});
  out.key("continuous").number(std::uint64_t{statistics.continuous_feeds});
  out.key("rows_sent").number(statistics.feed_rows_sent).end_object();
  out.key("database_count").number(std::uint64_t{names.size()});
  out.key("databases").begin_array();
  for (std::size_t i = 0; i < std::min(names.size(), kDatabasesMost); ++i) {
    const auto found = running.find(names[i]);
    write_database(out, names[i], found == running.end() ? nullptr : &found->second);
  }
  out.end_array().end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> get_database_status(ApiCall& call) {
  const Database& database = call.database();
  JsonWriter out;
  out.begin_object().key("db_name").string(database.name());
  write_figures(out, database, call.lease.hub());
  write_cache_writer(out.key("cache_writer"), database);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> list_channels(ApiCall& call) {
  HG_CO_TRY(const auto limit, number_parameter(call.query(), "limit"));
  HG_CO_TRY(const auto documents, number_parameter(call.query(), "documents"));
  Database& database = call.database();
  HG_CO_TRY(const ChannelTally tally, co_await database.tally_channels(std::min(
                                          documents.value_or(kDocumentsDefault), kDocumentsMost)));
  const Listed listed = largest_of(
      tally, std::clamp<std::uint64_t>(limit.value_or(kChannelsDefault), 1, kChannelsMost));
  std::vector<ChannelId> channels{ChannelId::star()};
  for (const auto& [name, count] : listed) channels.push_back(ChannelId::of_documents(name));
  HG_CO_TRY(const auto counters, co_await counters_of(database.cache_space(), channels));
  const FeedHub& hub = call.lease.hub();
  JsonWriter out;
  out.begin_object().key("documents_read").number(tally.documents);
  out.key("is_complete").boolean(tally.is_complete);
  out.key("channel_count").number(std::uint64_t{tally.channels.size()});
  out.key("changes").number(counters.front());
  out.key("channels").begin_array();
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const auto& [name, count] = listed[i];
    out.begin_object().key("channel").string(name).key("documents").number(count.documents);
    out.key("left").number(count.left).key("counter").number(counters[i + 1]);
    out.key("feeds").number(std::uint64_t{hub.feeds_of(channels[i + 1])}).end_object();
  }
  out.end_array().end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
