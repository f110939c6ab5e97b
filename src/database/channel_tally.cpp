// SPDX-License-Identifier: Apache-2.0
#include "database/channel_tally.hpp"

#include "database/base_scan.hpp"
#include "document/envelope.hpp"

namespace headgate {

namespace {

constexpr std::size_t kPage = 50;
/// Documents read before others have their turn.
constexpr std::uint64_t kTurn = 200;

void count(ChannelTally& tally, const DocumentEnvelope& envelope) {
  ++tally.documents;
  for (const auto& [name, membership] : envelope.channels) {
    auto at = tally.channels.find(name);
    if (at == tally.channels.end()) {
      if (tally.channels.size() == ChannelTally::kChannelsMost) {
        tally.is_complete = false;
        continue;
      }
      at = tally.channels.try_emplace(name).first;
    }
    const bool is_in = membership.is_current() && !envelope.tree.is_deleted();
    ++(is_in ? at->second.documents : at->second.left);
  }
}

}  // namespace

Task<Result<ChannelTally>> tally_channels(const DatabaseContext& context,
                                          std::uint64_t documents_most) {
  BaseScan scan(context.base, context.id, {KeyKind::document, {}, false}, kPage);
  ChannelTally tally;
  for (;;) {
    HG_CO_TRY(const auto item, co_await scan.next(context.deadline()));
    if (!item) co_return tally;
    if (tally.documents == documents_most) break;
    HG_CO_TRY(const DocumentEnvelope envelope, decode_envelope(item->bytes));
    if (!envelope.is_purged()) count(tally, envelope);
    if (tally.documents % kTurn == 0) co_await context.environment.yield();
  }
  tally.is_complete = false;
  co_return tally;
}

}  // namespace headgate
