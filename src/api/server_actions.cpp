// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "document/json.hpp"

namespace headgate {

Task<Result<void>> get_root(ApiCall& call) {
  const ApiServices& services = call.services();
  JsonWriter out;
  out.begin_object().key("couchdb").string("Welcome");
  out.key("uuid").string(services.uuid);
  out.key("vendor").begin_object().key("name").string("Headgate");
  out.key("version").string(services.version).end_object();
  out.key("version").string(services.version);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> get_health(ApiCall& call) {
  if (call.exchange().is_stopping()) co_return Error{Errc::unavailable, "the server is stopping"};
  call.respond_json(200, R"({"status":"ok"})");
  co_return Result<void>();
}

Task<Result<void>> get_metrics(ApiCall& call) {
  const auto& metrics_text = call.services().metrics_text;
  if (!metrics_text) co_return Error{Errc::not_found, "no metrics are kept"};
  call.respond({.status = 200,
                .headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                .body = metrics_text(),
                .shared_body = nullptr});
  co_return Result<void>();
}

Task<Result<void>> get_cluster(ApiCall& call) {
  const auto& cluster_json = call.services().cluster_json;
  if (!cluster_json) co_return Error{Errc::not_found, "this node is alone on its store"};
  call.respond_json(200, cluster_json());
  co_return Result<void>();
}

Task<Result<void>> get_all_databases(ApiCall& call) {
  HG_CO_TRY(const auto names, co_await call.services().databases.list());
  JsonWriter out;
  out.begin_array();
  for (const std::string& name : names) out.string(name);
  out.end_array();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
