// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cache/cache_reader.hpp"
#include "document/selector.hpp"
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
  /// Only these documents; null: all. Shared, since it may be long.
  std::shared_ptr<const std::set<std::string, std::less<>>> doc_ids;
  /// Only documents whose winner matches; null: all. Every candidate is read.
  std::shared_ptr<const Selector> selector;
  /// Normal feeds only: the newest first, `since` is not looked at. Without a limit refused when
  /// there are more than ChangesFeed::kDescendingMax.
  bool is_descending = false;
  /// Before anything is read the feed waits until stable has reached what was handed out when it
  /// began: whoever asks reads what was written before. Not for continuous feeds.
  bool request_plus = false;
  /// Also rows for documents that the reader could read by a channel it has lost, and by no other:
  /// `revoked`. Not with active_only; not for admins and the guest. In mode stable, whatever `mode`
  /// says.
  bool revocations = false;
  /// Also a row for the user itself, `_user/NAME`, at the sequence of its record.
  bool user_entry = false;
  /// A feed that has had nothing to send for so long returns a heartbeat. Wins over `timeout`.
  std::optional<std::chrono::milliseconds> heartbeat;
  /// A feed that has had nothing to send for so long ends. Absent: never.
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<ReadMode> mode;  ///< absent: as the database is configured
};

}  // namespace headgate
