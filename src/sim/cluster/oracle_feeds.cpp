// SPDX-License-Identifier: Apache-2.0
// What the oracle says of clients: what they are sent, and what they hold in the end.
#include <fmt/format.h>

#include <algorithm>

#include "sim/cluster/oracle.hpp"

namespace headgate {
namespace {

bool intersects(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& name) { return b.contains(name); });
}

}  // namespace

// Lost writes between a grant and its end are passed over: the one that ended it never saw them.
template <class Entry, class NamesOf>
void Oracle::add_possible(std::set<std::string>& names, const std::vector<Entry>& history,
                          TimePoint pass_began, NamesOf names_of) {
  enum class State : std::uint8_t { given, ending, over };
  std::map<std::string, State> states;
  for (const Entry& entry : history) {
    const std::set<std::string> given = names_of(entry);
    const bool is_told = entry.acknowledged && *entry.acknowledged < pass_began;
    for (auto& [name, state] : states)
      if (state == State::given && !given.contains(name) && !entry.write->is_lost)
        state = is_told ? State::over : State::ending;
    for (const std::string& name : given) states[name] = State::given;
  }
  for (const auto& [name, state] : states)
    if (state != State::over) names.insert(name);
}

std::set<std::string> Oracle::allowed(const std::string& user, TimePoint pass_began) const {
  std::set<std::string> channels{"!"};
  std::set<std::string> roles;
  const auto own_channels = [](const Rights& rights) { return rights.channels; };
  const auto add = [&](const std::string& name) {
    const auto found = principals_.find(name);
    if (found == principals_.end()) return;
    add_possible(channels, found->second, pass_began, own_channels);
    add_possible(roles, found->second, pass_began, [](const Rights& r) { return r.roles; });
  };
  add("user:" + user);
  const auto granted_roles = [&](const Version& version) {
    const auto found = version.granted_roles.find("user:" + user);
    return found == version.granted_roles.end() ? std::set<std::string>() : found->second;
  };
  for (const auto& [id, history] : documents_)
    add_possible(roles, history, pass_began, granted_roles);
  for (const std::string& role : std::set<std::string>(roles)) add("role:" + role);
  const auto granted = [&](const Version& version) {
    const auto found = version.granted.find("user:" + user);
    return found == version.granted.end() ? std::set<std::string>() : found->second;
  };
  for (const auto& [id, history] : documents_) add_possible(channels, history, pass_began, granted);
  return channels;
}

std::set<std::string> Oracle::rights_now(const std::string& user) const {
  std::set<std::string> channels{"!"};
  const auto present = [&](const std::string& name) -> const Rights* {
    const auto found = principals_.find(name);
    return found == principals_.end() ? nullptr : surviving(found->second);
  };
  std::set<std::string> roles;
  if (const Rights* own = present("user:" + user)) {
    channels.insert(own->channels.begin(), own->channels.end());
    roles = own->roles;
  }
  for (const auto& [id, history] : documents_) {
    const Version* now = surviving(history);
    if (now == nullptr) continue;
    const auto granted = now->granted.find("user:" + user);
    if (granted != now->granted.end())
      channels.insert(granted->second.begin(), granted->second.end());
    const auto given = now->granted_roles.find("user:" + user);
    if (given != now->granted_roles.end()) roles.insert(given->second.begin(), given->second.end());
  }
  for (const std::string& name : roles)
    if (const Rights* role = present("role:" + name))
      channels.insert(role->channels.begin(), role->channels.end());
  return channels;
}

bool Oracle::exists(const Reader& reader) const {
  if (reader.user.empty()) return true;
  const auto found = principals_.find("user:" + reader.user);
  return found != principals_.end() && surviving(found->second) != nullptr;
}

bool Oracle::has_fixed_rights(const Reader& reader) const {
  if (reader.user.empty()) return true;
  const auto found = principals_.find("user:" + reader.user);
  if (found == principals_.end()) return true;
  for (const Rights& rights : found->second)
    if (!rights.roles.empty() || rights.channels != found->second.front().channels) return false;
  for (const auto& [id, history] : documents_)
    for (const Version& version : history)
      if (version.granted.contains("user:" + reader.user) ||
          version.granted_roles.contains("user:" + reader.user))
        return false;
  return true;
}

