// SPDX-License-Identifier: Apache-2.0
#include "database/database.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

constexpr std::size_t kCountPage = 1'000;
constexpr std::chrono::seconds kLookEvery{1};

bool same_cache(const DatabaseConfig& a, const DatabaseConfig& b) {
  return a.cache_writes == b.cache_writes && a.gap_timeout == b.gap_timeout && a.poll == b.poll &&
         a.stable_durability == b.stable_durability;
}

}  // namespace

Database::Database(Dependencies dependencies, DatabaseEntry entry)
    : name_(std::move(entry.name)),
      base_(dependencies.base),
      listener_(dependencies.listener),
      space_{dependencies.environment, dependencies.cache, entry.id, entry.config.cache_settings(),
             dependencies.deployment},
      allocator_(dependencies.environment, dependencies.base, dependencies.cache, entry.id,
                 {.chunk = dependencies.horizon_chunk,
                  .deployment = dependencies.deployment,
                  .generation_changed = [this](std::uint32_t g) { space_.generation = g; }}),
      reader_(space_, allocator_),
      front_end_(space_, reader_, dependencies.listener),
      context_{dependencies.environment,
               dependencies.base,
               entry.id,
               space_,
               allocator_,
               front_end_,
               reader_,
               [this] { return forgettable(); },
               std::make_shared<const DatabaseConfig>(std::move(entry.config)),
               nullptr},
      writer_(context_),
      purger_(context_),
      documents_(context_),
      local_documents_(context_),
      principals_(context_),
      sessions_(context_, principals_),
      repair_(context_),
      resync_(context_, writer_),
      expiry_(context_, documents_, writer_,
              [this] { return cache_writer_ && cache_writer_->statistics().is_in_charge; }),
      parts_(context_),
      changed_(dependencies.environment),
      tasks_(dependencies.environment) {}

Database::~Database() = default;

Task<Result<void>> Database::start() {
  HG_CO_TRY(context_.sync_function,
            co_await make_sync_function(context_.environment, context_.config->sync));
  HG_CO_CHECK(co_await allocator_.open());
  if (!space_.is_shared()) {
    HG_CO_CHECK(co_await start_cache_writer());
    HG_CO_CHECK(co_await resync_.resume());
    // A crash may have come between the configuration and what follows from it.
    HG_CO_CHECK(co_await principals_.regrant_guest());
  }
  expiry_.start();
  co_return Result<void>();
}

Task<void> Database::stop() {
  co_await resync_.suspend();
  co_await expiry_.stop();
  co_await parts_.stop();
  co_await stop_cache_writer();
  co_await tasks_.join();
  co_await allocator_.close();
}

Task<Result<void>> Database::start_cache_writer() {
  HG_ASSERT(!cache_writer_ || !cache_writer_->statistics().is_in_charge);
  if (!cache_writer_)
    cache_writer_ = std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        space_, base_, allocator_, front_end_, reader_, repair_, listener_});
  auto started = co_await cache_writer_->start();
  if (!started) cache_writer_.reset();
  co_return started;
}

Task<void> Database::stop_cache_writer() {
  if (!cache_writer_) co_return;
  co_await cache_writer_->stop();
  last_statistics_ = cache_writer_->statistics();
  cache_writer_.reset();
}

Task<Result<void>> Database::prepare(DatabaseConfig config) {
  const auto present = context_.config;
  if (config.guest.admin_channels == present->guest.admin_channels) co_return Result<void>();
  co_return co_await principals_.begin_guest(present->guest.admin_channels);
}

Task<Result<void>> Database::reconfigure(DatabaseConfig config) {
  co_await enter_change();
  auto done = co_await apply(std::move(config));
  leave_change();
  co_return done;
}

Task<void> Database::enter_change() {
  while (is_changing_) co_await changed_.wait_past(changed_.count());
  is_changing_ = true;
}

void Database::leave_change() {
  is_changing_ = false;
  changed_.raise();
}

Task<Result<void>> Database::hold_cache_writer(bool wanted) {
  co_await enter_change();
  Result<void> done;
  const bool is_in_charge = cache_writer_ && cache_writer_->statistics().is_in_charge;
  if (wanted && !is_in_charge) done = co_await start_cache_writer();
  if (!wanted) co_await stop_cache_writer();
  leave_change();
  co_return done;
}

Task<Result<void>> Database::apply(DatabaseConfig config) {
  const auto before = context_.config;
  if (config.block_format != before->block_format ||
      config.block_capacity != before->block_capacity ||
      config.star_channel != before->star_channel)
    co_return Error{Errc::invalid_argument, "the cache's format is fixed when a database is made"};
  HG_CO_TRY(auto sync_function, co_await make_sync_function(context_.environment, config.sync));
  auto after = std::make_shared<const DatabaseConfig>(std::move(config));
  context_.sync_function = std::move(sync_function);
  context_.config = after;
  // The guest's rights may have changed: passes that begin now ask again, and waiting feeds begin
  // one.
  HG_CO_CHECK(co_await front_end_.raise_access_counter());
  listener_.channels_changed({ChannelId::of_principal(PrincipalName::guest().text())});
  HG_CO_CHECK(co_await principals_.regrant_guest());
  if (same_cache(*before, *after)) co_return Result<void>();
  const bool has_cache_writer = cache_writer_ != nullptr;
  co_await stop_cache_writer();
  space_.settings = after->cache_settings();
  if (!has_cache_writer) co_return Result<void>();
  co_return co_await start_cache_writer();
}

AllDocsCursor Database::all_docs(std::shared_ptr<const Principal> reader, AllDocsQuery query) {
  return AllDocsCursor(context_, documents_, std::move(reader), std::move(query));
}

Task<Result<std::uint64_t>> Database::count_documents() {
  BaseScan scan(base_, context_.id, {KeyKind::document, {}, false}, kCountPage);
  std::uint64_t count = 0;
  while (true) {
    HG_CO_TRY(const auto item, co_await scan.next(context_.deadline()));
    if (!item) co_return count;
    HG_CO_TRY(const DocumentEnvelope envelope, decode_envelope(item->bytes));
    count += envelope.is_purged() || envelope.tree.is_deleted() ? 0 : 1;
  }
}

Sequence Database::stable() const {
  const Sequence own = cache_writer_ ? cache_writer_->stable() : last_statistics_.stable;
  const auto read = space_.is_shared() ? reader_.record() : nullptr;
  return read ? std::max(own, read->stable) : own;
}

// A node that only writes has nobody who reads the stable record: it is looked at now and then.
Sequence Database::forgettable() {
  if (!space_.is_shared()) return stable();
  const TimePoint now = context_.environment.now();
  if (tasks_.size() == 0 && now >= last_look_ + kLookEvery) {
    last_look_ = now;
    tasks_.spawn(look_at_stable());
  }
  const auto read = reader_.record();
  return read ? read->durable_floor : Sequence();
}

Task<void> Database::look_at_stable() {
  // What fails now is looked at again by a later write.
  const auto looked = co_await reader_.start_pass();
  (void)looked;
}

CacheWriter::Statistics Database::cache_writer_statistics() const {
  return cache_writer_ ? cache_writer_->statistics() : last_statistics_;
}

}  // namespace headgate
