// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/task_scope.hpp"
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/feed_rows.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/readers.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kConnections = 16;
constexpr std::size_t kChannelsOfUser = 20;
constexpr std::size_t kDocumentsMax = 20'000;
constexpr std::size_t kPage = 100;

/// Users who have nothing yet replicate all they may see, as PouchDB does: pages of a feed, and the
/// documents of each page by `_bulk_get`.
class FirstSyncCase final : public BenchCase {
 public:
  Task<Result<void>> prepare(BenchRun& run) override;
  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  Task<void> sync_some(BenchRun& run);
  Task<std::size_t> sync(BenchRun& run, const Reader& reader);

  std::vector<Reader> readers_;
  std::size_t documents_of_user_ = 0;
  std::size_t next_ = 0;
  std::uint64_t documents_ = 0;
  Latencies times_;
};

Task<Result<void>> FirstSyncCase::prepare(BenchRun& run) {
  const std::size_t channels = std::min<std::size_t>(run.sizes().channels, 10'000);
  const std::size_t each = std::min(channels, kChannelsOfUser);
  // As many documents in each channel, so that it is known what each user gets.
  const std::size_t in_channel =
      std::max<std::size_t>(1, std::min(run.sizes().documents, kDocumentsMax) / channels);
  documents_of_user_ = in_channel * each;
  if (!co_await write_documents(run, in_channel * channels, channels))
    co_return Error{Errc::unavailable, "the documents could not be written"};
  HG_CO_TRY(readers_, co_await make_readers(run, run.sizes().users, [=](std::size_t user) {
              std::vector<std::string> names;
              for (std::size_t i = 0; i < each; ++i)
                names.push_back(channel_name((user * 7 + i) % channels));
              return names;
            }));
  // A new user's channels come a moment after its making was answered.
  if (!co_await settle(run))
    co_return Error{Errc::unavailable, "the server does not settle: " + run.counts().first_error};
  co_return Result<void>();
}

Task<Result<Figures>> FirstSyncCase::measure(BenchRun& run) {
  next_ = 0;
  documents_ = 0;
  times_ = {};
  run.begin_measuring();
  const TimePoint began = run.loop().now();
  TaskScope users(run.loop());
  for (std::size_t i = 0; i < kConnections; ++i) users.spawn(sync_some(run));
  co_await users.join();
  const double seconds = std::chrono::duration<double>(run.loop().now() - began).count();
  run.end_measuring(documents_);
  Figures figures{{"per_second", "documents/s", static_cast<double>(documents_) / seconds, true}};
  add_percentiles(figures, times_, "user_");
  co_return figures;
}

Task<void> FirstSyncCase::sync_some(BenchRun& run) {
  while (next_ < readers_.size()) {
    const Reader& reader = readers_[next_++];
    const TimePoint began = run.loop().now();
    const std::size_t count = co_await sync(run, reader);
    times_.add(run.loop().now() - began);
    documents_ += count;
    if (count != documents_of_user_)
      run.failed(fmt::format("{} documents for a user instead of {}", count, documents_of_user_));
  }
}

Task<std::size_t> FirstSyncCase::sync(BenchRun& run, const Reader& reader) {
  LoadConnection connection(run.loop(), reader.address());
  std::size_t received = 0;
  std::string since = "0";
  // A page that is not full need not be the last: PouchDB asks until one is empty.
  for (;;) {
    const std::string page =
        changes_request(run, reader, fmt::format("style=all_docs&limit={}&since={}", kPage, since));
    if (!co_await run.ask(connection, page, 200)) break;
    since = last_sequence(connection.body());
    std::string wanted;
    FeedRows().take(connection.body(), [&](std::string_view id) {
      // Its own record, which some servers add, is no document.
      if (id.starts_with('_')) return;
      wanted += fmt::format("{}{{\"id\":\"{}\"}}", wanted.empty() ? "" : ",", id);
    });
    if (wanted.empty()) break;
    const std::string get =
        reader_post(run, reader, "/_bulk_get?revs=true", fmt::format("{{\"docs\":[{}]}}", wanted));
    if (!co_await run.ask(connection, get, 200)) break;
    received += count_of(connection.body(), "\"ok\":");
  }
  co_return received;
}

}  // namespace

std::unique_ptr<BenchCase> make_first_sync_case() {
  return std::make_unique<FirstSyncCase>();
}

}  // namespace headgate::bench
