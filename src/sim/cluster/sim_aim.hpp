// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_entry.hpp"
#include "sim/cluster/script.hpp"
#include "sim/cluster/sim_node.hpp"
#include "sim/sim_store.hpp"

namespace headgate {

/// Faults that are aimed. At any time they seldom hit the few writes that matter to a rule: each
/// run draws kinds of values (a dead sequence document, a block's record, the stable record ...),
/// and what strikes when one of them is written: its partition fails over and loses it, alone or
/// with what the other bucket holds of it, its writer pauses or dies, feeds stand still. It knows
/// what no fault could know, and does nothing that chance could not do.
class SimAim {
 public:
  /// `strength`: thousandths of the aimed writes that are struck.
  SimAim(SimWorld& world, SimStore& base, SimStore& cache, std::deque<SimNode>& nodes,
         std::uint32_t strength, AimPlan plan);

  /// Called when the record of a user is about to be lost: its clients are to look at it before.
  void set_look(std::function<void(const std::string& user)> look) { look_ = std::move(look); }

  /// A store has carried out this write. Strikes come later.
  void wrote(const SimMutation& write);
  /// Nothing strikes any more.
  void end() { is_over_ = true; }

 private:
  enum class Strike : std::uint8_t {
    lose,
    lose_many,
    lose_both,
    pause_and_lose,
    crash_and_lose,
    split,
    pause,
    stall,
    crash,
    hold
  };
  /// What a strike takes: a write, and the store that holds it.
  struct Target {
    SimStore* store;
    const SimMutation* write;
  };

  struct Aim {
    std::string_view name;
    Target target;
  };
  struct Planned {
    std::string_view name;
    Strike strike;
    bool is_rare = false;  ///< none is left out
  };

  static std::vector<Planned> planned(AimPlan plan);
  /// By what names a write can be aimed at, the most special one first.
  std::vector<Aim> aims_at(const SimMutation& write);
  bool is_apart(const SimMutation& closed, const CacheEntry& entry) const;
  bool may_strike(std::string_view name, bool is_rare);
  void strike(Strike what, const Target& target);
  /// With so many writes `before` it.
  void lose(const Target& target, std::chrono::nanoseconds delay, std::size_t before = 0);
  void split(const Target& target);
  void pause(NodeNumber number);
  void stall(NodeNumber number, Sequence drawn, TimePoint until);
  void look(const SimMutation& write);
  void crash(NodeNumber number);
  void hold_feeds();
  void later(std::chrono::nanoseconds delay, std::function<void()> action);
  SimNode* node(NodeNumber number);
  std::chrono::nanoseconds delay();
  bool is_cache(const SimMutation& write) const;

  SimWorld& world_;
  SimStore& base_;
  SimStore& cache_;
  std::deque<SimNode>& nodes_;
  const std::uint32_t strength_;
  const std::vector<Planned> plan_;
  std::function<void(const std::string&)> look_;
  std::vector<Strike> strikes_;
  bool is_patient_ = false;  // waits for the moment that only one rule guards
  std::chrono::nanoseconds longest_delay_;
  DelayRange pause_;
  TimePoint next_stall_{};
  TimePoint begins_;
  bool is_over_ = false;
  std::map<std::string_view, std::uint32_t> struck_;
  std::map<Sequence, const SimMutation*> sequence_documents_;
  std::map<Sequence, const SimMutation*> removal_entries_;  // in blocks
  Sequence highest_stable_;
  std::array<std::optional<Target>, 2> last_;  // aimed at, in the base and in the cache
};

}  // namespace headgate
