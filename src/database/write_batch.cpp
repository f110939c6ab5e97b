// SPDX-License-Identifier: Apache-2.0
#include "database/write_batch.hpp"

#include <set>
#include <utility>

#include "base/buggify.hpp"
#include "base/task_scope.hpp"
#include "database/base_keys.hpp"
#include "database/document_parts.hpp"

namespace headgate {
namespace {

// What one round may hold: bounds its memory, the bucket's queues and a worker's turn.
constexpr std::size_t kRoundItems = 500;
constexpr std::size_t kRoundBytes = 8u << 20;
/// Items looked at in search of those, when many are of one document.
constexpr std::size_t kRoundSearch = 4 * kRoundItems;
constexpr int kMaxAttempts = 100;
// So many writes are stored for each number drawn in vain, or no more is drawn ahead.
constexpr std::uint64_t kWritesPerReleased = 16;
// What a sync function may take where a number is drawn before it runs: stable waits for it.
constexpr std::chrono::milliseconds kQuickSyncFunction{5};
constexpr int kRunsLately = 4;

std::size_t bytes_of(const WriteItem& item) {
  std::size_t bytes = item.document.body.size();
  for (const AttachmentInput& input : item.document.attachments) bytes += input.data.size();
  if (item.attachment_change && item.attachment_change->input)
    bytes += item.attachment_change->input->data.size();
  return bytes;
}

std::string sync_text(const DocumentEnvelope& envelope, const DocId& id, const LeafContent& content,
                      const std::string& rev) {
  const auto info = envelope.tree.info(content.rev);
  return write_sync_input(content.body, id.text(), rev, info && info->is_deleted,
                          content.attachments);
}

std::vector<Result<SyncOutput>> run_all(const SyncFunction& function,
                                        const std::vector<SyncInput>& inputs) {
  std::vector<Result<SyncOutput>> outputs;
  outputs.reserve(inputs.size());
  for (const SyncInput& input : inputs) outputs.push_back(function.run(input));
  return outputs;
}

template <class Round>
void keep_those_in_round(Round& round) {
  std::erase_if(round, [](const auto* pending) { return !pending->is_in_round; });
}

}  // namespace

WriteBatch::WriteBatch(DatabaseContext& context, DocumentWriter::Statistics& statistics,
                       std::shared_ptr<const Principal> writer, std::vector<WriteItem> items)
    : context_(context),
      statistics_(statistics),
      config_(context.config),
      sync_function_(context.sync_function),
      writer_(std::move(writer)),
      answers_(items.size()) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    Pending& pending = waiting_.emplace_back();
    pending.index = i;
    pending.item = std::move(items[i]);
  }
}

Task<std::vector<Result<WriteAnswer>>> WriteBatch::run() {
  while (!waiting_.empty()) {
    co_await run_round(next_round());
    std::erase_if(waiting_, [](const Pending& pending) { return pending.is_answered; });
  }
  co_await release_unused();
  std::vector<Result<WriteAnswer>> answers;
  for (auto& answer : answers_) answers.push_back(std::move(*answer));
  co_return answers;
}

WriteBatch::Round WriteBatch::next_round() {
  Round round;
  std::set<DocId> seen;
  std::size_t bytes = 0, looked_at = 0;
  for (Pending& pending : waiting_) {
    if (round.size() == kRoundItems || ++looked_at > kRoundSearch) break;
    if (!seen.insert(pending.item.id).second) continue;
    bytes += bytes_of(pending.item);
    if (!round.empty() && bytes > kRoundBytes) break;
    pending.is_in_round = true;
    pending.now = {};
    round.push_back(&pending);
  }
  return round;
}

Task<void> WriteBatch::run_round(Round round) {
  co_await load(round);
  co_await inline_base_bodies(round);
  edit(round);
  co_await inline_winner_bodies(round);
  co_await run_sync_function(round);
  co_await run_for_promoted(round);
  leave_out_unchanged(round);
  co_await store_parts(round);
  co_await allocate(round);
  if (HG_BUGGIFY("late base write"))
    co_await context_.environment.sleep_for(2 * config_->gap_timeout);
  co_await write_base(round);
  co_await write_cache(round);
  co_await await_rights();
  co_await drop_unused_parts(round);
}

Task<void> WriteBatch::load(Round& round) {
  std::vector<Key> keys;
  for (const Pending* pending : round) keys.push_back(document_key(context_.id, pending->item.id));
  TaskScope drawing(context_.environment);
  if (draws_ahead(round)) drawing.spawn(draw_ahead(*round.front()));
  const auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  co_await drawing.join();
  for (std::size_t i = 0; i < round.size(); ++i) take_envelope(*round[i], replies[i]);
  keep_those_in_round(round);
}

