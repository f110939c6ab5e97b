// SPDX-License-Identifier: Apache-2.0
#include "database/document_reader.hpp"

#include <gmock/gmock.h>

#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DocumentReaderTest : public DatabaseFixture {
 protected:
  using Reader = std::shared_ptr<const Principal>;

  std::vector<Result<std::vector<OpenRevision>>> bulk_get(
      const Reader& reader, const std::vector<std::pair<std::string, std::string>>& items,
      bool latest = true) {
    std::vector<BulkGetItem> wanted;
    for (const auto& [id, rev] : items) {
      BulkGetItem& item = wanted.emplace_back();
      item.id = DocId(id);
      if (!rev.empty()) item.rev = parse_revision(rev).value();
    }
    return env_.run(db_->documents().bulk_get(reader, std::move(wanted), latest, {.revs = true}));
  }
  Result<std::vector<OpenRevision>> open(std::string_view id,
                                         std::optional<std::vector<std::string>> revs,
                                         bool latest = false, Reader reader = admin()) {
    std::optional<std::vector<Revision>> wanted;
    if (revs) {
      wanted.emplace();
      for (const std::string& rev : *revs) wanted->push_back(parse_revision(rev).value());
    }
    return env_.run(db_->documents().open_revisions(std::move(reader), DocId(std::string(id)),
                                                    std::move(wanted), latest, {}));
  }
  Result<AttachmentContent> attachment(std::string_view id, std::string_view name,
                                       Reader reader = admin()) {
    return env_.run(db_->documents().get_attachment(std::move(reader), DocId(std::string(id)),
                                                    std::nullopt, std::string(name)));
  }
  std::vector<AllDocsRow> rows(AllDocsQuery query, Reader reader = admin()) {
    AllDocsCursor cursor = db_->all_docs(std::move(reader), std::move(query));
    std::vector<AllDocsRow> all;
    while (true) {
      auto page = env_.run(cursor.next());
      EXPECT_TRUE(page);
      if (!page || page->empty()) return all;
      std::move(page->begin(), page->end(), std::back_inserter(all));
    }
  }
  std::vector<std::string> keys(AllDocsQuery query, Reader reader = admin()) {
    std::vector<std::string> keys;
    for (const AllDocsRow& row : rows(std::move(query), std::move(reader))) keys.push_back(row.key);
    return keys;
  }
};

TEST_F(DocumentReaderTest, ADocumentIsReadByThoseOfItsChannels) {
  put_user("ann", {"news"});
  put_user("all", {"*"});
  put_ok("n", R"({"channels":["news"]})");
  put_ok("s", R"({"channels":["sport"]})");
  put_ok("none", "{}");
  put_ok("public", R"({"channels":["!"]})");
  EXPECT_TRUE(get("n", {}, user("ann")));
  EXPECT_EQ(get("s", {}, user("ann")).error().code, Errc::forbidden);
  EXPECT_EQ(get("none", {}, user("ann")).error().code, Errc::forbidden);
  EXPECT_TRUE(get("public", {}, user("ann")));
  EXPECT_TRUE(get("none", {}, user("all")));
  EXPECT_EQ(get("absent", {}, user("ann")).error().context, "missing");
}

// Semantics 1.7: so a pulling client learns that a document left its channels.
TEST_F(DocumentReaderTest, ARevisionOutOfReachIsShownWithoutItsBody) {
  put_user("ann", {"news"});
  const std::string first = put_ok("a", R"({"channels":["news"],"secret":1})");
  const std::string second = put_ok("a", R"({"channels":["sport"],"secret":2})", first);
  const auto shown = get("a", second, user("ann"));
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->is_redacted);
  EXPECT_THAT(shown->json, HasSubstr(R"("_removed":true)"));
  EXPECT_THAT(shown->json, HasSubstr("_revisions"));
  EXPECT_THAT(shown->json, Not(HasSubstr("secret")));
  const std::string third = put_ok("a", R"({"_deleted":true})", second);
  const auto deleted = get("a", third, user("ann"));
  EXPECT_THAT(deleted->json, HasSubstr(R"("_deleted":true)"));
  EXPECT_THAT(deleted->json, Not(HasSubstr("_removed")));
}

