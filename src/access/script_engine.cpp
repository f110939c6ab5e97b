// SPDX-License-Identifier: Apache-2.0
#include "access/script_engine.hpp"

#include <atomic>
#include <string>
#include <utility>

#include "access/script_runtime.hpp"
#include "access/sync_reply.hpp"
#include "base/log.hpp"

namespace headgate {
namespace {

/// This thread's runtime; ends with the thread.
thread_local std::unique_ptr<ScriptRuntime> t_runtime;

/// Runs `work(runtime)` with this thread's runtime, and drops that if it is spoilt afterwards.
template <class Work>
auto with_runtime(Work work) -> std::invoke_result_t<Work, ScriptRuntime&> {
  if (!t_runtime) t_runtime = ScriptRuntime::start();
  if (!t_runtime) return Error{Errc::unavailable, "no script runtime"};
  auto result = work(*t_runtime);
  if (t_runtime->is_spoilt()) t_runtime.reset();
  return result;
}

void log_reply(const SyncReply& reply) {
  if (!reply.console.empty())
    log(LogLevel::info, "sync.console", {user_data("text", reply.console)});
  if (!reply.exception.empty())
    log(LogLevel::warning, "sync.exception", {user_data("text", reply.exception)});
}

class ScriptSyncFunction final : public SyncFunction {
 public:
  explicit ScriptSyncFunction(std::shared_ptr<const ScriptSource> source)
      : source_(std::move(source)) {}

  Result<SyncOutput> run(const SyncInput& input) const override {
    ++ScriptRuntime::shared().runs;
    auto reply = with_runtime([&](ScriptRuntime& runtime) { return runtime.run(source_, input); });
    if (!reply && reply.error().code == Errc::internal) {
      log(LogLevel::warning, "sync.stopped", {{"reason", reply.error().context}});
      return rejected(Errc::internal, reply.error().context);
    }
    if (!reply) return reply.error();
    log_reply(*reply);
    return read_reply(*std::move(reply));
  }
  bool runs_inline() const override { return false; }

 private:
  std::shared_ptr<const ScriptSource> source_;
};

std::shared_ptr<const ScriptSource> source_of(std::string_view text, ScriptLimits limits) {
  static std::atomic<std::uint64_t> last_id{0};
  // A semicolon after the function is a habit, but no part of an expression.
  text = text.substr(0, text.find_last_not_of(" \t\r\n;") + 1);
  return std::make_shared<const ScriptSource>(
      ScriptSource{++last_id, "(" + std::string(text) + "\n)", limits});
}

Result<std::shared_ptr<const ScriptSource>> compile(std::string_view source, ScriptLimits limits) {
  if (source.size() > kMaxSyncFunctionBytes)
    return Error{Errc::invalid_argument, "a sync function has at most 1 MiB"};
  auto compiled = source_of(source, limits);
  auto done = with_runtime([&](ScriptRuntime& runtime) { return runtime.check(*compiled); });
  if (done) done = with_runtime([&](ScriptRuntime& runtime) { return runtime.prepare(compiled); });
  if (done) return compiled;
  const bool is_ours = done.error().code == Errc::unavailable;
  return Error{is_ours ? Errc::unavailable : Errc::invalid_argument, done.error().context};
}

}  // namespace

Result<std::shared_ptr<const SyncFunction>> compile_sync_function(std::string_view source,
                                                                  ScriptLimits limits) {
  HG_TRY(auto compiled, compile(source, limits));
  return std::shared_ptr<const SyncFunction>(new ScriptSyncFunction(std::move(compiled)));
}

Result<SyncTrial> try_sync_function(std::string_view source, const SyncInput& input,
                                    ScriptLimits limits) {
  HG_TRY(const auto compiled, compile(source, limits));
  const auto begin = std::chrono::steady_clock::now();
  auto reply = with_runtime([&](ScriptRuntime& runtime) { return runtime.run(compiled, input); });
  SyncTrial trial;
  trial.duration = std::chrono::steady_clock::now() - begin;
  if (!reply && reply.error().code != Errc::internal) return reply.error();
  if (!reply) {
    trial.output = rejected(Errc::internal, reply.error().context);
    return trial;
  }
  trial.console = std::move(reply->console);
  trial.exception = std::move(reply->exception);
  trial.output = read_reply(*std::move(reply));
  return trial;
}

void lift_script_time_limits() {
  ScriptRuntime::shared().has_time_limits = false;
}

ScriptCounters script_counters() {
  const ScriptRuntime::Shared& shared = ScriptRuntime::shared();
  return {shared.runs, shared.runtimes_started, shared.timeouts, shared.out_of_memory};
}

}  // namespace headgate
