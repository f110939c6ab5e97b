// SPDX-License-Identifier: Apache-2.0
#include "server/node_buckets.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace headgate {

namespace {

constexpr std::chrono::seconds kAttempt{3};
constexpr std::chrono::milliseconds kPause{500};

/// Waiting changes nothing about a refused login.
bool is_about_login(std::string_view context) {
  for (const std::string_view word : {"NOAUTH", "WRONGPASS", "NOPERM"})
    if (context.find(word) != context.npos) return true;
  return false;
}

}  // namespace

Task<Result<void>> NodeBuckets::open(Deadline deadline) {
  HG_CO_TRY(base_, co_await open_one(config_.base, "base", deadline));
  redis_base_ = config_.base.is_redis() ? static_cast<RedisBucket*>(base_.get()) : nullptr;
  const bool is_one = !config_.cache || (!config_.base.is_redis() && !config_.cache->is_redis());
  if (is_one) co_return Result<void>();
  HG_CO_TRY(cache_, co_await open_one(*config_.cache, "cache", deadline));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<Bucket>>> NodeBuckets::open_one(BucketConfig config, std::string name,
                                                            Deadline deadline) {
  if (!config.is_redis())
    co_return std::unique_ptr<Bucket>(std::make_unique<RocksBucket>(environment_, *store_));
  while (true) {
    auto opened =
        co_await RedisBucket::open(environment_, config.redis, environment_.now() + kAttempt);
    if (opened) co_return std::unique_ptr<Bucket>(*std::move(opened));
    const Error error = opened.error();
    const bool is_absent = error.code == Errc::unavailable || error.code == Errc::overloaded ||
                           error.code == Errc::timeout_unknown_outcome;
    const bool may_come = is_absent && !is_about_login(error.context);
    if (!may_come || environment_.now() + kPause >= deadline)
      co_return Error{error.code,
                      fmt::format("cannot open the {} bucket: {}", name, error.context)};
    log(LogLevel::warning, "server.waits_for_redis", {{"bucket", name}, {"why", error.context}});
    co_await environment_.sleep_for(kPause);
  }
}

Deployment NodeBuckets::deployment() const {
  return redis_base_ || cache_ ? Deployment::cluster : Deployment::single_process;
}

std::set<Durability> NodeBuckets::durabilities() const {
  if (!redis_base_) return {Durability::memory, Durability::disk, Durability::replicated};
  std::set<Durability> all{Durability::memory};
  if (redis_base_->syncs_every_write()) all.insert(Durability::disk);
  if (redis_base_->replicas() > 0 || redis_base_->syncs_every_write())
    all.insert(Durability::replicated);
  return all;
}

}  // namespace headgate
