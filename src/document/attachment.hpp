// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "document/json.hpp"

namespace headgate {

/// Greatest attachment, in bytes as stored.
inline constexpr std::size_t kAttachmentMax = 20 * 1024 * 1024;
/// Most attachments that one revision may have.
inline constexpr std::size_t kAttachmentsMax = 1'000;

/// What a revision keeps of one attachment; the bytes are stored by (document, digest).
struct Attachment {
  std::string name;
  std::string content_type;
  std::string digest;                ///< "md5-" and the base64 of the md5 of the bytes as stored
  std::uint64_t length = 0;          ///< bytes as the reader gets them (decoded)
  std::uint64_t revpos = 0;          ///< generation that brought these bytes
  std::string encoding;              ///< "gzip", or empty: stored as they are
  std::uint64_t encoded_length = 0;  ///< bytes as stored, if there is an encoding

  friend bool operator==(const Attachment&, const Attachment&) = default;
};

/// An entry of a received `_attachments` member.
struct AttachmentInput {
  enum class Source : std::uint8_t {
    data,     ///< the bytes came with the entry
    stub,     ///< an ancestor's bytes are kept
    follows,  ///< the bytes come as a later MIME part
  };
  std::string name;
  Source source = Source::data;
  std::string data;  ///< decoded from base64
  std::string content_type;
  std::string digest;  ///< as sent; empty: not sent
  std::optional<std::uint64_t> length;
  std::optional<std::uint64_t> encoded_length;
  std::string encoding;
};

/// "md5-..." of an attachment's bytes.
std::string attachment_digest(std::string_view bytes);

/// Reads the value of `_attachments`.
/// Errors: invalid_argument (not an object of objects, bad name, "Missing data of attachment",
/// bad base64, control characters in the content type), too_large (kAttachmentMax,
/// kAttachmentsMax).
Result<std::vector<AttachmentInput>> parse_attachments(const JsonView& attachments);

/// The attachments of a new revision.
struct MergedAttachments {
  struct NewBytes {
    std::string digest;
    std::string bytes;
  };
  std::vector<Attachment> attachments;  ///< in the order of their names
  std::vector<NewBytes> to_store;       ///< each digest once
};
/// Gives every entry its metadata: new bytes get `generation` as revpos, stubs take the first of
/// `known` with their name (and digest, if sent). `known` are the attachments of the nearest
/// ancestor whose content is known, then of older ones.
/// Errors: invalid_argument: "Missing digest in stub attachment" (unknown stub without digest),
/// "Unknown attachment stub" (with one), "Missing data of attachment" (follows without its part),
/// a sent md5 digest or length that differs from the bytes.
Result<MergedAttachments> merge_attachments(std::vector<AttachmentInput> inputs,
                                            std::span<const Attachment> known,
                                            std::uint64_t generation);

/// One attachment and, if they are to be shown, its bytes as stored.
struct AttachmentOutput {
  const Attachment* attachment = nullptr;
  std::optional<std::string_view> bytes;  ///< none: a stub
};
/// Writes the value of `_attachments`.
void write_attachments(JsonWriter& out, std::span<const AttachmentOutput> attachments);

void encode_attachment(ByteWriter& out, const Attachment& attachment);
/// A cut-short input makes `in` not ok().
Attachment decode_attachment(ByteReader& in);

}  // namespace headgate
