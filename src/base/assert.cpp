// SPDX-License-Identifier: Apache-2.0
#include "base/assert.hpp"

#include <cstdlib>
#include <string>

#include "base/log.hpp"

namespace headgate {

void assertion_failed(const char* expression, const char* file, int line) {
  log(LogLevel::critical, "assertion.failed",
      {{"expression", expression}, {"at", std::string(file) + ":" + std::to_string(line)}});
  std::abort();
}

}  // namespace headgate
