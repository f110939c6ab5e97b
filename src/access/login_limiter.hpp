// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/environment.hpp"

namespace headgate {

/// Slows down those who guess passwords: of one user from one address 10 wrong ones, then 10 a
/// minute; of one user from all addresses 100, then one a second. An IPv6 address counts with all
/// of its /64. Confined to its executor.
///
/// Memory is fixed: counts lie in a table without collision handling, so that nobody can push out
/// the count that stops him; two accounts may, rarely, share one.
class LoginLimiter {
 public:
  struct Account {
    std::string database;  ///< empty: the server's admin
    std::string user;
    std::string address;
  };

  explicit LoginLimiter(Environment& environment);

  /// How long the account must wait before a password is looked at; absent: it need not.
  std::optional<std::chrono::seconds> blocked_for(const Account& account) const;
  /// A wrong password. One for an unknown user counts alike.
  void failed(const Account& account);

 private:
  /// Grows with failures and shrinks with time.
  struct Level {
    float failures = 0;
    std::uint32_t at = 0;  ///< seconds since start_
  };
  struct Rule;
  static const std::array<Rule, 2> kRules;

  std::uint32_t now() const;
  std::size_t slot(const Account& account, const Rule& rule) const;
  float failures(std::size_t slot, const Rule& rule) const;

  Environment& environment_;
  TimePoint start_;
  std::string salt_;
  std::vector<Level> levels_;
};

}  // namespace headgate
