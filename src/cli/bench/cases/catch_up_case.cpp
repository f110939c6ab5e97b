// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/bench/cases/cases.hpp"
#include "cli/bench/feed_rows.hpp"
#include "cli/bench/readers.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kChannels = 100;
/// Of the hundred channels, the one that is read.
constexpr std::size_t kChannel = 42;

/// A normal feed from 0: of all documents, or of one channel in a hundred.
class CatchUpCase final : public BenchCase {
 public:
  explicit CatchUpCase(bool is_of_channel) : is_of_channel_(is_of_channel) {}

  Task<Result<void>> prepare(BenchRun& run) override;
  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  std::size_t expected_rows(const BenchRun& run) const;

  bool is_of_channel_;
  /// The first round reads what no feed has read before; later ones may find it in memory.
  std::optional<double> first_ms_;
};

Task<Result<void>> CatchUpCase::prepare(BenchRun& run) {
  if (!co_await write_documents(run, run.sizes().documents, kChannels))
    co_return Error{Errc::unavailable, "the documents could not be written"};
  if (is_of_channel_ && !co_await prepare_channels(run))
    co_return Error{Errc::unavailable, "no filter: " + run.counts().first_error};
  co_return Result<void>();
}

std::size_t CatchUpCase::expected_rows(const BenchRun& run) const {
  const std::size_t documents = run.sizes().documents;
  if (!is_of_channel_) return documents;
  return documents / kChannels + (documents % kChannels > kChannel ? 1 : 0);
}

Task<Result<Figures>> CatchUpCase::measure(BenchRun& run) {
  Reader reader = reader_of_all(run);
  if (is_of_channel_) reader.channels = {channel_name(kChannel)};
  LoadConnection connection(run.loop(), reader.address());
  const std::string request = changes_request(run, reader, "since=0");
  run.sent();
  run.begin_measuring();
  const TimePoint began = run.loop().now();
  const int status = co_await connection.open(request);
  run.answered(status, 200, connection.body());
  FeedRows rows;
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (bool has_more = true; has_more;) {
    co_await connection.read();
    has_more = connection.is_open();
    bytes += connection.body().size();
    rows.take(connection.body(), [&count](std::string_view) { ++count; });
    connection.body().clear();
  }
  const double seconds = std::chrono::duration<double>(run.loop().now() - began).count();
  run.end_measuring(count);
  if (count != expected_rows(run))
    run.failed(fmt::format("{} rows instead of {}", count, expected_rows(run)));
  if (!first_ms_) first_ms_ = seconds * 1000;
  co_return Figures{
      {"first_time", "ms", *first_ms_, false},
      {"time", "ms", seconds * 1000, false},
      {"per_second", "rows/s", static_cast<double>(count) / seconds, true},
      {"bytes_per_row", "bytes",
       static_cast<double>(bytes) / static_cast<double>(std::max<std::size_t>(count, 1)), false}};
}

}  // namespace

std::unique_ptr<BenchCase> make_catch_up_case() {
  return std::make_unique<CatchUpCase>(false);
}

std::unique_ptr<BenchCase> make_catch_up_channel_case() {
  return std::make_unique<CatchUpCase>(true);
}

}  // namespace headgate::bench
