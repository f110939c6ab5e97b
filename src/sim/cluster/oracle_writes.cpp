// SPDX-License-Identifier: Apache-2.0
// What the oracle learns of documents and principals: every write that the base bucket carried out.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "access/principal.hpp"
#include "database/principal_envelope.hpp"
#include "sim/cluster/oracle.hpp"

namespace headgate {
namespace {

// An audit moves a document once for each of its revisions that was lost: in seeds less than ten
// times, more often in a scripted loss of many.
constexpr std::uint32_t kMovesMost = 100;

/// The number of the script's write that made this body; 0: none.
std::uint32_t number_in(std::string_view body) {
  constexpr std::string_view kMark = "\"w\":";
  const auto at = body.find(kMark);
  if (at == std::string_view::npos) return 0;
  std::uint32_t number = 0;
  std::from_chars(body.data() + at + kMark.size(), body.data() + body.size(), number);
  return number;
}

std::set<std::string> names_of(const Grants& grants) {
  std::set<std::string> names;
  for (const auto& grant : grants) names.insert(grant.first);
  return names;
}

}  // namespace

Oracle::Oracle(SimWorld& world, SimStore& base, SimStore& cache, DatabaseId database,
               const ScriptSettings& settings)
    : world_(world), base_(base), cache_(cache), database_(database), settings_(settings) {
  const bool is_one_store = &base == &cache;
  base_.set_observer([this, is_one_store](const SimMutation& mutation) {
    saw_base(mutation);
    if (is_one_store) saw_cache(mutation);
    if (watcher_) watcher_(mutation);
  });
  if (!is_one_store)
    cache_.set_observer([this](const SimMutation& mutation) {
      saw_cache(mutation);
      if (watcher_) watcher_(mutation);
    });
  take_journals();
}

void Oracle::take_journals() {
  for (const SimMutation& mutation : base_.mutations())
    if (!mutation.is_lost) saw_base(mutation);
  for (const SimMutation& mutation : cache_.mutations())
    if (!mutation.is_lost) saw_cache(mutation);
}

void Oracle::begin_again() {
  documents_.clear();
  principals_.clear();
  used_.clear();
  written_.clear();
  sequence_documents_.clear();
  live_documents_.clear();
  removed_documents_.clear();
  stable_keys_.clear();
  generation_.clear();
  highest_stable_ = Sequence();
  checked_ = Sequence();
  highest_published_ = Sequence();
  published_.clear();
  epochs_published_.clear();
  checked_under_.clear();
  take_journals();
}

Oracle::~Oracle() {
  base_.set_observer(nullptr);
  cache_.set_observer(nullptr);
}

void Oracle::fail(std::string invariant, std::string what) {
  if (violation_) return;
  violation_ = Violation{std::move(invariant), world_.now(), std::move(what)};
}

void Oracle::saw_base(const SimMutation& mutation) {
  if (mutation.key.database != database_) return;
  if (mutation.key.kind == KeyKind::document) saw_document(mutation);
  if (mutation.key.kind == KeyKind::principal) saw_principal(mutation);
}

void Oracle::saw_document(const SimMutation& mutation) {
  const auto envelope = decode_envelope(mutation.bytes);
  if (!envelope) return fail("format", "a document that cannot be decoded: " + mutation.key.name);
  Version version{.write = &mutation, .sequence = envelope->sequence};
  version.rev = to_string(*envelope->tree.winner());
  version.is_deleted = envelope->tree.is_deleted();
  for (const auto& channel : envelope->current_channels()) version.channels.insert(channel);
  for (const auto& [principal, channels] : envelope->access)
    for (const auto& channel : channels) version.granted[principal].insert(channel.first);
  for (const auto& [principal, roles] : envelope->roles)
    for (const auto& role : roles) version.granted_roles[principal].insert(role.first);
  for (const auto& recent : envelope->recent) version.recent.push_back(recent.sequence);
  for (const LeafContent& content : envelope->contents) {
    version.leaves.insert(to_string(content.rev));
    const std::uint32_t number = number_in(content.body);
    if (number == 0) continue;
    written_[number] = mutation.key.name;
    if (refused_.contains(number))
      fail("refused", fmt::format("write {} of {} was refused, and is stored all the same", number,
                                  mutation.key.name));
  }
  auto& history = documents_[mutation.key.name];
  const Version* before = surviving(history);
  if (before != nullptr && !mutation.is_lost && before->sequence >= version.sequence)
    fail("R2", fmt::format("{} goes from sequence {} to {}", mutation.key.name,
                           before->sequence.value(), version.sequence.value()));
  use_sequence(version.sequence, mutation);
  check_moves(mutation.key.name, version, before);
  history.push_back(std::move(version));
}

// R10: a document that was resequenced is settled by that, unless another fault strikes.
void Oracle::check_moves(const std::string& id, Version& version, const Version* before) {
  const bool is_move = before != nullptr && before->rev == version.rev &&
                       before->leaves == version.leaves && before->channels == version.channels;
  if (is_move) version.moves = before->moves + 1;
  if (version.moves > kMovesMost)
    fail("R10", fmt::format("{} {} was resequenced {} times", id, version.rev, version.moves));
}

void Oracle::saw_principal(const SimMutation& mutation) {
  const auto envelope = PrincipalEnvelope::decode(mutation.bytes);
  if (!envelope) return fail("format", "a principal that cannot be decoded");
  Rights rights{.write = &mutation, .sequence = envelope->sequence};
  if (mutation.key.name.starts_with("user:")) {
    const auto user = decode_user(envelope->record);
    if (!user) return fail("format", "a user that cannot be decoded");
    rights.channels = names_of(user->admin_channels);
    rights.roles = names_of(user->admin_roles);
  } else {
    const auto role = decode_role(envelope->record);
    if (!role) return fail("format", "a role that cannot be decoded");
    rights.channels = names_of(role->admin_channels);
  }
  use_sequence(rights.sequence, mutation);
  principals_[mutation.key.name].push_back(std::move(rights));
}

// R6: no number is handed out twice, not even by two masters at once. But one request may be
// carried out twice (F3): by the master whose writes a failover lost, then by the next one.
void Oracle::use_sequence(Sequence sequence, const SimMutation& mutation) {
  if (sequence <= Sequence(1))
    fail("R6b", fmt::format("{} was given the number of the creation", mutation.key.name));
  const auto [used, is_new] = used_.try_emplace(sequence, &mutation);
  if (is_new) return;
  const SimMutation& before = *used->second;
  if (before.node == mutation.node && before.key == mutation.key &&
      before.bytes == mutation.bytes && before.history != mutation.history) {
    if (before.is_lost) used->second = &mutation;
    return;
  }
  fail("R6", fmt::format("sequence {} was given to {} and to {}", sequence.value(),
                         used->second->key.name, mutation.key.name));
}

void Oracle::acknowledged_document(const std::string& id, const std::string& rev, Sequence sequence,
                                   Durability durability) {
  auto& history = documents_[id];
  const auto found = std::find_if(history.rbegin(), history.rend(), [&](const Version& version) {
    return sequence == Sequence() ? version.leaves.contains(rev) : version.sequence == sequence;
  });
  if (found == history.rend()) {
    if (sequence != Sequence())
      fail("I9", fmt::format("{} {} was acknowledged at {} and is not stored", id, rev,
                             sequence.value()));
    return;
  }
  if (!found->acknowledged) found->acknowledged = world_.now();
  const bool is_promised = durability == Durability::replicated ||
                           (settings_.is_cluster && changes_rights(history, *found));
  found->is_replicated = found->is_replicated || (is_promised && sequence != Sequence());
}

// I7: a write that changes rights is replicated, whatever its durability. What it changed is told
// by the version that its writer had read, the last of the numbers that the document keeps: while
// there are two masters each has versions of its own.
bool Oracle::changes_rights(const std::vector<Version>& history, const Version& version) {
  const Version nothing;
  const Version* before = &nothing;
  for (const Version& v : history) {
    const bool was_read = std::ranges::find(version.recent, v.sequence) != version.recent.end();
    if (was_read && v.sequence > before->sequence) before = &v;
  }
  return before->granted != version.granted || before->granted_roles != version.granted_roles;
}

void Oracle::acknowledged_principal(const std::string& name, Sequence sequence) {
  for (Rights& rights : principals_[name])
    if (rights.sequence == sequence && !rights.acknowledged) rights.acknowledged = world_.now();
}

void Oracle::refused(std::uint32_t number) {
  const auto found = written_.find(number);
  if (found != written_.end())
    fail("refused", fmt::format("write {} of {} was stored, and its client told that it was not",
                                number, found->second));
  refused_.insert(number);
}

bool Oracle::has_revision(const std::string& id, const std::string& rev) const {
  const auto found = documents_.find(id);
  if (found == documents_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const Version& version) {
    return !version.write->is_lost && version.leaves.contains(rev);
  });
}

