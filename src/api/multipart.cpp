// SPDX-License-Identifier: Apache-2.0
#include "api/multipart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace headgate {

namespace {

constexpr std::size_t kPartsMax = 1'001;  // a document and its attachments
constexpr std::size_t kPartHeadBytesMax = 16 * 1024;
constexpr std::size_t kBoundaryBytesMax = 200;

Error malformed(std::string_view what) {
  return {Errc::invalid_argument, fmt::format("malformed multipart body: {}", what)};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// "q=0", "q=0.0": not at all.
bool is_refused(std::string_view media_range) {
  const std::string quality = header_parameter(media_range, "q");
  return !quality.empty() && quality.find_first_not_of("0.") == std::string::npos;
}

Result<HttpHeaders> parse_fields(std::string_view head) {
  HttpHeaders headers;
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return malformed("a header field");
    headers.add(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    head.remove_prefix(std::min(end + 2, head.size()));
  }
  return headers;
}

/// `text` begins behind a part's delimiter line.
Result<BodyPart> parse_part(std::string_view text) {
  BodyPart part;
  if (text.starts_with("\r\n")) {
    part.body = text.substr(2);
    return part;
  }
  const std::size_t end = text.substr(0, kPartHeadBytesMax).find("\r\n\r\n");
  if (end == std::string_view::npos) return malformed("the head of a part has no end");
  HG_TRY(part.headers, parse_fields(text.substr(0, end)));
  part.body = text.substr(end + 4);
  return part;
}

}  // namespace

std::string header_parameter(std::string_view value, std::string_view name) {
  std::size_t at = value.find(';');
  while (at != std::string_view::npos) {
    const std::string_view rest = trimmed(value.substr(at + 1));
    const std::size_t equals = std::min(rest.find('='), rest.size());
    const bool is_wanted = equals_ignoring_case(trimmed(rest.substr(0, equals)), name);
    std::string_view found = rest.substr(std::min(equals + 1, rest.size()));
    const bool is_quoted = found.starts_with('"');
    if (is_quoted) found.remove_prefix(1);
    const std::size_t end = std::min(found.find(is_quoted ? '"' : ';'), found.size());
    if (is_wanted)
      return std::string(is_quoted ? found.substr(0, end) : trimmed(found.substr(0, end)));
    value = found.substr(end);
    at = value.find(';');
  }
  return {};
}

bool names_multipart(std::string_view accept, std::string_view type) {
  while (!accept.empty()) {
    const std::size_t end = std::min(accept.find(','), accept.size());
    const std::string_view item = accept.substr(0, end);
    const std::string_view named = trimmed(item.substr(0, item.find(';')));
    const bool is_named =
        equals_ignoring_case(named, type) || equals_ignoring_case(named, "multipart/*");
    if (is_named && !is_refused(item)) return true;
    accept.remove_prefix(std::min(end + 1, accept.size()));
  }
  return false;
}

Result<std::vector<BodyPart>> parse_multipart(std::string_view body,
                                              std::string_view content_type) {
  const std::string boundary = header_parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kBoundaryBytesMax) return malformed("no boundary");
  const std::string delimiter = "\r\n--" + boundary;
  // The first delimiter may stand at the very beginning.
  const bool is_first = body.starts_with(std::string_view(delimiter).substr(2));
  std::size_t at = is_first ? delimiter.size() - 2 : body.find(delimiter);
  if (at == std::string_view::npos) return malformed("no part");
  if (!is_first) at += delimiter.size();
  std::vector<BodyPart> parts;
  for (;;) {
    std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) break;
    rest = rest.substr(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (!rest.starts_with("\r\n")) return malformed("text behind a boundary");
    rest.remove_prefix(2);
    // The line feed before the delimiter of an empty part may be the one that ended its head.
    const std::size_t begin = static_cast<std::size_t>(rest.data() - body.data());
    const std::size_t end = body.find(delimiter, begin - 2);
    if (end == std::string_view::npos) return malformed("a part has no end");
    if (parts.size() == kPartsMax) return malformed("too many parts");
    HG_TRY(BodyPart part, parse_part(body.substr(begin, std::max(begin, end) - begin)));
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
  if (parts.empty()) return malformed("no part");
  return parts;
}

MultipartWriter& MultipartWriter::part(const HttpHeaders& headers, std::string_view body) {
  text_.append("--").append(boundary_).append("\r\n").append(headers.wire_text());
  text_.append("\r\n").append(body).append("\r\n");
  return *this;
}

std::string MultipartWriter::type(std::string_view subtype) const {
  return fmt::format("multipart/{}; boundary=\"{}\"", subtype, boundary_);
}

std::string MultipartWriter::finish() && {
  text_.append("--").append(boundary_).append("--\r\n");
  return std::move(text_);
}

}  // namespace headgate
