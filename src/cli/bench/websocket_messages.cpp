// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/websocket_messages.hpp"

#include <cstdint>

#include "base/assert.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kShortMax = 125;
constexpr unsigned char kLength16 = 126;
constexpr unsigned char kLength64 = 127;
constexpr unsigned char kMasked = 0x80;
constexpr unsigned char kWholeText = 0x81;

unsigned char byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

}  // namespace

std::string websocket_fields() {
  return "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
}

std::string websocket_message(std::string_view text) {
  HG_ASSERT(text.size() <= 0xffff);
  std::string out(1, static_cast<char>(kWholeText));
  if (text.size() <= kShortMax) {
    out += static_cast<char>(kMasked | text.size());
  } else {
    out += static_cast<char>(kMasked | kLength16);
    out += static_cast<char>(text.size() >> 8);
    out += static_cast<char>(text.size() & 0xff);
  }
  // A mask of zeros: what it is for, proxies, is not here.
  out.append(4, '\0');
  return out.append(text);
}

bool WebSocketMessages::cut(std::string_view& bytes, std::string_view& message) {
  if (bytes.size() < 2) return false;
  std::uint64_t length = byte_at(bytes, 1) & 0x7f;
  std::size_t head = 2;
  const std::size_t more = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  if (more > 0) {
    if (bytes.size() < head + more) return false;
    length = 0;
    for (std::size_t i = 0; i < more; ++i) length = length << 8 | byte_at(bytes, head + i);
    head += more;
  }
  if (bytes.size() - head < length) return false;
  message = bytes.substr(head, static_cast<std::size_t>(length));
  bytes.remove_prefix(head + static_cast<std::size_t>(length));
  return true;
}

}  // namespace headgate::bench
