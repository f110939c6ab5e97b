// SPDX-License-Identifier: Apache-2.0
#include "access/password.hpp"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.hpp"

namespace headgate {
namespace {

constexpr const char* kBcryptPrefix = "$2b$";
constexpr int kMinCost = 4;
constexpr int kMaxCost = 31;

/// bcrypt of `password` with the cost and salt of `setting`; empty: not a setting of bcrypt.
std::string bcrypt(std::string_view password, const std::string& setting) {
  // 32 KB: too much for a worker's stack, and its remains of the password must not stay around.
  const auto data = std::make_unique<crypt_data>();
  const std::string text(password);
  const char* hash = crypt_r(text.c_str(), setting.c_str(), data.get());
  std::string result = hash != nullptr && hash[0] == '$' ? hash : "";
  OPENSSL_cleanse(data.get(), sizeof(crypt_data));
  return result;
}

}  // namespace

bool is_equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<void> check_password(std::string_view password) {
  if (password.size() < kMinPasswordBytes)
    return Error{Errc::invalid_argument, "Passwords must be at least 3 bytes long"};
  if (password.size() > kMaxPasswordBytes)
    return Error{Errc::invalid_argument, "Passwords must be at most 72 bytes long"};
  if (password.find('\0') != std::string_view::npos)
    return Error{Errc::invalid_argument, "Passwords must not contain zero bytes"};
  return {};
}

Result<std::string> hash_password(std::string_view password, PasswordSalt salt, int cost) {
  HG_CHECK(check_password(password));
  if (cost < kMinCost || cost > kMaxCost)
    return Error{Errc::invalid_argument, "bcrypt cost must be 4 to 31"};
  std::array<char, sizeof(PasswordSalt)> random{};
  std::memcpy(random.data(), salt.data(), random.size());
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  const char* made = crypt_gensalt_rn(kBcryptPrefix, static_cast<unsigned long>(cost),
                                      random.data(), static_cast<int>(random.size()),
                                      setting.data(), static_cast<int>(setting.size()));
  HG_ASSERT(made != nullptr);
  std::string hash = bcrypt(password, made);
  HG_ASSERT(!hash.empty());
  return hash;
}

bool matches_password(std::string_view password, std::string_view stored_hash) {
  if (!stored_hash.starts_with(kBcryptPrefix) || !check_password(password)) return false;
  const std::string hash = bcrypt(password, std::string(stored_hash));
  return !hash.empty() && is_equal_in_constant_time(hash, stored_hash);
}

std::size_t VerifiedCredentials::Hash::operator()(const Digest& digest) const noexcept {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof(hash));
  return hash;
}

VerifiedCredentials::Digest VerifiedCredentials::digest(std::string_view user,
                                                        std::string_view stored_hash,
                                                        std::string_view password) const {
  // The zero byte ends each part, so that no two credentials make one text. A user's name has none
  // that was checked; a hash never has one.
  std::string text(reinterpret_cast<const char*>(salt_.data()), sizeof(salt_));
  text.append(user).append(1, '\0').append(stored_hash).append(1, '\0').append(password);
  Digest digest{};
  std::size_t length = 0;
  const int is_done =
      EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(), &length);
  OPENSSL_cleanse(text.data(), text.size());
  HG_ASSERT(is_done == 1 && length == digest.size());
  return digest;
}

bool VerifiedCredentials::contains(const Digest& digest) {
  const auto found = entries_.find(digest);
  if (found == entries_.end()) return false;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return true;
}

void VerifiedCredentials::insert(const Digest& digest) {
  if (capacity_ == 0 || contains(digest)) return;
  if (by_use_.size() >= capacity_) {
    entries_.erase(by_use_.back());
    by_use_.pop_back();
  }
  by_use_.push_front(digest);
  entries_.emplace(digest, by_use_.begin());
}

/// One check that is going on; lives while its leader or somebody who waits for it does.
struct PasswordVerifier::Running {
  explicit Running(Environment& environment) : finished(environment) {}
  Signal finished;
  std::optional<bool> is_right;  // none at the end: the leader went away
};

/// Ends a check however its leader ends, so that a request that is given up blocks nobody.
class PasswordVerifier::Leader {
 public:
  Leader(PasswordVerifier& verifier, const VerifiedCredentials::Digest& digest)
      : verifier_(verifier), digest_(digest) {
    verifier_.running_.emplace(digest_, running_);
  }
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  ~Leader() {
    verifier_.running_.erase(digest_);
    running_->finished.raise();
  }
  void finish(bool is_right) { running_->is_right = is_right; }

 private:
  PasswordVerifier& verifier_;
  VerifiedCredentials::Digest digest_;
  std::shared_ptr<Running> running_ = std::make_shared<Running>(verifier_.environment_);
};

PasswordVerifier::PasswordVerifier(Environment& environment, std::size_t capacity)
    : environment_(environment),
      verified_({environment.random(), environment.random()}, capacity) {}

bool PasswordVerifier::is_verified(std::string_view user, std::string_view stored_hash,
                                   std::string_view password) {
  return verified_.contains(verified_.digest(user, stored_hash, password));
}

Task<Result<bool>> PasswordVerifier::verify(std::string user, std::string stored_hash,
                                            std::string password) {
  if (stored_hash.empty() || !check_password(password)) co_return false;
  const auto digest = verified_.digest(user, stored_hash, password);
  if (verified_.contains(digest)) co_return true;
  for (auto same = running_.find(digest); same != running_.end(); same = running_.find(digest)) {
    const std::shared_ptr<Running> running = same->second;
    co_await running->finished.wait_past(running->finished.count());
    if (running->is_right) co_return *running->is_right;
  }
  if (running_.size() >= kMaxRunning)
    co_return Error{Errc::overloaded, "too many passwords being checked"};
  Leader leader(*this, digest);
  ++hashes_computed_;
  const bool is_right = co_await environment_.run_blocking(
      [password = std::move(password), stored_hash = std::move(stored_hash)] {
        return matches_password(password, stored_hash);
      });
  if (is_right) verified_.insert(digest);
  leader.finish(is_right);
  co_return is_right;
}

}  // namespace headgate
