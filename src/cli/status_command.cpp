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

}  // namespace

Result<std::string> print_status(std::string_view json) {
  if (!validate_json(json)) return Error{Errc::corrupted, "the answer is no JSON"};
  const JsonView cluster(json);
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

Result<std::string> ask_status(AdminClient& client, bool as_json) {
  const auto answer = client.get("/_cluster");
  if (!answer && answer.error().code == Errc::not_found)
    return Error{Errc::not_found, "the node is alone on its store: there is no cluster"};
  if (!answer) return answer.error();
  return as_json ? *answer + "\n" : print_status(*answer);
}

}  // namespace headgate
