// SPDX-License-Identifier: Apache-2.0
#include "access/sync_function.hpp"

#include <algorithm>
#include <utility>

#include "access/sync_reply.hpp"
#include "document/json.hpp"

namespace headgate {
namespace {

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

}  // namespace

std::shared_ptr<const SyncUser> SyncUser::make(std::string name,
                                               std::span<const std::string> channels,
                                               std::span<const std::string> roles) {
  return std::make_shared<const SyncUser>(
      SyncUser{std::move(name), joined(channels), joined(roles)});
}

Result<SyncOutput> NativeSyncFunction::run(std::string_view doc) {
  SyncOutput output;
  const JsonView channels = JsonView(doc).find("channels").value_or(JsonView());
  if (channels.is_string()) output.channels.push_back(*channels.as_string());
  for (const JsonView& element : channels.elements()) {
    if (element.is_string()) output.channels.push_back(*element.as_string());
  }
  for (const std::string& name : output.channels) {
    if (auto ok = check_channel_name(name); !ok)
      return rejected(ok.error().code, ok.error().context);
  }
  sort_channels(output);
  return output;
}

}  // namespace headgate
