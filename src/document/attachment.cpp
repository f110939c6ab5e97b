// SPDX-License-Identifier: Apache-2.0
#include "document/attachment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "document/base64.hpp"
#include "document/md5.hpp"

namespace headgate {

namespace {

constexpr std::string_view kDefaultContentType = "application/octet-stream";
constexpr std::string_view kMd5Prefix = "md5-";

Error bad_attachment(std::string_view what, std::string_view name) {
  return {Errc::invalid_argument, fmt::format("{} {}", what, name)};
}

/// Content type and encoding become header lines.
bool is_header_safe(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

Result<void> read_text(const JsonView& entry, std::string_view member, std::string_view name,
                       std::string& into) {
  const auto value = entry.find(member);
  if (!value || value->is_null()) return {};
  auto text = value->as_string();
  if (!text || !is_header_safe(*text))
    return bad_attachment(fmt::format("Bad {} of attachment", member), name);
  into = *std::move(text);
  return {};
}

Result<void> read_length(const JsonView& entry, std::string_view member, std::string_view name,
                         std::optional<std::uint64_t>& into) {
  const auto value = entry.find(member);
  if (!value || value->is_null()) return {};
  into = value->as_uint64();
  if (!into) return bad_attachment(fmt::format("Bad {} of attachment", member), name);
  return {};
}

bool is_true(const JsonView& entry, std::string_view member) {
  const auto value = entry.find(member);
  return value && value->as_bool() == true;
}

Result<void> read_source(const JsonView& entry, AttachmentInput& input) {
  if (const auto data = entry.find("data")) {
    const auto text = data->as_string();
    if (!text) return bad_attachment("Bad data of attachment", input.name);
    auto bytes = decode_base64(*text);
    if (!bytes)
      return bad_attachment("Bad data of attachment", input.name + ": " + bytes.error().context);
    if (bytes->size() > kAttachmentMax)
      return Error{Errc::too_large, fmt::format("Attachment too large: {}", input.name)};
    input.data = *std::move(bytes);
    input.source = AttachmentInput::Source::data;
  } else if (is_true(entry, "stub")) {
    input.source = AttachmentInput::Source::stub;
  } else if (is_true(entry, "follows")) {
    input.source = AttachmentInput::Source::follows;
  } else {
    return bad_attachment("Missing data of attachment", input.name);
  }
  return {};
}

Result<AttachmentInput> parse_attachment(std::string name, const JsonView& entry) {
  AttachmentInput input;
  input.name = std::move(name);
  if (input.name.empty() || input.name.front() == '_')
    return bad_attachment("Bad attachment name", input.name);
  if (!entry.is_object()) return bad_attachment("Bad attachment", input.name);
  HG_CHECK(read_text(entry, "content_type", input.name, input.content_type));
  HG_CHECK(read_text(entry, "digest", input.name, input.digest));
  HG_CHECK(read_text(entry, "encoding", input.name, input.encoding));
  HG_CHECK(read_length(entry, "length", input.name, input.length));
  HG_CHECK(read_length(entry, "encoded_length", input.name, input.encoded_length));
  HG_CHECK(read_source(entry, input));
  return input;
}

Result<Attachment> kept_attachment(const AttachmentInput& stub, std::span<const Attachment> known) {
  // Other families of digests name the same bytes differently: only the name decides then.
  const bool is_comparable = stub.digest.starts_with(kMd5Prefix);
  for (const Attachment& attachment : known) {
    if (attachment.name != stub.name) continue;
    if (!is_comparable || attachment.digest == stub.digest) return attachment;
  }
  return bad_attachment(
      stub.digest.empty() ? "Missing digest in stub attachment" : "Unknown attachment stub",
      stub.name);
}

Result<Attachment> new_attachment(const AttachmentInput& input, std::uint64_t generation) {
  Attachment attachment;
  attachment.name = input.name;
  attachment.content_type = input.content_type;
  if (attachment.content_type.empty()) attachment.content_type = kDefaultContentType;
  attachment.digest = attachment_digest(input.data);
  attachment.revpos = generation;
  attachment.encoding = input.encoding;
  attachment.length = input.data.size();
  if (input.digest.starts_with(kMd5Prefix) && input.digest != attachment.digest)
    return bad_attachment("Digest does not match the data of attachment", input.name);
  const auto stored_length = input.encoding.empty() ? input.length : input.encoded_length;
  if (stored_length && *stored_length != input.data.size())
    return bad_attachment("Length does not match the data of attachment", input.name);
  if (!input.encoding.empty()) {
    attachment.encoded_length = input.data.size();
    attachment.length = input.length.value_or(0);
  }
  return attachment;
}

}  // namespace

std::string attachment_digest(std::string_view bytes) {
  const Md5 digest = md5(bytes);
  return std::string(kMd5Prefix) +
         encode_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Result<std::vector<AttachmentInput>> parse_attachments(const JsonView& attachments) {
  if (!attachments.is_object())
    return Error{Errc::invalid_argument, "_attachments must be an object"};
  std::vector<AttachmentInput> inputs;
  for (const auto& member : attachments.members()) {
    if (inputs.size() == kAttachmentsMax) return Error{Errc::too_large, "Too many attachments"};
    HG_TRY(auto input, parse_attachment(member.name(), member.value));
    inputs.push_back(std::move(input));
  }
  std::ranges::sort(inputs, {}, &AttachmentInput::name);
  const auto twice = std::ranges::adjacent_find(inputs, {}, &AttachmentInput::name);
  if (twice != inputs.end()) return bad_attachment("Duplicate attachment", twice->name);
  return inputs;
}

Result<MergedAttachments> merge_attachments(std::vector<AttachmentInput> inputs,
                                            std::span<const Attachment> known,
                                            std::uint64_t generation) {
  MergedAttachments merged;
  std::ranges::sort(inputs, {}, &AttachmentInput::name);
  for (AttachmentInput& input : inputs) {
    if (input.source == AttachmentInput::Source::follows)
      return bad_attachment("Missing data of attachment", input.name);
    if (input.source == AttachmentInput::Source::stub) {
      HG_TRY(auto kept, kept_attachment(input, known));
      merged.attachments.push_back(std::move(kept));
      continue;
    }
    HG_TRY(auto added, new_attachment(input, generation));
    const auto stored =
        std::ranges::find(merged.to_store, added.digest, &MergedAttachments::NewBytes::digest);
    const bool is_stored = stored != merged.to_store.end();
    if (!is_stored) merged.to_store.push_back({added.digest, std::move(input.data)});
    merged.attachments.push_back(std::move(added));
  }
  return merged;
}

void write_attachments(JsonWriter& out, std::span<const AttachmentOutput> attachments) {
  out.begin_object();
  for (const auto& [attachment, bytes] : attachments) {
    out.key(attachment->name).begin_object();
    out.key("content_type").string(attachment->content_type);
    out.key("revpos").number(attachment->revpos);
    out.key("digest").string(attachment->digest);
    if (bytes) {
      out.key("data").string(encode_base64(*bytes));
    } else {
      out.key("length").number(attachment->length).key("stub").boolean(true);
    }
    if (!attachment->encoding.empty()) {
      out.key("encoding").string(attachment->encoding);
      out.key("encoded_length").number(attachment->encoded_length);
    }
    out.end_object();
  }
  out.end_object();
}

void encode_attachment(ByteWriter& out, const Attachment& attachment) {
  out.text(attachment.name).text(attachment.content_type).text(attachment.digest);
  out.varint(attachment.length).varint(attachment.revpos).text(attachment.encoding);
  if (!attachment.encoding.empty()) out.varint(attachment.encoded_length);
}

Attachment decode_attachment(ByteReader& in) {
  Attachment attachment;
  attachment.name = in.text();
  attachment.content_type = in.text();
  attachment.digest = in.text();
  attachment.length = in.varint();
  attachment.revpos = in.varint();
  attachment.encoding = in.text();
  if (!attachment.encoding.empty()) attachment.encoded_length = in.varint();
  return attachment;
}

}  // namespace headgate
