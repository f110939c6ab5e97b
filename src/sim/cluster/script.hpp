// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "bucket/bucket.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"
#include "changes/changes_options.hpp"

namespace headgate {

/// What aimed faults go for: what a run draws by itself, or one of the schedules that rules exist
/// for, which chance alone seldom composes.
enum class AimPlan : std::uint8_t {
  any,
  late,       ///< numbers drawn, closed as gaps, then used; what closed them is lost
  hidden,     ///< the feed hides the version that left a channel, and its block entry is lost
  rights,     ///< a user's or role's record is lost before the cache knows of it
  lag,        ///< numbers that are not used for long, and lost documents above them
  stable,     ///< the stable record, its copy, and its writer are lost
  moved,      ///< much of what was stable is lost by the cache, and moves to fresh numbers
  directory,  ///< block records and full blocks
};

/// Sizes, settings and strengths of faults of one simulated run.
struct ScriptSettings {
  std::uint64_t seed = 1;  ///< of the noise that no line of the script says
  bool is_cluster = true;  ///< false: one process on one embedded store
  std::uint32_t nodes = 3;
  std::uint32_t documents = 8;
  std::uint32_t partitions = 2;     ///< of each bucket
  std::uint32_t replicas = 1;       ///< of each partition
  std::uint32_t cache_writers = 1;  ///< nodes that run one: the first ones
  BlockFormat format = BlockFormat::append;
  ReadMode mode = ReadMode::available;
  CacheWrites cache_writes = CacheWrites::frontend;
  Durability durability = Durability::replicated;
  Durability stable_durability = Durability::replicated;
  std::uint32_t capacity = 4;
  std::uint32_t per_tag = 1'000;  ///< sequence documents that share a tag: what one fold stands for
  std::uint32_t max_early = 10'000;
  std::uint32_t horizon = 10'000;  ///< sequences by which the horizon is raised
  bool star_channel = true;
  std::chrono::milliseconds gap_timeout{200};
  std::chrono::milliseconds poll{100};
  /// Faults strike for so long; then all is healed.
  std::chrono::milliseconds duration{4'000};

  // Strengths; chances in thousandths.
  std::uint32_t delay_us = 0;  ///< one way, at most
  std::uint32_t lag_us = 0;    ///< of replicas, at most
  std::uint32_t late = 0;      ///< messages late by up to two seconds
  std::uint32_t lost = 0;      ///< requests and replies
  std::uint32_t broken = 0;    ///< of those, where the sender learns at once of a broken connection
  std::uint32_t duplicated = 0;   ///< requests
  std::uint32_t interleaved = 0;  ///< operations of one request, by those of others
  std::uint32_t refused = 0;      ///< requests, one by one
  std::uint32_t feed_faults = 0;  ///< disconnects, stalls, repeats, short batches
  std::uint32_t skip_superseded = 0;
  std::uint32_t late_turns = 0;
  std::uint32_t clock_skew = 0;  ///< drift and offset of nodes' clocks
  std::uint32_t buggify = 0;     ///< share of the places made use of
  std::uint32_t compact_ms = 0;  ///< how often the cache is compacted; 0: when it is time
  std::uint32_t crash_at = 0;    ///< crashes soon after a node has come to one of some places
  std::uint32_t lose_at = 0;     ///< the same of failovers that lose writes
  std::uint32_t aim = 0;         ///< faults that strike where something was just written
  AimPlan aim_plan = AimPlan::any;
  std::uint32_t rounds = 0;  ///< of writes once the faults are over, each to be told at once

  friend bool operator==(const ScriptSettings&, const ScriptSettings&) = default;
};

enum class StepKind : std::uint8_t {
  // Operations.
  write,      ///< a new revision of a document, the child of its winner; grants role `amount`
  remove,     ///< a tombstone
  branch,     ///< a revision with new_edits=false beside the winner
  user,       ///< puts a user with these admin channels, and role 1 if `amount` is 1
  role,       ///< puts a role with these admin channels
  follower,   ///< a client begins to follow
  reconnect,  ///< a follower goes back to an old sequence id
  push,       ///< a replicating client has another document
  // Faults.
  crash,      ///< of a node, after `amount` turns; it is started again after `lasts` (F1)
  stop,       ///< the same in an orderly way
  pause,      ///< of a node (F2)
  fail_over,  ///< of a partition, losing `amount` writes (F5 to F8)
  split,      ///< the same, but `node` reaches the old master for `lasts` (F11)
  cut,        ///< between a node and a partition
  down,       ///< a partition
  hold_feed,  ///< of a node (F9)
  flush,      ///< the cache bucket is emptied (C6)
  refuse,     ///< a store is overloaded
  full,       ///< a store's disk (F13)
  clock,      ///< a node's calendar jumps by `amount` seconds (F10)
  writer,     ///< `node` runs a cache writer, too, for `lasts` (F11)
  storm,      ///< messages get lost and late at a store
  restore,    ///< the base bucket becomes what it was at the last `snapshot` (F12)
  snapshot,
};

std::string_view to_string(StepKind kind);
std::optional<AimPlan> aim_plan_of(std::string_view name);
bool is_fault(StepKind kind);

/// One operation or fault. Which fields count depends on the kind; the others have their defaults.
struct ScriptStep {
  std::chrono::milliseconds at{};
  StepKind kind{};
  std::uint32_t number = 0;   ///< unique in a script; names a write, or a follower
  std::uint32_t node = 0;     ///< 1 ..; who is asked, or struck
  std::uint32_t subject = 0;  ///< number of the document, user, role, follower, or partition
  std::uint32_t amount = 0;
  std::uint32_t bulk = 0;  ///< so many further documents are written in the same bulk
  std::chrono::milliseconds lasts{};
  bool is_on_cache = false;          ///< faults of stores: the cache bucket, not the base bucket
  std::set<std::string> channels{};  ///< of a document, user, role; or those that are followed
  std::uint32_t grantee = 0;         ///< user to whom a document grants; 0: nobody
  std::set<std::string> granted{};   ///< channels
  FeedKind feed = FeedKind::normal;  ///< of a follower
  ReadMode mode = ReadMode::available;

  friend bool operator==(const ScriptStep&, const ScriptStep&) = default;
};

/// All that is decided before a run: what happens and when. Everything else in the run is noise, a
/// function of the seed. As text it is one line each, `set NAME VALUE` or `at MS KIND NAME=VALUE`;
/// lines that begin with `#` say something to people.
struct Script {
  ScriptSettings settings;
  std::vector<ScriptStep> steps;  ///< in the order of their times, then of their numbers

  void sort();
  std::string print() const;
  /// Errors: invalid_argument, naming the line.
  static Result<Script> parse(std::string_view text);

  std::size_t operations() const;
  std::size_t faults() const;
  /// At least 3 nodes, 200 operations and 5 faults.
  bool counts() const;

  friend bool operator==(const Script&, const Script&) = default;
};

/// The name of a user, a document, a channel by its number.
std::string user_name(std::uint32_t number);
std::string document_name(std::uint32_t number);

}  // namespace headgate
