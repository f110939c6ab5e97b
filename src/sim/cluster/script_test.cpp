// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/script.hpp"

#include <gtest/gtest.h>

#include "sim/cluster/shrinker.hpp"
#include "sim/cluster/swarm.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

TEST(Script, SaysInTextAllThatItIs) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Script script = draw_script(seed, {});
    const auto read = Script::parse(script.print());
    ASSERT_TRUE(read) << read.error().context;
    EXPECT_TRUE(*read == script) << seed;
    EXPECT_TRUE(script.counts()) << seed;
  }
}

TEST(Script, NamesTheLineThatItCannotRead) {
  const auto error_of = [](std::string_view text) { return Script::parse(text).error().context; };
  EXPECT_EQ(error_of("set nodes many\n"), "line 1: \"set nodes many\"");
  EXPECT_EQ(error_of("# a comment\n\nset colour red\n"), "line 3: \"set colour red\"");
  EXPECT_EQ(error_of("at 5 explode\n"), "line 1: \"at 5 explode\"");
  EXPECT_EQ(error_of("at 5 crash turns=3\n"), "line 1: \"at 5 crash turns=3\"");
}

TEST(Script, HoldsFastWhatACampaignWants) {
  const SwarmOptions wanted{
      .format = BlockFormat::indexed, .mode = ReadMode::stable, .cache_writes = CacheWrites::feed};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const ScriptSettings settings = draw_script(seed, wanted).settings;
    EXPECT_EQ(settings.format, BlockFormat::indexed);
    EXPECT_EQ(settings.mode, ReadMode::stable);
    EXPECT_EQ(settings.cache_writes, CacheWrites::feed);
  }
}

/// One process, some writes and a crash, beside much that does not matter.
Script small_script() {
  Script script;
  script.settings.is_cluster = false;
  script.settings.duration = milliseconds(500);
  for (std::uint32_t i = 1; i <= 20; ++i)
    script.steps.push_back({.at = milliseconds(10 * i),
                            .kind = StepKind::write,
                            .number = i,
                            .node = 1,
                            .subject = 1 + i % 3,
                            .channels = {"a"}});
  script.steps.push_back({.at = milliseconds(1),
                          .kind = StepKind::follower,
                          .number = 30,
                          .feed = FeedKind::longpoll});
  script.steps.push_back({.at = milliseconds(100),
                          .kind = StepKind::crash,
                          .number = 31,
                          .node = 1,
                          .amount = 3,
                          .lasts = milliseconds(20)});
  script.sort();
  return script;
}

TEST(SimRun, RepeatsExactlyAndKeepsItsPromises) {
  const SimRunResult first = run_script(small_script(), {});
  const SimRunResult second = run_script(small_script(), {});
  EXPECT_FALSE(first.violation) << first.violation->what;
  EXPECT_EQ(first.log_hash, second.log_hash);
  EXPECT_EQ(first.faults.at("crash"), 1u);
  EXPECT_GT(first.operations.at("write: done"), 10u);
}

TEST(SimRun, OneWriteLessIsAnotherRun) {
  Script script = small_script();
  script.steps.pop_back();
  EXPECT_NE(run_script(script, {}).log_hash, run_script(small_script(), {}).log_hash);
}

// What would go on until its history fills the memory is a violation long before.
TEST(SimRun, EndsWhereADocumentMovesOnAndOn) {
  std::optional<Violation> found;
  for (std::uint64_t seed = 1; seed <= 20 && !found; ++seed)
    found = run_script(draw_script(seed, {}), {.broken_rules = {"R10"}}).violation;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->invariant, "R10");
}

TEST(SimRun, AimedFaultsStrikeInEveryPlan) {
  for (const std::string_view name :
       {"any", "late", "hidden", "rights", "lag", "stable", "moved", "directory"}) {
    const auto plan = aim_plan_of(name);
    ASSERT_TRUE(plan) << name;
    std::uint64_t struck = 0;
    for (std::uint64_t seed = 1; seed <= 5 && struck == 0; ++seed) {
      const Script script = draw_script(seed, {.plan = plan});
      EXPECT_EQ(script.settings.aim_plan, *plan);
      for (const auto& [kind, count] : run_script(script, {}).faults)
        if (kind.starts_with("aimed ")) struck += count;
    }
    EXPECT_GT(struck, 0u) << name;
  }
}

// A rule that is broken on purpose: found, and made short.
TEST(Shrinker, LeavesWhatBreaksThePromise) {
  const SimRunOptions options{.broken_rules = {"R7 read"}};
  std::optional<Script> failing;
  std::string invariant;
  for (std::uint64_t seed = 1; seed <= 40 && !failing; ++seed) {
    const Script script = draw_script(seed, {});
    const SimRunResult result = run_script(script, options);
    if (!result.violation) continue;
    failing = script;
    invariant = result.violation->invariant;
  }
  ASSERT_TRUE(failing) << "no checker misses the rule";
  const Shrunk shrunk = shrink(*failing, invariant, options, 3'000'000);
  ASSERT_TRUE(shrunk.result.violation);
  EXPECT_EQ(shrunk.result.violation->invariant, invariant);
  EXPECT_LT(shrunk.script.steps.size(), failing->steps.size() / 2);
}

}  // namespace
}  // namespace headgate
