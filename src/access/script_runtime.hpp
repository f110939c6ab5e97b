// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "access/script_engine.hpp"
#include "access/script_watchdog.hpp"
#include "access/sync_reply.hpp"
#include "base/result.hpp"

namespace headgate {

/// A sync function as text; the compiled form is each runtime's own.
struct ScriptSource {
  std::uint64_t id = 0;  ///< unique in the process
  std::string text;      ///< in parentheses, on its own lines
  ScriptLimits limits;
};

/// One thread's JavaScript engine. Confined to that thread. Whatever it runs is guarded against
/// time and memory: a run over a limit ends with Errc::internal and the reason for the client, and
/// leaves the runtime spoilt. Throw a spoilt one away: an engine that was out of memory is not to
/// be trusted again.
class ScriptRuntime {
 public:
  /// For all runtimes of the process.
  struct Shared {
    ScriptWatchdog watchdog;
    std::atomic<std::uint64_t> runs{0};
    std::atomic<std::uint64_t> runtimes_started{0};
    std::atomic<std::uint64_t> timeouts{0};
    std::atomic<std::uint64_t> out_of_memory{0};
    std::atomic<bool> has_time_limits{true};
  };
  static Shared& shared();

  /// Null: the engine refused to start.
  static std::unique_ptr<ScriptRuntime> start();
  ScriptRuntime() = default;
  ScriptRuntime(const ScriptRuntime&) = delete;
  ScriptRuntime& operator=(const ScriptRuntime&) = delete;
  virtual ~ScriptRuntime() = default;

  /// Ok if the text is one function expression. Errors: invalid_argument with the line; internal.
  virtual Result<void> check(const ScriptSource& source) = 0;
  /// Compiles the function unless that is done; not needed before run(). Errors: as check().
  virtual Result<void> prepare(const std::shared_ptr<const ScriptSource>& source) = 0;
  /// Errors: internal (over a limit); invalid_argument (a document that is no JSON).
  virtual Result<SyncReply> run(const std::shared_ptr<const ScriptSource>& source,
                                const SyncInput& input) = 0;
  virtual bool is_spoilt() const = 0;
};

}  // namespace headgate
