// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/types.hpp"

namespace headgate {

/// Whose choice it is: a node, a connection. Choices of one scope do not shift those of another.
using ChoiceScope = StrongNumber<struct ChoiceScopeTag>;

/// A duration is drawn from it; both ends may be drawn.
struct DelayRange {
  std::chrono::nanoseconds min{};
  std::chrono::nanoseconds max{};
};

/// Every decision of a run. The n-th choice under a label in a scope is a function of the seed, the
/// label, the scope and n alone: a run with one fault less makes the same choices everywhere else,
/// which lets a failing script be shortened. What is to be edited (operations, faults) is drawn
/// into data before the run; what is drawn during it (delays, order) is noise that nobody edits.
/// Labels are string literals.
class Choices {
 public:
  explicit Choices(std::uint64_t seed) : seed_(seed) {}
  Choices(const Choices&) = delete;
  Choices& operator=(const Choices&) = delete;

  std::uint64_t seed() const { return seed_; }
  /// 64 random bits.
  std::uint64_t draw(std::string_view label, ChoiceScope scope = {});
  /// From 0 to `bound` - 1. REQUIRES: bound > 0.
  std::uint64_t below(std::string_view label, std::uint64_t bound, ChoiceScope scope = {});
  /// True with this probability, 0 to 1; at 0 and below nothing is drawn.
  bool chance(std::string_view label, double probability, ChoiceScope scope = {});
  /// Of an empty range its `min`, undrawn.
  std::chrono::nanoseconds duration(std::string_view label, DelayRange range,
                                    ChoiceScope scope = {});
  /// A property of the whole run: the same answer however often it is asked.
  bool is_set(std::string_view label, double probability) const;

 private:
  const std::uint64_t seed_;
  std::unordered_map<std::uint64_t, std::uint64_t> drawn_;  // by label and scope
};

/// FNV-1a, continued from `hash`.
std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = 0xcbf29ce484222325);
/// The finalizer of SplitMix64: every bit of the result depends on every bit of `value`.
std::uint64_t mix_bits(std::uint64_t value);

}  // namespace headgate
