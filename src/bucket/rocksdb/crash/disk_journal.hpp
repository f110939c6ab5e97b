// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace headgate {

/// One thing that a process did to the files of a directory, as far as it matters to what a power
/// failure leaves of them. Names are those within the directory.
struct DiskEvent {
  enum class Kind : std::uint8_t {
    make_directory,  ///< the directory itself
    sync_parent,     ///< the directory's own entry is durable
    create,          ///< `name`, empty
    reopen,          ///< `name`, to add to its end
    sync,            ///< the first `bytes` of the file `name` are durable
    lose,            ///< a sync of `name` failed: what was not durable of the first `bytes` is lost
    rename,          ///< `name` to `to`; what was there is kept as link `shadow`, if not 0
    remove,          ///< `name`, kept as link `shadow`
    sync_directory,  ///< all entries are durable
  };
  Kind kind;
  char name[47];
  char to[48];
  std::uint64_t bytes;
  std::uint64_t shadow;
};

/// All of them, in their order.
struct DiskJournal {
  static constexpr std::size_t kEventsMax = 200'000;

  std::atomic<std::size_t> count;  ///< raised once the event is complete
  DiskEvent events[kEventsMax];
};

}  // namespace headgate
