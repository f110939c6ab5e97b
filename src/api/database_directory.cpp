// SPDX-License-Identifier: Apache-2.0
#include "api/database_directory.hpp"

#include <set>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace headgate {

namespace {

/// How long a database that could not start is left alone.
constexpr std::chrono::seconds kRetryAfter{1};
/// The longest that the background waits before it tries again.
constexpr std::chrono::seconds kRetryAtLatest{60};
/// How long a new database waits for a cache writer on another node.
constexpr std::chrono::seconds kUsableWithin{5};
constexpr std::chrono::milliseconds kUsableLook{20};
/// Configurations that one look at the catalog applies to a database.
constexpr int kFollowsAtMost = 3;
/// Databases that the background starts at once.
constexpr std::size_t kStartsAtOnce = 4;

Error no_such_database() {
  return {Errc::not_found, "Database does not exist"};
}

}  // namespace

struct DatabaseDirectory::Entry {
  enum class State : std::uint8_t { starting, running, failed, closing };

  Entry(std::string database_name, Environment& environment)
      : name(std::move(database_name)), changed(environment) {}

  std::string name;
  State state = State::starting;
  std::unique_ptr<FeedHub> hub;
  std::unique_ptr<WakeUpRelay> relay;  ///< null without other nodes
  std::unique_ptr<Database> database;
  std::unique_ptr<DatabaseChangesSource> source;
  std::optional<Error> failure;
  TimePoint failed_at;
  std::size_t leases = 0;
  Signal changed;  ///< of state and leases

  void enter(State next) {
    state = next;
    changed.raise();
  }
};

DatabaseDirectory::DatabaseDirectory(Dependencies dependencies)
    : dependencies_(dependencies),
      catalog_(dependencies.environment, dependencies.base, dependencies.cache),
      stopping_(dependencies.environment),
      background_(dependencies.environment) {}

DatabaseDirectory::~DatabaseDirectory() = default;

Task<Result<std::string>> DatabaseDirectory::open() {
  return catalog_.open();
}

void DatabaseDirectory::start_all() {
  background_.spawn(start_listed());
}

Task<void> DatabaseDirectory::start_listed() {
  auto names = co_await list();
  while (!names && !is_stopping_) {
    co_await pause(kRetryAfter);
    names = co_await list();
  }
  if (names) co_await start_until_running(*std::move(names));
}

/// A database without a client is tried again less and less often.
Task<void> DatabaseDirectory::start_until_running(std::vector<std::string> names) {
  for (std::chrono::seconds wait = kRetryAfter; !is_stopping_; wait *= 2) {
    std::vector<std::string> failed;
    TaskScope starting(dependencies_.environment);
    for (std::size_t i = 0; i < kStartsAtOnce; ++i) starting.spawn(start_in_turn(names, failed));
    co_await starting.join();
    if (failed.empty()) co_return;
    names = std::move(failed);
    wait = std::min(wait, kRetryAtLatest);
    co_await pause(wait);
  }
}

Task<void> DatabaseDirectory::start_in_turn(std::vector<std::string>& names,
                                            std::vector<std::string>& failed) {
  while (!names.empty() && !is_stopping_) {
    std::string name = std::move(names.back());
    names.pop_back();
    const auto entry = co_await entry_of(name);
    const bool is_gone = !entry && entry.error().code == Errc::not_found;
    const bool is_running = entry && (*entry)->state != Entry::State::failed;
    if (!is_gone && !is_running) failed.push_back(std::move(name));
  }
}

Task<void> DatabaseDirectory::pause(std::chrono::nanoseconds duration) {
  if (!is_stopping_)
    co_await stopping_.wait_past(stopping_.count(), dependencies_.environment.now() + duration);
}

Task<void> DatabaseDirectory::stop() {
  is_stopping_ = true;
  stopping_.raise();
  co_await background_.join();
  TaskScope closing(dependencies_.environment);
  for (const auto& [name, entry] : entries_) closing.spawn(close(entry));
  co_await closing.join();
  entries_.clear();
}

