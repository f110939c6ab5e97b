// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <vector>

#include "access/script_engine.hpp"
#include "server/command_line.hpp"

namespace headgate {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

/// One name with its values by label.
class Family {
 public:
  Family(std::string_view name, std::string_view help, MetricType type) {
    family_.name = "headgate_" + std::string(name);
    family_.help = help;
    family_.type = type;
  }

  Family& add(std::uint64_t value, Labels labels = {}) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    metric.gauge.value = metric.counter.value = static_cast<double>(value);
    return *this;
  }

  Family& add(const DurationHistogram& histogram, Labels labels) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.kBoundsSeconds.size(); ++i) {
      count += histogram.counts[i];
      metric.histogram.bucket.push_back({count, histogram.kBoundsSeconds[i]});
    }
    metric.histogram.sample_count = count + histogram.counts.back();
    metric.histogram.sample_sum = histogram.sum_seconds;
    return *this;
  }

  MetricFamily take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

class Page {
 public:
  Family& gauge(std::string_view name, std::string_view help) {
    return families_.emplace_back(name, help, MetricType::Gauge);
  }
  Family& counter(std::string_view name, std::string_view help) {
    return families_.emplace_back(name, help, MetricType::Counter);
  }
  Family& histogram(std::string_view name, std::string_view help) {
    return families_.emplace_back(name, help, MetricType::Histogram);
  }
  std::string text() {
    std::vector<MetricFamily> families;
    for (Family& family : families_) families.push_back(family.take());
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  std::deque<Family> families_;
};

/// A figure of every running database.
struct DatabaseFigure {
  std::string_view name;
  std::string_view help;
  bool is_gauge;
  std::uint64_t (*read)(const Database& database, const FeedHub& hub);
};

std::uint64_t stable_lag(const Database& database) {
  const std::uint64_t highest = database.highest().value();
  const std::uint64_t stable = database.stable().value();
  return highest > stable ? highest - stable : 0;
}

constexpr DatabaseFigure kDatabaseFigures[] = {
    {"stable_sequence", "Everything at or below it is accounted for", true,
     [](const Database& d, const FeedHub&) { return d.stable().value(); }},
    {"highest_sequence", "Largest sequence handed out", true,
     [](const Database& d, const FeedHub&) { return d.highest().value(); }},
    {"stable_lag", "Sequences between stable and the largest handed out", true,
     [](const Database& d, const FeedHub&) { return stable_lag(d); }},
    {"cache_writer", "1 if this node has the role of the database's cache writer", true,
     [](const Database& d, const FeedHub&) {
       return std::uint64_t{d.cache_writer_statistics().is_in_charge};
     }},
    {"gaps", "Ranges of sequences that are not accounted for", true,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().gaps; }},
    {"gaps_closed_total", "Ranges of sequences that never came", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().gaps_closed; }},
    {"repair_failures_total", "Repairs of a write that failed and are tried again", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().failures; }},
    {"given_up_writes_total", "Writes that no repair can help; the log names them", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().given_up; }},
    {"reader_entries", "Block entries in the memory of the cache reader", true,
     [](const Database& d, const FeedHub&) {
       return std::uint64_t{d.cache_reader().statistics().entries_kept};
     }},
    {"awaited_writes", "Writes whose front end is still at work", true,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().awaited; }},
    {"resequences_total", "Documents that got a fresh sequence", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().resequences; }},
    {"feed_entries_total", "Mutation feed entries that the cache writer processed", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().entries; }},
    {"cache_compactions_total", "Times that the channel cache was compacted", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().compactions; }},
    {"compacted_entries_total", "Superseded block entries that compaction took out", false,
     [](const Database& d, const FeedHub&) { return d.cache_writer_statistics().entries_dropped; }},
    {"compacted_documents_total", "Superseded sequence documents that compaction dropped", false,
     [](const Database& d, const FeedHub&) {
       return d.cache_writer_statistics().documents_dropped;
     }},
    {"blocks_opened_total", "Cache blocks opened", false,
     [](const Database& d, const FeedHub&) { return d.front_end_statistics().blocks_opened; }},
    {"unfinished_writes_total", "Writes whose cache work was left to the cache writer", false,
     [](const Database& d, const FeedHub&) { return d.front_end_statistics().unfinished; }},
    {"feed_changes_found_by_poll_total", "Changed channels that no wake-up told of", false,
     [](const Database&, const FeedHub& h) { return h.statistics().found_by_poll; }},
    {"feed_wake_ups_total", "Waiting feeds woken", false,
     [](const Database&, const FeedHub& h) { return h.statistics().wake_ups; }},
};

