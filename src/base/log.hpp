// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace headgate {

enum class LogLevel : unsigned char { debug, info, warning, error, critical };

struct LogField {
  std::string_view key;
  std::string value;
  bool is_user_data = false;  ///< may name a person, a document or what it holds
};

/// A field that an administrator may want to keep out of the log (hide_user_data()).
inline LogField user_data(std::string_view key, std::string value) {
  return {key, std::move(value), true};
}

/// "debug", "info", "warning", "error", "critical".
std::string_view to_string(LogLevel level);
/// All but critical: errors cannot be turned off. Errors: invalid_argument, which lists them.
Result<LogLevel> parse_log_level(std::string_view name);

/// Writes one structured line to standard error: time, level, `event` (dotted, lower case), then
/// key=value. Safe from any thread. Never pass passwords or bodies.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
/// Lines below `level` are dropped. Default: info.
void set_log_level(LogLevel level);
bool is_logged(LogLevel level);
LogLevel log_level();
/// From then on the values of fields that are user data are left out: `key=-`. Default: shown.
void hide_user_data(bool is_hidden);
bool is_user_data_hidden();

}  // namespace headgate
