// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sim/cluster/sim_clients.hpp"
#include "sim/cluster/sim_feed_stream.hpp"

namespace headgate {

/// A client that follows the feed of one reader through changing nodes and keeps a replica.
class SimFollower {
 public:
  SimFollower(SimClientSite& site, ScriptStep step);
  SimFollower(const SimFollower&) = delete;
  SimFollower& operator=(const SimFollower&) = delete;

  /// Until the site is over.
  Task<void> run();
  /// Goes on from an id that it was sent earlier, with what it held then.
  void go_back(std::uint32_t how_far);
  /// The database is another one: nothing that it was sent counts any more (E).
  void begin_again();
  /// Reads page after page until one is empty, at one node, beginning at an id it was sent
  /// earlier, or at the beginning; the replica it ends with must be right.
  Task<void> prove_old_id(SimNode& node, std::optional<std::uint32_t> how_far, ReadMode mode,
                          std::uint64_t limit);
  /// Each option of a feed must show what follows from the plain feed: sim_variants.cpp.
  Task<void> prove_variants(SimNode& node);

  /// Asked for revocations from an id that it was sent earlier, the feed tells besides of exactly
  /// what the reader may not see any more: sim_variants.cpp.
  Task<void> prove_revocations(SimNode& node, std::uint32_t how_far);

  const Reader& reader() const { return reader_; }
  const ScriptStep& step() const { return step_; }
  /// What the client lacks when everything has been told; nothing: it holds what it has to.
  std::optional<std::string> missing() const {
    return exists() ? site_.oracle.missing(reader_, replica_) : std::nullopt;
  }
  bool exists() const { return site_.oracle.exists(reader_); }
  std::uint64_t rows() const { return rows_; }
  std::string story() const;

 private:
  struct Remembered {
    std::string id;
    Replica replica;
    std::set<std::string> readable = {};  ///< of what it held then
  };

  ChangesOptions options();
  Task<void> follow(SimNode& node);
  void take(const SeenBatch& batch);
  void check_repeats(const SeenChange& row);
  Task<std::vector<SeenChange>> read_all(SimNode& node, ChangesOptions options);
  void remember(const std::string& id);
  const Remembered& remembered(std::uint32_t how_far) const {
    return remembered_[remembered_.size() - 1 - how_far % remembered_.size()];
  }
  bool chance(std::string_view label, double probability);

  SimClientSite& site_;
  const ScriptStep step_;
  Reader reader_;
  Replica replica_;
  std::string at_ = "0";
  std::deque<Remembered> remembered_;
  std::shared_ptr<SimFeedStream> stream_;
  SimNode* node_ = nullptr;
  std::uint64_t rows_ = 0;
  std::deque<std::string> last_rows_;
  std::map<std::pair<std::string, std::string>, std::size_t> rows_of_stream_;  // by id and revision
  std::size_t epochs_before_ = 0;  // published when the stream began
};

}  // namespace headgate