// Drawing costs a cluster a round trip, which many items share and a lone one saves. A number that
// was drawn in vain has to be released, which leaves a key for ever: who is refused again and again
// must not fill the store. And until it is used stable waits for it, on all nodes.
bool WriteBatch::draws_ahead(const Round& round) const {
  if (!context_.space.is_shared() || round.size() != 1) return false;
  if (statistics_.sync_function_lately > kQuickSyncFunction) return false;
  if (statistics_.released * kWritesPerReleased > statistics_.writes) return false;
  return !round.front()->held && !round.front()->item.is_resync;
}

// Without an answer allocate() draws another one, and says why if it cannot.
Task<void> WriteBatch::draw_ahead(Pending& pending) {
  (void)co_await allocate_for({&pending});
}

void WriteBatch::take_envelope(Pending& pending, const Reply& reply) {
  pending.now.is_new = reply.status == Errc::not_found;
  if (pending.now.is_new) return;
  // A read without an answer leaves nothing unknown.
  if (!reply.ok()) return answer(pending, Error{Errc::unavailable, "reading the document"});
  auto envelope = decode_envelope(reply.bytes);
  if (!envelope) return answer(pending, std::move(envelope).error());
  pending.now.envelope = *std::move(envelope);
  pending.now.cas = reply.cas;
  pending.now.is_new = pending.now.envelope.is_purged();
  pending.now.old_parts = parts_of(context_.id, pending.item.id, pending.now.envelope);
  // R2: a number at or below the document's can only be accounted for, no longer used.
  if (pending.held && pending.held->sequence <= pending.now.envelope.sequence && HG_RULE("R2")) {
    HG_PROBE("R2 number outrun");
    pending.abandoned.push_back(pending.held->sequence);
    pending.held.reset();
  }
}

Task<void> WriteBatch::inline_base_bodies(Round& round) {
  std::vector<WantedBody> wanted;
  for (Pending* pending : round) {
    Attempt& now = pending->now;
    now.base = base_revision(now.envelope, pending->item);
    if (now.base) wanted.push_back({pending, *now.base});
  }
  co_await inline_bodies(std::move(wanted));
  keep_those_in_round(round);
}

Task<void> WriteBatch::inline_winner_bodies(Round& round) {
  std::vector<WantedBody> wanted;
  for (Pending* pending : round)
    wanted.push_back({pending, pending->now.envelope.tree.winner().value()});
  co_await inline_bodies(std::move(wanted));
  keep_those_in_round(round);
}

Task<void> WriteBatch::inline_bodies(std::vector<WantedBody> wanted) {
  std::vector<Key> keys;
  std::erase_if(wanted, [&](const WantedBody& body) {
    const LeafContent* content = body.pending->now.envelope.content_of(body.rev);
    if (!content || !content->is_external) return true;
    keys.push_back(revision_body_key(context_.id, body.pending->item.id, body.rev));
    return false;
  });
  if (keys.empty()) co_return;
  auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Attempt& now = wanted[i].pending->now;
    if (!replies[i].ok()) {
      // Gone: the envelope was replaced after it was read.
      retry(*wanted[i].pending, {Errc::unavailable, "reading a revision's body"});
      continue;
    }
    LeafContent* content = now.envelope.content_of(wanted[i].rev);
    content->body = std::move(replies[i].bytes);
    content->is_external = false;
  }
}

void WriteBatch::edit(Round& round) {
  const EditRules rules{config_->allow_conflicts, config_->max_document_bytes,
                        config_->max_attachment_bytes};
  for (Pending* pending : round) {
    auto edit = edit_of(*pending, rules);
    if (!edit) {
      answer(*pending, std::move(edit).error());
    } else if (edit->is_known) {
      answer(*pending, WriteAnswer{edit->rev, Sequence(), false});
    } else {
      pending->now.edit = *std::move(edit);
    }
  }
  keep_those_in_round(round);
}

Result<RevisionEdit> WriteBatch::edit_of(Pending& pending, const EditRules& rules) {
  DocumentEnvelope& envelope = pending.now.envelope;
  if (!pending.item.is_resync) return edit_revision(envelope, pending.item, rules);
  const auto winner = envelope.tree.winner();
  if (!winner) return Error{Errc::not_found, "missing"};
  RevisionEdit same;
  same.rev = *winner;
  same.old_winner = winner;
  return same;
}

Task<void> WriteBatch::run_sync_function(Round& round) {
  std::vector<SyncInput> inputs;
  for (const Pending* pending : round) {
    const Attempt& now = pending->now;
    const DocId& id = pending->item.id;
    const LeafContent* content = now.envelope.content_of(now.edit.rev);
    const bool has_old = now.base && !pending->item.is_resync;
    const LeafContent* old = has_old ? now.envelope.content_of(*now.base) : nullptr;
    inputs.push_back({sync_text(now.envelope, id, *content, to_string(now.edit.rev)),
                      old ? sync_text(now.envelope, id, *old, {}) : std::string(),
                      writer_->sync_user});
  }
  auto outputs = co_await judge(std::move(inputs));
  for (std::size_t i = 0; i < round.size(); ++i) take_output(*round[i], std::move(outputs[i]));
  keep_those_in_round(round);
}

