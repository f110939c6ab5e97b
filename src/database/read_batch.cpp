// SPDX-License-Identifier: Apache-2.0
#include "database/read_batch.hpp"

#include <algorithm>
#include <utility>

#include "database/base_keys.hpp"

namespace headgate {
namespace {

constexpr std::size_t kChunk = 50;

std::vector<Revision> leaves_from(const RevisionTree& tree, const Revision& rev) {
  std::vector<Revision> grown;
  for (const RevisionTree::Leaf& leaf : tree.leaves()) {
    const auto ancestry = tree.ancestry(leaf.rev);
    if (std::ranges::find(ancestry, rev) != ancestry.end()) grown.push_back(leaf.rev);
  }
  return grown;
}

std::string_view status_of(const DocumentEnvelope& envelope, const Revision& rev) {
  if (!envelope.content_of(rev)) return "missing";
  const auto info = envelope.tree.info(rev);
  return info && info->is_deleted ? "deleted" : "available";
}

}  // namespace

Task<std::vector<ReadBatch::Answer>> ReadBatch::run(std::vector<ReadAsk> asks) {
  std::vector<Answer> answers;
  for (std::size_t begin = 0; begin < asks.size(); begin += kChunk) {
    Asks chunk;
    for (std::size_t i = begin; i < asks.size() && i < begin + kChunk; ++i)
      chunk.push_back(&asks[i]);
    auto some = co_await run_chunk(std::move(chunk));
    std::ranges::move(some, std::back_inserter(answers));
  }
  co_return answers;
}

Task<std::vector<ReadBatch::Answer>> ReadBatch::run_chunk(Asks asks) {
  std::vector<Answer> answers(asks.size(), Errc::too_large);
  if (bytes_ > DocumentReader::kReplyBytesMax) co_return answers;
  std::vector<DocId> ids;
  for (const ReadAsk* asked : asks) ids.push_back(asked->id);
  for (int attempt = 0;; ++attempt) {
    wanted_.clear();
    const auto envelopes = co_await documents_.load(ids);
    if (!envelopes) co_return std::vector<Answer>(asks.size(), envelopes.error());
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const auto& envelope = (*envelopes)[i];
      answers[i] =
          envelope ? choose(i, *asks[i], *envelope) : Answer(Error{Errc::not_found, "missing"});
    }
    const auto fetched = co_await fetch(asks);
    if (!fetched) co_return std::vector<Answer>(asks.size(), fetched.error());
    if (!*fetched && attempt < 4) continue;
    for (const Wanted& wanted : wanted_) {
      if (!answers[wanted.ask]) continue;
      ShownRevision shown = write(*asks[wanted.ask], wanted);
      bytes_ += shown.json.size();
      if (bytes_ > DocumentReader::kReplyBytesMax)
        answers[wanted.ask] = Errc::too_large;
      else
        (*answers[wanted.ask])[wanted.place].shown = std::move(shown);
    }
    wanted_.clear();
    co_return answers;
  }
}

ReadBatch::Answer ReadBatch::choose(std::size_t ask, const ReadAsk& asked,
                                    const DocumentEnvelope& envelope) {
  if (asked.what == ReadAsk::What::readable_leaves) return choose_readable(ask, envelope);
  if (asked.what != ReadAsk::What::revisions) return choose_winner(ask, asked, envelope);
  std::vector<OpenRevision> open;
  for (const Revision& rev : asked.revisions) {
    const auto leaves = asked.latest ? leaves_from(envelope.tree, rev) : std::vector<Revision>{rev};
    if (leaves.empty()) open.push_back({rev, std::nullopt});
    for (const Revision& leaf : leaves) {
      open.push_back({leaf, std::nullopt});
      want(ask, open.size() - 1, envelope, leaf);
    }
  }
  return open;
}

ReadBatch::Answer ReadBatch::choose_winner(std::size_t ask, const ReadAsk& asked,
                                           const DocumentEnvelope& envelope) {
  const Revision winner = envelope.tree.winner().value();
  if (asked.what == ReadAsk::What::winner && envelope.tree.is_deleted())
    return Error{Errc::not_found, "deleted"};
  if (!is_readable(envelope, winner)) return Error{Errc::forbidden, "missing channel access"};
  want(ask, 0, envelope, winner);
  return std::vector<OpenRevision>{{winner, std::nullopt}};
}

ReadBatch::Answer ReadBatch::choose_readable(std::size_t ask, const DocumentEnvelope& envelope) {
  std::vector<OpenRevision> open;
  for (const RevisionTree::Leaf& leaf : envelope.tree.leaves()) {
    if (!is_readable(envelope, leaf.rev) && !knows_tombstone(envelope, leaf)) continue;
    open.push_back({leaf.rev, std::nullopt});
    want(ask, open.size() - 1, envelope, leaf.rev);
  }
  if (open.empty()) return Error{Errc::forbidden, "missing channel access"};
  return open;
}

void ReadBatch::want(std::size_t ask, std::size_t place, const DocumentEnvelope& envelope,
                     const Revision& leaf) {
  const LeafContent* content = envelope.content_of(leaf);
  if (!content) return;
  wanted_.push_back(
      {ask, place, &envelope, content, !is_readable(envelope, leaf), std::nullopt, {}});
}

