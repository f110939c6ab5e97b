// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/readers.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/task_scope.hpp"
#include "cli/print.hpp"
#include "document/json.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kLoginsAtOnce = 8;

constexpr std::string_view kFilter =
    R"({"filters":{"channels":"function (doc, req) { return (doc.channels || []).some(function (one) )"
    R"({ return req.query.channels.split(',').indexOf(one) >= 0; }); }"}})";

std::string json_list(const std::vector<std::string>& names) {
  JsonWriter out;
  out.begin_array();
  for (const std::string& name : names) out.string(name);
  return std::move(out.end_array()).text();
}

std::string comma_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ",") + name;
  return list;
}

/// Makes a user and begins a session for it: with a password, each would cost its hash again.
Task<void> log_in(BenchRun& run, LoadConnection& connection, std::string name, Reader& reader) {
  const std::string user = fmt::format(R"({{"password":"bench-{}","admin_channels":{}}})", name,
                                       json_list(reader.channels));
  if (!co_await run.ask(connection, run.request(HttpMethod::put, "/_user/" + name, user), 201))
    co_return;
  const std::string session = fmt::format(R"({{"name":"{}","ttl":86400}})", name);
  if (!co_await run.ask(connection, run.request(HttpMethod::post, "/_session", session), 200))
    co_return;
  if (!validate_json(connection.body())) co_return run.failed("a session that is no JSON");
  const JsonView answer(connection.body());
  reader.endpoint = run.server().public_endpoint();
  reader.fields = fmt::format("Cookie: {}={}\r\n", text_of(answer, "cookie_name"),
                              text_of(answer, "session_id"));
  reader.is_user = true;
}

Task<void> log_in_some(BenchRun& run, std::vector<Reader>& readers, std::size_t& next) {
  LoadConnection connection(run.loop(), run.address());
  while (next < readers.size()) {
    const std::size_t i = next++;
    co_await log_in(run, connection, fmt::format("reader{}", i), readers[i]);
  }
}

}  // namespace

Reader reader_of_all(const BenchRun& run) {
  return {.endpoint = run.server().feed_endpoint(), .fields = {}, .channels = {}};
}

Task<bool> prepare_channels(BenchRun& run) {
  if (run.server().has_channels() || run.server().has_selectors()) co_return true;
  LoadConnection connection(run.loop(), run.address());
  co_return co_await run.ask(connection, run.request(HttpMethod::put, "/_design/bench", kFilter),
                             201);
}

Task<Result<std::vector<Reader>>> make_readers(
    BenchRun& run, std::size_t count,
    std::function<std::vector<std::string>(std::size_t)> channels_of) {
  std::vector<Reader> readers(count, reader_of_all(run));
  for (std::size_t i = 0; i < count; ++i) readers[i].channels = channels_of(i);
  const std::uint64_t errors = run.counts().errors;
  if (!co_await prepare_channels(run))
    co_return Error{Errc::unavailable, "no filter: " + run.counts().first_error};
  if (!run.server().has_users()) co_return readers;
  std::size_t next = 0;
  TaskScope logins(run.loop());
  for (std::size_t i = 0; i < kLoginsAtOnce; ++i) logins.spawn(log_in_some(run, readers, next));
  co_await logins.join();
  if (run.counts().errors != errors)
    co_return Error{Errc::unavailable, "users could not be made: " + run.counts().first_error};
  co_return readers;
}

std::string changes_request(const BenchRun& run, const Reader& reader, std::string_view query,
                            std::string_view fields) {
  std::string target = run.target("/_changes?") + std::string(query);
  const std::string all_fields = reader.fields + std::string(fields);
  if (reader.channels.empty() || reader.is_user)
    return request_text(reader.endpoint, HttpMethod::get, target, {}, all_fields);
  if (run.server().has_channels() || !run.server().has_selectors()) {
    target +=
        run.server().has_channels() ? "&filter=sync_gateway/bychannel" : "&filter=bench/channels";
    target += "&channels=" + comma_list(reader.channels);
    return request_text(reader.endpoint, HttpMethod::get, target, {}, all_fields);
  }
  const std::string selector = fmt::format(
      R"({{"selector":{{"channels":{{"$elemMatch":{{"$in":{}}}}}}}}})", json_list(reader.channels));
  return request_text(reader.endpoint, HttpMethod::post, target + "&filter=_selector", selector,
                      all_fields);
}

std::string reader_post(const BenchRun& run, const Reader& reader, std::string_view rest,
                        std::string_view body) {
  return request_text(reader.endpoint, HttpMethod::post, run.target(rest), body, reader.fields);
}

}  // namespace headgate::bench
