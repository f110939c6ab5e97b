// SPDX-License-Identifier: Apache-2.0
#include "bucket/owned_record.hpp"

namespace headgate {

Task<Reply> OwnedRecord::load() {
  Reply reply = co_await bucket_.get(key_, environment_.now() + timeout_);
  cas_ = reply.ok() ? reply.cas : Cas();
  co_return reply;
}

Task<Result<void>> OwnedRecord::store(std::string value, WriteOptions options) {
  const Deadline deadline = environment_.now() + timeout_;
  const Reply written = cas_ == Cas()
                            ? co_await bucket_.insert(key_, value, options, deadline)
                            : co_await bucket_.replace(key_, value, cas_, options, deadline);
  if (written.ok()) {
    cas_ = written.cas;
    co_return Result<void>();
  }
  const bool is_taken = written.status == Errc::exists || written.status == Errc::cas_mismatch ||
                        written.status == Errc::not_found;
  if (!is_taken && written.status != Errc::timeout_unknown_outcome) co_return written.status;
  // What stands there now tells whether it was this write, somebody else's, or none yet. A request
  // still under way is refused once a later store has used its version up.
  const Reply now = co_await bucket_.get(key_, environment_.now() + timeout_);
  if (now.ok() && now.bytes == value) {
    cas_ = now.cas;
    co_return Result<void>();
  }
  co_return is_taken ? Errc::cas_mismatch : Errc::timeout_unknown_outcome;
}

}  // namespace headgate
