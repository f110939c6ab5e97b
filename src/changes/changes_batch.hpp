// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sequence/sequence_id.hpp"

namespace headgate {

/// One row of `_changes`: its sequence id, which depends on who reads when, and all the rest, which
/// many feeds share.
struct ChangesRow {
  SequenceId seq;
  std::shared_ptr<const std::string> rest;  ///< `,"id":...}`

  /// Appends the row as one JSON object, without line ending.
  void append_to(std::string& out) const;
  std::string text() const;
};

/// Appends a sequence id as a JSON value: a number if it is plain, else a string. `last_seq` of
/// normal and longpoll feeds is always a string: use SequenceId::print() there.
void append_json_sequence(std::string& out, const SequenceId& seq);

/// What ChangesFeed::next() returns: rows, or a reason why there are none.
struct ChangesBatch {
  std::vector<ChangesRow> rows;
  /// Set once on a continuous feed: after these rows (there may be none) it has sent all there was.
  bool is_caught_up = false;
  /// No rows; time to show the peer that the feed lives.
  bool is_heartbeat = false;
  /// Nothing comes after these rows: next() must not be called again.
  bool is_end = false;
  /// With is_end: how many rows there are after these; none: unknown without reading on.
  std::optional<std::uint64_t> pending;
  /// Where the feed stands after these rows: a safe `since`.
  SequenceId last_seq;
};

}  // namespace headgate
