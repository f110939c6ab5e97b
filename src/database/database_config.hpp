// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/sync_function.hpp"
#include "base/result.hpp"
#include "bucket/bucket.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"
#include "database/login_config.hpp"
#include "document/json.hpp"

namespace headgate {

/// What requests without credentials may do.
struct GuestConfig {
  bool is_disabled = true;
  std::set<std::string> admin_channels;

  friend bool operator==(const GuestConfig&, const GuestConfig&) = default;
};

/// What a client that replicates gets of a revision out of its reach: an empty document with
/// `_removed`, which some clients keep as a live one, or a tombstone of the same revision.
enum class Removals : std::uint8_t { empty, deleted };

/// Settings of one database, as JSON members of the same names on the admin port. A value.
struct DatabaseConfig {
  /// Source of the sync function; empty: the native default, channel(doc.channels).
  std::string sync;
  bool allow_conflicts = true;
  /// Clients are refused and their feeds end; the admin port serves on.
  bool is_offline = false;
  GuestConfig guest;  ///< "guest": {"disabled", "admin_channels"}
  SessionConfig sessions;
  std::vector<TokenIssuer> jwt;  ///< whose bearer tokens are taken
  CorsConfig cors;
  Durability durability = Durability::disk;
  ReadMode changes_mode = ReadMode::available;  ///< unless a request says otherwise
  Removals removals = Removals::empty;
  /// Revisions kept of one branch; absent: 100 with conflicts, 50 without. At least 20, or 1.
  std::optional<std::uint32_t> revs_limit;
  std::uint64_t max_document_bytes = 20u << 20;    ///< user members of one document
  std::uint64_t max_attachment_bytes = 20u << 20;  ///< one attachment
  std::uint32_t max_bulk_docs = 10'000;            ///< documents of one `_bulk_docs`

  // Of the cache. The first three are fixed when the database is made.
  BlockFormat block_format = BlockFormat::append;
  std::uint32_t block_capacity = 1024;
  bool star_channel = true;
  CacheWrites cache_writes = CacheWrites::frontend;
  /// Absent: as CacheSettings says.
  std::optional<StableDurability> stable_durability;
  std::chrono::milliseconds gap_timeout{1'000};
  std::chrono::milliseconds poll{250};
  /// Entries above the stable sequence that a feed sends before it waits for stable (R17b).
  std::uint32_t max_early = 10'000;
  /// As CacheSettings says. No setting and not stored: simulations make it small.
  std::uint32_t sequences_per_tag = CacheSettings().sequences_per_tag;

  /// Reads a JSON object; a member that is not given has its default. Strict: unknown members,
  /// wrong types and values out of range are refused with a message that names the member. The sync
  /// function is not compiled here. Errors: invalid_argument.
  static Result<DatabaseConfig> parse(const JsonView& object);
  /// The same for text that was not validated yet; empty text is the default.
  static Result<DatabaseConfig> parse(std::string_view text);
  /// JSON text that parse() reads back to the same value.
  std::string print() const;

  std::uint32_t effective_revs_limit() const {
    return revs_limit.value_or(allow_conflicts ? 100 : 50);
  }
  CacheSettings cache_settings() const;

  friend bool operator==(const DatabaseConfig&, const DatabaseConfig&) = default;
};

/// "memory", "disk", "replicated". Errors: invalid_argument.
Result<Durability> parse_durability(std::string_view name);
std::string_view to_string(Durability durability);

/// Compiles `source`, or makes the native function for an empty one. Suspends (a worker thread).
/// Errors: as compile_sync_function().
Task<Result<std::shared_ptr<const SyncFunction>>> make_sync_function(Environment& environment,
                                                                     std::string source);

}  // namespace headgate
