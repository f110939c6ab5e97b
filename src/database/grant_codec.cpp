// SPDX-License-Identifier: Apache-2.0
#include "database/grant_codec.hpp"

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kFormatWithPast = 2;

void encode_grants(ByteWriter& writer, const Grants& grants) {
  writer.varint(grants.size());
  for (const auto& [name, since] : grants) writer.text(name).varint(since.value());
}

Grants decode_grants(ByteReader& reader) {
  Grants grants;
  for (std::size_t left = reader.count(2); left > 0; --left) {
    std::string name(reader.text());
    grants.emplace(std::move(name), Sequence(reader.varint()));
  }
  return grants;
}

void encode_history(ByteWriter& writer, const GrantHistory& history) {
  writer.varint(history.size());
  for (const auto& [name, spans] : history) {
    writer.text(name).varint(spans.size());
    for (const GrantSpan& span : spans) writer.varint(span.start.value()).varint(span.end.value());
  }
}

GrantHistory decode_history(ByteReader& reader) {
  GrantHistory history;
  for (std::size_t left = reader.count(2); left > 0; --left) {
    std::vector<GrantSpan>& spans = history[std::string(reader.text())];
    spans.resize(reader.count(2));
    for (GrantSpan& span : spans) {
      span.start = Sequence(reader.varint());
      span.end = Sequence(reader.varint());
    }
  }
  return history;
}

}  // namespace

std::string DocumentGrants::encode() const {
  const bool has_past = !past_channels.empty() || !past_roles.empty();
  if (channels.empty() && roles.empty() && !has_past) return {};
  ByteWriter writer;
  writer.u8(has_past ? kFormatWithPast : kFormat);
  encode_grants(writer, channels);
  encode_grants(writer, roles);
  if (has_past) {
    encode_history(writer, past_channels);
    encode_history(writer, past_roles);
  }
  return std::move(writer).bytes();
}

Result<DocumentGrants> DocumentGrants::decode(std::string_view bytes) {
  DocumentGrants grants;
  if (bytes.empty()) return grants;
  ByteReader reader(bytes);
  const std::uint8_t format = reader.u8();
  if (format != kFormat && format != kFormatWithPast)
    return Error{Errc::unsupported, "grants of a newer format"};
  grants.channels = decode_grants(reader);
  grants.roles = decode_grants(reader);
  if (format == kFormatWithPast) {
    grants.past_channels = decode_history(reader);
    grants.past_roles = decode_history(reader);
  }
  HG_CHECK(reader.finish("grants"));
  return grants;
}

}  // namespace headgate
