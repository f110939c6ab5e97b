// SPDX-License-Identifier: Apache-2.0
#include "access/script_runtime.hpp"

#include <js/Array.h>
#include <js/CallAndConstruct.h>
#include <js/CharacterEncoding.h>
#include <js/CompilationAndEvaluation.h>
#include <js/ContextOptions.h>
#include <js/ErrorReport.h>
#include <js/Exception.h>
#include <js/GCAPI.h>
#include <js/GlobalObject.h>
#include <js/Initialization.h>
#include <js/Interrupt.h>
#include <js/MemoryCallbacks.h>
#include <js/Principals.h>
#include <js/Promise.h>
#include <js/PropertyAndElement.h>
#include <js/Realm.h>
#include <js/RealmOptions.h>
#include <js/SourceText.h>
#include <js/Stack.h>
#include <js/String.h>
#include <jsapi.h>

#include <algorithm>
#include <list>
#include <string>
#include <utility>

#include "access/script_memory.hpp"
#include "access/sync_builtins.hpp"
#include "access/sync_prelude.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// The engine is not instrumented: its threads' atomics are invisible, its memcpy is not.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libmozjs-102.so\nrace:libmozjs-102.so\n";
}
#endif
#endif

namespace headgate {
namespace {

constexpr std::size_t kStackBytes = 512u << 10;
constexpr std::size_t kMebibyte = 1u << 20;
constexpr std::size_t kHeapPerDocumentByte = 12;
constexpr double kFullHeap = 0.9;
/// Longest text that comes back: as many channels as a document may have, with the longest names.
constexpr std::size_t kReplyTextMax = 16u << 20;
// Below the heap limit, so that the engine collects before the limit is looked at.
constexpr std::uint32_t kGcThresholdMebibytes = 8;

using SourcePointer = std::shared_ptr<const ScriptSource>;

/// Sync functions are synchronous: whatever would run later is refused where it is asked for.
class NoJobs final : public JS::JobQueue {
 public:
  JSObject* getIncumbentGlobal(JSContext* context) override {
    return JS::CurrentGlobalOrNull(context);
  }
  bool enqueuePromiseJob(JSContext* context, JS::HandleObject, JS::HandleObject, JS::HandleObject,
                         JS::HandleObject) override {
    JS_ReportErrorASCII(context, "a sync function cannot wait: no promises, no await");
    return false;
  }
  void runJobs(JSContext*) override {}
  bool empty() const override { return true; }

 private:
  js::UniquePtr<SavedJobQueue> saveJobQueue(JSContext*) override { return nullptr; }
};

/// The engine as a whole. Made at first use, ended with the process.
class EngineProcess {
 public:
  static EngineProcess& instance() {
    static EngineProcess process;
    return process;
  }

  EngineProcess() : is_ready_(JS_Init()) {}
  ~EngineProcess() {
    // A thread that is still there at exit keeps its runtime; ending the engine under it would
    // crash the exit.
    if (is_ready_ && live_runtimes == 0) JS_ShutDown();
  }

  bool is_ready() const { return is_ready_; }

  ScriptRuntime::Shared shared;
  NoJobs no_jobs;
  std::atomic<std::uint64_t> live_runtimes{0};

 private:
  bool is_ready_;
};

/// One sync function compiled in a realm of its own.
struct FunctionRealm {
  FunctionRealm(JSContext* context, const SourcePointer& from)
      : id(from->id), source(from), global(context), call(context) {}

  std::uint64_t id;
  std::weak_ptr<const ScriptSource> source;  // expires with the function
  JS::PersistentRootedObject global;
  JS::PersistentRootedValue call;
};

/// The runtime on SpiderMonkey. Whatever runs scripts does so inside guard().
class EngineRuntime final : public ScriptRuntime, private ScriptWatchdog::Watched {
 public:
  explicit EngineRuntime(JSContext* context);
  ~EngineRuntime() override;
  bool set_up();

  Result<void> check(const ScriptSource& source) override;
  Result<void> prepare(const SourcePointer& source) override;
  Result<SyncReply> run(const SourcePointer& source, const SyncInput& input) override;
  bool is_spoilt() const override { return is_spoilt_; }

