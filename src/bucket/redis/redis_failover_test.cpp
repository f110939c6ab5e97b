// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <signal.h>

#include "bucket/redis/redis_codec.hpp"
#include "bucket/redis/redis_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr DatabaseId kDatabase{7};

Key key(std::string name, std::string tag = "tag") {
  return {kDatabase, KeyKind::document, std::move(tag), std::move(name)};
}

/// A bucket on servers of the test's own.
class RedisFaults : public testing::Test {
 protected:
  void open(RedisOptions options) {
    options.name = "faults";
    bucket_ = open_another(std::move(options));
  }
  std::unique_ptr<RedisBucket> open_another(RedisOptions options) {
    options.name = "faults";
    options.silence = seconds(1);
    return open_bucket(driver_, std::move(options));
  }
  Deadline in(seconds duration) { return driver_.environment().now() + duration; }
  Reply insert(std::string name, WriteOptions options = {}) {
    return driver_.get(
        bucket_->insert(key(std::move(name)), "x", std::move(options), in(seconds(5))));
  }
  Reply insert_with_entry(std::string name) { return insert(name, {.feed_entry = name}); }
  Reply get(std::string name) {
    return driver_.get(bucket_->get(key(std::move(name)), in(seconds(5))));
  }
  Result<std::vector<FeedEntry>> next(MutationFeed& feed, seconds wait = seconds(5)) {
    return driver_.get(feed.next(1'000, in(wait)));
  }
  std::vector<std::string> next_bytes(MutationFeed& feed) {
    std::vector<std::string> bytes;
    const auto entries = next(feed);
    EXPECT_TRUE(entries);
    if (entries)
      for (const FeedEntry& entry : *entries) bytes.push_back(entry.bytes);
    return bytes;
  }
  std::unique_ptr<MutationFeed> feed(FeedPositions from = {}) {
    return std::move(*bucket_->open_feed(kDatabase, std::move(from)));
  }
  /// Calls until one is answered.
  Reply get_within_patience(const std::string& name) {
    Reply reply;
    EXPECT_TRUE(within_patience([&] {
      reply = get(name);
      return reply.ok() || reply.status == Errc::not_found;
    }));
    return reply;
  }

  AsioDriver driver_;
  std::unique_ptr<RedisBucket> bucket_;
};

class RedisSingleFaults : public RedisFaults {
 protected:
  RedisSingleFaults() { open({.addresses = {server_.address()}, .partitions = 2}); }
  std::string partition_key(std::string_view rest) {
    return "{faults" + std::to_string(bucket_->partition_of(key("a")).value()) + "}" +
           std::string(rest);
  }

  RedisServer server_{{"--appendonly", "yes", "--appendfsync", "always"}};
};

TEST_F(RedisSingleFaults, ScriptsThatTheServerForgotAreSentAgain) {
  EXPECT_TRUE(insert("a").ok());
  EXPECT_EQ(server_.run({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_TRUE(insert("b").ok());
  EXPECT_TRUE(get("a").ok());
}

TEST_F(RedisSingleFaults, ARestartIsANewHistoryThatLosesNothing) {
  const Reply a = insert_with_entry("a");
  const auto reader = feed();
  EXPECT_THAT(next_bytes(*reader), ElementsAre("a"));
  server_.kill();
  // The first one may still go into a connection that nobody knows to be dead.
  EXPECT_TRUE(within_patience([&] { return insert("not done").status == Errc::unavailable; }));
  server_.start();
  const Reply after = get_within_patience("a");
  EXPECT_EQ(after.bytes, "x");
  EXPECT_EQ(after.cas, a.cas);
  EXPECT_NE(after.history, a.history);
  EXPECT_EQ(get("not done").status, Errc::not_found);
  EXPECT_EQ(insert("b", {.if_history = a.history}).status, Errc::rolled_back);
  EXPECT_EQ(insert("b", {.if_history = a.history}).history, after.history);
  const Reply b = insert_with_entry("b");
  EXPECT_GT(b.position, a.position);
  EXPECT_THAT(next_bytes(*reader), ElementsAre("b"));
  EXPECT_EQ(reader->positions()[bucket_->partition_of(key("a")).value()].history, b.history);
}

TEST_F(RedisSingleFaults, AnIdlePartitionGetsItsHistoryOnReconnecting) {
  insert("a");
  const auto before = bucket_->histories();
  server_.kill();
  server_.start();
  get_within_patience("a");
  EXPECT_TRUE(within_patience([&] {
    driver_.run_ready();
    const auto now = bucket_->histories();
    return now[0] != before[0] && now[1] != before[1];
  }));
}

TEST_F(RedisSingleFaults, AFlushedServerMovesReadersToTheBeginning) {
  const Reply a = insert_with_entry("a");
  const auto reader = feed();
  EXPECT_THAT(next_bytes(*reader), ElementsAre("a"));
  EXPECT_EQ(server_.run({"FLUSHALL"}), "OK");
  const Reply b = insert_with_entry("b");
  EXPECT_NE(b.history, a.history);
  EXPECT_GT(b.cas, a.cas);
  EXPECT_EQ(next(*reader).error().code, Errc::rolled_back);
  EXPECT_THAT(next_bytes(*reader), ElementsAre("b"));
}

// A proxy would be needed to lose only the answer: a stopped server has the request and is killed.
TEST_F(RedisSingleFaults, AnAnswerThatNeverCameIsUnknownAndARequestNeverSentIsNotDone) {
  insert("a");
  server_.signal(SIGSTOP);
  std::vector<Operation> writes;
  for (int i = 0; i < 10; ++i) writes.push_back(operation::Insert{key(std::to_string(i)), "x"});
  const auto replies = driver_.get(bucket_->pipeline(writes, in(seconds(5))));
  for (const Reply& reply : replies) {
    EXPECT_EQ(reply.status, Errc::timeout_unknown_outcome);
    EXPECT_EQ(reply.history, HistoryId());
  }
  server_.signal(SIGKILL);
  server_.kill();
  EXPECT_EQ(insert("b").status, Errc::unavailable);
}

TEST_F(RedisSingleFaults, ALostConnectionEndsWhatIsUnderWay) {
  insert("a");
  EXPECT_EQ(server_.run({"CLIENT", "PAUSE", "400", "ALL"}), "OK");
  std::optional<Reply> reply;
  TaskScope scope(driver_.environment());
  scope.spawn(detail::store_result(bucket_->insert(key("b"), "x", {}, in(seconds(5))), reply));
  driver_.run_ready();
  driver_.run_ready();
  driver_.run_ready();
  server_.kill();
  driver_.run(scope.join());
  EXPECT_EQ(reply->status, Errc::timeout_unknown_outcome);
}

TEST_F(RedisSingleFaults, CallsBeyondTheLimitAreOverloaded) {
  auto narrow = open_another(
      {.addresses = {server_.address()}, .partitions = 2, .max_pending_bytes = 100'000});
  std::vector<Operation> writes;
  for (const char* tag : {"1", "2", "3", "4", "5", "6"})
    writes.push_back(operation::Insert{key("big", tag), std::string(60'000, 'v')});
  std::set<Errc> seen;
  for (const Reply& reply : driver_.get(narrow->pipeline(writes, in(seconds(5)))))
    seen.insert(reply.status);
  EXPECT_THAT(seen, Contains(Errc::overloaded));
  const auto later = driver_.get(narrow->insert(key("small"), "x", {}, in(seconds(5))));
  EXPECT_TRUE(later.ok());
}

TEST_F(RedisSingleFaults, AFullServerRefusesWritesAndServesReads) {
  insert("a");
  EXPECT_EQ(server_.run({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  EXPECT_EQ(insert_with_entry("b").status, Errc::no_space);
  EXPECT_TRUE(get("a").ok());
  EXPECT_EQ(server_.run({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_EQ(get("b").status, Errc::not_found);
  EXPECT_TRUE(insert_with_entry("b").ok());
}

TEST_F(RedisSingleFaults, ACompactedFeedShowsTheLastEntryOfEachKey) {
  bucket_ = nullptr;
  open({.addresses = {server_.address()}, .partitions = 2, .feed_slack = 0});
  const Cas a = insert_with_entry("a1").cas;
  Cas cas = driver_.get(bucket_->insert(key("k"), "x", {.feed_entry = "k0"}, kNoDeadline)).cas;
  const auto slow = feed();
  EXPECT_EQ(driver_.get(slow->next(1, in(seconds(5))))->front().bytes, "a1");
  for (int i = 1; i < 300; ++i) {
    const WriteOptions options{.feed_entry = "k" + std::to_string(i)};
    cas = driver_.get(bucket_->replace(key("k"), "x", cas, options, kNoDeadline)).cas;
  }
  driver_.get(bucket_->remove(key("a1"), a, {.feed_entry = "gone"}, kNoDeadline));
  driver_.get(bucket_->replace(key("k"), "x", cas, {.feed_entry = "last"}, kNoDeadline));
  const auto heads = driver_.get(feed()->heads(kNoDeadline));
  EXPECT_TRUE(driver_.get(bucket_->compact_feed(kDatabase, *heads, kNoDeadline)));
  EXPECT_EQ(server_.run({"XLEN", partition_key("f" + redis_database(kDatabase))}), "2");
  // From the beginning and from a position that is no longer in the stream.
  EXPECT_THAT(next_bytes(*feed()), ElementsAre("a1", "k299", "gone", "last"));
  const auto resumed = feed(slow->positions());
  EXPECT_THAT(next_bytes(*resumed), ElementsAre("k299", "gone", "last"));
  EXPECT_EQ(resumed->positions(), *heads);
}

TEST_F(RedisSingleFaults, ExpiredValuesLeaveTheIndexWhenLaterOnesCome) {
  const auto in_a_minute = driver_.environment().wall_now() + seconds(60);
  const auto session = [](std::string name) {
    return Key{kDatabase, KeyKind::session, "tag", name};
  };
  const auto insert_until = [&](std::string name, WallTime expires) {
    driver_.get(bucket_->insert(session(name), "x", {.expires = expires}, kNoDeadline));
  };
  insert_until("a", in_a_minute);
  insert_until("b", in_a_minute);
  const std::string index = partition_key("k" + redis_database(kDatabase));
  EXPECT_EQ(server_.run({"ZCARD", index}), "2");
  driver_.advance(seconds(61));
  insert_until("c", in_a_minute + seconds(60));
  EXPECT_EQ(server_.run({"ZCARD", index}), "1");
}

TEST(RedisOpen, RefusesAServerThatMayEvictAndAnotherNumberOfPartitions) {
  AsioDriver driver;
  RedisServer server({"--maxmemory-policy", "allkeys-lru"});
  RedisOptions options{.addresses = {server.address()}, .partitions = 4};
  const auto opened = [&] {
    return driver.get(RedisBucket::open(driver.asio(), options, kNoDeadline));
  };
  EXPECT_EQ(opened().error().code, Errc::unsupported);
  server.run({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_TRUE(opened());
  options.partitions = 5;
  EXPECT_EQ(opened().error().code, Errc::invalid_argument);
  options = {.addresses = {{"127.0.0.1", 1}}};
  EXPECT_EQ(opened().error().code, Errc::unavailable);
}

TEST(RedisOpen, GivesItsNameAndPassword) {
  AsioDriver driver;
  RedisServer server;
  server.run({"ACL", "SETUSER", "gate", "on", ">secret", "~{hg*", "+@all", "-@dangerous", "+info",
              "+role", "+cluster|slots"});
  server.run({"ACL", "SETUSER", "default", "off"});
  RedisOptions options{.addresses = {server.address()}};
  const auto opened = [&] {
    return driver.get(RedisBucket::open(driver.asio(), options, kNoDeadline));
  };
  EXPECT_EQ(opened().error().code, Errc::unavailable);
  options.user = "gate";
  options.password = "wrong";
  EXPECT_THAT(opened().error().context, testing::HasSubstr("WRONGPASS"));
  options.password = "secret";
  EXPECT_TRUE(opened());
}

TEST(RedisOpen, SpeaksTlsWithAServerItsAuthoritiesKnow) {
  AsioDriver driver;
  TemporaryDirectory directory;
  const std::string certificate = directory / "certificate.pem";
  const std::string secret = directory / "key.pem";
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=redis -addext "
      "subjectAltName=IP:127.0.0.1 -keyout " +
      secret + " -out " + certificate + " 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::uint16_t port = free_port();
  RedisServer server({"--tls-port", std::to_string(port), "--tls-cert-file", certificate,
                      "--tls-key-file", secret, "--tls-ca-cert-file", certificate,
                      "--tls-auth-clients", "no"});
  RedisOptions options{.addresses = {{"127.0.0.1", port}}, .uses_tls = true, .partitions = 2};
  const auto opened = [&] {
    return driver.get(RedisBucket::open(driver.asio(), options, kNoDeadline));
  };
  EXPECT_THAT(opened().error().context, testing::HasSubstr("certificate"));
  options.tls_ca_file = certificate;
  const auto bucket = opened();
  ASSERT_TRUE(bucket) << bucket.error().context;
  const std::string large(3'000'000, 'v');
  EXPECT_TRUE(driver.get((*bucket)->insert(key("a"), large, {}, kNoDeadline)).ok());
  EXPECT_EQ(driver.get((*bucket)->get(key("a"), kNoDeadline)).bytes, large);
}

/// Three masters with a replica each. The key "a" tells which partition the tests look at.
class RedisClusterFaults : public RedisFaults {
 protected:
  RedisClusterFaults() { open({.addresses = servers_.addresses(), .replicas = 1}); }
  PartitionNumber partition() { return bucket_->partition_of(key("a")); }
  std::string tag() { return "faults" + std::to_string(partition().value()); }
  RedisServer& master() { return servers_.master_of("{" + tag() + "}"); }
  void wait_until_replicated() { EXPECT_TRUE(driver_.get(bucket_->barrier(in(seconds(5))))); }

  RedisServers servers_{seconds(2)};
};

TEST_F(RedisClusterFaults, AFailoverWithLossIsAnotherHistory) {
  const Reply kept = insert_with_entry("kept");
  wait_until_replicated();
  RedisServer& old = master();
  RedisServer& replica = servers_.replica_of(old);
  replica.signal(SIGSTOP);
  // More than the buffers of the sockets between them hold.
  const std::string bulk(100'000, 'v');
  std::vector<Operation> writes;
  for (int i = 0; i < 200; ++i)
    writes.push_back(operation::Insert{key(std::to_string(i)), bulk, {.feed_entry = "lost"}});
  for (const Reply& reply : driver_.get(bucket_->pipeline(writes, in(seconds(10)))))
    EXPECT_TRUE(reply.ok());
  const Reply lost = insert_with_entry("lost");
  EXPECT_TRUE(lost.ok());
  EXPECT_EQ(insert("never", {.durability = Durability::replicated}).status,
            Errc::timeout_unknown_outcome);
  const auto reader = feed();
  std::size_t seen = 0;
  while (seen < 202) seen += next(*reader)->size();
  old.kill();
  replica.signal(SIGCONT);

  const Reply after = get_within_patience("lost");
  EXPECT_EQ(after.status, Errc::not_found);
  EXPECT_NE(after.history, lost.history);
  EXPECT_EQ(get("kept").cas, kept.cas);
  EXPECT_EQ(insert("b", {.if_history = lost.history}).status, Errc::rolled_back);
  EXPECT_EQ(next(*reader).error().code, Errc::rolled_back);
  const FeedPosition at = reader->positions()[partition().value()];
  EXPECT_LT(at.position, lost.position);
  EXPECT_GE(at.position, kept.position);
  EXPECT_EQ(at.history, after.history);
  const Reply again = insert_with_entry("again");
  EXPECT_GT(again.cas, lost.cas);
  EXPECT_THAT(next_bytes(*reader), Contains("again"));
}

TEST_F(RedisClusterFaults, WritesAndReadersFollowAPartitionThatIsMoved) {
  insert_with_entry("a");
  const auto reader = feed();
  EXPECT_THAT(next_bytes(*reader), ElementsAre("a"));
  RedisServer& from = master();
  std::size_t other = 0;
  while (servers_.at(other).address() == from.address()) ++other;
  RedisServer& to = servers_.at(other);
  const std::string slot = std::to_string(redis_slot(tag()));
  EXPECT_EQ(to.run({"CLUSTER", "SETSLOT", slot, "IMPORTING", servers_.id_of(from)}), "OK");
  EXPECT_EQ(from.run({"CLUSTER", "SETSLOT", slot, "MIGRATING", servers_.id_of(to)}), "OK");
  // Some keys here, some there: nothing is carried out, nothing is torn.
  EXPECT_EQ(insert_with_entry("refused").status, Errc::unavailable);
  std::istringstream words(from.run({"CLUSTER", "GETKEYSINSLOT", slot, "100"}));
  std::vector<std::string> keys{std::istream_iterator<std::string>(words), {}};
  const std::string port = std::to_string(to.address().port);
  std::vector<std::string> migrate = {"MIGRATE", "127.0.0.1", port, "", "0", "5000", "KEYS"};
  migrate.insert(migrate.end(), keys.begin(), keys.end());
  EXPECT_EQ(from.run(migrate), "OK");
  // All are there (ASK), but a script may ask for one that is not yet.
  EXPECT_EQ(insert_with_entry("refused").status, Errc::unavailable);
  for (RedisServer* server : {&to, &from})
    EXPECT_EQ(server->run({"CLUSTER", "SETSLOT", slot, "NODE", servers_.id_of(to)}), "OK");
  const Reply moved = insert_with_entry("b");
  EXPECT_TRUE(moved.ok());
  EXPECT_TRUE(get("a").ok());
  EXPECT_EQ(get("refused").status, Errc::not_found);
  EXPECT_THAT(next_bytes(*reader), ElementsAre("b"));
}

TEST_F(RedisClusterFaults, AGracefulFailoverLosesNothing) {
  const Reply a = insert_with_entry("a");
  wait_until_replicated();
  RedisServer& replica = servers_.replica_of(master());
  EXPECT_EQ(replica.run({"CLUSTER", "FAILOVER"}), "OK");
  EXPECT_TRUE(within_patience([&] { return get("a").history != a.history && get("a").ok(); }));
  EXPECT_EQ(get("a").cas, a.cas);
  const auto reader = feed({});
  EXPECT_THAT(next_bytes(*reader), ElementsAre("a"));
}

}  // namespace
}  // namespace headgate
