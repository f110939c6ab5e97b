// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/deliveries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"
#include "cli/bench/figures.hpp"

namespace headgate::bench {

namespace {

constexpr std::string_view kPrefix = "row-";

std::optional<std::uint64_t> number_of(std::string_view id) {
  std::uint64_t number = 0;
  if (!id.starts_with(kPrefix) ||
      std::from_chars(id.data() + kPrefix.size(), id.data() + id.size(), number).ec != std::errc())
    return std::nullopt;
  return number;
}

}  // namespace

std::string new_row_id(BenchRun& run) {
  return fmt::format("{}{:08}", kPrefix, run.take_numbers(1));
}

void Deliveries::add(std::string_view id) {
  const std::uint64_t number = *number_of(id);
  if (writes_.empty()) first_number_ = number;
  HG_ASSERT(number == first_number_ + writes_.size());
  writes_.emplace_back();
}

std::size_t Deliveries::index_of(std::string_view id) const {
  const auto number = number_of(id);
  if (!number || *number < first_number_) return writes_.size();
  return std::min(static_cast<std::size_t>(*number - first_number_), writes_.size());
}

void Deliveries::sent(std::string_view id) {
  writes_[index_of(id)].sent = run_.loop().now();
}

void Deliveries::answered(std::string_view id, std::size_t feeds) {
  Write& write = writes_[index_of(id)];
  write.answered = run_.loop().now();
  write.is_answered = true;
  ++acknowledged_;
  expected_ += feeds;
}

void Deliveries::arrived(std::size_t feed, std::string_view id, TimePoint when) {
  const std::size_t index = index_of(id);
  if (index == writes_.size()) return;
  std::vector<bool>& has = has_row_[feed];
  if (has.size() <= index) has.resize(writes_.size());
  if (has[index]) return;
  has[index] = true;
  seen_.push_back({index, when});
  if (seen_.size() >= expected_) changed_.raise();
}

Task<bool> Deliveries::wait_for_all(std::chrono::nanoseconds patience) {
  const TimePoint deadline = run_.loop().now() + patience;
  while (seen_.size() < expected_)
    if (!co_await changed_.wait_past(changed_.count(), deadline)) {
      run_.failed("rows that did not come to a feed", expected_ - seen_.size());
      co_return false;
    }
  co_return true;
}

void Deliveries::add_figures(Figures& figures, const std::string& prefix) {
  Latencies from_answer;
  Latencies from_sending;
  for (const auto& [index, when] : seen_) {
    const Write& write = writes_[index];
    if (!write.is_answered) continue;
    from_answer.add(std::max(when - write.answered, std::chrono::nanoseconds(0)));
    from_sending.add(when - write.sent);
  }
  add_percentiles(figures, from_answer, prefix + "from_answer_");
  add_percentiles(figures, from_sending, prefix + "from_sending_");
}

}  // namespace headgate::bench