 private:
  enum class Stop : unsigned char { none, timeout, out_of_memory };

  void poke() override { JS_RequestInterruptCallback(context_); }
  static bool on_interrupt(JSContext* context);
  static void on_out_of_memory(JSContext* context, void* self);
  bool may_go_on();
  bool is_over_heap();
  double malloc_bytes();
  void set_heap_limit(std::size_t bytes);

  template <class Work>
  Result<void> guard(const ScriptLimits& limits, std::size_t input_bytes, Work work);
  Error take_failure();

  JSObject* new_global();
  bool evaluate(std::string_view text, const char* file, JS::MutableHandleValue value);
  bool compiles(std::string_view text);
  bool call_value(JS::HandleValue function, const JS::HandleValueArray& arguments,
                  JS::MutableHandleValue result);
  bool note_exception();
  JSString* new_string(std::string_view utf8);
  bool read_string(JS::HandleValue value, std::string& into);
  bool read_reply_array(JS::HandleValue value, SyncReply& reply);
  bool build(FunctionRealm& realm, const std::string& source);
  bool call(FunctionRealm& realm, const SyncInput& input, SyncReply& reply);
  FunctionRealm* realm_of(const SourcePointer& source);
  void make_room();

  JSContext* context_;
  JS::PersistentRootedObject zone_;    // a global without scripts: its zone holds all realms
  JS::PersistentRootedObject memory_;  // the engine's account of what it took
  std::list<FunctionRealm> realms_;    // most recently used first
  std::size_t heap_limit_ = 0;