TEST_F(DocumentReaderTest, BulkGetHasNoErrorsForWhatAClientMayHaveHeardOf) {
  put_user("ann", {"news"});
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  const std::string second = put_ok("a", R"({"channels":["sport"]})", first);
  const auto answers =
      bulk_get(user("ann"), {{"a", first}, {"absent", "1-a"}, {"a", ""}, {"a", "7-x"}});
  ASSERT_EQ(answers.size(), 4u);
  ASSERT_EQ(answers[0]->size(), 1u);
  EXPECT_EQ(to_string(answers[0]->front().rev), second);  // the latest
  EXPECT_TRUE(answers[0]->front().shown->is_redacted);
  EXPECT_FALSE(answers[1]->front().shown);
  EXPECT_EQ(answers[2].error().code, Errc::forbidden);
  EXPECT_FALSE(answers[3]->front().shown);
}

TEST_F(DocumentReaderTest, BulkGetReadsManyDocumentsAtOnce) {
  std::vector<std::pair<std::string, std::string>> items;
  for (int i = 0; i < 120; ++i) {
    const std::string id = "d" + std::to_string(i);
    items.emplace_back(id, put_ok(id, R"({"channels":["news"]})"));
  }
  counting_.reset();
  const auto answers = bulk_get(admin(), items);
  ASSERT_EQ(answers.size(), 120u);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i]);
    EXPECT_THAT(answers[i]->front().shown->json, HasSubstr("\"" + items[i].first + "\""));
  }
  EXPECT_LE(counting_.pipelines(), 3u);
}

TEST_F(DocumentReaderTest, OpenRevisionsAreLeavesOrMissing) {
  ASSERT_TRUE(write(replicated("a", R"({"n":1})", "2-b,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"n":2})", "2-c,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"n":3})", "3-d,2-b")));
  EXPECT_EQ(open("a", std::nullopt)->size(), 2u);
  const auto named = open("a", {{"2-c", "2-b", "9-z"}});
  ASSERT_EQ(named->size(), 3u);
  EXPECT_TRUE((*named)[0].shown);
  EXPECT_FALSE((*named)[1].shown);
  EXPECT_FALSE((*named)[2].shown);
  const auto latest = open("a", {{"1-a"}}, true);
  ASSERT_EQ(latest->size(), 2u);
  EXPECT_TRUE((*latest)[0].shown);
  EXPECT_EQ(to_string(open("a", {{"2-b"}}, true)->front().rev), "3-d");
  EXPECT_EQ(open("absent", {{"1-a"}})->size(), 1u);
  EXPECT_EQ(open("absent", std::nullopt).error().code, Errc::not_found);
}

TEST_F(DocumentReaderTest, AllLeavesAreThoseThatCanBeRead) {
  put_user("ann", {"news"});
  put_user("bob");
  ASSERT_TRUE(write(replicated("a", R"({"channels":"news"})", "2-b,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"channels":"sport"})", "2-c,1-a")));
  EXPECT_EQ(open("a", std::nullopt, false, user("ann"))->size(), 1u);
  EXPECT_EQ(open("a", std::nullopt, false, user("bob")).error().code, Errc::forbidden);
}

TEST_F(DocumentReaderTest, ATombstoneInNoChannelIsALeafForThoseWhoWereToldOfIt) {
  put_user("ann", {"news"});
  put_user("bob", {"sport"});
  const std::string first = put_ok("a", R"({"channels":["news"],"word":"hush"})");
  const std::string gone = put_ok("a", R"({"_deleted":true,"why":"hush"})", first);
  const auto leaves = open("a", std::nullopt, false, user("ann"));
  ASSERT_TRUE(leaves) << leaves.error().context;
  ASSERT_EQ(leaves->size(), 1u);
  EXPECT_EQ(leaves->front().shown->json, get("a", gone, user("ann"))->json);
  EXPECT_TRUE(leaves->front().shown->is_redacted);
  EXPECT_THAT(leaves->front().shown->json, Not(HasSubstr("hush")));
  EXPECT_EQ(open("a", std::nullopt, false, user("bob")).error().code, Errc::forbidden);
  // Deleted where ann could not see it any more.
  const std::string moved = put_ok("b", R"({"channels":["news"]})");
  put_ok("b", R"({"_deleted":true})", put_ok("b", R"({"channels":["sport"]})", moved));
  EXPECT_EQ(open("b", std::nullopt, false, user("ann")).error().code, Errc::forbidden);
  EXPECT_TRUE(open("b", std::nullopt, false, user("bob")));
}

