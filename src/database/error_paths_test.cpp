// SPDX-License-Identifier: Apache-2.0
// Every public operation of a database while the n-th call of its bucket fails, for n = 1, 2, 3 ...
#include <gmock/gmock.h>

#include "database/embedded_bucket_fixture.hpp"
#include "database/error_paths_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

enum class Store : std::uint8_t { memory, rocksdb };

struct Setting {
  const char* name;
  Store store;
  BlockFormat format;
  CacheWrites cache_writes = CacheWrites::frontend;
};
constexpr Setting kSettings[] = {
    {"AppendInMemory", Store::memory, BlockFormat::append},
    {"IndexedInMemory", Store::memory, BlockFormat::indexed},
    {"FeedInMemory", Store::memory, BlockFormat::append, CacheWrites::feed},
    {"AppendOnRocksDb", Store::rocksdb, BlockFormat::append},
};

class ErrorPathsTest : public ErrorPathsFixture,
                       public testing::WithParamInterface<std::tuple<Setting, CallFailure>> {
 protected:
  ErrorPathsTest() : ErrorPathsFixture(config_of(setting()), make_bucket(setting())) {}

  static Setting setting() { return std::get<0>(GetParam()); }
  static DatabaseConfig config_of(const Setting& setting) {
    DatabaseConfig config = scripted();
    config.block_format = setting.format;
    config.cache_writes = setting.cache_writes;
    return config;
  }
  static MakeBucket make_bucket(const Setting& setting) {
    if (setting.store == Store::memory) return {};
    return [](ManualEnvironment& environment) {
      return std::make_unique<EmbeddedBucket>(environment);
    };
  }

  void run_all(const std::vector<Case>& cases) { run_cases(cases, std::get<1>(GetParam())); }

  // --- Documents ---

  std::vector<Errc> put_now(const std::string& id, std::string_view body,
                            std::string_view rev = {}) {
    return {code(put(id, body, rev))};
  }
  /// The winner's body says so.
  std::vector<bool> has(const std::string& id, std::string_view what) {
    const auto shown = get(id);
    return {shown && shown->json.find(what) != std::string::npos};
  }
  void make(const std::string& id) { revs_[id] = put_ok(id, R"({"channels":["news"],"v":"one"})"); }

  std::vector<Errc> codes(const std::vector<Result<WriteAnswer>>& answers) {
    std::vector<Errc> all;
    for (const auto& answer : answers) all.push_back(code(answer));
    return all;
  }

  // --- Principals ---

  std::vector<Errc> put_user_now(const std::string& name, std::set<std::string> channels) {
    UserUpdate update;
    update.admin_channels = std::move(channels);
    return {code(env_.run(db_->principals().put_user(name, std::move(update))))};
  }
  bool user_reads(const std::string& name, const std::string& channel) {
    const auto loaded = env_.run(db_->principals().inspect(name));
    return loaded && (*loaded)->access.can_read_channel(channel);
  }

  std::map<std::string, std::string> revs_;
  int count_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, ErrorPathsTest,
                         testing::Combine(testing::ValuesIn(kSettings),
                                          testing::ValuesIn(kCallFailures)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  std::get<1>(info.param).name;
                         });

