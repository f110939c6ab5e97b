// SPDX-License-Identifier: Apache-2.0
#include "access/script_engine.hpp"

#include "access/script_test_support.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Rejection kFailed{Errc::internal, "Exception in JS sync function"};
const Rejection kAccepted{Errc::ok, ""};

Rejection forbidden(std::string reason) {
  return {Errc::forbidden, std::move(reason)};
}

std::shared_ptr<const SyncUser> alice() {
  const Channels channels{"!", "news", "a b"};
  const Channels roles{"editor"};
  return SyncUser::make("alice", channels, roles);
}

std::shared_ptr<const SyncUser> guest() {
  const Channels channels{"!"};
  return SyncUser::make("", channels, {});
}

// channel()

TEST(SyncChannel, TakesStringsAndArraysAndAccumulates) {
  EXPECT_THAT(channels_of("channel('b', ['c', 'a']); channel('b', 'd')"),
              ElementsAre("a", "b", "c", "d"));
}

TEST(SyncChannel, IgnoresNullAndUndefined) {
  EXPECT_THAT(
      channels_of("channel(null, undefined, doc.nothing, [null, undefined, 'a']); channel()"),
      ElementsAre("a"));
}

TEST(SyncChannel, IgnoresWhatIsNoString) {
  EXPECT_THAT(channels_of("channel(7, {a: 1}, true, [['nested'], 8, 'a'], new String('s'))"),
              ElementsAre("a"));
}

TEST(SyncChannel, ReadsTheDocument) {
  EXPECT_THAT(channels_of("channel(doc.type, doc._id, doc.tags)",
                          R"({"_id":"x","_rev":"1-a","type":"order","tags":["é","日本"]})"),
              ElementsAre("order", "x", "é", "日本"));
}

