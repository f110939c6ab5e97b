// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"

namespace headgate {

/// Documents grant by their member `grant`.
class GrantTest : public ChangesFixture {
 protected:
  GrantTest() : ChangesFixture(scripted()) {}

  std::string grant(std::string_view id, std::string_view user, std::string_view channel,
                    std::string_view rev = {}) {
    return put_ok(id,
                  "{\"channels\":[\"grants\"],\"grant\":{\"users\":[\"" + std::string(user) +
                      "\"],\"channels\":[\"" + std::string(channel) + "\"]}}",
                  rev);
  }
  ChangesOptions all(FeedKind feed = FeedKind::normal, std::string_view since = "0") {
    return options(feed, since);
  }
  Names changes_of(std::string_view name, std::string_view since) {
    return changes(since, user(name));
  }
};

}  // namespace headgate
