// SPDX-License-Identifier: Apache-2.0
// The writing clients.
#include <fmt/format.h>

#include <utility>

#include "sim/cluster/sim_call.hpp"
#include "sim/cluster/sim_clients.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kPatience{4};
// Numbers of the writes of one bulk: above those of all steps.
constexpr std::uint32_t kNumbersApart = 10'000;

std::string json_list(const std::set<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) {
    if (text.size() > 1) text += ',';
    append_json_string(text, name);
  }
  return text + "]";
}

std::string body_of(const ScriptStep& step) {
  if (step.kind == StepKind::remove)
    return fmt::format(R"({{"_deleted":true,"w":{}}})", step.number);
  std::string body =
      fmt::format(R"({{"w":{},"channels":{})", step.number, json_list(step.channels));
  if (step.grantee != 0)
    body +=
        fmt::format(R"(,"grant":{{"users":"{}","channels":{}{}}})", user_name(step.grantee),
                    json_list(step.granted),
                    step.amount == 0 ? "" : fmt::format(R"(,"roles":["role:r{}"])", step.amount));
  return body + "}";
}

/// The edit that the step wants of the document as it is now; none where it makes no sense.
std::optional<WriteItem> edit_of(const ScriptStep& step,
                                 const std::optional<DocumentEnvelope>& present) {
  WriteItem item;
  item.id = DocId(document_name(step.subject));
  item.document = parse_document(body_of(step)).value();
  if (step.kind == StepKind::remove && (!present || present->tree.is_deleted()))
    return std::nullopt;
  if (step.kind != StepKind::branch) {
    if (present) item.document.rev = present->tree.winner();
    return item;
  }
  // A sibling of the winner, or a second root.
  if (!present) return std::nullopt;
  item.is_new_edit = false;
  auto ancestry = present->tree.ancestry(*present->tree.winner(), 2);
  ancestry.front().digest = fmt::format("{:032x}", step.number);
  item.document.rev = ancestry.front();
  item.document.revisions = std::move(ancestry);
  return item;
}

struct Edited {
  Result<WriteAnswer> answer = Errc::not_found;
  std::string id;
  std::uint32_t number = 0;  ///< of the write
};

// The writes of one bulk. The first alone may grant.
std::vector<ScriptStep> parts_of(const ScriptStep& step, std::uint32_t documents) {
  std::vector<ScriptStep> parts{step};
  for (std::uint32_t i = 1; i <= step.bulk; ++i) {
    ScriptStep& part = parts.emplace_back(step);
    part.subject = (step.subject - 1 + i) % documents + 1;
    part.number += i * kNumbersApart;
    part.grantee = 0;
  }
  return parts;
}

// Runs on the node.
Task<std::vector<Edited>> edit(SimProcess& process, std::vector<ScriptStep> parts) {
  Database& database = *process.database;
  std::vector<Edited> edited;
  std::vector<DocId> ids;
  for (const ScriptStep& part : parts) {
    edited.push_back({.id = document_name(part.subject), .number = part.number});
    ids.emplace_back(edited.back().id);
  }
  const auto present = co_await database.documents().load(std::move(ids));
  std::vector<WriteItem> items;
  std::vector<std::size_t> written;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!present) edited[i].answer = Errc::unavailable;
    auto item = present ? edit_of(parts[i], present->at(i)) : std::nullopt;
    if (!item) continue;
    items.push_back(*std::move(item));
    written.push_back(i);
  }
  auto answers = co_await database.writer().write(Principal::admin(), std::move(items));
  for (std::size_t i = 0; i < written.size(); ++i)
    edited[written[i]].answer = std::move(answers[i]);
  co_return edited;
}

Task<Result<UserWrite>> put_principal(SimProcess& process, ScriptStep step) {
  PrincipalStore& principals = process.database->principals();
  if (step.kind == StepKind::role) {
    std::string role = fmt::format("r{}", step.subject);
    co_return co_await principals.put_role(std::move(role), RoleUpdate{step.channels});
  }
  UserUpdate update;
  update.admin_channels = step.channels;
  update.admin_roles = std::set<std::string>();
  if (step.amount != 0) update.admin_roles->insert(fmt::format("r{}", step.amount));
  co_return co_await principals.put_user(user_name(step.subject), std::move(update));
}

template <class T>
std::string outcome_of(const std::optional<Result<T>>& answer) {
  if (!answer) return "no answer";
  return answer->has_value() ? "done" : std::string(to_string(answer->error().code));
}

bool is_unknown(const Error& error) {
  return error.code == Errc::timeout_unknown_outcome;
}

void tell_oracle(SimClientSite& site, const Edited& edited) {
  if (edited.answer)
    site.oracle.acknowledged_document(edited.id, to_string(edited.answer->rev),
                                      edited.answer->sequence, site.settings.durability);
  else if (!is_unknown(edited.answer.error()))
    site.oracle.refused(edited.number);
}

Task<void> carry_out_edit(SimClientSite& site, ScriptStep step) {
  const std::uint32_t database = site.databases;
  SimHandler<std::vector<Edited>> handler =
      [parts = parts_of(step, site.settings.documents)](SimProcess& process) {
        return edit(process, parts);
      };
  const auto edited =
      co_await ask(site.environment, site.node(step.node), std::move(handler), kPatience);
  if (!edited) ++site.outcomes[fmt::format("{}: no answer", to_string(step.kind))];
  if (!edited) co_return;
  for (const Edited& one : *edited) {
    ++site.outcomes[fmt::format("{}: {}", to_string(step.kind),
                                outcome_of(std::optional(one.answer)))];
    if (database == site.databases) tell_oracle(site, one);
  }
  const Edited& first = edited->front();
  if (step.grantee != 0) site.grantees[first.id].insert(user_name(step.grantee));
  if (first.answer && site.grantees.contains(first.id))
    co_await witness_rights(site, site.grantees[first.id], step.number);
}

Task<void> carry_out_principal(SimClientSite& site, ScriptStep step) {
  const std::uint32_t database = site.databases;
  SimHandler<Result<UserWrite>> handler = [step](SimProcess& process) {
    return put_principal(process, step);
  };
  const auto answer =
      co_await ask(site.environment, site.node(step.node), std::move(handler), kPatience);
  ++site.outcomes[fmt::format("{}: {}", to_string(step.kind), outcome_of(answer))];
  if (!answer || !*answer || database != site.databases) co_return;
  const std::string name = step.kind == StepKind::role ? fmt::format("role:r{}", step.subject)
                                                       : "user:" + user_name(step.subject);
  site.oracle.acknowledged_principal(name, (*answer)->sequence);
  const bool is_role = step.kind == StepKind::role;
  if (!is_role) site.users.insert(user_name(step.subject));
  co_await witness_rights(site, is_role ? site.users : std::set{user_name(step.subject)},
                          step.number);
}

}  // namespace

Task<void> carry_out(SimClientSite& site, ScriptStep step) {
  const bool is_principal = step.kind == StepKind::user || step.kind == StepKind::role;
  return is_principal ? carry_out_principal(site, std::move(step))
                      : carry_out_edit(site, std::move(step));
}

SimNode& SimClientSite::draw_node(std::uint32_t client) {
  return nodes[world().choices().below("client's node", nodes.size(), ChoiceScope(client))];
}

}  // namespace headgate
