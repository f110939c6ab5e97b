// SPDX-License-Identifier: Apache-2.0
#include "database/base_keys.hpp"

namespace headgate {
namespace {

constexpr std::string_view kUserPrefix = "_user/";
constexpr std::string_view kRolePrefix = "_role/";

/// FNV-1a, folded: part of the stored format, so never another one.
std::uint32_t tag_number(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return static_cast<std::uint32_t>((hash ^ (hash >> 32)) % kBaseTags);
}

/// Names of values that belong to a document: its id, a zero byte (no id holds one), the rest.
std::string belonging_name(const DocId& id, std::string_view rest) {
  std::string name = id.text();
  name += '\0';
  name += rest;
  return name;
}

}  // namespace

std::string base_tag(std::uint32_t number) {
  return "b" + std::to_string(number);
}

std::string base_tag_of(std::string_view name) {
  return base_tag(tag_number(name));
}

Key document_key(DatabaseId database, const DocId& id) {
  return {database, KeyKind::document, base_tag_of(id.text()), id.text()};
}

Key principal_key(DatabaseId database, const PrincipalName& name) {
  const std::string text = name.text();
  return {database, KeyKind::principal, base_tag_of(text), text};
}

Key local_document_key(DatabaseId database, const DocId& id) {
  return {database, KeyKind::local_document, base_tag_of(id.text()), id.text()};
}

Key attachment_key(DatabaseId database, const DocId& id, std::string_view digest) {
  return {database, KeyKind::attachment, base_tag_of(id.text()), belonging_name(id, digest)};
}

Key revision_body_key(DatabaseId database, const DocId& id, const Revision& rev) {
  return {database, KeyKind::revision_body, base_tag_of(id.text()),
          belonging_name(id, to_string(rev))};
}

Key expiry_key(DatabaseId database, const DocId& id, WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  std::string name;
  for (int shift = 56; shift >= 0; shift -= 8)
    name += static_cast<char>(static_cast<std::uint64_t>(seconds) >> shift & 0xff);
  return {database, KeyKind::expiry, base_tag_of(id.text()), name + id.text()};
}

std::optional<NamedExpiry> read_expiry_name(std::string_view name) {
  constexpr std::size_t kTimeBytes = 8;
  if (name.size() <= kTimeBytes) return std::nullopt;
  std::uint64_t seconds = 0;
  for (std::size_t i = 0; i < kTimeBytes; ++i)
    seconds = seconds << 8 | static_cast<unsigned char>(name[i]);
  return NamedExpiry{WallTime(std::chrono::seconds(static_cast<std::int64_t>(seconds))),
                     DocId(std::string(name.substr(kTimeBytes)))};
}

Key progress_key(DatabaseId database, std::string_view job) {
  return {database, KeyKind::progress, base_tag_of(job), std::string(job)};
}

DocId principal_doc_id(const PrincipalName& name) {
  const std::string_view prefix = name.kind == PrincipalKind::user ? kUserPrefix : kRolePrefix;
  return DocId(std::string(prefix) + name.name);
}

Result<PrincipalName> principal_of_doc_id(const DocId& id) {
  const std::string_view text = id.text();
  if (text.starts_with(kUserPrefix)) return PrincipalName::user(text.substr(kUserPrefix.size()));
  if (text.starts_with(kRolePrefix)) return PrincipalName::role(text.substr(kRolePrefix.size()));
  return Error{Errc::invalid_argument, "not the document id of a principal"};
}

}  // namespace headgate
