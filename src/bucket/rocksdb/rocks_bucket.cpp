// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/rocks_bucket.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "bucket/rocksdb/cold_read.hpp"
#include "bucket/rocksdb/feed_record.hpp"
#include "bucket/rocksdb/mailbox.hpp"
#include "bucket/rocksdb/reads.hpp"
#include "bucket/rocksdb/rocks_feed.hpp"
#include "bucket/rocksdb/threads.hpp"

namespace headgate {
namespace {

/// What a waiting operation takes in memory, about.
std::size_t bytes_of(const Operation& operation) {
  constexpr std::size_t kFixed = 256;
  return std::visit(
      [](const auto& o) {
        std::size_t bytes = kFixed + o.key.tag.size() + o.key.name.size();
        if constexpr (requires { o.value; }) bytes += o.value.size();
        if constexpr (requires { o.bytes; }) bytes += o.bytes.size();
        if constexpr (requires { o.options.feed_entry; })
          bytes += o.options.feed_entry ? o.options.feed_entry->size() : 0;
        return bytes;
      },
      operation);
}

}  // namespace

struct RocksBucket::Run {
  std::span<Operation> operations;
  std::span<Reply> replies;  // timeout_unknown_outcome until there is an answer
};

RocksBucket::RocksBucket(Environment& environment, RocksStore& store)
    : environment_(environment),
      store_(store),
      mailbox_(std::make_shared<Mailbox>(environment, [this](const Mailbox::Databases& fed) {
        for (const DatabaseId database : fed) {
          if (const auto at = watches_.find(database); at != watches_.end())
            at->second.news.raise();
        }
      })) {
  store_.threads_->publisher.add(mailbox_);
}

RocksBucket::~RocksBucket() {
  mailbox_->detach();
  store_.threads_->publisher.remove(mailbox_);
}

Task<std::vector<Reply>> RocksBucket::pipeline(std::vector<Operation> operations,
                                               Deadline deadline) {
  std::vector<Reply> replies(operations.size(), Reply{.status = Errc::timeout_unknown_outcome});
  std::size_t begin = 0;
  while (begin < operations.size() && environment_.now() < deadline) {
    const bool are_writes = is_write(operations[begin]);
    std::size_t end = begin + 1;
    while (end < operations.size() && is_write(operations[end]) == are_writes) ++end;
    const Run run{std::span(operations).subspan(begin, end - begin),
                  std::span(replies).subspan(begin, end - begin)};
    const bool is_answered =
        are_writes ? co_await write(run, deadline) : co_await read(run, deadline);
    if (!is_answered) break;
    begin = end;
  }
  co_return replies;
}

/// False at the deadline.
Task<bool> RocksBucket::read(Run run, Deadline deadline) {
  const HistoryId history = store_.history();
  for (std::size_t i = 0; i < run.operations.size(); ++i) {
    if (const Errc code = check(run.operations[i]); code != Errc::ok)
      run.replies[i] = {.status = code, .history = history};
  }
  const auto engine = store_.engine_;
  const WallTime now = environment_.wall_now();
  if (!read_values(*engine, run.operations, run.replies, now, Tier::memory)) co_return true;
  ++store_.threads_->cold_reads;
  std::vector<std::size_t> missing;
  std::vector<Operation> operations;
  for (std::size_t i = 0; i < run.operations.size(); ++i) {
    if (run.replies[i].status != Errc::timeout_unknown_outcome) continue;
    missing.push_back(i);
    operations.push_back(std::move(run.operations[i]));
  }
  auto replies = co_await run_cold(
      environment_,
      [engine, now, operations = std::move(operations)] {
        std::vector<Reply> read(operations.size(), Reply{.status = Errc::timeout_unknown_outcome});
        read_values(*engine, operations, read, now, Tier::disk);
        return read;
      },
      deadline);
  if (!replies) co_return false;
  for (std::size_t k = 0; k < missing.size(); ++k)
    run.replies[missing[k]] = std::move((*replies)[k]);
  co_return true;
}

/// False at the deadline.
Task<bool> RocksBucket::write(Run run, Deadline deadline) {
  const auto request = new_request();
  std::vector<std::size_t> submitted;
  for (std::size_t i = 0; i < run.operations.size(); ++i) {
    if (const Errc code = check(run.operations[i]); code != Errc::ok) {
      run.replies[i] = {.status = code, .history = store_.history()};
      continue;
    }
    submitted.push_back(i);
    request->bytes += bytes_of(run.operations[i]);
    request->operations.push_back(std::move(run.operations[i]));
  }
  request->replies.resize(submitted.size(), Reply{.status = Errc::timeout_unknown_outcome});
  if (submitted.empty()) co_return true;
  const Errc code = co_await commit(request, deadline);
  if (code == Errc::timeout_unknown_outcome && !request->is_finished()) co_return false;
  for (std::size_t k = 0; k < submitted.size(); ++k) {
    run.replies[submitted[k]] = request->is_finished()
                                    ? std::move(request->replies[k])
                                    : Reply{.status = code, .history = store_.history()};
  }
  co_return true;
}

std::shared_ptr<WriteRequest> RocksBucket::new_request() const {
  auto request = std::make_shared<WriteRequest>();
  request->now = environment_.wall_now();
  request->mailbox = mailbox_;
  return request;
}

/// The request's outcome as a whole.
Task<Errc> RocksBucket::commit(std::shared_ptr<WriteRequest> request, Deadline deadline) {
  if (const Errc code = store_.threads_->committer.submit(request); code != Errc::ok)
    co_return code;
  if (co_await CompletionWait(environment_, request, deadline)) co_return request->outcome;
  request->is_abandoned = true;
  co_return Errc::timeout_unknown_outcome;
}

Task<Result<Bucket::ScanPage>> RocksBucket::scan(Scan scan, Deadline deadline) {
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  const auto engine = store_.engine_;
  const WallTime now = environment_.wall_now();
  auto page = read_page(*engine, scan, now, Tier::memory);
  if (!page) {
    ++store_.threads_->cold_reads;
    page = co_await run_cold(
        environment_,
        [engine, now, scan = std::move(scan)] {
          return *read_page(*engine, scan, now, Tier::disk);
        },
        deadline);
  }
  if (!page) co_return Errc::timeout_unknown_outcome;
  co_return std::move(*page);
}

Task<Result<std::vector<HistoryId>>> RocksBucket::barrier(Deadline deadline) {
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  const auto request = new_request();
  request->is_barrier = true;
  if (const Errc code = co_await commit(request, deadline); code != Errc::ok) co_return code;
  co_return histories();
}

Task<Result<void>> RocksBucket::drop_database(DatabaseId database, Deadline deadline) {
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  const auto request = new_request();
  request->dropped = database;
  if (const Errc code = co_await commit(request, deadline); code != Errc::ok) co_return code;
  co_return Result<void>();
}

Result<std::unique_ptr<MutationFeed>> RocksBucket::open_feed(DatabaseId database,
                                                             FeedPositions positions) {
  if (positions.size() > 1)
    return Error{Errc::invalid_argument, "feed positions of another number of partitions"};
  const FeedPosition from = positions.empty() ? FeedPosition() : positions.front();
  return std::unique_ptr<MutationFeed>(std::make_unique<RocksFeed>(*this, database, from));
}

PartitionNumber RocksBucket::partition_of(const Key&) const {
  return kOnlyPartition;
}

std::vector<HistoryId> RocksBucket::histories() const {
  return {store_.history()};
}

Signal& RocksBucket::watch(DatabaseId database) {
  Watch& one = watches_.try_emplace(database, environment_).first->second;
  ++one.feeds;
  mailbox_->set_watching(true);
  return one.news;
}

void RocksBucket::unwatch(DatabaseId database) {
  const auto at = watches_.find(database);
  if (--at->second.feeds == 0) watches_.erase(at);
  mailbox_->set_watching(!watches_.empty());
}

}  // namespace headgate