TEST_P(ErrorPathsTest, Documents) {
  const auto make_one = [this](const std::string& id) { make(id); };
  run_all({
      {"new", nullptr,
       [&](const auto& id) { return put_now(id, R"({"channels":["news"],"v":"one"})"); },
       [&](const auto& id) { return has(id, "one"); }},
      {"update", make_one,
       [&](const auto& id) {
         return put_now(id, R"({"channels":["sport"],"v":"two"})", revs_[id]);
       },
       [&](const auto& id) { return has(id, "two"); }},
      {"delete", make_one,
       [&](const auto& id) { return put_now(id, R"({"_deleted":true})", revs_[id]); },
       [&](const auto& id) { return std::vector{code(get(id)) == Errc::not_found}; }},
      {"conflict", make_one, [&](const auto& id) { return put_now(id, R"({"v":"two"})", "1-abc"); },
       [&](const auto& id) { return has(id, "two"); }, Errc::conflict},
      {"rejected", nullptr, [&](const auto& id) { return put_now(id, R"({"reject":"no"})"); },
       [&](const auto& id) { return has(id, "no"); }, Errc::forbidden},
      {"replicated", make_one,
       [&](const auto& id) {
         const std::string revs = "3-c,2-b," + revs_[id];
         return std::vector{code(write(replicated(id, R"({"v":"three"})", revs)))};
       },
       [&](const auto& id) { return has(id, "three"); }},
      {"branch", make_one,
       [&](const auto& id) {
         const std::string body = R"({"channels":["other"],"v":")" + std::string(400, 'x') + "\"}";
         return std::vector{code(write(replicated(id, body, "2-z,1-z")))};
       },
       [&](const auto& id) { return has(id, "xx"); }},
      {"promote",
       [&](const auto& id) {
         make(id);
         const std::string body = R"({"channels":["won"],"v":")" + std::string(400, 'x') + "\"}";
         ASSERT_TRUE(write(replicated(id, body, "2-z,1-z")));
       },
       [&](const auto& id) { return put_now(id, R"({"_deleted":true})", "2-z"); },
       [&](const auto& id) { return has(id, "one"); }},
  });
}

TEST_P(ErrorPathsTest, WritesOfSeveralDocuments) {
  run_all({
      {"batch",
       [&](const auto& id) {
         make(id + "b");
         make(id + "c");
       },
       [&](const auto& id) {
         std::vector<WriteItem> items;
         items.push_back(item(id + "a", R"({"channels":["news"],"v":"two"})"));
         items.push_back(item(id + "b", R"({"channels":["sport"],"v":"two"})", revs_[id + "b"]));
         items.push_back(item(id + "c", R"({"_deleted":true,"v":"two"})", revs_[id + "c"]));
         return codes(env_.run(db_->writer().write(admin(), std::move(items))));
       },
       [&](const auto& id) {
         return std::vector<bool>{has(id + "a", "two")[0], has(id + "b", "two")[0],
                                  code(get(id + "c")) == Errc::not_found};
       }},
      {"twice", nullptr,
       [&](const auto& id) {
         std::vector<WriteItem> items;
         items.push_back(replicated(id, R"({"channels":["news"],"v":"two"})", "2-b,1-a"));
         items.push_back(replicated(id, R"({"channels":["sport"],"v":"three"})", "3-c,2-b,1-a"));
         // The second brings the first along if that was not stored.
         return std::vector{codes(env_.run(db_->writer().write(admin(), std::move(items))))[1]};
       },
       [&](const auto& id) { return has(id, "three"); }},
  });
}

// Whoever fails, the document is whole in base and cache, or in neither.
TEST_P(ErrorPathsTest, Purges) {
  const auto make_two = [this](const std::string& id) {
    make(id);
    put_ok(id, R"({"channels":["sport"],"_attachments":{"f":{"data":"aGVsbG8="}}})", revs_[id]);
  };
  const auto grant = [this](const std::string& id) {
    put_user(id);
    put_ok(id, R"({"grant":{"users":")" + id + R"(","channels":"news"},"channels":["sport"]})");
  };
  const auto purge = [this](const std::string& id) {
    return std::vector{code(env_.run(db_->purger().purge(DocId(id))))};
  };
  const auto is_absent = [this](const std::string& id) {
    return std::vector<bool>{code(get(id)) == Errc::not_found};
  };
  run_all({
      {"purge", make_two, purge, is_absent},
      {"purgegrant", grant, purge,
       [&](const auto& id) {
         return std::vector<bool>{is_absent(id)[0] && !user_reads(id, "news")};
       }},
      {"overpurged",
       [&](const std::string& id) {
         make_two(id);
         EXPECT_EQ(purge(id)[0], Errc::ok);
       },
       [&](const auto& id) { return put_now(id, R"({"channels":["other"],"v":"two"})"); },
       [&](const auto& id) { return has(id, "two"); }},
  });
}

