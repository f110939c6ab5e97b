// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdlib>
#include <thread>

#include "access/script_memory.hpp"
#include "access/script_test_support.hpp"

namespace headgate {
namespace {

using testing::AnyOf;
using testing::ElementsAre;

const Rejection kTimedOut{Errc::internal, "sync function timed out"};
const Rejection kOutOfMemory{Errc::internal, "sync function out of memory"};
const Rejection kTooDeep{Errc::internal, "sync function: too much recursion"};

/// Misbehaves as `body` says for a document with `bad`; otherwise works.
std::shared_ptr<const SyncFunction> bad_function(std::string_view body, ScriptLimits limits = {}) {
  return with_body("if (doc.bad) {" + std::string(body) + "}\nchannel('fine')", limits);
}

/// For what must end by itself.
constexpr ScriptLimits kMuchTime{.cpu_time = std::chrono::seconds(60),
                                 .wall_time = std::chrono::seconds(60)};

Rejection bad_run(const SyncFunction& function) {
  return run(function, input_of(R"({"bad":true})")).rejection.value_or(Rejection{Errc::ok, ""});
}

void expect_fine(const SyncFunction& function) {
  EXPECT_THAT(run(function, input_of("{}")).channels, ElementsAre("fine"));
}

TEST(ScriptLimits, AnEndlessLoopIsStoppedAndTheRuntimeReplaced) {
  const auto function = bad_function("for (;;) {}");
  const ScriptCounters before = script_counters();
  EXPECT_EQ(bad_run(*function), kTimedOut);
  expect_fine(*function);
  EXPECT_EQ(script_counters().timeouts, before.timeouts + 1);
  EXPECT_EQ(script_counters().runtimes_started, before.runtimes_started + 1);
}

TEST(ScriptLimits, ATrialHasTheSameLimitsAndTellsWhatItWrote) {
  const auto tried = [](std::string_view source) {
    return try_sync_function(source, input_of(R"({"a":1})"));
  };
  const auto fine = tried("(doc) => { channel('c'); console.log(doc.a); }");
  ASSERT_TRUE(fine);
  EXPECT_THAT(fine->output.channels, ElementsAre("c"));
  EXPECT_THAT(fine->console, testing::HasSubstr("1"));
  EXPECT_GT(fine->duration.count(), 0);
  const auto endless = tried("() => { for (;;) {} }");
  ASSERT_TRUE(endless);
  EXPECT_EQ(endless->output.rejection, kTimedOut);
  const auto thrown = tried("(doc) => doc.none.at");
  ASSERT_TRUE(thrown);
  EXPECT_EQ(thrown->output.rejection->code, Errc::internal);
  EXPECT_THAT(thrown->exception, testing::HasSubstr("undefined"));
  EXPECT_EQ(tried("function (").error().code, Errc::invalid_argument);
}

TEST(ScriptLimits, TimeOnTheClockIsLimitedToo) {
  const auto function = with_body(
      "if (doc.bad) for (;;) {}\nchannel('fine')",
      ScriptLimits{.cpu_time = std::chrono::hours(1), .wall_time = std::chrono::milliseconds(50)});
  EXPECT_EQ(bad_run(*function), kTimedOut);
  expect_fine(*function);
}

// In a process of its own: it is for good.
TEST(ScriptLimits, TimeCanBeGivenWithoutALimit) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto run_without_limits = [] {
    lift_script_time_limits();
    const auto function = bad_function("let sum = 0; for (let i = 0; i < 3e8; ++i) sum += i % 3;",
                                       ScriptLimits{.cpu_time = std::chrono::milliseconds(20),
                                                    .wall_time = std::chrono::milliseconds(20)});
    const auto output = run(*function, input_of(R"({"bad":true})"));
    std::exit(output.rejection ? 1 : 0);
  };
  EXPECT_EXIT(run_without_limits(), testing::ExitedWithCode(0), "");
}

TEST(ScriptLimits, ASingleBuiltInCallThatTakesALotIsSurvived) {
  for (const char* body :
       {"new Array(2e7).fill(0)", "'x'.repeat(1e7).split('')", "'ab'.padEnd(1e9, 'c').length",
        "'x'.repeat(1e9) + 'x'.repeat(1e9)", "new Array(2e7).join('xy')",
        "JSON.stringify(new Array(3e7))", "'a'.repeat(5e6).replace(/a/g, 'aaaaaaaaaaaaaaaaaaaa')",
        "Array.from({length: 1e12})"}) {
    const auto function = bad_function(body);
    const Errc code = bad_run(*function).code;
    EXPECT_THAT(code, AnyOf(Errc::ok, Errc::internal)) << body;
    expect_fine(*function);
  }
}

// Nothing looks at the time within one of these calls: without the limit they take gigabytes, and
// up to a minute.
TEST(ScriptLimits, ASingleBuiltInCallCannotTakeMoreThanTheHeap) {
  if (!AllocationLimit::is_kept()) GTEST_SKIP() << "malloc is the sanitizer's";
  for (const char* body :
       {"'x'.repeat(2e8).split('')", "'x'.repeat(1e8).replaceAll('x', 'yy')",
        "'x'.repeat(1e9).replace(/x/g, '')", "'x'.repeat(1e9).toUpperCase()",
        "encodeURIComponent('\u00e9'.repeat(2e8))", "JSON.stringify('\\n'.repeat(1e9))",
        "JSON.parse('[' + '1,'.repeat(4e8) + '1]')",
        "new Array(1e6).fill('x').join('y'.repeat(1e3))",
        "var s = 'x'; for (var i = 0; i < 29; i++) s += s; s.charCodeAt(5)"}) {
    const auto function = bad_function(body);
    expect_fine(*function);
    EXPECT_EQ(bad_run(*function), kOutOfMemory) << body;
    expect_fine(*function);
  }
}

const Rejection kFailed{Errc::internal, "Exception in JS sync function"};

// Nor within one of these, which would take from minutes to days; what they work on is small.
TEST(ScriptLimits, ASingleBuiltInCallCannotWorkForEver) {
  const std::string_view search =
      "var t = 'a'.repeat(4e6), n = 'a'.repeat(2e6) + 'b';"
      "var locale = 'en-' + Array.from({length: 9e4}, (_, i) => 'v' + (1000 + i)).join('-'); ";
  for (const char* body :
       {"t.indexOf(n)",
        "t.lastIndexOf(n)",
        "t.includes(n)",
        "t.split(n)",
        "t.replace(n, '')",
        "t.replaceAll(n, '')",
        "t.indexOf({toString: () => n})",
        "t.replace({toString: () => n, [Symbol.match]: true, [Symbol.replace]: null}, '')",
        "String.prototype.indexOf.call({toString: () => t}, n)",
        "new Array(2e6).fill('a' + t).indexOf(t + 'b')",
        "new Array(2e6).fill('a' + t).includes(t + 'b')",
        "Array.prototype.lastIndexOf.call(new Array(2e6).fill('a' + t), t + 'b')",
        R"(('\u0315\u0300'.repeat(1e6)).normalize())",
        R"('a'.localeCompare('\u0315\u0300'.repeat(1e6)))",
        R"(('\u0315\u0300'.repeat(1e6)).localeCompare('a'))",
        "(1).toLocaleString(locale)",
        "new Date(0).toLocaleString(['en', locale])",
        "'a'.localeCompare('b', locale)",
        "new Date(0).toLocaleDateString({length: 1, 0: {toString: () => locale}})",
        "[1].toLocaleString(locale)"}) {
    const auto function = bad_function(std::string(search) + body, kMuchTime);
    EXPECT_EQ(bad_run(*function), kFailed) << body;
    expect_fine(*function);
  }
}

// The text and what it is searched for come from clients.
TEST(ScriptLimits, ADocumentCannotMakeASearchEndless) {
  const auto function =
      with_body("if (doc.text.indexOf(doc.name) >= 0) channel('found')", kMuchTime);
  const std::string as(1u << 20, 'a');
  const auto doc = [&](const std::string& name) {
    return input_of(R"({"text":")" + as + R"(","name":")" + name + R"("})");
  };
  EXPECT_EQ(run(*function, doc(as.substr(0, 500'000) + "b")).rejection, kFailed);
  EXPECT_THAT(run(*function, doc(as.substr(0, 256))).channels, ElementsAre("found"));
}

// The engine does not survive the compilation of some that are longer.
TEST(ScriptLimits, RegularExpressionsAreShort) {
  for (const char* body :
       {"new RegExp('a|'.repeat(1e6)).test('b')", "RegExp('a|'.repeat(1e6)).test('b')",
        "'b'.match('a|'.repeat(1e6))", "[...'b'.matchAll('a|'.repeat(1e6))]",
        "'b'.search({toString: () => 'a|'.repeat(1e6)})",
        "new RegExp({[Symbol.match]: true, source: 'a', toString: () => 'a|'.repeat(1e6)})",
        "/a/.compile('a|'.repeat(1e6))"}) {
    const auto function = bad_function(body, kMuchTime);
    EXPECT_EQ(bad_run(*function), kFailed) << body;
    expect_fine(*function);
  }
  const std::string longest(kMaxRegularExpression, 'a');
  EXPECT_THAT(channels_of("channel(String(/" + longest + "/.test('a')))"), ElementsAre("false"));
  const auto refused = compile_sync_function("() => /" + longest + "a/.test('a')");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().context, testing::HasSubstr("2000 characters"));
}

TEST(ScriptLimits, BoundedMethodsDoAsTheLanguageSays) {
  EXPECT_THAT(channels_of(R"(
    const same = (what, one, other) => {
      if (JSON.stringify(one) !== JSON.stringify(other)) channel(what + ': ' + JSON.stringify(one));
    };
    const fails = (what, f) => {
      try { f(); channel(what + ': does not throw'); } catch (e) {
        if (!(e instanceof TypeError)) channel(what + ': ' + e);
      }
    };
    same('indexOf', ['abcb'.indexOf('b'), 'abcb'.indexOf('b', 2), 'a'.indexOf(), 'a1'.indexOf(1)],
      [1, 3, -1, 1]);
    same('lastIndexOf', ['abcb'.lastIndexOf('b'), 'abcb'.lastIndexOf('b', 2)], [3, 1]);
    same('includes', ['abc'.includes('c'), 'abc'.includes('a', 1)], [true, false]);
    same('split', ['a,b,c'.split(','), 'a,b,c'.split(',', 2), 'ab'.split(), 'ab'.split(''),
      'a1b2c'.split(/\d/), 'anullb'.split(null)],
      [['a', 'b', 'c'], ['a', 'b'], ['ab'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b']]);
    same('replace', ['aba'.replace('a', 'x'), 'aba'.replace('b', "[$`|$&|$']"),
      'aba'.replace('b', (...all) => all.join()), 'aba'.replace(/a/g, 'x'), 'a'.replace('a')],
      ['xba', 'a[a|b|a]a', 'ab,1,abaa', 'xbx', 'undefined']);
    same('replaceAll', ['aba'.replaceAll('a', 'x'), 'aba'.replaceAll(/a/g, 'x')], ['xbx', 'xbx']);
    same('match', ['a1b2'.match(/\d/g), 'a1'.match('[0-9]')[0], 'ab'.match('c'), 'a'.match()[0]],
      [['1', '2'], '1', null, '']);
    same('matchAll', [...'a1b2'.matchAll('[0-9]')].map(m => m.index), [1, 3]);
    same('search', ['a1'.search('[0-9]'), 'a1'.search(/1/)], [1, 1]);
    same('normalize', ['e\u0301'.normalize(), '\u00e9'.normalize('NFD').length], ['\u00e9', 2]);
    same('localeCompare', ['a'.localeCompare('b'), 'b'.localeCompare('a'), 'a'.localeCompare('a')],
      [-1, 1, 0]);
    same('lists', [['a', 'b', 'a'].indexOf('a', 1), ['a', 'b', 'a'].lastIndexOf('a'), [NaN].includes(NaN),
      [1, 2].indexOf(2), ['a', 'b'].lastIndexOf('b', undefined)], [2, 2, true, 1, -1]);
    same('locales', [(1234.5).toLocaleString('en'), 'i'.toLocaleUpperCase('tr'), 'I'.toLocaleLowerCase(),
      (1234.5).toLocaleString(['de', 'en']), [1.5, 'a'].toLocaleString('en'), 'a'.localeCompare('b', 'en'),
      new Date(0).toLocaleDateString('en', {timeZone: 'UTC'})],
      ['1,234.5', '\u0130', 'i', '1.234,5', '1.5,a', -1, '1/1/1970']);
    same('RegExp', [new RegExp(/a/g).flags, new RegExp(/a/g, 'i').flags, String(new RegExp()),
      RegExp('a') instanceof RegExp, 'A'.replace(new RegExp('a', 'i'), 'x')],
      ['g', 'i', '/(?:)/', true, 'x']);
    same('own methods', ['a'.split({[Symbol.split]: (s, l) => s + l}, 5),
      'a'.replace({[Symbol.replace]: (s, r) => s + r}, 'b')], ['a5', 'ab']);
    fails('includes', () => 'a'.includes(/a/));
    fails('replaceAll', () => 'a'.replaceAll(/a/, ''));
    fails('matchAll', () => 'a'.matchAll(/a/));
    fails('null', () => String.prototype.indexOf.call(null, 'a'));
    channel('looked');)"),
              ElementsAre("looked"));
}

TEST(ScriptLimits, WhatComesBackIsBounded) {
  for (const char* body : {"channel(s)", "throw {forbidden: s}", "throw s", "expiry(s)"}) {
    const auto function = bad_function("var s = 'x'.repeat(2e7); " + std::string(body));
    EXPECT_EQ(bad_run(*function), kOutOfMemory) << body;
    expect_fine(*function);
  }
}

TEST(ScriptLimits, AsManyLongNamesAsADocumentMayHaveComeBack) {
  const auto function =
      with_body("for (var i = 0; i < 10000; i++) channel('\u20ac'.repeat(331) + i);", kMuchTime);
  const auto output = run(*function, input_of("{}"));
  EXPECT_EQ(output.rejection, std::nullopt);
  EXPECT_EQ(output.channels.size(), kMaxDocumentChannels);
}

TEST(ScriptLimits, AnEndlessLoopCannotSaveItself) {
  const auto function =
      bad_function("for (;;) { try { for (;;) {} } catch (e) {} finally { for (;;) {} } }");
  EXPECT_EQ(bad_run(*function), kTimedOut);
  expect_fine(*function);
}

TEST(ScriptLimits, AnEndlessLoopInWhatIsThrownIsStopped) {
  const auto function = bad_function("throw {get forbidden() { for (;;) {} }}");
  EXPECT_EQ(bad_run(*function), kTimedOut);
  expect_fine(*function);
}

TEST(ScriptLimits, ACatastrophicRegularExpressionIsStopped) {
  const auto function = bad_function("/^(a|a)*$/.test('a'.repeat(60) + 'b')");
  EXPECT_EQ(bad_run(*function), kTimedOut);
  expect_fine(*function);
}

TEST(ScriptLimits, AMemoryBombOfObjectsIsStopped) {
  const auto function = bad_function("var a = null; for (;;) a = {next: a, more: [1, 2, 3]}");
  EXPECT_THAT(bad_run(*function), AnyOf(kOutOfMemory, kTimedOut));
  expect_fine(*function);
}

TEST(ScriptLimits, AMemoryBombCannotSaveItself) {
  const auto function =
      bad_function("var a = []; for (;;) { try { for (;;) a.push({}) } catch (e) { } }");
  EXPECT_THAT(bad_run(*function), AnyOf(kOutOfMemory, kTimedOut));
  expect_fine(*function);
}

TEST(ScriptLimits, AMemoryBombOfTextIsStopped) {
  const auto function = bad_function(
      "var a = []; for (var i = 0;; i++) a.push(('x' + i).repeat(1e5).split('').join('-'))");
  EXPECT_THAT(bad_run(*function), AnyOf(kOutOfMemory, kTimedOut));
  expect_fine(*function);
}

TEST(ScriptLimits, WhatIsCaughtAfterOutOfMemoryIsStillRejected) {
  const auto function = with_body(
      "if (doc.bad) try { var a = []; for (;;) a.push({}) } catch (e) { a = null }\n"
      "channel('fine')",
      kMuchTime);
  EXPECT_EQ(bad_run(*function), kOutOfMemory);
  expect_fine(*function);
}

// Their elements come from malloc, which the engine's own limit does not count.
TEST(ScriptLimits, AMemoryBombOfNumbersCannotSaveItselfAndTheRuntimeIsReplaced) {
  const auto function = with_body(
      "if (doc.bad) try { var a = []; for (;;) a.push(new Array(1e6).fill(1.5)) }\n"
      "catch (e) { a = null }\n"
      "channel('fine')",
      kMuchTime);
  const ScriptCounters before = script_counters();
  EXPECT_EQ(bad_run(*function), kOutOfMemory);
  EXPECT_EQ(script_counters().out_of_memory, before.out_of_memory + 1);
  expect_fine(*function);
  EXPECT_EQ(script_counters().runtimes_started, before.runtimes_started + 1);
}

// One of them could take gigabytes at once, before anybody looks.
TEST(ScriptLimits, ThereAreNoTypedArrays) {
  for (const char* name : {"ArrayBuffer", "Uint8Array", "Float64Array", "BigInt64Array", "DataView",
                           "SharedArrayBuffer", "TextEncoder", "Atomics", "WebAssembly"})
    EXPECT_THAT(channels_of("channel(typeof " + std::string(name) + ")"), ElementsAre("undefined"))
        << name;
  EXPECT_EQ(bad_run(*bad_function("new Uint8Array(1e9).fill(1)")).reason,
            "Exception in JS sync function");
}

TEST(ScriptLimits, EndlessRecursionIsAnErrorOfTheFunction) {
  const auto function = bad_function("(function f() { f() })()");
  const ScriptCounters before = script_counters();
  EXPECT_EQ(bad_run(*function), kTooDeep);
  expect_fine(*function);
  EXPECT_EQ(script_counters().runtimes_started, before.runtimes_started);
}

TEST(ScriptLimits, RecursionThroughBuiltInCodeIsAnErrorOfTheFunction) {
  for (const char* body :
       {"(function f() { [1].map(f) })()", "(function f() { JSON.stringify({toJSON: f}) })()",
        "(function f() { 'x'.replace(/x/, f) })()"}) {
    EXPECT_EQ(bad_run(*bad_function(body)), kTooDeep) << body;
  }
}

TEST(ScriptLimits, AHugeDocumentGetsTheRoomItNeeds) {
  std::string doc = R"({"items":[)";
  while (doc.size() < (10u << 20)) doc += R"({"name":"a fine thing","price":12.5,"n":[1,2,3]},)";
  doc += "{}]}";
  const auto function = with_body("channel('n' + doc.items.length, oldDoc.items.length && 'old')",
                                  ScriptLimits{.wall_time = std::chrono::seconds(60)});
  const auto output = run(*function, {doc, doc, nullptr});
  EXPECT_EQ(output.rejection, std::nullopt);
  EXPECT_EQ(output.channels.size(), 2u);
}

TEST(ScriptLimits, MoreFunctionsThanARuntimeKeepsAllWork) {
  std::vector<std::shared_ptr<const SyncFunction>> functions;
  for (std::size_t i = 0; i < kFunctionsPerRuntime + 8; ++i)
    functions.push_back(with_body("channel('c" + std::to_string(i) + "')"));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < functions.size(); ++i)
      EXPECT_THAT(run(*functions[i], input_of("{}")).channels,
                  ElementsAre("c" + std::to_string(i)));
  }
}

TEST(ScriptThreads, OneFunctionRunsOnManyThreadsAtOnce) {
  const auto function = with_body("channel(doc.c); if (doc.bad) for (;;) {}");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "c" + std::to_string(t);
      for (int i = 0; i < 500; ++i) {
        const auto output = function->run(input_of("{\"c\":\"" + name + "\"}"));
        if (!output || output->channels != Channels{name}) ++wrong;
      }
      const auto stopped = function->run(input_of(R"({"bad":true})"));
      if (!stopped || stopped->rejection != kTimedOut) ++wrong;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ScriptThreads, AFunctionMayBeDroppedAndReplacedWhileOthersRunIt) {
  std::mutex mutex;
  std::shared_ptr<const SyncFunction> current = with_body("channel('v0')");
  std::atomic<bool> is_over{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!is_over) {
        const auto function = [&] {
          const std::lock_guard lock(mutex);
          return current;
        }();
        const auto output = function->run(input_of("{}"));
        if (!output || output->channels.size() != 1) ++wrong;
      }
    });
  }
  for (int version = 1; version < 100; ++version) {
    auto next = with_body("channel('v" + std::to_string(version) + "')");
    const std::lock_guard lock(mutex);
    current = std::move(next);
  }
  is_over = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ScriptThreads, ARuntimeEndsWithItsThread) {
  const auto function = with_body("channel('a')");
  for (int i = 0; i < 20; ++i) {
    std::thread([&] { EXPECT_TRUE(function->run(input_of("{}"))); }).join();
  }
}

}  // namespace
}  // namespace headgate
