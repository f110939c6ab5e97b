// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headgate {

/// Bytes that the request bodies of several servers may hold together: each is limited by itself,
/// but many at once must not exhaust the memory. The first kFree bytes of each are left out (the
/// limit on connections bounds those), so that small writes go on while large ones fill the budget.
/// Confined to its executor; must outlive the servers that share it.
class BodyBudget {
 public:
  static constexpr std::uint64_t kFree = 64 * 1024;

  explicit BodyBudget(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t used() const { return used_; }

 private:
  friend class BodyHold;

  std::uint64_t limit_;
  std::uint64_t used_ = 0;
};

/// What one body holds of a budget; gives it back when destroyed.
class BodyHold {
 public:
  /// Null: everything fits.
  explicit BodyHold(BodyBudget* budget) : budget_(budget) {}
  BodyHold(const BodyHold&) = delete;
  BodyHold& operator=(const BodyHold&) = delete;
  ~BodyHold() { release(); }

  /// Whether a body of so many bytes would fit now.
  bool fits(std::uint64_t bytes) const;
  /// The body has so many bytes now. False: they do not fit, and are not counted.
  bool grow(std::uint64_t bytes);
  void release();

 private:
  std::uint64_t more_for(std::uint64_t bytes) const;

  BodyBudget* budget_;
  std::uint64_t held_ = 0;
};

}  // namespace headgate
