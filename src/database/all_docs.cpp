// SPDX-License-Identifier: Apache-2.0
#include "database/all_docs.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

constexpr std::size_t kRows = 200;
/// As many of the largest documents as one reply holds.
constexpr std::size_t kRowsWithDocuments = DocumentReader::kReplyBytesMax / kDocumentBodyMax;
/// Documents looked at for one page, when most are out of the reader's reach.
constexpr std::size_t kLookedAtMax = 2'000;

BaseScan::Range range_of(const AllDocsQuery& query) {
  return {KeyKind::document, query.start_key.value_or(std::string()), query.is_descending};
}

}  // namespace

AllDocsCursor::AllDocsCursor(DatabaseContext& context, DocumentReader& documents,
                             std::shared_ptr<const Principal> reader, AllDocsQuery query)
    : context_(context),
      documents_(documents),
      reader_(std::move(reader)),
      query_(std::move(query)),
      page_(query_.include_docs ? kRowsWithDocuments : kRows),
      scan_(context.base, context.id, range_of(query_), page_) {
  // No name lies before the empty one.
  if (query_.is_descending && query_.start_key && query_.start_key->empty()) is_done_ = true;
}

Task<Result<std::vector<AllDocsRow>>> AllDocsCursor::next() {
  std::vector<AllDocsRow> rows;
  while (rows.empty() && !is_done_) {
    HG_CO_TRY(rows, query_.keys ? co_await next_by_keys() : co_await next_by_range());
  }
  if (query_.include_docs) HG_CO_CHECK(co_await add_documents(rows));
  co_return rows;
}

std::optional<std::uint64_t> AllDocsCursor::offset() const {
  if (query_.keys || query_.start_key) return std::nullopt;
  return skipped_;
}

std::optional<std::uint64_t> AllDocsCursor::total() const {
  if (!offset() || !has_seen_last_) return std::nullopt;
  return skipped_ + taken_;
}

bool AllDocsCursor::is_past_end(const std::string& name) const {
  if (!query_.end_key) return false;
  const auto order = query_.is_descending ? *query_.end_key <=> name : name <=> *query_.end_key;
  return order > 0 || (order == 0 && !query_.has_inclusive_end);
}

/// Counts a row against skip and limit; true if it belongs to the answer.
bool AllDocsCursor::takes_row() {
  if (query_.skip > 0) {
    --query_.skip;
    ++skipped_;
    return false;
  }
  --query_.limit;
  ++taken_;
  return true;
}

void AllDocsCursor::describe(AllDocsRow& row, const DocumentEnvelope& envelope) const {
  row.rev = envelope.tree.winner().value();
  if (!query_.with_channels) return;
  for (const std::string& channel : envelope.current_channels())
    if (reader_->access.can_read_channel(channel)) row.channels.push_back(channel);
}

Task<Result<std::vector<AllDocsRow>>> AllDocsCursor::next_by_range() {
  std::vector<AllDocsRow> rows;
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax && rows.size() < page_; ++looked_at) {
    is_done_ = query_.limit == 0;
    if (is_done_) break;
    HG_CO_TRY(const auto item, co_await scan_.next(context_.deadline()));
    has_seen_last_ = !item;
    is_done_ = !item || is_past_end(item->name);
    if (is_done_) break;
    HG_CO_TRY(const DocumentEnvelope envelope, decode_envelope(item->bytes));
    if (envelope.is_purged()) continue;
    if (envelope.tree.is_deleted() || !reader_->access.can_read(envelope.current_channels()))
      continue;
    if (!takes_row()) continue;
    AllDocsRow& row = rows.emplace_back();
    row.key = item->name;
    describe(row, envelope);
  }
  co_return rows;
}

Task<Result<std::vector<AllDocsRow>>> AllDocsCursor::next_by_keys() {
  std::vector<std::string> keys;
  while (keys.size() < page_ && next_key_ < query_.keys->size() && query_.limit > 0) {
    const std::size_t at = query_.is_descending ? query_.keys->size() - 1 - next_key_ : next_key_;
    ++next_key_;
    if (takes_row()) keys.push_back((*query_.keys)[at]);
  }
  is_done_ = next_key_ == query_.keys->size() || query_.limit == 0;
  std::vector<DocId> ids;
  // What cannot be a document's id is looked up as a name that no document has.
  for (const std::string& key : keys) ids.emplace_back(key.size() <= kDocIdMax ? key : "");
  HG_CO_TRY(const auto envelopes, co_await documents_.load(std::move(ids)));
  std::vector<AllDocsRow> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    AllDocsRow& row = rows.emplace_back();
    row.key = std::move(keys[i]);
    if (!envelopes[i]) {
      row.error = Errc::not_found;
    } else if (row.is_deleted = envelopes[i]->tree.is_deleted();
               !row.is_deleted && !reader_->access.can_read(envelopes[i]->current_channels())) {
      row.error = Errc::forbidden;
    } else {
      describe(row, *envelopes[i]);
    }
  }
  co_return rows;
}

/// A document that changed meanwhile is shown as it is now.
Task<Result<void>> AllDocsCursor::add_documents(std::vector<AllDocsRow>& rows) {
  std::vector<DocId> ids;
  std::vector<AllDocsRow*> owners;
  for (AllDocsRow& row : rows) {
    if (row.error || row.is_deleted) continue;
    ids.emplace_back(row.key);
    owners.push_back(&row);
  }
  auto shown = co_await documents_.get_many(reader_, std::move(ids), query_.show);
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const bool is_broken = !shown[i] && shown[i].error().code != Errc::not_found &&
                           shown[i].error().code != Errc::forbidden;
    if (is_broken) co_return std::move(shown[i]).error();
    if (!shown[i] || shown[i]->is_deleted) continue;
    owners[i]->rev = shown[i]->rev;
    owners[i]->json = std::move(shown[i]->json);
  }
  co_return Result<void>();
}

}  // namespace headgate