void WriteBatch::take_output(Pending& pending, Result<SyncOutput> output) {
  if (!output) return answer(pending, std::move(output).error());
  if (output->rejection && pending.item.is_resync) *output = SyncOutput{};
  if (output->rejection) {
    ++statistics_.rejected;
    return answer(pending, Error{output->rejection->code, output->rejection->reason});
  }
  pending.now.output = *std::move(output);
  if (auto set = set_expiry(pending); !set) return answer(pending, std::move(set).error());
  if (pending.now.envelope.tree.winner() == pending.now.edit.rev)
    pending.now.of_winner = pending.now.output;
}

Result<void> WriteBatch::set_expiry(Pending& pending) {
  if (!pending.item.is_resync) pending.now.envelope.expiry = pending.item.document.expiry;
  if (!pending.now.output.expiry) return {};
  HG_TRY(pending.now.envelope.expiry,
         parse_expiry(JsonView(*pending.now.output.expiry), context_.environment.wall_now()));
  return {};
}

/// A leaf that wins because the old winner was deleted gets its channels and grants now. It was
/// accepted long ago, so nobody's rights are asked for; if the function refuses it today, it keeps
/// the channels it was given then and grants nothing.
Task<void> WriteBatch::run_for_promoted(Round& round) {
  Round promoted;
  std::vector<SyncInput> inputs;
  for (Pending* pending : round) {
    const Attempt& now = pending->now;
    const Revision winner = now.envelope.tree.winner().value();
    if (now.of_winner || now.edit.old_winner == winner) continue;
    const LeafContent* content = now.envelope.content_of(winner);
    promoted.push_back(pending);
    inputs.push_back(
        {sync_text(now.envelope, pending->item.id, *content, to_string(winner)), {}, nullptr});
  }
  if (promoted.empty()) co_return;
  auto outputs = co_await judge(std::move(inputs));
  for (std::size_t i = 0; i < promoted.size(); ++i) {
    Attempt& now = promoted[i]->now;
    if (!outputs[i]) {
      answer(*promoted[i], std::move(outputs[i]).error());
      continue;
    }
    if (outputs[i]->rejection) {
      *outputs[i] = SyncOutput{};
      outputs[i]->channels = now.envelope.winner_content()->channels;
    }
    now.of_winner = *std::move(outputs[i]);
  }
  keep_those_in_round(round);
}

/// Documents whose channels and grants come out as they are take no sequence.
void WriteBatch::leave_out_unchanged(Round& round) {
  for (Pending* pending : round) {
    if (!pending->item.is_resync) continue;
    DocumentEnvelope after = pending->now.envelope;
    const auto [removals, grants] =
        assign_output(after, *pending->now.of_winner, after.sequence.next());
    const bool is_same = removals.empty() && grants.empty() &&
                         after.current_channels() == pending->now.envelope.current_channels();
    if (is_same) answer(*pending, WriteAnswer{pending->now.edit.rev, Sequence(), false});
  }
  keep_those_in_round(round);
}

Task<std::vector<Result<SyncOutput>>> WriteBatch::judge(std::vector<SyncInput> inputs) {
  if (inputs.empty()) co_return std::vector<Result<SyncOutput>>();
  if (sync_function_->runs_inline()) co_return run_all(*sync_function_, inputs);
  const TimePoint begin = context_.environment.now();
  const auto count = static_cast<std::chrono::nanoseconds::rep>(inputs.size());
  auto outputs = co_await context_.environment.run_blocking(
      [function = sync_function_, inputs = std::move(inputs)] {
        return run_all(*function, inputs);
      });
  const auto took = context_.environment.now() - begin;
  statistics_.sync_function.add(took);
  statistics_.sync_function_lately +=
      (took / count - statistics_.sync_function_lately) / kRunsLately;
  co_return outputs;
}

void WriteBatch::retry(Pending& pending, Error why) {
  pending.is_in_round = false;
  ++statistics_.cas_retries;
  if (++pending.attempts >= kMaxAttempts) answer(pending, std::move(why));
}

void WriteBatch::answer(Pending& pending, Result<WriteAnswer> answer) {
  unused_.insert(unused_.end(), pending.abandoned.begin(), pending.abandoned.end());
  if (pending.held) unused_.push_back(pending.held->sequence);
  pending.is_in_round = false;
  pending.is_answered = true;
  answers_[pending.index] = std::move(answer);
}

}  // namespace headgate
