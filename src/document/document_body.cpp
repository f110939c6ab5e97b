// SPDX-License-Identifier: Apache-2.0
#include "document/document_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>

#include "document/revision_tree.hpp"

namespace headgate {

namespace {

Error invalid(std::string context) {
  return {Errc::invalid_argument, std::move(context)};
}

constexpr std::array<std::string_view, 4> kIgnoredMembers = {"_conflicts", "_deleted_conflicts",
                                                             "_revs_info", "_local_seq"};

Result<std::string> text_of(const JsonView& value, std::string_view error) {
  auto text = value.as_string();
  if (!text) return invalid(std::string(error));
  return *std::move(text);
}

Result<std::vector<Revision>> parse_revisions(const JsonView& value) {
  const Error bad = invalid("Bad _revisions");
  const auto start = value.find("start");
  const auto ids = value.find("ids");
  if (!start || !ids) return bad;
  auto generation = start->as_uint64();
  if (!generation || *generation > kGenerationMax || !ids->is_array()) return bad;
  std::vector<Revision> revisions;
  for (const JsonView& id : ids->elements()) {
    auto digest = id.as_string();
    if (*generation == 0 || !digest || !is_valid_digest(*digest)) return bad;
    if (revisions.size() == kRevisionsMax)
      return Error{Errc::too_large, "the document has too many revisions"};
    revisions.push_back({(*generation)--, *std::move(digest)});
  }
  if (revisions.empty()) return bad;
  return revisions;
}

/// Sorts the members of one document into a ParsedDocument.
class Parser {
 public:
  Parser(const ParseOptions& options, std::size_t size) : options_(options) {
    parsed_.body.reserve(size);
    parsed_.body = "{";
    names_.reserve(32);
  }

  Result<ParsedDocument> run(const JsonView& document) {
    for (const auto& member : document.members()) {
      const std::string_view name = name_of(member);
      names_.push_back(name);
      if (name.starts_with('_')) {
        HG_CHECK(take_reserved(name, member.value));
      } else {
        take_user(member);
      }
    }
    HG_CHECK(check_names());
    parsed_.body.push_back('}');
    if (parsed_.body.size() > kDocumentBodyMax)
      return Error{Errc::too_large, "the document is too large"};
    return std::move(parsed_);
  }

 private:
  std::string_view name_of(const JsonView::Member& member) {
    const std::string_view inner = member.raw_name.substr(1, member.raw_name.size() - 2);
    if (inner.find('\\') == std::string_view::npos) return inner;
    return decoded_names_.emplace_back(member.name());
  }

  void take_user(const JsonView::Member& member) {
    std::string& body = parsed_.body;
    if (body.size() > 1) body.push_back(',');
    body.append(member.raw_name).push_back(':');
    body.append(member.value.raw());
  }

  Result<void> take_reserved(std::string_view name, const JsonView& value) {
    if (name == "_id") return take_id(value);
    if (name == "_rev") return take_rev(value);
    if (name == "_deleted") return take_deleted(value);
    if (name == "_revisions") return keep(parse_revisions(value), parsed_.revisions);
    if (name == "_attachments") return keep(parse_attachments(value), parsed_.attachments);
    if (name == "_exp") {
      parsed_.has_expiry = true;
      return keep(parse_expiry(value, options_.now), parsed_.expiry);
    }
    if (name == "_removed") return Error{Errc::not_found, "Document revision is not accessible"};
    if (std::ranges::find(kIgnoredMembers, name) != kIgnoredMembers.end()) return {};
    return invalid(fmt::format("Bad special document member: {}", name));
  }

  template <class T>
  static Result<void> keep(Result<T> result, T& into) {
    if (!result) return std::move(result).error();
    into = *std::move(result);
    return {};
  }

  Result<void> take_id(const JsonView& value) {
    HG_TRY(const std::string text, text_of(value, "Invalid doc ID"));
    HG_TRY(parsed_.id, parse_doc_id(text));
    return {};
  }

  Result<void> take_rev(const JsonView& value) {
    HG_TRY(const std::string text, text_of(value, "Invalid revision ID"));
    HG_TRY(parsed_.rev, options_.is_local ? parse_local_revision(text) : parse_revision(text));
    return {};
  }

  Result<void> take_deleted(const JsonView& value) {
    const auto is_deleted = value.as_bool();
    if (!is_deleted) return invalid("_deleted must be true or false");
    parsed_.is_deleted = *is_deleted;
    return {};
  }

