// SPDX-License-Identifier: Apache-2.0
#include "database/catalog.hpp"

#include <array>
#include <iterator>
#include <map>
#include <utility>

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kIsLeaving = 1;
constexpr std::size_t kPage = 100;

constexpr std::uint8_t kIsFinished = 1;

/// Databases by name; the counter of numbers; the server's uuid; what this store is a copy of.
constexpr std::string_view kCopyTag = "copy";
constexpr std::string_view kNamesTag = "names";
constexpr std::string_view kNumbersTag = "numbers";
constexpr std::string_view kServerTag = "server";

Key catalog_key(std::string_view tag, std::string_view name = {}) {
  return {DatabaseId(0), KeyKind::database, std::string(tag), std::string(name)};
}

WriteOptions on_disk() {
  return {.durability = Durability::disk};
}

std::string hex(std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4)
    *digit = kDigits[number & 15];
  return text;
}

bool is_name_character(char c) {
  constexpr std::string_view kOthers = "_$()+/-";
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || kOthers.find(c) != kOthers.npos;
}

/// The mark of a store that another one was copied to.
struct CopyMark {
  bool is_finished = false;
  std::string uuid;  ///< of the other's server

  std::string encode() const {
    ByteWriter writer;
    writer.u8(kFormat).u8(is_finished ? kIsFinished : 0).text(uuid);
    return std::move(writer).bytes();
  }
  static Result<CopyMark> decode(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.u8() != kFormat) return Error{Errc::unsupported, "copy of a newer format"};
    CopyMark mark;
    mark.is_finished = (reader.u8() & kIsFinished) != 0;
    mark.uuid = std::string(reader.text());
    HG_CHECK(reader.finish("copy mark"));
    return mark;
  }
};

}  // namespace

Result<void> check_database_name(std::string_view name) {
  bool is_good =
      !name.empty() && name.size() <= kDatabaseNameMax && name[0] >= 'a' && name[0] <= 'z';
  for (const char c : name) is_good = is_good && is_name_character(c);
  if (is_good) return {};
  return Error{Errc::invalid_argument,
               "a database name is a lower-case letter, then at most 237 lower-case letters, "
               "digits and any of _ $ ( ) + / -"};
}

struct DatabaseCatalog::Stored {
  bool is_leaving = false;  ///< being removed
  DatabaseId id;
  DatabaseConfig config;
  Cas cas;

  std::string encode() const {
    ByteWriter writer;
    writer.u8(kFormat).u8(is_leaving ? kIsLeaving : 0).varint(id.value()).text(config.print());
    return std::move(writer).bytes();
  }

  static Result<Stored> decode(std::string_view bytes, Cas cas) {
    ByteReader reader(bytes);
    if (reader.u8() != kFormat) return Error{Errc::unsupported, "database of a newer format"};
    Stored stored;
    stored.cas = cas;
    stored.is_leaving = (reader.u8() & kIsLeaving) != 0;
    stored.id = DatabaseId(static_cast<std::uint32_t>(reader.varint()));
    const std::string_view config = reader.text();
    HG_CHECK(reader.finish("database"));
    HG_TRY(stored.config, DatabaseConfig::parse(config));
    return stored;
  }
};

Deadline DatabaseCatalog::deadline() const {
  return environment_.now() + std::chrono::seconds(10);
}

Task<Result<std::string>> DatabaseCatalog::open() {
  const Reply copy = co_await base_.get(catalog_key(kCopyTag), deadline());
  if (copy.ok()) {
    HG_CO_TRY(const CopyMark mark, CopyMark::decode(copy.bytes));
    if (!mark.is_finished)
      co_return Error{Errc::unavailable,
                      "a copy into this store is not finished: run `headgate copy` again"};
  } else if (copy.status != Errc::not_found) {
    co_return Error{copy.status, "reading whether this is a copy"};
  }
  HG_CO_TRY(auto all, co_await load_all());
  for (auto& [name, stored] : all) {
    if (stored.is_leaving) HG_CO_CHECK(co_await drop(name, std::move(stored)));
  }
  co_return co_await server_uuid();
}

Task<Result<std::string>> DatabaseCatalog::server_uuid() {
  const Key key = catalog_key(kServerTag);
  // First without a write: a server whose disk is full starts all the same.
  const Reply present = co_await base_.get(key, deadline());
  if (present.ok()) co_return present.bytes;
  const std::string fresh = hex(environment_.random()) + hex(environment_.random());
  const Reply inserted = co_await base_.insert(key, fresh, on_disk(), deadline());
  if (inserted.ok()) co_return fresh;
  if (inserted.status == Errc::no_space) co_return Error{inserted.status, "no room for a new one"};
  const Reply found = co_await base_.get(key, deadline());
  if (!found.ok()) co_return Error{found.status, "reading the server's uuid"};
  co_return found.bytes;
}

