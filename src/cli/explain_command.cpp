// SPDX-License-Identifier: Apache-2.0
#include "cli/explain_command.hpp"

#include <fmt/format.h>

#include "cli/print.hpp"
#include "net/uri.hpp"

namespace headgate {

namespace {

using Elements = std::optional<JsonView>;

std::string print_verdict(const JsonView& answer, const JsonView& document, const JsonView& user) {
  const std::string id = text_of(document, "id");
  const std::string name = text_of(user, "name");
  if (!is_set(answer, "readable"))
    return fmt::format("{} does not see {}: {}\n", name, id, text_of(answer, "reason"));
  const Elements through = answer.find("through");
  return fmt::format("{} sees {} through {}, on its feed at {}{}\n", name, id,
                     through ? print_value(*through) : "", text_of(answer, "seq"),
                     is_set(answer, "is_stable") ? "" : " (not yet on feeds of mode stable)");
}

std::string print_document(const JsonView& document) {
  if (!document.find("rev")) return "";
  std::string out =
      fmt::format("\nDocument {}, revision {}{}, sequence {}\n", text_of(document, "id"),
                  text_of(document, "rev"), is_set(document, "deleted") ? " (deleted)" : "",
                  number_of(document, "sequence"));
  if (const Elements channels = document.find("channels"))
    for (const JsonView& entry : channels->elements())
      out += fmt::format("  in {} since {}, by the {}\n", text_of(entry, "channel"),
                         number_of(entry, "since"), text_of(entry, "by"));
  if (const Elements left = document.find("left"))
    for (const JsonView& entry : left->elements())
      out += fmt::format("  left {} at {}\n", text_of(entry, "channel"), number_of(entry, "at"));
  return out;
}

std::string print_giver(const JsonView& entry, std::string_view by, std::string_view document) {
  const std::string giver = text_of(entry, by);
  return giver == "document" ? "document " + text_of(entry, document) : giver;
}

std::string print_user(const JsonView& user) {
  const Elements channels = user.find("channels");
  if (!channels) return "";
  std::string out = fmt::format("\nUser {}{}\n", text_of(user, "name"),
                                is_set(user, "disabled") ? " (disabled)" : "");
  for (const JsonView& entry : channels->elements()) {
    out += fmt::format("  holds {} since {}, by {}", text_of(entry, "channel"),
                       number_of(entry, "since"), print_giver(entry, "by", "document"));
    if (const std::string role = text_of(entry, "role"); !role.empty())
      out += fmt::format(" through role {}, given by {}", role,
                         print_giver(entry, "role_by", "role_document"));
    out += "\n";
  }
  if (const Elements lost = user.find("lost"))
    for (const JsonView& entry : lost->elements())
      out += fmt::format("  held {} from {} to {}\n", text_of(entry, "channel"),
                         number_of(entry, "since"), number_of(entry, "until"));
  return out;
}

}  // namespace

std::string print_explanation(std::string_view json) {
  const JsonView answer(json);
  const JsonView document = answer.find("document").value_or(JsonView());
  const JsonView user = answer.find("user").value_or(JsonView());
  return print_verdict(answer, document, user) + print_document(document) + print_user(user);
}

Result<std::string> explain_access(AdminClient& client, const ExplainQuestion& question,
                                   bool as_json) {
  const std::string query =
      "?doc=" + percent_encode(question.document) + "&user=" + percent_encode(question.user);
  HG_TRY(const std::string answer,
         client.get(admin_target({question.database, "_explain"}) + query));
  return as_json ? answer + "\n" : print_explanation(answer);
}

}  // namespace headgate
