// SPDX-License-Identifier: Apache-2.0
#include "database/range_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "database/feed_record.hpp"
#include "database/principal_envelope.hpp"

namespace headgate {
namespace {

constexpr std::size_t kPlannedMost = 256;
constexpr std::size_t kPlannedBytes = std::size_t{2} << 20;
constexpr std::chrono::seconds kPatience{30};
constexpr int kFailuresMost = 10;
constexpr std::chrono::seconds kPause{1};

/// A failover, a moment without an answer, or a write whose answer was lost: look again.
bool may_pass(Errc code) {
  switch (code) {
    case Errc::unavailable:
    case Errc::overloaded:
    case Errc::timeout_unknown_outcome:
    case Errc::rolled_back:
    case Errc::exists:
    case Errc::cas_mismatch:
    case Errc::not_found:
      return true;
    default:
      return false;
  }
}

std::string_view name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::document:
      return "document";
    case KeyKind::principal:
      return "principal";
    case KeyKind::local_document:
      return "local document";
    case KeyKind::attachment:
      return "attachment of";
    case KeyKind::revision_body:
      return "revision of";
    default:
      return "value";
  }
}

}  // namespace

RangeCopy::RangeCopy(Dependencies dependencies, ValueRange range, bool has_star, CopyMode mode)
    : with_(dependencies),
      range_(std::move(range)),
      has_star_(has_star),
      mode_(mode),
      from_(with_.environment, with_.source, range_),
      to_(with_.environment, with_.target, range_) {}

Task<Result<void>> RangeCopy::run() {
  while (true) {
    auto done = co_await walk();
    if (done || !may_pass(done.error().code) || ++failures_ == kFailuresMost) co_return done;
    co_await with_.environment.sleep_for(kPause);
    planned_.clear();
    planned_bytes_ = 0;
    from_.begin_at(next_);
    to_.begin_at(next_);
  }
}

Task<Result<void>> RangeCopy::walk() {
  while (true) {
    if (with_.is_stopping) co_return Error{Errc::cancelled, "stopped"};
    HG_CO_TRY(ValueCursor::Item * from, co_await from_.look());
    HG_CO_TRY(ValueCursor::Item * to, co_await to_.look());
    if (from == nullptr && to == nullptr) co_return co_await flush();
    if (from != nullptr && to != nullptr && from->name != to->name)
      (from->name < to->name ? to : from) = nullptr;
    HG_CO_CHECK(plan(from, to));
    std::string after = (from != nullptr ? from : to)->name + '\0';
    if (from != nullptr) from_.leave();
    if (to != nullptr) to_.leave();
    if (planned_.size() >= kPlannedMost || planned_bytes_ >= kPlannedBytes)
      HG_CO_CHECK(co_await flush());
    if (planned_.empty()) next_ = std::move(after);
  }
}

/// Of the two values of one name; null: that side has none.
Result<void> RangeCopy::plan(ValueCursor::Item* from, ValueCursor::Item* to) {
  ++with_.counts.values;
  if (from != nullptr) with_.counts.bytes += from->bytes.size();
  if (from != nullptr && to != nullptr && from->bytes == to->bytes) return {};
  if (mode_ == CopyMode::compare)
    return at((from != nullptr ? from : to)->name, {Errc::conflict, "differs"});
  if (from == nullptr) {
    planned_.push_back(removal_of(*to));
    return {};
  }
  auto write = write_of(*from, to);
  if (!write) return at(from->name, write.error());
  planned_.push_back(*std::move(write));
  planned_bytes_ += from->bytes.size();
  return {};
}

Task<Result<void>> RangeCopy::flush() {
  if (planned_.empty()) co_return Result<void>();
  std::string last = key_of(planned_.back()).name;
  const std::uint64_t count = planned_.size();
  const auto replies = co_await with_.target.pipeline(std::exchange(planned_, {}),
                                                      with_.environment.now() + kPatience);
  planned_bytes_ = 0;
  for (const Reply& reply : replies)
    if (!reply.ok()) co_return Error{reply.status, "writing a value"};
  with_.counts.written += count;
  failures_ = 0;
  next_ = std::move(last) + '\0';
  co_return Result<void>();
}

Result<Operation> RangeCopy::write_of(const ValueCursor::Item& from,
                                      const ValueCursor::Item* to) const {
  WriteOptions options;
  if (has_feed_entry()) {
    HG_TRY(options.feed_entry, feed_entry_of(from.name, from.bytes));
  }
  HG_TRY(const WallTime end, end_of_value(range_.kind, from.bytes));
  if (end != kNoEnd) options.expires = end;
  Key key{range_.database, range_.kind, range_.tag, from.name};
  if (to == nullptr)
    return Operation(operation::Insert{std::move(key), from.bytes, std::move(options), {}});
  return Operation(operation::Replace{std::move(key), from.bytes, to->cas, std::move(options)});
}

Operation RangeCopy::removal_of(const ValueCursor::Item& to) const {
  WriteOptions options;
  if (has_feed_entry()) options.feed_entry = std::string();
  return operation::Remove{
      {range_.database, range_.kind, range_.tag, to.name}, to.cas, std::move(options)};
}

bool RangeCopy::has_feed_entry() const {
  return range_.kind == KeyKind::document || range_.kind == KeyKind::principal;
}

/// What the value itself says: the feed of the source is not needed.
Result<std::string> RangeCopy::feed_entry_of(const std::string& name,
                                             std::string_view bytes) const {
  if (range_.kind == KeyKind::document) {
    HG_TRY(const DocumentEnvelope envelope, decode_envelope(bytes));
    return feed_record_of(DocId(name), envelope, has_star_).encode();
  }
  HG_TRY(const PrincipalName principal, PrincipalName::parse(name));
  HG_TRY(const PrincipalEnvelope envelope, PrincipalEnvelope::decode(bytes));
  return envelope.feed_record(principal).encode();
}

Error RangeCopy::at(const std::string& name, const Error& why) const {
  const std::string_view shown(name.data(), std::min(name.find('\0'), name.size()));
  return {why.code, fmt::format("{} \"{}\": {}", name_of(range_.kind), shown, why.context)};
}

}  // namespace headgate