TEST_P(ErrorPathsTest, Attachments) {
  const auto with_attachment = [this](const std::string& id) {
    revs_[id] = put_ok(id, R"({"channels":["news"],"_attachments":{"f":{"data":"aGVsbG8="}}})");
  };
  const auto content = [this](const std::string& id, std::string name) {
    const auto found =
        env_.run(db_->documents().get_attachment(admin(), DocId(id), std::nullopt, name));
    return found ? found->bytes : std::string(to_string(found.error().code));
  };
  run_all({
      {"inline", nullptr,
       [&](const auto& id) {
         return put_now(id, R"({"channels":["news"],"_attachments":{"f":{"data":"aGVsbG8="}}})");
       },
       [&](const auto& id) { return std::vector{content(id, "f") == "hello"}; }},
      {"attach", with_attachment,
       [&](const auto& id) {
         WriteItem change = item(id, "{}", revs_[id]);
         AttachmentInput input;
         input.name = "g";
         input.data = "world";
         change.attachment_change = AttachmentChange{"g", std::move(input)};
         return std::vector{code(write(std::move(change)))};
       },
       [&](const auto& id) { return std::vector{content(id, "g") == "world"}; }},
      {"detach", with_attachment,
       [&](const auto& id) {
         WriteItem change = item(id, "{}", revs_[id]);
         change.attachment_change = AttachmentChange{"f", std::nullopt};
         return std::vector{code(write(std::move(change)))};
       },
       [&](const auto& id) { return std::vector{content(id, "f") == "not_found"}; }},
      {"read", with_attachment,
       [&](const auto& id) {
         const auto found =
             env_.run(db_->documents().get_attachment(admin(), DocId(id), std::nullopt, "f"));
         if (found) EXPECT_EQ(found->bytes, "hello");
         return std::vector{code(found)};
       },
       nullptr},
  });
}

TEST_P(ErrorPathsTest, LocalDocuments) {
  const auto local = [](const std::string& id) { return DocId("_local/" + id); };
  const auto put_local = [&](const std::string& id, std::string_view body, std::string_view rev) {
    ParsedDocument document = parse_document(body, ParseOptions{.is_local = true}).value();
    if (!rev.empty()) document.rev = Revision{0, std::string(rev)};
    return std::vector{code(env_.run(db_->local_documents().put(local(id), std::move(document))))};
  };
  const auto has_local = [&](const std::string& id, std::string_view what) {
    const auto stored = env_.run(db_->local_documents().get(local(id)));
    return stored && stored->json.find(what) != std::string::npos;
  };
  const auto make_local = [&](const std::string& id) {
    ASSERT_EQ(put_local(id, R"({"v":"one"})", "")[0], Errc::ok);
  };
  run_all({
      {"new", nullptr, [&](const auto& id) { return put_local(id, R"({"v":"one"})", ""); },
       [&](const auto& id) { return std::vector{has_local(id, "one")}; }},
      {"update", make_local, [&](const auto& id) { return put_local(id, R"({"v":"two"})", "1"); },
       [&](const auto& id) { return std::vector{has_local(id, "two")}; }},
      {"delete", make_local,
       [&](const auto& id) { return put_local(id, R"({"_deleted":true})", "1"); },
       [&](const auto& id) { return std::vector{!has_local(id, "one")}; }},
      {"read",
       [&](const auto& id) {
         make_local(id);
         env_.run(db_->stop_cache_writer());
         env_.advance(std::chrono::hours(25));  // its life is renewed then
         ASSERT_TRUE(env_.run(db_->start_cache_writer()));
       },
       [&](const auto& id) {
         return std::vector{code(env_.run(db_->local_documents().get(local(id))))};
       },
       nullptr},
  });
}

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
