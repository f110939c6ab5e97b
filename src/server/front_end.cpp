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

std::unique_ptr<Bucket> hooked_bucket(const FrontEndHooks& hooks, Environment& environment,
                                      Bucket& inner) {
  return hooks.bucket ? hooks.bucket(environment, inner) : nullptr;
}

}  // namespace

FrontEnd::FrontEnd(AsioEnvironment& environment, RocksStore& store, const ServerConfig& config,
                   const FrontEndHooks& hooks, std::function<std::string()> metrics_text)
    : environment_(environment),
      config_(config),
      hooks_(hooks),
      rocks_(environment, store),
      hooked_(hooked_bucket(hooks, environment, rocks_)),
      metered_(environment, hooked_ ? *hooked_ : static_cast<Bucket&>(rocks_)),
      bodies_(config.body_bytes),
      databases_({environment, metered_, metered_}),
      services_{.environment = environment,
                .databases = databases_,
                .version = std::string(kVersion),
                .uuid = {},
                .metrics_text = std::move(metrics_text),
                .max_requests = config.max_requests} {}

FrontEnd::~FrontEnd() = default;

Task<Result<void>> FrontEnd::start() {
  auto uuid = co_await databases_.open();
  if (!uuid && uuid.error().code == Errc::no_space)
    co_return Error{Errc::no_space, "the disk of the data directory " + config_.data +
                                        " is full or nearly so: there is no room for a new store"};
  if (!uuid) co_return Error{uuid.error().code, "cannot read the catalog: " + uuid.error().context};
  services_.uuid = *std::move(uuid);
  public_handler_ = std::make_unique<ApiHandler>(services_);
  HG_CO_TRY(auto options, options_of(config_.public_port, config_, bodies_));
  public_server_ = std::make_unique<HttpServer>(environment_, std::move(options), *public_handler_);
  HG_CO_CHECK(co_await start_admin_port());
  HG_CO_CHECK(start_server(*public_server_, "public", config_.public_port));
  databases_.start_all();
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
  co_await databases_.stop();
  co_return true;
}

}  // namespace headgate
