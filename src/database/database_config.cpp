// SPDX-License-Identifier: Apache-2.0
#include "database/database_config.hpp"

#include <array>
#include <utility>

#include "access/channel_name.hpp"
#include "access/script_engine.hpp"
#include "database/config_fields.hpp"
#include "document/attachment.hpp"
#include "document/document_body.hpp"

namespace headgate {
namespace {

using namespace config_fields;

constexpr Names<Durability, 3> kDurabilities{{{"memory", Durability::memory},
                                              {"disk", Durability::disk},
                                              {"replicated", Durability::replicated}}};
constexpr Names<StableDurability> kStableDurabilities{
    {{"none", StableDurability::none}, {"replicated", StableDurability::replicated}}};
constexpr Names<ReadMode> kReadModes{
    {{"available", ReadMode::available}, {"stable", ReadMode::stable}}};
constexpr Names<Removals> kRemovals{{{"empty", Removals::empty}, {"deleted", Removals::deleted}}};
constexpr Names<BlockFormat> kBlockFormats{
    {{"append", BlockFormat::append}, {"indexed", BlockFormat::indexed}}};
constexpr Names<CacheWrites> kCacheWrites{
    {{"frontend", CacheWrites::frontend}, {"feed", CacheWrites::feed}}};

Result<void> read_channels(const JsonView& value, std::set<std::string>& into) {
  if (!value.is_array()) return wrong("must be a list of channel names");
  into.clear();
  for (const JsonView& element : value.elements()) {
    const auto name = element.as_string();
    if (!name) return wrong("must be a list of channel names");
    HG_CHECK(check_channel_name(*name));
    into.insert(*name);
  }
  return {};
}

Result<void> read_sync(const JsonView& value, std::string& into) {
  auto text = value.as_string();
  if (!text) return wrong("must be the source text of a function");
  if (text->size() > kMaxSyncFunctionBytes) return wrong("is too long");
  into = std::move(*text);
  return {};
}

constexpr Field<GuestConfig> kGuestFields[] = {
    {"disabled", [](const JsonView& v, GuestConfig& g) { return read_bool(v, g.is_disabled); }},
    {"admin_channels",
     [](const JsonView& v, GuestConfig& g) { return read_channels(v, g.admin_channels); }},
};

using Config = DatabaseConfig;

constexpr Field<Config> kFields[] = {
    {"sync", [](const JsonView& v, Config& c) { return read_sync(v, c.sync); }},
    {"allow_conflicts",
     [](const JsonView& v, Config& c) { return read_bool(v, c.allow_conflicts); }},
    {"offline", [](const JsonView& v, Config& c) { return read_bool(v, c.is_offline); }},
    {"guest", [](const JsonView& v,
                 Config& c) { return read_fields<GuestConfig>(v, kGuestFields, c.guest); }},
    {"sessions",
     [](const JsonView& v, Config& c) -> Result<void> {
       HG_TRY(c.sessions, SessionConfig::parse(v));
       return {};
     }},
    {"jwt",
     [](const JsonView& v, Config& c) -> Result<void> {
       HG_TRY(c.jwt, parse_token_issuers(v));
       return {};
     }},
    {"cors",
     [](const JsonView& v, Config& c) -> Result<void> {
       HG_TRY(c.cors, CorsConfig::parse(v));
       return {};
     }},
    {"durability",
     [](const JsonView& v, Config& c) { return read_name(v, kDurabilities, c.durability); }},
    {"changes_mode",
     [](const JsonView& v, Config& c) { return read_name(v, kReadModes, c.changes_mode); }},
    {"removals", [](const JsonView& v, Config& c) { return read_name(v, kRemovals, c.removals); }},
    {"revs_limit",
     [](const JsonView& v, Config& c) {
       return read_number_into(v, {1, 100'000}, c.revs_limit.emplace());
     }},
    {"max_document_bytes",
     [](const JsonView& v, Config& c) {
       return read_number_into(v, {1, kDocumentBodyMax}, c.max_document_bytes);
     }},
    {"max_attachment_bytes",
     [](const JsonView& v, Config& c) {
       return read_number_into(v, {1, kAttachmentMax}, c.max_attachment_bytes);
     }},
    {"max_bulk_docs",
     [](const JsonView& v, Config& c) {
       return read_number_into(v, {1, 1'000'000}, c.max_bulk_docs);
     }},
    {"block_format",
     [](const JsonView& v, Config& c) { return read_name(v, kBlockFormats, c.block_format); }},
    {"block_capacity",
     [](const JsonView& v, Config& c) {
       return read_number_into(v, {1, 65'536}, c.block_capacity);
     }},
    {"star_channel", [](const JsonView& v, Config& c) { return read_bool(v, c.star_channel); }},
    {"cache_writes",
     [](const JsonView& v, Config& c) { return read_name(v, kCacheWrites, c.cache_writes); }},
    {"stable_durability",
     [](const JsonView& v, Config& c) {
       return read_name(v, kStableDurabilities, c.stable_durability.emplace());
     }},
    {"gap_timeout_ms",
     [](const JsonView& v, Config& c) {
       return read_milliseconds(v, {0, 3'600'000}, c.gap_timeout);
     }},
    {"poll_ms",
     [](const JsonView& v, Config& c) { return read_milliseconds(v, {1, 60'000}, c.poll); }},
    {"max_early",
     [](const JsonView& v, Config& c) { return read_number_into(v, {1, 100'000}, c.max_early); }},
};

std::uint64_t count_of(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(duration.count());
}

void print_guest(JsonWriter& out, const GuestConfig& guest) {
  out.begin_object().key("disabled").boolean(guest.is_disabled);
  out.key("admin_channels").begin_array();
  for (const std::string& channel : guest.admin_channels) out.string(channel);
  out.end_array().end_object();
}

void print_cache(JsonWriter& out, const DatabaseConfig& config) {
  out.key("block_format").string(name_of(kBlockFormats, config.block_format));
  out.key("block_capacity").number(std::uint64_t{config.block_capacity});
  out.key("star_channel").boolean(config.star_channel);
  out.key("cache_writes").string(name_of(kCacheWrites, config.cache_writes));
  if (config.stable_durability)
    out.key("stable_durability").string(name_of(kStableDurabilities, *config.stable_durability));
  out.key("gap_timeout_ms").number(count_of(config.gap_timeout));
  out.key("poll_ms").number(count_of(config.poll));
  out.key("max_early").number(std::uint64_t{config.max_early});
}

}  // namespace

Result<DatabaseConfig> DatabaseConfig::parse(const JsonView& object) {
  DatabaseConfig config;
  if (auto read = read_fields<DatabaseConfig>(object, kFields, config); !read)
    return wrong("database configuration: " + read.error().context);
  if (config.allow_conflicts && config.revs_limit && *config.revs_limit < 20)
    return wrong("database configuration: \"revs_limit\" must be at least 20 with conflicts");
  return config;
}

Result<DatabaseConfig> DatabaseConfig::parse(std::string_view text) {
  if (text.empty()) return DatabaseConfig{};
  HG_CHECK(validate_json(text));
  return parse(JsonView(text));
}

std::string DatabaseConfig::print() const {
  JsonWriter out;
  out.begin_object();
  if (!sync.empty()) out.key("sync").string(sync);
  out.key("allow_conflicts").boolean(allow_conflicts);
  if (is_offline) out.key("offline").boolean(true);
  out.key("guest");
  print_guest(out, guest);
  out.key("sessions");
  sessions.print(out);
  if (!jwt.empty()) print_token_issuers(out.key("jwt"), jwt);
  if (!cors.origins.empty()) cors.print(out.key("cors"));
  out.key("durability").string(name_of(kDurabilities, durability));
  out.key("changes_mode").string(name_of(kReadModes, changes_mode));
  out.key("removals").string(name_of(kRemovals, removals));
  if (revs_limit) out.key("revs_limit").number(std::uint64_t{*revs_limit});
  out.key("max_document_bytes").number(max_document_bytes);
  out.key("max_attachment_bytes").number(max_attachment_bytes);
  out.key("max_bulk_docs").number(std::uint64_t{max_bulk_docs});
  print_cache(out, *this);
  out.end_object();
  return std::move(out).text();
}

CacheSettings DatabaseConfig::cache_settings() const {
  CacheSettings settings;
  settings.block_format = block_format;
  settings.cache_writes = cache_writes;
  settings.block_capacity = block_capacity;
  settings.sequences_per_tag = sequences_per_tag;
  settings.has_star_channel = star_channel;
  settings.gap_timeout = gap_timeout;
  settings.poll = poll;
  settings.max_early = max_early;
  settings.stable_durability = stable_durability;
  return settings;
}

Result<Durability> parse_durability(std::string_view name) {
  for (const auto& [text, durability] : kDurabilities)
    if (text == name) return durability;
  return wrong("must be one of memory, disk, replicated");
}

std::string_view to_string(Durability durability) {
  return name_of(kDurabilities, durability);
}

Task<Result<std::shared_ptr<const SyncFunction>>> make_sync_function(Environment& environment,
                                                                     std::string source) {
  if (source.empty())
    co_return std::shared_ptr<const SyncFunction>(std::make_shared<NativeSyncFunction>());
  co_return co_await environment.run_blocking(
      [source = std::move(source)] { return compile_sync_function(source); });
}

}  // namespace headgate
