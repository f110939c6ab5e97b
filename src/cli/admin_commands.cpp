// SPDX-License-Identifier: Apache-2.0
#include "cli/admin_commands.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "cli/backup_command.hpp"
#include "cli/database_commands.hpp"
#include "cli/explain_command.hpp"
#include "cli/principal_commands.hpp"
#include "cli/status_command.hpp"
#include "cli/terminal.hpp"

namespace headgate {

namespace {

using Answer = Result<std::string>;

constexpr const char* kPasswordNote =
    "The password is asked for at a terminal; else it is the first line of standard input.";

/// All that can be given to one of the commands.
struct Arguments {
  AdminConnection connection;
  bool as_json = false;
  std::string database;
  bool is_role = false;
  std::string name;  ///< of a user or role
  std::vector<std::string> channels;
  std::vector<std::string> roles;
  bool has_no_channels = false;
  bool has_no_roles = false;
  std::optional<std::string> email;
  bool is_disabled = false;
  bool is_enabled = false;
  bool has_new_password = false;
  std::string file;
  bool is_sure = false;
  bool waits = false;
  bool begins_anew = false;
  bool stops = false;
  bool only_shows = false;
  std::string document;
  std::vector<std::string> documents;
  std::string user;
  std::string to;
};

using Command = Answer (*)(AdminClient&, const Arguments&);

std::optional<std::vector<std::string>> names(const std::vector<std::string>& given, bool is_none) {
  if (given.empty() && !is_none) return std::nullopt;
  return given;
}

PrincipalFields fields_of(const Arguments& given) {
  PrincipalFields fields;
  fields.channels = names(given.channels, given.has_no_channels);
  fields.roles = names(given.roles, given.has_no_roles);
  fields.email = given.email;
  if (given.is_disabled || given.is_enabled) fields.is_disabled = given.is_disabled;
  return fields;
}

void put_environment(const char* name, std::string& into) {
  if (const char* value = std::getenv(name)) into = value;
}

PrincipalAddress principal_of(const Arguments& given) {
  return {given.is_role, given.database, given.name};
}

Answer list(AdminClient& client, const Arguments& given) {
  return list_principals(client, principal_of(given), given.as_json);
}

Answer show(AdminClient& client, const Arguments& given) {
  return show_principal(client, principal_of(given), given.as_json);
}

Answer remove(AdminClient& client, const Arguments& given) {
  return delete_principal(client, principal_of(given), given.as_json);
}

Answer create(AdminClient& client, const Arguments& given) {
  PrincipalFields fields = fields_of(given);
  if (!given.is_role) {
    HG_TRY(fields.password, read_new_password(given.name));
  }
  return create_principal(client, principal_of(given), fields, given.as_json);
}

Answer change(AdminClient& client, const Arguments& given) {
  PrincipalFields fields = fields_of(given);
  if (given.has_new_password) {
    HG_TRY(fields.password, read_new_password(given.name));
  }
  return change_principal(client, principal_of(given), fields, given.as_json);
}

Answer make_database(AdminClient& client, const Arguments& given) {
  std::string config;
  if (!given.file.empty()) {
    HG_TRY(config, read_file_or_input(given.file));
  }
  return create_database(client, given.database, config, given.as_json);
}

Answer drop_database(AdminClient& client, const Arguments& given) {
  if (!given.is_sure && !is_confirmed("Delete the database " + given.database + " and all in it?"))
    return Error{Errc::invalid_argument, "not deleted: --yes was not given"};
  return delete_database(client, given.database, given.as_json);
}

Answer purge(AdminClient& client, const Arguments& given) {
  if (!given.is_sure && !is_confirmed("Purge " + std::to_string(given.documents.size()) +
                                      " documents of " + given.database + "?"))
    return Error{Errc::invalid_argument, "not purged: --yes was not given"};
  return purge_documents(client, given.database, given.documents, given.as_json);
}

Answer configure(AdminClient& client, const Arguments& given) {
  if (given.file.empty()) return show_config(client, given.database, given.as_json);
  HG_TRY(const std::string config, read_file_or_input(given.file));
  return replace_config(client, given.database, config, given.as_json);
}

Answer resync(AdminClient& client, const Arguments& given) {
  using Action = ResyncOrder::Action;
  ResyncOrder order{Action::start, given.waits};
  if (given.begins_anew) order.action = Action::begin_anew;
  if (given.stops) order.action = Action::stop;
  if (given.only_shows) order.action = Action::show;
  return resync_database(client, given.database, order, given.as_json);
}

}  // namespace

class AdminCommands::Impl {
 public:
  explicit Impl(CLI::App& program);
  std::optional<ExitStatus> run();

