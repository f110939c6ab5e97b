// SPDX-License-Identifier: Apache-2.0
#include "sequence/restored_numbers.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "sequence/epochs.hpp"
#include "sequence/horizon.hpp"

namespace headgate {
namespace {

Task<Result<void>> store(Bucket& bucket, Key key, std::string bytes, Reply before,
                         Deadline deadline) {
  const WriteOptions options{.durability = Durability::disk};
  const Reply stored =
      before.ok()
          ? co_await bucket.replace(std::move(key), std::move(bytes), before.cas, options, deadline)
          : co_await bucket.insert(std::move(key), std::move(bytes), options, deadline);
  if (!stored.ok()) co_return Error{stored.status, "writing a restored database's numbers"};
  co_return Result<void>();
}

Task<Result<Reply>> load(Bucket& bucket, Key key, Deadline deadline) {
  Reply found = co_await bucket.get(std::move(key), deadline);
  if (!found.ok() && found.status != Errc::not_found)
    co_return Error{found.status, "reading a database's numbers"};
  co_return found;
}

}  // namespace

Task<Result<SkippedNumbers>> begin_restored_numbers(Bucket& base, Bucket& cache,
                                                    DatabaseId database, Deadline deadline) {
  HG_CO_TRY(Reply listed, co_await load(base, epochs_key(database), deadline));
  EpochRecord record;
  if (listed.ok()) {
    HG_CO_TRY(record, EpochRecord::decode(listed.bytes));
  }
  const Key horizon_at = horizon_key(database, record.generation);
  HG_CO_TRY(Reply found, co_await load(cache, horizon_at, deadline));
  // A database that was never started has drawn nothing but its creation (R6b).
  Horizon horizon{Epoch(1), found.history, Sequence(1), Sequence(1)};
  if (found.ok()) {
    HG_CO_TRY(horizon, Horizon::decode(found.bytes));
  }

  const SkippedNumbers skipped{horizon.limit.next(),
                               Sequence(horizon.limit.value() + kRestoreLift)};
  horizon.epoch = Epoch(std::max(horizon.epoch, record.epochs.last()).value() + 1);
  horizon.limit = skipped.last;
  record.epochs.add({horizon.epoch, skipped.last.previous(), Epochs::kStartAgain});
  record.limit = std::max(record.limit, skipped.last);
  HG_CO_CHECK(
      co_await store(base, epochs_key(database), record.encode(), std::move(listed), deadline));
  HG_CO_CHECK(co_await store(cache, horizon_at, horizon.encode(), std::move(found), deadline));
  co_return skipped;
}

}  // namespace headgate
