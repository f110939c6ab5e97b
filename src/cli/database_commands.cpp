// SPDX-License-Identifier: Apache-2.0
#include "cli/database_commands.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <utility>

#include "cli/print.hpp"

namespace headgate {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};

std::string print_changes(const JsonView& answer) {
  std::string out;
  const auto changed = answer.find("changed");
  if (changed) {
    for (const auto& member : changed->members()) {
      const auto from = member.value.find("from");
      const auto to = member.value.find("to");
      out += fmt::format("{}: {} -> {}\n", member.name(), from ? from->raw() : "null",
                         to ? to->raw() : "null");
    }
  }
  return out.empty() ? "nothing changed\n" : out;
}

std::string_view query_of(ResyncOrder::Action action) {
  switch (action) {
    case ResyncOrder::Action::begin_anew:
      return "?reset=true";
    case ResyncOrder::Action::stop:
      return "?action=stop";
    default:
      return "";
  }
}

}  // namespace

Result<std::string> list_databases(AdminClient& client, bool as_json) {
  HG_TRY(const std::string answer, client.get("/_all_dbs"));
  return as_json ? answer + "\n" : print_lines(JsonView(answer));
}

Result<std::string> create_database(AdminClient& client, const std::string& name,
                                    const std::string& config, bool as_json) {
  HG_TRY(const std::string answer, client.put(admin_target({name}), config));
  return as_json ? answer + "\n" : "database " + name + " created\n";
}

Result<std::string> delete_database(AdminClient& client, const std::string& name, bool as_json) {
  HG_TRY(const std::string answer, client.remove(admin_target({name})));
  return as_json ? answer + "\n" : "database " + name + " deleted\n";
}

Result<std::string> show_config(AdminClient& client, const std::string& name, bool as_json) {
  HG_TRY(const std::string answer, client.get(admin_target({name, "_config"})));
  if (as_json) return answer + "\n";
  // Names as they are written in a configuration.
  std::string out;
  for (const auto& member : JsonView(answer).members())
    out += fmt::format("{:<22} {}\n", member.name(), member.value.raw());
  return out;
}

Result<std::string> replace_config(AdminClient& client, const std::string& name,
                                   const std::string& config, bool as_json) {
  HG_TRY(const std::string answer, client.put(admin_target({name, "_config"}), config));
  return as_json ? answer + "\n" : print_changes(JsonView(answer));
}

Result<std::string> purge_documents(AdminClient& client, const std::string& name,
                                    const std::vector<std::string>& documents, bool as_json) {
  JsonWriter body;
  body.begin_object();
  for (const std::string& id : documents) body.key(id).begin_array().string("*").end_array();
  body.end_object();
  HG_TRY(const std::string answer,
         client.post(admin_target({name, "_purge"}), std::move(body).text()));
  const JsonView json(answer);
  if (const auto failed = json.find("failed"))
    return Error{Errc::conflict, "not all were purged: " + std::string(failed->raw())};
  if (as_json) return answer + "\n";
  std::string out;
  const JsonView purged = json.find("purged").value_or(JsonView());
  for (const std::string& id : documents)
    out += id + (purged.find(id) ? " purged\n" : " is not there\n");
  return out;
}

Result<std::string> set_offline(AdminClient& client, const std::string& name, bool is_offline,
                                bool as_json) {
  HG_TRY(const std::string answer,
         client.post(admin_target({name, is_offline ? "_offline" : "_online"}), ""));
  if (as_json) return answer + "\n";
  return fmt::format("database {} is {}\n", name, is_offline ? "offline" : "online");
}

Result<std::string> resync_database(AdminClient& client, const std::string& name, ResyncOrder order,
                                    bool as_json) {
  const std::string target = admin_target({name, "_resync"});
  if (order.action != ResyncOrder::Action::show)
    HG_CHECK(client.post(target + std::string(query_of(order.action)), ""));
  HG_TRY(std::string answer, client.get(target));
  while (order.waits && text_of(JsonView(answer), "status") == "running") {
    std::this_thread::sleep_for(kBetweenLooks);
    HG_TRY(answer, client.get(target));
  }
  if (order.waits && text_of(JsonView(answer), "status") == "failed")
    return Error{Errc::internal, "the resync failed: the server's log says why"};
  return as_json ? answer + "\n" : print_fields(JsonView(answer));
}

}  // namespace headgate
