// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.hpp"

#include <fmt/format.h>

#include <map>

#include "cli/print.hpp"

namespace headgate {

namespace {

std::string roles_of(const JsonView& node) {
  std::string roles;
  for (const auto& [member, name] : {std::pair("takes_writes", "front_end"),
                                     {"serves_feeds", "reader"},
                                     {"may_write_cache", "cache_writer"}})
    if (is_set(node, member)) roles += (roles.empty() ? "" : ",") + std::string(name);
  return is_set(node, "is_leaving") ? roles + " (leaving)" : roles;
}

/// The text for what `/_cluster` answered.
Result<std::string> print_cluster(const JsonView& cluster) {
  const auto nodes = cluster.find("nodes");
  const auto databases = cluster.find("databases");
  if (!nodes || !databases) return Error{Errc::corrupted, "the answer has no nodes"};
  std::string out = fmt::format("{:<17} {:<24} {:<32} {:<30} {}\n", "NODE", "NAME", "PUBLIC",
                                "ROLES", "CACHE WRITER OF");
  std::map<std::string, std::string> names;
  for (const JsonView& node : nodes->elements()) {
    names[text_of(node, "id")] = text_of(node, "name");
    out += fmt::format("{:<17} {:<24} {:<32} {:<30} {} databases\n", text_of(node, "id"),
                       text_of(node, "name"), text_of(node, "public"), roles_of(node),
                       number_of(node, "cache_writer_of"));
  }
  out += fmt::format("\n{:<30} {:<24} {:>12} {:>12} {:>8}\n", "DATABASE", "CACHE WRITER", "STABLE",
                     "HIGHEST", "LAG");
  for (const JsonView& database : databases->elements()) {
    const std::uint64_t stable = number_of(database, "stable");
    const std::uint64_t highest = number_of(database, "highest");
    out += fmt::format("{:<30} {:<24} {:>12} {:>12} {:>8}\n", text_of(database, "name"),
                       names[text_of(database, "cache_writer")], stable, highest,
                       highest > stable ? highest - stable : 0);
  }
  return out;
}

/// The text for what `/_status` answered. What is not known of a database that stands still is "-".
Result<std::string> print_server(const JsonView& server) {
  const auto databases = server.find("databases");
  if (!databases) return Error{Errc::corrupted, "the answer has no databases"};
  const JsonView feeds = server.find("feeds").value_or(JsonView());
  std::string out = fmt::format("headgate {}, alone on its store, {} feeds waiting\n\n",
                                text_of(server, "version"),
                                number_of(feeds, "longpoll") + number_of(feeds, "continuous"));
  out += fmt::format("{:<30} {:<10} {:>12} {:>12} {:>8} {:>8} {:>8}\n", "DATABASE", "STATE",
                     "STABLE", "HIGHEST", "LAG", "FEEDS", "REPAIRS");
  for (const JsonView& database : databases->elements()) {
    out += fmt::format("{:<30} {:<10}", text_of(database, "name"), text_of(database, "state"));
    for (const auto& [member, width] :
         {std::pair("stable", 12), {"highest", 12}, {"lag", 8}, {"feeds", 8}, {"repairs", 8}}) {
      const auto figure = database.find(member);
      out += fmt::format(" {:>{}}", figure ? print_value(*figure) : "-", width);
    }
    if (const std::string failure = text_of(database, "failure"); !failure.empty())
      out += "  " + failure;
    out += "\n";
  }
  return out;
}

}  // namespace

Result<std::string> ask_status(AdminClient& client, bool as_json) {
  auto answer = client.get("/_cluster");
  const bool is_alone = !answer && answer.error().code == Errc::not_found;
  if (is_alone) answer = client.get("/_status");
  if (!answer) return answer.error();
  if (as_json) return *answer + "\n";
  if (!validate_json(*answer)) return Error{Errc::corrupted, "the answer is no JSON"};
  return is_alone ? print_server(JsonView(*answer)) : print_cluster(JsonView(*answer));
}

}  // namespace headgate
