// SPDX-License-Identifier: Apache-2.0
// Random writers, faults and clients against an oracle: nothing lost, nothing older after newer,
// every printed sequence id good for going on.
#include <random>

#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr int kDocuments = 12;
constexpr std::array<const char*, 3> kChannels{"a", "b", "c"};

/// What one client holds, and how it came to it.
struct Client {
  struct Held {
    std::uint64_t generation = 0;
    bool is_gone = false;  ///< deleted, or left the client's channels
  };
  std::string name;  ///< of the user; empty: admin
  /// Whoever is told of backfills does not change it: `G:n` does not say what was seen above
  /// stable.
  ReadMode mode = ReadMode::available;
  std::map<std::string, Held> documents;
  std::vector<SeenRow> rows;
  std::string at = "0";
  std::string failure;

  void take(const SeenRow& row) {
    rows.push_back(row);
    Held& held = documents[row.id];
    if (row.generation() < held.generation) {
      // Who saw a newer revision by a channel that it has lost since may be told by another one of
      // an earlier revision: that it was there, and then that it has left.
      if (has_fixed_channels() && failure.empty())
        failure = row.id + "@" + row.seq + " follows generation " + std::to_string(held.generation);
      return;
    }
    held = {row.generation(), row.is_deleted || !row.removed.empty()};
  }
  bool has_fixed_channels() const { return name.empty() || name == "bob"; }
  /// As it was after its first `count` rows.
  Client prefix(std::size_t count) const {
    Client earlier{name, mode, {}, {}, "0", {}};
    for (std::size_t i = 0; i < count; ++i) earlier.take(rows[i]);
    if (count > 0) earlier.at = rows[count - 1].seq;
    return earlier;
  }
};

struct Shape {
  unsigned seed;
  BlockFormat format;
};

class RandomFollowersTest : public ChangesFixture, public testing::WithParamInterface<Shape> {
 protected:
  static DatabaseConfig shaped() {
    DatabaseConfig config = native(ReadMode::available, GetParam().format);
    config.sync = kSync;
    return config;
  }
  RandomFollowersTest() : ChangesFixture(shaped()), random_(GetParam().seed) {}

  std::size_t draw(std::size_t below) { return random_() % below; }
  bool chance(int percent) { return draw(100) < static_cast<std::size_t>(percent); }
  Task<void> pause(std::size_t most) { return env_.sleep_for(milliseconds(draw(most + 1))); }

  // --- What happens ---

  std::string random_body() {
    if (chance(12)) return "{\"_deleted\":true}";
    std::string body = "{\"channels\":[";
    for (const char* channel : kChannels)
      if (chance(40)) body += (body.back() == '[' ? "\"" : ",\"") + std::string(channel) + "\"";
    body += "]";
    if (chance(15)) body += R"(,"grant":{"users":["carol"],"channels":["c"]})";
    return body + "}";
  }

  Task<void> write_randomly(int writes) {
    for (int i = 0; i < writes; ++i) {
      const std::string id = "d" + std::to_string(draw(kDocuments));
      WriteItem change = item(id, random_body());
      std::vector<DocId> ids{DocId(id)};
      const auto loaded = co_await db_->documents().load(std::move(ids));
      if (loaded && loaded->front()) change.document.rev = loaded->front()->tree.winner();
      const auto answer = co_await db_->writer().write_one(admin(), std::move(change));
      written_ += answer.has_value();
      co_await pause(4);
    }
  }

  Task<void> grant_randomly(int changes) {
    for (int i = 0; i < changes; ++i) {
      UserUpdate update;
      update.admin_channels.emplace();
      for (const char* channel : kChannels)
        if (chance(50)) update.admin_channels->insert(channel);
      const auto done = co_await db_->principals().put_user("alice", std::move(update));
      written_ += done.has_value();
      co_await pause(60);
    }
  }

  void break_something() {
    using Effect = FaultBucket::Effect;
    static constexpr std::array kKinds{KeyKind::sequence_document, KeyKind::sequence_document,
                                       KeyKind::block, KeyKind::document, KeyKind::channel_counter};
    FaultBucket::Fault fault;
    fault.matches = writes_of_kind(kKinds[draw(kKinds.size())]);
    fault.effect = chance(50) ? Effect::hold : Effect::fail;
    fault.code = chance(50) ? Errc::unavailable : Errc::timeout_unknown_outcome;
    if (fault.effect == Effect::fail && fault.code == Errc::timeout_unknown_outcome)
      fault.moment = chance(50) ? FaultBucket::Moment::after : FaultBucket::Moment::before;
    fault.skip = draw(3);
    bucket_.inject(std::move(fault));
  }

