// SPDX-License-Identifier: Apache-2.0
#include "access/session.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <iterator>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace headgate {
namespace {

// docs/key-layout.md, Base bucket.
constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kOneTimeFlag = 1;
constexpr std::size_t kIdDigits = 64;

}  // namespace

std::string encode(const Session& session) {
  ByteWriter out;
  out.u8(kFormat).u8(session.is_one_time ? kOneTimeFlag : 0);
  out.text(session.user).varint(session.sessions_since.value());
  out.be64(static_cast<std::uint64_t>(session.ends_at.time_since_epoch().count()));
  out.varint(static_cast<std::uint64_t>(session.life.count()));
  return std::move(out).bytes();
}

Result<Session> decode_session(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint8_t format = in.u8();
  if (format > kFormat) return Error{Errc::unsupported, "session of a newer format"};
  const std::uint8_t flags = in.u8();
  Session session;
  session.is_one_time = (flags & kOneTimeFlag) != 0;
  session.user = in.text();
  session.sessions_since = Sequence(in.varint());
  session.ends_at = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(in.be64())));
  session.life = std::chrono::seconds(static_cast<std::int64_t>(in.varint()));
  HG_CHECK(in.finish("session"));
  if (format != kFormat || (flags & ~kOneTimeFlag) != 0) return Error{Errc::corrupted, "session"};
  return session;
}

std::string make_session_id(const std::array<std::uint64_t, 4>& random) {
  return fmt::format("{:016x}{:016x}{:016x}{:016x}", random[0], random[1], random[2], random[3]);
}

bool is_session_id(std::string_view text) {
  return text.size() == kIdDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string session_digest(std::string_view id) {
  std::array<unsigned char, 32> digest{};
  std::size_t length = 0;
  const int is_done =
      EVP_Q_digest(nullptr, "SHA256", nullptr, id.data(), id.size(), digest.data(), &length);
  HG_ASSERT(is_done == 1 && length == digest.size());
  std::string text;
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

}  // namespace headgate
