// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/signal.hpp"

namespace headgate {

inline constexpr std::size_t kMinPasswordBytes = 3;
/// bcrypt reads no further; longer passwords are refused rather than cut.
inline constexpr std::size_t kMaxPasswordBytes = 72;
inline constexpr int kDefaultPasswordCost = 10;

/// Ok for kMinPasswordBytes to kMaxPasswordBytes bytes without a zero byte. Errc::invalid_argument
/// says what is wrong, for the client.
Result<void> check_password(std::string_view password);

/// 16 random bytes for a new hash.
using PasswordSalt = std::array<std::uint64_t, 2>;

/// bcrypt ("$2b$") of a new password. Blocks: 60 ms at cost 10, twice as long for each step; for
/// run_blocking. `cost` is 4 to 31. Errors: invalid_argument (the password, or the cost).
Result<std::string> hash_password(std::string_view password, PasswordSalt salt,
                                  int cost = kDefaultPasswordCost);

/// True if `password` belongs to `stored_hash`; an empty or unknown hash belongs to none. Blocks as
/// hash_password does. The comparison takes the same time whatever differs.
bool matches_password(std::string_view password, std::string_view stored_hash);

/// The time tells nothing but whether the lengths differ.
bool is_equal_in_constant_time(std::string_view a, std::string_view b);

/// Remembers credentials that were found right, so that a Basic login costs a digest and not a
/// bcrypt. Holds at most `capacity` of them, the least recently used one goes first; holds digests
/// under a salt of its own, no passwords. A changed stored hash makes an entry unreachable.
/// Confined to its executor.
class VerifiedCredentials {
 public:
  using Digest = std::array<unsigned char, 32>;

  VerifiedCredentials(PasswordSalt salt, std::size_t capacity) : salt_(salt), capacity_(capacity) {}

  /// Names user, stored hash and password together.
  Digest digest(std::string_view user, std::string_view stored_hash,
                std::string_view password) const;
  bool contains(const Digest& digest);
  void insert(const Digest& digest);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const noexcept;
  };
  PasswordSalt salt_;
  std::size_t capacity_;
  std::list<Digest> by_use_;  // most recent first
  std::unordered_map<Digest, std::list<Digest>::iterator, Hash> entries_;
};

/// Checks passwords without stalling its executor: a cache of verified credentials, and bcrypt on
/// worker threads. Equal credentials that arrive while they are being checked wait for that one
/// check. Confined to its executor; must outlive its calls.
class PasswordVerifier {
 public:
  static constexpr std::size_t kDefaultCapacity = 25'000;
  /// Different credentials being checked at once; more are refused.
  static constexpr std::size_t kMaxRunning = 64;

  explicit PasswordVerifier(Environment& environment, std::size_t capacity = kDefaultCapacity);

  /// Whether `password` is that of `user`, whose record holds `stored_hash`. Suspends unless the
  /// answer is known. Errors: overloaded (not checked; try again later).
  Task<Result<bool>> verify(std::string user, std::string stored_hash, std::string password);

  /// Whether these credentials were found right before. Never suspends.
  bool is_verified(std::string_view user, std::string_view stored_hash, std::string_view password);

  std::uint64_t hashes_computed() const { return hashes_computed_; }

 private:
  struct Running;
  class Leader;

  Environment& environment_;
  VerifiedCredentials verified_;
  std::map<VerifiedCredentials::Digest, std::shared_ptr<Running>> running_;
  std::uint64_t hashes_computed_ = 0;
};

}  // namespace headgate