Task<Result<DatabaseLease>> DatabaseDirectory::find(std::string name) {
  HG_CO_TRY(const auto entry, co_await entry_of(std::move(name)));
  if (entry->state == Entry::State::closing) co_return no_such_database();
  if (entry->failure) co_return *entry->failure;
  co_return DatabaseLease(entry);
}

// The entry once it is not starting any more.
Task<Result<std::shared_ptr<DatabaseDirectory::Entry>>> DatabaseDirectory::entry_of(
    std::string name) {
  if (is_stopping_) co_return Error{Errc::unavailable, "the server is stopping"};
  if (!check_database_name(name)) co_return no_such_database();
  auto at = entries_.find(name);
  if (at != entries_.end() && at->second->state == Entry::State::failed &&
      dependencies_.environment.now() >= at->second->failed_at + kRetryAfter) {
    entries_.erase(at);
    at = entries_.end();
  }
  if (at != entries_.end()) {
    const auto entry = at->second;
    while (entry->state == Entry::State::starting)
      co_await entry->changed.wait_past(entry->changed.count());
    if (entry->failure && entry->failure->code == Errc::not_found) co_return *entry->failure;
    co_return entry;
  }
  const auto entry = std::make_shared<Entry>(name, dependencies_.environment);
  entries_.emplace(std::move(name), entry);
  co_await start(entry);
  if (entry->failure && entry->failure->code == Errc::not_found) {
    forget(*entry);
    co_return *entry->failure;
  }
  co_return entry;
}

void DatabaseDirectory::forget(const Entry& entry) {
  const auto at = entries_.find(entry.name);
  if (at != entries_.end() && at->second.get() == &entry) entries_.erase(at);
}

Task<void> DatabaseDirectory::start(std::shared_ptr<Entry> entry) {
  auto stored = co_await catalog_.get(entry->name);
  if (!stored) {
    entry->failure = stored.error().code == Errc::not_found ? no_such_database() : stored.error();
  } else {
    entry->hub = std::make_unique<FeedHub>(
        dependencies_.environment, FeedHub::Settings{.deployment = dependencies_.deployment});
    ChangeListener* listener = entry->hub.get();
    if (dependencies_.wake_ups != nullptr) {
      entry->relay = std::make_unique<WakeUpRelay>(dependencies_.environment, stored->id,
                                                   *entry->hub, *dependencies_.wake_ups);
      listener = entry->relay.get();
    }
    entry->database = std::make_unique<Database>(
        Database::Dependencies{dependencies_.environment, dependencies_.base, dependencies_.cache,
                               *listener, dependencies_.deployment},
        *std::move(stored));
    if (auto started = co_await entry->database->start(); !started) {
      const bool is_full = started.error().code == Errc::no_space;
      entry->failure = Error{is_full ? Errc::no_space : Errc::unavailable,
                             "the database cannot start: " + started.error().context};
      log(LogLevel::error, "database.start_failed",
          {{"database", entry->name},
           {"error", std::string(to_string(started.error().code))},
           {"context", started.error().context}});
    }
  }
  if (!entry->failure) {
    entry->source = std::make_unique<DatabaseChangesSource>(*entry->database);
    entry->hub->start(*entry->source);
    log(LogLevel::info, "database.started", {{"database", entry->name}});
    co_return entry->enter(Entry::State::running);
  }
  entry->failed_at = dependencies_.environment.now();
  entry->enter(Entry::State::failed);
}

Task<void> DatabaseDirectory::close(std::shared_ptr<Entry> entry) {
  while (entry->state == Entry::State::starting)
    co_await entry->changed.wait_past(entry->changed.count());
  if (entry->state != Entry::State::running) co_return;
  entry->enter(Entry::State::closing);
  co_await drain(entry);
}

