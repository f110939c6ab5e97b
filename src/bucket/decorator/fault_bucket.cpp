// SPDX-License-Identifier: Apache-2.0
#include "bucket/decorator/fault_bucket.hpp"

#include <unistd.h>

#include <iterator>
#include <utility>

namespace headgate {

class FaultFeed final : public MutationFeed {
 public:
  FaultFeed(FaultBucket& bucket, std::unique_ptr<MutationFeed> inner)
      : bucket_(bucket), inner_(std::move(inner)) {}

  Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override {
    if (bucket_.does_fail_feeds() && bucket_.failed_call()) co_return Errc::unavailable;
    if (!co_await is_open(deadline)) co_return std::vector<FeedEntry>();
    if (kept_.empty()) {
      shown_ = inner_->positions();
      HG_CO_TRY(kept_, co_await inner_->next(limit, deadline));
    }
    // A reader that waited already when the feeds were held must not see what came afterwards.
    if (!co_await is_open(deadline)) co_return std::vector<FeedEntry>();
    co_return std::exchange(kept_, {});
  }
  FeedPositions positions() const override { return kept_.empty() ? inner_->positions() : shown_; }
  Task<Result<FeedPositions>> heads(Deadline deadline) override {
    if (const auto how = bucket_.failed_call()) co_return how->code;
    co_return co_await inner_->heads(deadline);
  }

 private:
  Task<bool> is_open(Deadline deadline) {
    while (bucket_.are_feeds_held_)
      if (!co_await bucket_.wait_for_release(deadline)) co_return false;
    co_return true;
  }

  FaultBucket& bucket_;
  std::unique_ptr<MutationFeed> inner_;
  std::vector<FeedEntry> kept_;  // read, but held
  FeedPositions shown_;          // before them
};

FaultBucket::FaultBucket(Environment& environment, Bucket& inner)
    : environment_(environment),
      inner_(inner),
      changed_(environment),
      released_(environment),
      late_(environment) {}

void FaultBucket::inject(Fault fault) {
  faults_.push_back(std::move(fault));
}

void FaultBucket::fail_calls(Errc code, std::size_t skip, std::size_t times, Moment moment) {
  call_fault_ = Fault{.moment = moment, .code = code, .skip = skip, .times = times};
}

void FaultBucket::release() {
  faults_.remove_if([](const Fault& fault) { return fault.effect == Effect::hold; });
  are_feeds_held_ = false;
  released_.raise();
}

void FaultBucket::clear() {
  faults_.clear();
  call_fault_.reset();
}

std::optional<FaultBucket::Strike> FaultBucket::strike(const Operation& operation) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!fault->matches(operation)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    const Strike how{fault->moment, fault->effect, fault->code};
    if (--fault->times == 0) faults_.erase(fault);
    ++struck_;
    changed_.raise();
    return how;
  }
  return std::nullopt;
}

std::optional<FaultBucket::Strike> FaultBucket::failed_call() {
  if (!call_fault_) return std::nullopt;
  if (call_fault_->skip > 0) {
    --call_fault_->skip;
    return std::nullopt;
  }
  const Strike how{call_fault_->moment, Effect::fail, call_fault_->code};
  if (--call_fault_->times == 0) call_fault_.reset();
  ++struck_;
  changed_.raise();
  return how;
}

Task<std::vector<Reply>> FaultBucket::pipeline(std::vector<Operation> operations,
                                               Deadline deadline) {
  if (const auto how = failed_call()) {
    std::vector<Reply> lost(operations.size(), Reply{.status = how->code});
    if (how->moment == Moment::after) co_await inner_.pipeline(std::move(operations), deadline);
    co_return lost;
  }
  std::vector<Reply> replies;
  std::vector<Operation> run;
  for (Operation& operation : operations) {
    const auto how = strike(operation);
    if (!how) {
      run.push_back(std::move(operation));
      continue;
    }
    if (!run.empty()) {
      auto done = co_await inner_.pipeline(std::exchange(run, {}), deadline);
      std::move(done.begin(), done.end(), std::back_inserter(replies));
    }
    replies.push_back(co_await carry_out(std::move(operation), *how, deadline));
  }
  if (!run.empty() || replies.empty()) {
    auto done = co_await inner_.pipeline(std::move(run), deadline);
    std::move(done.begin(), done.end(), std::back_inserter(replies));
  }
  co_return replies;
}