 private:
  CLI::App& add(CLI::App& group, const char* name, const char* about, Command command);
  CLI::App& add_for_principal(CLI::App& group, const char* name, const char* about,
                              Command command);
  CLI::App& add_for_database(CLI::App& group, const char* name, const char* about, Command command);
  void add_fields(CLI::App& command, bool is_role);
  void add_users(CLI::App& program);
  void add_roles(CLI::App& program);
  void add_databases(CLI::App& program);

  Arguments given_;
  Command chosen_ = nullptr;
};

CLI::App& AdminCommands::Impl::add(CLI::App& group, const char* name, const char* about,
                                   Command command) {
  CLI::App* added = group.add_subcommand(name, about);
  added->add_option("--url", given_.connection.url, "Admin port of any node; or HEADGATE_URL")
      ->type_name("URL")
      ->capture_default_str();
  added
      ->add_option("--login,--user", given_.connection.login,
                   "Login of the admin port; or HEADGATE_LOGIN")
      ->type_name("NAME:PASSWORD");
  added
      ->add_option("--cacert", given_.connection.trust.ca_file,
                   "Certificates to believe, in PEM, for https; or HEADGATE_CACERT")
      ->type_name("FILE");
  added->add_flag("--insecure", given_.connection.trust.is_blind,
                  "Believe any certificate: who answers may be anybody");
  added->add_flag("--json", given_.as_json, "Print the server's answer as it is");
  added->callback([this, command] { chosen_ = command; });
  return *added;
}

CLI::App& AdminCommands::Impl::add_for_database(CLI::App& group, const char* name,
                                                const char* about, Command command) {
  CLI::App& added = add(group, name, about, command);
  added.add_option("DB", given_.database, "Database")->required()->type_name("");
  return added;
}

CLI::App& AdminCommands::Impl::add_for_principal(CLI::App& group, const char* name,
                                                 const char* about, Command command) {
  CLI::App& added = add_for_database(group, name, about, command);
  added.add_option("NAME", given_.name, "Name")->required()->type_name("");
  return added;
}

void AdminCommands::Impl::add_fields(CLI::App& command, bool is_role) {
  command.add_option("--channel", given_.channels, "A channel to give; may come again")
      ->type_name("CHANNEL")
      ->allow_extra_args(false);
  if (is_role) return;
  command.add_option("--role", given_.roles, "A role to give; may come again")
      ->type_name("ROLE")
      ->allow_extra_args(false);
  command.add_option("--email", given_.email, "Address for people")->type_name("EMAIL");
  command.add_flag("--disable", given_.is_disabled, "May not log in");
}

void AdminCommands::Impl::add_users(CLI::App& program) {
  CLI::App& user = *program.add_subcommand("user", "Users of a database");
  user.require_subcommand(1);
  add_for_database(user, "list", "Print the names of the users", list);
  add_for_principal(user, "show", "Print a user, with the channels and roles it has now", show);
  CLI::App& created = add_for_principal(user, "create", "Make a user", create);
  add_fields(created, false);
  created.footer(kPasswordNote);
  CLI::App& changed = add_for_principal(
      user, "change", "Change a user: what is not given stays; channels and roles are replaced",
      change);
  add_fields(changed, false);
  changed.add_flag("--no-channels", given_.has_no_channels, "Takes all channels")
      ->excludes("--channel");
  changed.add_flag("--no-roles", given_.has_no_roles, "Takes all roles")->excludes("--role");
  changed.add_flag("--enable", given_.is_enabled, "May log in again")->excludes("--disable");
  changed.add_flag("--password", given_.has_new_password, "Asks for a new password");
  changed.footer(kPasswordNote);
  add_for_principal(user, "delete", "Delete a user", remove);
}

void AdminCommands::Impl::add_roles(CLI::App& program) {
  CLI::App& role = *program.add_subcommand("role", "Roles of a database");
  role.require_subcommand(1);
  // The commands of users, with another address.
  role.preparse_callback([this](std::size_t) { given_.is_role = true; });
  add_for_database(role, "list", "Print the names of the roles", list);
  add_for_principal(role, "show", "Print a role, with the channels that it gives now", show);
  add_fields(add_for_principal(role, "create", "Make a role", create), true);
  CLI::App& changed = add_for_principal(role, "change", "Replace the channels of a role", change);
  add_fields(changed, true);
  changed.add_flag("--no-channels", given_.has_no_channels, "Takes all channels")
      ->excludes("--channel");
  add_for_principal(role, "delete", "Delete a role", remove);
}

void AdminCommands::Impl::add_databases(CLI::App& program) {
  CLI::App& db = *program.add_subcommand("db", "Databases of a server");
  db.require_subcommand(1);
  add(db, "list", "Print the names of the databases",
      [](AdminClient& client, const Arguments& given) {
        return list_databases(client, given.as_json);
      });
  add_for_database(db, "create", "Make a database", make_database)
      .add_option("--config", given_.file, "Its configuration (JSON); - is standard input")
      ->type_name("FILE");
  add_for_database(db, "delete", "Delete a database and all in it", drop_database)
      .add_flag("--yes", given_.is_sure, "Do not ask");
  CLI::App& purged = add_for_database(
      db, "purge", "Remove documents as if they had never been; no client is told", purge);
  purged.add_option("DOC", given_.documents, "Documents")->required()->type_name("...");
  purged.add_flag("--yes", given_.is_sure, "Do not ask");
  add_for_database(db, "config", "Print the configuration, or replace it", configure)
      .add_option("--set", given_.file, "The new one (JSON); - is standard input")
      ->type_name("FILE");
  add_for_database(db, "online", "Let clients in again",
                   [](AdminClient& client, const Arguments& given) {
                     return set_offline(client, given.database, false, given.as_json);
                   });
  add_for_database(db, "offline", "Keep clients out; the admin port serves on",
                   [](AdminClient& client, const Arguments& given) {
                     return set_offline(client, given.database, true, given.as_json);
                   });
  CLI::App& resynced = add_for_database(
      db, "resync", "Judge all documents anew by the present sync function", resync);
  resynced.add_flag("--reset", given_.begins_anew, "Begin anew, where it was stopped before");
  resynced.add_flag("--stop", given_.stops, "Stop it, and keep its place")->excludes("--reset");
  resynced.add_flag("--show", given_.only_shows, "Only print how far it is")
      ->excludes("--reset")
      ->excludes("--stop");
  resynced.add_flag("--wait", given_.waits, "Return when it has ended");
}

AdminCommands::Impl::Impl(CLI::App& program) {
  put_environment("HEADGATE_URL", given_.connection.url);
  put_environment("HEADGATE_LOGIN", given_.connection.login);
  put_environment("HEADGATE_CACERT", given_.connection.trust.ca_file);
  add(program, "status", "Show the databases of a server, or the nodes of a cluster",
      [](AdminClient& client, const Arguments& given) {
        return ask_status(client, given.as_json);
      });
  add_users(program);
  add_roles(program);
  add_databases(program);
  add(program, "backup", "Copy the data of a running server to a new directory of its machine",
      [](AdminClient& client, const Arguments& given) {
        return back_up(client, given.to, given.as_json);
      })
      .add_option("--to", given_.to, "The directory; headgate restore takes it")
      ->required()
      ->type_name("DIR");
  CLI::App& explained = add_for_database(
      program, "explain", "Tell why a user sees a document, or does not",
      [](AdminClient& client, const Arguments& given) {
        return explain_access(client, {given.database, given.document, given.user}, given.as_json);
      });
  explained.add_option("DOC", given_.document, "Document")->required()->type_name("");
  explained.add_option("USER", given_.user, "User")->required()->type_name("");
}

std::optional<ExitStatus> AdminCommands::Impl::run() {
  if (!chosen_) return std::nullopt;
  AdminClient client(given_.connection);
  const Answer answer = chosen_(client, given_);
  if (!answer) {
    std::cerr << "headgate: " << answer.error().context << "\n";
    return exit_status(answer.error().code);
  }
  std::cout << *answer << std::flush;
  return ExitStatus::done;
}

AdminCommands::AdminCommands(CLI::App& program) : impl_(std::make_unique<Impl>(program)) {}
AdminCommands::~AdminCommands() = default;

std::optional<ExitStatus> AdminCommands::run() {
  return impl_->run();
}

}  // namespace headgate