  // The run that is going on.
  bool is_running_ = false;
  ScriptLimits limits_;
  ScriptTime start_;
  Stop stop_ = Stop::none;
  std::string exception_;
  bool is_spoilt_ = false;
};

bool allow_no_code_from_text(JSContext*, JS::RuntimeCode, JS::HandleString) {
  return false;
}
const JSSecurityCallbacks kSecurityCallbacks{allow_no_code_from_text, nullptr};
const JSClass kGlobalClass{
    "global", JSCLASS_GLOBAL_FLAGS, &JS::DefaultGlobalClassOps, nullptr, nullptr, nullptr};
const SyncUser kNobody;

EngineRuntime::EngineRuntime(JSContext* context)
    : context_(context), zone_(context), memory_(context) {
  EngineProcess& process = EngineProcess::instance();
  ++process.live_runtimes;
  ++process.shared.runtimes_started;
  process.shared.watchdog.add(*this);
}

EngineRuntime::~EngineRuntime() {
  EngineProcess& process = EngineProcess::instance();
  process.shared.watchdog.remove(*this);
  realms_.clear();
  memory_.reset();
  zone_.reset();
  JS_DestroyContext(context_);
  --process.live_runtimes;
}

bool EngineRuntime::set_up() {
  JS_SetNativeStackQuota(context_, kStackBytes);
  JS::ContextOptionsRef(context_).setAsmJS(false).setWasm(false).setWasmBaseline(false).setWasmIon(
      false);
  JS_SetGCParameter(context_, JSGC_MALLOC_THRESHOLD_BASE, kGcThresholdMebibytes);
  JS_SetGCParameter(context_, JSGC_ALLOCATION_THRESHOLD, kGcThresholdMebibytes);
  // Else a heap full of garbage is out of memory for a minute after the last such collection.
  JS_SetGCParameter(context_, JSGC_MIN_LAST_DITCH_GC_PERIOD, 0);
  JS_SetSecurityCallbacks(context_, &kSecurityCallbacks);
  JS_SetContextPrivate(context_, this);
  JS::SetJobQueue(context_, &EngineProcess::instance().no_jobs);
  JS::SetOutOfMemoryCallback(context_, on_out_of_memory, this);
  if (!JS_AddInterruptCallback(context_, on_interrupt)) return false;
  if (!JS::InitSelfHostedCode(context_)) return false;
  zone_ = new_global();
  if (!zone_) return false;
  const JSAutoRealm in_realm(context_, zone_);
  memory_ = js::gc::NewMemoryInfoObject(context_);
  return memory_;
}

void EngineRuntime::set_heap_limit(std::size_t bytes) {
  if (bytes == heap_limit_) return;
  heap_limit_ = bytes;
  constexpr std::size_t kMost = UINT32_MAX;
  JS_SetGCParameter(context_, JSGC_MAX_BYTES, static_cast<std::uint32_t>(std::min(bytes, kMost)));
}

bool EngineRuntime::on_interrupt(JSContext* context) {
  return static_cast<EngineRuntime*>(JS_GetContextPrivate(context))->may_go_on();
}

void EngineRuntime::on_out_of_memory(JSContext*, void* self) {
  auto& runtime = *static_cast<EngineRuntime*>(self);
  if (runtime.stop_ == Stop::none) runtime.stop_ = Stop::out_of_memory;
}

bool EngineRuntime::may_go_on() {
  if (!is_running_) return true;
  const ScriptTime now = ScriptTime::now();
  if (stop_ == Stop::none && is_over_heap()) stop_ = Stop::out_of_memory;
  const bool is_late =
      now.cpu - start_.cpu > limits_.cpu_time || now.wall - start_.wall > limits_.wall_time;
  if (stop_ == Stop::none && is_late && shared().has_time_limits) stop_ = Stop::timeout;
  return stop_ == Stop::none;
}

double EngineRuntime::malloc_bytes() {
  JS::RootedValue bytes(context_);
  const JSAutoRealm in_realm(context_, zone_);
  if (!JS_GetProperty(context_, memory_, "mallocBytes", &bytes)) JS_ClearPendingException(context_);
  return bytes.isNumber() ? bytes.toNumber() : 0;
}

/// A full heap is found here and not by the engine alone: that would collect again and again for
/// seconds to gain the last few bytes, and it does not count what comes from malloc.
bool EngineRuntime::is_over_heap() {
  const bool was_disabled = JS_DisableInterruptCallback(context_);
  const auto limit = static_cast<double>(heap_limit_);
  const auto is_full = [&] {
    return malloc_bytes() > limit || JS_GetGCParameter(context_, JSGC_BYTES) > kFullHeap * limit;
  };
  bool is_over = is_full();
  if (is_over) {
    JS_GC(context_);
    is_over = is_full();
  }
  JS_ResetInterruptCallback(context_, was_disabled);
  return is_over;
}

/// Runs `work` within `limits`. Errors: internal with the reason for the client.
template <class Work>
Result<void> EngineRuntime::guard(const ScriptLimits& limits, std::size_t input_bytes, Work work) {
  limits_ = limits;
  std::size_t heap = limits.heap_bytes;
  if (input_bytes > kMebibyte) {
    const std::size_t mebibytes = (input_bytes + kMebibyte - 1) / kMebibyte;
    limits_.cpu_time += limits.cpu_time * static_cast<int>(mebibytes);
    limits_.wall_time = std::max(limits_.wall_time, 2 * limits_.cpu_time);
    heap += kHeapPerDocumentByte * input_bytes;
  }
  set_heap_limit(heap);
  start_ = ScriptTime::now();
  is_running_ = true;
  ScriptWatchdog& watchdog = EngineProcess::instance().shared.watchdog;
  watchdog.begin(*this);
  const bool is_done = [&] {
    const AllocationLimit limit(heap);
    return work();
  }();
  watchdog.end(*this);
  is_running_ = false;
  if (stop_ != Stop::none || !is_done) return take_failure();
  if (input_bytes > kMebibyte) JS_GC(context_);  // gives a huge document's heap back
  return {};
}

Error EngineRuntime::take_failure() {
  EngineProcess& process = EngineProcess::instance();
  is_spoilt_ = stop_ != Stop::none;
  if (stop_ == Stop::timeout) {
    ++process.shared.timeouts;
    return {Errc::internal, "sync function timed out"};
  }
  if (stop_ == Stop::out_of_memory) {
    ++process.shared.out_of_memory;
    return {Errc::internal, "sync function out of memory"};
  }
  return {Errc::invalid_argument, std::exchange(exception_, {})};
}

/// Keeps the pending exception's text; always false. Runs no script: it may be the script's fault.
bool EngineRuntime::note_exception() {
  JS::RootedValue exception(context_);
  exception_ = "unknown error";
  if (!JS_GetPendingException(context_, &exception)) return false;
  JS_ClearPendingException(context_);
  if (!exception.isObject()) return false;
  JS::RootedObject object(context_, &exception.toObject());
  if (const JSErrorReport* report = JS_ErrorFromException(context_, object)) {
    exception_ =
        "line " + std::to_string(report->lineno) + ": " + std::string(report->message().c_str());
  }
  return false;
}

JSObject* EngineRuntime::new_global() {
  JS::RealmOptions options;
  JS::RealmCreationOptions& creation = options.creationOptions();
  creation.setSharedMemoryAndAtomicsEnabled(false)
      .setDefineSharedArrayBufferConstructor(false)
      .setWeakRefsEnabled(JS::WeakRefSpecifier::Disabled)
      .setStreamsEnabled(false);
  if (zone_) creation.setNewCompartmentInExistingZone(zone_);
  return JS_NewGlobalObject(context_, &kGlobalClass, nullptr, JS::FireOnNewGlobalHook, options);
}

bool EngineRuntime::evaluate(std::string_view text, const char* file,
                             JS::MutableHandleValue value) {
  JS::CompileOptions options(context_);
  options.setFileAndLine(file, 1);
  JS::SourceText<mozilla::Utf8Unit> source;
  const bool is_done =
      source.init(context_, text.data(), text.size(), JS::SourceOwnership::Borrowed) &&
      JS::Evaluate(context_, options, source, value);
  return is_done || note_exception();
}

/// Compiles without running: for the error alone.
bool EngineRuntime::compiles(std::string_view text) {
  JS::CompileOptions options(context_);
  options.setFileAndLine("sync", 1);
  JS::SourceText<mozilla::Utf8Unit> source;
  const bool is_done =
      source.init(context_, text.data(), text.size(), JS::SourceOwnership::Borrowed) &&
      JS::Compile(context_, options, source) != nullptr;
  return is_done || note_exception();
}

bool EngineRuntime::call_value(JS::HandleValue function, const JS::HandleValueArray& arguments,
                               JS::MutableHandleValue result) {
  return JS::Call(context_, JS::UndefinedHandleValue, function, arguments, result) ||
         note_exception();
}

JSString* EngineRuntime::new_string(std::string_view utf8) {
  return JS_NewStringCopyUTF8N(context_, JS::UTF8Chars(utf8.data(), utf8.size()));
}

bool EngineRuntime::read_string(JS::HandleValue value, std::string& into) {
  if (!value.isString()) return false;
  JSLinearString* text = JS_EnsureLinearString(context_, value.toString());
  if (text == nullptr) return false;
  const std::size_t bytes = JS::GetDeflatedUTF8StringLength(text);
  if (bytes > kReplyTextMax) {
    stop_ = Stop::out_of_memory;
    return false;
  }
  into.resize(bytes);
  return JS::DeflateStringToUTF8Buffer(text, mozilla::Span(into.data(), bytes)) == bytes;
}

Result<void> EngineRuntime::check(const ScriptSource& source) {
  std::string complaint;
  const auto work = [&] {
    JS::RootedObject global(context_, new_global());
    if (!global) return false;
    const JSAutoRealm in_realm(context_, global);
    JS::RootedValue check(context_);
    JS::RootedValue result(context_);
    JS::RootedValueArray<2> arguments(context_);
    if (!JS::InitRealmStandardClasses(context_)) return false;
    if (!compiles(source.text) || !JS_InitReflectParse(context_, global)) return false;
    if (!evaluate(kSyncSourceCheck, "check", &check)) return false;
    JSString* text = new_string(source.text);
    if (text == nullptr) return false;
    arguments[0].setString(text);
    arguments[1].setInt32(kMaxRegularExpression);
    return call_value(check, arguments, &result) && read_string(result, complaint);
  };
  HG_CHECK(guard(source.limits, 0, work));
  if (!complaint.empty()) return Error{Errc::invalid_argument, complaint};
  return {};
}

bool EngineRuntime::build(FunctionRealm& realm, const std::string& source) {
  realm.global = new_global();
  if (!realm.global) return false;
  const JSAutoRealm in_realm(context_, realm.global);
  if (!JS::InitRealmStandardClasses(context_)) return false;
  JS::RootedValue bound(context_);
  JS::RootedValue prepare(context_);
  JS::RootedValue bind(context_);
  JS::RootedValue call(context_);
  JS::RootedValueArray<1> longest(context_);
  JS::RootedValueArray<1> builtins(context_);
  JS::RootedValueArray<1> sync(context_);
  longest[0].setInt32(kMaxRegularExpression);
  if (!evaluate(kSyncBuiltins, "builtins", &bound)) return false;
  if (!call_value(bound, longest, builtins[0])) return false;
  if (!evaluate(kSyncPrelude, "prelude", &prepare)) return false;
  if (!call_value(prepare, builtins, &bind)) return false;
  if (!evaluate(source, "sync", sync[0])) return false;
  if (!call_value(bind, sync, &call)) return false;
  realm.call = call;
  return true;
}

/// Null: not compiled, and it does not compile within the limits.
FunctionRealm* EngineRuntime::realm_of(const SourcePointer& source) {
  const auto found = std::ranges::find(realms_, source->id, &FunctionRealm::id);
  if (found != realms_.end()) {
    realms_.splice(realms_.begin(), realms_, found);
    return &realms_.front();
  }
  make_room();
  realms_.emplace_front(context_, source);
  if (build(realms_.front(), source->text)) return &realms_.front();
  realms_.pop_front();
  return nullptr;
}

void EngineRuntime::make_room() {
  std::erase_if(realms_, [](const FunctionRealm& realm) { return realm.source.expired(); });
  while (realms_.size() >= kFunctionsPerRuntime) realms_.pop_back();
}

Result<void> EngineRuntime::prepare(const SourcePointer& source) {
  return guard(source->limits, 0, [&] { return realm_of(source) != nullptr; });
}

bool EngineRuntime::read_reply_array(JS::HandleValue value, SyncReply& reply) {
  JS::RootedObject array(context_, &value.toObject());
  JS::RootedValue element(context_);
  std::uint32_t index = 0;
  for (std::string* text : reply.texts()) {
    if (!JS_GetElement(context_, array, index++, &element)) return false;
    if (!read_string(element, *text)) return false;
  }
  return true;
}

bool EngineRuntime::call(FunctionRealm& realm, const SyncInput& input, SyncReply& reply) {
  const JSAutoRealm in_realm(context_, realm.global);
  JS::RootedValueArray<5> arguments(context_);
  const SyncUser& user = input.user ? *input.user : kNobody;
  const std::string* const texts[] = {&input.doc, &input.old_doc, &user.name, &user.channels,
                                      &user.roles};
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    JSString* text = new_string(*texts[i]);
    if (text == nullptr) return false;
    arguments[i].setString(text);
  }
  if (!input.user) arguments[2].setNull();
  JS::RootedValue result(context_);
  return call_value(realm.call, arguments, &result) && read_reply_array(result, reply);
}

Result<SyncReply> EngineRuntime::run(const SourcePointer& source, const SyncInput& input) {
  SyncReply reply;
  const auto work = [&] {
    FunctionRealm* realm = realm_of(source);
    return realm != nullptr && call(*realm, input, reply);
  };
  HG_CHECK(guard(source->limits, input.doc.size() + input.old_doc.size(), work));
  return reply;
}

}  // namespace

ScriptRuntime::Shared& ScriptRuntime::shared() {
  return EngineProcess::instance().shared;
}

std::unique_ptr<ScriptRuntime> ScriptRuntime::start() {
  if (!EngineProcess::instance().is_ready()) return nullptr;
  JSContext* context = JS_NewContext(ScriptLimits{}.heap_bytes);
  if (context == nullptr) return nullptr;
  auto runtime = std::make_unique<EngineRuntime>(context);
  if (!runtime->set_up()) return nullptr;
  return runtime;
}

}  // namespace headgate
