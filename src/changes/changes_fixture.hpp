// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "changes/changes_feed.hpp"
#include "database/database_fixture.hpp"
#include "document/json.hpp"

namespace headgate {

/// One row as a client reads it.
struct SeenRow {
  std::string seq;  ///< as `since` takes it
  std::string id;
  std::vector<std::string> revs;
  bool is_deleted = false;
  bool is_revoked = false;
  std::vector<std::string> removed;
  std::string doc;  ///< JSON text; empty: none

  static SeenRow parse(const std::string& text) {
    EXPECT_TRUE(validate_json(text)) << text;
    const JsonView json(text);
    SeenRow row;
    const JsonView seq = json.find("seq").value();
    row.seq = seq.is_string() ? *seq.as_string() : std::string(seq.raw());
    row.id = *json.find("id")->as_string();
    for (const JsonView& change : json.find("changes")->elements())
      row.revs.push_back(*change.find("rev")->as_string());
    row.is_deleted = json.find("deleted").has_value();
    row.is_revoked = json.find("revoked").has_value();
    if (const auto removed = json.find("removed"))
      for (const JsonView& name : removed->elements()) row.removed.push_back(*name.as_string());
    if (const auto doc = json.find("doc")) row.doc = doc->raw();
    return row;
  }
  std::uint64_t generation() const { return parse_revision(revs.front()).value().generation; }
};

/// A client that follows one feed in the background, and notes what it gets.
struct Follower {
  Follower(ChangesSource& source, FeedHub& hub, std::shared_ptr<const Principal> reader,
           ChangesOptions options)
      : feed(source, hub, std::move(reader), std::move(options)) {}

  /// Ids with sequences: "a@5::7".
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const SeenRow& row : rows) names.push_back(row.id + "@" + row.seq);
    return names;
  }
  std::vector<std::string> take_names() {
    auto taken = names();
    rows.clear();
    return taken;
  }

  ChangesFeed feed;
  std::vector<SeenRow> rows;
  std::size_t batches = 0;
  std::size_t heartbeats = 0;
  std::size_t caught_up = 0;
  bool has_ended = false;
  std::string last_seq;
  std::optional<Error> error;
};

/// A database whose feeds can be followed.
class ChangesFixture : public DatabaseFixture {
 protected:
  using Names = std::vector<std::string>;

  static DatabaseConfig native(ReadMode mode = ReadMode::available,
                               BlockFormat format = BlockFormat::append) {
    DatabaseConfig config;
    config.block_capacity = 4;
    config.changes_mode = mode;
    config.block_format = format;
    return config;
  }

  ChangesFixture() : ChangesFixture(native()) {}
  explicit ChangesFixture(DatabaseConfig config) : DatabaseFixture(std::move(config)) {
    hub_.start(source_);
  }
  ~ChangesFixture() override {
    env_.run(hub_.stop());
    env_.run_ready();
  }

  void channels_changed(const std::vector<ChannelId>& channels) override {
    hub_.channels_changed(channels);
  }
  void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) override {
    hub_.stable_advanced(stable, channels);
  }

  // --- Writing with the cache writer under control ---

  /// Lets the cache writer come to the last number handed out, then stops it: stable stands still.
  void freeze_stable() {
    settle();
    expect_all_accounted_for();
    env_.run(db_->stop_cache_writer());
  }
  void thaw_stable() {
    const auto started = env_.run(db_->start_cache_writer());
    ASSERT_TRUE(started) << started.error().context;
    settle();
  }
  /// Begins a write whose front end stops before its sequence document; release() lets it go on.
  void begin_write(std::string_view id, std::string_view body, std::string_view rev = {}) {
    bucket_.inject({.matches = writes_of_kind(KeyKind::sequence_document),
                    .effect = FaultBucket::Effect::hold});
    const auto held = bucket_.held();
    begun_.spawn(write_to_end(item(id, body, rev)));
    env_.run_ready();
    EXPECT_EQ(bucket_.held(), held + 1);
  }
  void finish_writes() {
    bucket_.release();
    settle();
  }
  /// Lets everything happen that does not take long.
  void settle(std::chrono::milliseconds time = std::chrono::milliseconds(50)) {
    env_.advance(time);
  }
  std::string put_in(std::string_view id, std::string_view channels, std::string_view rev = {}) {
    return put_ok(id, body_in(channels), rev);
  }
  /// {"channels":[...]} for names with blanks between them.
  static std::string body_in(std::string_view channels) {
    std::string body = "{\"channels\":[";
    while (!channels.empty()) {
      const auto blank = std::min(channels.find(' '), channels.size());
      if (body.back() != '[') body += ',';
      append_json_string(body, channels.substr(0, blank));
      channels.remove_prefix(std::min(blank + 1, channels.size()));
    }
    return body + "]}";
  }
  std::string remove(std::string_view id, std::string_view rev) {
    WriteItem deletion = item(id, "{\"_deleted\":true}", rev);
    const auto answer = write(std::move(deletion));
    EXPECT_TRUE(answer) << answer.error().context;
    return answer ? to_string(answer->rev) : std::string();
  }

  // --- Following ---

  static SequenceId since(std::string_view text) { return SequenceId::parse(text).value(); }
  static ChangesOptions options(FeedKind feed, std::string_view from = "0",
                                std::vector<std::string> channels = {}) {
    ChangesOptions options;
    options.feed = feed;
    options.since = since(from);
    if (!channels.empty()) options.channels = std::move(channels);
    return options;
  }
  Follower& follow(ChangesOptions options, std::shared_ptr<const Principal> reader = admin()) {
    followers_.push_back(
        std::make_unique<Follower>(source(), hub_, std::move(reader), std::move(options)));
    pumps_.spawn(pump(*followers_.back()));
    settle(std::chrono::milliseconds(2));
    return *followers_.back();
  }
  /// A normal feed from its beginning to its end.
  Follower& get_changes(ChangesOptions options, std::shared_ptr<const Principal> reader = admin()) {
    Follower& follower = follow(std::move(options), std::move(reader));
    for (int i = 0; i < 1'000 && !follower.has_ended && !follower.error; ++i) settle();
    EXPECT_TRUE(follower.has_ended || follower.error);
    return follower;
  }
  Names changes(std::string_view from, std::shared_ptr<const Principal> reader = admin()) {
    return get_changes(options(FeedKind::normal, from), std::move(reader)).names();
  }
  DatabaseChangesSource& source() { return source_; }

  static Task<void> pump(Follower& follower) {
    while (!follower.has_ended && !follower.error) {
      auto batch = co_await follower.feed.next();
      if (!batch) {
        follower.error = batch.error();
        co_return;
      }
      ++follower.batches;
      for (const ChangesRow& row : batch->rows) follower.rows.push_back(SeenRow::parse(row.text()));
      follower.heartbeats += batch->is_heartbeat;
      follower.caught_up += batch->is_caught_up;
      follower.has_ended = batch->is_end;
      follower.last_seq = batch->last_seq.print();
    }
  }
  Task<void> write_to_end(WriteItem item) {
    const auto answer = co_await db_->writer().write_one(admin(), std::move(item));
    if (!answer) ++failed_writes_;
  }

  FeedHub hub_{env_, {}};
  DatabaseChangesSource source_{*db_};
  int failed_writes_ = 0;
  std::list<std::unique_ptr<Follower>> followers_;
  TaskScope pumps_{env_};
  TaskScope begun_{env_};
};

}  // namespace headgate
