// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_fixture.hpp"

namespace headgate {
namespace {

/// A bucket of its own on servers that all tests of the program share.
class RedisUnderTest final : public StoreUnderTest {
 public:
  explicit RedisUnderTest(RedisOptions options) : options_(std::move(options)) {
    static int made = 0;
    options_.name = "t" + std::to_string(++made) + "p";
  }
  std::unique_ptr<Bucket> open(Environment&) override { return open_bucket(driver_, options_); }
  TestDriver& driver() override { return driver_; }

 private:
  RedisOptions options_;
  AsioDriver driver_;
};

std::unique_ptr<StoreUnderTest> on_single(std::size_t partitions) {
  static RedisServer server;
  return std::make_unique<RedisUnderTest>(
      RedisOptions{.addresses = {server.address()}, .partitions = partitions});
}

std::unique_ptr<StoreUnderTest> on_cluster() {
  static RedisServers servers{std::chrono::seconds(10)};
  return std::make_unique<RedisUnderTest>(RedisOptions{
      .addresses = {servers.at(4).address()}, .replicas = 1, .patience = std::chrono::seconds(5)});
}

INSTANTIATE_TEST_SUITE_P(Single, BucketContract,
                         testing::Values(StoreKind{"one_partition", [] { return on_single(1); }},
                                         StoreKind{"sixteen_partitions",
                                                   [] { return on_single(16); }}),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Cluster, BucketContract,
                         testing::Values(StoreKind{"three_masters", [] { return on_cluster(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headgate
