// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "api/config_changes.hpp"
#include "api/cors.hpp"
#include "api/document_request.hpp"
#include "api/parameters.hpp"
#include "api/update_sequence.hpp"

namespace headgate {

namespace {

constexpr std::string_view kOk = R"({"ok":true})";

/// Databases have no start of their own that replicators should notice: their positions are good
/// over restarts. CouchDB says the same since 2.0.
constexpr std::string_view kInstanceStartTime = "0";

/// What was fixed when the database was made need not be said again.
void keep_fixed(DatabaseConfig& config, std::string_view body, const DatabaseConfig& present) {
  const JsonView given = body.empty() ? JsonView() : JsonView(body);
  if (!given.find("block_format")) config.block_format = present.block_format;
  if (!given.find("block_capacity")) config.block_capacity = present.block_capacity;
  if (!given.find("star_channel")) config.star_channel = present.star_channel;
}

/// Replaces the configuration by one that differs in one thing.
Task<Result<void>> change_config(ApiCall& call, DatabaseConfig config) {
  const std::string name = call.request().path[0];
  HG_CO_CHECK(co_await call.services().databases.reconfigure(name, std::move(config)));
  call.respond_json(200, std::string(kOk));
  co_return Result<void>();
}

Task<Result<void>> set_offline(ApiCall& call, bool is_offline) {
  DatabaseConfig config = *call.database().config();
  config.is_offline = is_offline;
  co_return co_await change_config(call, std::move(config));
}

/// A promise that this store cannot keep is refused; without one the database gets the best.
Result<void> settle_durability(DatabaseConfig& config, std::string_view body,
                               const DurabilityOffer& offer) {
  const JsonView given = body.empty() ? JsonView() : JsonView(body);
  if (!given.find("durability")) config.durability = offer.standard;
  return check_durability(config.durability, offer);
}

}  // namespace

Task<Result<void>> take_offline(ApiCall& call) {
  return set_offline(call, true);
}

Task<Result<void>> take_online(ApiCall& call) {
  return set_offline(call, false);
}

Task<Result<void>> get_revs_limit(ApiCall& call) {
  call.respond_json(200, std::to_string(call.database().config()->effective_revs_limit()));
  co_return Result<void>();
}

Task<Result<void>> put_revs_limit(ApiCall& call) {
  std::string_view body = call.request().body;
  while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.remove_suffix(1);
  HG_CO_TRY(const std::uint64_t limit, parse_number(body, "the body"));
  DatabaseConfig config = *call.database().config();
  config.revs_limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, UINT32_MAX));
  HG_CO_TRY(config, DatabaseConfig::parse(config.print()));
  co_return co_await change_config(call, std::move(config));
}

Task<Result<void>> get_database(ApiCall& call) {
  const std::string sequence = update_sequence(call.database());
  JsonWriter out;
  out.begin_object().key("db_name").string(call.database().name());
  out.key("update_seq").string(sequence);
  out.key("committed_update_seq").string(sequence);
  out.key("instance_start_time").string(kInstanceStartTime);
  const bool is_compacting = call.database().cache_writer_statistics().is_compacting;
  out.key("compact_running").boolean(call.database().parts().is_running() || is_compacting);
  out.key("purge_seq").number(std::uint64_t{0});
  out.key("disk_format_version").number(std::uint64_t{0});
  out.key("state").string(call.database().config()->is_offline ? "Offline" : "Online");
  out.key("server_uuid").string(call.services().uuid);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> put_database(ApiCall& call) {
  HG_CO_TRY(DatabaseConfig config, DatabaseConfig::parse(call.request().body));
  HG_CO_CHECK(settle_durability(config, call.request().body, call.services().durability));
  HG_CO_CHECK(co_await call.services().databases.create(call.request().path[0], std::move(config)));
  call.respond_json(201, std::string(kOk));
  co_return Result<void>();
}

// PouchDB asks for it when it opens a database; 412 says that all is well.
Task<Result<void>> put_database_as_user(ApiCall& call) {
  const auto opened = co_await open_database(call);
  if (opened) co_return Error{Errc::exists, "The database exists already"};
  if (opened.error().code != Errc::not_found) co_return opened.error();
  co_return Error{Errc::forbidden, "Databases are made on the admin port"};
}

Task<Result<void>> delete_database(ApiCall& call) {
  HG_CO_CHECK(co_await call.services().databases.remove(call.request().path[0]));
  call.respond_json(200, std::string(kOk));
  co_return Result<void>();
}

Task<Result<void>> get_config(ApiCall& call) {
  call.respond_json(200, call.database().config()->print());
  co_return Result<void>();
}

Task<Result<void>> put_config(ApiCall& call) {
  HG_CO_TRY(DatabaseConfig config, DatabaseConfig::parse(call.request().body));
  HG_CO_CHECK(settle_durability(config, call.request().body, call.services().durability));
  std::optional<DatabaseConfig> before;
  if (const auto lease = co_await call.services().databases.find(call.request().path[0])) {
    before = *lease->database().config();
    keep_fixed(config, call.request().body, *before);
  }
  const DatabaseConfig after = config;
  HG_CO_CHECK(
      co_await call.services().databases.reconfigure(call.request().path[0], std::move(config)));
  JsonWriter out;
  out.begin_object().key("ok").boolean(true);
  if (before) write_config_changes(out.key("changed"), *before, after);
  out.end_object();
  call.respond_json(201, std::move(out).text());
  co_return Result<void>();
}

// Answered writes are as durable as the database promises: there is nothing to wait for.
Task<Result<void>> ensure_full_commit(ApiCall& call) {
  JsonWriter out;
  out.begin_object().key("ok").boolean(true);
  out.key("instance_start_time").string(kInstanceStartTime).end_object();
  call.respond_json(201, std::move(out).text());
  co_return Result<void>();
}

// The store compacts by itself; clients that ask are content. For an admin what nothing refers to
// any more is looked for, too, and the channel cache is compacted.
Task<Result<void>> compact(ApiCall& call) {
  if (call.is_admin_port()) {
    call.database().parts().start();
    call.database().compact_cache();
  }
  call.respond_json(202, std::string(kOk));
  co_return Result<void>();
}

}  // namespace headgate
