// SPDX-License-Identifier: Apache-2.0
#include "server/command_line.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "cli/admin_commands.hpp"
#include "cli/bench/bench_command.hpp"
#include "server/restore.hpp"

namespace headgate {

namespace {

constexpr const char* kAbout =
    "Headgate: a sync gateway. Offline-first clients (PouchDB, RxDB, CouchDB replicators) share\n"
    "databases, each client seeing only the channels that it may see.";

constexpr const char* kExamples =
    "Examples:\n"
    "  headgate serve --data /var/lib/headgate\n"
    "  headgate db create db\n"
    "  headgate user create db ann --channel news                asks for a password\n"
    "  curl -u ann:secret http://127.0.0.1:4984/db/_changes      see what the user sees\n"
    "  headgate explain db doc1 ann                              why it sees a document\n"
    "  headgate backup --to /backups/monday                      of a running server\n"
    "  headgate copy --from DIR --to node.toml                   from one server to several\n"
    "\n"
    "Commands that ask a server take --url and --login, or HEADGATE_URL and HEADGATE_LOGIN, and\n"
    "--json. Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 exists or conflict,\n"
    "5 login refused, 6 no server or busy.\n";

constexpr const char* kServeNotes =
    "Prints, once it serves:\n"
    "  public http://ADDRESS:PORT    for clients: users log in\n"
    "  admin http://ADDRESS:PORT     makes databases and users; no login on loopback\n"
    "SIGTERM or Ctrl-C stops it: requests under way are finished, feeds are ended.\n"
    "\n"
    "Configuration file (TOML; the command line wins):\n"
    "  data = \"headgate-data\"\n"
    "  log_level = \"info\"\n"
    "  worker_threads = 4        # password hashes, sync functions\n"
    "  [log]\n"
    "  hide_user_data = false    # no ids of documents, no names of users\n"
    "  slow_request_ms = 1000    # logged beyond it; 0: none\n"
    "  [public]\n"
    "  address = \"0.0.0.0\"\n"
    "  port = 4984\n"
    "  [admin]\n"
    "  address = \"127.0.0.1\"     # another one needs user and password\n"
    "  port = 4985\n"
    "  user = \"admin\"\n"
    "  password = \"...\"\n"
    "  [limits]\n"
    "  connections = 20000\n"
    "  requests = 1000           # at work at once, waiting feeds left out\n"
    "  body_mb = 256             # of large request bodies at once\n"
    "  [base]                    # where documents are; [cache]: the channel cache, else there, "
    "too\n"
    "  engine = \"redis\"          # or rocksdb, in the data directory (default)\n"
    "  nodes = [\"10.0.0.1:6379\"] # any of a cluster\n"
    "  user = \"...\"              # and password, tls = true, tls_ca = \"ca.pem\"\n"
    "  replicas = 1              # that a durable write waits for\n"
    "  [node]\n"
    "  name = \"node1\"\n"
    "  roles = [\"front_end\", \"reader\", \"cache_writer\"]\n"
    "  [store]\n"
    "  block_cache_mb = 256\n"
    "  write_buffer_mb = 128\n";

constexpr const char* kCopyNotes =
    "Nobody may use the data directory or the target meanwhile: stop the server first. The target\n"
    "is what the tables base and cache of FILE say: Redis servers without databases. It may be\n"
    "interrupted and run again; until it is complete, no node serves from there. Tokens, "
    "checkpoints\n"
    "and sessions of clients stay good. DIR is left as it is.\n";

/// What was given on the command line, to be put over what the file says.
struct Given {
  std::string config;
  std::optional<std::string> data;
  std::optional<std::uint16_t> port;
  std::optional<std::uint16_t> admin_port;
  std::optional<std::string> bind;
  std::optional<std::string> admin_bind;
  std::optional<std::string> log_level;
};

void add_options(CLI::App& serve, Given& given) {
  serve.footer(kServeNotes);
  serve.add_option("--data", given.data, "Directory of the data; made if absent (headgate-data)")
      ->type_name("DIR");
  serve.add_option("--port", given.port, "Public port, 0 picks a free one (4984)")->type_name("N");
  serve.add_option("--admin-port", given.admin_port, "Admin port, 0 picks a free one (4985)")
      ->type_name("N");
  serve.add_option("--bind", given.bind, "Address of the public port (0.0.0.0)")->type_name("ADDR");
  serve.add_option("--admin-bind", given.admin_bind, "Address of the admin port (127.0.0.1)")
      ->type_name("ADDR");
  serve.add_option("--config", given.config, "Configuration file")->type_name("FILE");
  serve.add_option("--log-level", given.log_level, "debug, info, warning or error (info)")
      ->type_name("LEVEL");
}

struct CopyGiven {
  std::string from;
  std::string to;
};

void add_options(CLI::App& copy, CopyGiven& given) {
  copy.footer(kCopyNotes);
  copy.add_option("--from", given.from, "Data directory of the server until now")
      ->type_name("DIR")
      ->required();
  copy.add_option("--to", given.to, "Configuration file of the nodes to come")
      ->type_name("FILE")
      ->required();
}

Result<CopyRequest> read_request(const CopyGiven& given) {
  CopyRequest request{.from = given.from, .to = {}};
  HG_CHECK(request.to.read_file(given.to));
  HG_CHECK(request.to.check());
  return request;
}

template <class T>
void put_over(T& into, const std::optional<T>& given) {
  if (given) into = *given;
}

struct RestoreOrder {
  std::string from;
  std::string data;
};

constexpr const char* kRestoreNotes =
    "Everything is there but sessions and the local documents (_local/...) of clients. The server\n"
    "has another uuid, and earlier positions of feeds are void: clients begin anew.";

CLI::App& add_restore(CLI::App& program, RestoreOrder& order) {
  CLI::App* restore =
      program.add_subcommand("restore", "Make a data directory of a backup; no server is asked");
  restore->footer(kRestoreNotes);
  restore->add_option("--from", order.from, "Directory of the backup")
      ->required()
      ->type_name("DIR");
  restore->add_option("--data", order.data, "Directory to make; may be there if it is empty")
      ->required()
      ->type_name("DIR");
  return *restore;
}

ExitStatus run(const RestoreOrder& order) {
  const auto restored = restore_store(order.from, order.data);
  if (!restored) {
    std::cerr << "headgate: " << restored.error().context << "\n";
    return exit_status(restored.error().code);
  }
  std::cout << *restored << std::flush;
  return ExitStatus::done;
}

Result<ServerConfig> read_config(const Given& given) {
  ServerConfig config;
  if (!given.config.empty()) HG_CHECK(config.read_file(given.config));
  put_over(config.data, given.data);
  put_over(config.public_port.port, given.port);
  put_over(config.admin_port.port, given.admin_port);
  put_over(config.public_port.address, given.bind);
  put_over(config.admin_port.address, given.admin_bind);
  if (given.log_level) {
    auto level = parse_log_level(*given.log_level);
    if (!level) return Error{Errc::invalid_argument, "--log-level: " + level.error().context};
    config.log_level = *level;
  }
  HG_CHECK(config.check());
  return config;
}

CommandLine refused(const Error& why) {
  std::cerr << "headgate: " << why.context << "\n";
  CommandLine line;
  line.exit_status = static_cast<int>(ExitStatus::wrong_usage);
  return line;
}

}  // namespace

CommandLine parse_command_line(int count, const char* const* arguments) {
  CommandLine line;
  Given given;
  CLI::App app(kAbout, "headgate");
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", "headgate " + std::string(kVersion), "Print the version");
  app.failure_message(CLI::FailureMessage::help);
  CLI::App* serve = app.add_subcommand("serve", "Serve the databases of a data directory");
  AdminCommands admin_commands(app);
  BenchCommand bench_command(app);
  RestoreOrder order;
  CLI::App& restore = add_restore(app, order);
  CLI::App* copy = app.add_subcommand("copy", "Move a data directory to Redis, for several nodes");
  CLI::App* version = app.add_subcommand("version", "Print the version");
  add_options(*serve, given);
  CopyGiven copy_given;
  add_options(*copy, copy_given);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    const bool is_help = app.exit(error) == 0;
    line.exit_status = static_cast<int>(is_help ? ExitStatus::done : ExitStatus::wrong_usage);
    return line;
  }
  if (version->parsed()) {
    std::cout << "headgate " << kVersion << "\n";
    line.exit_status = 0;
    return line;
  }
  if (restore.parsed()) {
    line.exit_status = static_cast<int>(run(order));
    return line;
  }
  if (const auto status = admin_commands.run()) {
    line.exit_status = static_cast<int>(*status);
    return line;
  }
  if (const auto status = bench_command.run()) {
    line.exit_status = static_cast<int>(*status);
    return line;
  }
  if (copy->parsed()) {
    auto request = read_request(copy_given);
    if (!request) return refused(request.error());
    line.copy = *std::move(request);
    return line;
  }
  auto config = read_config(given);
  if (!config) return refused(config.error());
  line.config = *std::move(config);
  return line;
}

}  // namespace headgate
