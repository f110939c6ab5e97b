// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "api/parameters.hpp"
#include "base/log.hpp"

namespace headgate {

namespace {

constexpr std::uint64_t kSlowMost = 3'600'000;

struct Logging {
  LogLevel level;
  bool hides_user_data;
  std::chrono::milliseconds slow_request;
};

Error wrong(std::string_view member, std::string_view what) {
  return {Errc::invalid_argument, std::string(member) + ": " + std::string(what)};
}

Result<void> read_member(const JsonView::Member& member, Logging& into) {
  const std::string name = member.name();
  if (name == "level") {
    const auto level = parse_log_level(member.value.as_string().value_or(""));
    if (!level) return wrong(name, level.error().context);
    into.level = *level;
  } else if (name == "hide_user_data") {
    const auto flag = member.value.as_bool();
    if (!flag) return wrong(name, "true or false");
    into.hides_user_data = *flag;
  } else if (name == "slow_request_ms") {
    const auto number = member.value.as_uint64();
    if (!number || *number > kSlowMost) return wrong(name, "a number from 0 to 3600000");
    into.slow_request = std::chrono::milliseconds(*number);
  } else {
    return wrong(name, "no such member");
  }
  return {};
}

}  // namespace

Task<Result<void>> get_logging(ApiCall& call) {
  JsonWriter out;
  out.begin_object().key("level").string(to_string(log_level()));
  out.key("hide_user_data").boolean(is_user_data_hidden());
  out.key("slow_request_ms").number(std::int64_t{call.services().slow_request.count()});
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

// All or nothing: a mistake in one member changes none.
Task<Result<void>> put_logging(ApiCall& call) {
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  Logging wanted{log_level(), is_user_data_hidden(), call.services().slow_request};
  for (const JsonView::Member& member : body.members()) HG_CO_CHECK(read_member(member, wanted));
  set_log_level(wanted.level);
  hide_user_data(wanted.hides_user_data);
  call.services().slow_request = wanted.slow_request;
  co_return co_await get_logging(call);
}

}  // namespace headgate