void add_databases(Page& page, DatabaseDirectory& databases) {
  const auto running = databases.running();
  for (const DatabaseFigure& figure : kDatabaseFigures) {
    Family& family = figure.is_gauge ? page.gauge(figure.name, figure.help)
                                     : page.counter(figure.name, figure.help);
    for (const auto& [database, hub] : running)
      family.add(figure.read(database, hub), {{"database", database.name()}});
  }
  Family& repairs = page.counter("repairs_total", "What the cache writer put right, by kind");
  Family& retries = page.counter("cas_retries_total", "Compare-and-swaps lost and done again");
  Family& reads = page.counter("cache_reads_total", "Reads of the channel cache's keys");
  for (const auto& [database, hub] : running) {
    const std::string& name = database.name();
    const auto writer = database.cache_writer_statistics();
    repairs.add(writer.repairs, {{"database", name}, {"kind", "cache_work"}})
        .add(writer.resequences, {{"database", name}, {"kind", "resequence"}})
        .add(writer.buried, {{"database", name}, {"kind", "bury"}});
    const auto front_end = database.front_end_statistics();
    retries.add(front_end.cas_retries, {{"database", name}, {"what", "block"}})
        .add(database.writer().statistics().cas_retries,
             {{"database", name}, {"what", "document"}});
    const auto reader = database.cache_reader().statistics();
    reads.add(reader.stable_reads, {{"database", name}, {"what", "stable"}})
        .add(reader.counter_reads, {{"database", name}, {"what", "counter"}})
        .add(reader.block_reads, {{"database", name}, {"what", "block"}})
        .add(reader.document_reads, {{"database", name}, {"what", "sequence_document"}});
  }
}

void add(DurationHistogram& into, const DurationHistogram& more) {
  for (std::size_t i = 0; i < into.counts.size(); ++i) into.counts[i] += more.counts[i];
  into.sum_seconds += more.sum_seconds;
}

/// What would be too much for each database apart.
void add_durations(Page& page, const FrontEnd& front_end, DatabaseDirectory& databases) {
  DurationHistogram delays;
  DurationHistogram sync_function;
  for (const auto& [database, hub] : databases.running()) {
    add(delays, hub.statistics().delays);
    add(sync_function, database.writer().statistics().sync_function);
  }
  page.histogram("feed_delay_seconds", "From the wake-up of a waiting feed to its rows")
      .add(delays, {});
  page.histogram("sync_function_seconds",
                 "Runs of sync functions in JavaScript, waiting for a worker included")
      .add(sync_function, {});
  Family& requests =
      page.histogram("http_request_seconds", "Requests by kind, waiting feeds left out");
  for (std::size_t kind = 0; kind < kRequestKinds; ++kind)
    requests.add(front_end.api_statistics().durations[kind],
                 {{"kind", std::string(to_string(static_cast<RequestKind>(kind)))}});
}

void add_caches(Page& page, DatabaseDirectory& databases) {
  Family& lookups =
      page.counter("cache_lookups_total", "What feeds looked for in this node's memory, by result");
  const auto add_pair = [&](const std::string& name, const char* what, std::uint64_t hits,
                            std::uint64_t misses) {
    lookups.add(hits, {{"database", name}, {"what", what}, {"result", "hit"}})
        .add(misses, {{"database", name}, {"what", what}, {"result", "miss"}});
  };
  for (const auto& [database, hub] : databases.running()) {
    const auto reader = database.cache_reader().statistics();
    add_pair(database.name(), "channel", reader.channel_hits, reader.channel_misses);
    add_pair(database.name(), "sequence_document", reader.document_hits, reader.document_reads);
    add_pair(database.name(), "row", hub.rows().hits(), hub.rows().made());
  }
}

void add_writes(Page& page, DatabaseDirectory& databases) {
  Family& writes = page.counter("document_writes_total", "Writes of documents, by outcome");
  for (const auto& [database, hub] : databases.running()) {
    const auto& statistics = database.writer().statistics();
    const std::string& name = database.name();
    writes.add(statistics.writes, {{"database", name}, {"outcome", "stored"}})
        .add(statistics.rejected, {{"database", name}, {"outcome", "refused"}})
        .add(statistics.unknown, {{"database", name}, {"outcome", "unknown"}});
  }
}

void add_scripts(Page& page) {
  const ScriptCounters scripts = script_counters();
  page.counter("sync_function_runs_total", "Runs of sync functions in JavaScript")
      .add(scripts.runs);
  page.counter("sync_function_stopped_total", "Runs stopped at a limit, by limit")
      .add(scripts.timeouts, {{"limit", "time"}})
      .add(scripts.out_of_memory, {{"limit", "memory"}});
  page.counter("script_runtimes_total", "Script runtimes started").add(scripts.runtimes_started);
}

/// `store` may be null.
void add_queues(Page& page, const WorkerPool& workers, const RocksStore* store) {
  Family& depth = page.gauge("queue_depth", "What waits, by queue");
  depth.add(workers.queued(), {{"queue", "workers"}});
  if (store) depth.add(store->statistics().queue_operations, {{"queue", "store_writes"}});
}

