// SPDX-License-Identifier: Apache-2.0
#include "database/document_reader.hpp"

#include <algorithm>
#include <utility>

#include "database/base_keys.hpp"
#include "database/read_batch.hpp"

namespace headgate {
namespace {

constexpr std::size_t kDiffChunk = 200;
constexpr int kAttachmentAttempts = 5;

ReadAsk ask_of(DocId id, std::optional<Revision> rev, bool latest) {
  ReadAsk ask;
  ask.id = std::move(id);
  ask.latest = latest;
  if (rev) {
    ask.what = ReadAsk::What::revisions;
    ask.revisions.push_back(*std::move(rev));
  }
  return ask;
}

/// What a call that wants one revision makes of an answer: the greatest one.
Result<ShownRevision> only(ReadBatch::Answer answer) {
  HG_TRY(std::vector<OpenRevision> open, std::move(answer));
  if (open.empty() || !open.front().shown) return Error{Errc::not_found, "missing"};
  return *std::move(open.front().shown);
}

}  // namespace

Task<Result<std::vector<std::optional<DocumentEnvelope>>>> DocumentReader::load(
    std::vector<DocId> ids) {
  std::vector<Key> keys;
  for (const DocId& id : ids) keys.push_back(document_key(context_.id, id));
  std::vector<std::optional<DocumentEnvelope>> envelopes;
  if (keys.empty()) co_return envelopes;
  const auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  for (const Reply& reply : replies) {
    auto& envelope = envelopes.emplace_back();
    if (reply.status == Errc::not_found) continue;
    if (!reply.ok()) co_return Error{Errc::unavailable, "reading documents"};
    HG_CO_TRY(envelope, decode_envelope(reply.bytes));
    if (envelope->is_purged()) envelope.reset();
  }
  co_return envelopes;
}

Task<Result<ShownRevision>> DocumentReader::get(std::shared_ptr<const Principal> reader, DocId id,
                                                std::optional<Revision> rev, bool latest,
                                                ShowOptions show) {
  ReadBatch batch(context_, *this, std::move(reader), std::move(show));
  auto answers = co_await batch.run({ask_of(std::move(id), std::move(rev), latest)});
  co_return only(std::move(answers.front()));
}

Task<Result<std::vector<OpenRevision>>> DocumentReader::open_revisions(
    std::shared_ptr<const Principal> reader, DocId id, std::optional<std::vector<Revision>> revs,
    bool latest, ShowOptions show) {
  ReadAsk ask;
  ask.id = std::move(id);
  ask.what = revs ? ReadAsk::What::revisions : ReadAsk::What::readable_leaves;
  ask.latest = latest;
  if (revs) ask.revisions = *revs;
  ReadBatch batch(context_, *this, std::move(reader), std::move(show));
  std::vector<ReadAsk> asks;
  asks.push_back(std::move(ask));
  auto answers = co_await batch.run(std::move(asks));
  const bool is_absent = !answers.front() && answers.front().error().code == Errc::not_found;
  if (!revs || !is_absent) co_return std::move(answers.front());
  std::vector<OpenRevision> missing;
  for (Revision& rev : *revs) missing.push_back({std::move(rev), std::nullopt});
  co_return missing;
}

Task<std::vector<Result<std::vector<OpenRevision>>>> DocumentReader::bulk_get(
    std::shared_ptr<const Principal> reader, std::vector<BulkGetItem> items, bool latest,
    ShowOptions show) {
  std::vector<ReadAsk> asks;
  for (const BulkGetItem& item : items) {
    ReadAsk& ask = asks.emplace_back(ask_of(item.id, item.rev, latest));
    ask.atts_since = item.atts_since;
  }
  ReadBatch batch(context_, *this, std::move(reader), std::move(show));
  auto answers = co_await batch.run(std::move(asks));
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].rev || answers[i] || answers[i].error().code != Errc::not_found) continue;
    std::vector<OpenRevision> missing;
    missing.push_back({*items[i].rev, std::nullopt});
    answers[i] = std::move(missing);
  }
  co_return answers;
}

Task<std::vector<Result<ShownRevision>>> DocumentReader::get_many(
    std::shared_ptr<const Principal> reader, std::vector<DocId> ids, ShowOptions show) {
  std::vector<ReadAsk> asks;
  for (DocId& id : ids) {
    ReadAsk& ask = asks.emplace_back(ask_of(std::move(id), std::nullopt, false));
    ask.what = ReadAsk::What::any_winner;
  }
  ReadBatch batch(context_, *this, std::move(reader), std::move(show));
  std::vector<Result<ShownRevision>> shown;
  auto answers = co_await batch.run(std::move(asks));
  for (auto& answer : answers) shown.push_back(only(std::move(answer)));
  co_return shown;
}

// A write that comes between takes the bytes of what it replaces away: then its own are asked for.
Task<Result<AttachmentContent>> DocumentReader::get_attachment(
    std::shared_ptr<const Principal> reader, DocId id, std::optional<Revision> rev,
    std::string name) {
  for (int attempt = 1;; ++attempt) {
    auto found = co_await look_for_attachment(reader, id, rev, name);
    if (found || found.error().code != Errc::corrupted || attempt == kAttachmentAttempts)
      co_return found;
  }
}

Task<Result<AttachmentContent>> DocumentReader::look_for_attachment(
    std::shared_ptr<const Principal> reader, DocId id, std::optional<Revision> rev,
    std::string name) {
  std::vector<DocId> ids{id};
  HG_CO_TRY(const auto envelopes, co_await load(std::move(ids)));
  if (!envelopes.front()) co_return Error{Errc::not_found, "missing"};
  const DocumentEnvelope& envelope = *envelopes.front();
  if (!rev && envelope.tree.is_deleted()) co_return Error{Errc::not_found, "deleted"};
  const Revision leaf = rev ? *std::move(rev) : envelope.tree.winner().value();
  const LeafContent* content = envelope.content_of(leaf);
  if (!content) co_return Error{Errc::not_found, "missing"};
  if (!reader->access.can_read(envelope.channels_of(leaf)))
    co_return Error{Errc::forbidden, "missing channel access"};
  const auto found = std::ranges::find(content->attachments, name, &Attachment::name);
  if (found == content->attachments.end())
    co_return Error{Errc::not_found, "Document is missing attachment"};
  Reply bytes = co_await context_.base.get(attachment_key(context_.id, id, found->digest),
                                           context_.deadline());
  if (bytes.status == Errc::not_found)
    co_return Error{Errc::corrupted, "the bytes of an attachment are not there"};
  if (!bytes.ok()) co_return Error{Errc::unavailable, "reading an attachment"};
  co_return AttachmentContent{leaf, *found, std::move(bytes.bytes)};
}

Task<Result<std::vector<RevisionTree::Difference>>> DocumentReader::revs_diff(
    std::vector<RevsDiffItem> items) {
  std::vector<RevisionTree::Difference> differences;
  for (std::size_t begin = 0; begin < items.size(); begin += kDiffChunk) {
    const std::size_t end = std::min(items.size(), begin + kDiffChunk);
    std::vector<DocId> ids;
    for (std::size_t i = begin; i < end; ++i) ids.push_back(items[i].id);
    HG_CO_TRY(const auto envelopes, co_await load(std::move(ids)));
    for (std::size_t i = begin; i < end; ++i) {
      const auto& envelope = envelopes[i - begin];
      if (envelope)
        differences.push_back(envelope->tree.missing(items[i].revs));
      else
        differences.push_back({std::move(items[i].revs), {}});
    }
  }
  co_return differences;
}

}  // namespace headgate