/// A tombstone is often in no channel. Who was told of it, by the removal that it was or by the
/// list of a readable document's leaves, gets it without its body, as by its revision.
bool ReadBatch::knows_tombstone(const DocumentEnvelope& envelope,
                                const RevisionTree::Leaf& leaf) const {
  if (!leaf.is_deleted) return false;
  if (!envelope.tree.is_deleted() && is_readable(envelope, envelope.tree.winner().value()))
    return true;
  return std::ranges::any_of(envelope.channels, [&](const auto& entry) {
    const auto& [channel, membership] = entry;
    return membership.removal && membership.removal->rev == leaf.rev &&
           reader_->access.can_read_channel(channel);
  });
}

bool ReadBatch::is_readable(const DocumentEnvelope& envelope, const Revision& leaf) const {
  return reader_->access.can_read(envelope.channels_of(leaf));
}

bool ReadBatch::shows_bytes(const ReadAsk& asked, const Wanted& wanted,
                            const Attachment& attachment) const {
  if (!show_.attachments || wanted.is_redacted) return false;
  const auto ancestry = wanted.envelope->tree.ancestry(wanted.content->rev);
  for (const std::vector<Revision>* known : {&show_.atts_since, &asked.atts_since}) {
    for (const Revision& rev : *known) {
      const bool is_ancestor = std::ranges::find(ancestry, rev) != ancestry.end();
      if (is_ancestor && attachment.revpos <= rev.generation) return false;
    }
  }
  return true;
}

std::uint64_t ReadBatch::attachment_bytes_of(const ReadAsk& asked, const Wanted& wanted) const {
  std::uint64_t bytes = 0;
  for (const Attachment& attachment : wanted.content->attachments) {
    if (shows_bytes(asked, wanted, attachment))
      bytes += std::max(attachment.length, attachment.encoded_length);
  }
  return bytes;
}

Task<Result<bool>> ReadBatch::fetch(const Asks& asks) {
  std::vector<Key> keys;
  std::vector<std::pair<Wanted*, std::string>> takers;  // with the digest, empty for a body
  std::uint64_t bytes = bytes_;
  for (Wanted& wanted : wanted_) {
    const ReadAsk& asked = *asks[wanted.ask];
    if (wanted.is_redacted) continue;
    if (wanted.content->is_external) {
      keys.push_back(revision_body_key(context_.id, asked.id, wanted.content->rev));
      takers.emplace_back(&wanted, std::string());
    }
    bytes += attachment_bytes_of(asked, wanted);
    if (bytes > DocumentReader::kReplyBytesMax)
      co_return Error{Errc::too_large, "too many bytes of attachments at once"};
    for (const Attachment& attachment : wanted.content->attachments) {
      if (!shows_bytes(asked, wanted, attachment)) continue;
      keys.push_back(attachment_key(context_.id, asked.id, attachment.digest));
      takers.emplace_back(&wanted, attachment.digest);
    }
  }
  if (keys.empty()) co_return true;
  auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  for (std::size_t i = 0; i < takers.size(); ++i) {
    auto& [wanted, digest] = takers[i];
    if (replies[i].status == Errc::not_found) co_return false;
    if (!replies[i].ok()) co_return Error{Errc::unavailable, "reading a body or attachment"};
    if (digest.empty())
      wanted->body = std::move(replies[i].bytes);
    else
      wanted->attachment_bytes[digest] = std::move(replies[i].bytes);
  }
  co_return true;
}

ShownRevision ReadBatch::write(const ReadAsk& asked, const Wanted& wanted) const {
  const DocumentEnvelope& envelope = *wanted.envelope;
  const LeafContent& content = *wanted.content;
  const auto info = envelope.tree.info(content.rev);
  const bool is_deleted = info && info->is_deleted;
  DocumentOutput out{.id = asked.id.text(), .rev = to_string(content.rev)};
  const bool hides_as_deleted = context_.config->removals == Removals::deleted;
  out.is_deleted = is_deleted || (wanted.is_redacted && hides_as_deleted);
  out.is_removed = wanted.is_redacted && !out.is_deleted;

  const auto ancestry = envelope.tree.ancestry(content.rev, show_.revs_limit);
  if (show_.revs || wanted.is_redacted) out.revisions = ancestry;
  if (wanted.is_redacted) return {content.rev, is_deleted, true, write_document("{}", out)};

  std::vector<DocumentOutput::RevisionStatus> statuses;
  if (show_.revs_info)
    for (const Revision& rev : ancestry) statuses.push_back({rev, status_of(envelope, rev)});
  out.revs_info = statuses;
  // The winner has conflicts; a losing leaf is one.
  std::vector<Revision> live, dead;
  if (envelope.tree.winner() == content.rev)
    for (const RevisionTree::Leaf& leaf : envelope.tree.leaves())
      if (leaf.rev != content.rev) (leaf.is_deleted ? dead : live).push_back(leaf.rev);
  if (show_.conflicts) out.conflicts = live;
  if (show_.deleted_conflicts) out.deleted_conflicts = dead;
  if (show_.local_seq) out.local_sequence = envelope.sequence;
  if (show_.expiry) out.expiry = envelope.expiry;

  std::vector<AttachmentOutput> attachments;
  for (const Attachment& attachment : content.attachments) {
    AttachmentOutput& shown = attachments.emplace_back();
    shown.attachment = &attachment;
    const auto bytes = wanted.attachment_bytes.find(attachment.digest);
    if (bytes != wanted.attachment_bytes.end() && shows_bytes(asked, wanted, attachment))
      shown.bytes = bytes->second;
  }
  out.attachments = attachments;
  return {content.rev, is_deleted, false,
          write_document(wanted.body ? *wanted.body : content.body, out)};
}

}  // namespace headgate
