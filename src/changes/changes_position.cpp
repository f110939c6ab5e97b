// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_position.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr Sequence kAbsent;

// Leaves out the parts that print() leaves out, so that a plain sequence is printed as a number.
SequenceId shortest(SequenceId id) {
  if (!id.is_in_backfill()) id.trigger = kAbsent;
  if (id.low >= (id.is_in_backfill() ? id.trigger : id.sequence)) id.low = kAbsent;
  return id;
}

}  // namespace

ChangesPosition::ChangesPosition(const SequenceId& since) {
  if (since.is_in_backfill()) {
    safe_ = high_ = since.before_backfill();
    if (since.is_early_backfill()) return;
    trigger_ = since.trigger;
    backfilled_ = since.sequence;
  } else {
    safe_ = since.safe();
    high_ = since.sequence;
    if (high_ > safe_) skip_ = high_;
  }
}

void ChangesPosition::begin_pass(Sequence stable) {
  if (stable != safe_) skip_ = kAbsent;
}

std::size_t ChangesPosition::read_limit(std::size_t max_early) const {
  const std::uint64_t seen = high_.value() - safe_.value();
  return std::clamp<std::uint64_t>(seen, kLookAhead, kLookAhead + max_early);
}

void ChangesPosition::send(Sequence sequence) {
  high_ = std::max(high_, sequence);
}

void ChangesPosition::advance(const ChangesPlace& place, Sequence stable) {
  if (place.is_backfill()) {
    trigger_ = place.major;
    backfilled_ = place.minor;
    safe_ = std::max(safe_, trigger_.previous());
  } else {
    const Sequence settled = HG_RULE("R17 low") ? stable : std::max(stable, high_);
    safe_ = std::max(safe_, std::min(place.major, settled));
    if (trigger_ <= safe_) trigger_ = backfilled_ = kAbsent;
  }
  high_ = std::max(high_, safe_);
}

SequenceId ChangesPosition::printed(SequenceId id) const {
  id = shortest(id);
  return epochs_ ? epochs_->dated(id) : id;
}

SequenceId ChangesPosition::id_of(const ChangesPlace& place, Sequence stable) const {
  if (place.is_backfill()) return printed({stable, place.major, place.minor});
  const Sequence low = std::min(place.major, stable);
  const bool is_far = high_ > low && high_.value() - low.value() > kLookAhead;
  const bool tells_high = high_ > stable || is_far;
  return printed({low, kAbsent, tells_high ? std::max(high_, place.major) : place.major});
}

SequenceId ChangesPosition::id() const {
  if (trigger_ != kAbsent) return printed({kAbsent, trigger_, backfilled_});
  return printed({safe_, kAbsent, high_});
}

}  // namespace headgate
