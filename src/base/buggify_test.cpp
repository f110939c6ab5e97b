// SPDX-License-Identifier: Apache-2.0
#include "base/buggify.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace headgate {
namespace {

using testing::ElementsAre;

class RecordingHooks final : public SimulationHooks {
 public:
  bool buggify(std::string_view name) override { return name == "rare"; }
  void probe(std::string_view name) override { probes.emplace_back(name); }
  bool is_rule_kept(std::string_view rule) override { return rule != "R3"; }

  std::vector<std::string> probes;
};

std::vector<bool> choices() {
  HG_PROBE("choices were asked for");
  return {HG_BUGGIFY("rare"), HG_BUGGIFY("other"), HG_RULE("R3"), HG_RULE("R4")};
}

TEST(Buggify, NothingHappensWithoutASimulator) {
  EXPECT_THAT(choices(), ElementsAre(false, false, true, true));
}

TEST(Buggify, TheInstalledHooksDecide) {
  if (!kHasSimulationHooks) GTEST_SKIP() << "a build without the hooks";
  RecordingHooks hooks;
  install_simulation_hooks(&hooks);
  EXPECT_THAT(choices(), ElementsAre(true, false, false, true));
  install_simulation_hooks(nullptr);
  EXPECT_THAT(hooks.probes, ElementsAre("choices were asked for"));
}

}  // namespace
}  // namespace headgate
