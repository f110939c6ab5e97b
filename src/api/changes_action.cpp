// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/actions.hpp"
#include "api/changes_request.hpp"
#include "changes/changes_feed.hpp"

namespace headgate {

namespace {

/// Rows from here on are sent as they lie in the row cache, shorter ones are gathered.
constexpr std::size_t kSharedRowMin = 2'048;

/// Text of a stream, gathered into as few buffers as pay.
class Gatherer {
 public:
  Gatherer& text(std::string_view text) {
    text_ += text;
    return *this;
  }
  Gatherer& row(const ChangesRow& row) {
    if (row.rest->size() < kSharedRowMin) {
      row.append_to(text_);
      return *this;
    }
    text_ += "{\"seq\":";
    append_json_sequence(text_, row.seq);
    flush();
    buffers_.push_back(row.rest);
    return *this;
  }
  bool empty() const { return text_.empty() && buffers_.empty(); }
  std::vector<SharedBytes> take() {
    flush();
    return std::exchange(buffers_, {});
  }

 private:
  void flush() {
    if (!text_.empty())
      buffers_.push_back(std::make_shared<const std::string>(std::exchange(text_, {})));
  }

  std::string text_;
  std::vector<SharedBytes> buffers_;
};

/// How the rows of one kind of feed are put into lines.
class Framing {
 public:
  explicit Framing(FeedKind kind) : is_continuous_(kind == FeedKind::continuous) {}

  std::string_view beginning() const { return is_continuous_ ? "" : "{\"results\":[\r\n"; }

  void add(Gatherer& out, const ChangesBatch& batch) {
    for (const ChangesRow& row : batch.rows) {
      if (!is_continuous_ && has_rows_) out.text(",\n");
      has_rows_ = true;
      out.row(row);
      if (is_continuous_) out.text("\n");
    }
    if (batch.is_heartbeat || (is_continuous_ && batch.is_caught_up)) out.text("\n");
  }

  std::string ending(const SequenceId& last_seq, std::optional<std::uint64_t> pending) const {
    const std::string number = pending ? fmt::format(",\"pending\":{}", *pending) : "";
    if (is_continuous_) return fmt::format("{{\"last_seq\":\"{}\"{}}}\n", last_seq.print(), number);
    return fmt::format("{}],\n\"last_seq\":\"{}\"{}}}\n", has_rows_ ? "\n" : "", last_seq.print(),
                       number);
  }

 private:
  bool is_continuous_;
  bool has_rows_ = false;
};

/// Counts a feed that may wait among the feeds, not among the requests at work.
class WaitingFeed {
 public:
  WaitingFeed(ApiStatistics& statistics, FeedKind kind)
      : active_(statistics.active_requests),
        feeds_(kind == FeedKind::continuous ? statistics.continuous_feeds
                                            : statistics.longpoll_feeds) {
    --active_;
    ++feeds_;
  }
  WaitingFeed(const WaitingFeed&) = delete;
  WaitingFeed& operator=(const WaitingFeed&) = delete;
  ~WaitingFeed() {
    ++active_;
    --feeds_;
  }

 private:
  std::size_t& active_;
  std::size_t& feeds_;
};

HttpHeaders feed_headers() {
  return {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
}

/// A feed may wait for hours: what the request brought is not kept.
void drop_request(HttpExchange& exchange) {
  exchange.drop_body();
  HttpRequest& request = exchange.request();
  HttpRequest kept;
  kept.method = request.method;
  kept.target = request.target.substr(0, request.target.find('?'));
  std::swap(request, kept);
}

/// Sends one batch and all that follow.
Task<Result<void>> stream(ApiCall& call, ChangesFeed& feed, Framing& framing, ChangesBatch batch,
                          Gatherer out) {
  HttpExchange& exchange = call.exchange();
  for (;;) {
    framing.add(out, batch);
    call.services().statistics.feed_rows_sent += batch.rows.size();
    const bool is_end = batch.is_end;
    const SequenceId last_seq = batch.last_seq;
    const auto pending = batch.pending;
    batch = {};
    if (!out.empty()) {
      HG_CO_CHECK(co_await exchange.write(out.take()));
    }
    if (is_end) {
      exchange.end_stream(framing.ending(last_seq, pending));
      co_return Result<void>();
    }
    HG_CO_TRY(batch, co_await feed.next());
  }
}

Task<Result<void>> send_normal(ApiCall& call, ChangesFeed& feed) {
  // The first batch decides whether this is a feed or an error.
  HG_CO_TRY(ChangesBatch first, co_await feed.next());
  call.begin_stream(feed_headers());
  Framing framing(FeedKind::normal);
  Gatherer out;
  out.text(framing.beginning());
  co_return co_await stream(call, feed, framing, std::move(first), std::move(out));
}

Task<Result<void>> send_waiting(ApiCall& call, ChangesFeed& feed, FeedKind kind) {
  const WaitingFeed counted(call.services().statistics, kind);
  call.begin_stream(feed_headers());
  Framing framing(kind);
  HG_CO_CHECK(co_await call.exchange().write(std::string(framing.beginning())));
  co_return co_await stream(call, feed, framing, {}, {});
}

}  // namespace

Task<Result<void>> changes(ApiCall& call) {
  HG_CO_TRY(ChangesOptions options, parse_changes_request(call.request()));
  drop_request(call.exchange());
  const FeedKind kind = options.feed;
  ChangesFeed feed(call.lease.changes(), call.lease.hub(), call.reader, std::move(options));
  const auto watch = call.exchange().on_interrupt([&feed] { feed.interrupt(); });
  if (kind == FeedKind::normal) co_return co_await send_normal(call, feed);
  co_return co_await send_waiting(call, feed, kind);
}

}  // namespace headgate
