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
constexpr std::uint32_t kClient = 1'000'000;  // whose choices

/// How many documents the checkpoint says are there, and its revision.
struct Checkpoint {
  std::size_t pushed = 0;
  std::optional<Revision> rev;
};

Task<Result<Checkpoint>> get_checkpoint(SimProcess& process, DocId id) {
  const auto stored = co_await process.database->local_documents().get(std::move(id));
  if (!stored && stored.error().code == Errc::not_found) co_return Checkpoint{};
  if (!stored) co_return stored.error();
  const auto pushed = JsonView(stored->json).find("pushed");
  co_return Checkpoint{static_cast<std::size_t>(pushed.value().as_uint64().value()), stored->rev};
}

// As PouchDB does: it reads the present one once more, for its revision alone.
Task<Result<Revision>> put_checkpoint(SimProcess& process, DocId id, std::size_t pushed,
                                      std::uint64_t session) {
  HG_CO_TRY(const Checkpoint present, co_await get_checkpoint(process, id));
  ParsedDocument document;
  document.body = fmt::format(R"({{"pushed":{},"session_id":"{}"}})", pushed, session);
  document.rev = present.rev;
  co_return co_await process.database->local_documents().put(std::move(id), std::move(document));
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
    co_await run_session();
    co_await site_.environment.sleep_for(kPause);
  }
}

Task<void> SimPusher::run_session() {
  // Every database has checkpoints of its own.
  const std::uint32_t database = site_.databases;
  const DocId id(fmt::format("_local/pusher-{}", database));
  SimHandler<Result<Checkpoint>> read = [id](SimProcess& process) {
    return get_checkpoint(process, id);
  };
  const auto found =
      co_await ask(site_.environment, site_.draw_node(kClient), std::move(read), kPatience);
  if (!found || !*found) co_return;
  const std::uint64_t session = ++sessions_;
  const std::size_t begun_at = (*found)->pushed;
  std::size_t pushed = begun_at;
  while (pushed < steps_.size()) {
    const ScriptStep step = steps_[pushed];
    SimHandler<Result<Sequence>> handler = [step](SimProcess& process) {
      return push(process, step);
    };
    const auto answer =
        co_await ask(site_.environment, site_.draw_node(kClient), std::move(handler), kPatience);
    if (!answer || !*answer || database != site_.databases) co_return;
    if (**answer != Sequence())
      site_.oracle.acknowledged_document(id_of(step), rev_of(step), **answer,
                                         site_.settings.durability);
    ++pushed;
  }
  if (pushed == begun_at) co_return;
  SimHandler<Result<Revision>> write = [id, pushed, session](SimProcess& process) {
    return put_checkpoint(process, id, pushed, session);
  };
  co_await ask(site_.environment, site_.draw_node(kClient), std::move(write), kPatience);
}

}  // namespace headgate
