// SPDX-License-Identifier: Apache-2.0
#include "bucket/contract_test.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"

namespace headgate {
namespace {

class RocksUnderTest final : public StoreUnderTest {
 public:
  RocksUnderTest() {
    auto store = RocksStore::open({.directory = directory_ / "store"});
    HG_ASSERT(store.has_value());
    store_ = std::move(*store);
  }
  std::unique_ptr<Bucket> open(Environment& environment) override {
    return std::make_unique<RocksBucket>(environment, *store_);
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RocksStore> store_;
};

INSTANTIATE_TEST_SUITE_P(RocksDB, BucketContract,
                         testing::Values(StoreKind{
                             "embedded", [] { return std::make_unique<RocksUnderTest>(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headgate
