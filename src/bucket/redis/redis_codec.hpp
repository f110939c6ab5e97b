// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/redis/resp.hpp"

// Operations and their replies as the partition script takes and gives them.
namespace headgate {

std::string redis_database(DatabaseId database);
/// What the name of a value's key begins with, after the partition's tag and a letter.
std::string redis_prefix(DatabaseId database, KeyKind kind, std::string_view tag);

void add_operation(RespCommand& command, const Operation& operation);
/// The reply has in `bytes` what is stored, which is `own` if there was nothing.
void add_format(RespCommand& command, std::string_view own);
void add_touch(RespCommand& command);
void add_barrier(RespCommand& command);
void add_head(RespCommand& command, DatabaseId database);
void add_read_feed(RespCommand& command, DatabaseId database, FeedPosition after,
                   std::size_t limit);
void add_compact(RespCommand& command, DatabaseId database, PartitionPosition safe,
                 std::size_t slack);
void add_mark_dropped(RespCommand& command, DatabaseId database);
void add_reclaim(RespCommand& command, DatabaseId database);
/// Bounds as ZRANGEBYLEX takes them.
void add_scan(RespCommand& command, DatabaseId database, std::string_view low,
              std::string_view high, std::size_t limit, bool in_reverse);

/// The reply of one operation. Whatever is no reply of the script is `timeout_unknown_outcome`.
Reply read_reply(const redisReply* reply, HistoryId history);
/// The history at the head of the script's reply; 0 if it is none.
HistoryId read_history(const redisReply& reply);
/// What follows the five fields of a reply; null if nothing does.
const redisReply* more_of(const redisReply* reply);

std::uint64_t read_number(std::string_view text);
/// A value's key from a member of the index: kind, tag, name.
Result<Key> read_member(DatabaseId database, std::string_view member);

}  // namespace headgate
