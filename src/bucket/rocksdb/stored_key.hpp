// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bucket/key.hpp"

namespace headgate {

/// Column families of values. docs/key-layout.md, "Embedded store", describes the bytes.
enum class Family : std::uint8_t { values, sequence_documents, cache };
inline constexpr std::size_t kFamilyCount = 3;

Family family_of(KeyKind kind);

/// database (4 bytes) | kind (1) | length of tag (varint) | tag | name: byte order within
/// (database, kind, tag) is the order of names.
std::string stored_key(const Key& key);
/// Everything but the name.
std::string stored_prefix(DatabaseId database, KeyKind kind, std::string_view tag);
/// Begins every key of `database`, in every family and in the feed.
std::string database_prefix(DatabaseId database);
/// After every key of `database`, before those of the next.
std::string database_end(DatabaseId database);

}  // namespace headgate
