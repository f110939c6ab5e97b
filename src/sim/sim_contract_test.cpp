// SPDX-License-Identifier: Apache-2.0
#include "bucket/contract_test.hpp"
#include "sim/sim_bucket.hpp"

namespace headgate {
namespace {

using std::chrono::hours;

/// Turns a simulated world for the contract's tests: every bucket is on one node.
class SimDriver final : public TestDriver {
 public:
  Environment& environment() override { return node_; }
  void run(Task<void> task) override {
    EXPECT_TRUE(run_on(node_, std::move(task), hours(1))) << world_.recent_events();
  }
  void run_ready() override { world_.run_until(world_.now()); }
  void advance(std::chrono::nanoseconds by) override { world_.run_for(by); }
  SimWorld& world() { return world_; }

 private:
  SimWorld world_{{.seed = 1}};
  SimEnvironment node_{world_, NodeNumber(1)};
};

class SimUnderTest final : public StoreUnderTest {
 public:
  explicit SimUnderTest(SimStore::Options options) : store_(driver_.world(), options) {}
  std::unique_ptr<Bucket> open(Environment& environment) override {
    return std::make_unique<SimBucket>(dynamic_cast<SimEnvironment&>(environment), store_);
  }
  TestDriver& driver() override { return driver_; }

 private:
  SimDriver driver_;
  SimStore store_;
};

StoreKind kind(std::string name, SimStore::Options options) {
  return {std::move(name), [options] { return std::make_unique<SimUnderTest>(options); }};
}

INSTANTIATE_TEST_SUITE_P(Sim, BucketContract,
                         testing::Values(kind("one_partition", {.partitions = 1}),
                                         kind("three_partitions", {.partitions = 3}),
                                         kind("no_replicas", {.partitions = 2, .replicas = 0})),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headgate
