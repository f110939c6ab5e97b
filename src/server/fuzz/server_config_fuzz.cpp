// SPDX-License-Identifier: Apache-2.0
// The configuration file: any text is either taken or refused with a message, and what is taken
// passes the check or is refused by it.
#include <cstdlib>
#include <string_view>

#include "server/server_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  headgate::ServerConfig config;
  const auto read = config.read_toml({reinterpret_cast<const char*>(data), size}, "headgate.toml");
  if (!read && read.error().context.empty()) std::abort();
  if (!read) return 0;
  const auto checked = config.check();
  if (!checked && checked.error().context.empty()) std::abort();
  return 0;
}
