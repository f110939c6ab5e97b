// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http_message.hpp"

namespace headgate::bench {

/// How a server is reached, as the command line says.
struct ServerOptions {
  std::string url;         ///< "http://127.0.0.1:4985": makes databases; of Headgate the admin port
  std::string login = {};  ///< NAME:PASSWORD; empty: none
  std::string public_url = {};  ///< where users log in; of Headgate only
  std::string feed_url = {};    ///< where all documents are read; empty: `url`
  std::string config = {};      ///< JSON for databases that are made; of Headgate only
  std::string durability = {};  ///< what an answered write survives, where that cannot be asked
  int process = 0;              ///< its process number, if it is on this machine; 0: not known
};

/// A port of a server, and what every request to it has.
struct Endpoint {
  sockaddr_in address = {};
  std::string host;           ///< "127.0.0.1:4985"
  std::string authorization;  ///< value of that header field; empty: none
};

/// What a write that was answered survives. Only equal ones may be compared.
enum class Durability : std::uint8_t {
  unknown,
  memory,      ///< nothing: not even the end of the process
  process,     ///< a kill of the process, not a power failure
  disk,        ///< a power failure
  replicated,  ///< the loss of a machine
};
std::string_view to_string(Durability durability);
Result<Durability> parse_durability(std::string_view name);

/// A server under measurement: what it is, how durable it writes, and how requests for it look.
class MeasuredServer {
 public:
  /// Asks the server who it is. Blocks. Errors: invalid_argument (a URL, a durability, a server
  /// that is not on this machine), those of HttpClient, unsupported (no server of CouchDB's kind).
  static Result<MeasuredServer> ask(ServerOptions options);

  const ServerOptions& options() const { return options_; }
  /// "Headgate 0.1.0".
  const std::string& name() const { return name_; }
  Durability durability() const { return durability_; }
  /// It routes documents to channels.
  bool has_channels() const { return is_headgate_; }
  /// Its feeds know selectors; else they know filter functions in documents.
  bool has_selectors() const { return !is_pouchdb_; }
  /// It has users of a database, who log in at a port that is known.
  bool has_users() const { return is_headgate_ && !options_.public_url.empty(); }

  const Endpoint& endpoint() const { return endpoint_; }
  /// Where feeds of all documents are read: another node than is written to, if it was given.
  const Endpoint& feed_endpoint() const { return feed_endpoint_; }
  /// REQUIRES: has_users().
  const Endpoint& public_endpoint() const { return public_endpoint_; }

  /// Makes an empty database, or deletes one. Block.
  Result<void> create_database(std::string_view database) const;
  Result<void> delete_database(std::string_view database) const;

 private:
  Result<void> find_out();
  Result<Durability> ask_durability(std::string_view vendor, std::string_view version) const;

  ServerOptions options_;
  std::string name_;
  Durability durability_ = Durability::unknown;
  bool is_headgate_ = false;
  bool is_pouchdb_ = false;
  Endpoint endpoint_;
  Endpoint feed_endpoint_;
  Endpoint public_endpoint_;
};

/// A request as it is sent: "GET /db/_changes?since=0", its fields, its body. `fields` are further
/// ones, each "Name: value\r\n".
std::string request_text(const Endpoint& endpoint, HttpMethod method, std::string_view target,
                         std::string_view body = {}, std::string_view fields = {});

}  // namespace headgate::bench
