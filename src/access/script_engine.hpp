// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "access/sync_function.hpp"
#include "base/result.hpp"

namespace headgate {

/// What one run of a sync function may use. A run over a limit is stopped and its write rejected
/// with Errc::internal; the runtime is thrown away and the next run gets a new one.
///
/// The engine looks at the time between two calls of built-in methods and not within all of them,
/// so a run ends late by as much as one such call takes. Those that could take longer than some
/// seconds throw instead (sync_builtins.hpp); measured here, the longest of the others makes as
/// many names of an object as the heap holds (`Object.keys` of a long text: 1 to 3 s).
struct ScriptLimits {
  /// Processor time of the run's own thread, so that a loaded machine fails no innocent function.
  /// Documents over 1 MiB add as much again for each started MiB. Looked at every 40 to 90 ms.
  std::chrono::milliseconds cpu_time{100};
  /// Time on the clock, whatever the processor time. Looked at every half second at least.
  std::chrono::milliseconds wall_time{2'000};
  /// Heap of the runtime with all the functions it keeps, and the largest single text or list;
  /// documents over 1 MiB add 12 times their size for the run. A single built-in call can pass it
  /// a few times over for a moment.
  std::size_t heap_bytes = 32u << 20;
};

/// Longest source text of a sync function, in bytes.
inline constexpr std::size_t kMaxSyncFunctionBytes = 1u << 20;

/// Longest regular expression of a sync function, in characters. Nobody looks at the time while one
/// is compiled, and one of megabytes ends the process.
inline constexpr std::int32_t kMaxRegularExpression = 2'000;

/// Compiles `source`: one JavaScript function expression, `function (doc, oldDoc, meta) {...}` or
/// an arrow function. It can call channel, access, role, requireUser, requireRole, requireAccess,
/// requireAdmin, expiry and console.log; it sees nothing else of the world, cannot make code from
/// text, and remembers nothing from one document to the next: all that is global is frozen.
///
/// Errors: invalid_argument with a message that names the line, unavailable (no script runtime).
/// Blocks for some 10 ms: call it through run_blocking.
///
/// The function's run() may be called on any number of threads. Each thread keeps one runtime
/// until it ends (about 4 MB) and in it the most recently used functions (kFunctionsPerRuntime).
/// Time is real time here, also under a simulated Environment: see lift_script_time_limits().
Result<std::shared_ptr<const SyncFunction>> compile_sync_function(std::string_view source,
                                                                  ScriptLimits limits = {});

/// What one run came to, for whoever works on a sync function.
struct SyncTrial {
  SyncOutput output;
  std::string console;    ///< lines that it wrote
  std::string exception;  ///< what it threw, if that was no refusal
  std::chrono::nanoseconds duration{};
};

/// Compiles `source` as compile_sync_function() does and runs it once, under the same limits; logs
/// nothing. Blocks: call it through run_blocking. Errors: those of both.
Result<SyncTrial> try_sync_function(std::string_view source, const SyncInput& input,
                                    ScriptLimits limits = {});

/// For the whole process and for good: functions may take any time, those that run now, too. A
/// simulation must not depend on how busy the machine is. Safe from any thread.
void lift_script_time_limits();

/// Compiled functions that one thread keeps ready; more are compiled again when needed (about 1
/// ms).
inline constexpr std::size_t kFunctionsPerRuntime = 32;

/// Totals of this process, for metrics. Safe from any thread.
struct ScriptCounters {
  std::uint64_t runs = 0;
  std::uint64_t runtimes_started = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t out_of_memory = 0;
};
ScriptCounters script_counters();

}  // namespace headgate
