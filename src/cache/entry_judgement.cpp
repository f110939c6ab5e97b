// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_judgement.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

using Verdict = Judgement::Verdict;

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

const SequenceDocument* find(const KnownDocuments& documents, Sequence sequence) {
  const auto it = documents.find(sequence);
  return it == documents.end() ? nullptr : it->second.get();
}

// R7: what the document says happened at an earlier number stands in that number's document.
bool is_listed(const RecentSequence& earlier, const FeedRecord& record,
               const SequenceDocument* document) {
  if (document == nullptr || document->is_dead || document->entry.doc_id != record.entry.doc_id)
    return false;
  for (const ChannelId& channel : earlier.removals)
    if (!contains(document->entry.removals, channel)) return false;
  for (const ChannelId& principal : earlier.grants)
    if (std::none_of(document->entry.grants.begin(), document->entry.grants.end(),
                     [&](const Grant& g) { return g.principal == principal; }))
      return false;
  return true;
}

bool is_same_write(const PendingEntry& pending, const SequenceDocument& document) {
  return document.identity.partition == pending.entry.partition &&
         document.identity.position == pending.entry.position &&
         document.identity.cas == pending.entry.cas &&
         document.entry.doc_id == pending.record.entry.doc_id &&
         document.entry.rev_id == pending.record.entry.rev_id;
}

// False: the front end of an earlier number may still be at work.
bool judge_recent(const PendingEntry& pending, const KnownDocuments& documents,
                  const JudgementContext& context, Judgement& judgement) {
  for (const RecentSequence& earlier : pending.record.recent) {
    if (earlier.sequence <= context.checked_to && !has_marks(earlier)) continue;
    const SequenceDocument* document = find(documents, earlier.sequence);
    // No reader sees what is listed in a buried range.
    const bool is_buried = context.dead_ranges.contains(earlier.sequence);
    const bool is_unlisted = HG_RULE("R7") && has_marks(earlier) &&
                             (is_buried || !is_listed(earlier, pending.record, document));
    if (is_unlisted && document == nullptr && !is_buried && context.may_be_at_work) return false;
    if (is_unlisted) judgement.unlisted.push_back(earlier.sequence);
    if (document == nullptr && !is_buried) judgement.absent.push_back(earlier.sequence);
  }
  return true;
}

}  // namespace

bool has_marks(const RecentSequence& earlier) {
  return !earlier.removals.empty() || !earlier.grants.empty();
}

Judgement judge(const PendingEntry& pending, const KnownDocuments& documents,
                const JudgementContext& context) {
  Judgement judgement;
  if (pending.is_unreadable) {
    judgement.verdict = Verdict::resequence;
    return judgement;
  }
  // All its numbers are dead, its own, too.
  if (pending.is_purged && pending.record.is_only_purge()) return judgement;
  const Sequence sequence = pending.record.entry.sequence;
  const SequenceDocument* own = find(documents, sequence);
  const bool is_buried = context.dead_ranges.contains(sequence);
  if (pending.is_rebuilt && !is_buried &&
      (own == nullptr || (!own->is_dead && is_same_write(pending, *own)))) {
    // All that it ever left is entered with it: its earlier numbers say nothing more.
    for (const RecentSequence& earlier : pending.record.recent)
      if (find(documents, earlier.sequence) == nullptr &&
          !context.dead_ranges.contains(earlier.sequence))
        judgement.absent.push_back(earlier.sequence);
    judgement.verdict = Verdict::repair;
    return judgement;
  }
  if (!judge_recent(pending, documents, context, judgement)) {
    judgement.verdict = Verdict::wait;
    return judgement;
  }
  const bool is_missing = own == nullptr && !is_buried;
  if (is_missing && (sequence > context.stable || !HG_RULE("R13"))) {
    judgement.verdict = context.may_be_at_work ? Verdict::wait : Verdict::repair;
  } else if (is_missing || is_buried || own->is_dead || !is_same_write(pending, *own)) {
    // R9: late, buried or stolen. At or below stable a hole is closed before the document moves.
    if (is_missing) {
      HG_PROBE("C2 hole at or below stable");
      judgement.absent.push_back(sequence);
    }
    if (HG_RULE("R9")) judgement.verdict = Verdict::resequence;
  } else if (own->epoch != context.epoch && sequence > context.stable && HG_RULE("R7 epoch")) {
    // R7: written under another epoch; its block entries may be lost. Entered again they do no
    // harm.
    judgement.verdict = Verdict::repair;
  }
  if (judgement.unlisted.empty() || judgement.verdict == Verdict::wait) return judgement;
  // The document moves to a fresh number anyway: this one is only closed.
  if (is_missing && judgement.verdict == Verdict::repair) judgement.absent.push_back(sequence);
  judgement.verdict = Verdict::resequence;
  return judgement;
}

}  // namespace headgate
