// SPDX-License-Identifier: Apache-2.0
// Users, grants, reads, and the life of a database while the n-th call of its bucket fails, for n =
// 1, 2, 3 ...
#include "database/error_paths_database_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

TEST_P(ErrorPathsTest, Principals) {
  const auto ann = [this](const std::string& name) { put_user(name, {"news"}); };
  const auto exists = [this](const std::string& name) {
    return env_.run(db_->principals().get_user(name)).has_value();
  };
  const auto role_reads = [this](const std::string& name, const std::string& channel) {
    const auto role = env_.run(db_->principals().get_role(name));
    return role && role->admin_channels.contains(channel);
  };
  const auto make_role = [this](const std::string& name) {
    ASSERT_TRUE(put_role(name, {"news"}));
    put_user(name, {}, {name});
  };
  run_all({
      {"newuser", nullptr, [&](const auto& id) { return put_user_now(id, {"news"}); },
       [&](const auto& id) { return std::vector{exists(id)}; }},
      {"changeuser", ann, [&](const auto& id) { return put_user_now(id, {"sport"}); },
       [&](const auto& id) { return std::vector{user_reads(id, "sport")}; }},
      {"revokeuser", ann, [&](const auto& id) { return put_user_now(id, {}); },
       [&](const auto& id) { return std::vector{!user_reads(id, "news")}; }},
      {"deleteuser", ann,
       [&](const auto& id) {
         return std::vector{code(env_.run(db_->principals().delete_user(id)))};
       },
       [&](const auto& id) { return std::vector{!exists(id)}; }},
      {"newrole", nullptr,
       [&](const auto& id) { return std::vector{code(put_role(id, {"news"}))}; },
       [&](const auto& id) { return std::vector{role_reads(id, "news")}; }},
      {"changerole", make_role,
       [&](const auto& id) { return std::vector{code(put_role(id, {"sport"}))}; },
       [&](const auto& id) { return std::vector{user_reads(id, "sport")}; }},
      {"deleterole", make_role,
       [&](const auto& id) {
         return std::vector{code(env_.run(db_->principals().delete_role(id)))};
       },
       [&](const auto& id) { return std::vector{!user_reads(id, "news")}; }},
  });
}

TEST_P(ErrorPathsTest, Grants) {
  const auto ann = [this](const std::string& name) { put_user(name); };
  const auto granted = [this](const std::string& name) {
    put_user(name);
    revs_[name] =
        put_ok(name, R"({"grant":{"users":")" + name + R"(","channels":"news"},"v":"one"})");
    EXPECT_TRUE(user_reads(name, "news"));
  };
  run_all({
      {"grant", ann,
       [&](const auto& id) {
         return put_now(id, R"({"grant":{"users":")" + id + R"(","channels":"news"},"v":"one"})");
       },
       [&](const auto& id) { return std::vector{has(id, "one")[0] && user_reads(id, "news")}; }},
      {"revoke", granted, [&](const auto& id) { return put_now(id, R"({"v":"two"})", revs_[id]); },
       [&](const auto& id) { return std::vector{has(id, "two")[0] && !user_reads(id, "news")}; }},
      {"load", granted,
       [&](const auto& id) {
         const auto loaded = env_.run(db_->principals().load(id));
         if (loaded) EXPECT_TRUE((*loaded)->access.can_read_channel("news"));
         return std::vector{code(loaded)};
       },
       nullptr},
  });
}

