// SPDX-License-Identifier: Apache-2.0
#include "server/cluster_member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "document/json.hpp"

namespace headgate {

namespace {

constexpr std::chrono::seconds kFollow{1};
/// After a try to take a role over, until the next one: at first, and at most. Two nodes that see
/// different nodes live would else take it from each other faster than a takeover lasts.
constexpr std::chrono::seconds kRoleRetry{1};
constexpr std::chrono::seconds kRoleRetryMost{4};
/// A role that was kept for so long is not disputed.
constexpr std::chrono::seconds kRoleSettled{10};
/// How long a role is kept for another node to take it over.
constexpr std::chrono::seconds kKeepForOther{3};
constexpr std::chrono::milliseconds kHandOverAtMost{2'500};
constexpr std::chrono::milliseconds kHandOverLook{20};
constexpr std::chrono::seconds kSendPatience{1};
constexpr int kStrangerLooks = 6;

}  // namespace

ClusterMember::ClusterMember(Environment& environment, Bucket& base, Bucket* cache, NodeRecord own)
    : environment_(environment),
      registry_(environment, base, std::move(own)),
      cache_name_(registry_.own().cache),
      cache_identity_(cache != nullptr ? std::make_optional<CacheIdentity>(environment, *cache)
                                       : std::nullopt),
      stopping_(environment),
      tasks_(environment) {}

ClusterMember::~ClusterMember() = default;

void ClusterMember::carry_wake_ups(RedisBucket& bucket, bool sends) {
  if (sends) bucket_ = &bucket;
  messages_ = bucket.open_messages([this](std::string_view message) { receive(message); });
}

Task<Result<void>> ClusterMember::join() {
  HG_CO_CHECK(co_await name_cache());
  HG_CO_CHECK(co_await registry_.beat());
  // One that is dead is known by its silence; one that is at work knows soon what an emptied cache
  // bucket is known by now.
  for (int looks = 1; registry_.may_have_stranger(); ++looks) {
    const auto stranger = registry_.stranger();
    if (stranger && looks >= kStrangerLooks) {
      co_await registry_.remove();
      co_return Error{Errc::exists, fmt::format("node {} at {} uses this base bucket with another "
                                                "cache bucket: all nodes need the same two",
                                                stranger->name, stranger->public_url)};
    }
    co_await environment_.sleep_for(NodeRegistry::kBeat);
    HG_CO_CHECK(co_await name_cache());
    HG_CO_CHECK(co_await registry_.beat());
  }
  co_return Result<void>();
}

// Two cache buckets may be called the same.
Task<Result<void>> ClusterMember::name_cache() {
  if (!cache_identity_) co_return Result<void>();
  HG_CO_TRY(const std::string identity, co_await cache_identity_->find());
  registry_.own().cache = fmt::format("{} {}", cache_name_, identity);
  co_return Result<void>();
}

void ClusterMember::start(DatabaseDirectory& directory) {
  directory_ = &directory;
  tasks_.spawn(keep_beating());
  if (cache_identity_) tasks_.spawn(keep_naming_cache());
  tasks_.spawn(keep_following());
}

Task<void> ClusterMember::pause(std::chrono::nanoseconds duration) {
  if (!is_stopping_) co_await stopping_.wait_past(stopping_.count(), environment_.now() + duration);
}

// --- Registry and roles --------------------------------------------------------------------------

Task<void> ClusterMember::keep_beating() {
  bool was_fresh = true;
  while (!is_stopping_) {
    registry_.own().led = count_led();
    const auto beaten = co_await registry_.beat();
    if (!beaten && was_fresh && !registry_.is_fresh())
      log(LogLevel::warning, "cluster.not_seen_by_others", {{"why", beaten.error().context}});
    was_fresh = registry_.is_fresh();
    assign_roles();
    co_await pause(NodeRegistry::kBeat);
  }
}

// Apart from the beats, which must not wait for a cache bucket that does not answer.
Task<void> ClusterMember::keep_naming_cache() {
  while (!is_stopping_) {
    static_cast<void>(co_await name_cache());
    co_await pause(NodeRegistry::kBeat);
  }
}

std::size_t ClusterMember::count_led() const {
  std::size_t led = 0;
  for (const auto& [database, hub] : directory_->running())
    led += database.cache_writer_statistics().is_in_charge ? 1 : 0;
  return led;
}

// Who does not reach the registry keeps what it has, but takes nothing over: others may have done
// that already.
void ClusterMember::assign_roles() {
  if (is_handing_over_ || is_stopping_ || !registry_.is_fresh()) return;
  std::set<DatabaseId> running;
  for (DatabaseLease& lease : directory_->leases()) {
    const DatabaseId id = lease.database().id();
    running.insert(id);
    Role& role = roles_[id];
    if (role.is_changing || environment_.now() < role.not_before) continue;
    const bool is_in_charge = lease.database().cache_writer_statistics().is_in_charge;
    const bool is_wanted = registry_.owner_of(id) == registry_.own().id;
    if (is_in_charge == is_wanted) {
      role.foreign_since = {};
      if (is_in_charge && environment_.now() - role.taken_at > kRoleSettled) role.wait = kRoleRetry;
      continue;
    }
    if (!is_wanted) {
      if (role.foreign_since == TimePoint()) role.foreign_since = environment_.now();
      if (environment_.now() - role.foreign_since < kKeepForOther) continue;
    }
    role.is_changing = true;
    tasks_.spawn(change_role(std::move(lease), is_wanted));
  }
  std::erase_if(roles_, [&](const auto& role) {
    return !role.second.is_changing && !running.contains(role.first);
  });
}

Task<void> ClusterMember::change_role(DatabaseLease lease, bool wanted) {
  Database& database = lease.database();
  const auto changed = co_await database.hold_cache_writer(wanted);
  log(changed ? LogLevel::info : LogLevel::warning, "cluster.cache_writer",
      {{"database", database.name()},
       {"role", wanted ? "taken" : "given up"},
       {"error", changed ? std::string() : changed.error().context}});
  Role& role = roles_[database.id()];
  role.is_changing = false;
  role.taken_at = environment_.now();
  role.not_before = role.taken_at + role.wait;
  if (wanted) role.wait = std::min(2 * role.wait, kRoleRetryMost);
}

// --- The catalog ---------------------------------------------------------------------------------

Task<void> ClusterMember::keep_following() {
  while (!is_stopping_) {
    co_await pause(kFollow);
    if (is_stopping_ || is_handing_over_) co_return;
    // What fails now is looked at again.
    static_cast<void>(co_await directory_->follow_catalog());
  }
}

// --- The end -------------------------------------------------------------------------------------

Task<void> ClusterMember::hand_over() {
  is_handing_over_ = true;
  registry_.own().is_leaving = true;
  if (directory_ == nullptr) co_return;
  static_cast<void>(co_await registry_.beat());
  const TimePoint give_up = environment_.now() + kHandOverAtMost;
  bool has_heir = false;
  for (const NodeRecord& node : registry_.live())
    has_heir = has_heir || (node.is_cache_writer && !node.is_leaving);
  while (has_heir && count_led() > 0 && environment_.now() < give_up)
    co_await environment_.sleep_for(kHandOverLook);
  log(LogLevel::info, "cluster.handed_over", {{"left", std::to_string(count_led())}});
}

Task<void> ClusterMember::leave() {
  is_stopping_ = true;
  stopping_.raise();
  co_await tasks_.join();
  co_await registry_.remove();
}

// --- Wake-ups ------------------------------------------------------------------------------------

Task<Result<void>> ClusterMember::send(DatabaseId database, std::string message) {
  if (bucket_ == nullptr) co_return Errc::unavailable;
  ByteWriter writer;
  writer.text(registry_.own_id()).varint(database.value()).text(message);
  const PartitionNumber partition(
      static_cast<std::uint32_t>(database.value() % bucket_->partition_count()));
  co_return co_await messages_->send(partition, std::move(writer).bytes(),
                                     environment_.now() + kSendPatience);
}

void ClusterMember::receive(std::string_view message) {
  ByteReader reader(message);
  const std::string_view sender = reader.text();
  const DatabaseId database(static_cast<std::uint32_t>(reader.varint()));
  const std::string_view wake_up = reader.text();
  if (!reader.finish("message") || directory_ == nullptr || sender == registry_.own_id()) return;
  directory_->deliver(database, wake_up);
}

std::string ClusterMember::print() const {
  JsonWriter out;
  out.begin_object().key("node").string(registry_.own_id());
  out.key("nodes").begin_array();
  for (const NodeRecord& node : registry_.live()) {
    out.begin_object().key("id").string(node.id).key("name").string(node.name);
    out.key("version").string(node.version);
    out.key("public").string(node.public_url).key("admin").string(node.admin_url);
    out.key("takes_writes").boolean(node.takes_writes);
    out.key("serves_feeds").boolean(node.serves_feeds);
    out.key("may_write_cache").boolean(node.is_cache_writer);
    out.key("is_leaving").boolean(node.is_leaving);
    out.key("cache_writer_of").number(std::uint64_t{node.led}).end_object();
  }
  out.end_array();
  out.key("databases").begin_array();
  for (const auto& [database, hub] : directory_->running()) {
    const Sequence stable = database.stable();
    out.begin_object().key("name").string(database.name());
    out.key("cache_writer").string(registry_.owner_of(database.id()));
    out.key("is_cache_writer_here").boolean(database.cache_writer_statistics().is_in_charge);
    out.key("stable").number(stable.value());
    out.key("highest").number(std::max(database.highest(), stable).value()).end_object();
  }
  out.end_array().end_object();
  return std::move(out).text();
}

}  // namespace headgate
