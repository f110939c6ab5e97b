// SPDX-License-Identifier: Apache-2.0
// Changes feeds while the n-th call of the bucket fails, for n = 1, 2, 3 ...: whatever a client was
// sent is right, and with what it gets when it comes again it knows the present state (I1, I2).
#include <gmock/gmock.h>

#include "bucket/decorator/failing_calls.hpp"
#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What one client knows of the database.
struct Client {
  std::map<std::string, SeenRow> known;
  std::string since = "0";
};

using Setting = std::tuple<ReadMode, BlockFormat, CallFailure>;

class FeedErrorPathsTest : public ChangesFixture, public testing::WithParamInterface<Setting> {
 protected:
  FeedErrorPathsTest() : ChangesFixture(native(std::get<0>(GetParam()), std::get<1>(GetParam()))) {}

  template <class Attempt, class Check>
  void for_each(Attempt attempt, Check check) {
    for_each_failing_call(bucket_, std::get<2>(GetParam()), attempt, check);
  }

  void fill() {
    for (int i = 0; i < 12; ++i) {
      const std::string id = "d" + std::to_string(i);
      revs_[id] = put_in(id, i % 3 == 0 ? "news sport" : "news");
    }
    revs_["d3"] = put_in("d3", "sport", revs_["d3"]);
    remove("d4", revs_["d4"]);
    put_user("ann", {"news"});
    settle();
  }
  /// One more version of some document, one new document, one that leaves the channel.
  void change(std::size_t n) {
    write_some("d1", "news");
    write_some("d2", n % 2 == 0 ? "sport" : "news");
    write_some("n" + std::to_string(n), "news");
  }
  void write_some(const std::string& id, std::string_view channels) {
    const auto now = get(id);
    const auto answer = put(id, body_in(channels), now ? to_string(now->rev) : std::string());
    if (answer) revs_[id] = to_string(answer->rev);
  }

  /// Takes what a follower was sent; a client continues after the last row that it got.
  void take(Client& client, const Follower& follower) {
    for (const SeenRow& row : follower.rows) {
      const auto before = client.known.find(row.id);
      if (before != client.known.end())
        EXPECT_GE(row.generation(), before->second.generation()) << "I2: " << row.id;
      client.known[row.id] = row;
      client.since = row.seq;
    }
    if (follower.has_ended) client.since = follower.last_seq;
  }
  /// Comes again until all is known, while nothing fails.
  void catch_up(Client& client, std::shared_ptr<const Principal> reader) {
    settle(seconds(2));
    expect_all_accounted_for_in_time();
    const Follower& follower =
        get_changes(options(FeedKind::normal, client.since), std::move(reader));
    EXPECT_FALSE(follower.error) << follower.error->context;
    take(client, follower);
  }
  void expect_all_accounted_for_in_time() {
    for (int i = 0; i < 1'000 && db_->stable() < db_->highest(); ++i) settle();
    EXPECT_EQ(db_->stable(), db_->highest());
  }

  /// I1, by what reading the documents one by one says.
  void expect_knows_all(const Client& client, const std::shared_ptr<const Principal>& reader) {
    for (const auto& [id, rev] : revs_) {
      const auto shown = get(id, {}, reader);
      const auto row = client.known.find(id);
      const bool is_known =
          row != client.known.end() && row->second.removed.empty() && !row->second.is_deleted;
      EXPECT_EQ(is_known, shown.has_value()) << id;
      if (shown && is_known) EXPECT_EQ(row->second.revs.front(), to_string(shown->rev)) << id;
    }
  }

  /// A feed in the background for a while.
  Follower& follow_for(milliseconds time, ChangesOptions with,
                       std::shared_ptr<const Principal> reader) {
    Follower& follower = follow(std::move(with), std::move(reader));
    settle(time);
    return follower;
  }

  std::map<std::string, std::string> revs_;
};

std::string name_of(const testing::TestParamInfo<Setting>& info) {
  const bool is_append = std::get<1>(info.param) == BlockFormat::append;
  const bool is_early = std::get<0>(info.param) == ReadMode::available;
  return std::string(is_append ? "Append" : "Indexed") + (is_early ? "Available" : "Stable") +
         std::get<2>(info.param).name;
}
INSTANTIATE_TEST_SUITE_P(All, FeedErrorPathsTest,
                         testing::Combine(testing::Values(ReadMode::available, ReadMode::stable),
                                          testing::Values(BlockFormat::append,
                                                          BlockFormat::indexed),
                                          testing::ValuesIn(kCallFailures)),
                         name_of);

TEST_P(FeedErrorPathsTest, NormalFeeds) {
  fill();
  for (const bool is_admin : {true, false}) {
    Client client;
    std::shared_ptr<const Principal> reader;
    for_each(
        [&](std::size_t) {
          client = {};
          reader = is_admin ? admin() : env_.run(db_->principals().load("ann")).value_or(nullptr);
          if (!reader) return;
          ChangesOptions with = options(FeedKind::normal);
          with.include_docs = true;
          take(client, get_changes(std::move(with), reader));
        },
        [&](std::size_t n) {
          if (!reader) reader = user("ann");
          catch_up(client, reader);
          expect_knows_all(client, reader);
          change(n);  // there is something to read the next time
        });
  }
}

TEST_P(FeedErrorPathsTest, WaitingFeeds) {
  fill();
  for (const FeedKind kind : {FeedKind::longpoll, FeedKind::continuous}) {
    Client client;
    catch_up(client, admin());
    for_each(
        [&](std::size_t n) {
          Follower& follower = follow_for(milliseconds(20), options(kind, client.since), admin());
          change(n);
          settle(seconds(3));
          take(client, follower);
        },
        [&](std::size_t) {
          catch_up(client, admin());
          expect_knows_all(client, admin());
        });
  }
}

// A feed that was told nothing is not lost: it goes on by itself.
TEST_P(FeedErrorPathsTest, AContinuousFeedGoesOnOrEnds) {
  fill();
  const auto ann = user("ann");
  Client client;
  Follower* follower = &follow_for(milliseconds(50), options(FeedKind::continuous), ann);
  for_each(
      [&](std::size_t n) {
        change(n);
        settle(seconds(2));
      },
      [&](std::size_t) {
        settle(seconds(2));
        expect_all_accounted_for_in_time();
        settle(seconds(1));
        take(client, *follower);
        follower->rows.clear();
        if (follower->error) {
          follower =
              &follow_for(milliseconds(50), options(FeedKind::continuous, client.since), ann);
          take(client, *follower);
          follower->rows.clear();
        }
        expect_knows_all(client, ann);
      });
}

}  // namespace
}  // namespace headgate
