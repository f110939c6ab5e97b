// SPDX-License-Identifier: Apache-2.0
// Every operation on documents while the n-th call of its bucket fails, for n = 1, 2, 3 ...
#include "database/error_paths_database_fixture.hpp"

namespace headgate {
namespace {

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

}  // namespace
}  // namespace headgate
