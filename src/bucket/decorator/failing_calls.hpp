// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "bucket/decorator/fault_bucket.hpp"

namespace headgate {

/// A way in which one call of a bucket fails.
struct CallFailure {
  const char* name;
  Errc code;
  FaultBucket::Moment moment;
};
inline constexpr CallFailure kCallFailures[] = {
    {"NotDone", Errc::unavailable, FaultBucket::Moment::before},
    {"RequestLost", Errc::timeout_unknown_outcome, FaultBucket::Moment::before},
    {"ReplyLost", Errc::timeout_unknown_outcome, FaultBucket::Moment::after},
};

/// Does something again and again, for n = 0, 1, 2 ... while the n-th call of the bucket fails,
/// until none does (SQLite's method). attempt(n) is what calls fail in; afterwards check(n), in
/// which none does. Stops at the first test failure.
template <class Attempt, class Check>
void for_each_failing_call(FaultBucket& bucket, const CallFailure& failure, Attempt attempt,
                           Check check) {
  constexpr std::size_t kCallsMost = 500;
  bool has_struck = true;
  for (std::size_t n = 0; has_struck && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " fails: " + failure.name);
    ASSERT_LT(n, kCallsMost) << "it has no end";
    const std::size_t struck = bucket.struck();
    bucket.fail_calls(failure.code, n, 1, failure.moment);
    attempt(n);
    has_struck = bucket.struck() > struck;
    bucket.clear();
    check(n);
  }
}

}  // namespace headgate
