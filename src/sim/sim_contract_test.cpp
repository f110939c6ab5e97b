// SPDX-License-Identifier: Apache-2.0
#include "bucket/contract_test.hpp"
#include "sim/sim_bucket.hpp"

namespace headgate {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

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
  SimUnderTest(SimStore::Options options, SimFaults faults) : store_(driver_.world(), options) {
    store_.faults() = faults;
  }
  std::unique_ptr<Bucket> open(Environment& environment) override {
    return std::make_unique<SimBucket>(dynamic_cast<SimEnvironment&>(environment), store_);
  }
  TestDriver& driver() override { return driver_; }

 private:
  SimDriver driver_;
  SimStore store_;
};

StoreKind kind(std::string name, SimStore::Options options, SimFaults faults = {}) {
  return {std::move(name),
          [options, faults] { return std::make_unique<SimUnderTest>(options, faults); }};
}

/// What a caller that takes one step after the other must not even notice.
SimFaults slowness() {
  return {.network = {.delay = {microseconds(100), milliseconds(3)},
                      .late = 0.1,
                      .late_delay = {milliseconds(10), milliseconds(10)}},
          .feed = {.stall = 0.3,
                   .stall_delay = {milliseconds(1), milliseconds(20)},
                   .skip_superseded = 0.5,
                   .short_batch = 0.3},
          .replication_lag = {milliseconds(1), milliseconds(9)}};
}

INSTANTIATE_TEST_SUITE_P(Sim, BucketContract,
                         testing::Values(kind("one_partition", {.partitions = 1}),
                                         kind("three_partitions", {.partitions = 3}),
                                         kind("no_replicas", {.partitions = 2, .replicas = 0}),
                                         kind("slow", {.partitions = 3}, slowness())),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headgate
