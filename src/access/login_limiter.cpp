// SPDX-License-Identifier: Apache-2.0
#include "access/login_limiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>

namespace headgate {

struct LoginLimiter::Rule {
  bool is_by_address;
  int burst;         ///< failures until it blocks
  float per_second;  ///< failures that are forgotten
};

namespace {

constexpr std::size_t kSlots = 16'384;
/// In bursts. Bounds the wait of an account on which many failed at once.
constexpr int kLevelMax = 10;

/// The network of an IPv6 address: one customer has all of it.
std::string_view network(std::string_view address) {
  std::size_t end = address.find(':');
  if (end == std::string_view::npos) return address;
  for (int groups = 1; groups < 4 && end != std::string_view::npos; ++groups)
    end = address.find(':', end + 1);
  return address.substr(0, end);
}

}  // namespace

const std::array<LoginLimiter::Rule, 2> LoginLimiter::kRules = {
    {{true, 10, 1.0F / 6}, {false, 100, 1.0F}}};

LoginLimiter::LoginLimiter(Environment& environment)
    : environment_(environment),
      start_(environment.now()),
      salt_(fmt::format("{:x}", environment.random())),
      levels_(kSlots) {}

std::uint32_t LoginLimiter::now() const {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(environment_.now() - start_).count());
}

std::size_t LoginLimiter::slot(const Account& account, const Rule& rule) const {
  std::string text = fmt::format("{}/{}/{}", salt_, account.database, account.user);
  if (rule.is_by_address) text += fmt::format("/{}", network(account.address));
  return std::hash<std::string>()(text) % levels_.size();
}

float LoginLimiter::failures(std::size_t slot, const Rule& rule) const {
  const Level& level = levels_[slot];
  const auto seconds = static_cast<float>(now() - level.at);
  return std::max(0.0F, level.failures - seconds * rule.per_second);
}

std::optional<std::chrono::seconds> LoginLimiter::blocked_for(const Account& account) const {
  std::optional<std::chrono::seconds> wait;
  for (const Rule& rule : kRules) {
    const float over = failures(slot(account, rule), rule) - static_cast<float>(rule.burst - 1);
    if (over <= 0) continue;
    const std::chrono::seconds needed(std::lround(std::ceil(over / rule.per_second)));
    wait = std::max(wait.value_or(needed), needed);
  }
  return wait;
}

void LoginLimiter::failed(const Account& account) {
  for (const Rule& rule : kRules) {
    const std::size_t at = slot(account, rule);
    const auto most = static_cast<float>(rule.burst * kLevelMax);
    levels_[at] = {std::min(failures(at, rule) + 1, most), now()};
  }
}

}  // namespace headgate
