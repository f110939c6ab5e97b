// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/actions.hpp"
#include "api/changes_request.hpp"
#include "api/waiting_feed.hpp"
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
  /// Absent where some of it lies in shared buffers.
  std::optional<std::string> take_text() {
    if (!buffers_.empty()) return {};
    return std::exchange(text_, {});
  }

 private:
  void flush() {
    if (!text_.empty())
      buffers_.push_back(std::make_shared<const std::string>(std::exchange(text_, {})));
  }

  std::string text_;
  std::vector<SharedBytes> buffers_;
};

/// How the rows of one kind of feed are put into text.
class Framing {
 public:
  explicit Framing(FeedFraming form) : form_(form) {}

  HttpHeaders headers() const {
    return {{"Content-Type", is_events() ? "text/event-stream" : "application/json"},
            {"Cache-Control", "no-store"}};
  }
  std::string_view beginning() const { return is_object() ? "{\"results\":[\r\n" : ""; }

  void add(Gatherer& out, const ChangesBatch& batch) {
    for (const ChangesRow& row : batch.rows) {
      if (is_object() && has_rows_) out.text(",\n");
      has_rows_ = true;
      if (is_events()) out.text("data: ");
      out.row(row);
      if (is_events()) out.text("\nid: ").text(row.seq.print()).text("\n\n");
      if (form_ == FeedFraming::lines) out.text("\n");
    }
    if (is_events() && batch.is_heartbeat) out.text("event: heartbeat\ndata: \n\n");
    const bool is_sign = batch.is_heartbeat || (!is_object() && batch.is_caught_up);
    if (!is_events() && is_sign) out.text("\n");
  }

  std::string ending(const SequenceId& last_seq, std::optional<std::uint64_t> pending) const {
    if (is_events()) return {};
    const std::string number = pending ? fmt::format(",\"pending\":{}", *pending) : "";
    if (!is_object()) return fmt::format("{{\"last_seq\":\"{}\"{}}}\n", last_seq.print(), number);
    return fmt::format("{}],\n\"last_seq\":\"{}\"{}}}\n", has_rows_ ? "\n" : "", last_seq.print(),
                       number);
  }

 private:
  bool is_object() const { return form_ == FeedFraming::object; }
  bool is_events() const { return form_ == FeedFraming::events; }

  FeedFraming form_;
  bool has_rows_ = false;
};

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
    // The end goes out with the rows before it: sending is most of what it costs to wake a feed.
    if (is_end) out.text(framing.ending(last_seq, pending));
    std::optional<std::string> last = is_end ? out.take_text() : std::nullopt;
    if (!last && !out.empty()) {
      HG_CO_CHECK(co_await exchange.write(out.take()));
    }
    if (is_end) {
      exchange.end_stream(std::move(last).value_or(""));
      co_return Result<void>();
    }
    HG_CO_TRY(batch, co_await feed.next());
  }
}

// Not inlined: the frame of changes() would keep both frames for as long as a feed waits.
[[gnu::noinline]] Task<Result<void>> send_normal(ApiCall& call, ChangesFeed& feed) {
  // The first batch decides whether this is a feed or an error.
  HG_CO_TRY(ChangesBatch first, co_await feed.next());
  Framing framing(FeedFraming::object);
  call.begin_stream(framing.headers());
  Gatherer out;
  out.text(framing.beginning());
  co_return co_await stream(call, feed, framing, std::move(first), std::move(out));
}

[[gnu::noinline]] Task<Result<void>> send_waiting(ApiCall& call, ChangesFeed& feed, FeedKind kind,
                                                  FeedFraming form) {
  const WaitingFeed counted(call, kind);
  Framing framing(form);
  call.begin_stream(framing.headers());
  HG_CO_CHECK(co_await call.exchange().write(std::string(framing.beginning())));
  co_return co_await stream(call, feed, framing, {}, {});
}

}  // namespace

Task<Result<void>> changes(ApiCall& call) {
  const FeedFraming form = framing_of(call.request());
  if (form == FeedFraming::websocket) co_return co_await changes_by_websocket(call);
  HG_CO_TRY(ChangesOptions options, parse_changes_request(call.request()));
  drop_request(call.exchange());
  const FeedKind kind = options.feed;
  ChangesFeed feed(call.lease.changes(), call.lease.hub(), call.reader, std::move(options));
  const auto watch = call.exchange().on_interrupt([&feed] { feed.interrupt(); });
  if (kind == FeedKind::normal) co_return co_await send_normal(call, feed);
  co_return co_await send_waiting(call, feed, kind, form);
}

}  // namespace headgate
