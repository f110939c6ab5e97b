// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// What one node tells the others.
struct NodeRecord {
  std::string id;  ///< of this start of the process
  std::string name;
  std::string version;
  std::string public_url;
  std::string admin_url;
  std::string cache;  ///< names the cache bucket: all nodes must have the same one
  bool takes_writes = true;
  bool serves_feeds = true;
  bool is_cache_writer = true;  ///< may be elected
  bool is_leaving = false;      ///< gives its roles away
  std::uint64_t led = 0;        ///< databases whose cache writer it is
  std::uint64_t beats = 0;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<NodeRecord> decode(std::string_view bytes);

  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

/// The nodes that share one base bucket: each writes a record of its own again and again and reads
/// those of the others. No clocks are compared (F10): a node is taken for dead when its record did
/// not change while this one looked several times. Who is wrong about that does no harm, since the
/// cache writer's token decides (R14). Confined to its executor; the bucket must outlive it.
class NodeRegistry {
 public:
  static constexpr std::chrono::milliseconds kBeat{300};  ///< between two calls of beat()

  /// `own.id` is drawn here.
  NodeRegistry(Environment& environment, Bucket& base, NodeRecord own);

  /// Writes the own record and reads all. Errors: as Bucket::get; the next call tries again.
  Task<Result<void>> beat();
  /// Takes the own record out.
  Task<void> remove();
  /// A node that is at work, found without entering this one; absent: none. Takes a moment where
  /// records of nodes are left. Errors: as Bucket::get.
  Task<Result<std::optional<NodeRecord>>> find_at_work();

  NodeRecord& own() { return own_; }
  const std::string& own_id() const { return own_.id; }
  /// The own record was written a moment ago: others see this node, and it sees them.
  bool is_fresh() const;
  /// Nodes that live, this one among them, by id.
  std::vector<NodeRecord> live() const;
  /// A node that was seen to be at work, with another cache bucket than this one; absent: none.
  std::optional<NodeRecord> stranger() const;
  /// A record of another cache bucket is there, perhaps of a node that is dead.
  bool may_have_stranger() const;
  /// Other nodes live.
  bool has_peers() const;
  /// Id of the node that should be the database's cache writer, the same for all who see the same
  /// nodes live; a node that comes or goes moves only its share. Empty: none may.
  std::string owner_of(DatabaseId database) const;

 private:
  struct Seen {
    NodeRecord record;
    Cas cas;
    TimePoint changed_at;
    int looks = 0;          ///< since it changed
    bool has_beat = false;  ///< changed while this node looked
  };

  Task<Result<void>> write_own();
  Task<Result<void>> look();
  void take(const Bucket::ScanPage::Item& item);
  Task<void> forget_dead();
  bool is_dead(const Seen& seen) const;
  Deadline deadline() const;

  Environment& environment_;
  Bucket& base_;
  NodeRecord own_;
  Cas own_cas_;
  TimePoint fresh_at_;
  bool is_entered_ = false;
  std::map<std::string, Seen> others_;
};

}  // namespace headgate