TEST_P(ErrorPathsTest, Reads) {
  make("a");
  const std::string body = R"({"channels":["other"],"v":")" + std::string(400, 'x') + "\"}";
  ASSERT_TRUE(write(replicated("b", body, "2-z,1-z")));
  ASSERT_TRUE(write(replicated("b", R"({"channels":["news"],"v":"one"})", "2-y,1-y")));
  put_user("ann", {"news"});
  const auto all_docs = [&](AllDocsQuery query) {
    AllDocsCursor cursor = db_->all_docs(admin(), std::move(query));
    std::size_t rows = 0;
    while (true) {
      const auto page = env_.run(cursor.next());
      if (!page) return std::vector{code(page)};
      if (page->empty()) break;
      rows += page->size();
    }
    EXPECT_EQ(rows, 2u);
    return std::vector{Errc::ok};
  };
  const auto each = [](const auto& results) {
    for (const auto& result : results)
      if (!result) return std::vector{code(result)};
    return std::vector{Errc::ok};
  };
  const DocId b("b");
  run_all({
      {"get", nullptr, [&](const auto&) { return std::vector{code(get("a"))}; }, nullptr},
      {"getrev", nullptr, [&](const auto&) { return std::vector{code(get("b", "2-y"))}; }, nullptr},
      {"getas", nullptr,
       [&](const auto&) {
         const auto ann = env_.run(db_->principals().load("ann"));
         return std::vector{ann ? code(get("a", {}, *ann)) : ann.error().code};
       },
       nullptr},
      {"open", nullptr,
       [&](const auto&) {
         return std::vector{code(env_.run(
             db_->documents().open_revisions(admin(), b, std::nullopt, false, ShowOptions{})))};
       },
       nullptr},
      {"bulk", nullptr,
       [&](const auto&) {
         std::vector<BulkGetItem> items{{DocId("a"), {}, {}}, {b, *parse_revision("2-y"), {}}};
         return each(env_.run(db_->documents().bulk_get(admin(), std::move(items), false, {})));
       },
       nullptr},
      {"many", nullptr,
       [&](const auto&) {
         return each(env_.run(db_->documents().get_many(admin(), {DocId("a"), b}, ShowOptions{})));
       },
       nullptr},
      {"diff", nullptr,
       [&](const auto&) {
         std::vector<RevsDiffItem> items{{b, {*parse_revision("9-x")}}};
         return std::vector{code(env_.run(db_->documents().revs_diff(std::move(items))))};
       },
       nullptr},
      {"all", nullptr, [&](const auto&) { return all_docs({.include_docs = true}); }, nullptr},
      {"keys", nullptr,
       [&](const auto&) {
         return all_docs({.keys = std::vector<std::string>{"a", "b"}, .include_docs = true});
       },
       nullptr},
      {"count", nullptr,
       [&](const auto&) {
         const auto count = env_.run(db_->count_documents());
         if (count) EXPECT_EQ(*count, 2u);
         return std::vector{code(count)};
       },
       nullptr},
      {"users", nullptr,
       [&](const auto&) {
         const auto names = env_.run(db_->principals().list_users("", 10));
         if (names) EXPECT_THAT(*names, testing::ElementsAre("ann"));
         return std::vector{code(names)};
       },
       nullptr},
      {"guest", nullptr,
       [&](const auto&) { return std::vector{code(env_.run(db_->principals().guest()))}; }, nullptr,
       Errc::unauthorized},
  });
}

TEST_P(ErrorPathsTest, Lives) {
  make("a");
  const auto reopened = [this](const std::string&) {
    env_.run(db_->stop());
    db_ = std::make_unique<Database>(Database::Dependencies{env_, bucket_, bucket_, *this},
                                     env_.run(catalog_.get("db")).value());
  };
  const auto restart_if_down = [this] {
    db_.reset();
    open(env_.run(catalog_.get("db")).value());
  };
  const CallFailure failure = std::get<1>(GetParam());
  for_each_failing_call(
      bucket_, failure,
      [&](std::size_t n) {
        if (n == 0) reopened("");
        (void)env_.run(db_->start());
      },
      [&](std::size_t) {
        restart_if_down();
        put_ok("n" + std::to_string(++count_), R"({"channels":["news"]})");
        expect_consistent();
        reopened("");
      });
  restart_if_down();
  for_each_failing_call(
      bucket_, failure, [&](std::size_t) { env_.run(db_->stop()); },
      [&](std::size_t) {
        restart_if_down();
        put_ok("n" + std::to_string(++count_), R"({"channels":["news"]})");
        expect_consistent();
      });
}

TEST_P(ErrorPathsTest, Reconfiguring) {
  make("a");
  bool is_long = false;
  run_all({{"reconfigure", nullptr,
            [&](const auto&) {
              DatabaseConfig config = *db_->config();
              is_long = !is_long;
              config.poll = milliseconds(is_long ? 300 : 250);
              return std::vector{code(env_.run(db_->reconfigure(config)))};
            },
            nullptr},
           {"cachewriter", nullptr,
            [&](const auto&) {
              env_.run(db_->stop_cache_writer());
              return std::vector{code(env_.run(db_->start_cache_writer()))};
            },
            nullptr}});
}

TEST_P(ErrorPathsTest, Catalog) {
  const auto is_there = [this](const std::string& name) {
    return env_.run(catalog_.get(name)).has_value();
  };
  const auto create = [this](const std::string& name) {
    ASSERT_TRUE(env_.run(catalog_.create(name, {})));
  };
  const auto poll_of = [this](const std::string& name) {
    return env_.run(catalog_.get(name))->config.poll;
  };
  run_all({
      {"create", nullptr,
       [&](const auto& id) { return std::vector{code(env_.run(catalog_.create(id, {})))}; },
       [&](const auto& id) { return std::vector{is_there(id)}; }},
      {"update", create,
       [&](const auto& id) {
         DatabaseConfig config;
         config.poll = milliseconds(300);
         return std::vector{code(env_.run(catalog_.update(id, config)))};
       },
       [&](const auto& id) { return std::vector{poll_of(id) == milliseconds(300)}; }},
      {"remove", create,
       [&](const auto& id) { return std::vector{code(env_.run(catalog_.remove(id)))}; },
       [&](const auto& id) { return std::vector{!is_there(id)}; }},
      {"list", nullptr, [&](const auto&) { return std::vector{code(env_.run(catalog_.list()))}; },
       nullptr},
      {"open", nullptr, [&](const auto&) { return std::vector{code(env_.run(catalog_.open()))}; },
       nullptr},
  });
}

}  // namespace
}  // namespace headgate
