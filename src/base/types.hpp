// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace headgate {

/// A number with a meaning of its own: no arithmetic, no mixing with other numbers.
template <class Tag, class Number = std::uint64_t>
class StrongNumber {
 public:
  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(Number value) : value_(value) {}
  constexpr Number value() const { return value_; }
  friend constexpr auto operator<=>(StrongNumber, StrongNumber) = default;

 private:
  Number value_ = 0;
};

/// A database's global write number, from 1. Number 1 is the database's creation (R6b); 0 is
/// "before everything". Two sequences do not add; next() and previous() step.
class Sequence {
 public:
  constexpr Sequence() = default;
  constexpr explicit Sequence(std::uint64_t value) : value_(value) {}
  constexpr std::uint64_t value() const { return value_; }
  constexpr Sequence next() const { return Sequence(value_ + 1); }
  constexpr Sequence previous() const { return Sequence(value_ - 1); }
  friend constexpr auto operator<=>(Sequence, Sequence) = default;

 private:
  std::uint64_t value_ = 0;
};

/// Version token of one key; 0 is "no value". Grows with every write of the key.
using Cas = StrongNumber<struct CasTag>;
/// Place in one partition's mutation feed, from 1; 0 is "before everything".
using PartitionPosition = StrongNumber<struct PartitionPositionTag>;
/// Number of a bucket partition, from 0.
using PartitionNumber = StrongNumber<struct PartitionNumberTag, std::uint32_t>;
/// Names one history of a partition; a failover or an unclean open begins a new one. 0 is "none".
using HistoryId = StrongNumber<struct HistoryIdTag>;
/// Number range of sequences between two counter failovers (R6).
using Epoch = StrongNumber<struct EpochTag>;
/// A database's short number: the prefix of all its keys.
using DatabaseId = StrongNumber<struct DatabaseIdTag, std::uint32_t>;

/// Text with a meaning of its own.
template <class Tag>
class StrongText {
 public:
  StrongText() = default;
  explicit StrongText(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend auto operator<=>(const StrongText&, const StrongText&) = default;

 private:
  std::string text_;
};

using DocId = StrongText<struct DocIdTag>;
/// "GEN-DIGEST"; document/revision.hpp reads it.
using RevId = StrongText<struct RevIdTag>;

}  // namespace headgate

template <class Tag, class Number>
struct std::hash<headgate::StrongNumber<Tag, Number>> {
  std::size_t operator()(headgate::StrongNumber<Tag, Number> n) const noexcept {
    return std::hash<Number>()(n.value());
  }
};
template <>
struct std::hash<headgate::Sequence> {
  std::size_t operator()(headgate::Sequence s) const noexcept {
    return std::hash<std::uint64_t>()(s.value());
  }
};
template <class Tag>
struct std::hash<headgate::StrongText<Tag>> {
  std::size_t operator()(const headgate::StrongText<Tag>& t) const noexcept {
    return std::hash<std::string>()(t.text());
  }
};
