// SPDX-License-Identifier: Apache-2.0
#include "database/local_documents.hpp"

#include <utility>

#include "base/bytes.hpp"
#include "database/base_keys.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
/// Reading renews a life that is this much shorter than a whole one: not at every read.
constexpr std::chrono::hours kRenewAfter{24};

struct LocalEnvelope {
  std::uint64_t writes = 0;
  Sequence highest;
  WallTime renewed_at{};
  std::string body;  ///< user members as JSON

  std::string encode() const {
    ByteWriter writer;
    writer.u8(kFormat).varint(writes).varint(highest.value());
    writer.be64(static_cast<std::uint64_t>(renewed_at.time_since_epoch().count())).text(body);
    return std::move(writer).bytes();
  }

  static Result<LocalEnvelope> decode(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.u8() != kFormat) return Error{Errc::unsupported, "local document of a newer format"};
    LocalEnvelope envelope;
    envelope.writes = reader.varint();
    envelope.highest = Sequence(reader.varint());
    envelope.renewed_at =
        WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(reader.be64())));
    envelope.body = std::string(reader.text());
    HG_CHECK(reader.finish("local document"));
    return envelope;
  }

  Revision rev() const { return {0, std::to_string(writes)}; }
};

/// The number of writes that a put begins from, or why it may not be.
Result<std::uint64_t> present_writes(const Reply& found, const ParsedDocument& document) {
  if (found.status == Errc::not_found) {
    if (document.rev || document.is_deleted) return Error{Errc::not_found, "missing"};
    return 0;
  }
  if (!found.ok()) return Error{Errc::unavailable, "reading a local document"};
  HG_TRY(const LocalEnvelope present, LocalEnvelope::decode(found.bytes));
  if (document.rev != present.rev()) return Error{Errc::conflict, "Document update conflict"};
  return present.writes;
}

}  // namespace

Task<Result<LocalDocuments::Stored>> LocalDocuments::get(DocId id) {
  const Reply found =
      co_await context_.base.get(local_document_key(context_.id, id), context_.deadline());
  if (found.status == Errc::not_found) co_return Error{Errc::not_found, "missing"};
  if (!found.ok()) co_return Error{Errc::unavailable, "reading a local document"};
  HG_CO_TRY(LocalEnvelope envelope, LocalEnvelope::decode(found.bytes));
  Stored stored{envelope.rev(), {}, envelope.highest};
  stored.json = write_document(envelope.body, {.id = id.text(), .rev = to_string(stored.rev)});
  const WallTime now = context_.environment.wall_now();
  if (now - envelope.renewed_at > kRenewAfter) {
    envelope.renewed_at = now;
    co_await renew(std::move(id), envelope.encode(), found.cas);
  }
  co_return stored;
}

/// A failure costs nothing: the next read tries again.
Task<void> LocalDocuments::renew(DocId id, std::string bytes, Cas cas) {
  WriteOptions options{.durability = Durability::memory,
                       .expires = context_.environment.wall_now() + kLocalDocumentLife};
  co_await context_.base.replace(local_document_key(context_.id, id), std::move(bytes), cas,
                                 std::move(options), context_.deadline());
}

Task<Result<Revision>> LocalDocuments::put(DocId id, ParsedDocument document) {
  if (document.body.size() > context_.config->max_document_bytes)
    co_return Error{Errc::too_large, "the document is too large"};
  const Key key = local_document_key(context_.id, id);
  const Reply found = co_await context_.base.get(key, context_.deadline());
  HG_CO_TRY(const std::uint64_t writes, present_writes(found, document));

  const WallTime now = context_.environment.wall_now();
  WriteOptions options{.durability = context_.config->durability,
                       .expires = now + kLocalDocumentLife};
  const LocalEnvelope next{writes + 1, context_.allocator.highest(), now, std::move(document.body)};
  Reply written;
  if (document.is_deleted) {
    options.expires.reset();
    written = co_await context_.base.remove(key, found.cas, options, context_.deadline());
  } else if (writes == 0) {
    written = co_await context_.base.insert(key, next.encode(), options, context_.deadline());
  } else {
    written =
        co_await context_.base.replace(key, next.encode(), found.cas, options, context_.deadline());
  }
  switch (written.status) {
    case Errc::ok:
      co_return document.is_deleted ? Revision{0, "0"} : next.rev();
    case Errc::exists:
    case Errc::not_found:
    case Errc::cas_mismatch:
      co_return Error{Errc::conflict, "Document update conflict"};
    default:
      co_return Error{written.status, "writing a local document"};
  }
}

}  // namespace headgate
