// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/feed_rows.hpp"

#include "net/uri.hpp"

namespace headgate::bench {

std::string last_sequence(std::string_view body) {
  constexpr std::string_view kName = "\"last_seq\":";
  const std::size_t at = body.rfind(kName);
  if (at == std::string_view::npos) return {};
  std::string_view value = body.substr(at + kName.size());
  if (value.starts_with('"')) {
    value.remove_prefix(1);
    value = value.substr(0, value.find('"'));
  } else {
    value = value.substr(0, value.find_first_of(",} \r\n"));
  }
  return percent_encode(value);
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size()))
    ++count;
  return count;
}

}  // namespace headgate::bench
