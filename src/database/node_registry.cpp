// SPDX-License-Identifier: Apache-2.0
#include "database/node_registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kIsCacheWriter = 1;
constexpr std::uint8_t kIsLeaving = 2;
constexpr std::uint8_t kTakesWrites = 4;
constexpr std::uint8_t kServesFeeds = 8;

constexpr std::string_view kTag = "nodes";
constexpr std::size_t kNodesMax = 1'000;

/// Together under 1.9 s: a successor is at work within 3 s of a crash.
constexpr std::chrono::milliseconds kDeadAfter{1'500};
constexpr int kDeadLooks = 4;
constexpr std::chrono::seconds kForgetAfter{60};
/// Short: a beat that hangs is as bad as none.
constexpr std::chrono::seconds kPatience{1};

Key node_key(std::string_view id) {
  return {DatabaseId(0), KeyKind::database, std::string(kTag), std::string(id)};
}

/// Rendezvous hashing: the node with the greatest weight has the database.
std::uint64_t weight(std::string_view node, DatabaseId database) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ (database.value() * 0x9e3779b97f4a7c15);
  for (const char c : node) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

}  // namespace

std::string NodeRecord::encode() const {
  ByteWriter writer;
  writer.u8(kFormat);
  writer.u8(static_cast<std::uint8_t>(
      (is_cache_writer ? kIsCacheWriter : 0) | (is_leaving ? kIsLeaving : 0) |
      (takes_writes ? kTakesWrites : 0) | (serves_feeds ? kServesFeeds : 0)));
  writer.varint(beats).varint(led);
  for (const std::string* text : {&id, &name, &version, &public_url, &admin_url, &cache})
    writer.text(*text);
  return std::move(writer).bytes();
}

Result<NodeRecord> NodeRecord::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "node of a newer format"};
  NodeRecord record;
  const std::uint8_t flags = reader.u8();
  record.is_cache_writer = (flags & kIsCacheWriter) != 0;
  record.is_leaving = (flags & kIsLeaving) != 0;
  record.takes_writes = (flags & kTakesWrites) != 0;
  record.serves_feeds = (flags & kServesFeeds) != 0;
  record.beats = reader.varint();
  record.led = reader.varint();
  for (std::string* text : {&record.id, &record.name, &record.version, &record.public_url,
                            &record.admin_url, &record.cache})
    *text = std::string(reader.text());
  HG_CHECK(reader.finish("node"));
  return record;
}

NodeRegistry::NodeRegistry(Environment& environment, Bucket& base, NodeRecord own)
    : environment_(environment), base_(base), own_(std::move(own)) {
  own_.id = fmt::format("{:016x}", environment.random());
}

Deadline NodeRegistry::deadline() const {
  return environment_.now() + kPatience;
}

Task<Result<void>> NodeRegistry::beat() {
  const TimePoint begun = environment_.now();
  HG_CO_CHECK(co_await write_own());
  HG_CO_CHECK(co_await look());
  fresh_at_ = begun;
  is_entered_ = true;
  co_await forget_dead();
  co_return Result<void>();
}

// One that is dead is known by its silence.
Task<Result<std::optional<NodeRecord>>> NodeRegistry::find_at_work() {
  while (true) {
    HG_CO_CHECK(co_await look());
    bool are_dead = true;
    for (const auto& [id, seen] : others_) {
      if (seen.has_beat) co_return std::optional<NodeRecord>(seen.record);
      are_dead = are_dead && is_dead(seen);
    }
    if (are_dead) co_return std::optional<NodeRecord>();
    co_await environment_.sleep_for(kBeat);
  }
}

