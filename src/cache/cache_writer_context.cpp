// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_writer_context.hpp"

namespace headgate {

void CacheWriterContext::begin_walk(Sequence known_stable) {
  accounting = Accounting(known_stable);
  walk.clear();
  pending.clear();
  released.clear();
  channels.clear();
  audit_floor.reset();
  shown = Accounting();
  blocks.reset();
  is_rebuilding = false;
  rebuilt_to.clear();
}

void CacheWriterContext::settle(EntryPlace place) {
  const PendingEntry& settled = pending.at(place);
  channels.remember(settled.record, stable.record().stable);
  const auto enter_in = [&](Accounting& numbers) {
    numbers.account(settled.record.entry.sequence);
    for (const RecentSequence& earlier : settled.record.recent) numbers.account(earlier.sequence);
  };
  enter_in(accounting);
  if (audit_floor) enter_in(shown);
  walk.settle(place.first, place.second);
  pending.remove(place);
}

void CacheWriterContext::note_repair(CacheRepair::Kind kind, EntryPlace place) {
  const PendingEntry& repaired = pending.at(place);
  const Sequence number = repaired.record.entry.sequence;
  repairs.add({kind, environment().wall_now(), number, number, repaired.entry.key.name});
}

void CacheWriterContext::give_up(EntryPlace place) {
  ++statistics.given_up;
  walk.settle(place.first, place.second);
  pending.remove(place);
}

}  // namespace headgate