void Oracle::deliver(const Reader& reader, Replica& replica, const SeenChange& change,
                     TimePoint pass_began) {
  check_id(reader, change);
  if (change.id.starts_with('_')) return;
  const auto& history = documents_[change.id];
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (history[i].rev == change.rev) candidates.push_back(i);
  const std::string row = fmt::format("{} is sent {}@{} {}{}", reader.name, change.id, change.seq,
                                      change.rev, change.removed.empty() ? "" : " removed");
  if (candidates.empty()) return fail("I2", row + ", which was never the winner");
  if (is_settled_ && std::all_of(candidates.begin(), candidates.end(),
                                 [&](auto i) { return history[i].write->is_lost; }))
    return fail("I6", row + ", which was lost, after everything was audited");

  std::set<std::string> seen = reader.channels;
  const bool sees_all = reader.user.empty() && seen.empty();
  if (!reader.user.empty()) seen = allowed(reader.user, pass_began);
  if (!sees_all && !seen.contains("*")) {
    bool is_allowed =
        change.removed.empty()
            ? std::any_of(candidates.begin(), candidates.end(),
                          [&](auto i) { return intersects(history[i].channels, seen); })
            : intersects(change.removed, seen);
    for (const std::string& left : change.removed)
      is_allowed = is_allowed && std::any_of(history.begin(), history.end(), [&](const auto& v) {
                     return v.channels.contains(left);
                   });
    if (!is_allowed)
      fail("I7", fmt::format("{} in [{}], left [{}], by a pass begun at {} us; may see [{}]", row,
                             fmt::join(history[candidates.back()].channels, ","),
                             fmt::join(change.removed, ","),
                             (pass_began - TimePoint(std::chrono::seconds(1'000))).count() / 1'000,
                             fmt::join(seen, ",")));
  }

  const auto held = replica.documents.find(change.id);
  std::size_t version = candidates.front();
  if (held != replica.documents.end()) {
    const auto next = std::lower_bound(candidates.begin(), candidates.end(), held->second.version);
    const bool is_older = next == candidates.end();
    if (is_older && !history[held->second.version].write->is_lost) {
      // Whoever saw a newer revision by a channel that it has lost since may hear that the document
      // had left another one before, and of it in a backfill.
      if (!has_fixed_rights(reader)) return;
      return fail("I2", fmt::format("{} after {}", row, held->second.rev));
    }
    version = is_older ? candidates.back() : *next;
  }
  replica.documents[change.id] = {version, change.rev, change.is_deleted, !change.removed.empty()};
}

// R17, R6b: where a client goes on from says that all up to there is settled.
void Oracle::check_id(const Reader& reader, const SeenChange& change) {
  const auto id = SequenceId::parse(change.seq);
  if (!id) return fail("format", fmt::format("{} is sent the id {}", reader.name, change.seq));
  if (id->safe() > highest_published_)
    fail("R17", fmt::format("{} is sent {}@{}, and stable was never above {}", reader.name,
                            change.id, change.seq, highest_published_.value()));
}

std::size_t Oracle::times_written(const std::string& id, const std::string& rev) const {
  const auto found = documents_.find(id);
  if (found == documents_.end()) return 0;
  return static_cast<std::size_t>(
      std::ranges::count_if(found->second, [&](const Version& v) { return v.rev == rev; }));
}

std::optional<std::string> Oracle::missing(const Reader& reader, const Replica& replica) const {
  for (const auto& [id, history] : documents_)
    if (auto wrong = compare(reader, replica, id, history))
      return fmt::format("{}: {} {}", reader.name, id, *wrong);
  return std::nullopt;
}

bool Oracle::is_visible(const Version* now, const std::set<std::string>& seen) {
  if (now == nullptr || now->is_deleted) return false;
  return seen.contains("*") || intersects(now->channels, seen);
}

std::set<std::string> Oracle::seen_now(const Reader& reader) const {
  if (!reader.user.empty()) return rights_now(reader.user);
  return reader.channels.empty() ? std::set<std::string>{"*"} : reader.channels;
}

std::set<std::string> Oracle::readable(const Reader& reader, const Replica& replica) const {
  const std::set<std::string> seen = seen_now(reader);
  std::set<std::string> ids;
  for (const auto& [id, held] : replica.documents)
    if (!held.is_deleted && !held.has_left && is_visible(surviving(documents_.at(id)), seen))
      ids.insert(id);
  return ids;
}

bool Oracle::has_lost_nothing() const {
  const auto is_whole = [](const SimStore& store) {
    return std::ranges::none_of(store.mutations(), &SimMutation::is_lost);
  };
  return is_whole(base_) && is_whole(cache_);
}

std::optional<std::string> Oracle::compare(const Reader& reader, const Replica& replica,
                                           const std::string& id,
                                           const std::vector<Version>& history) const {
  const Version* now = surviving(history);
  const auto found = replica.documents.find(id);
  const Replica::Held* held = found == replica.documents.end() ? nullptr : &found->second;
  const bool is_ghost = held != nullptr && history[held->version].write->is_lost;
  if (is_visible(now, seen_now(reader))) {
    if (held != nullptr && held->rev == now->rev) return std::nullopt;
    if (is_ghost && is_untraceable(history[held->version]) &&
        may_be_passed(*now, history[held->version]))
      return std::nullopt;
    return fmt::format("is {} at {}, held is {}", now->rev, now->sequence.value(),
                       held == nullptr ? "nothing" : held->rev);
  }
  // Who lost a channel keeps what it had; a revision that was lost may stay (B4).
  if (held == nullptr || held->is_deleted || held->has_left) return std::nullopt;
  if (is_ghost || !has_fixed_rights(reader)) return std::nullopt;
  return fmt::format("should be gone, held is {}", held->rev);
}

// Above what was stable when both buckets had lost the other one no client has passed it.
bool Oracle::may_be_passed(const Version& now, const Version& ghost) const {
  const auto lost_at = [](const SimMutation& write) { return std::max(write.when, write.lost_at); };
  TimePoint lost = lost_at(*ghost.write);
  const auto document = live_documents_.find({generation_, ghost.sequence});
  if (document != live_documents_.end()) lost = std::max(lost, lost_at(*document->second));
  const auto later =
      std::ranges::upper_bound(published_, lost, {}, &std::pair<TimePoint, Sequence>::first);
  return later != published_.begin() && now.sequence <= std::prev(later)->second;
}

// Whoever was sent this version, and nobody else, knows that it ever was: both buckets lost it.
bool Oracle::is_untraceable(const Version& version) const {
  const auto found = live_documents_.find({generation_, version.sequence});
  return found == live_documents_.end() || !cache_.read(found->second->key).ok() ||
         found->second->is_lost;
}

}  // namespace headgate
