// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_bucket.hpp"

#include <algorithm>
#include <utility>

#include "sim/sim_feed.hpp"

namespace headgate {
namespace {

std::uint64_t digest(const Key& key, std::uint64_t hash) {
  return fnv1a(key.name, fnv1a(key.tag, hash + static_cast<std::uint64_t>(key.kind)));
}

template <class O>
std::uint64_t digest_one(const O& o, std::uint64_t hash) {
  hash = digest(o.key, hash);
  if constexpr (requires { o.value; }) hash = fnv1a(o.value, hash);
  if constexpr (requires { o.bytes; }) hash = fnv1a(o.bytes, hash);
  return hash;
}

std::uint64_t digest(const std::vector<Operation>& operations) {
  std::uint64_t hash = 0;
  for (const Operation& operation : operations)
    hash = std::visit([&](const auto& o) { return digest_one(o, hash); }, operation);
  return hash;
}

bool is_replication_awaited(const SimBatch& batch) {
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    const WriteOptions* options = options_of(batch.operations[i]);
    if (!options || options->durability != Durability::replicated) continue;
    if (batch.replies[i].ok()) return true;
  }
  return false;
}

}  // namespace

SimBucket::SimBucket(SimEnvironment& environment, SimStore& store)
    : caller_(environment, store), histories_(store.partition_count()) {
  HG_ASSERT(&environment.world() == &store.world());
}

PartitionNumber SimBucket::partition_of(const Key& key) const {
  return caller_.store().partition_of(key);
}

void SimBucket::saw(PartitionNumber partition, HistoryId history) {
  if (history != HistoryId()) histories_[partition.value()] = history;
}

Task<std::vector<Reply>> SimBucket::pipeline(std::vector<Operation> operations, Deadline deadline) {
  caller_.check_alive();
  return run_pipeline(std::move(operations), deadline);
}

Task<std::vector<Reply>> SimBucket::run_pipeline(std::vector<Operation> operations,
                                                 Deadline deadline) {
  std::vector<Reply> replies(operations.size(), Reply{.status = Errc::timeout_unknown_outcome});
  co_await caller_.environment().yield();
  if (caller_.is_past(deadline)) co_return replies;
  const Deadline end = caller_.end_of(deadline);
  std::vector<std::shared_ptr<SimBatch>> batches(partition_count());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    auto& batch = batches[partition_of(key_of(operations[i])).value()];
    if (!batch) batch = std::make_shared<SimBatch>(SimBatch{.node = caller_.environment().node()});
    batch->places.push_back(i);
    batch->operations.push_back(std::move(operations[i]));
  }
  std::vector<SimPending<std::vector<Reply>>> pending(batches.size());
  for (std::uint32_t p = 0; p < batches.size(); ++p)
    if (batches[p]) pending[p] = send_batch(PartitionNumber(p), batches[p]);
  for (std::uint32_t p = 0; p < batches.size(); ++p) {
    if (!batches[p]) continue;
    auto arrived = co_await caller_.wait(pending[p], end);
    for (std::size_t i = 0; i < batches[p]->places.size(); ++i) {
      Reply& reply = replies[batches[p]->places[i]];
      reply = arrived ? std::move((*arrived)[i]) : Reply{.status = arrived.error().code};
      saw(PartitionNumber(p), reply.history);
    }
  }
  co_return replies;
}

SimPending<std::vector<Reply>> SimBucket::send_batch(PartitionNumber partition,
                                                     std::shared_ptr<SimBatch> batch) {
  const std::uint64_t hash = digest(batch->operations);
  const auto execute = [store = &caller_.store(), partition, batch](SimMaster& master,
                                                                    auto answer) {
    if (!batch->replies.empty()) return store->repeat(partition, master, *batch);
    store->carry_out(partition, master, batch, [=](SimMaster* reached) {
      if (!is_replication_awaited(*batch)) return answer(batch->replies);
      // Whoever waits for a replica of a master that is gone is not answered.
      if (reached != nullptr)
        store->at(partition).when_covered(*reached, [answer, batch] { answer(batch->replies); });
    });
  };
  return caller_.send<std::vector<Reply>>("pipeline", partition, hash, execute);
}

Task<Result<Bucket::ScanPage>> SimBucket::scan(Scan scan, Deadline deadline) {
  caller_.check_alive();
  return run_scan(std::move(scan), deadline);
}

Task<Result<Bucket::ScanPage>> SimBucket::run_scan(Scan scan, Deadline deadline) {
  co_await caller_.environment().yield();
  if (caller_.is_past(deadline)) co_return Errc::timeout_unknown_outcome;
  const Key any{scan.database, scan.kind, scan.tag, scan.from};
  const PartitionNumber partition = partition_of(any);
  const auto execute = [store = &caller_.store(), scan](SimMaster& master, auto answer) {
    answer(ScanPage{master.scan(scan, store->world().wall_now()), master.history()});
  };
  const auto pending = caller_.send<ScanPage>("scan", partition, digest(any, scan.limit), execute);
  HG_CO_TRY(ScanPage page, co_await caller_.wait(pending, caller_.end_of(deadline)));
  saw(partition, page.history);
  co_return page;
}

Task<Result<std::vector<HistoryId>>> SimBucket::barrier(Deadline deadline) {
  caller_.check_alive();
  return run_barrier(deadline);
}

Task<Result<std::vector<HistoryId>>> SimBucket::run_barrier(Deadline deadline) {
  const auto execute = [store = &caller_.store()](PartitionNumber partition, SimMaster& master,
                                                  std::function<void(Result<HistoryId>)> answer) {
    if (store->is_full()) return answer(Errc::no_space);
    store->at(partition).cover_without_replicas(master);
    store->at(partition).when_covered(master,
                                      [answer, history = master.history()] { answer(history); });
  };
  HG_CO_TRY(auto histories, co_await caller_.ask_all<HistoryId>("barrier", deadline, execute));
  for (std::uint32_t p = 0; p < histories.size(); ++p) saw(PartitionNumber(p), histories[p]);
  co_return histories;
}

Result<std::unique_ptr<MutationFeed>> SimBucket::open_feed(DatabaseId database,
                                                           FeedPositions positions) {
  caller_.check_alive();
  if (positions.empty()) positions.resize(partition_count());
  if (positions.size() != partition_count())
    return Error{Errc::invalid_argument, "feed positions of another number of partitions"};
  return std::unique_ptr<MutationFeed>(std::make_unique<SimFeed>(
      caller_.environment(), caller_.store(), database, std::move(positions)));
}

Task<Result<void>> SimBucket::drop_database(DatabaseId database, Deadline deadline) {
  caller_.check_alive();
  return run_drop(database, deadline);
}

Task<Result<void>> SimBucket::run_drop(DatabaseId database, Deadline deadline) {
  const auto execute = [store = &caller_.store(), database, node = caller_.environment().node()](
                           PartitionNumber partition, SimMaster& master,
                           std::function<void(Result<HistoryId>)> answer) {
    if (store->is_full()) return answer(Errc::no_space);
    store->drop_database(partition, master, database, node);
    answer(master.history());
  };
  HG_CO_TRY(auto histories, co_await caller_.ask_all<HistoryId>("drop", deadline, execute));
  for (std::uint32_t p = 0; p < histories.size(); ++p) saw(PartitionNumber(p), histories[p]);
  co_return Result<void>();
}

}  // namespace headgate
