// SPDX-License-Identifier: Apache-2.0
#include "changes/feed_passes.hpp"

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"

namespace headgate {
namespace {

// A feed whose channels change at each of so many looks begins again later.
constexpr int kRegistrations = 8;

// A pass that begins before a loss is known may send what was written after it; a revocation,
// which stands at the loss, cannot tell of that. Stable covers no loss that a pass does not know.
ReadMode mode_of(const ChangesOptions& options, ChangesSource& source) {
  if (options.revocations) return ReadMode::stable;
  return options.mode.value_or(source.default_mode());
}

}  // namespace

FeedPasses::FeedPasses(ChangesSource& source, FeedWaiter& waiter,
                       std::shared_ptr<const Principal> reader, const ChangesOptions& options)
    : source_(source),
      waiter_(waiter),
      options_(options),
      mode_(mode_of(options_, source)),
      reader_(std::move(reader)),
      channels_(feed_channels(*reader_, options_.channels)),
      lost_(lost()),
      position_(options_.since),
      filter_(source, options_) {}

// --- The beginning of a pass ---------------------------------------------------------------------

FeedHub::Interest FeedPasses::interest() const {
  FeedHub::Interest interest{{}, reader_->hidden_channels, mode_};
  for (const FeedChannel& channel : channels_) interest.channels.push_back(channel.channel);
  return interest;
}

std::vector<FeedChannel> FeedPasses::lost() const {
  if (!options_.revocations || options_.active_only) return {};
  return lost_channels(*reader_, options_.channels);
}

// Users are loaded anew for every pass, after stable was read (R15, couchbase/sync_gateway#2068).
Task<Result<void>> FeedPasses::load_reader(PassStart pass) {
  if (reader_->is_admin()) co_return Result<void>();
  HG_CO_TRY(auto loaded, co_await source_.load_principal(reader_->name, std::move(pass)));
  if (loaded == reader_) co_return Result<void>();
  reader_ = std::move(loaded);
  channels_ = feed_channels(*reader_, options_.channels);
  lost_ = lost();
  is_registered_ = is_registered_ && waiter_.interest() == interest();
  co_return Result<void>();
}

// A waiting feed is registered for what its reader sees before the pass begins: what is written
// from then on wakes it.
Task<Result<PassStart>> FeedPasses::begin() {
  for (int i = 0; i < kRegistrations; ++i) {
    if (waits() && !is_registered_) {
      HG_CO_CHECK(waiter_.watch(interest()));
      is_registered_ = true;
    }
    wakes_seen_ = waiter_.signal().count();
    HG_CO_TRY(PassStart start, co_await source_.cache_reader().start_pass());
    HG_CO_CHECK(co_await load_reader(start));
    if (!waits() || is_registered_) co_return start;
  }
  co_return Errc::unavailable;
}

// R17: a place of an older epoch, also one that this feed has come to itself, is continued from the
// floors of those that began since. What was sent at numbers of older epochs may be lost: it does
// not keep what survived from being sent again.
void FeedPasses::follow_epochs(const PassStart& start) {
  if (start.record->epoch == epoch_ || !HG_RULE("R17")) return;
  const Epoch before = std::exchange(epoch_, start.record->epoch);
  const Epochs& epochs = start.record->epochs;
  const bool has_just_come = before == Epoch() && !options_.is_since_now;
  const SequenceId at = has_just_come ? options_.since : position_.id();
  const bool is_void = epochs.is_void(at);
  const SequenceId from = is_void ? SequenceId() : epochs.undated(epochs.resume(at));
  if (from != at) {
    HG_PROBE("B2 token continues from the floor");
    position_ = ChangesPosition(from);
  }
  position_.set_epochs(std::shared_ptr<const Epochs>(start.record, &epochs));
  std::erase_if(sent_, [&](const auto& sent) { return epochs.of(sent.second.sequence) != epoch_; });
}

// --- One pass ------------------------------------------------------------------------------------

// A lost channel is read as it was just before the loss: an entry that came later stands for a
// revision that the reader must not hear of, and hides the one that it has.
Task<Result<std::vector<ChannelPage>>> FeedPasses::read_pages(PassStart start,
                                                              const ChannelPlan& plan) {
  CacheReader& reader = source_.cache_reader();
  const std::size_t limit = position_.read_limit(source_.settings().max_early);
  // What an audit announced again lies anywhere above stable.
  const Sequence seen =
      is_set_back(start) && HG_RULE("R17b audit") ? kNoSequence : position_.high();
  HG_CO_TRY(auto pages,
            co_await reader.read(start, mode_of_reading(start), plan.queries(seen), limit));
  for (const ChannelPlan::Read& read : plan.reads) {
    if (!read.is_revocation) continue;
    start.stable = read.backfill.previous();
    std::vector<ChannelQuery> query{{read.channel, read.since, {}}};
    HG_CO_TRY(auto lost, co_await reader.read(start, ReadMode::stable, std::move(query), limit));
    pages.push_back(std::move(lost.front()));
  }
  co_return pages;
}

Task<Result<FeedPasses::Selection>> FeedPasses::choose(std::size_t rows_max) {
  HG_CO_TRY(PassStart start, co_await begin());
  if (!has_begun_ && options_.is_since_now)
    position_ = ChangesPosition(SequenceId{Sequence(), Sequence(), start.stable});
  has_begun_ = true;
  follow_epochs(start);
  position_.begin_pass(start.stable);
  ChannelPlan plan = plan_channels(channels_, position_, start.stable, reader_->narrowed_at);
  // As long as "*" waits, what it takes the place of is lost.
  const auto all_since = reader_->access.granted_at(kStarChannel);
  if (!all_since || *all_since > start.stable) plan_revocations(plan, lost_, position_);
  HG_CO_TRY(const auto pages, co_await read_pages(start, plan));
  // R15, B1: stable was read before anything else of the pass.
  if (!HG_RULE("B1")) {
    HG_CO_TRY(start, co_await source_.cache_reader().start_pass());
  }
  MergedPages merged = merge_pages(plan, pages);
  const Sequence up_to = mode_ == ReadMode::stable ? start.stable : kNoSequence;
  HG_CO_CHECK(co_await filter_.apply(reader_, plan, {start.stable, up_to}, rows_max, merged));
  add_user_entry(plan, merged, start.stable);
  stable_ = start.stable;
  const Sequence settled = plan.is_held ? position_.safe() : stable_;
  Selection selection = select(plan, merged, settled, up_to, rows_max);
  selection.is_cut = selection.is_cut || merged.is_cut;
  selection.is_complete = !merged.is_cut && merged.bound >= ChangesPlace::ordinary(start.stable);
  has_awaited_ = merged.has_awaited || (reader_->is_provisional && HG_RULE("R15b"));
  deferred_to_ = plan.deferred_to;
  // A page may have ended at max_early although nothing of it was for this reader.
  is_held_back_ = selection.is_full || (mode_ == ReadMode::available && !merged.is_cut &&
                                        merged.bound < ChangesPlace::ordinary(kNoSequence));
  co_return selection;
}

// sync_gateway#2258: at the sequence of the user's record, so that every node shows it alike.
void FeedPasses::add_user_entry(ChannelPlan& plan, MergedPages& merged, Sequence stable) const {
  const Sequence at = reader_->sequence;
  if (!options_.user_entry || at == Sequence() || at <= position_.safe()) return;
  if (at > stable) {
    plan.defer(at);
    return;
  }
  auto document = std::make_shared<SequenceDocument>();
  document->entry.sequence = at;
  document->entry.doc_id = DocId("_user/" + reader_->name);
  document->entry.flags = CacheEntry::kPrincipal;
  const Change change{ChangesPlace::ordinary(at), std::move(document)};
  const auto after = std::ranges::upper_bound(merged.changes, change.place, {}, &Change::place);
  merged.changes.insert(after, change);
}

// A client that comes from mode available has seen entries above stable: what one of them
// supersedes must not be sent any more. Nor must what a failover lost at a number of an older epoch
// and announced again above stable.
ReadMode FeedPasses::mode_of_reading(const PassStart& start) const {
  return is_set_back(start) || position_.high() > start.stable ? ReadMode::available : mode_;
}

bool FeedPasses::is_set_back(const PassStart& start) const {
  const Epochs& epochs = start.record->epochs;
  const Sequence next = position_.safe().next();
  return !epochs.is_single() && epochs.of(next) != start.record->epoch &&
         epochs.is_audited_after(next);
}

bool FeedPasses::was_sent(const Change& change, const ChannelPlan& plan) const {
  if (change.is_candidate()) return false;
  const auto found = sent_.find(change.entry().doc_id.text());
  if (found == sent_.end() || !HG_RULE("R17b")) return false;
  const Sent& sent = found->second;
  if (sent.sequence != change.sequence()) return sent.sequence > change.sequence();
  return sent.is_removed == pick(change, plan).is_removed;
}

PickedChange FeedPasses::pick(const Change& change, const ChannelPlan& plan) const {
  if (change.is_revocation()) return {change, {}, true};
  PickedChange picked{change, channels_left(change.entry(), plan), false};
  picked.is_removed = !picked.left.empty() && !is_seen(change, plan);
  return picked;
}

bool FeedPasses::is_wanted(const Change& change, const ChannelPlan& plan) const {
  if (was_sent(change, plan)) return false;
  return !options_.active_only || !(change.entry().is_deleted() || pick(change, plan).is_removed);
}

FeedPasses::Selection FeedPasses::select(const ChannelPlan& plan, const MergedPages& merged,
                                         Sequence settled, Sequence up_to,
                                         std::size_t rows_max) const {
  Selection selection;
  selection.settled = settled;
  const std::size_t early_max = source_.settings().max_early;
  auto early = static_cast<std::size_t>(std::ranges::count_if(
      sent_, [&](const auto& sent) { return sent.second.sequence > settled; }));
  for (const Change& change : merged.changes) {
    if (change.place > merged.bound) break;
    if (change.sequence() > up_to) break;
    if (selection.is_cut) {
      selection.left += is_wanted(change, plan) ? 1 : 0;
      continue;
    }
    if (is_wanted(change, plan)) {
      if (selection.picked.size() == rows_max) {
        selection.is_cut = true;
        selection.left = 1;
        continue;
      }
      if (change.sequence() > settled && ++early > early_max &&
          change.sequence() > position_.high()) {
        HG_PROBE("R17b early entries held back");
        selection.is_full = true;
        selection.end = std::max(selection.end, ChangesPlace::ordinary(settled));
        return selection;
      }
      selection.picked.push_back(pick(change, plan));
    }
    selection.end = change.place;
  }
  if (!selection.is_cut) selection.end = merged.bound;
  return selection;
}

// Only after the pass is the low raised and the memory trimmed (R17b).
// Returns the rows' sequence ids.
std::vector<SequenceId> FeedPasses::commit(const Selection& selection) {
  const Sequence settled = selection.settled;
  std::vector<SequenceId> ids;
  for (const PickedChange& picked : selection.picked) {
    const Change& change = picked.change;
    position_.send(change.sequence());
    // What shows the document all the same has to come again.
    if (change.is_candidate())
      sent_.erase(change.entry().doc_id.text());
    else if (change.sequence() > settled)
      sent_[change.entry().doc_id.text()] = {change.sequence(), picked.is_removed};
    ids.push_back(position_.id_of(change.place, settled));
  }
  position_.advance(selection.end, settled);
  trim();
  expect();
  return ids;
}

void FeedPasses::trim() {
  if (sent_.empty()) return;
  std::erase_if(sent_, [&](const auto& sent) { return sent.second.sequence <= position_.safe(); });
  if (sent_.empty()) sent_ = {};
}

// What the feed waits for when it has sent all there is.
void FeedPasses::expect() {
  waits_for_stable_ = position_.has_low_part() || has_awaited_ || is_deferred() || is_held_back_;
  waiter_.watch_stable(waits_for_stable_);
  waiter_.watch_any_stable(is_deferred());
}

}  // namespace headgate