Task<Result<void>> DatabaseCatalog::forget_uuid() {
  const Key key = catalog_key(kServerTag);
  const Reply present = co_await base_.get(key, deadline());
  if (present.status == Errc::not_found) co_return Result<void>();
  if (!present.ok()) co_return Error{present.status, "reading the server's uuid"};
  const Reply removed = co_await base_.remove(key, present.cas, on_disk(), deadline());
  if (!removed.ok()) co_return Error{removed.status, "removing the server's uuid"};
  co_return Result<void>();
}

Task<Result<DatabaseCatalog::Stored>> DatabaseCatalog::load(std::string name) {
  const Reply found = co_await base_.get(catalog_key(kNamesTag, name), deadline());
  if (!found.ok()) co_return Error{found.status, "database " + name};
  co_return Stored::decode(found.bytes, found.cas);
}

Task<Result<DatabaseEntry>> DatabaseCatalog::create(std::string name, DatabaseConfig config) {
  HG_CO_CHECK(check_database_name(name));
  HG_CO_CHECK(co_await make_sync_function(environment_, config.sync));
  const auto present = co_await load(name);
  if (present && !present->is_leaving) co_return Error{Errc::exists, "database " + name};
  if (present) HG_CO_CHECK(co_await drop(name, *present));

  const Reply number = co_await base_.increment(catalog_key(kNumbersTag), 1, on_disk(), deadline());
  if (!number.ok()) co_return Error{number.status, "numbering a database"};
  Stored stored;
  stored.id = DatabaseId(static_cast<std::uint32_t>(number.number));
  stored.config = std::move(config);
  const Reply inserted =
      co_await base_.insert(catalog_key(kNamesTag, name), stored.encode(), on_disk(), deadline());
  if (!inserted.ok()) co_return Error{inserted.status, "database " + name};
  co_return DatabaseEntry{std::move(name), stored.id, std::move(stored.config)};
}

Task<Result<DatabaseEntry>> DatabaseCatalog::get(std::string name) {
  HG_CO_TRY(Stored stored, co_await load(name));
  if (stored.is_leaving) co_return Error{Errc::not_found, "database " + name};
  co_return DatabaseEntry{std::move(name), stored.id, std::move(stored.config)};
}

Task<Result<std::vector<std::pair<std::string, DatabaseCatalog::Stored>>>>
DatabaseCatalog::load_all() {
  std::vector<std::pair<std::string, Stored>> all;
  Bucket::Scan scan{DatabaseId(0), KeyKind::database, std::string(kNamesTag), {}, kPage, false};
  while (true) {
    HG_CO_TRY(const Bucket::ScanPage page, co_await base_.scan(scan, deadline()));
    for (const auto& item : page.items) {
      HG_CO_TRY(Stored stored, Stored::decode(item.bytes, item.cas));
      all.emplace_back(item.name, std::move(stored));
    }
    if (page.items.size() < kPage) co_return all;
    scan.from = page.items.back().name + '\0';
  }
}

Task<Result<std::vector<DatabaseEntry>>> DatabaseCatalog::list() {
  HG_CO_TRY(auto all, co_await load_all());
  std::vector<DatabaseEntry> entries;
  for (auto& [name, stored] : all) {
    if (!stored.is_leaving) entries.push_back({name, stored.id, std::move(stored.config)});
  }
  co_return entries;
}

Task<Result<DatabaseEntry>> DatabaseCatalog::update(std::string name, DatabaseConfig config) {
  HG_CO_TRY(Stored stored, co_await load(name));
  if (stored.is_leaving) co_return Error{Errc::not_found, "database " + name};
  if (config.block_format != stored.config.block_format ||
      config.block_capacity != stored.config.block_capacity ||
      config.star_channel != stored.config.star_channel)
    co_return Error{Errc::invalid_argument,
                    "block_format, block_capacity and star_channel are fixed when a database is "
                    "made"};
  HG_CO_CHECK(co_await make_sync_function(environment_, config.sync));
  stored.config = std::move(config);
  const Reply replaced = co_await base_.replace(catalog_key(kNamesTag, name), stored.encode(),
                                                stored.cas, on_disk(), deadline());
  if (!replaced.ok()) co_return Error{replaced.status, "database " + name};
  co_return DatabaseEntry{std::move(name), stored.id, std::move(stored.config)};
}

Task<Result<void>> DatabaseCatalog::remove(std::string name) {
  HG_CO_TRY(Stored stored, co_await load(name));
  co_return co_await drop(std::move(name), std::move(stored));
}

