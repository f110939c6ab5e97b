// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "changes/row_writer.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

/// The newest changes of a feed that was read to its end, each document once, at its last place. A
/// value; pure.
class NewestChanges {
 public:
  struct Item {
    PickedChange picked;
    SequenceId seq;
  };

  /// `most` >= 1: the oldest beyond are dropped.
  explicit NewestChanges(std::size_t most) : most_(most) {}

  /// In the order of the feed.
  void add(PickedChange picked, const SequenceId& seq);
  bool has_dropped() const { return has_dropped_; }

  /// Takes out the newest, at most `count`, newest first.
  std::vector<Item> take(std::size_t count);
  /// Undoes take() of one: the last taken first.
  void give_back(Item item) { items_.push_back(std::move(item)); }
  bool empty() const { return items_.empty(); }

 private:
  std::size_t most_;
  std::list<Item> items_;  // oldest first
  std::unordered_map<std::string, std::list<Item>::iterator> by_id_;
  bool has_dropped_ = false;
};

}  // namespace headgate
