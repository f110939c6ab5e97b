// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace headgate {

struct RespFree {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
/// A reply as hiredis parses it; null where there was none.
using RespReply = std::unique_ptr<redisReply, RespFree>;

/// The bytes of a string, status or error; else empty.
std::string_view resp_text(const redisReply& reply);
inline bool is_error(const redisReply& reply) {
  return reply.type == REDIS_REPLY_ERROR;
}
/// The element, or null if `reply` is no array or too short.
const redisReply* resp_at(const redisReply& reply, std::size_t index);

/// Builds one command in the protocol's form.
class RespCommand {
 public:
  RespCommand& add(std::string_view argument);
  RespCommand& add_number(std::uint64_t argument) { return add(std::to_string(argument)); }
  /// Arguments that another command has built.
  RespCommand& add_all(const RespCommand& other);
  /// The whole, with the count in front.
  std::string wire() const;
  std::size_t size() const { return bytes_.size(); }

 private:
  std::size_t count_ = 0;
  std::string bytes_;
};

}  // namespace headgate