/// The mark comes first: whatever happens after it, open() or create() finishes the work.
Task<Result<void>> DatabaseCatalog::drop(std::string name, Stored stored) {
  const Key key = catalog_key(kNamesTag, name);
  if (!stored.is_leaving) {
    stored.is_leaving = true;
    const Reply marked =
        co_await base_.replace(key, stored.encode(), stored.cas, on_disk(), deadline());
    if (!marked.ok()) co_return Error{marked.status, "database " + name};
    stored.cas = marked.cas;
  }
  // Nobody finds it any more: what fails from here on is no reason to say that it was not done.
  const Error unfinished{Errc::timeout_unknown_outcome, "database " + name};
  if (!co_await base_.drop_database(stored.id, deadline())) co_return unfinished;
  if (&cache_ != &base_ && !co_await cache_.drop_database(stored.id, deadline()))
    co_return unfinished;
  const Reply removed = co_await base_.remove(key, stored.cas, on_disk(), deadline());
  if (!removed.ok()) co_return unfinished;
  co_return Result<void>();
}

// --- A copy of a whole store ---------------------------------------------------------------------

Task<Result<StoreIdentity>> DatabaseCatalog::identity() {
  StoreIdentity identity;
  HG_CO_TRY(identity.uuid, co_await server_uuid());
  const Reply number = co_await base_.get(catalog_key(kNumbersTag), deadline());
  if (!number.ok() && number.status != Errc::not_found)
    co_return Error{number.status, "reading the last database number"};
  identity.last_number = number.number;
  co_return identity;
}

Task<Result<void>> DatabaseCatalog::begin_copy(StoreIdentity from) {
  const Key key = catalog_key(kCopyTag);
  const Reply found = co_await base_.get(key, deadline());
  if (found.ok()) {
    HG_CO_TRY(const CopyMark mark, CopyMark::decode(found.bytes));
    if (mark.uuid != from.uuid)
      co_return Error{Errc::exists, "the target holds a copy of another store"};
    if (mark.is_finished)
      co_return Error{Errc::exists, "the target holds a finished copy of this store"};
  } else if (found.status != Errc::not_found) {
    co_return Error{found.status, "reading whether the target is a copy"};
  } else {
    HG_CO_TRY(const auto present, co_await load_all());
    if (!present.empty())
      co_return Error{Errc::exists,
                      "the target is not empty: it has the database " + present.front().first};
    const Reply marked =
        co_await base_.insert(key, CopyMark{false, from.uuid}.encode(), on_disk(), deadline());
    if (!marked.ok()) co_return Error{marked.status, "marking the target"};
  }
  const Key numbers = catalog_key(kNumbersTag);
  const Reply last = co_await base_.get(numbers, deadline());
  if (!last.ok() && last.status != Errc::not_found)
    co_return Error{last.status, "reading the target's last database number"};
  if (last.number >= from.last_number) co_return Result<void>();
  const Reply raised =
      co_await base_.increment(numbers, from.last_number - last.number, on_disk(), deadline());
  if (!raised.ok()) co_return Error{raised.status, "raising the target's last database number"};
  co_return Result<void>();
}

// A database that the source has no more was there when an earlier try entered it.
Task<Result<void>> DatabaseCatalog::enter_copies(std::vector<DatabaseEntry> entries) {
  HG_CO_TRY(auto present, co_await load_all());
  std::map<std::string, Stored> left(std::make_move_iterator(present.begin()),
                                     std::make_move_iterator(present.end()));
  for (DatabaseEntry& entry : entries) {
    Stored stored;
    stored.id = entry.id;
    stored.config = std::move(entry.config);
    const Key key = catalog_key(kNamesTag, entry.name);
    const auto old = left.extract(entry.name);
    const Reply written =
        old ? co_await base_.replace(key, stored.encode(), old.mapped().cas, on_disk(), deadline())
            : co_await base_.insert(key, stored.encode(), on_disk(), deadline());
    if (!written.ok()) co_return Error{written.status, "entering the database " + entry.name};
  }
  for (auto& [name, stored] : left) HG_CO_CHECK(co_await drop(name, std::move(stored)));
  co_return Result<void>();
}

// The copy is the same server for its clients.
Task<Result<void>> DatabaseCatalog::finish_copy() {
  const Key key = catalog_key(kCopyTag);
  const Reply found = co_await base_.get(key, deadline());
  if (!found.ok()) co_return Error{found.status, "reading the mark of the copy"};
  HG_CO_TRY(CopyMark mark, CopyMark::decode(found.bytes));
  const Key server = catalog_key(kServerTag);
  const Reply present = co_await base_.get(server, deadline());
  if (!present.ok() && present.status != Errc::not_found)
    co_return Error{present.status, "reading the target's uuid"};
  const Reply named =
      present.ok() ? co_await base_.replace(server, mark.uuid, present.cas, on_disk(), deadline())
                   : co_await base_.insert(server, mark.uuid, on_disk(), deadline());
  if (!named.ok()) co_return Error{named.status, "writing the target's uuid"};
  mark.is_finished = true;
  const Reply finished =
      co_await base_.replace(key, mark.encode(), found.cas, on_disk(), deadline());
  if (!finished.ok()) co_return Error{finished.status, "finishing the copy"};
  co_return Result<void>();
}

}  // namespace headgate
