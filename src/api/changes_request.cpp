// SPDX-License-Identifier: Apache-2.0
#include "api/changes_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "access/channel_name.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

using Milliseconds = std::chrono::milliseconds;
using Text = std::optional<std::string>;

constexpr std::uint64_t kMillisecondsMax = 86'400'000;

Error bad(std::string text) {
  return {Errc::invalid_argument, std::move(text)};
}

/// Parameters by name, wherever they stand.
class Parameters {
 public:
  static Result<Parameters> of(const HttpRequest& request) {
    Parameters parameters(request.query);
    if (const auto last = request.headers.find("Last-Event-ID"); last && !last->empty())
      parameters.last_event_id_ = std::string(*last);
    if (request.method != HttpMethod::post || request.body.empty()) return parameters;
    HG_TRY(parameters.body_, object_of_body(request));
    return parameters;
  }

  /// None: not given, or null. Whatever is no string is given as it was sent.
  Text find(std::string_view name) const {
    if (const std::string* value = query_.find(name)) return *value;
    const auto member = body_.find(name);
    if (!member || member->is_null()) return std::nullopt;
    if (auto text = member->as_string()) return text;
    return std::string(member->raw());
  }

  /// Where a browser's EventSource goes on after its connection broke.
  const Text& last_event_id() const { return last_event_id_; }

  bool flag(std::string_view name) const { return find(name) == "true"; }

  Result<std::optional<std::uint64_t>> number(std::string_view name) const {
    const Text text = find(name);
    if (!text) return std::optional<std::uint64_t>();
    HG_TRY(const std::uint64_t number, parse_number(*text, name));
    return std::optional(number);
  }

 private:
  explicit Parameters(const QueryParameters& query) : query_(query) {}

  const QueryParameters& query_;
  JsonView body_;
  Text last_event_id_;
};

template <class Value>
struct Choice {
  std::string_view name;
  Value value;
};

template <class Value>
Result<Value> choose(const Text& text, std::initializer_list<Choice<Value>> choices,
                     std::string_view error) {
  if (!text || text->empty()) return choices.begin()->value;
  const auto at = std::ranges::find(choices, *text, &Choice<Value>::name);
  if (at == choices.end()) return bad(std::string(error));
  return at->value;
}

Result<void> read_since(const Parameters& parameters, ChangesOptions& options) {
  std::string since = parameters.find("since").value_or("");
  if (parameters.last_event_id()) since = *parameters.last_event_id();
  options.is_since_now = since == "now";
  if (options.is_since_now) return {};
  HG_TRY(options.since, SequenceId::parse(since));
  return {};
}

Result<void> read_channels(const Parameters& parameters, ChangesOptions& options) {
  const std::string list = parameters.find("channels").value_or("");
  // A list of JSON (a body may bring one) is no list of names: silently empty, it would move the
  // client past what it did not see.
  if (list.starts_with('[') || list.starts_with('{'))
    return bad("channels: must be names separated by commas");
  auto& channels = options.channels.emplace();
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) {
      channels.push_back(list.substr(begin, end - begin));
      HG_CHECK(check_channel_name(channels.back()));
    }
    begin = end + 1;
  }
  if (channels.empty()) return bad("Missing 'channels' filter parameter");
  return {};
}

/// A list of JSON, or names separated by commas.
Result<void> read_ids(const Parameters& parameters, ChangesOptions& options) {
  const Text list = parameters.find("doc_ids");
  if (!list) return bad("Missing 'doc_ids' filter parameter");
  std::set<std::string, std::less<>> ids;
  if (list->starts_with('[')) {
    HG_CHECK(validate_json(*list));
    for (const JsonView& element : JsonView(*list).elements()) {
      auto id = element.as_string();
      if (!id) return bad("doc_ids: must be a list of strings");
      ids.insert(*std::move(id));
    }
  } else {
    for (std::size_t begin = 0; begin <= list->size();) {
      const std::size_t end = std::min(list->find(',', begin), list->size());
      if (end > begin) ids.insert(list->substr(begin, end - begin));
      begin = end + 1;
    }
  }
  options.doc_ids = std::make_shared<const std::set<std::string, std::less<>>>(std::move(ids));
  return {};
}

Result<void> read_selector(const Parameters& parameters, ChangesOptions& options) {
  const Text text = parameters.find("selector");
  if (!text) return bad("Missing 'selector' filter parameter");
  HG_CHECK(validate_json(*text));
  HG_TRY(Selector selector, Selector::parse(JsonView(*text)));
  options.selector = std::make_shared<const Selector>(std::move(selector));
  return {};
}

