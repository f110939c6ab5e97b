// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/types.hpp"

namespace headgate {

/// Something that a cache writer put right.
struct CacheRepair {
  enum class Kind : std::uint8_t {
    cache_work,  ///< did what a front end had left undone
    resequence,  ///< gave a document a fresh number
    bury,        ///< closed numbers that never came
  };
  Kind kind{};
  WallTime when;
  Sequence first;        ///< the number, or the first of a range
  Sequence last;         ///< the same, or the last
  std::string key = {};  ///< id of the document, or name of the principal; empty: a range
};

/// The newest repairs, for people. Confined to its owner's executor.
class RepairLog {
 public:
  static constexpr std::size_t kMost = 50;

  void add(CacheRepair repair) {
    if (repairs_.size() == kMost) repairs_.pop_back();
    repairs_.push_front(std::move(repair));
  }
  std::vector<CacheRepair> newest_first() const { return {repairs_.begin(), repairs_.end()}; }

 private:
  std::deque<CacheRepair> repairs_;
};

}  // namespace headgate
