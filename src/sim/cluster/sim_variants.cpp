// SPDX-License-Identifier: Apache-2.0
// The options of a feed, each against the plain feed of the same reader when nothing moves any
// more.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "sim/cluster/sim_follower.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using Rows = std::vector<SeenChange>;

/// One request, and what its rows must be, given those of the plain feed.
struct Variant {
  std::string_view name;
  ChangesOptions options;
  /// What is wrong, or nothing.
  std::function<std::string(const Rows& plain, const Rows& rows)> compare;
};

std::string print(const Rows& rows) {
  std::string text;
  for (const SeenChange& row : rows)
    text += fmt::format(" {}@{}{}{}{}", row.id, row.seq, row.is_deleted ? "-" : "",
                        row.removed.empty() ? "" : "!", row.is_revoked ? "?" : "");
  return text;
}

/// The sequence is left out: what precedes `::` follows stable.
std::string differ(const Rows& expected, const Rows& rows) {
  const auto same = [](const SeenChange& a, const SeenChange& b) {
    return std::tie(a.id, a.rev, a.is_deleted, a.removed) ==
           std::tie(b.id, b.rev, b.is_deleted, b.removed);
  };
  if (std::ranges::equal(expected, rows, same)) return {};
  return fmt::format("[{}] instead of [{}]", print(rows), print(expected));
}

template <class Wanted>
Rows only(Rows rows, Wanted wanted) {
  std::erase_if(rows, [&](const SeenChange& row) { return !wanted(row); });
  return rows;
}

template <class Set>
ChangesOptions with(Set set) {
  ChangesOptions options;
  set(options);
  return options;
}

bool is_live(const SeenChange& row) {
  return !row.is_deleted && row.removed.empty();
}

Variant same_rows(std::string_view name, ChangesOptions options) {
  return {name, std::move(options), differ};
}

Variant descending() {
  return {"descending", with([](auto& o) { o.is_descending = true; }),
          [](Rows plain, const Rows& rows) {
            std::ranges::reverse(plain);
            return differ(plain, rows);
          }};
}

/// What left a channel and is seen by another one is no removal; rows do not tell.
Variant active_only() {
  return {"active_only", with([](auto& o) { o.active_only = true; }),
          [](const Rows& plain, const Rows& rows) {
            const auto is_dead = [](const SeenChange& row) { return row.is_deleted; };
            if (std::ranges::any_of(rows, is_dead)) return std::string("a deleted document");
            return differ(only(plain, is_live), only(rows, is_live));
          }};
}

Variant doc_ids() {
  const auto ids = std::make_shared<std::set<std::string, std::less<>>>();
  for (std::uint32_t n = 1; n <= 9; n += 2) ids->insert(document_name(n));
  return {"doc_ids", with([&](auto& o) { o.doc_ids = ids; }),
          [ids](const Rows& plain, const Rows& rows) {
            const auto named = [&](const SeenChange& row) { return ids->contains(row.id); };
            return differ(only(plain, named), rows);
          }};
}

/// Deleted documents have no body to match, and removals are told in any case.
Variant selector() {
  auto matches = std::make_shared<const Selector>(
      Selector::parse(JsonView(R"({"w":{"$mod":[2,0]},"channels":{"$exists":true}})")).value());
  return {"selector", with([&](auto& o) { o.selector = matches; }),
          [](const Rows& plain, const Rows& rows) {
            for (const SeenChange& row : rows)
              if (differ(only(plain, [&](const auto& p) { return p.id == row.id; }), {row}) != "")
                return fmt::format("a row that is not there without: {}", row.id);
            return std::string();
          }};
}

Variant user_entry(const std::string& user) {
  return {"user_entry", with([](auto& o) { o.user_entry = true; }),
          [user](const Rows& plain, const Rows& rows) {
            const auto is_of_user = [&](const auto& row) { return row.id == "_user/" + user; };
            if (std::ranges::count_if(rows, is_of_user) != 1) return "no entry of " + user;
            return differ(plain, only(rows, [&](const auto& row) { return !is_of_user(row); }));
          }};
}

