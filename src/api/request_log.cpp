// SPDX-License-Identifier: Apache-2.0
#include "api/request_log.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"

namespace headgate {

namespace {

constexpr std::size_t kIdMost = 64;
constexpr std::size_t kPathMost = 500;
constexpr std::size_t kPartMost = 100;
constexpr std::chrono::seconds kOverloadLines{1};  ///< from one to the next

bool may_be_in_id(char c) {
  const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_word || std::string_view("-_.:+/=").find(c) != std::string_view::npos;
}

/// As it was asked for, without the id of a session, which is as good as a password.
std::string path_of(const HttpRequest& request) {
  const auto& path = request.path;
  if (path.size() > 2 && path[1] == "_session") return "/" + path[0] + "/_session/-";
  return request.target.substr(0, kPathMost);
}

/// Those who are refused may be thousands a second, and have nothing to say each.
void log_overload(ApiServices& services) {
  ApiStatistics& statistics = services.statistics;
  const TimePoint now = services.environment.now();
  if (statistics.overload_logged_at != TimePoint() &&
      now - statistics.overload_logged_at < kOverloadLines)
    return;
  statistics.overload_logged_at = now;
  log(LogLevel::warning, "api.overloaded",
      {{"at_work", std::to_string(statistics.active_requests)},
       {"refused_so_far", std::to_string(statistics.overloaded)}});
}

std::string user_of(const ApiCall& call) {
  if (!call.reader || call.reader->is_admin()) return "admin";
  return call.reader->name;
}

}  // namespace

std::string request_id_of(const HttpRequest& request, Environment& environment) {
  const std::string_view given = request.headers.find("X-Request-Id").value_or("");
  if (!given.empty() && given.size() <= kIdMost && std::ranges::all_of(given, may_be_in_id))
    return std::string(given);
  return fmt::format("{:016x}", environment.random());
}

std::string route_of(const HttpRequest& request) {
  const auto& path = request.path;
  if (path.empty()) return "/";
  std::string route = "/" + path[0].substr(0, kPartMost);
  if (path.size() == 1) return route;
  const bool is_document = !path[1].starts_with('_');
  route +=
      is_document ? "/{docid}" : "/" + path[1].substr(0, std::min(path[1].find('/'), kPartMost));
  if (path.size() > 2) route += "/...";
  return route;
}

void log_failure(ApiCall& call, const ApiError& answer, const Error& error) {
  if (error.code == Errc::overloaded) return log_overload(call.services());
  log(LogLevel::warning, "api.failed",
      {{"request", call.request_id()},
       {"method", std::string(to_string(call.request().method))},
       {"route", route_of(call.request())},
       user_data("path", path_of(call.request())),
       {"status", std::to_string(answer.status)},
       {"error", std::string(to_string(error.code))},
       user_data("context", error.context)});
}

void log_answer(ApiCall& call, std::chrono::nanoseconds duration) {
  const auto slow = call.services().slow_request;
  const bool is_slow = slow.count() > 0 && duration >= slow && !call.has_waited;
  const LogLevel level = is_slow ? LogLevel::warning : LogLevel::debug;
  if (!is_logged(level)) return;
  log(level, is_slow ? "api.slow" : "api.answered",
      {{"request", call.request_id()},
       {"method", std::string(to_string(call.request().method))},
       {"route", route_of(call.request())},
       user_data("path", path_of(call.request())),
       {"status", std::to_string(call.status())},
       {"ms",
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count())},
       user_data("user", user_of(call))});
}

}  // namespace headgate
