// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace headgate {

enum class LogLevel : unsigned char { debug, info, warning, error, critical };

struct LogField {
  std::string_view key;
  std::string value;
};

/// Writes one structured line to standard error: time, level, `event` (dotted, lower case), then
/// key=value. Safe from any thread. Never pass passwords or bodies.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
/// Lines below `level` are dropped. Default: info.
void set_log_level(LogLevel level);
bool is_logged(LogLevel level);

}  // namespace headgate
