// SPDX-License-Identifier: Apache-2.0
#include "database/part_sweeper.hpp"

#include <utility>
#include <vector>

#include "base/log.hpp"
#include "database/base_keys.hpp"
#include "database/document_parts.hpp"

namespace headgate {
namespace {

/// Values come whole, and attachments may be large.
constexpr std::size_t kPartsAtOnce = 4;

}  // namespace

void PartSweeper::start() {
  if (std::exchange(is_running_, true)) return;
  is_stopping_ = false;
  tasks_.spawn(run());
}

Task<void> PartSweeper::stop() {
  is_stopping_ = true;
  co_await tasks_.join();
}

Task<void> PartSweeper::run() {
  const std::uint64_t before = removed_;
  Result<void> swept;
  for (const KeyKind kind : {KeyKind::attachment, KeyKind::revision_body})
    for (std::uint32_t tag = 0; tag < kBaseTags && swept && !is_stopping_; ++tag)
      swept = co_await sweep(kind, base_tag(tag));
  is_running_ = false;
  const std::string removed = std::to_string(removed_ - before);
  if (swept)
    log(LogLevel::info, "parts.swept", {{"removed", removed}});
  else
    log(LogLevel::warning, "parts.sweep_failed",
        {{"removed", removed}, {"context", std::string(swept.error().context)}});
}

// The parts are seen before their document is read: what is stored later is not touched.
Task<Result<void>> PartSweeper::sweep(KeyKind kind, std::string tag) {
  for (std::string from; !is_stopping_;) {
    HG_CO_TRY(const auto page,
              co_await context_.base.scan({context_.id, kind, tag, from, kPartsAtOnce, false},
                                          context_.deadline()));
    std::vector<Operation> removals;
    for (const auto& item : page.items) {
      DocId id(item.name.substr(0, item.name.find('\0')));
      HG_CO_TRY(const Owner owner, co_await owner_of(std::move(id)));
      Key key{context_.id, kind, tag, item.name};
      if (owner.is_readable && !owner.parts.contains(key))
        removals.push_back(operation::Remove{std::move(key), item.cas, {}, {owner.is_still}});
    }
    if (!removals.empty())
      for (const Reply& reply :
           co_await context_.base.pipeline(std::move(removals), context_.deadline()))
        removed_ += reply.ok() ? 1 : 0;
    if (page.items.size() < kPartsAtOnce) break;
    from = page.items.back().name + '\0';
  }
  co_return Result<void>();
}

Task<Result<PartSweeper::Owner>> PartSweeper::owner_of(DocId id) {
  const Reply found =
      co_await context_.base.get(document_key(context_.id, id), context_.deadline());
  Owner owner;
  owner.is_still = document_is_absent(context_.id, id);
  owner.is_readable = found.status == Errc::not_found;
  if (owner.is_readable) co_return owner;
  if (!found.ok()) co_return Error{Errc::unavailable, "reading a document"};
  const auto envelope = decode_envelope(found.bytes);
  if (!envelope) co_return owner;
  owner.is_readable = true;
  owner.parts = parts_of(context_.id, id, *envelope);
  owner.is_still = document_is_still(context_.id, id, found.bytes);
  co_return owner;
}

}  // namespace headgate
