// SPDX-License-Identifier: Apache-2.0
#include "sim/choices.hpp"

#include "base/assert.hpp"

namespace headgate {
namespace {

bool is_below(std::uint64_t bits, double probability) {
  return static_cast<double>(bits >> 11) * 0x1p-53 < probability;
}

}  // namespace

std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash) {
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

std::uint64_t mix_bits(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::uint64_t Choices::draw(std::string_view label, ChoiceScope scope) {
  const std::uint64_t place = mix_bits(fnv1a(label) + 0x9e3779b97f4a7c15 * scope.value());
  const std::uint64_t count = ++drawn_[place];
  return mix_bits(mix_bits(seed_ ^ place) + 0x9e3779b97f4a7c15 * count);
}

std::uint64_t Choices::below(std::string_view label, std::uint64_t bound, ChoiceScope scope) {
  HG_ASSERT(bound > 0);
  return draw(label, scope) % bound;
}

bool Choices::chance(std::string_view label, double probability, ChoiceScope scope) {
  return probability > 0 && is_below(draw(label, scope), probability);
}

std::chrono::nanoseconds Choices::duration(std::string_view label, DelayRange range,
                                           ChoiceScope scope) {
  if (range.max <= range.min) return range.min;
  const auto width = static_cast<std::uint64_t>((range.max - range.min).count());
  return range.min +
         std::chrono::nanoseconds(static_cast<std::int64_t>(below(label, width + 1, scope)));
}

bool Choices::is_set(std::string_view label, double probability) const {
  return is_below(mix_bits(mix_bits(seed_ ^ fnv1a(label))), probability);
}

}  // namespace headgate