std::vector<Variant> variants_for(const std::string& user) {
  std::vector<Variant> all{
      descending(),
      active_only(),
      doc_ids(),
      selector(),
      same_rows("include_docs", with([](auto& o) { o.include_docs = true; })),
      same_rows("style=all_docs", with([](auto& o) { o.style = ChangesStyle::all_docs; })),
      same_rows("request_plus", with([](auto& o) { o.request_plus = true; })),
      same_rows("longpoll", with([](auto& o) { o.feed = FeedKind::longpoll; }))};
  if (user.empty()) return all;
  all.push_back(user_entry(user));
  return all;
}

}  // namespace

Task<std::vector<SeenChange>> SimFollower::read_all(SimNode& node, ChangesOptions options) {
  options.mode = step_.mode;
  if (!step_.channels.empty())
    options.channels = std::vector(step_.channels.begin(), step_.channels.end());
  while (!site_.oracle.violation()) {
    const auto stream = open_feed(site_.environment, node, reader_.user, options);
    while (!stream->is_over) co_await stream->arrived.wait_past(stream->arrived.count());
    Rows rows;
    for (SeenBatch& batch : stream->batches)
      std::ranges::move(batch.rows, std::back_inserter(rows));
    if (!stream->batches.empty() && stream->batches.back().is_end) co_return rows;
    co_await site_.environment.sleep_for(milliseconds(20));
  }
  co_return Rows();
}

Task<void> SimFollower::prove_variants(SimNode& node) {
  const Rows plain = co_await read_all(node, {});
  if (plain.empty()) co_return;  // a longpoll would wait
  for (Variant& variant : variants_for(reader_.user)) {
    const Rows rows = co_await read_all(node, variant.options);
    if (const std::string wrong = variant.compare(plain, rows); !wrong.empty())
      co_return site_.oracle.fail("feeds",
                                  fmt::format("{}, {}: {}", reader_.name, variant.name, wrong));
  }
}

Task<void> SimFollower::prove_revocations(SimNode& node, std::uint32_t how_far) {
  const Remembered old = remembered(how_far);
  ChangesOptions options;
  options.since = SequenceId::parse(old.id).value();
  const Rows plain = co_await read_all(node, options);
  options.revocations = true;
  const Rows rows = co_await read_all(node, options);
  const auto fail = [&](const std::string& what) {
    site_.oracle.fail("feeds", fmt::format("{}, revocations from {}: {}; rows [{}]", reader_.name,
                                           old.id, what, print(rows)));
  };
  const auto is_plain = [](const SeenChange& row) { return !row.is_revoked; };
  // Whoever is told of a revocation needs no removal.
  const auto is_revoked = [&](const std::string& id) {
    return std::ranges::any_of(rows, [&](const auto& r) { return r.id == id && r.is_revoked; });
  };
  const auto is_compared = [&](const SeenChange& row) {
    return is_plain(row) && (row.removed.empty() || !is_revoked(row.id));
  };
  const auto wrong = differ(only(plain, is_compared), only(rows, is_compared));
  if (!wrong.empty()) co_return fail(wrong);
  // What the client may still hold that it could read then.
  Replica replica = old.replica;
  for (const SeenChange& row : rows) {
    if (is_plain(row)) {
      site_.oracle.deliver(reader_, replica, row, site_.world().now());
    } else {
      replica.documents[row.id].rev = row.rev;
      if (site_.oracle.readable(reader_, replica).contains(row.id))
        co_return fail(row.id + " is revoked and can be read");
      replica.documents.erase(row.id);
    }
  }
  const auto readable = site_.oracle.readable(reader_, replica);
  for (const std::string& id : old.readable) {
    // What its feed sent early it may have sent after a loss that the pass did not know yet; a feed
    // that asks for revocations from its beginning sends nothing early.
    if (site_.oracle.sequence_held(id, old.replica.documents.at(id)) > options.since.safe())
      continue;
    const auto held = replica.documents.find(id);
    if (held == replica.documents.end() || held->second.is_deleted || held->second.has_left)
      continue;
    if (!readable.contains(id) && site_.oracle.has_lost_nothing())
      co_return fail(fmt::format("{} {} is kept", id, held->second.rev));
  }
}

}  // namespace headgate
