// SPDX-License-Identifier: Apache-2.0
#include "database/grant_codec.hpp"

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;

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

}  // namespace

std::string DocumentGrants::encode() const {
  if (channels.empty() && roles.empty()) return {};
  ByteWriter writer;
  writer.u8(kFormat);
  encode_grants(writer, channels);
  encode_grants(writer, roles);
  return std::move(writer).bytes();
}

Result<DocumentGrants> DocumentGrants::decode(std::string_view bytes) {
  DocumentGrants grants;
  if (bytes.empty()) return grants;
  ByteReader reader(bytes);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "grants of a newer format"};
  grants.channels = decode_grants(reader);
  grants.roles = decode_grants(reader);
  HG_CHECK(reader.finish("grants"));
  return grants;
}

}  // namespace headgate
