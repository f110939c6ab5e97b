// SPDX-License-Identifier: Apache-2.0
#include "database/local_documents.hpp"

#include <optional>
#include <utility>

#include "base/buggify.hpp"
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

}  // namespace

/// What there is of a document; without an envelope it is absent, or reported so.
struct LocalDocuments::Present {
  std::optional<LocalEnvelope> envelope;
  Cas cas;

  /// The number of writes that a put begins from, or why it may not be.
  Result<std::uint64_t> writes_before(const ParsedDocument& document) const {
    if (!envelope) {
      if (document.rev || document.is_deleted) return Error{Errc::not_found, "missing"};
      return 0;
    }
    if (document.rev != envelope->rev()) return Error{Errc::conflict, "Document update conflict"};
    return envelope->writes;
  }
};

Task<Result<LocalDocuments::Present>> LocalDocuments::load(DocId id) {
  const Reply found =
      co_await context_.base.get(local_document_key(context_.id, id), context_.deadline());
  if (found.status == Errc::not_found) co_return Present{};
  if (!found.ok()) co_return Error{Errc::unavailable, "reading a local document"};
  HG_CO_TRY(LocalEnvelope envelope, LocalEnvelope::decode(found.bytes));
  if (context_.space.is_shared() && HG_RULE("R18")) {
    // A checkpoint of writes that are lost: their author is to offer them again.
    HG_CO_TRY(const PassStart pass, co_await context_.reader.start_pass());
    if (pass.record->epochs.resume(envelope.highest) < envelope.highest) {
      HG_PROBE("B4 checkpoint reported absent");
      co_return Present{std::nullopt, found.cas};
    }
  }
  co_return Present{std::move(envelope), found.cas};
}

Task<Result<LocalDocuments::Stored>> LocalDocuments::get(DocId id) {
  HG_CO_TRY(Present present, co_await load(id));
  if (!present.envelope) co_return Error{Errc::not_found, "missing"};
  LocalEnvelope& envelope = *present.envelope;
  Stored stored{envelope.rev(), {}, envelope.highest};
  stored.json = write_document(envelope.body, {.id = id.text(), .rev = to_string(stored.rev)});
  const WallTime now = context_.environment.wall_now();
  if (now - envelope.renewed_at > kRenewAfter) {
    envelope.renewed_at = now;
    co_await renew(std::move(id), envelope.encode(), present.cas);
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
  HG_CO_TRY(const Present present, co_await load(id));
  HG_CO_TRY(const std::uint64_t writes, present.writes_before(document));
  HG_CO_TRY(const Sequence highest, co_await context_.allocator.read_highest());

  const WallTime now = context_.environment.wall_now();
  WriteOptions options{.durability = context_.config->durability,
                       .expires = now + kLocalDocumentLife};
  const LocalEnvelope next{writes + 1, highest, now, std::move(document.body)};
  Reply written;
  if (document.is_deleted) {
    options.expires.reset();
    written = co_await context_.base.remove(key, present.cas, options, context_.deadline());
  } else if (present.cas == Cas()) {
    written = co_await context_.base.insert(key, next.encode(), options, context_.deadline());
  } else {
    written = co_await context_.base.replace(key, next.encode(), present.cas, options,
                                             context_.deadline());
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
