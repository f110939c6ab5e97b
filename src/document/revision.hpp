// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace headgate {

struct Attachment;

/// Greatest generation: the greatest integer that JavaScript clients read exactly.
inline constexpr std::uint64_t kGenerationMax = (1ull << 53) - 1;
/// Longest digest, in bytes. CouchDB, PouchDB and Headgate write 32 hex digits.
inline constexpr std::size_t kDigestMax = 64;

/// A revision id taken apart: "GEN-DIGEST". Ordered by generation as a number, then digest as text.
struct Revision {
  std::uint64_t generation = 0;
  std::string digest;

  friend auto operator<=>(const Revision&, const Revision&) = default;
};

/// Reads "GEN-DIGEST", split at the first '-'. GEN is a decimal number 1..kGenerationMax without
/// leading zeros; DIGEST is 1..kDigestMax of [0-9A-Za-z._-].
/// Errors: invalid_argument "Invalid revision ID".
Result<Revision> parse_revision(std::string_view text);
/// The same for `_local` documents, whose revisions are "0-N".
Result<Revision> parse_local_revision(std::string_view text);
/// True for what may stand after the '-' of a revision id.
bool is_valid_digest(std::string_view digest);

std::string to_string(const Revision& rev);
RevId to_rev_id(const Revision& rev);

/// The id of an edit, the same on every node: generation of `parent` + 1 (1 without parent) and the
/// md5 of the parent's id, the deleted flag, the canonical form of `body` (canonical_json()) and
/// the names, types and digests of `attachments` in the order of their names. `body` is a validated
/// JSON object without reserved members.
/// Errors: invalid_argument when the parent has kGenerationMax already.
Result<Revision> next_revision(const Revision* parent, bool is_deleted, std::string_view body,
                               std::span<const Attachment> attachments);

}  // namespace headgate
