// SPDX-License-Identifier: Apache-2.0
#include "database/cache_identity.hpp"

#include <gtest/gtest.h>

#include "base/manual_environment.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

TEST(CacheIdentityTest, AllWhoShareABucketKnowItByTheSameAlsoOnceItWasEmptied) {
  ManualEnvironment env;
  MemoryStore store;
  MemoryStore elsewhere;
  MemoryBucket bucket(env, store);
  MemoryBucket other_bucket(env, elsewhere);
  CacheIdentity one(env, bucket);
  CacheIdentity two(env, bucket);
  CacheIdentity other(env, other_bucket);
  const std::string known_by = env.run(one.find()).value();
  EXPECT_EQ(env.run(two.find()).value(), known_by);
  EXPECT_NE(env.run(other.find()).value(), known_by);

  const Key key{DatabaseId(0), KeyKind::database, "identity", {}};
  const auto empty = [&] {
    const Reply found = env.run(bucket.get(key, kNoDeadline));
    EXPECT_TRUE(env.run(bucket.remove(key, found.cas, {}, kNoDeadline)).ok());
  };
  empty();
  EXPECT_EQ(env.run(two.find()).value(), known_by);
  // Somebody who has just started may come first: then all follow it.
  empty();
  CacheIdentity starting(env, bucket);
  const std::string anew = env.run(starting.find()).value();
  EXPECT_NE(anew, known_by);
  EXPECT_EQ(env.run(one.find()).value(), anew);
}

TEST(CacheIdentityTest, WhatCouldNotBeGivenIsGivenByTheNextCall) {
  ManualEnvironment env;
  MemoryStore store;
  MemoryBucket inner(env, store);
  FaultBucket bucket(env, inner);
  CacheIdentity one(env, bucket);
  bucket.inject({.matches = writes_of_kind(KeyKind::database), .code = Errc::unavailable});
  EXPECT_EQ(env.run(one.find()).error().code, Errc::unavailable);
  bucket.inject({.matches = writes_of_kind(KeyKind::database),
                 .moment = FaultBucket::Moment::after,
                 .code = Errc::timeout_unknown_outcome});
  EXPECT_EQ(env.run(one.find()).error().code, Errc::timeout_unknown_outcome);
  CacheIdentity two(env, inner);
  EXPECT_EQ(env.run(one.find()).value(), env.run(two.find()).value());
}

}  // namespace
}  // namespace headgate