Result<void> read_filter(const Parameters& parameters, ChangesOptions& options) {
  const std::string filter = parameters.find("filter").value_or("");
  if (filter.empty()) return {};
  if (filter == "sync_gateway/bychannel") return read_channels(parameters, options);
  if (filter == "_doc_ids") return read_ids(parameters, options);
  if (filter == "_selector") return read_selector(parameters, options);
  return bad("Unknown filter; try sync_gateway/bychannel, _doc_ids or _selector");
}

Result<void> read_direction(const Parameters& parameters, ChangesOptions& options) {
  options.is_descending = parameters.flag("descending");
  if (options.is_descending && options.feed != FeedKind::normal)
    return bad("descending: only of a normal feed");
  // Every entry has its sequence, whatever interval is asked for: they cost nothing here.
  HG_TRY(const auto interval, parameters.number("seq_interval"));
  if (interval == 0u) return bad("seq_interval: must be at least 1");
  return {};
}

Result<std::optional<Milliseconds>> read_heartbeat(const Parameters& parameters) {
  if (parameters.flag("heartbeat")) return std::optional(Milliseconds(60'000));
  HG_TRY(const auto given, parameters.number("heartbeat"));
  if (!given || *given == 0) return std::optional<Milliseconds>();
  return std::optional(std::max(Milliseconds(std::min(*given, kMillisecondsMax)), kHeartbeatMin));
}

Result<std::optional<Milliseconds>> read_timeout(const Parameters& parameters) {
  HG_TRY(const auto given, parameters.number("timeout"));
  if (!given) return std::optional(kFeedTimeoutDefault);
  if (*given == 0) return std::optional<Milliseconds>();
  return std::optional(std::min(Milliseconds(std::min(*given, kMillisecondsMax)), kFeedTimeoutMax));
}

Result<void> read_kinds(const Parameters& parameters, ChangesOptions& options) {
  HG_TRY(options.feed, choose<FeedKind>(parameters.find("feed"),
                                        {{"normal", FeedKind::normal},
                                         {"longpoll", FeedKind::longpoll},
                                         {"continuous", FeedKind::continuous},
                                         {"eventsource", FeedKind::continuous},
                                         {"websocket", FeedKind::continuous}},
                                        "Unknown feed type"));
  HG_TRY(options.style, choose<ChangesStyle>(parameters.find("style"),
                                             {{"main_only", ChangesStyle::main_only},
                                              {"all_docs", ChangesStyle::all_docs}},
                                             "Unknown style; try main_only or all_docs"));
  const Text mode = parameters.find("mode");
  if (mode) {
    HG_TRY(
        options.mode,
        choose<ReadMode>(mode, {{"available", ReadMode::available}, {"stable", ReadMode::stable}},
                         "Unknown mode; try available or stable"));
  }
  return {};
}

}  // namespace

FeedFraming framing_of(const HttpRequest& request) {
  // A body that cannot be read is an error for whoever reads the options.
  const auto parameters = Parameters::of(request);
  const std::string feed = parameters ? parameters->find("feed").value_or("") : "";
  if (feed == "continuous") return FeedFraming::lines;
  if (feed == "eventsource") return FeedFraming::events;
  if (feed == "websocket") return FeedFraming::websocket;
  return FeedFraming::object;
}

Result<ChangesOptions> parse_changes_request(const HttpRequest& request) {
  HG_TRY(const Parameters parameters, Parameters::of(request));
  ChangesOptions options;
  HG_CHECK(read_kinds(parameters, options));
  HG_CHECK(read_since(parameters, options));
  HG_CHECK(read_filter(parameters, options));
  HG_CHECK(read_direction(parameters, options));
  HG_TRY(options.limit, parameters.number("limit"));
  if (options.limit == 0u) options.limit.reset();
  options.include_docs = parameters.flag("include_docs");
  options.attachments = parameters.flag("attachments");
  options.conflicts = parameters.flag("conflicts");
  options.active_only = parameters.flag("active_only");
  options.request_plus = parameters.flag("request_plus");
  options.revocations = parameters.flag("revocations");
  options.user_entry = parameters.flag("user_entry");
  HG_TRY(options.heartbeat, read_heartbeat(parameters));
  HG_TRY(options.timeout, read_timeout(parameters));
  return options;
}

}  // namespace headgate