Sequence Oracle::last_sequence() const {
  Sequence last;
  for (const auto& [id, history] : documents_)
    for (const Version& version : history)
      if (!version.write->is_lost) last = std::max(last, version.sequence);
  for (const auto& [name, history] : principals_)
    for (const Rights& rights : history)
      if (!rights.write->is_lost) last = std::max(last, rights.sequence);
  return last;
}

namespace {

std::string line_of(const SimMutation& write, Sequence sequence,
                    const std::optional<TimePoint>& acknowledged) {
  const auto us = [](TimePoint when) {
    return (when - TimePoint(std::chrono::seconds(1'000))).count() / 1'000;
  };
  return fmt::format("  {:>9} us {} at {} by node {} history {}{}{}", us(write.when),
                     write.key.name, sequence.value(), write.node.value(), write.history.value(),
                     acknowledged ? fmt::format(" acknowledged at {} us", us(*acknowledged)) : "",
                     write.is_lost ? " LOST" : "");
}

}  // namespace

std::string Oracle::history_of(const std::string& id) const {
  std::string text;
  const auto found = documents_.find(id);
  if (found == documents_.end()) return text;
  for (const Version& v : found->second)
    text += fmt::format("{} {}{} in [{}]\n", line_of(*v.write, v.sequence, v.acknowledged), v.rev,
                        v.is_deleted ? " deleted" : "", fmt::join(v.channels, ","));
  return text;
}

std::string Oracle::rights_of(const std::string& user) const {
  std::string text;
  for (const auto& [name, history] : principals_) {
    if (name != "user:" + user && !name.starts_with("role:")) continue;
    for (const Rights& r : history)
      text += fmt::format("{} may see [{}], roles [{}]\n",
                          line_of(*r.write, r.sequence, r.acknowledged), fmt::join(r.channels, ","),
                          fmt::join(r.roles, ","));
  }
  for (const auto& [id, history] : documents_) {
    bool had_granted = false;
    for (const Version& v : history) {
      const auto granted = v.granted.find("user:" + user);
      const bool is_granting = granted != v.granted.end();
      if (is_granting || had_granted)
        text += fmt::format("{} grants [{}]\n", line_of(*v.write, v.sequence, v.acknowledged),
                            is_granting ? fmt::format("{}", fmt::join(granted->second, ",")) : "");
      had_granted = is_granting;
    }
  }
  return text;
}

}  // namespace headgate
