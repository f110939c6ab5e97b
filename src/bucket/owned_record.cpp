// SPDX-License-Identifier: Apache-2.0
#include "bucket/owned_record.hpp"

#include <utility>

namespace headgate {

Task<Reply> OwnedRecord::load() {
  Reply reply = co_await bucket_.get(key_, environment_.now() + timeout_);
  if (!reply.ok() && reply.status != Errc::not_found) co_return reply;
  // Over another version an unsettled store can no longer be carried out.
  if (reply.cas != cas_) unsettled_.clear();
  cas_ = reply.cas;
  co_return reply;
}

Task<Result<void>> OwnedRecord::store(std::string value, WriteOptions options) {
  // One unsettled value at a time: it is stored once more, until it is known to stand there.
  if (!unsettled_.empty() && unsettled_ != value)
    HG_CO_CHECK(co_await store_one(unsettled_, options));
  co_return co_await store_one(std::move(value), std::move(options));
}

Task<Result<void>> OwnedRecord::store_one(std::string value, WriteOptions options) {
  const Deadline deadline = environment_.now() + timeout_;
  const Reply written = cas_ == Cas()
                            ? co_await bucket_.insert(key_, value, options, deadline)
                            : co_await bucket_.replace(key_, value, cas_, options, deadline);
  if (written.ok()) {
    cas_ = written.cas;
    unsettled_.clear();
    co_return Result<void>();
  }
  const bool is_taken = written.status == Errc::exists || written.status == Errc::cas_mismatch ||
                        written.status == Errc::not_found;
  const bool is_unknown = written.status == Errc::timeout_unknown_outcome;
  if (!is_taken && !is_unknown) co_return written.status;
  // What stands there now tells whether it was this write, an earlier try of it, or somebody
  // else's.
  unsettled_ = value;
  const Reply now = co_await bucket_.get(key_, environment_.now() + timeout_);
  const bool is_there = now.ok() && now.bytes == unsettled_;
  if (!is_there && (is_unknown || (!now.ok() && now.status != Errc::not_found)))
    co_return Errc::timeout_unknown_outcome;
  // It may be there, and not on disk yet.
  if (is_there && options.durability != Durability::memory)
    HG_CO_CHECK(co_await bucket_.make_durable(key_, now.history, environment_.now() + timeout_));
  unsettled_.clear();
  if (!is_there) co_return Errc::cas_mismatch;
  cas_ = now.cas;
  co_return Result<void>();
}

}  // namespace headgate
