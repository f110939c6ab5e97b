// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace headgate {

/// Writes the binary formats of docs/key-layout.md. Appends to a string it owns.
class ByteWriter {
 public:
  ByteWriter& u8(std::uint8_t value);
  /// Fixed width, most significant byte first: byte order is number order.
  ByteWriter& be32(std::uint32_t value);
  ByteWriter& be64(std::uint64_t value);
  /// Fixed width, least significant byte first.
  ByteWriter& le64(std::uint64_t value);
  /// LEB128, 1 to 10 bytes.
  ByteWriter& varint(std::uint64_t value);
  /// Length as varint, then the bytes.
  ByteWriter& text(std::string_view value);
  ByteWriter& raw(std::string_view value);

  const std::string& bytes() const& { return bytes_; }
  std::string bytes() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// The first string after every one that begins with `prefix`, which has a byte that is not 255.
std::string end_of_prefix(std::string prefix);

/// Reads what ByteWriter wrote, from bytes that must outlive it. A read past the end, or a varint
/// over 64 bits, yields zero/empty and makes ok() false for good: check once, at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t u8();
  std::uint32_t be32();
  std::uint64_t be64();
  std::uint64_t le64();
  std::uint64_t varint();
  /// A view into the bytes read.
  std::string_view text();
  std::string_view raw(std::size_t length);
  /// A count of elements that take at least `min_bytes` each: a count that cannot fit in what is
  /// left fails, so that corrupted bytes never cause a huge allocation.
  std::size_t count(std::size_t min_bytes = 1);

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  /// Errc::corrupted unless every read fitted and nothing is left.
  Result<void> finish(std::string_view what) const;

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace headgate