void add_store(Page& page, const RocksStore& store) {
  const RocksStatistics statistics = store.statistics();
  page.counter("store_fsyncs_total", "Syncs of the store's log").add(statistics.wal_syncs);
  page.counter("store_batches_total", "Batches written").add(statistics.batches);
  page.counter("store_operations_total", "Operations written").add(statistics.operations);
  page.counter("store_log_bytes_total", "Bytes written to the log").add(statistics.wal_bytes);
  page.counter("store_cold_reads_total", "Reads that went to a worker").add(statistics.cold_reads);
  page.counter("store_overloads_total", "Calls refused by a full queue").add(statistics.overloads);
  page.gauge("store_bytes", "Bytes of the store, by place")
      .add(statistics.table_bytes, {{"place", "files"}})
      .add(statistics.memtable_bytes, {{"place", "memtables"}})
      .add(statistics.cached_bytes, {{"place", "block_cache"}});
  page.gauge("store_awaiting_compaction_bytes", "Bytes that compactions will rewrite")
      .add(statistics.awaiting_compaction_bytes);
  page.gauge("store_databases_being_dropped", "Deleted databases whose data is being removed")
      .add(statistics.databases_being_dropped);
}

void add_http(Page& page, const FrontEnd& front_end) {
  const ApiStatistics& api = front_end.api_statistics();
  Family& answers = page.counter("http_answers_total", "Answers by status");
  auto by_status = api.answers_by_status;
  for (const auto& stats : {front_end.public_stats(), front_end.admin_stats()})
    for (const auto& [status, count] : stats.refusals_by_status) by_status[status] += count;
  for (const auto& [status, count] : by_status)
    answers.add(count, {{"status", std::to_string(status)}});
  page.gauge("http_active_requests", "Requests at work").add(api.active_requests);
  page.counter("http_overloaded_total", "Requests refused by the limit").add(api.overloaded);
  page.gauge("feeds", "Feeds open, by kind")
      .add(api.longpoll_feeds, {{"kind", "longpoll"}})
      .add(api.continuous_feeds, {{"kind", "continuous"}});
  page.counter("feed_rows_sent_total", "Rows sent on feeds").add(api.feed_rows_sent);
  page.gauge("http_body_bytes", "Bytes of large request bodies").add(front_end.body_bytes());
  Family& connections = page.gauge("http_connections", "Connections by port");
  Family& unsent = page.gauge("http_unsent_bytes", "Bytes that wait for slow readers");
  Family& refused = page.counter("http_refused_connections_total", "Connections refused");
  Family& timeouts = page.counter("http_timeouts_total", "Connections ended by a timeout");
  for (const auto& [port, stats] :
       {std::pair("public", front_end.public_stats()), {"admin", front_end.admin_stats()}}) {
    connections.add(stats.connections, {{"port", port}});
    unsent.add(stats.unsent_bytes, {{"port", port}});
    refused.add(stats.refused_total, {{"port", port}});
    timeouts.add(stats.timeouts_total, {{"port", port}});
  }
}

void add_buckets(Page& page, const MeteredBucket& base, const MeteredBucket& cache) {
  page.counter("store_reads_total", "Keys and pages of scans read at the store, by kind")
      .add(base.reads(ReadKind::document), {{"kind", "document"}})
      .add(base.reads(ReadKind::principal), {{"kind", "principal"}})
      .add(cache.reads(ReadKind::cache), {{"kind", "cache"}})
      .add(base.reads(ReadKind::other), {{"kind", "other"}});
  page.histogram("write_stage_seconds", "Duration of the stages of writes at the store")
      .add(base.histogram(WriteStage::document), {{"stage", "document"}})
      .add(cache.histogram(WriteStage::cache_blocks), {{"stage", "cache_blocks"}})
      .add(cache.histogram(WriteStage::sequence_document), {{"stage", "sequence_document"}});
}

}  // namespace

std::string metrics_text(FrontEnd& front_end, const WorkerPool& workers) {
  Page page;
  page.gauge("build_info", "The program's version").add(1, {{"version", std::string(kVersion)}});
  add_databases(page, front_end.databases());
  add_writes(page, front_end.databases());
  add_caches(page, front_end.databases());
  add_durations(page, front_end, front_end.databases());
  add_scripts(page);
  add_queues(page, workers, front_end.buckets().store());
  if (const RocksStore* store = front_end.buckets().store()) add_store(page, *store);
  add_http(page, front_end);
  const ClusterMember* member = front_end.member();
  page.gauge("cluster_nodes", "Nodes that live, as this one sees it")
      .add(member ? member->registry().live().size() : 1);
  add_buckets(page, front_end.base_meter(), front_end.cache_meter());
  return page.text();
}

}  // namespace headgate
