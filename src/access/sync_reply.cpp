// SPDX-License-Identifier: Apache-2.0
#include "access/sync_reply.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

/// Takes the reply's tokens one by one.
class Tokens {
 public:
  explicit Tokens(std::string_view joined) : rest_(joined), is_at_end_(joined.empty()) {}

  bool at_end() const { return is_at_end_; }
  std::string_view next() {
    const std::size_t comma = rest_.find(',');
    const std::string_view token = rest_.substr(0, comma);
    is_at_end_ = comma == std::string_view::npos;
    if (!is_at_end_) rest_.remove_prefix(comma + 1);
    return token;
  }

 private:
  std::string_view rest_;
  bool is_at_end_;
};

Error failed(const Error& because) {
  return {Errc::internal, because.context};
}

Result<void> add_access(SyncOutput& output, std::string_view principal, std::string_view channel) {
  auto name = PrincipalName::parse_short(principal);
  if (!name) return failed(name.error());
  HG_CHECK(check_channel_name(channel));
  output.access[*std::move(name)].emplace(channel);
  return {};
}

Result<void> add_role(SyncOutput& output, std::string_view user, std::string_view role) {
  if (auto ok = check_principal_name(user); !ok) return failed(ok.error());
  if (auto ok = check_principal_name(role); !ok) return failed(ok.error());
  output.roles[std::string(user)].emplace(role);
  return {};
}

Result<void> read_tokens(SyncOutput& output, Tokens tokens) {
  std::size_t grants = 0;
  while (!tokens.at_end()) {
    const std::string_view first = tokens.next();
    const std::string_view name = first.substr(1);
    if (first.starts_with('c')) {
      HG_CHECK(check_channel_name(name));
      output.channels.emplace_back(name);
      continue;
    }
    const std::string_view granted = tokens.next();
    HG_CHECK(first.starts_with('a') ? add_access(output, name, granted)
                                    : add_role(output, name, granted));
    if (++grants > kMaxDocumentGrants) return Error{Errc::invalid_argument, "Too many grants"};
  }
  return {};
}

Errc code_of(std::string_view name) {
  for (const Errc code : {Errc::forbidden, Errc::unauthorized, Errc::invalid_argument}) {
    if (name == to_string(code)) return code;
  }
  return Errc::internal;
}

}  // namespace

SyncOutput rejected(Errc code, std::string reason) {
  SyncOutput output;
  output.rejection = Rejection{code, std::move(reason)};
  return output;
}

void sort_channels(SyncOutput& output) {
  std::ranges::sort(output.channels);
  output.channels.erase(std::ranges::unique(output.channels).begin(), output.channels.end());
  if (output.channels.size() > kMaxDocumentChannels)
    output = rejected(Errc::invalid_argument, "Too many channels");
}

SyncOutput read_reply(SyncReply reply) {
  if (!reply.code.empty()) return rejected(code_of(reply.code), std::move(reply.reason));
  SyncOutput output;
  if (auto ok = read_tokens(output, Tokens(reply.tokens)); !ok)
    return rejected(ok.error().code, ok.error().context);
  sort_channels(output);
  if (std::ranges::binary_search(output.channels, kStarChannel))
    output.channels = {std::string(kStarChannel)};
  if (!output.rejection && !reply.expiry.empty()) output.expiry = std::move(reply.expiry);
  return output;
}

}  // namespace headgate
