// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/sim_feed_stream.hpp"

#include <algorithm>
#include <utility>

#include "document/json.hpp"

namespace headgate {
namespace {

using Stream = std::shared_ptr<SimFeedStream>;

/// The node's source, which notes when each pass of a user begins: a pass asks for the reader of
/// the cache to begin, then for its principal. A node that is cut off with an old master cannot
/// know of a revocation since (F11), if that is the one of the stable record's partition, or the
/// record still names its history: then its passes count as begun when that master was left behind.
class NotingSource final : public ChangesSource {
 public:
  explicit NotingSource(SimProcess& process) : source_(*process.source), process_(process) {}

  Environment& environment() override { return source_.environment(); }
  CacheReader& cache_reader() override {
    asked_ = process_.environment.world().now();
    return source_.cache_reader();
  }
  const CacheSettings& settings() override { return source_.settings(); }
  ReadMode default_mode() override { return source_.default_mode(); }
  Task<Result<std::shared_ptr<const Principal>>> load_principal(std::string name,
                                                                PassStart pass) override {
    process_.saw_pass(pass);
    const SimStore& cache = process_.cache_store;
    const auto of_stable = cache.partition_of(process_.database->cache_space().stable_key());
    pass_began_ = asked_;
    for (std::uint16_t i = 0; i < cache.partition_count(); ++i) {
      const PartitionNumber partition(i);
      if (partition != of_stable && pass.record->cache_histories[i] == cache.history(partition))
        continue;
      const NodeNumber node = process_.environment.node();
      pass_began_ = std::min(pass_began_, cache.answers_as_of(node, partition, asked_));
    }
    return source_.load_principal(std::move(name), std::move(pass));
  }
  Task<Result<std::vector<std::optional<DocumentEnvelope>>>> load_envelopes(
      std::vector<DocId> ids) override {
    return source_.load_envelopes(std::move(ids));
  }
  Task<Result<Sequence>> read_highest() override { return source_.read_highest(); }
  Task<std::vector<Result<ShownRevision>>> load_documents(std::shared_ptr<const Principal> reader,
                                                          std::vector<DocId> ids,
                                                          ShowOptions show) override {
    return source_.load_documents(std::move(reader), std::move(ids), std::move(show));
  }
  /// Of the pass that came last.
  TimePoint pass_began() const { return pass_began_; }

 private:
  ChangesSource& source_;
  SimProcess& process_;
  TimePoint asked_{};
  TimePoint pass_began_{};
};

/// Tells the client that the feed is over when it ends, however it does.
class StreamEnd {
 public:
  explicit StreamEnd(Stream stream) : stream_(std::move(stream)) {}
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;
  ~StreamEnd() {
    stream_->feed = nullptr;
    stream_->connection.pass("feed over", [stream = stream_] {
      stream->is_over = true;
      stream->arrived.raise();
    });
  }

 private:
  Stream stream_;
};

SeenChange parse_row(const std::string& text) {
  const JsonView json(text);
  SeenChange change;
  const JsonView seq = json.find("seq").value();
  change.seq = seq.is_string() ? *seq.as_string() : std::string(seq.raw());
  change.id = *json.find("id")->as_string();
  for (const JsonView& leaf : json.find("changes")->elements()) {
    change.rev = *leaf.find("rev")->as_string();
    break;
  }
  change.is_deleted = json.find("deleted").has_value();
  change.is_revoked = json.find("revoked").has_value();
  if (const auto removed = json.find("removed"))
    for (const JsonView& name : removed->elements()) change.removed.insert(*name.as_string());
  return change;
}

SeenBatch seen(const ChangesBatch& batch, TimePoint pass_began) {
  SeenBatch seen;
  for (const ChangesRow& row : batch.rows) seen.rows.push_back(parse_row(row.text()));
  seen.last_seq = batch.last_seq.print();
  seen.is_end = batch.is_end;
  seen.pass_began = pass_began;
  return seen;
}

void deliver(const Stream& stream, SeenBatch batch) {
  stream->connection.pass("batch", [stream, batch = std::move(batch)] {
    if (stream->is_closed) return;
    stream->batches.push_back(batch);
    stream->arrived.raise();
  });
}

Task<void> serve_feed(SimProcess& process, std::string user, ChangesOptions options,
                      Stream stream) {
  const StreamEnd end(stream);
  std::shared_ptr<const Principal> reader = Principal::admin();
  if (!user.empty()) {
    auto loaded = co_await process.database->principals().load(std::move(user));
    if (!loaded) co_return;
    reader = *std::move(loaded);
  }
  NotingSource source(process);
  ChangesFeed feed(source, process.hub, std::move(reader), std::move(options));
  stream->feed = &feed;
  while (!stream->is_closed) {
    auto batch = co_await feed.next();
    if (!batch) break;
    const bool is_end = batch->is_end;
    deliver(stream, seen(*batch, source.pass_began()));
    if (is_end) break;
  }
  stream->feed = nullptr;
}

}  // namespace

Stream open_feed(SimEnvironment& client, SimNode& node, std::string user, ChangesOptions options) {
  auto stream = std::make_shared<SimFeedStream>(client, node.number());
  stream->connection.pass("changes", [&node, user, options, stream] {
    if (!node.is_serving()) {
      const StreamEnd refused(stream);
      return;
    }
    SimProcess& process = *node.process();
    process.tasks.spawn(serve_feed(process, user, options, stream));
  });
  return stream;
}

void close_feed(const Stream& stream) {
  stream->is_closed = true;
  stream->connection.pass("feed closed", [stream] {
    if (stream->feed != nullptr) stream->feed->interrupt();
  });
}

}  // namespace headgate