/// Ends the feeds, waits for the requests, stops the database.
Task<void> DatabaseDirectory::drain(std::shared_ptr<Entry> entry) {
  co_await entry->hub->stop();
  while (entry->leases > 0) co_await entry->changed.wait_past(entry->changed.count());
  co_await entry->database->stop();
  if (entry->relay) co_await entry->relay->stop();
  log(LogLevel::info, "database.stopped", {{"database", entry->name}});
}

/// As if the process had been started again: requests that come meanwhile wait.
Task<void> DatabaseDirectory::restart(std::shared_ptr<Entry> entry) {
  if (entry->state != Entry::State::running) co_return;
  entry->enter(Entry::State::starting);
  co_await drain(entry);
  entry->source.reset();
  entry->database.reset();
  entry->relay.reset();
  entry->hub.reset();
  co_await start(entry);
  if (entry->failure) co_await start_until_running({entry->name});
}

Task<Result<void>> DatabaseDirectory::create(std::string name, DatabaseConfig config) {
  if (is_stopping_) co_return Error{Errc::unavailable, "the server is stopping"};
  const auto created = co_await catalog_.create(name, std::move(config));
  if (!created) {
    const bool exists = created.error().code == Errc::exists;
    co_return exists ? Error{Errc::exists, "The database exists already"} : created.error();
  }
  auto lease = co_await find(name);
  if (lease && dependencies_.deployment == Deployment::cluster)
    co_return co_await make_usable(*std::move(lease));
  if (lease) co_return Result<void>();
  background_.spawn(start_until_running({std::move(name)}));
  co_return lease.error();
}

// Feeds can be read once a cache writer has published stable. This node is the first one that can
// do that; whoever should have the role takes it over later.
Task<Result<void>> DatabaseDirectory::make_usable(DatabaseLease lease) {
  const TimePoint give_up = dependencies_.environment.now() + kUsableWithin;
  auto held = co_await lease.database().hold_cache_writer(true);
  while (held && !is_stopping_ && dependencies_.environment.now() < give_up) {
    if (co_await lease.database().cache_reader().start_pass()) break;
    co_await pause(kUsableLook);
  }
  co_return held;
}

Task<Result<void>> DatabaseDirectory::follow_catalog() {
  HG_CO_TRY(std::vector<DatabaseEntry> stored, co_await catalog_.list());
  std::set<std::string> names;
  for (const DatabaseEntry& entry : stored) names.insert(entry.name);
  std::vector<std::shared_ptr<Entry>> gone;
  for (const auto& [name, entry] : entries_)
    if (!names.contains(name) && entry->state == Entry::State::running) gone.push_back(entry);
  for (auto& entry : gone) co_await follow(std::move(entry));
  for (const DatabaseEntry& listed : stored) {
    if (is_stopping_) break;
    const auto entry = co_await entry_of(listed.name);
    if (!entry || (*entry)->state != Entry::State::running) continue;
    const Database& database = *(*entry)->database;
    if (database.id() != listed.id || *database.config() != listed.config) co_await follow(*entry);
  }
  co_return Result<void>();
}

// What was listed may be older than what this node did meanwhile: the catalog is asked again, and
// once more after a change.
Task<void> DatabaseDirectory::follow(std::shared_ptr<Entry> entry) {
  for (int i = 0; i < kFollowsAtMost && entry->state == Entry::State::running; ++i) {
    const auto stored = co_await catalog_.get(entry->name);
    if (!stored && stored.error().code != Errc::not_found) co_return;
    if (entry->state != Entry::State::running) co_return;
    if (!stored || stored->id != entry->database->id())
      co_return co_await close_and_forget(std::move(entry));
    if (*entry->database->config() == stored->config) co_return;
    const DatabaseLease lease(entry);
    const auto applied = co_await lease.database().reconfigure(stored->config);
    log(applied ? LogLevel::info : LogLevel::error, "database.configuration_followed",
        {{"database", entry->name},
         {"error", applied ? std::string() : std::string(to_string(applied.error().code))}});
  }
}

