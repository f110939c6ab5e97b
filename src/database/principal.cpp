// SPDX-License-Identifier: Apache-2.0
#include "database/principal.hpp"

#include <algorithm>

namespace headgate {

std::shared_ptr<const Principal> Principal::admin() {
  static const auto admin = [] {
    auto principal = std::make_shared<Principal>();
    principal->access = EffectiveAccess::admin();
    return std::shared_ptr<const Principal>(std::move(principal));
  }();
  return admin;
}

bool is_visible(const CacheEntry& entry, const EffectiveAccess& access) {
  if (entry.is_principal()) return false;
  if (access.is_admin() || access.has_star()) return true;
  return std::any_of(entry.channels.begin(), entry.channels.end(), [&](const ChannelId& channel) {
    return !channel.is_of_principal() && access.can_read_channel(channel.name());
  });
}

}  // namespace headgate
