// SPDX-License-Identifier: Apache-2.0
#include "api/config_changes.hpp"

#include <set>
#include <string>

namespace headgate {

void write_config_changes(JsonWriter& out, const DatabaseConfig& before,
                          const DatabaseConfig& after) {
  const std::string from = before.print(), to = after.print();
  const JsonView old_settings(from), new_settings(to);
  std::set<std::string> names;
  for (const JsonView& settings : {old_settings, new_settings})
    for (const JsonView::Member& member : settings.members()) names.insert(member.name());
  out.begin_object();
  for (const std::string& name : names) {
    const JsonView was = old_settings.find(name).value_or(JsonView());
    const JsonView is = new_settings.find(name).value_or(JsonView());
    if (was.raw() == is.raw()) continue;
    out.key(name).begin_object();
    out.key("from").raw(was.raw()).key("to").raw(is.raw()).end_object();
  }
  out.end_object();
}

}  // namespace headgate
