// SPDX-License-Identifier: Apache-2.0
#include "server/front_end.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
#include "server/command_line.hpp"

namespace headgate {

namespace {

Result<HttpServerOptions> options_of(const ListenConfig& listen, const ServerConfig& config,
                                     BodyBudget& bodies) {
  HttpServerOptions options;
  options.address = listen.address;
  options.port = listen.port;
  options.shares_port = false;
  options.max_connections = config.max_connections / 2;
  options.body_budget = &bodies;
  if (!listen.tls_certificate.empty()) {
    HG_TRY(options.tls, TlsContext::load(listen.tls_certificate, listen.tls_key));
  }
  return options;
}

Result<void> start_server(HttpServer& server, std::string_view name, const ListenConfig& listen) {
  const auto started = server.start();
  if (started) return {};
  return Error{started.error().code,
               fmt::format("cannot listen on {}:{} ({} port): {}", listen.address, listen.port,
                           name, started.error().context)};
}

/// What other nodes can have, too; a bucket on this disk is nobody else's.
std::string cache_name(const ServerConfig& config, std::uint64_t own) {
  const BucketConfig& cache = config.cache ? *config.cache : config.base;
  return cache.is_redis() && config.base.is_redis() ? "redis " + cache.redis.name
                                                    : fmt::format("disk {:016x}", own);
}

DurabilityOffer offer_of(const NodeBuckets& buckets) {
  DurabilityOffer offer;
  offer.offered = buckets.durabilities();
  for (const Durability durability : {Durability::memory, Durability::replicated})
    if (offer.offered.contains(durability)) offer.standard = durability;
  if (buckets.redis_base() == nullptr) offer.standard = Durability::disk;
  offer.why_not =
      "disk needs a Redis that proves appendonly yes and appendfsync always (and lets CONFIG GET "
      "be asked), replicated needs replicas = 1 or more in the table base of the configuration "
      "file";
  offer.is_kept_now = [&buckets](Durability durability) {
    return buckets.durabilities().contains(durability);
  };
  return offer;
}

std::unique_ptr<Bucket> hooked_bucket(const FrontEndHooks& hooks, Environment& environment,
                                      Bucket& inner) {
  return hooks.bucket ? hooks.bucket(environment, inner) : nullptr;
}

}  // namespace

std::string url_of(const ListenConfig& listen, std::uint16_t port) {
  const bool is_ipv6 = listen.address.find(':') != std::string::npos;
  const std::string_view scheme = listen.tls_certificate.empty() ? "http" : "https";
  return is_ipv6 ? fmt::format("{}://[{}]:{}", scheme, listen.address, port)
                 : fmt::format("{}://{}:{}", scheme, listen.address, port);
}

FrontEnd::FrontEnd(AsioEnvironment& environment, const NodeBuckets& buckets,
                   const ServerConfig& config, const FrontEndHooks& hooks,
                   std::function<std::string()> metrics_text)
    : environment_(environment),
      config_(config),
      hooks_(hooks),
      buckets_(buckets),
      hooked_(hooked_bucket(hooks, environment, buckets.base())),
      metered_base_(environment, hooked_ ? *hooked_ : buckets.base()),
      metered_cache_(&buckets.base() == &buckets.cache()
                         ? std::nullopt
                         : std::make_optional<MeteredBucket>(environment, buckets.cache())),
      bodies_(config.body_bytes),
      member_(buckets.deployment() == Deployment::cluster
                  ? std::make_optional<ClusterMember>(
                        environment, metered_base_,
                        metered_cache_ && config.base.is_redis() && config.cache->is_redis()
                            ? &*metered_cache_
                            : nullptr,
                        own_record())
                  : std::nullopt),
      databases_({environment, metered_base_,
                  metered_cache_ ? *metered_cache_ : static_cast<Bucket&>(metered_base_),
                  buckets.deployment(), member_ ? &*member_ : nullptr}),
      services_{.environment = environment,
                .databases = databases_,
                .version = std::string(kVersion),
                .uuid = {},
                .metrics_text = std::move(metrics_text),
                .max_requests = config.max_requests,
                .slow_request = config.slow_request,
                .durability = offer_of(buckets),
                .takes_writes = config.node.takes_writes,
                .serves_feeds = config.node.serves_feeds} {
  if (buckets.deployment() == Deployment::single_process)
    services_.backup = &backup_.emplace(environment_, *buckets.store());
  if (member_) services_.cluster_json = [this] { return member_->print(); };
}

FrontEnd::~FrontEnd() = default;

NodeRecord FrontEnd::own_record() const {
  NodeRecord own;
  own.name = config_.node.name;
  own.version = std::string(kVersion);
  own.cache = cache_name(config_, environment_.random());
  own.takes_writes = config_.node.takes_writes;
  own.serves_feeds = config_.node.serves_feeds;
  own.is_cache_writer = config_.node.is_cache_writer;
  return own;
}

Task<Result<void>> FrontEnd::open_catalog() {
  auto uuid = co_await databases_.open();
  if (!uuid && uuid.error().code == Errc::no_space)
    co_return Error{Errc::no_space, "the disk of the data directory " + config_.data +
                                        " is full or nearly so: there is no room for a new store"};
  if (!uuid) co_return Error{uuid.error().code, "cannot read the catalog: " + uuid.error().context};
  services_.uuid = *std::move(uuid);
  co_return Result<void>();
}

Task<Result<void>> FrontEnd::start() {
  HG_CO_CHECK(co_await open_catalog());
  public_handler_ = std::make_unique<ApiHandler>(services_);
  HG_CO_TRY(auto options, options_of(config_.public_port, config_, bodies_));
  public_server_ = std::make_unique<HttpServer>(environment_, std::move(options), *public_handler_);
  HG_CO_CHECK(co_await start_admin_port());
  HG_CO_CHECK(start_server(*public_server_, "public", config_.public_port));
  if (member_) HG_CO_CHECK(co_await join_cluster());
  databases_.start_all();
  co_return Result<void>();
}

Task<Result<void>> FrontEnd::join_cluster() {
  NodeRecord& own = member_->own();
  own.public_url = url_of(config_.public_port, public_port());
  own.admin_url = url_of(config_.admin_port, admin_port());
  if (own.name.empty()) own.name = own.public_url;
  if (RedisBucket* redis = buckets_.redis_base())
    member_->carry_wake_ups(*redis, config_.node.sends_wake_ups);
  const auto joined = co_await member_->join();
  if (!joined && joined.error().code == Errc::exists) co_return joined.error();
  if (!joined) log(LogLevel::warning, "cluster.not_joined_yet", {{"why", joined.error().context}});
  member_->start(databases_);
  co_return Result<void>();
}

Task<Result<void>> FrontEnd::start_admin_port() {
  std::optional<AdminCredentials> credentials;
  if (config_.admin_login) {
    const PasswordSalt salt{environment_.random(), environment_.random()};
    HG_CO_TRY(std::string hash, hash_password(config_.admin_login->password, salt));
    credentials = AdminCredentials{config_.admin_login->user, std::move(hash)};
  }
  admin_handler_ = std::make_unique<ApiHandler>(services_, std::move(credentials));
  HttpHandler* handler = admin_handler_.get();
  if (hooks_.admin_handler) {
    hooked_handler_ = hooks_.admin_handler(*handler);
    handler = hooked_handler_.get();
  }
  HG_CO_TRY(auto options, options_of(config_.admin_port, config_, bodies_));
  admin_server_ = std::make_unique<HttpServer>(environment_, std::move(options), *handler);
  co_return start_server(*admin_server_, "admin", config_.admin_port);
}

Task<bool> FrontEnd::stop(Deadline deadline) {
  if (member_) co_await member_->hand_over();
  std::vector<Task<Result<void>>> stopping;
  for (HttpServer* server : {public_server_.get(), admin_server_.get()})
    if (server != nullptr) stopping.push_back(server->stop(deadline));
  bool is_done = true;
  for (const auto& stopped : co_await when_all(environment_, std::move(stopping)))
    is_done = is_done && stopped.has_value();
  if (!is_done) {
    log(LogLevel::warning, "server.stop_timed_out");
    co_return false;
  }
  if (backup_) co_await backup_->stop();
  co_await databases_.stop();
  if (member_) co_await member_->leave();
  co_return true;
}

}  // namespace headgate
