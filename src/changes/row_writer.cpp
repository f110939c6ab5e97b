// SPDX-License-Identifier: Apache-2.0
#include "changes/row_writer.hpp"

#include <algorithm>
#include <utility>

#include "document/document_body.hpp"
#include "document/json.hpp"

namespace headgate {
namespace {

// Whoever is sent more is catching up by itself: a row costs less than its place in the cache.
constexpr std::size_t kShareAtMost = 64;
// Documents read in one step; one step may exceed RowWriter::kDocumentBytes.
constexpr std::size_t kDocumentsPerStep = 16;

std::string names_of(const std::vector<ChannelId>& channels) {
  if (channels.empty()) return {};
  JsonWriter out;
  out.begin_array();
  for (const ChannelId& channel : channels) out.string(channel.name());
  out.end_array();
  return std::move(out).text();
}

// What a reader gets of a document that is out of its reach.
std::string redacted(const CacheEntry& entry, Removals removals) {
  DocumentOutput output;
  output.id = entry.doc_id.text();
  output.rev = entry.rev_id.text();
  output.is_deleted = entry.is_deleted() || removals == Removals::deleted;
  output.is_removed = !output.is_deleted;
  return write_document("{}", output);
}

void write_revision(JsonWriter& out, const RevId& rev) {
  out.begin_object().key("rev").string(rev.text()).end_object();
}

// Claims on rows that this feed makes; given back also when its frame is destroyed.
class Claims {
 public:
  explicit Claims(RowCache& rows) : rows_(rows) {}
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  ~Claims() {
    for (const RowCache::Key& key : keys_) rows_.release(key);
  }
  bool add(const RowCache::Key& key) {
    if (!rows_.claim(key)) return false;
    keys_.push_back(key);
    return true;
  }

