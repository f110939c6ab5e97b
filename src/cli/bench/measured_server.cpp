// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/measured_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "cli/admin_client.hpp"
#include "cli/print.hpp"
#include "document/json.hpp"
#include "net/basic_auth.hpp"

namespace headgate::bench {

namespace {

constexpr std::array<std::pair<Durability, std::string_view>, 5> kDurabilities{{
    {Durability::unknown, "unknown"},
    {Durability::memory, "memory"},
    {Durability::process, "process"},
    {Durability::disk, "disk"},
    {Durability::replicated, "replicated"},
}};

std::string authorization_of(std::string_view login) {
  if (login.empty()) return {};
  const std::size_t colon = std::min(login.find(':'), login.size());
  return format_basic_auth({std::string(login.substr(0, colon)),
                            std::string(login.substr(std::min(colon + 1, login.size())))});
}

/// Only addresses: what a name costs to look up is not measured.
Result<Endpoint> endpoint_of(std::string_view url, std::string_view login) {
  constexpr std::string_view kScheme = "http://";
  Error wrong{Errc::invalid_argument, fmt::format("{}: not http://ADDRESS:PORT", url)};
  if (!url.starts_with(kScheme)) return wrong;
  std::string_view rest = url.substr(kScheme.size());
  rest = rest.substr(0, rest.find('/'));
  Endpoint endpoint;
  endpoint.host = rest;
  endpoint.authorization = authorization_of(login);
  const std::size_t colon = rest.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos ||
      std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), port).ec != std::errc())
    return wrong;
  std::string address(rest.substr(0, colon));
  if (address == "localhost") address = "127.0.0.1";
  endpoint.address.sin_family = AF_INET;
  endpoint.address.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &endpoint.address.sin_addr) != 1) return wrong;
  return endpoint;
}

AdminClient client_of(const ServerOptions& options) {
  return AdminClient({options.url, options.login});
}

}  // namespace

std::string_view to_string(Durability durability) {
  for (const auto& [value, name] : kDurabilities)
    if (value == durability) return name;
  return "unknown";
}

Result<Durability> parse_durability(std::string_view name) {
  for (const auto& [value, known] : kDurabilities)
    if (known == name) return value;
  return Error{Errc::invalid_argument,
               fmt::format("durability {}: memory, process, disk or replicated", name)};
}

Result<MeasuredServer> MeasuredServer::ask(ServerOptions options) {
  MeasuredServer server;
  server.options_ = std::move(options);
  HG_TRY(server.endpoint_, endpoint_of(server.options_.url, server.options_.login));
  server.feed_endpoint_ = server.endpoint_;
  if (!server.options_.feed_url.empty()) {
    HG_TRY(server.feed_endpoint_, endpoint_of(server.options_.feed_url, server.options_.login));
  }
  if (!server.options_.public_url.empty()) {
    HG_TRY(server.public_endpoint_, endpoint_of(server.options_.public_url, {}));
  }
  HG_CHECK(server.find_out());
  return server;
}

Result<void> MeasuredServer::find_out() {
  AdminClient client = client_of(options_);
  HG_TRY(const std::string welcome, client.get("/"));
  const JsonView root(welcome);
  const std::string version = text_of(root, "version");
  const auto vendor = root.find("vendor");
  std::string vendor_name = vendor ? text_of(*vendor, "name") : "";
  if (root.find("express-pouchdb"))
    vendor_name = "PouchDB Server";
  else if (vendor_name.starts_with("The Apache"))
    vendor_name = "CouchDB";
  if (vendor_name.empty())
    return Error{Errc::unsupported, options_.url + ": no server that speaks CouchDB's protocol"};
  is_headgate_ = vendor_name == "Headgate";
  is_pouchdb_ = vendor_name == "PouchDB Server";
  name_ = version.empty() ? vendor_name : vendor_name + " " + version;
  HG_TRY(durability_, ask_durability(vendor_name, version));
  return {};
}

Result<Durability> MeasuredServer::ask_durability(std::string_view vendor,
                                                  std::string_view version) const {
  if (!options_.durability.empty()) return parse_durability(options_.durability);
  // CouchDB writes with fsync before it answers; up to 2.x that could be turned off.
  if (vendor == "CouchDB") return version >= "3" ? Durability::disk : Durability::unknown;
  // LevelDB as PouchDB uses it writes its log without fsync.
  if (is_pouchdb_) return Durability::process;
  if (!is_headgate_) return Durability::unknown;
  // What a database of this configuration promises: the server knows what it can keep.
  constexpr std::string_view kProbe = "bench-durability";
  HG_CHECK(create_database(kProbe));
  AdminClient client = client_of(options_);
  const auto config = client.get(admin_target({kProbe, "_config"}));
  HG_CHECK(delete_database(kProbe));
  if (!config) return config.error();
  // What Headgate calls memory is in the log of the store, which a kill does not take.
  const std::string promised = text_of(JsonView(*config), "durability");
  return promised == "memory" ? Durability::process : parse_durability(promised);
}

Result<void> MeasuredServer::create_database(std::string_view database) const {
  AdminClient client = client_of(options_);
  // What an earlier run that was stopped has left would be measured, too.
  HG_CHECK(delete_database(database));
  HG_CHECK(client.put(admin_target({database}), is_headgate_ ? options_.config : ""));
  return {};
}

Result<void> MeasuredServer::delete_database(std::string_view database) const {
  AdminClient client = client_of(options_);
  const auto answer = client.remove(admin_target({database}));
  if (!answer && answer.error().code != Errc::not_found) return answer.error();
  return {};
}

std::string request_text(const Endpoint& endpoint, HttpMethod method, std::string_view target,
                         std::string_view body, std::string_view fields) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n",
                                 to_string(method), target, endpoint.host);
  if (!endpoint.authorization.empty())
    text += fmt::format("Authorization: {}\r\n", endpoint.authorization);
  if (!body.empty() || method == HttpMethod::post || method == HttpMethod::put)
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  text += fields;
  text += "\r\n";
  text += body;
  return text;
}

}  // namespace headgate::bench
