// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/mailbox.hpp"

namespace headgate {

void Mailbox::deliver(Requests finished, Databases fed) {
  const std::lock_guard lock(mutex_);
  if (!environment_) return;
  environment_->post_from_thread([self = shared_from_this(), requests = std::move(finished),
                                  databases = std::move(fed)] { self->open(requests, databases); });
}

void Mailbox::detach() {
  const std::lock_guard lock(mutex_);
  environment_ = nullptr;
  watcher_ = nullptr;
}

void Mailbox::open(const Requests& finished, const Databases& fed) {
  if (!fed.empty() && watcher_) watcher_(fed);
  for (const auto& request : finished) request->finish();
}

}  // namespace headgate
