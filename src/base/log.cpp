// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace headgate {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto created = spdlog::stderr_logger_mt("headgate");
    created->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    created->flush_on(spdlog::level::info);
    return created;
  }();
  return *instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::critical:
      return spdlog::level::critical;
  }
  return spdlog::level::info;
}

std::atomic<LogLevel>& level_now() {
  static std::atomic<LogLevel> level{LogLevel::info};
  return level;
}

std::atomic<bool>& hides_user_data() {
  static std::atomic<bool> hides{false};
  return hides;
}

// Quotes a value that would not read as one word; control characters become escapes, so that no
// value can begin a line of its own.
void append_value(std::string& line, const std::string& value) {
  const bool is_word = !value.empty() && value.find_first_of(" \"=\\\n\r\t") == std::string::npos;
  if (is_word) {
    line += value;
    return;
  }
  line += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::critical:
      return "critical";
  }
  return "";
}

Result<LogLevel> parse_log_level(std::string_view name) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error})
    if (name == to_string(level)) return level;
  return Error{Errc::invalid_argument, "must be one of debug, info, warning, error"};
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!is_logged(level)) return;
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (field.is_user_data && is_user_data_hidden())
      line += '-';
    else
      append_value(line, field.value);
  }
  logger().log(spdlog_level(level), "{}", line);
}

void set_log_level(LogLevel level) {
  level_now() = level;
  logger().set_level(spdlog_level(level));
}
LogLevel log_level() {
  return level_now();
}
void hide_user_data(bool is_hidden) {
  hides_user_data() = is_hidden;
}
bool is_user_data_hidden() {
  return hides_user_data();
}
bool is_logged(LogLevel level) {
  return logger().should_log(spdlog_level(level));
}

}  // namespace headgate
