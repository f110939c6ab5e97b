// SPDX-License-Identifier: Apache-2.0
#include "document/revision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"
#include "document/attachment.hpp"
#include "document/json.hpp"
#include "document/md5.hpp"

namespace headgate {

namespace {

bool is_digest_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '-';
}

Result<Revision> parse(std::string_view text, std::uint64_t generation_min) {
  const Error bad{Errc::invalid_argument, "Invalid revision ID"};
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return bad;
  const std::string_view number = text.substr(0, dash);
  std::uint64_t generation = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), generation);
  if (error != std::errc() || end != number.data() + number.size()) return bad;
  if (number.size() > 1 && number.front() == '0') return bad;
  if (generation < generation_min || generation > kGenerationMax) return bad;
  const std::string_view digest = text.substr(dash + 1);
  if (!is_valid_digest(digest)) return bad;
  return Revision{generation, std::string(digest)};
}

void add_attachments(ByteWriter& out, std::span<const Attachment> attachments) {
  std::vector<const Attachment*> sorted;
  sorted.reserve(attachments.size());
  for (const Attachment& attachment : attachments) sorted.push_back(&attachment);
  std::ranges::sort(sorted, {}, [](const Attachment* a) -> const std::string& { return a->name; });
  for (const Attachment* attachment : sorted)
    out.text(attachment->name).text(attachment->content_type).text(attachment->digest);
}

}  // namespace

bool is_valid_digest(std::string_view digest) {
  return !digest.empty() && digest.size() <= kDigestMax &&
         std::ranges::all_of(digest, is_digest_character);
}

Result<Revision> parse_revision(std::string_view text) {
  return parse(text, 1);
}

Result<Revision> parse_local_revision(std::string_view text) {
  return parse(text, 0);
}

std::string to_string(const Revision& rev) {
  return fmt::format("{}-{}", rev.generation, rev.digest);
}

RevId to_rev_id(const Revision& rev) {
  return RevId(to_string(rev));
}

Result<Revision> next_revision(const Revision* parent, bool is_deleted, std::string_view body,
                               std::span<const Attachment> attachments) {
  const std::uint64_t generation = parent == nullptr ? 1 : parent->generation + 1;
  if (generation > kGenerationMax)
    return Error{Errc::invalid_argument, "the revision's generation cannot grow any more"};
  ByteWriter input;
  input.text(parent == nullptr ? std::string() : to_string(*parent));
  input.u8(is_deleted ? 1 : 0).text(canonical_json(body));
  add_attachments(input, attachments);
  return Revision{generation, to_hex(md5(input.bytes()))};
}

}  // namespace headgate
