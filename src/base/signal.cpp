// SPDX-License-Identifier: Apache-2.0
#include "base/signal.hpp"

namespace headgate {

Signal::~Signal() {
  while (first_) first_->unlink();
}

void Signal::raise() {
  ++count_;
  while (first_) {
    Waiter& waiter = *first_;
    waiter.unlink();
    waiter.was_raised_ = true;
    environment_.timers().stop(waiter);
    environment_.post(waiter.self_);
  }
}

void Signal::Waiter::await_suspend(std::coroutine_handle<> self) {
  self_ = self;
  is_linked_ = true;
  previous_ = signal_->last_;
  (previous_ ? previous_->next_ : signal_->first_) = this;
  signal_->last_ = this;
  signal_->environment_.timers().start(*this, deadline_);
}

void Signal::Waiter::fire() {
  unlink();
  signal_->environment_.post(self_);
}

void Signal::Waiter::unlink() {
  if (!is_linked_) return;
  is_linked_ = false;
  (previous_ ? previous_->next_ : signal_->first_) = next_;
  (next_ ? next_->previous_ : signal_->last_) = previous_;
  next_ = previous_ = nullptr;
}

}  // namespace headgate
