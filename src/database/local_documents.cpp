// SPDX-License-Identifier: Apache-2.0
#include "database/local_documents.hpp"

#include <optional>
#include <utility>

#include "base/buggify.hpp"
#include "base/bytes.hpp"
#include "database/base_keys.hpp"
#include "document/json.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
/// Reading renews a life that is this much shorter than a whole one: not at every read.
constexpr std::chrono::hours kRenewAfter{24};

struct LocalEnvelope {
  std::uint64_t writes = 0;
  Sequence highest;
  Epoch epoch;               ///< in which it was written; one process: always 0
  bool is_doubtful = false;  ///< it may vouch for what an earlier epoch lost
  WallTime renewed_at{};
  std::string body;  ///< user members as JSON

  std::string encode() const {
    ByteWriter writer;
    writer.u8(kFormat).varint(writes).varint(highest.value());
    writer.varint(epoch.value()).u8(is_doubtful ? 1 : 0);
    writer.be64(static_cast<std::uint64_t>(renewed_at.time_since_epoch().count())).text(body);
    return std::move(writer).bytes();
  }

  static Result<LocalEnvelope> decode(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.u8() != kFormat) return Error{Errc::unsupported, "local document of a newer format"};
    LocalEnvelope envelope;
    envelope.writes = reader.varint();
    envelope.highest = Sequence(reader.varint());
    envelope.epoch = Epoch(reader.varint());
    envelope.is_doubtful = reader.u8() != 0;
    envelope.renewed_at =
        WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(reader.be64())));
    envelope.body = std::string(reader.text());
    HG_CHECK(reader.finish("local document"));
    return envelope;
  }

  Revision rev() const { return {0, std::to_string(writes)}; }
};

/// Replicators name the session that wrote a checkpoint. Absent: this one does not.
std::optional<std::string> session_of(const std::string& body) {
  const auto session = JsonView(body).find("session_id");
  return session ? session->as_string() : std::nullopt;
}

}  // namespace

Result<WallTime> end_of_local_document(std::string_view bytes) {
  HG_TRY(const LocalEnvelope envelope, LocalEnvelope::decode(bytes));
  return envelope.renewed_at + kLocalDocumentLife;
}

/// What there is of a document.
struct LocalDocuments::Present {
  std::optional<LocalEnvelope> stored = {};
  Cas cas = {};
  bool is_shown = false;    ///< else it is reported absent
  Epoch epoch = {};         ///< the present one
  bool has_epochs = false;  ///< there were failovers

  /// Why a put may not be.
  Result<void> check(const ParsedDocument& document) const {
    const bool is_present_rev = stored && document.rev == stored->rev();
    if (is_present_rev) return {};
    if (is_shown) return Error{Errc::conflict, "Document update conflict"};
    if (document.rev || document.is_deleted) return Error{Errc::not_found, "missing"};
    return {};
  }

  /// R18: whoever writes may have pushed, before the last failover, what it took. Only one that
  /// was seen to begin after it is trusted: another one wrote in this epoch before.
  bool is_doubtful(const ParsedDocument& next) const {
    if (!stored) return has_epochs;
    if (stored->epoch != epoch) return true;
    if (!stored->is_doubtful) return false;
    const auto before = session_of(stored->body);
    const auto now = session_of(next.body);
    return before || now ? before == now : next.rev.has_value();
  }
};

Task<Result<LocalDocuments::Present>> LocalDocuments::load(DocId id) {
  const Reply found =
      co_await context_.base.get(local_document_key(context_.id, id), context_.deadline());
  if (!found.ok() && found.status != Errc::not_found)
    co_return Error{Errc::unavailable, "reading a local document"};
  Present present{.cas = found.cas};
  if (found.ok()) {
    HG_CO_TRY(present.stored, LocalEnvelope::decode(found.bytes));
    present.is_shown = true;
  }
  if (!context_.space.is_shared() || !HG_RULE("R18")) co_return present;
  HG_CO_TRY(const PassStart pass, co_await context_.reader.start_pass());
  const Epochs& epochs = pass.record->epochs;
  present.epoch = pass.record->epoch;
  present.has_epochs = !epochs.is_single();
  if (!present.stored) co_return present;
  // A checkpoint of writes that are lost: their author is to offer them again. The number tells
  // when a new epoch had begun that was not published yet.
  const LocalEnvelope& stored = *present.stored;
  present.is_shown = !stored.is_doubtful && epochs.resume(stored.highest) == stored.highest &&
                     epochs.of(stored.highest) == stored.epoch;
  if (!present.is_shown) HG_PROBE("B4 checkpoint reported absent");
  co_return present;
}

Task<Result<LocalDocuments::Stored>> LocalDocuments::get(DocId id) {
  HG_CO_TRY(Present present, co_await load(id));
  if (!present.is_shown) co_return Error{Errc::not_found, "missing"};
  LocalEnvelope& envelope = *present.stored;
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
  HG_CO_CHECK(present.check(document));
  HG_CO_TRY(const Sequence highest, co_await context_.allocator.read_highest());

  const WallTime now = context_.environment.wall_now();
  WriteOptions options{.durability = context_.config->durability,
                       .expires = now + kLocalDocumentLife};
  const bool is_doubtful = present.is_doubtful(document);
  const std::uint64_t writes = present.stored ? present.stored->writes + 1 : 1;
  const LocalEnvelope next{writes,      highest, present.epoch,
                           is_doubtful, now,     std::move(document.body)};
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
