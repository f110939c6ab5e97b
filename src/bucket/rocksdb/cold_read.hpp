// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "bucket/rocksdb/completion.hpp"

namespace headgate {

/// Runs `work` on a worker and returns what it returns; nothing at the deadline. `work` must own
/// what it uses: it may outlive the caller.
template <class Work>
Task<std::optional<std::invoke_result_t<Work>>> run_cold(Environment& environment, Work work,
                                                         Deadline deadline) {
  struct Call : Completion {
    explicit Call(Work w) : work(std::move(w)) {}
    Work work;
    std::optional<std::invoke_result_t<Work>> value;
  };
  auto call = std::make_shared<Call>(std::move(work));
  environment.run_on_worker([call] { call->value.emplace(call->work()); },
                            [call] { call->finish(); });
  if (!co_await CompletionWait(environment, call, deadline)) co_return std::nullopt;
  co_return std::move(call->value);
}

}  // namespace headgate
