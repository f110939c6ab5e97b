// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "document/json.hpp"
#include "sim/cluster/sim_call.hpp"
#include "sim/cluster/sim_clients.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kPatience{4};
constexpr std::chrono::milliseconds kPause{80};
constexpr std::string_view kCheckpointId = "_local/pusher";
constexpr std::uint32_t kClient = 1'000'000;  // whose choices

/// How many documents the checkpoint says are there, and its revision.
struct Checkpoint {
  std::size_t pushed = 0;
  std::optional<Revision> rev;
};

Task<Result<Checkpoint>> get_checkpoint(SimProcess& process) {
  const auto stored =
      co_await process.database->local_documents().get(DocId(std::string(kCheckpointId)));
  if (!stored && stored.error().code == Errc::not_found) co_return Checkpoint{};
  if (!stored) co_return stored.error();
  const auto pushed = JsonView(stored->json).find("pushed");
  co_return Checkpoint{static_cast<std::size_t>(pushed.value().as_uint64().value()), stored->rev};
}

Task<Result<Revision>> put_checkpoint(SimProcess& process, Checkpoint checkpoint) {
  ParsedDocument document;
  document.body = fmt::format(R"({{"pushed":{}}})", checkpoint.pushed);
  document.rev = checkpoint.rev;
  co_return co_await process.database->local_documents().put(DocId(std::string(kCheckpointId)),
                                                             std::move(document));
}

// True if the revision is there afterwards.
Task<Result<Sequence>> push(SimProcess& process, ScriptStep step) {
  WriteItem item;
  item.id = DocId(SimPusher::id_of(step));
  item.is_new_edit = false;
  std::string body = fmt::format(R"({{"w":{},"channels":[)", step.number);
  for (const std::string& channel : step.channels)
    body += (body.back() == '[' ? "\"" : ",\"") + channel + "\"";
  item.document = parse_document(body + "]}").value();
  item.document.rev = parse_revision(SimPusher::rev_of(step)).value();
  std::vector<RevsDiffItem> items(1);
  items.front().id = item.id;
  items.front().revs.push_back(*item.document.rev);
  const auto difference = co_await process.database->documents().revs_diff(std::move(items));
  if (!difference) co_return difference.error();
  if (difference->front().missing.empty()) co_return Sequence();
  const auto answer =
      co_await process.database->writer().write_one(Principal::admin(), std::move(item));
  if (!answer) co_return answer.error();
  co_return answer->sequence;
}

}  // namespace

std::string SimPusher::id_of(const ScriptStep& step) {
  return fmt::format("p{}", step.number);
}

std::string SimPusher::rev_of(const ScriptStep& step) {
  return fmt::format("1-{:032x}", step.number);
}

Task<void> SimPusher::run() {
  while (!site_.is_over) {
    if (co_await run_session()) ++complete_sessions_;
    co_await site_.environment.sleep_for(kPause);
  }
}

Task<bool> SimPusher::run_session() {
  SimHandler<Result<Checkpoint>> read = [](SimProcess& process) { return get_checkpoint(process); };
  const auto found =
      co_await ask(site_.environment, site_.draw_node(kClient), std::move(read), kPatience);
  if (!found || !*found) co_return false;
  Checkpoint checkpoint = **found;
  const std::size_t begun_at = checkpoint.pushed;
  while (checkpoint.pushed < steps_.size()) {
    const ScriptStep step = steps_[checkpoint.pushed];
    SimHandler<Result<Sequence>> handler = [step](SimProcess& process) {
      return push(process, step);
    };
    const auto answer =
        co_await ask(site_.environment, site_.draw_node(kClient), std::move(handler), kPatience);
    if (!answer || !*answer) co_return false;
    if (**answer != Sequence())
      site_.oracle.acknowledged_document(id_of(step), rev_of(step), **answer,
                                         site_.settings.durability);
    ++checkpoint.pushed;
  }
  if (checkpoint.pushed == begun_at) co_return true;
  SimHandler<Result<Revision>> write = [checkpoint](SimProcess& process) {
    return put_checkpoint(process, checkpoint);
  };
  const auto written =
      co_await ask(site_.environment, site_.draw_node(kClient), std::move(write), kPatience);
  co_return written && *written;
}

}  // namespace headgate
