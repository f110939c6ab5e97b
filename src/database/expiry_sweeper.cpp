// SPDX-License-Identifier: Apache-2.0
#include "database/expiry_sweeper.hpp"

#include <utility>

#include "base/log.hpp"
#include "database/base_keys.hpp"
#include "database/base_scan.hpp"

namespace headgate {
namespace {

constexpr std::size_t kPage = 200;

}  // namespace

void ExpirySweeper::start() {
  is_stopping_ = false;
  tasks_.spawn(run());
}

Task<void> ExpirySweeper::stop() {
  is_stopping_ = true;
  stopped_.raise();
  co_await tasks_.join();
}

Task<void> ExpirySweeper::run() {
  while (!is_stopping_) {
    co_await stopped_.wait_past(stopped_.count(), context_.environment.now() + kEvery);
    if (is_stopping_ || !is_mine_()) continue;
    const auto swept = co_await sweep();  // what fails now is swept the next time
    if (!swept)
      log(LogLevel::warning, "expiry.failed", {{"context", std::string(swept.error().context)}});
  }
}

Task<Result<void>> ExpirySweeper::sweep() {
  BaseScan scan(context_.base, context_.id, {KeyKind::expiry, {}, false}, kPage);
  while (!is_stopping_) {
    HG_CO_TRY(const auto item, co_await scan.next(context_.deadline()));
    if (!item) break;
    const auto named = read_expiry_name(item->name);
    if (named && named->at > context_.environment.wall_now()) break;
    if (named) HG_CO_CHECK(co_await expire(named->id));
    const Key key = named ? expiry_key(context_.id, named->id, named->at)
                          : Key{context_.id, KeyKind::expiry, {}, item->name};
    const Reply removed = co_await context_.base.remove(key, item->cas, {}, context_.deadline());
    if (!removed.ok() && removed.status != Errc::not_found)
      co_return Error{Errc::unavailable, "removing an expiry"};
  }
  co_return Result<void>();
}

/// What was written since has an expiry of its own, or none. A tombstone that the sync function
/// refuses leaves the document: it is not tried again.
Task<Result<void>> ExpirySweeper::expire(DocId id) {
  std::vector<DocId> ids{id};
  HG_CO_TRY(const auto envelopes, co_await documents_.load(std::move(ids)));
  if (!envelopes.front()) co_return Result<void>();
  const DocumentEnvelope& envelope = *envelopes.front();
  if (!envelope.expiry || *envelope.expiry > context_.environment.wall_now())
    co_return Result<void>();
  std::vector<WriteItem> items;
  for (const RevisionTree::Leaf& leaf : envelope.tree.leaves()) {
    if (leaf.is_deleted) continue;
    WriteItem& item = items.emplace_back();
    item.id = id;
    item.document.body = "{}";
    item.document.is_deleted = true;
    item.document.rev = leaf.rev;
  }
  for (const auto& answer : co_await writer_.write(Principal::admin(), std::move(items))) {
    if (answer) continue;
    const Errc code = answer.error().code;
    if (code == Errc::unavailable || code == Errc::overloaded || code == Errc::no_space ||
        code == Errc::timeout_unknown_outcome)
      co_return answer.error();
    log(LogLevel::warning, "expiry.refused",
        {user_data("document", id.text()),
         user_data("context", std::string(answer.error().context))});
  }
  ++expired_;
  co_return Result<void>();
}

}  // namespace headgate
