// SPDX-License-Identifier: Apache-2.0
#include "net/body_budget.hpp"

namespace headgate {

/// What a body of so many bytes needs beyond what it holds.
std::uint64_t BodyHold::more_for(std::uint64_t bytes) const {
  const std::uint64_t counted = bytes > BodyBudget::kFree ? bytes - BodyBudget::kFree : 0;
  return counted > held_ ? counted - held_ : 0;
}

bool BodyHold::fits(std::uint64_t bytes) const {
  return budget_ == nullptr || more_for(bytes) <= budget_->limit_ - budget_->used_;
}

bool BodyHold::grow(std::uint64_t bytes) {
  if (!fits(bytes)) return false;
  if (budget_ == nullptr) return true;
  const std::uint64_t more = more_for(bytes);
  budget_->used_ += more;
  held_ += more;
  return true;
}

void BodyHold::release() {
  if (budget_ != nullptr) budget_->used_ -= held_;
  held_ = 0;
}

}  // namespace headgate