 private:
  RowCache& rows_;
  std::vector<RowCache::Key> keys_;
};

}  // namespace

RowCache::Key RowWriter::key_of(const PickedChange& picked) const {
  RowCache::Key key{picked.change.sequence(), 0, names_of(picked.left)};
  if (options_.style == ChangesStyle::all_docs) key.variant |= RowCache::kAllDocs;
  if (picked.change.is_revocation()) key.variant |= RowCache::kRevoked;
  if (!options_.include_docs) return key;
  key.variant |= picked.is_removed ? RowCache::kRedacted : RowCache::kIncludeDocs;
  if (picked.is_removed && source_.removals() == Removals::deleted)
    key.variant |= RowCache::kRedactedAsDeleted;
  if (options_.attachments) key.variant |= RowCache::kAttachments;
  if (options_.conflicts) key.variant |= RowCache::kConflicts;
  return key;
}

std::string RowWriter::row_text(const PickedChange& picked, std::string_view document) const {
  const CacheEntry& entry = picked.change.entry();
  JsonWriter out;
  out.begin_object();
  out.key("id").string(entry.doc_id.text());
  out.key("changes").begin_array();
  if (!entry.is_principal()) write_revision(out, entry.rev_id);
  if (options_.style == ChangesStyle::all_docs)
    for (const RevId& leaf : entry.other_leaves) write_revision(out, leaf);
  out.end_array();
  if (entry.is_deleted()) out.key("deleted").boolean(true);
  if (!picked.left.empty()) out.key("removed").raw(names_of(picked.left));
  if (picked.change.is_revocation()) out.key("revoked").boolean(true);
  if (!document.empty()) out.key("doc").raw(document);
  out.end_object();
  std::string text = std::move(out).text();
  text[0] = ',';  // the members before these are the row's own
  return text;
}

RowCache::Row RowWriter::make(const PickedChange& picked) const {
  std::string document;
  if (options_.include_docs && !picked.change.entry().is_principal())
    document = redacted(picked.change.entry(), source_.removals());
  return std::make_shared<const std::string>(row_text(picked, document));
}

RowCache::Row RowWriter::without_document(const PickedChange& picked) {
  const RowCache::Key key = key_of(picked);
  if (auto row = rows_.find(key)) return row;
  auto row = make(picked);
  rows_.add(key, row);
  return row;
}

Task<Result<std::vector<RowCache::Row>>> RowWriter::write(
    std::shared_ptr<const Principal> reader, const std::vector<PickedChange>& changes) {
  if (options_.include_docs) co_return co_await with_documents(reader, changes);
  std::vector<RowCache::Row> rows;
  rows.reserve(changes.size());
  const bool is_shared = changes.size() <= kShareAtMost;
  for (const PickedChange& picked : changes)
    rows.push_back(is_shared ? without_document(picked) : make(picked));
  co_return rows;
}

Task<Result<std::vector<RowCache::Row>>> RowWriter::with_documents(
    std::shared_ptr<const Principal> reader, const std::vector<PickedChange>& changes) {
  std::vector<RowCache::Row> rows;
  std::size_t bytes = 0;
  while (rows.size() < changes.size() && bytes < kDocumentBytes) {
    const auto from = changes.begin() + static_cast<std::ptrdiff_t>(rows.size());
    const std::size_t count = std::min(kDocumentsPerStep, changes.size() - rows.size());
    const std::vector<PickedChange> step(from, from + static_cast<std::ptrdiff_t>(count));
    std::vector<RowCache::Row> made(count);
    HG_CO_CHECK(co_await read_documents(reader, step, made));
    for (auto& row : made) {
      bytes += row->size();
      rows.push_back(std::move(row));
    }
  }
  co_return rows;
}

// Feeds woken by the same write want the same document: the first of them reads it for all.
Task<Result<void>> RowWriter::read_documents(std::shared_ptr<const Principal> reader,
                                             const std::vector<PickedChange>& changes,
                                             std::vector<RowCache::Row>& rows) {
  while (true) {
    const auto seen = rows_.filled().count();
    Claims claims(rows_);
    std::vector<std::size_t> mine;
    bool is_waiting = false;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (rows[i]) continue;
      const RowCache::Key key = key_of(changes[i]);
      if (changes[i].is_removed || changes[i].change.entry().is_principal()) {
        rows[i] = without_document(changes[i]);
      } else if (rows[i] = rows_.find(key); rows[i]) {
        continue;
      } else if (claims.add(key)) {
        mine.push_back(i);
      } else {
        is_waiting = true;
      }
    }
    if (!mine.empty()) HG_CO_CHECK(co_await read_mine(reader, changes, mine, rows));
    if (!is_waiting) co_return Result<void>();
    if (mine.empty()) co_await rows_.filled().wait_past(seen);
  }
}

Task<Result<void>> RowWriter::read_mine(std::shared_ptr<const Principal> reader,
                                        const std::vector<PickedChange>& changes,
                                        const std::vector<std::size_t>& mine,
                                        std::vector<RowCache::Row>& rows) {
  std::vector<DocId> ids;
  for (const std::size_t i : mine) ids.push_back(changes[i].change.entry().doc_id);
  ShowOptions show;
  show.attachments = options_.attachments;
  show.conflicts = options_.conflicts;
  const auto documents = co_await source_.load_documents(reader, std::move(ids), show);
  for (std::size_t k = 0; k < mine.size(); ++k) {
    const PickedChange& picked = changes[mine[k]];
    const Result<ShownRevision>& document = documents[k];
    std::string json;
    if (document) {
      json = document->json;
    } else if (document.error().code == Errc::forbidden) {
      json = redacted(picked.change.entry(),
                      source_.removals());  // it has left the reader's channels since
    } else if (document.error().code == Errc::not_found) {
      json = "null";
    } else {
      co_return document.error();
    }
    auto row = std::make_shared<const std::string>(row_text(picked, json));
    rows[mine[k]] = row;
    // Whoever may see this revision may see this body; a newer revision has channels of its own.
    if (document && !document->is_redacted &&
        to_rev_id(document->rev) == picked.change.entry().rev_id)
      rows_.add(key_of(picked), std::move(row));
  }
  co_return Result<void>();
}

}  // namespace headgate
