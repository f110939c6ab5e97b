// SPDX-License-Identifier: Apache-2.0
#include "sequence/shared_horizon.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/buggify.hpp"
#include "base/log.hpp"

namespace headgate {
namespace {

constexpr int kAttempts = 30;
constexpr std::chrono::milliseconds kPauseMost{8};

// Not done, and not for a reason that reading again would show.
bool is_failure(Errc code) {
  return code == Errc::unavailable || code == Errc::overloaded || code == Errc::no_space ||
         code == Errc::too_large || code == Errc::invalid_argument;
}

Error refused(std::string_view what, Errc code) {
  return Error{code, fmt::format("{}: {}", what, to_string(code))};
}

}  // namespace

Task<Result<void>> SharedHorizon::follow() {
  return fulfil({});
}

Task<Result<void>> SharedHorizon::raise(Sequence needed) {
  return fulfil({.needed = needed});
}

Task<Result<void>> SharedHorizon::begin_epoch(Sequence floor) {
  return fulfil({.after = horizon_.epoch, .floor = floor});
}

Task<Result<void>> SharedHorizon::begin_generation(std::uint32_t present) {
  return fulfil({.generation_after = present});
}

Task<Result<void>> SharedHorizon::fulfil(Wish wish) {
  for (int i = 0; i < kAttempts; ++i) {
    if (i > 0)
      co_await environment_.sleep_for(std::chrono::nanoseconds(
          environment_.random() % std::chrono::nanoseconds(kPauseMost).count()));
    HG_CO_TRY(const Step step, co_await attempt(wish));
    if (step == Step::done) co_return Result<void>();
  }
  co_return Error{Errc::unavailable, "the horizon changes all the time"};
}

// The order matters: the base bucket's copy is raised before the horizon, so that an emptied cache
// bucket is continued above every number (C6); an epoch is entered in the list before its numbers
// are used, so that no token of it is taken for an older one (R17).
Task<Result<SharedHorizon::Step>> SharedHorizon::attempt(Wish wish) {
  HG_CO_TRY(Records records, co_await load());
  const bool is_lost = !records.horizon && records.epochs.is_made;
  if (is_lost || (wish.generation_after && records.epochs.generation <= *wish.generation_after))
    co_return co_await begin_generation(std::move(records));

  Horizon horizon = wanted(records, wish);
  if (horizon.epoch < records.epochs.epochs.last()) {
    // Either an old master still answers with an epoch that is over, which no barrier confirms, or
    // the last one was listed by somebody whose master was the old one: it has no horizon (F11).
    HG_CO_TRY(const Step confirmed, co_await pass_barrier(records));
    if (confirmed == Step::again) co_return Step::again;
    HG_PROBE("B3 epoch without a horizon");
    horizon = next_epoch(records);
  }
  const bool is_new_epoch = !records.horizon || records.horizon->epoch != horizon.epoch;
  if (records.epochs.limit < horizon.limit) {
    EpochRecord raised = records.epochs;
    raised.limit = horizon.limit;
    HG_CO_TRY(const Step step, co_await store_epochs(records, std::move(raised)));
    if (step == Step::again) co_return step;
  }
  if (records.horizon != horizon) {
    HG_CO_TRY(const Step step, co_await store_horizon(records, horizon));
    if (step == Step::again) co_return step;
    if (is_new_epoch) HG_PROBE("B3 new epoch");
  }
  const Epochs::Start start{horizon.epoch, horizon.base, wish.floor};
  if (!records.epochs.epochs.contains(start)) {
    EpochRecord listed = records.epochs;
    listed.epochs.add(start);
    HG_CO_TRY(const Step step, co_await store_epochs(records, std::move(listed)));
    if (step == Step::again) co_return step;
  }
  const bool is_known = horizon == horizon_ && records.epochs.generation == generation_;
  if (!is_known || !records.epochs.is_made) {
    HG_CO_TRY(const Step lifted, co_await lift_counter(records));
    if (lifted == Step::again) co_return lifted;
    HG_CO_TRY(const Step passed, co_await pass_barrier(records));
    if (passed == Step::again) co_return passed;
  }
  if (!records.epochs.is_made) {
    EpochRecord made = records.epochs;
    made.is_made = true;
    HG_CO_TRY(const Step step, co_await store_epochs(records, std::move(made)));
    if (step == Step::again) co_return step;
  }
  adopt(records);
  co_return Step::done;
}

Task<Result<SharedHorizon::Records>> SharedHorizon::load() {
  Records records;
  const Reply listed = co_await base_.get(epochs_key(database_), deadline());
  if (!listed.ok() && listed.status != Errc::not_found)
    co_return refused("reading the epochs", listed.status);
  if (listed.ok()) {
    HG_CO_TRY(records.epochs, EpochRecord::decode(listed.bytes));
  }
  records.epochs_cas = listed.cas;
  records.epochs_history = listed.history;
  const Reply found =
      co_await cache_.get(horizon_key(database_, records.epochs.generation), deadline());
  if (!found.ok() && found.status != Errc::not_found)
    co_return refused("reading the horizon", found.status);
  if (found.ok()) {
    HG_CO_TRY(records.horizon, Horizon::decode(found.bytes));
  }
  records.horizon_cas = found.cas;
  records.horizon_history = found.history;
  co_return records;
}

// C6. Nobody has drawn from the next generation before its horizon is made, which is_made says.
Task<Result<SharedHorizon::Step>> SharedHorizon::begin_generation(Records records) {
  EpochRecord next = records.epochs;
  ++next.generation;
  next.is_made = false;
  log(LogLevel::error, "horizon.cache_bucket_emptied",
      {{"database", fmt::to_string(database_.value())},
       {"generation", fmt::to_string(next.generation)}});
  HG_PROBE("C6 new cache generation");
  HG_CO_CHECK(co_await store_epochs(records, std::move(next)));
  co_return Step::again;
}

std::uint64_t SharedHorizon::chunk() const {
  return HG_BUGGIFY("horizon chunk of one") ? 1 : options_.chunk;
}

// Above everything that either record allowed: the horizon itself may be what was lost (D).
Horizon SharedHorizon::next_epoch(const Records& records) const {
  const Sequence allowed = records.horizon ? std::max(records.horizon->limit, records.epochs.limit)
                                           : records.epochs.limit;
  const Epoch last = records.horizon
                         ? std::max(records.horizon->epoch, records.epochs.epochs.last())
                         : records.epochs.epochs.last();
  Horizon next;
  next.epoch = Epoch(last.value() + 1);
  next.history = records.horizon_history;
  // Before an epoch is listed no number is used: a database whose making stopped begins at 1 (R6b).
  next.base = last == Epoch() ? Sequence(HG_RULE("R6b") ? 1 : 0) : allowed;
  next.limit = Sequence(next.base.value() + chunk());
  return next;
}

Horizon SharedHorizon::wanted(const Records& records, const Wish& wish) const {
  if (!records.horizon) return next_epoch(records);
  const Horizon& present = *records.horizon;
  const bool is_of_another_history = HG_RULE("R6") && present.history != records.horizon_history;
  if (is_of_another_history || (wish.after != Epoch() && present.epoch <= wish.after))
    return next_epoch(records);
  Horizon raised = present;
  if (wish.needed > present.limit)
    raised.limit = Sequence(std::max(wish.needed.value(), present.limit.value()) + chunk());
  return raised;
}

Task<Result<SharedHorizon::Step>> SharedHorizon::store_epochs(Records& records,
                                                              EpochRecord wanted) {
  const std::string bytes = wanted.encode();
  const Key key = epochs_key(database_);
  const Reply stored = records.epochs_cas == Cas()
                           ? co_await base_.insert(key, bytes, {}, deadline())
                           : co_await base_.replace(key, bytes, records.epochs_cas, {}, deadline());
  if (is_failure(stored.status)) co_return refused("writing the epochs", stored.status);
  if (!stored.ok()) co_return Step::again;
  records.epochs = std::move(wanted);
  records.epochs_cas = stored.cas;
  records.epochs_history = stored.history;
  co_return Step::done;
}

// Under the history it was read in: a zombie must not make a horizon in a bucket that was emptied.
Task<Result<SharedHorizon::Step>> SharedHorizon::store_horizon(Records& records, Horizon wanted) {
  WriteOptions options;
  options.if_history = records.horizon_history;
  const Key key = horizon_key(database_, records.epochs.generation);
  const std::string bytes = wanted.encode();
  const Reply stored =
      records.horizon_cas == Cas()
          ? co_await cache_.insert(key, bytes, options, deadline())
          : co_await cache_.replace(key, bytes, records.horizon_cas, options, deadline());
  if (is_failure(stored.status)) co_return refused("raising the horizon", stored.status);
  if (!stored.ok()) co_return Step::again;
  records.horizon = wanted;
  records.horizon_cas = stored.cas;
  co_return Step::done;
}

// Counter := max(counter, base). The first number of a later epoch is its beginning and never
// drawn: once stable has passed it, a token tells by its number that it was printed in this epoch
// (as R6b for the first). Two nodes that do it at once lift it too far: a gap.
Task<Result<SharedHorizon::Step>> SharedHorizon::lift_counter(const Records& records) {
  const Key key = sequence_counter_key(database_, records.epochs.generation);
  const Reply found = co_await cache_.get(key, deadline());
  if (!found.ok() && found.status != Errc::not_found)
    co_return refused("reading the sequence counter", found.status);
  if (found.history != records.horizon_history) co_return Step::again;
  const Horizon& horizon = *records.horizon;
  const Sequence base = horizon.epoch == Epoch(1) ? horizon.base : horizon.base.next();
  if (Sequence(found.number) >= base) co_return Step::done;
  WriteOptions options;
  options.if_history = records.horizon_history;
  const Reply lifted =
      co_await cache_.increment(key, base.value() - found.number, options, deadline());
  if (is_failure(lifted.status)) co_return refused("raising the sequence counter", lifted.status);
  co_return lifted.ok() ? Step::done : Step::again;
}

Task<Result<void>> SharedHorizon::confirm() {
  HG_CO_TRY(const Records records, co_await load());
  HG_CO_TRY(const Step passed, co_await pass_barrier(records));
  if (passed == Step::again || records.horizon != horizon_)
    co_return Error{Errc::unavailable, "the horizon is not confirmed"};
  co_return Result<void>();
}

Task<Result<SharedHorizon::Step>> SharedHorizon::pass_barrier(const Records& records) {
  HG_CO_TRY(const auto base, co_await base_.barrier(deadline()));
  HG_CO_TRY(const auto cache, co_await cache_.barrier(deadline()));
  const auto base_partition = base_.partition_of(epochs_key(database_)).value();
  const auto cache_partition =
      cache_.partition_of(horizon_key(database_, records.epochs.generation)).value();
  const bool is_same = base.at(base_partition) == records.epochs_history &&
                       cache.at(cache_partition) == records.horizon_history;
  co_return is_same ? Step::done : Step::again;
}

void SharedHorizon::adopt(const Records& records) {
  // Of calls that overlap the later knowledge stays.
  if (records.epochs.generation < generation_) return;
  if (records.epochs.generation == generation_ && records.horizon->epoch < horizon_.epoch) return;
  horizon_ = *records.horizon;
  epochs_ = records.epochs.epochs;
  generation_ = records.epochs.generation;
}

}  // namespace headgate
