// SPDX-License-Identifier: Apache-2.0
#include "bucket/owned_record.hpp"

namespace headgate {

Task<Reply> OwnedRecord::load() {
  Reply reply = co_await bucket_.get(key_, environment_.now() + timeout_);
  cas_ = reply.ok() ? reply.cas : Cas();
  co_return reply;
}

Task<Result<void>> OwnedRecord::store(std::string value, WriteOptions options) {
  while (true) {
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
    // What stands there now tells whether it was this write, an earlier one of ours whose outcome
    // had stayed unknown, or somebody else's.
    const Reply now = co_await bucket_.get(key_, environment_.now() + timeout_);
    if (now.ok() && now.bytes == value) {
      cas_ = now.cas;
      unsettled_.clear();
      co_return Result<void>();
    }
    if (is_unknown) {
      unsettled_ = std::move(value);
      co_return Errc::timeout_unknown_outcome;
    }
    if (!now.ok() || unsettled_.empty() || now.bytes != unsettled_) co_return Errc::cas_mismatch;
    cas_ = now.cas;
    unsettled_.clear();
  }
}

}  // namespace headgate
