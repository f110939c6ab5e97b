// SPDX-License-Identifier: Apache-2.0
#include "sequence/sequence_allocator.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/buggify.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"

namespace headgate {
namespace {

Error refused(std::string_view what, Errc code) {
  return Error{code, fmt::format("{}: {}", what, to_string(code))};
}

}  // namespace

SequenceAllocator::SequenceAllocator(Environment& environment, Bucket& base, Bucket& cache,
                                     DatabaseId database, Options options)
    : environment_(environment),
      base_(base),
      cache_(cache),
      database_(database),
      options_(std::move(options)),
      record_(environment, cache, horizon_key(database, 0), options_.timeout),
      extended_(environment),
      shared_(environment, base, cache, database,
              {.chunk = options_.chunk, .timeout = options_.timeout}),
      draw_done_(environment) {}

Task<Result<void>> SequenceAllocator::open() {
  return is_shared() ? follow() : open_alone();
}

Task<Result<Allocation>> SequenceAllocator::allocate(std::uint64_t count, Sequence above) {
  HG_ASSERT(count > 0);
  return is_shared() ? allocate_shared(count, above) : allocate_alone(count, above);
}

Task<Result<void>> SequenceAllocator::open_alone() {
  const Deadline deadline = environment_.now() + options_.timeout;
  // The barrier's answer names the history of every partition, also of those not used yet.
  HG_CO_TRY(auto histories, co_await cache_.barrier(deadline));
  cache_histories_ = std::make_shared<const std::vector<HistoryId>>(std::move(histories));
  const Reply found = co_await record_.load();
  if (!found.ok() && found.status != Errc::not_found)
    co_return refused("reading the horizon", found.status);

  Horizon wanted;
  if (found.ok()) {
    HG_CO_TRY(const Horizon old, Horizon::decode(found.bytes));
    wanted.epoch = old.history == found.history ? old.epoch : Epoch(old.epoch.value() + 1);
    wanted.base = old.limit;
  } else {
    wanted.epoch = Epoch(1);
    wanted.base = Sequence(HG_RULE("R6b") ? 1 : 0);
  }
  wanted.history = found.history;
  wanted.limit = Sequence(wanted.base.value() + options_.chunk);
  HG_CO_CHECK(co_await store(wanted));
  highest_ = horizon_.base;
  const Reply listed = co_await base_.get(epochs_key(database_), deadline);
  if (!listed.ok() && listed.status != Errc::not_found)
    co_return refused("reading the epochs", listed.status);
  if (listed.ok()) {
    HG_CO_TRY(const EpochRecord record, EpochRecord::decode(listed.bytes));
    epochs_ = record.epochs;
  }
  co_return Result<void>();
}

Task<Result<void>> SequenceAllocator::store(Horizon wanted) {
  WriteOptions options;
  options.if_history = wanted.history;
  // A power failure may take writes above the limit, but not the limit: they may have been read.
  options.durability = Durability::disk;
  const auto stored = co_await record_.store(wanted.encode(), options);
  if (!stored) co_return refused("raising the horizon", stored.error().code);
  horizon_ = wanted;
  co_return Result<void>();
}

Task<Result<void>> SequenceAllocator::extend(Sequence needed) {
  Horizon wanted = horizon_;
  wanted.limit = Sequence(std::max(needed.value(), horizon_.limit.value() + options_.chunk));
  is_extending_ = true;
  auto stored = co_await store(wanted);
  is_extending_ = false;
  extended_.raise();
  co_return stored;
}

Task<Result<Allocation>> SequenceAllocator::allocate_alone(std::uint64_t count, Sequence above) {
  while (true) {
    const Sequence before = highest_;
    if (above > before && above.value() - before.value() > options_.largest_lift)
      co_return Error{Errc::corrupted,
                      fmt::format("a document has sequence {}, far above the counter's {}",
                                  above.value(), before.value())};
    const Sequence skipped_to = std::max(before, above);
    const Sequence last(skipped_to.value() + count);
    if (last <= horizon_.limit) {
      highest_ = last;
      Allocation allocation{skipped_to.next(), count, horizon_.epoch, cache_histories_};
      if (skipped_to > before) co_await release(before.next(), skipped_to);
      co_return allocation;
    }
    if (is_extending_)
      co_await extended_.wait_past(extended_.count());
    else
      HG_CO_CHECK(co_await extend(last));
  }
}

Task<void> SequenceAllocator::release(Sequence first, Sequence last) {
  ByteWriter name;
  name.be64(first.value());
  WriteOptions options;
  options.feed_entry = ReleasedRange{first, last}.encode();
  const Reply reply =
      co_await base_.insert(Key{database_, KeyKind::released, "released", std::move(name).bytes()},
                            "", options, environment_.now() + options_.timeout);
  if (!reply.ok())
    log(LogLevel::warning, "sequence.release_failed",
        {{"first", fmt::to_string(first.value())},
         {"outcome", std::string(to_string(reply.status))}});
}

Task<void> SequenceAllocator::close() {
  if (is_shared() || is_extending_ || horizon_.limit == highest_) co_return;
  // Lowered here first: what asks for a number from now on raises the stored one again before it
  // gets one.
  horizon_.limit = highest_;
  is_extending_ = true;
  if (auto stored = co_await store(horizon_); !stored)
    log(LogLevel::warning, "horizon.close_failed", {{"why", stored.error().context}});
  is_extending_ = false;
  extended_.raise();
}

}  // namespace headgate