  /// Compares hashes first: the names themselves only when two may be equal.
  Result<void> check_names() {
    std::vector<std::size_t> hashes;
    hashes.reserve(names_.size());
    for (const std::string_view name : names_)
      hashes.push_back(std::hash<std::string_view>()(name));
    std::ranges::sort(hashes);
    if (std::ranges::adjacent_find(hashes) == hashes.end()) return {};
    std::ranges::sort(names_);
    const auto twice = std::ranges::adjacent_find(names_);
    if (twice == names_.end()) return {};
    return invalid(fmt::format("Duplicate member: {}", *twice));
  }

  const ParseOptions& options_;
  ParsedDocument parsed_;
  std::vector<std::string_view> names_;
  std::deque<std::string> decoded_names_;
};

void write_revision_list(JsonWriter& out, std::string_view key, std::span<const Revision> revs) {
  if (revs.empty()) return;
  out.key(key).begin_array();
  for (const Revision& rev : revs) out.string(to_string(rev));
  out.end_array();
}

void write_revisions(JsonWriter& out, std::span<const Revision> revisions) {
  if (revisions.empty()) return;
  out.key("_revisions").begin_object();
  out.key("start").number(revisions.front().generation);
  out.key("ids").begin_array();
  for (const Revision& rev : revisions) out.string(rev.digest);
  out.end_array().end_object();
}

void write_revs_info(JsonWriter& out, std::span<const DocumentOutput::RevisionStatus> infos) {
  if (infos.empty()) return;
  out.key("_revs_info").begin_array();
  for (const auto& [rev, status] : infos) {
    out.begin_object().key("rev").string(to_string(rev));
    out.key("status").string(status).end_object();
  }
  out.end_array();
}

}  // namespace

Result<DocId> parse_doc_id(std::string_view text) {
  const Error bad = invalid("Invalid doc ID");
  if (text.empty() || text.size() > kDocIdMax || !is_valid_utf8(text)) return bad;
  if (text.find('\0') != std::string_view::npos) return bad;
  if (text.front() != '_') return DocId(std::string(text));
  for (const std::string_view prefix : {"_design/", "_local/"}) {
    if (text.starts_with(prefix) && text.size() > prefix.size()) return DocId(std::string(text));
  }
  return bad;
}

Result<std::vector<Revision>> ParsedDocument::history() const {
  const bool agree = !rev || revisions.empty() || revisions.front() == *rev;
  if (!agree || (!rev && revisions.empty())) return invalid("Bad _revisions");
  if (!revisions.empty()) return revisions;
  return std::vector<Revision>{*rev};
}

Result<ParsedDocument> parse_document(const JsonView& document, const ParseOptions& options) {
  if (!document.is_object()) return invalid("Document must be a JSON object");
  return Parser(options, document.raw().size()).run(document);
}

Result<ParsedDocument> parse_document(std::string_view text, const ParseOptions& options) {
  HG_CHECK(validate_json(text));
  return parse_document(JsonView(text), options);
}

void write_document(JsonWriter& out, std::string_view body, const DocumentOutput& document) {
  out.begin_object();
  out.key("_id").string(document.id);
  if (!document.rev.empty()) out.key("_rev").string(document.rev);
  if (document.is_deleted) out.key("_deleted").boolean(true);
  if (document.is_removed) out.key("_removed").boolean(true);
  out.members_of(body);
  if (!document.attachments.empty()) {
    out.key("_attachments");
    write_attachments(out, document.attachments);
  }
  write_revisions(out, document.revisions);
  write_revs_info(out, document.revs_info);
  write_revision_list(out, "_conflicts", document.conflicts);
  write_revision_list(out, "_deleted_conflicts", document.deleted_conflicts);
  if (document.local_sequence) out.key("_local_seq").number(document.local_sequence->value());
  if (document.expiry) out.key("_exp").string(to_rfc3339(*document.expiry));
  out.end_object();
}

std::string write_document(std::string_view body, const DocumentOutput& document) {
  JsonWriter out;
  write_document(out, body, document);
  return std::move(out).text();
}

std::string write_sync_input(std::string_view body, std::string_view id, std::string_view rev,
                             bool is_deleted, std::span<const Attachment> attachments) {
  std::vector<AttachmentOutput> stubs;
  for (const Attachment& attachment : attachments) stubs.push_back({&attachment, std::nullopt});
  DocumentOutput document;
  document.id = id;
  document.rev = rev;
  document.is_deleted = is_deleted;
  document.attachments = stubs;
  return write_document(body, document);
}

}  // namespace headgate
