// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// What a cache bucket of several nodes is known by, whatever it is called: a value drawn at random
/// that lies in it. Confined to its executor; the bucket must outlive it.
class CacheIdentity {
 public:
  CacheIdentity(Environment& environment, Bucket& cache)
      : environment_(environment), cache_(cache) {}

  /// The value. A bucket without one is given the one that was found last: it was emptied; or a new
  /// one. May be called again after any error, an unknown outcome, too. Suspends, for some seconds
  /// at most. Errors: as Bucket::get and Bucket::insert.
  Task<Result<std::string>> find();

 private:
  Environment& environment_;
  Bucket& cache_;
  std::string last_;
};

}  // namespace headgate
