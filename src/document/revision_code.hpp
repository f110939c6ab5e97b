// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "document/revision.hpp"

namespace headgate {

inline constexpr std::size_t kPackedDigestBytes = 16;
using PackedDigest = std::array<char, kPackedDigestBytes>;
using HexDigest = std::array<char, 2 * kPackedDigestBytes>;

/// 32 lower-case hex digits as 16 bytes. None: another kind of digest.
std::optional<PackedDigest> pack_digest(std::string_view digest);
/// The digits of `packed` (16 bytes, else nothing), written into and living in `hex`.
std::string_view unpack_digest(std::string_view packed, HexDigest& hex);

/// One revision by itself, docs/key-layout.md: 17 bytes and up.
void encode_revision(ByteWriter& out, const Revision& rev);
/// None: damaged.
std::optional<Revision> decode_revision(ByteReader& in);

}  // namespace headgate