TEST_F(DocumentReaderTest, ADeletedConflictIsALeafForThoseWhoReadTheWinner) {
  put_user("ann", {"news"});
  ASSERT_TRUE(write(replicated("a", R"({"channels":["news"]})", "2-b,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"_deleted":true})", "3-d,2-c,1-a")));
  const auto leaves = open("a", std::nullopt, false, user("ann"));
  ASSERT_EQ(leaves->size(), 2u);
  EXPECT_TRUE(leaves->back().shown->is_deleted);
  EXPECT_TRUE(leaves->back().shown->is_redacted);
}

TEST_F(DocumentReaderTest, OnlyTheWinnerHasConflicts) {
  ASSERT_TRUE(write(replicated("a", "{}", "2-b,1-a")));
  ASSERT_TRUE(write(replicated("a", "{}", "2-c,1-a")));
  const ShowOptions show{.conflicts = true, .deleted_conflicts = true};
  EXPECT_THAT(get("a", "2-c", admin(), show)->json, HasSubstr(R"("_conflicts":["2-b"])"));
  EXPECT_THAT(get("a", "2-b", admin(), show)->json, Not(HasSubstr("_conflicts")));
}

TEST_F(DocumentReaderTest, MoreIsShownWhereItIsAskedFor) {
  const std::string first = put_ok("a", R"({"n":1})");
  put_ok("a", R"({"n":2})", first);
  ShowOptions show;
  show.revs = true;
  show.revs_info = true;
  show.local_seq = true;
  const std::string json = get("a", {}, admin(), show)->json;
  EXPECT_THAT(json, HasSubstr(R"("_revisions":{"start":2)"));
  EXPECT_THAT(json, HasSubstr(R"("status":"available")"));
  EXPECT_THAT(json, HasSubstr(R"("status":"missing")"));
  EXPECT_THAT(json, HasSubstr(R"("_local_seq":3)"));
}

TEST_F(DocumentReaderTest, RevsDiffTellsWhatIsMissing) {
  ASSERT_TRUE(write(replicated("a", "{}", "2-b,1-a")));
  std::vector<RevsDiffItem> items;
  items.push_back({DocId("a"), {*parse_revision("2-b"), *parse_revision("3-c")}});
  items.push_back({DocId("absent"), {*parse_revision("1-x")}});
  items.push_back({DocId("_user/ann"), {}});
  const auto differences = env_.run(db_->documents().revs_diff(std::move(items)));
  ASSERT_EQ(differences->size(), 3u);
  EXPECT_THAT((*differences)[0].missing, ElementsAre(*parse_revision("3-c")));
  EXPECT_THAT((*differences)[0].possible_ancestors, ElementsAre(*parse_revision("2-b")));
  EXPECT_THAT((*differences)[1].missing, ElementsAre(*parse_revision("1-x")));
  EXPECT_THAT((*differences)[2].missing, IsEmpty());
}

