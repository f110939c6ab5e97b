// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/cases/cases.hpp"

namespace headgate::bench {

const std::vector<CaseKind>& all_cases() {
  static const std::vector<CaseKind> cases{
      // First: later the server holds memory that feeds would be given.
      {"waiting", "longpoll feeds that wait: memory, and one write for all", make_waiting_case},
      {"put-one", "new documents by PUT, one connection", make_put_one_case},
      {"put", "new documents by PUT, many connections", make_put_case},
      {"overload", "twice as many a second as the server took", make_overload_case},
      {"bulk", "new documents by _bulk_docs, 100 at a time, 4 connections", make_bulk_case},
      {"get", "documents by GET, many connections", make_get_case},
      {"push", "from a write to one continuous feed", make_push_continuous_case},
      {"push-longpoll", "from a write to one longpoll feed", make_push_longpoll_case},
      {"push-websocket", "from a write to one websocket feed", make_push_websocket_case},
      {"push-many", "from a write to many continuous feeds", make_push_many_case},
      {"catch-up", "all rows of a feed from 0", make_catch_up_case},
      {"catch-up-channel", "a channel of 1 % of the documents", make_catch_up_channel_case},
      {"first-sync", "many users of many channels sync for the first time", make_first_sync_case},
      {"mixed", "pushers and pullers, channels of 40 users", make_mixed_case},
  };
  return cases;
}

}  // namespace headgate::bench