Task<void> DatabaseDirectory::close_and_forget(std::shared_ptr<Entry> entry) {
  co_await close(entry);
  forget(*entry);
}

std::vector<DatabaseLease> DatabaseDirectory::leases() {
  std::vector<DatabaseLease> leases;
  for (const auto& [name, entry] : entries_)
    if (entry->state == Entry::State::running) leases.push_back(DatabaseLease(entry));
  return leases;
}

void DatabaseDirectory::deliver(DatabaseId database, std::string_view wake_up) {
  for (const auto& [name, entry] : entries_) {
    if (entry->state != Entry::State::running || !entry->relay) continue;
    if (entry->database->id() != database) continue;
    if (const auto received = entry->relay->receive(wake_up); !received)
      log(LogLevel::warning, "database.wake_up_unreadable", {{"database", name}});
  }
}

Task<Result<void>> DatabaseDirectory::remove(std::string name) {
  HG_CO_TRY(const auto entry, co_await entry_of(name));
  if (entry->state == Entry::State::closing) co_return no_such_database();
  co_await close(entry);
  entry->enter(Entry::State::closing);
  const auto removed = co_await catalog_.remove(std::move(name));
  forget(*entry);
  co_return removed;
}

Task<Result<void>> DatabaseDirectory::reconfigure(std::string name, DatabaseConfig config) {
  HG_CO_TRY(const auto entry, co_await entry_of(name));
  if (entry->state == Entry::State::closing) co_return no_such_database();
  std::optional<DatabaseLease> lease;
  if (entry->state == Entry::State::running) lease = DatabaseLease(entry);
  if (lease) HG_CO_CHECK(co_await lease->database().prepare(config));
  HG_CO_TRY(DatabaseEntry stored, co_await catalog_.update(name, std::move(config)));
  if (!lease) {
    forget(*entry);  // the next request tries again with the new configuration
    co_return Result<void>();
  }
  const bool is_offline = stored.config.is_offline;
  const auto applied = co_await lease->database().reconfigure(std::move(stored.config));
  if (applied && is_offline) lease->hub().end_feeds();
  if (applied || applied.error().code == Errc::invalid_argument) co_return applied;
  log(LogLevel::error, "database.reconfigure_failed",
      {{"database", entry->name},
       {"error", std::string(to_string(applied.error().code))},
       {"context", applied.error().context}});
  lease.reset();
  background_.spawn(restart(entry));
  co_return Error{Errc::unavailable,
                  "the configuration is stored; the database is started anew with it"};
}

Task<Result<std::vector<std::string>>> DatabaseDirectory::list() {
  HG_CO_TRY(const std::vector<DatabaseEntry> stored, co_await catalog_.list());
  std::vector<std::string> names;
  names.reserve(stored.size());
  for (const DatabaseEntry& entry : stored) names.push_back(entry.name);
  co_return names;
}

std::vector<DatabaseDirectory::Running> DatabaseDirectory::running() {
  std::vector<Running> running;
  for (const auto& [name, entry] : entries_) {
    if (entry->state == Entry::State::running) running.push_back({*entry->database, *entry->hub});
  }
  return running;
}

DatabaseLease::DatabaseLease(std::shared_ptr<DatabaseDirectory::Entry> entry)
    : entry_(std::move(entry)) {
  ++entry_->leases;
}

DatabaseLease& DatabaseLease::operator=(DatabaseLease&& other) noexcept {
  std::swap(entry_, other.entry_);
  return *this;
}

DatabaseLease::~DatabaseLease() {
  if (!entry_) return;
  --entry_->leases;
  entry_->changed.raise();
}

Database& DatabaseLease::database() const {
  return *entry_->database;
}
FeedHub& DatabaseLease::hub() const {
  return *entry_->hub;
}
ChangesSource& DatabaseLease::changes() const {
  return *entry_->source;
}

}  // namespace headgate
