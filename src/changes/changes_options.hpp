// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_reader.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

enum class FeedKind : std::uint8_t {
  normal,      ///< what there is now, then the end
  longpoll,    ///< as normal, but waits while there is nothing
  continuous,  ///< never ends by itself, except at its timeout or limit
};

enum class ChangesStyle : std::uint8_t {
  main_only,  ///< the winner's revision
  all_docs,   ///< all leaves, the winner first
};

/// What one request wants of `_changes`. A value, already checked by whoever read the request.
struct ChangesOptions {
  FeedKind feed = FeedKind::normal;
  SequenceId since;
  bool is_since_now = false;  ///< `since=now`: begins at the present stable sequence
  /// Rows in all, >= 1; absent: no limit. At the limit every kind of feed ends.
  std::optional<std::uint64_t> limit;
  ChangesStyle style = ChangesStyle::main_only;
  bool include_docs = false;
  bool attachments = false;  ///< with include_docs: bodies of attachments, not stubs
  bool conflicts = false;    ///< with include_docs: `_conflicts`
  bool active_only = false;  ///< no tombstones, no removals
  /// Names of channels; those out of the reader's reach are left out silently. Absent, or with "*"
  /// among them: all that the reader may see.
  std::optional<std::vector<std::string>> channels;
  /// A feed that has had nothing to send for so long returns a heartbeat. Wins over `timeout`.
  std::optional<std::chrono::milliseconds> heartbeat;
  /// A feed that has had nothing to send for so long ends. Absent: never.
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<ReadMode> mode;  ///< absent: as the database is configured
};

}  // namespace headgate
