// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.hpp"

#include <fmt/format.h>

namespace headgate {

ByteWriter& ByteWriter::u8(std::uint8_t value) {
  bytes_.push_back(static_cast<char>(value));
  return *this;
}

ByteWriter& ByteWriter::be32(std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) u8(static_cast<std::uint8_t>(value >> shift));
  return *this;
}

ByteWriter& ByteWriter::be64(std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) u8(static_cast<std::uint8_t>(value >> shift));
  return *this;
}

ByteWriter& ByteWriter::le64(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) u8(static_cast<std::uint8_t>(value >> shift));
  return *this;
}

ByteWriter& ByteWriter::varint(std::uint64_t value) {
  while (value >= 0x80) {
    u8(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  return u8(static_cast<std::uint8_t>(value));
}

ByteWriter& ByteWriter::text(std::string_view value) {
  varint(value.size());
  return raw(value);
}

ByteWriter& ByteWriter::raw(std::string_view value) {
  bytes_.append(value);
  return *this;
}

std::string_view ByteReader::raw(std::size_t length) {
  if (length > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  auto taken = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return taken;
}

std::uint8_t ByteReader::u8() {
  auto byte = raw(1);
  return byte.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(byte[0]);
}

std::uint32_t ByteReader::be32() {
  std::uint32_t value = 0;
  for (char byte : raw(4)) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

std::uint64_t ByteReader::be64() {
  std::uint64_t value = 0;
  for (char byte : raw(8)) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

std::uint64_t ByteReader::le64() {
  std::uint64_t value = 0;
  int shift = 0;
  for (char byte : raw(8)) {
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(byte)) << shift;
    shift += 8;
  }
  return value;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return ok_ ? value : 0;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

std::string_view ByteReader::text() {
  return raw(count());
}

std::size_t ByteReader::count(std::size_t min_bytes) {
  const std::uint64_t n = varint();
  if (n > rest_.size() / (min_bytes == 0 ? 1 : min_bytes)) {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  return static_cast<std::size_t>(n);
}

Result<void> ByteReader::finish(std::string_view what) const {
  if (!ok_) return Error{Errc::corrupted, fmt::format("{}: cut short", what)};
  if (!rest_.empty())
    return Error{Errc::corrupted, fmt::format("{}: {} bytes too many", what, rest_.size())};
  return {};
}

std::string end_of_prefix(std::string prefix) {
  while (prefix.back() == '\xff') prefix.pop_back();
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace headgate
