// SPDX-License-Identifier: Apache-2.0
#include "database_load.hpp"

#include <fmt/format.h>

#include "database/catalog.hpp"
#include "database/database.hpp"

namespace headgate {

namespace {

/// A node without ports.
class PortlessNode final : public ChangeListener {
 public:
  explicit PortlessNode(const std::string& directory)
      : store_(RocksStore::open({.directory = directory}).value()),
        bucket_(loop_.environment(), *store_),
        catalog_(loop_.environment(), bucket_, bucket_) {
    loop_.start();
  }
  ~PortlessNode() override {
    loop_.stop();
    database_.reset();
  }

  bool start() { return loop_.run(open_database()); }
  bool stop() { return loop_.run(stop_database()); }
  LoadFigures run(std::size_t writers, std::chrono::nanoseconds time, std::string document) {
    document_ = std::move(document);
    const RocksStatistics before = store_->statistics();
    LoadFigures figures = loop_.run(write_all(writers, time));
    const RocksStatistics after = store_->statistics();
    figures.batches = after.batches - before.batches;
    figures.syncs = after.wal_syncs - before.wal_syncs;
    return figures;
  }

  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}

 private:
  Task<bool> open_database() {
    const auto opened = co_await catalog_.open();
    auto entry = co_await catalog_.create("db", {});
    if (!opened || !entry) co_return false;
    database_ = std::make_unique<Database>(
        Database::Dependencies{loop_.environment(), bucket_, bucket_, *this}, *std::move(entry));
    co_return (co_await database_->start()).has_value();
  }
  Task<bool> stop_database() {
    co_await database_->stop();
    co_return true;
  }
  Task<LoadFigures> write_all(std::size_t writers, std::chrono::nanoseconds time) {
    const TimePoint began = loop_.environment().now();
    deadline_ = began + time;
    TaskScope scope(loop_.environment());
    for (std::size_t i = 0; i < writers; ++i) scope.spawn(write_some());
    co_await scope.join();
    figures_.seconds = std::chrono::duration<double>(loop_.environment().now() - began).count();
    co_return figures_;
  }
  Task<void> write_some() {
    while (loop_.environment().now() < deadline_) {
      WriteItem item;
      item.id = DocId(fmt::format("{:016x}", next_++ * 0x9e3779b97f4a7c15));
      item.document = parse_document(document_).value();
      const auto written =
          co_await database_->writer().write_one(Principal::admin(), std::move(item));
      ++(written ? figures_.writes : figures_.failures);
    }
  }

  EventLoop loop_;
  std::unique_ptr<RocksStore> store_;
  RocksBucket bucket_;
  DatabaseCatalog catalog_;
  std::unique_ptr<Database> database_;
  std::string document_;
  TimePoint deadline_;
  std::uint64_t next_ = 0;
  LoadFigures figures_;
};

}  // namespace

LoadFigures run_database_load(const std::string& directory, std::size_t writers,
                              std::chrono::nanoseconds time, std::size_t document_bytes) {
  PortlessNode node(directory);
  if (!node.start()) return {};
  const LoadFigures figures =
      node.run(writers, time,
               R"({"channels":["news"],"text":")" + std::string(document_bytes - 31, 'x') + "\"}");
  node.stop();
  return figures;
}

}  // namespace headgate