Task<Reply> FaultBucket::carry_out(Operation operation, Strike how, Deadline deadline) {
  if (how.moment == Moment::before) {
    if (how.effect == Effect::exit_process) _exit(kExitStatus);
    if (how.effect == Effect::hold) co_return co_await held_before(std::move(operation), deadline);
    co_await environment_.yield();
    co_return Reply{.status = how.code};
  }
  std::vector<Operation> one;
  one.push_back(std::move(operation));
  auto replies = co_await inner_.pipeline(std::move(one), deadline);
  if (how.effect == Effect::exit_process) _exit(kExitStatus);
  if (how.effect == Effect::fail) co_return Reply{.status = how.code};
  if (!co_await wait_for_release(deadline))
    co_return Reply{.status = Errc::timeout_unknown_outcome};
  co_return std::move(replies.front());
}

Task<Reply> FaultBucket::held_before(Operation operation, Deadline deadline) {
  if (!co_await wait_for_release(deadline)) {
    late_.spawn(carry_out_late(std::move(operation)));
    co_return Reply{.status = Errc::timeout_unknown_outcome};
  }
  std::vector<Operation> one;
  one.push_back(std::move(operation));
  auto replies = co_await inner_.pipeline(std::move(one), deadline);
  co_return std::move(replies.front());
}

Task<bool> FaultBucket::wait_for_release(Deadline deadline) {
  ++held_;
  changed_.raise();
  const bool is_released = co_await released_.wait_past(released_.count(), deadline);
  --held_;
  changed_.raise();
  co_return is_released;
}

Task<void> FaultBucket::carry_out_late(Operation operation) {
  co_await wait_for_release(kNoDeadline);
  std::vector<Operation> one;
  one.push_back(std::move(operation));
  co_await inner_.pipeline(std::move(one), kNoDeadline);
}

Task<Result<Bucket::ScanPage>> FaultBucket::scan(Scan scan, Deadline deadline) {
  const auto how = failed_call();
  if (how && how->moment == Moment::before) co_return how->code;
  auto done = co_await inner_.scan(std::move(scan), deadline);
  if (how) co_return how->code;
  co_return done;
}

Task<Result<std::vector<HistoryId>>> FaultBucket::barrier(Deadline deadline) {
  const auto how = failed_call();
  if (how && how->moment == Moment::before) co_return how->code;
  auto done = co_await inner_.barrier(deadline);
  if (how) co_return how->code;
  co_return done;
}

Result<std::unique_ptr<MutationFeed>> FaultBucket::open_feed(DatabaseId database,
                                                             FeedPositions positions) {
  HG_TRY(auto feed, inner_.open_feed(database, std::move(positions)));
  return std::unique_ptr<MutationFeed>(std::make_unique<FaultFeed>(*this, std::move(feed)));
}

Task<Result<void>> FaultBucket::drop_database(DatabaseId database, Deadline deadline) {
  const auto how = failed_call();
  if (how && how->moment == Moment::before) co_return how->code;
  auto done = co_await inner_.drop_database(database, deadline);
  if (how) co_return how->code;
  co_return done;
}

FaultBucket::Matches of_kind(KeyKind kind) {
  return [kind](const Operation& operation) { return key_of(operation).kind == kind; };
}

FaultBucket::Matches writes_of_kind(KeyKind kind) {
  return [kind](const Operation& operation) {
    return is_write(operation) && key_of(operation).kind == kind;
  };
}

}  // namespace headgate
