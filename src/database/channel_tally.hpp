// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"
#include "database/database_context.hpp"

namespace headgate {

/// What the documents say of their channels, counted for people. It is no snapshot.
struct ChannelTally {
  struct Count {
    std::uint64_t documents = 0;  ///< in the channel now, tombstones left out
    std::uint64_t left = 0;       ///< were in it once; tombstones and documents that moved
  };
  /// Most names that are kept.
  static constexpr std::size_t kChannelsMost = 10'000;

  std::map<std::string, Count> channels;
  std::uint64_t documents = 0;  ///< looked at, tombstones included
  bool is_complete = true;      ///< all documents and all of their channels were counted
};

/// Reads up to `documents_most` documents in the order of their ids and lets others run meanwhile.
/// The context must outlive it. Errors: as Bucket::scan, corrupted.
Task<Result<ChannelTally>> tally_channels(const DatabaseContext& context,
                                          std::uint64_t documents_most);

}  // namespace headgate
