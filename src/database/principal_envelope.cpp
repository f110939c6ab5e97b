// SPDX-License-Identifier: Apache-2.0
#include "database/principal_envelope.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "database/base_keys.hpp"
#include "document/envelope.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kIsDeleted = 1;

}  // namespace

void PrincipalEnvelope::advance(Sequence next, Sequence stable) {
  HG_ASSERT(next > sequence);
  if (sequence != Sequence()) recent.push_back(sequence);
  sequence = next;
  if (recent.size() < kRecentSequencesMax) return;
  const auto last = recent.end() - static_cast<std::ptrdiff_t>(kRecentSequencesMin);
  recent.erase(recent.begin(), std::lower_bound(recent.begin(), last, stable));
}

FeedRecord PrincipalEnvelope::feed_record(const PrincipalName& name) const {
  FeedRecord fed;
  fed.entry.sequence = sequence;
  fed.entry.doc_id = principal_doc_id(name);
  fed.entry.flags = CacheEntry::kPrincipal;
  if (is_deleted) fed.entry.flags |= CacheEntry::kDeleted;
  // Nothing is given: what the record itself says is read from the record. Listed as a grant so
  // that the access counter is raised with it, by whoever does the cache work.
  fed.entry.grants.push_back({ChannelId::of_principal(name.text()), {}});
  for (const Sequence earlier : recent) fed.recent.push_back({earlier, {}, {}});
  return fed;
}

std::string PrincipalEnvelope::encode() const {
  ByteWriter writer;
  writer.u8(kFormat).u8(is_deleted ? kIsDeleted : 0).varint(sequence.value());
  writer.varint(recent.size());
  for (const Sequence earlier : recent) writer.varint(earlier.value());
  writer.text(record);
  return std::move(writer).bytes();
}

Result<PrincipalEnvelope> PrincipalEnvelope::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "principal of a newer format"};
  PrincipalEnvelope envelope;
  envelope.is_deleted = (reader.u8() & kIsDeleted) != 0;
  envelope.sequence = Sequence(reader.varint());
  for (std::size_t left = reader.count(); left > 0; --left)
    envelope.recent.push_back(Sequence(reader.varint()));
  envelope.record = std::string(reader.text());
  HG_CHECK(reader.finish("principal"));
  return envelope;
}

}  // namespace headgate
