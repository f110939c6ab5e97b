// SPDX-License-Identifier: Apache-2.0
#include "api/multipart_document.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "document/base64.hpp"

namespace headgate {

namespace {

/// An entry of `_attachments` whose bytes go into a part.
struct Following {
  std::string name;
  std::string content_type;
  std::string encoding;
  std::string bytes;
};

/// Writes an entry without its bytes, which are added to `following`; a stub as it is.
void write_entry(JsonWriter& out, const JsonView::Member& entry,
                 std::vector<Following>& following) {
  out.key(entry.name());
  const auto data = entry.value.find("data");
  const auto bytes = data ? decode_base64(data->as_string().value_or("")) : Errc::not_found;
  if (!bytes) {
    out.raw(entry.value.raw());
    return;
  }
  const auto text = [&](std::string_view name) {
    const auto member = entry.value.find(name);
    return member ? member->as_string().value_or("") : std::string();
  };
  following.push_back({entry.name(), text("content_type"), text("encoding"), *bytes});
  out.begin_object();
  bool has_length = false;
  for (const JsonView::Member& member : entry.value.members()) {
    if (member.is_named("data")) continue;
    has_length = has_length || member.is_named("length");
    out.key(member.name()).raw(member.value.raw());
  }
  if (!has_length) out.key("length").number(std::uint64_t{bytes->size()});
  out.key("follows").boolean(true).end_object();
}

std::string write_following(const JsonView& document, std::vector<Following>& following) {
  JsonWriter out;
  out.begin_object();
  for (const JsonView::Member& member : document.members()) {
    out.key(member.name());
    if (!member.is_named("_attachments")) {
      out.raw(member.value.raw());
      continue;
    }
    out.begin_object();
    for (const JsonView::Member& entry : member.value.members()) write_entry(out, entry, following);
    out.end_object();
  }
  return std::move(out.end_object()).text();
}

/// Quotes and what would end them are left to percent-encoding, as browsers do.
std::string quoted(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '"') {
      text += "%22";
    } else if (c == '\r' || c == '\n') {
      text += c == '\r' ? "%0D" : "%0A";
    } else {
      text += c;
    }
  }
  return "\"" + text + "\"";
}

/// The entry that a part belongs to; none: no entry waits for it.
AttachmentInput* entry_of(const BodyPart& part, std::vector<AttachmentInput>& inputs) {
  const auto waits = [](const AttachmentInput& input) {
    return input.source == AttachmentInput::Source::follows;
  };
  const auto find = [&](auto&& fits) {
    const auto at = std::ranges::find_if(
        inputs, [&](const AttachmentInput& input) { return waits(input) && fits(input); });
    return at == inputs.end() ? nullptr : &*at;
  };
  const std::string name =
      header_parameter(part.headers.find("Content-Disposition").value_or(""), "filename");
  if (!name.empty()) {
    const auto is_named = [&](const AttachmentInput& input) {
      return quoted(input.name) == quoted(name);
    };
    return find(is_named);
  }
  const std::string digest = attachment_digest(part.body);
  const auto has_digest = [&](const AttachmentInput& input) { return input.digest == digest; };
  if (AttachmentInput* input = find(has_digest)) return input;
  return find([](const AttachmentInput& input) { return !input.digest.starts_with("md5-"); });
}

Result<void> take_part(const BodyPart& part, std::vector<AttachmentInput>& inputs) {
  AttachmentInput* input = entry_of(part, inputs);
  if (input == nullptr)
    return Error{Errc::invalid_argument, "a part belongs to no attachment that follows"};
  if (part.body.size() > kAttachmentMax) return Error{Errc::too_large, "attachment too large"};
  input->source = AttachmentInput::Source::data;
  input->data = part.body;
  if (input->content_type.empty())
    input->content_type = part.headers.find("Content-Type").value_or("");
  return {};
}

}  // namespace

std::string random_boundary(Environment& environment) {
  return fmt::format("{:016x}{:016x}", environment.random(), environment.random());
}

TypedBody print_with_attachments(Environment& environment, std::string_view json) {
  std::vector<Following> following;
  const JsonView document(json);
  if (!document.find("_attachments")) return {"application/json", std::string(json)};
  const std::string text = write_following(document, following);
  if (following.empty()) return {"application/json", std::string(json)};
  MultipartWriter out(random_boundary(environment));
  out.part({{"Content-Type", "application/json"}}, text);
  for (const Following& attachment : following) {
    HttpHeaders headers{{"Content-Disposition", "attachment; filename=" + quoted(attachment.name)},
                        {"Content-Type", attachment.content_type},
                        {"Content-Length", std::to_string(attachment.bytes.size())}};
    if (!attachment.encoding.empty()) headers.add("Content-Encoding", attachment.encoding);
    out.part(headers, attachment.bytes);
  }
  return {out.type("related"), std::move(out).finish()};
}

void add_revision(Environment& environment, MultipartWriter& out, HttpHeaders headers,
                  const OpenRevision& revision) {
  if (!revision.shown) {
    JsonWriter missing;
    missing.begin_object().key("missing").string(to_string(revision.rev)).end_object();
    return add_failure(out, std::move(headers), missing.text());
  }
  const TypedBody shown = print_with_attachments(environment, revision.shown->json);
  out.part(headers.add("Content-Type", shown.type), shown.body);
}

void add_failure(MultipartWriter& out, HttpHeaders headers, std::string_view json) {
  out.part(headers.add("Content-Type", "application/json; error=\"true\""), json);
}

Result<ParsedDocument> parse_with_attachments(const HttpRequest& request,
                                              const ParseOptions& options) {
  HG_TRY(const std::vector<BodyPart> parts,
         parse_multipart(request.body, request.headers.find("Content-Type").value_or("")));
  HG_TRY(ParsedDocument document, parse_document(std::string(parts[0].body), options));
  for (std::size_t i = 1; i < parts.size(); ++i)
    HG_CHECK(take_part(parts[i], document.attachments));
  for (const AttachmentInput& input : document.attachments)
    if (input.source == AttachmentInput::Source::follows)
      return Error{Errc::invalid_argument, "no part for the attachment " + input.name};
  return document;
}

}  // namespace headgate
