// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "access/login_limiter.hpp"
#include "api/api_error.hpp"
#include "api/backup_job.hpp"
#include "api/database_directory.hpp"
#include "base/duration_histogram.hpp"
#include "base/task.hpp"
#include "net/http_exchange.hpp"

namespace headgate {

/// What requests are told apart by in metrics.
enum class RequestKind : std::uint8_t {
  read,
  write,  ///< of one document or attachment
  bulk,   ///< `_bulk_docs`
  feed,   ///< `_changes` that does not wait
  admin,  ///< what only the admin port has
  other,  ///< logins, health
};
inline constexpr std::size_t kRequestKinds = 6;
std::string_view to_string(RequestKind kind);

/// What the handlers count, shared by the ports of one front end. Confined to its executor.
struct ApiStatistics {
  std::map<int, std::uint64_t> answers_by_status;
  std::size_t active_requests = 0;  ///< now, feeds that wait left out
  std::size_t longpoll_feeds = 0;   ///< now
  std::size_t continuous_feeds = 0;
  std::uint64_t feed_rows_sent = 0;
  std::uint64_t overloaded = 0;  ///< requests refused by ApiServices::max_requests
  TimePoint overload_logged_at;  ///< the last time
  /// Of requests that were routed, by their kind; waiting feeds left out.
  std::array<DurationHistogram, kRequestKinds> durations{};
};

/// What writes can be promised by a store.
struct DurabilityOffer {
  std::set<Durability> offered = {Durability::memory, Durability::disk, Durability::replicated};
  Durability standard = Durability::disk;  ///< of databases whose configuration names none
  std::string why_not = {};                ///< for people: what keeps the others from being offered
  /// Whether the store keeps what is offered at this moment, too: its settings may change while it
  /// works. Never suspends. Empty: always.
  std::function<bool(Durability)> is_kept_now = {};
};

/// What all requests of one front end share. Must outlive its handlers.
struct ApiServices {
  Environment& environment;
  DatabaseDirectory& databases;
  std::string version;
  std::string uuid;                                ///< of the store
  std::function<std::string()> metrics_text;       ///< empty: no `/_metrics`
  std::size_t max_requests = 1'000;                ///< handled at once, waiting feeds left out
  std::chrono::milliseconds slow_request{1000};    ///< logged beyond it; 0: none
  std::function<std::string()> cluster_json = {};  ///< empty: no `/_cluster`
  BackupJob* backup = nullptr;                     ///< null: the store is backed up elsewhere
  /// What writes can be promised here; the others are refused.
  DurabilityOffer durability = {};
  bool takes_writes = true;  ///< of documents; else they are refused
  bool serves_feeds = true;
  LoginLimiter login_limiter{environment};
  ApiStatistics statistics = {};
};

enum class ApiPort : std::uint8_t { public_port, admin_port };

/// One request on its way through the handlers. Lives until the answer was given.
class ApiCall {
 public:
  ApiCall(ApiServices& services, HttpExchange& exchange, ApiPort port);

  ApiServices& services() { return services_; }
  HttpExchange& exchange() { return exchange_; }
  HttpRequest& request() { return exchange_.request(); }
  const QueryParameters& query() { return exchange_.request().query; }
  bool is_admin_port() const { return port_ == ApiPort::admin_port; }

  // Of requests below a database.
  Database& database() { return lease.database(); }
  DatabaseLease lease;
  /// Who asks: an admin on the admin port.
  std::shared_ptr<const Principal> reader;
  /// Of this request's writes of documents (X-Headgate-Durability); none: the database's.
  std::optional<Durability> durability;
  std::optional<RequestKind> kind;  ///< none: it was not routed
  bool has_waited = false;          ///< for changes, as feeds do

  /// Names the request in the log and in the answer.
  const std::string& request_id() const { return request_id_; }
  int status() const { return status_; }  ///< of the answer; 0: none yet

  /// Goes with the answer, whatever it is. REQUIRES: nothing answered yet.
  void add_header(std::string_view name, std::string_view value) { headers_.add(name, value); }
  void respond(HttpResponse response);
  /// With 304 and no body if the client has this entity already (If-None-Match, ETag).
  void respond_entity(HttpResponse response);
  void respond_json(int status, std::string json);
  void respond_error(const ApiError& error);
  /// Counted as respond() is. REQUIRES: nothing answered yet.
  void begin_stream(HttpHeaders headers);
  /// Hands the answer to the exchange, compressed if that pays. After the action.
  Task<void> finish();
  /// Counted as 101. Errors: as HttpExchange::accept_websocket(). REQUIRES: nothing answered yet.
  Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(WebSocketOptions options);
  bool is_answered() const { return status_ != 0; }

 private:
  void count(int status);
  void add_headers_to(HttpHeaders& headers);

  ApiServices& services_;
  HttpExchange& exchange_;
  ApiPort port_;
  HttpHeaders headers_;
  std::optional<HttpResponse> response_;
  std::string request_id_;
  int status_ = 0;
};

}  // namespace headgate