  Task<void> cause_trouble(int troubles) {
    for (int i = 0; i < troubles; ++i) {
      switch (draw(5)) {
        case 0:
          bucket_.release();
          break;
        case 1:
          co_await db_->stop_cache_writer();
          co_await pause(100);
          co_await start_cache_writer();
          break;
        default:
          break_something();
      }
      co_await pause(40);
    }
    bucket_.clear();
    bucket_.release();
  }
  Task<void> start_cache_writer() {
    while (!co_await db_->start_cache_writer()) {
      bucket_.clear();
      bucket_.release();
      co_await pause(20);
    }
  }

  // --- Who reads ---

  Task<Result<std::shared_ptr<const Principal>>> reader_of(const Client& client) {
    if (client.name.empty()) co_return admin();
    co_return co_await db_->principals().load(client.name);
  }
  ChangesOptions random_options(const Client& client) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, client.at);
    options.mode = client.mode;
    if (client.has_fixed_channels() && chance(30)) options.mode = ReadMode::stable;
    if (chance(60)) options.limit = 1 + draw(6);
    if (chance(50)) {
      options.feed = FeedKind::longpoll;
      options.timeout = milliseconds(1 + draw(80));
    }
    return options;
  }
  /// One request. Returns how many rows it brought.
  Task<std::size_t> ask(Client& client, ChangesOptions options) {
    const auto reader = co_await reader_of(client);
    if (!reader) co_return 0;
    ChangesFeed feed(source(), hub_, *reader, std::move(options));
    std::size_t count = 0;
    while (true) {
      const auto batch = co_await feed.next();
      if (!batch) co_return count;
      for (const ChangesRow& row : batch->rows) client.take(SeenRow::parse(row.text()));
      count += batch->rows.size();
      if (batch->is_end) {
        const bool takes_last_row = !batch->rows.empty() && chance(50);
        client.at = takes_last_row ? client.rows.back().seq : batch->last_seq.print();
        co_return count;
      }
      if (!client.rows.empty() && !batch->rows.empty()) client.at = client.rows.back().seq;
    }
  }
  Task<void> ask_again_and_again(Client& client) {
    while (is_running_) {
      co_await ask(client, random_options(client));
      if (clones_.size() < 60 && !client.rows.empty() && chance(8)) {
        clones_.push_back(client.prefix(1 + draw(client.rows.size())));
        begun_.spawn(ask_again_and_again(clones_.back()));
      }
      co_await pause(20);
    }
  }
  Task<void> follow_continuously(Client& client) {
    const auto reader = co_await reader_of(client);
    ChangesOptions options = ChangesFixture::options(FeedKind::continuous);
    options.mode = client.mode;
    ChangesFeed feed(source(), hub_, reader.value(), std::move(options));
    while (true) {
      const auto batch = co_await feed.next();
      if (!batch || batch->is_end) co_return;
      for (const ChangesRow& row : batch->rows) client.take(SeenRow::parse(row.text()));
    }
  }

  // --- What has to come out ---

  struct Truth {
    std::uint64_t generation = 0;
    bool is_deleted = false;
    std::set<std::string> channels;
  };
  std::map<std::string, Truth> truth() {
    std::map<std::string, Truth> all;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string id = "d" + std::to_string(i);
      std::vector<DocId> ids{DocId(id)};
      const auto loaded = env_.run(db_->documents().load(std::move(ids))).value();
      if (!loaded.front()) continue;
      Truth& truth = all[id];
      truth.generation = loaded.front()->tree.winner()->generation;
      truth.is_deleted = loaded.front()->tree.is_deleted();
    }
    for (const char* channel : kChannels) add_channel(all, channel);
    return all;
  }
  void add_channel(std::map<std::string, Truth>& all, const std::string& channel) {
    for (auto& [id, truth] : all) {
      if (truth.is_deleted) continue;
      const JsonView body(bodies_.emplace_back(get(id).value().json));
      if (const auto channels = body.find("channels"))
        for (const JsonView& name : channels->elements())
          if (*name.as_string() == channel) truth.channels.insert(channel);
    }
  }

  /// Empty if the client holds what it has to.
  std::string verdict(const Client& client, const std::map<std::string, Truth>& all) {
    if (!client.failure.empty()) return client.failure;
    std::set<std::string> held{"a", "b", "c"};
    const bool is_admin = client.name.empty();
    if (!is_admin) {
      held.clear();
      for (const auto& name : user(client.name)->access.channel_names()) held.insert(name);
    }
    for (const auto& [id, truth] : all) {
      const auto found = client.documents.find(id);
      bool is_visible = is_admin && !truth.is_deleted;
      for (const auto& channel : truth.channels) is_visible = is_visible || held.contains(channel);
      const bool has = found != client.documents.end() && !found->second.is_gone;
      if (is_visible &&
          (found == client.documents.end() || found->second.generation != truth.generation))
        return id + " is missing or old, generation " + std::to_string(truth.generation);
      // Who lost a channel keeps what it had (sync-semantics 9.3).
      if (!is_visible && has && client.has_fixed_channels()) return id + " should be gone";
    }
    return {};
  }

  static std::string history(const Client& client) {
    std::string text;
    for (const SeenRow& row : client.rows)
      text += "\n  " + row.id + "@" + row.seq + " " + std::to_string(row.generation()) +
              (row.is_deleted ? " deleted" : "") + (row.removed.empty() ? "" : " removed");
    return text;
  }

  void run_everything();
  void heal();
  void expect_every_id_is_good(const Client& client, const std::map<std::string, Truth>& all);

  std::mt19937 random_;
  bool is_running_ = true;
  int written_ = 0;
  std::list<Client> clients_;
  std::list<Client> clones_;
  std::list<std::string> bodies_;
};