TEST(SyncChannel, AllowsAnyCharacterButTheComma) {
  EXPECT_THAT(channels_of(R"(channel('a b', 'x\n', '\u0000', '"', '\ud83d\ude00', '!'))"),
              ElementsAre(std::string("\0", 1), "!", "\"", "a b", "x\n", "😀"));
}

TEST(SyncChannel, RefusesIllegalNamesAs400) {
  EXPECT_EQ(rejection_of("channel('a', '')").code, Errc::invalid_argument);
  EXPECT_EQ(rejection_of("channel('a,b')"),
            (Rejection{Errc::invalid_argument, "Illegal channel name: \"a,b\""}));
  EXPECT_EQ(rejection_of("channel('x'.repeat(1001))").code, Errc::invalid_argument);
  EXPECT_EQ(rejection_of("channel('\\ud83d')").code, Errc::invalid_argument);
  EXPECT_EQ(rejection_of("channel('x'.repeat(1000))"), kAccepted);
}

TEST(SyncChannel, StarAmongOthersStandsAlone) {
  EXPECT_THAT(channels_of("channel('a', '*', 'b')"), ElementsAre("*"));
}

TEST(SyncChannel, TooManyAreRefused) {
  EXPECT_EQ(rejection_of("for (var i = 0; i < 10001; i++) channel('c' + i)"),
            (Rejection{Errc::invalid_argument, "Too many channels"}));
  EXPECT_EQ(rejection_of("for (var i = 0; i < 10001; i++) channel('c')"), kAccepted);
}

// access() and role()

TEST(SyncAccess, GrantsEveryChannelToEveryPrincipal) {
  const auto output = run_body("access(['bob', 'role:staff'], ['x', 'y']); access('bob', 'z')");
  ASSERT_THAT(output.access, SizeIs(2));
  EXPECT_THAT(output.access.at(PrincipalName::user("bob")), ElementsAre("x", "y", "z"));
  EXPECT_THAT(output.access.at(PrincipalName::role("staff")), ElementsAre("x", "y"));
}

TEST(SyncAccess, CannotGrantEverything) {
  EXPECT_THAT(run_body("access('bob', '*'); access('bob', ['*'])").access, IsEmpty());
}

TEST(SyncAccess, IgnoresNullAndWhatIsNoString) {
  EXPECT_THAT(run_body("access(null, 'x'); access('bob', undefined); access([3], [{}])").access,
              IsEmpty());
}

TEST(SyncAccess, AnIllegalUserNameFailsTheFunction) {
  EXPECT_EQ(rejection_of("access('a/b', 'x')").code, Errc::internal);
  EXPECT_EQ(rejection_of("access('a,b', 'x')").code, Errc::internal);
  EXPECT_EQ(rejection_of("access('', 'x')").code, Errc::internal);
  EXPECT_EQ(rejection_of("access('role:', 'x')").code, Errc::internal);
}

TEST(SyncAccess, AnIllegalChannelNameIs400) {
  EXPECT_EQ(rejection_of("access('bob', 'a,b')").code, Errc::invalid_argument);
}

TEST(SyncAccess, TooManyGrantsAreRefused) {
  EXPECT_EQ(rejection_of("for (var i = 0; i < 10001; i++) access('u' + i, 'c')"),
            (Rejection{Errc::invalid_argument, "Too many grants"}));
}

TEST(SyncRole, GrantsRolesToUsers) {
  const auto output = run_body("role(['bob', 'eve'], ['role:a', 'role:b']); role('bob', 'role:c')");
  ASSERT_THAT(output.roles, SizeIs(2));
  EXPECT_THAT(output.roles.at("bob"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(output.roles.at("eve"), ElementsAre("a", "b"));
}

TEST(SyncRole, RolesAreWrittenWithTheirPrefix) {
  EXPECT_EQ(rejection_of("role('bob', 'a')").code, Errc::internal);
  EXPECT_EQ(rejection_of("role('role:x', 'role:a')").code, Errc::internal);
  EXPECT_EQ(rejection_of("role('bob', 'role:')").code, Errc::internal);
  EXPECT_THAT(run_body("role(null, 'role:a'); role('bob', null)").roles, IsEmpty());
}

// require...()

TEST(SyncRequire, UserMatchesAnyName) {
  EXPECT_EQ(rejection_of("requireUser('alice'); requireUser(['bob', 'alice'])", alice()),
            kAccepted);
  EXPECT_EQ(rejection_of("requireUser('bob')", alice()), forbidden("sg wrong user"));
  EXPECT_EQ(rejection_of("requireUser([])", alice()), forbidden("sg wrong user"));
  EXPECT_EQ(rejection_of("requireUser(null)", alice()), forbidden("sg wrong user"));
}

TEST(SyncRequire, RoleMatchesAnyName) {
  EXPECT_EQ(rejection_of("requireRole(['x', 'editor'])", alice()), kAccepted);
  EXPECT_EQ(rejection_of("requireRole('edit')", alice()), forbidden("sg missing role"));
  EXPECT_EQ(rejection_of("requireRole([])", alice()), forbidden("sg missing role"));
  EXPECT_EQ(rejection_of("requireRole('')", guest()), forbidden("sg missing role"));
}

TEST(SyncRequire, AccessMatchesExactNamesOnly) {
  EXPECT_EQ(rejection_of("requireAccess('a b'); requireAccess(['x', '!'])", alice()), kAccepted);
  EXPECT_EQ(rejection_of("requireAccess('new')", alice()), forbidden("sg missing channel access"));
  EXPECT_EQ(rejection_of("requireAccess('!,news')", alice()),
            forbidden("sg missing channel access"));
  EXPECT_EQ(rejection_of("requireAccess([])", alice()), forbidden("sg missing channel access"));
}

TEST(SyncRequire, AHolderOfStarPassesOnlyWhereStarIsNamed) {
  const Channels channels{"!", "*"};
  const auto user = SyncUser::make("all", channels, {});
  EXPECT_EQ(rejection_of("requireAccess('x')", user), forbidden("sg missing channel access"));
  EXPECT_EQ(rejection_of("requireAccess(['x', '*'])", user), kAccepted);
}

TEST(SyncRequire, AdminMeansAnAdminRequest) {
  EXPECT_EQ(rejection_of("requireAdmin()", alice()), forbidden("sg admin required"));
  EXPECT_EQ(rejection_of("requireAdmin()", guest()), forbidden("sg admin required"));
}

TEST(SyncRequire, DoesNothingForAdmins) {
  EXPECT_EQ(rejection_of("requireUser('x'); requireRole('x'); requireAccess([]); requireAdmin()"),
            kAccepted);
}

TEST(SyncRequire, TheGuestIsCheckedLikeAnybody) {
  EXPECT_EQ(rejection_of("requireUser('alice')", guest()), forbidden("sg wrong user"));
  EXPECT_EQ(rejection_of("requireUser('')", guest()), kAccepted);
}

TEST(SyncRequire, ADeclinedRequirementCanBeCaughtAndAnotherTried) {
  EXPECT_EQ(rejection_of("try { requireRole('x') } catch (e) { requireUser('alice') }", alice()),
            kAccepted);
}

TEST(SyncRequire, TheFirstRejectionWins) {
  EXPECT_EQ(rejection_of("requireUser('bob'); throw({unauthorized: 'later'})", alice()),
            forbidden("sg wrong user"));
  EXPECT_EQ(rejection_of("channel(''); throw({forbidden: 'later'})").code, Errc::invalid_argument);
}

// throw

TEST(SyncThrow, ForbiddenAndUnauthorizedCarryTheirText) {
  EXPECT_EQ(rejection_of("throw({forbidden: 'no, never'})"), forbidden("no, never"));
  EXPECT_EQ(rejection_of("throw({unauthorized: 'who?'})"), (Rejection{Errc::unauthorized, "who?"}));
  EXPECT_EQ(rejection_of("throw({forbidden: 'f', unauthorized: 'u'})"), forbidden("f"));
  EXPECT_EQ(rejection_of("var e = new Error('x'); e.forbidden = 'own'; throw e"), forbidden("own"));
  EXPECT_EQ(rejection_of("throw({forbidden: 42})"), forbidden("42"));
}

TEST(SyncThrow, EverythingElseIsAFailureOfTheFunction) {
  for (const char* body :
       {"throw 'text'", "throw null", "throw undefined", "throw 7", "throw {}",
        "throw new Error('x')", "doc.a.b.c()", "undefinedFunction()", "throw {forbidden: ''}",
        "throw {forbidden: {toString: 1}}", "throw {get forbidden() { throw 1 }}",
        "throw {forbidden: Object.create(null)}", "throw Symbol('s')"}) {
    EXPECT_EQ(rejection_of(body), kFailed) << body;
  }
}

TEST(SyncThrow, ARejectedWriteHasNothingElse) {
  const auto output = run_body("channel('a'); access('u', 'c'); throw({forbidden: 'x'})");
  EXPECT_THAT(output.channels, IsEmpty());
  EXPECT_THAT(output.access, IsEmpty());
}

// The rest of the interface

TEST(SyncExpiry, TheLastValueCounts) {
  EXPECT_EQ(run_body("").expiry, std::nullopt);
  EXPECT_EQ(run_body("expiry(null); expiry(undefined); expiry()").expiry, std::nullopt);
  EXPECT_EQ(run_body("expiry(10); expiry(3600); expiry(null)").expiry, "3600");
  EXPECT_EQ(run_body("expiry('2030-01-01T00:00:00Z')").expiry, "\"2030-01-01T00:00:00Z\"");
  EXPECT_EQ(run_body("expiry(new Date(0))").expiry, "\"1970-01-01T00:00:00.000Z\"");
}

TEST(SyncArguments, OldDocIsNullForNewDocuments) {
  const auto function = with_body(
      "channel(oldDoc === null ? 'new' : oldDoc._deleted ? 'reborn' : oldDoc.was);"
      "channel(typeof meta.xattrs)");
  EXPECT_THAT(run(*function, {"{}", "", nullptr}).channels, ElementsAre("new", "object"));
  EXPECT_THAT(run(*function, {"{}", R"({"_id":"x","was":"old"})", nullptr}).channels,
              ElementsAre("object", "old"));
  EXPECT_THAT(run(*function, {"{}", R"({"_deleted":true})", nullptr}).channels,
              ElementsAre("object", "reborn"));
}

TEST(SyncArguments, AProtoMemberIsAnOrdinaryMember) {
  EXPECT_THAT(channels_of("channel(doc.__proto__.x, ({}).x, Object.keys(doc))",
                          R"({"__proto__":{"x":"y"}})"),
              ElementsAre("__proto__", "y"));
}

TEST(SyncConsole, LinesAreTakenAndBounded) {
  EXPECT_THAT(
      channels_of("for (var i = 0; i < 1000; i++) console.log('x'.repeat(1e4), {a: 1}, null);"
                  "console.error('e'); console.warn(1); channel('done')"),
      ElementsAre("done"));
}

TEST(SyncForms, ArrowAndNamedFunctionsWork) {
  EXPECT_THAT(run(*compiled("(doc) => { channel('a'); }"), input_of("{}")).channels,
              ElementsAre("a"));
  EXPECT_THAT(
      run(*compiled(" function sync(doc) { channel('b') } // end\n ;\n"), input_of("{}")).channels,
      ElementsAre("b"));
  EXPECT_THAT(run(*compiled("doc => channel(doc.c)"), input_of(R"({"c":"c"})")).channels,
              ElementsAre("c"));
}

TEST(SyncForms, TheSampleSyncFunctionOfTheManualsWorks) {
  const auto function = compiled(R"(function (doc, oldDoc) {
    if (doc._deleted) { requireUser(oldDoc.owner); return; }
    if (!doc.owner) { throw({forbidden : "missing owner"}); }
    if (oldDoc) { requireUser(oldDoc.owner); }
    if (/^task:/.test(doc._id)) { channel("tasks." + doc.owner); }
    doc.members.forEach(function (member) { access(member, "tasks." + doc.owner); });
  })");
  const auto output =
      run(*function, input_of(R"({"_id":"task:1","owner":"alice","members":["bob"]})", alice()));
  EXPECT_THAT(output.channels, ElementsAre("tasks.alice"));
  EXPECT_THAT(output.access.at(PrincipalName::user("bob")), ElementsAre("tasks.alice"));
  EXPECT_EQ(run(*function, input_of("{}", alice())).rejection, forbidden("missing owner"));
}

// Compiling

std::string compile_error(std::string_view source) {
  auto function = compile_sync_function(source);
  EXPECT_FALSE(function) << source;
  if (function) return "";
  EXPECT_EQ(function.error().code, Errc::invalid_argument);
  return function.error().context;
}

TEST(SyncCompile, ErrorsNameTheLine) {
  EXPECT_THAT(compile_error("function (doc) {\n  channel(doc.x;\n}"), HasSubstr("line 2"));
  EXPECT_THAT(compile_error("function (doc) {\n\n  var x = 'abc\n}"), HasSubstr("line 3"));
}

TEST(SyncCompile, OnlyOnePlainFunctionExpressionIsTaken) {
  for (const char* source :
       {"", ";", "42", "channel('a')", "function (a) {}, function (b) {}", "async function () {}",
        "function* () {}", "async (doc) => {}",
        "(function () { var n = 0; return function () {} })()", "function () {}) + (function () {}",
        "function () {}); while (true) {} (function () {}", "function () {} function () {}", "{}",
        "'use strict'", "class {}"}) {
    EXPECT_THAT(compile_error(source),
                testing::AnyOf(HasSubstr("a sync function is"), HasSubstr("line ")))
        << source;
  }
}

// One multiplication of two may take hours, and nothing interrupts it.
TEST(SyncCompile, BigIntsAreRefused) {
  for (const char* source :
       {"function (doc) { return 2n; }", "doc => { let f = (a = [{b: 10n}]) => a; }"}) {
    const auto function = compile_sync_function(source);
    ASSERT_FALSE(function) << source;
    EXPECT_THAT(function.error().context, testing::HasSubstr("BigInt"));
  }
  EXPECT_THAT(channels_of("channel(typeof BigInt)"), ElementsAre("undefined"));
}

TEST(SyncCompile, LongSourcesAreRefused) {
  compile_error("function () {} //" + std::string(kMaxSyncFunctionBytes, 'x'));
}

TEST(SyncCompile, ADeeplyNestedSourceIsRefusedAndNotACrash) {
  compile_error("function () { return " + std::string(200'000, '[') + std::string(200'000, ']') +
                " }");
  EXPECT_THAT(channels_of("channel('after')"), ElementsAre("after"));
}

TEST(SyncRun, TextThatIsNoJsonIsTheCallersBug) {
  EXPECT_EQ(with_body("")->run(input_of("{")).error().code, Errc::invalid_argument);
}

// What a sync function must not have or keep

TEST(SyncSandbox, CodeFromTextAndSharedMemoryAreGone) {
  for (const char* name :
       {"eval", "Function", "WebAssembly", "SharedArrayBuffer", "Atomics", "ArrayBuffer", "Promise",
        "Proxy", "Reflect", "WeakRef", "FinalizationRegistry", "uneval", "setTimeout", "require",
        "print", "load"}) {
    EXPECT_THAT(channels_of("channel(typeof " + std::string(name) + ")"), ElementsAre("undefined"))
        << name;
  }
}

TEST(SyncSandbox, NoConstructorMakesCodeFromText) {
  for (const char* maker : {"(function () {})", "(function* () {})", "(async function () {})",
                            "(async function* () {})", "channel", "(() => 1)"}) {
    EXPECT_EQ(rejection_of(std::string(maker) + ".constructor('return 1')()"), kFailed) << maker;
  }
}

TEST(SyncSandbox, WaitingFailsAndLeavesNothingBehind) {
  EXPECT_EQ(rejection_of("(async function () { await 1; channel('late') })(); channel('now')"),
            kAccepted);
  EXPECT_THAT(channels_of("channel('a')"), ElementsAre("a"));
}

/// Runs twice, the second time with a document that has `second`; returns the second's channels.
Channels second_run(std::string_view body) {
  const auto function = with_body(body);
  run(*function, input_of("{}"));
  return run(*function, input_of(R"({"second":true})")).channels;
}

TEST(SyncSandbox, NothingIsRememberedFromOneDocumentToTheNext) {
  const std::pair<const char*, const char*> places[] = {
      {"globalThis.kept = 'leak'", "globalThis.kept"},
      {"kept = 'leak'", "typeof kept === 'undefined' ? null : kept"},
      {"this.kept = 'leak'", "this.kept"},
      {"Array.prototype.kept = 'leak'", "[].kept"},
      {"Object.prototype.kept = 'leak'", "({}).kept"},
      {"String.prototype.trim = function () { return 'leak' }", "'ok'.trim()"},
      {"JSON.parse = function () { return {second: 'leak'} }",
       "doc.second === true ? 'ok' : 'leak'"},
      {"channel.kept = 'leak'", "channel.kept"},
      {"console.kept = 'leak'", "console.kept"},
      {"channel = function () {}", "'ok'"},
      {"arguments.callee.kept = 'leak'", "arguments.callee.kept"},
      {"arguments.callee.prototype.kept = 'leak'", "arguments.callee.prototype.kept"},
      {"/le(ak)/.test('leak')", "RegExp.$1"},
      {"/le(ak)/.test('leak')", "/x/.constructor.$1"},
      {"/le(ak)/.test('leak')", "RegExp.lastMatch"},
      {"Object.getPrototypeOf([].keys()).kept = 'leak'", "Object.getPrototypeOf([].keys()).kept"},
      {"Object.getPrototypeOf(function* () {}).kept = 'leak'",
       "Object.getPrototypeOf(function* () {}).kept"},
      {"Object.getPrototypeOf((function* () {})()).__proto__.kept = 'leak'",
       "Object.getPrototypeOf((function* () {})()).__proto__.kept"},
      {"Object.getPrototypeOf('x'.matchAll(/x/g)).kept = 'leak'",
       "Object.getPrototypeOf('x'.matchAll(/x/g)).kept"},
      {"Math.kept = 'leak'", "Math.kept"},
      {"Symbol.iterator.kept = 'leak'", "Symbol.iterator.kept"},
      {"Error.prepareStackTrace = 'leak'", "Error.prepareStackTrace"},
      {"doc.__proto__.kept = 'leak'", "doc.kept"},
      {"meta.xattrs.kept = 'leak'", "meta.xattrs.kept"},
      {"RegExp.prototype.kept = 'leak'", "/x/.kept"},
  };
  for (const auto& [keep, look] : places) {
    const std::string body =
        "if (!doc.second) { " + std::string(keep) + " } else channel(" + look + ")";
    EXPECT_THAT(second_run(body), testing::AnyOf(IsEmpty(), ElementsAre("ok"))) << keep;
  }
}

TEST(SyncSandbox, EverythingInReachIsFrozen) {
  EXPECT_THAT(channels_of(R"(
    var seen = new Set(), path = new Map(), queue = [globalThis, arguments.callee];
    queue.forEach(o => path.set(o, ''));
    while (queue.length > 0) {
      var object = queue.pop();
      if (seen.has(object)) continue;
      seen.add(object);
      if (!Object.isFrozen(object)) channel('not frozen: ' + path.get(object));
      var next = Object.getOwnPropertyDescriptors(object);
      Object.getOwnPropertyNames(object).concat(Object.getOwnPropertySymbols(object)).forEach(k => {
        [next[k].value, next[k].get, next[k].set].forEach(o => {
          if (o !== Object(o) || seen.has(o)) return;
          path.set(o, path.get(object) + '.' + String(k));
          queue.push(o);
        });
      });
      var parent = Object.getPrototypeOf(object);
      if (parent && !seen.has(parent)) { path.set(parent, path.get(object) + '^'); queue.push(parent); }
    }
    channel(seen.size > 300 ? 'looked' : 'looked at ' + seen.size))"),
              ElementsAre("looked"));
}

TEST(SyncSandbox, AThrownRejectionDoesNotReachTheNextDocument) {
  const auto function = with_body("channel('a'); if (doc.bad) throw({forbidden: 'bad'})");
  EXPECT_TRUE(run(*function, input_of(R"({"bad":1})")).rejection);
  EXPECT_FALSE(run(*function, input_of("{}")).rejection);
}

TEST(SyncSandbox, RegularExpressionsAndOrdinaryCodeStillWork) {
  EXPECT_THAT(channels_of(R"(
    var m = 'a-b'.match(/(\w)-(\w)/); channel(m[1] + m[2]);
    channel('x,y'.split(/,/)); channel('q'.replace(/q/, 'r'));
    channel(new RegExp('^Z', 'i').test('z') && 'z'); channel(RegExp('w') instanceof RegExp && 'w');
    class Sub extends RegExp { name() { return 's' } } channel(new Sub('a').name());
    let map = new Map([['k', 'v']]); channel([...map.values()]);
    const {t = 'd'} = doc; channel(`${t}`); channel(JSON.parse('["j"]'));
    try { null.x } catch (e) { channel(e instanceof TypeError ? 'e' : 'f') })"),
              ElementsAre("ab", "d", "e", "j", "r", "s", "v", "w", "x", "y", "z"));
}

}  // namespace
}  // namespace headgate
