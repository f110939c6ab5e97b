// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/resp.hpp"

#include <fmt/format.h>

namespace headgate {

std::string_view resp_text(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_STRING && reply.type != REDIS_REPLY_STATUS &&
      reply.type != REDIS_REPLY_ERROR)
    return {};
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

const redisReply* resp_at(const redisReply& reply, std::size_t index) {
  if (reply.type != REDIS_REPLY_ARRAY || index >= reply.elements) return nullptr;
  return reply.element[index];
}

RespCommand& RespCommand::add(std::string_view argument) {
  ++count_;
  fmt::format_to(std::back_inserter(bytes_), "${}\r\n", argument.size());
  bytes_ += argument;
  bytes_ += "\r\n";
  return *this;
}

RespCommand& RespCommand::add_all(const RespCommand& other) {
  count_ += other.count_;
  bytes_ += other.bytes_;
  return *this;
}

std::string RespCommand::wire() const {
  return fmt::format("*{}\r\n{}", count_, bytes_);
}

}  // namespace headgate
