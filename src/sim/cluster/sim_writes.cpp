// SPDX-License-Identifier: Apache-2.0
// The writing clients.
#include <fmt/format.h>

#include <utility>

#include "sim/cluster/sim_call.hpp"
#include "sim/cluster/sim_clients.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kPatience{4};

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
    body += fmt::format(R"(,"grant":{{"users":"{}","channels":{}}})", user_name(step.grantee),
                        json_list(step.granted));
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
};

// Runs on the node.
Task<Edited> edit(SimProcess& process, ScriptStep step) {
  Database& database = *process.database;
  Edited edited{.id = document_name(step.subject)};
  std::vector<DocId> ids{DocId(edited.id)};
  const auto present = co_await database.documents().load(std::move(ids));
  if (!present) {
    edited.answer = Errc::unavailable;
    co_return edited;
  }
  auto item = edit_of(step, present->front());
  if (!item) co_return edited;
  edited.answer = co_await database.writer().write_one(Principal::admin(), *std::move(item));
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

Task<void> carry_out_edit(SimClientSite& site, ScriptStep step) {
  const std::uint32_t database = site.databases;
  SimHandler<Edited> handler = [step](SimProcess& process) { return edit(process, step); };
  const auto edited =
      co_await ask(site.environment, site.node(step.node), std::move(handler), kPatience);
  const auto answer = edited ? std::optional(edited->answer) : std::nullopt;
  ++site.outcomes[fmt::format("{}: {}", to_string(step.kind), outcome_of(answer))];
  if (!answer || (!*answer && is_unknown(answer->error()))) co_return;
  if (database != site.databases) co_return;
  if (!*answer) {
    site.oracle.refused(step.number);
    co_return;
  }
  site.oracle.acknowledged_document(edited->id, to_string((*answer)->rev), (*answer)->sequence,
                                    site.settings.durability);
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
