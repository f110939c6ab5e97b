// SPDX-License-Identifier: Apache-2.0
#include "database/document_resync.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "database/base_keys.hpp"
#include "database/base_scan.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kBatch = 100;
constexpr std::string_view kJob = "resync";
constexpr std::chrono::seconds kRetry{1};

bool is_passing(Errc code) {
  return code == Errc::unavailable || code == Errc::overloaded || code == Errc::no_space ||
         code == Errc::timeout_unknown_outcome || code == Errc::rolled_back;
}

}  // namespace

/// FNV-1a of the source: tells one function from another.
std::uint64_t DocumentResync::function_now() const {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : context_.config->sync) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

Task<Result<DocumentResync::Stored>> DocumentResync::load() {
  const Reply reply =
      co_await context_.base.get(progress_key(context_.id, kJob), context_.deadline());
  Stored stored;
  if (reply.status == Errc::not_found) co_return stored;
  if (!reply.ok()) co_return Error{Errc::unavailable, "reading the progress of a resync"};
  ByteReader reader(reply.bytes);
  if (reader.u8() != kFormat) co_return Error{Errc::unsupported, "progress of a newer format"};
  const std::uint8_t state = reader.u8();
  stored.function = reader.varint();
  stored.progress.processed = reader.varint();
  stored.progress.changed = reader.varint();
  stored.progress.failed = reader.varint();
  stored.progress.place = reader.text();
  HG_CO_CHECK(reader.finish("progress"));
  if (state > static_cast<std::uint8_t>(State::failed))
    co_return Error{Errc::corrupted, "progress"};
  stored.progress.state = static_cast<State>(state);
  co_return stored;
}

/// A lost race is fine: the other one has come as far, and doing work twice is harmless.
Task<Result<void>> DocumentResync::save() {
  ByteWriter writer;
  writer.u8(kFormat).u8(static_cast<std::uint8_t>(progress_.state)).varint(function_);
  writer.varint(progress_.processed).varint(progress_.changed).varint(progress_.failed);
  writer.text(progress_.place);
  std::string value = std::move(writer).bytes();
  const Key key = progress_key(context_.id, kJob);
  const Reply present = co_await context_.base.get(key, context_.deadline());
  if (!present.ok() && present.status != Errc::not_found)
    co_return Error{Errc::unavailable, "reading the progress of a resync"};
  const WriteOptions options{.durability = context_.config->durability};
  const Reply stored =
      present.ok()
          ? co_await context_.base.replace(key, std::move(value), present.cas, options,
                                           context_.deadline())
          : co_await context_.base.insert(key, std::move(value), options, context_.deadline());
  if (!stored.ok()) co_return Error{stored.status, "writing the progress of a resync"};
  co_return Result<void>();
}

Task<Result<void>> DocumentResync::start(bool from_start) {
  if (progress_.state == State::running) co_return Result<void>();
  HG_CO_TRY(Stored stored, co_await load());
  if (progress_.state == State::running) co_return Result<void>();
  const bool goes_on =
      !from_start && stored.function == function_now() &&
      (stored.progress.state == State::stopped || stored.progress.state == State::failed ||
       stored.progress.state == State::running);
  progress_ = goes_on ? std::move(stored.progress) : Progress{};
  progress_.state = State::running;
  function_ = function_now();
  is_stopping_ = false;
  if (auto saved = co_await save(); !saved) {
    progress_.state = State::failed;
    co_return saved;
  }
  tasks_.spawn(run());
  co_return Result<void>();
}

Task<Result<void>> DocumentResync::resume() {
  HG_CO_TRY(Stored stored, co_await load());
  const bool was_running = stored.progress.state == State::running;
  progress_ = std::move(stored.progress);
  if (!was_running) co_return Result<void>();
  progress_.state = State::stopped;
  co_return co_await start(false);
}

Task<void> DocumentResync::stop() {
  is_stopping_ = true;
  changed_.raise();
  co_await tasks_.join();
}

Task<void> DocumentResync::suspend() {
  is_suspended_ = true;
  co_await stop();
}

Task<void> DocumentResync::run() {
  while (!is_stopping_) {
    if (function_ != function_now()) {  // changed meanwhile: what was judged is judged again
      function_ = function_now();
      progress_ = {};
      progress_.state = State::running;
    }
    auto has_more = co_await run_batch();
    if (!has_more && is_passing(has_more.error().code)) {
      const Deadline later = context_.environment.now() + kRetry;
      co_await changed_.wait_past(changed_.count(), later);
      continue;
    }
    if (!has_more) {
      log(LogLevel::error, "resync.failed", {{"context", has_more.error().context}});
      progress_.state = State::failed;
    } else if (!*has_more) {
      progress_.state = State::completed;
    }
    const auto saved = co_await save();  // if not: the next batch, or a repetition, makes it good
    (void)saved;
    if (progress_.state != State::running) co_return;
  }
  if (is_suspended_) co_return;
  progress_.state = State::stopped;
  const auto saved = co_await save();
  (void)saved;
}

Task<Result<bool>> DocumentResync::run_batch() {
  std::string from = progress_.place.empty() ? std::string() : progress_.place + '\0';
  BaseScan scan(context_.base, context_.id, {KeyKind::document, std::move(from), false}, kBatch);
  std::vector<DocId> ids;
  bool has_more = true;
  while (ids.size() < kBatch) {
    HG_CO_TRY(const auto item, co_await scan.next(context_.deadline()));
    has_more = item.has_value();
    if (!item) break;
    ids.emplace_back(item->name);
  }
  if (ids.empty()) co_return false;
  const std::string last = ids.back().text();
  HG_CO_CHECK(co_await judge(std::move(ids)));
  progress_.place = last;
  co_return has_more;
}

Task<Result<void>> DocumentResync::judge(std::vector<DocId> ids) {
  std::vector<WriteItem> items;
  for (DocId& id : ids) {
    WriteItem& item = items.emplace_back();
    item.id = std::move(id);
    item.is_resync = true;
  }
  const auto answers = co_await writer_.write(Principal::admin(), std::move(items));
  for (const auto& answer : answers)
    if (!answer && is_passing(answer.error().code)) co_return answer.error();
  for (const auto& answer : answers) {
    ++progress_.processed;
    if (answer && answer->sequence != Sequence()) ++progress_.changed;
    if (!answer && answer.error().code != Errc::not_found) ++progress_.failed;
  }
  co_return Result<void>();
}

}  // namespace headgate
