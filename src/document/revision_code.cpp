// SPDX-License-Identifier: Apache-2.0
#include "document/revision_code.hpp"

namespace headgate {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr auto kHexValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(0xff);
  for (std::size_t i = 0; i < kHexDigits.size(); ++i)
    values[static_cast<unsigned char>(kHexDigits[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

/// Both digits of every byte.
constexpr auto kHexPairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {kHexDigits[i >> 4], kHexDigits[i & 15]};
  return pairs;
}();

}  // namespace

std::optional<PackedDigest> pack_digest(std::string_view digest) {
  PackedDigest packed;
  if (digest.size() != 2 * packed.size()) return std::nullopt;
  unsigned seen = 0;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const unsigned high = kHexValues[static_cast<unsigned char>(digest[2 * i])];
    const unsigned low = kHexValues[static_cast<unsigned char>(digest[2 * i + 1])];
    seen |= high | low;
    packed[i] = static_cast<char>(high << 4 | low);
  }
  if (seen > 15) return std::nullopt;
  return packed;
}

std::string_view unpack_digest(std::string_view packed, HexDigest& hex) {
  if (packed.size() != kPackedDigestBytes) return {};
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const auto& pair = kHexPairs[static_cast<unsigned char>(packed[i])];
    hex[2 * i] = pair[0];
    hex[2 * i + 1] = pair[1];
  }
  return {hex.data(), hex.size()};
}

// Generation doubled, plus one for a packed digest: an ordinary revision takes 17 bytes.
void encode_revision(ByteWriter& out, const Revision& rev) {
  const auto packed = pack_digest(rev.digest);
  out.varint(rev.generation << 1 | (packed ? 1 : 0));
  if (packed) {
    out.raw({packed->data(), packed->size()});
  } else {
    out.text(rev.digest);
  }
}

std::optional<Revision> decode_revision(ByteReader& in) {
  const std::uint64_t head = in.varint();
  HexDigest hex;
  const std::string_view digest =
      (head & 1) != 0 ? unpack_digest(in.raw(kPackedDigestBytes), hex) : in.text();
  if (!in.ok() || head >> 1 > kGenerationMax || !is_valid_digest(digest)) return std::nullopt;
  return Revision{head >> 1, std::string(digest)};
}

}  // namespace headgate