void RandomFollowersTest::run_everything() {
  put_user("alice", {"a"});
  put_user("bob", {"b", "c"});
  put_user("carol", {"a"});
  for (const char* name : {"", "alice", "bob", "carol"}) {
    for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
      clients_.push_back({name, mode, {}, {}, "0", {}});
      pumps_.spawn(follow_continuously(clients_.back()));
      clients_.push_back(clients_.back());
      begun_.spawn(ask_again_and_again(clients_.back()));
    }
  }
  TaskScope work(env_);
  // Time moves here, not in env_.run(), which waits for other threads before each step.
  for (int i = 0; i < 4; ++i) work.spawn(write_randomly(60));
  work.spawn(grant_randomly(10));
  work.spawn(cause_trouble(30));
  while (work.size() > 0) env_.advance(milliseconds(1));
}

void RandomFollowersTest::heal() {
  bucket_.clear();
  bucket_.release();
  for (int i = 0; i < 100 && db_->stable() < db_->highest(); ++i) settle(milliseconds(100));
  ASSERT_EQ(db_->stable(), db_->highest());
  settle(milliseconds(1'000));
  is_running_ = false;
  while (begun_.size() > 0) env_.advance(milliseconds(1));
}

// Going on from any id ever printed brings the client to the end, in either mode and any page size.
void RandomFollowersTest::expect_every_id_is_good(const Client& client,
                                                  const std::map<std::string, Truth>& all) {
  for (std::size_t count = 0; count <= client.rows.size(); ++count) {
    Client resumed = client.prefix(count);
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, resumed.at);
    options.mode = client.mode;
    if (client.has_fixed_channels())
      options.mode = count % 2 == 0 ? ReadMode::available : ReadMode::stable;
    if (count % 3 != 0) options.limit = count % 5 + 1;
    std::size_t rows = 0;
    for (int page = 0;; ++page) {
      ASSERT_LT(page, 200) << client.name << " from " << options.since.print();
      rows = env_.run(ask(resumed, options));
      if (rows == 0) break;
      options.since = since(resumed.at);
    }
    ASSERT_EQ(verdict(resumed, all), "")
        << client.name << " from row " << count << history(resumed);
  }
}

TEST_P(RandomFollowersTest, NothingIsLostNothingOlderFollowsNewer) {
  run_everything();
  heal();
  const auto all = truth();
  EXPECT_GT(written_, 150);
  for (const Client& client : clients_) {
    if (client.name.empty()) EXPECT_FALSE(client.rows.empty());
    EXPECT_EQ(verdict(client, all), "") << "client " << client.name << history(client);
  }
  for (Client& clone : clones_)
    EXPECT_EQ(verdict(clone, all), "") << "clone " << clone.name << history(clone);
  for (const Client& client : clients_) expect_every_id_is_good(client, all);
}

std::vector<Shape> shapes() {
  std::vector<Shape> shapes;
  for (unsigned seed = 1; seed <= 8; ++seed)
    for (const BlockFormat format : {BlockFormat::append, BlockFormat::indexed})
      shapes.push_back({seed, format});
  return shapes;
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomFollowersTest, testing::ValuesIn(shapes()),
                         [](const auto& about) {
                           return (about.param.format == BlockFormat::append ? "append"
                                                                             : "indexed") +
                                  std::to_string(about.param.seed);
                         });

}  // namespace
}  // namespace headgate