// Nobody else writes it, but a failover may take it away and an unknown outcome hides its version.
Task<Result<void>> NodeRegistry::write_own() {
  ++own_.beats;
  const Key key = node_key(own_.id);
  Reply written = own_cas_ == Cas()
                      ? co_await base_.insert(key, own_.encode(), {}, deadline())
                      : co_await base_.replace(key, own_.encode(), own_cas_, {}, deadline());
  if (!written.ok()) {
    const Reply found = co_await base_.get(key, deadline());
    own_cas_ = found.ok() ? found.cas : Cas();
    co_return Error{written.status, "writing the node's record"};
  }
  own_cas_ = written.cas;
  co_return Result<void>();
}

Task<Result<void>> NodeRegistry::look() {
  HG_CO_TRY(
      const Bucket::ScanPage page,
      co_await base_.scan(
          {DatabaseId(0), KeyKind::database, std::string(kTag), {}, kNodesMax, false}, deadline()));
  std::set<std::string> found;
  for (const auto& item : page.items) {
    if (item.name == own_.id) continue;
    found.insert(item.name);
    take(item);
  }
  std::erase_if(others_, [&](const auto& other) { return !found.contains(other.first); });
  co_return Result<void>();
}

void NodeRegistry::take(const Bucket::ScanPage::Item& item) {
  Seen& seen = others_[item.name];
  ++seen.looks;
  if (seen.cas == item.cas) return;
  // What cannot be read is of a newer version, and lives all the same.
  if (auto record = NodeRecord::decode(item.bytes)) seen.record = *std::move(record);
  seen.has_beat = seen.cas != Cas();
  seen.record.id = item.name;
  seen.cas = item.cas;
  seen.changed_at = environment_.now();
  seen.looks = 0;
}

bool NodeRegistry::is_dead(const Seen& seen) const {
  return seen.looks >= kDeadLooks && environment_.now() - seen.changed_at >= kDeadAfter;
}

Task<void> NodeRegistry::forget_dead() {
  std::vector<std::pair<std::string, Cas>> old;
  for (const auto& [id, seen] : others_)
    if (is_dead(seen) && environment_.now() - seen.changed_at >= kForgetAfter)
      old.emplace_back(id, seen.cas);
  // Whoever was taken for dead enters itself again.
  for (const auto& [id, cas] : old)
    static_cast<void>(co_await base_.remove(node_key(id), cas, {}, deadline()));
}

Task<void> NodeRegistry::remove() {
  if (own_cas_ == Cas()) co_return;
  static_cast<void>(co_await base_.remove(node_key(own_.id), own_cas_, {}, deadline()));
  own_cas_ = Cas();
}

bool NodeRegistry::is_fresh() const {
  return is_entered_ && environment_.now() - fresh_at_ < kDeadAfter;
}

std::vector<NodeRecord> NodeRegistry::live() const {
  std::vector<NodeRecord> nodes{own_};
  for (const auto& [id, seen] : others_)
    if (!is_dead(seen)) nodes.push_back(seen.record);
  std::sort(nodes.begin(), nodes.end(),
            [](const NodeRecord& a, const NodeRecord& b) { return a.id < b.id; });
  return nodes;
}

std::optional<NodeRecord> NodeRegistry::stranger() const {
  for (const auto& [id, seen] : others_)
    if (seen.has_beat && !is_dead(seen) && seen.record.cache != own_.cache) return seen.record;
  return std::nullopt;
}

bool NodeRegistry::may_have_stranger() const {
  return std::any_of(others_.begin(), others_.end(), [this](const auto& other) {
    return !is_dead(other.second) && other.second.record.cache != own_.cache;
  });
}

bool NodeRegistry::has_peers() const {
  return std::any_of(others_.begin(), others_.end(),
                     [this](const auto& other) { return !is_dead(other.second); });
}

std::string NodeRegistry::owner_of(DatabaseId database) const {
  std::string owner;
  for (const NodeRecord& node : live()) {
    if (!node.is_cache_writer || node.is_leaving) continue;
    if (owner.empty() || weight(node.id, database) > weight(owner, database)) owner = node.id;
  }
  return owner;
}

}  // namespace headgate