TEST_F(DocumentReaderTest, AttachmentsAreKeptByStubAndReadByName) {
  put_user("ann", {"news"});
  const std::string first = put_ok(
      "a",
      R"({"channels":"news","_attachments":{"f":{"data":"aGVsbG8=","content_type":"text/plain"}}})");
  put_ok("a", R"({"channels":"sport","_attachments":{"f":{"stub":true}}})", first);
  const auto content = attachment("a", "f");
  ASSERT_TRUE(content);
  EXPECT_EQ(content->bytes, "hello");
  EXPECT_EQ(content->attachment.content_type, "text/plain");
  EXPECT_EQ(content->attachment.revpos, 1u);
  EXPECT_EQ(content->rev.generation, 2u);
  EXPECT_EQ(attachment("a", "g").error().code, Errc::not_found);
  EXPECT_EQ(attachment("a", "f", user("ann")).error().code, Errc::forbidden);
  EXPECT_THAT(get("a")->json, HasSubstr(R"("stub":true)"));
  ShowOptions show;
  show.attachments = true;
  EXPECT_THAT(get("a", {}, admin(), show)->json, HasSubstr(R"("data":"aGVsbG8=")"));
  show.atts_since.push_back(*parse_revision(first));
  EXPECT_THAT(get("a", {}, admin(), show)->json, HasSubstr(R"("stub":true)"));
}

TEST_F(DocumentReaderTest, AnAttachmentIsPutAndDeletedByItself) {
  const std::string first = put_ok("a", R"({"n":1})");
  WriteItem put_one;
  put_one.id = DocId("a");
  put_one.document.rev = *parse_revision(first);
  AttachmentInput input;
  input.name = "f";
  input.data = "hello";
  input.content_type = "text/plain";
  put_one.attachment_change = AttachmentChange{"f", input};
  const auto added = write(put_one);
  ASSERT_TRUE(added);
  EXPECT_EQ(attachment("a", "f")->bytes, "hello");
  EXPECT_THAT(get("a")->json, HasSubstr(R"("n":1)"));

  WriteItem remove_one;
  remove_one.id = DocId("a");
  remove_one.document.rev = added->rev;
  remove_one.attachment_change = AttachmentChange{"f", std::nullopt};
  ASSERT_TRUE(write(remove_one));
  EXPECT_EQ(attachment("a", "f").error().code, Errc::not_found);
  remove_one.document.rev = get("a")->rev;
  EXPECT_EQ(write(remove_one).error().code, Errc::not_found);

  WriteItem fresh;
  fresh.id = DocId("new");
  fresh.attachment_change = AttachmentChange{"f", input};
  EXPECT_TRUE(write(fresh));
  EXPECT_EQ(attachment("new", "f")->bytes, "hello");
}

