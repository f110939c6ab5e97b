// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/decorator/counting_bucket.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "database/base_keys.hpp"
#include "database/database.hpp"

namespace headgate {

/// One running database on a memory bucket that can count and fail, for tests.
class DatabaseFixture : public testing::Test, public ChangeListener {
 protected:
  /// Does what the documents say: channels, grant {users, channels}, roles {users, roles},
  /// only_user, reject.
  static constexpr std::string_view kSync = R"js(function (doc, oldDoc) {
    if (doc.reject) throw({forbidden: doc.reject});
    if (oldDoc && oldDoc.owner) requireUser(oldDoc.owner);
    if (doc.only_user) requireUser(doc.only_user);
    channel(doc.channels);
    if (doc.grant) access(doc.grant.users, doc.grant.channels);
    if (doc.roles) role(doc.roles.users, doc.roles.roles);
  })js";

  static DatabaseConfig scripted() {
    DatabaseConfig config;
    config.sync = kSync;
    config.block_capacity = 4;
    return config;
  }

  /// Makes the bucket that is used instead of the one in memory.
  using MakeBucket = std::function<std::unique_ptr<Bucket>(ManualEnvironment&)>;

  DatabaseFixture() : DatabaseFixture(scripted()) {}
  explicit DatabaseFixture(DatabaseConfig config, std::size_t partitions = 1,
                           const MakeBucket& make_bucket = {})
      : store_(partitions),
        memory_(env_, store_),
        other_(make_bucket ? make_bucket(env_) : nullptr),
        counting_(other_ ? *other_ : memory_),
        bucket_(env_, counting_),
        catalog_(env_, bucket_, bucket_) {
    EXPECT_TRUE(env_.run(catalog_.open()));
    auto entry = env_.run(catalog_.create("db", std::move(config)));
    EXPECT_TRUE(entry) << entry.error().context;
    open(*std::move(entry));
  }
  ~DatabaseFixture() override {
    bucket_.clear();
    bucket_.release();
    if (db_) env_.run(db_->stop());
    db_.reset();
    env_.run_ready();
  }

  void open(DatabaseEntry entry) {
    db_ = std::make_unique<Database>(Database::Dependencies{env_, bucket_, bucket_, *this},
                                     std::move(entry));
    const auto started = env_.run(db_->start());
    ASSERT_TRUE(started) << started.error().context;
  }
  /// A new process on the same data, after a clean stop or without a word.
  void reopen(bool cleanly = true) {
    if (cleanly) env_.run(db_->stop());
    db_.reset();
    open(env_.run(catalog_.get("db")).value());
  }

  // --- Writing ---

  static WriteItem item(std::string_view id, std::string_view body, std::string_view rev = {}) {
    WriteItem item;
    item.id = DocId(std::string(id));
    item.document = parse_document(body).value();
    if (!rev.empty()) item.document.rev = parse_revision(rev).value();
    return item;
  }
  /// `revisions` as "3-c,2-b,1-a", newest first.
  static WriteItem replicated(std::string_view id, std::string_view body,
                              std::string_view revisions) {
    WriteItem replicated = item(id, body);
    replicated.is_new_edit = false;
    std::string_view rest = revisions;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      replicated.document.revisions.push_back(parse_revision(rest.substr(0, comma)).value());
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    replicated.document.rev = replicated.document.revisions.front();
    return replicated;
  }
  static std::shared_ptr<const Principal> admin() { return Principal::admin(); }

  Result<WriteAnswer> write(WriteItem item, std::shared_ptr<const Principal> writer = admin()) {
    return env_.run(db_->writer().write_one(std::move(writer), std::move(item)));
  }
  Result<WriteAnswer> put(std::string_view id, std::string_view body, std::string_view rev = {}) {
    return write(item(id, body, rev));
  }
  /// A write that must succeed; its revision as text.
  std::string put_ok(std::string_view id, std::string_view body, std::string_view rev = {}) {
    const auto answer = put(id, body, rev);
    EXPECT_TRUE(answer) << id << ": " << answer.error().context;
    return answer ? to_string(answer->rev) : std::string();
  }

  // --- Reading ---

  Result<ShownRevision> get(std::string_view id, std::string_view rev = {},
                            std::shared_ptr<const Principal> reader = admin(),
                            ShowOptions show = {}) {
    std::optional<Revision> wanted;
    if (!rev.empty()) wanted = parse_revision(rev).value();
    return env_.run(db_->documents().get(std::move(reader), DocId(std::string(id)), wanted, false,
                                         std::move(show)));
  }
  DocumentEnvelope envelope(std::string_view id) {
    return env_.run(db_->documents().load({DocId(std::string(id))})).value().front().value();
  }
  std::vector<ChannelEntry> entries(const ChannelId& channel, ReadMode mode = ReadMode::available) {
    const PassStart pass = env_.run(db_->cache_reader().start_pass()).value();
    std::vector<ChannelQuery> queries{{channel, Sequence()}};
    auto pages = env_.run(db_->cache_reader().read(pass, mode, std::move(queries), 10'000));
    return pages.value().front().entries;
  }
  /// Of a channel of documents, as "id", or "-id" for a removal.
  std::vector<std::string> names(std::string_view channel, ReadMode mode = ReadMode::available) {
    std::vector<std::string> names;
    for (const ChannelEntry& entry : entries(ChannelId::of_documents(channel), mode))
      names.push_back((entry.is_removal ? "-" : "") + entry.document->entry.doc_id.text());
    return names;
  }
  /// Stable has to come to the largest number handed out, without any gap timeout.
  void expect_all_accounted_for() {
    const TimePoint limit = env_.now() + std::chrono::milliseconds(900);
    while (db_->stable() < db_->highest() && env_.now() < limit)
      env_.run(env_.sleep_for(std::chrono::milliseconds(5)));
    EXPECT_EQ(db_->stable(), db_->highest());
    EXPECT_EQ(db_->cache_writer_statistics().gaps_closed, 0u);
  }

  std::shared_ptr<const Principal> user(std::string_view name) {
    auto loaded = env_.run(db_->principals().load(std::string(name)));
    EXPECT_TRUE(loaded) << name << ": " << loaded.error().context;
    return loaded.value_or(nullptr);
  }
  UserWrite put_user(std::string_view name, std::set<std::string> channels = {},
                     std::set<std::string> roles = {}) {
    UserUpdate update;
    update.admin_channels = std::move(channels);
    update.admin_roles = std::move(roles);
    auto written = env_.run(db_->principals().put_user(std::string(name), std::move(update)));
    EXPECT_TRUE(written) << written.error().context;
    return written.value_or(UserWrite{});
  }

  Result<UserWrite> put_role(std::string_view name, std::set<std::string> channels = {}) {
    return env_.run(db_->principals().put_role(std::string(name), RoleUpdate{std::move(channels)}));
  }

  void channels_changed(const std::vector<ChannelId>& channels) override {
    for (const ChannelId& channel : channels) ++wakes_[channel];
  }
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}

  ManualEnvironment env_;
  MemoryStore store_;
  MemoryBucket memory_;
  std::unique_ptr<Bucket> other_;
  CountingBucket counting_;
  FaultBucket bucket_;
  DatabaseCatalog catalog_;
  std::unique_ptr<Database> db_;
  std::map<ChannelId, int> wakes_;
};

}  // namespace headgate
