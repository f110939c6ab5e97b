// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "api/api_call.hpp"
#include "changes/changes_options.hpp"

namespace headgate {

/// Counts a feed that may wait among the feeds, not among the requests at work.
class WaitingFeed {
 public:
  WaitingFeed(ApiCall& call, FeedKind kind)
      : active_(call.services().statistics.active_requests),
        feeds_(kind == FeedKind::continuous ? call.services().statistics.continuous_feeds
                                            : call.services().statistics.longpoll_feeds) {
    call.has_waited = true;
    --active_;
    ++feeds_;
  }
  WaitingFeed(const WaitingFeed&) = delete;
  WaitingFeed& operator=(const WaitingFeed&) = delete;
  ~WaitingFeed() {
    ++active_;
    --feeds_;
  }

 private:
  std::size_t& active_;
  std::size_t& feeds_;
};

}  // namespace headgate