TEST_F(DocumentReaderTest, AllDocumentsComeInTheOrderOfTheirIds) {
  put_user("ann", {"news"});
  for (int i = 0; i < 500; ++i) {
    const bool is_news = i % 5 == 0;
    put_ok("d" + std::to_string(1'000 + i), is_news ? R"({"channels":"news"})" : "{}");
  }
  put_ok("d1000", R"({"_deleted":true})", to_string(get("d1000")->rev));
  const auto all = keys({});
  ASSERT_EQ(all.size(), 499u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  auto reversed = keys({.is_descending = true});
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(reversed, all);
  EXPECT_EQ(keys({}, user("ann")).size(), 99u);
  EXPECT_EQ(env_.run(db_->count_documents()).value(), 499u);
}

TEST_F(DocumentReaderTest, ARangeOfDocuments) {
  for (const std::string_view id : {"a", "b", "c", "d", "e"}) put_ok(id, "{}");
  EXPECT_THAT(keys({.start_key = "b", .end_key = "d"}), ElementsAre("b", "c", "d"));
  EXPECT_THAT(keys({.start_key = "b", .end_key = "d", .has_inclusive_end = false}),
              ElementsAre("b", "c"));
  EXPECT_THAT(keys({.start_key = "d", .end_key = "b", .is_descending = true}),
              ElementsAre("d", "c", "b"));
  EXPECT_THAT(keys({.start_key = "bb", .limit = 2}), ElementsAre("c", "d"));
  EXPECT_THAT(keys({.limit = 2, .skip = 1}), ElementsAre("b", "c"));
  EXPECT_THAT(keys({.limit = 0}), IsEmpty());
  EXPECT_THAT(keys({.start_key = "z"}), IsEmpty());
}

TEST_F(DocumentReaderTest, EveryKeyAskedForGetsARow) {
  put_user("ann", {"news"});
  put_ok("n", R"({"channels":"news"})");
  put_ok("s", R"({"channels":"sport"})");
  const std::string gone = put_ok("gone", R"({"channels":"news"})");
  put_ok("gone", R"({"_deleted":true})", gone);
  AllDocsQuery query;
  query.keys = {"s", "n", "absent", "gone", std::string(9'000, 'x')};
  query.include_docs = true;
  const auto found = rows(query, user("ann"));
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found[0].error, Errc::forbidden);
  EXPECT_THAT(*found[1].json, HasSubstr(R"("_id":"n")"));
  EXPECT_EQ(found[2].error, Errc::not_found);
  EXPECT_TRUE(found[3].is_deleted);
  EXPECT_FALSE(found[3].json);
  EXPECT_EQ(found[4].error, Errc::not_found);
}

TEST_F(DocumentReaderTest, AnEntryIsVisibleByItsChannelsNow) {
  put_user("ann", {"news"});
  put_ok("n", R"({"channels":["news","sport"]})");
  put_ok("s", R"({"channels":["sport"]})");
  const auto found = entries(ChannelId::star());
  EXPECT_TRUE(is_visible(found[0].document->entry, user("ann")->access));
  EXPECT_FALSE(is_visible(found[1].document->entry, user("ann")->access));
  EXPECT_TRUE(is_visible(found[1].document->entry, EffectiveAccess::admin()));
}

class LocalDocumentsTest : public DatabaseFixture {
 protected:
  Result<Revision> put_local(std::string_view body, std::string_view rev = {}) {
    ParsedDocument document = parse_document(body, {.is_local = true}).value();
    if (!rev.empty()) document.rev = parse_local_revision(rev).value();
    return env_.run(db_->local_documents().put(DocId("_local/x"), std::move(document)));
  }
  Result<LocalDocuments::Stored> get_local() {
    return env_.run(db_->local_documents().get(DocId("_local/x")));
  }
};

TEST_F(LocalDocumentsTest, RevisionsCountTheWrites) {
  EXPECT_EQ(get_local().error().code, Errc::not_found);
  EXPECT_EQ(to_string(*put_local(R"({"n":1})")), "0-1");
  EXPECT_EQ(to_string(*put_local(R"({"n":2})", "0-1")), "0-2");
  EXPECT_THAT(get_local()->json, HasSubstr(R"("_rev":"0-2")"));
  EXPECT_THAT(get_local()->json, HasSubstr(R"("n":2)"));
  EXPECT_EQ(db_->highest(), Sequence(1));
}

// Semantics 2.2.
TEST_F(LocalDocumentsTest, AWrongRevisionIsAConflict) {
  EXPECT_EQ(put_local("{}", "0-1").error().code, Errc::not_found);
  ASSERT_TRUE(put_local("{}"));
  EXPECT_EQ(put_local("{}").error().context, "Document update conflict");
  EXPECT_EQ(put_local("{}", "0-7").error().code, Errc::conflict);
  EXPECT_EQ(put_local(R"({"_deleted":true})").error().code, Errc::conflict);
  EXPECT_TRUE(put_local(R"({"_deleted":true})", "0-1"));
  EXPECT_EQ(get_local().error().code, Errc::not_found);
  EXPECT_EQ(put_local(R"({"_deleted":true})", "0-1").error().code, Errc::not_found);
}

// R18 needs to know how far the database was.
TEST_F(LocalDocumentsTest, TheHighestSequenceIsKept) {
  put_ok("a", "{}");
  ASSERT_TRUE(put_local("{}"));
  put_ok("b", "{}");
  EXPECT_EQ(get_local()->highest, Sequence(2));
}

TEST_F(LocalDocumentsTest, ReadingRenewsItsLife) {
  env_.run(db_->stop_cache_writer());  // its polls would fill the months
  ASSERT_TRUE(put_local("{}"));
  for (int month = 0; month < 6; ++month) {
    env_.advance(std::chrono::hours(24 * 30));
    ASSERT_TRUE(get_local());
  }
  env_.advance(std::chrono::hours(24 * 91));
  EXPECT_EQ(get_local().error().code, Errc::not_found);
}

}  // namespace
}  // namespace headgate
