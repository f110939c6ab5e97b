// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/parameters.hpp"
#include "api/router.hpp"

namespace headgate {

namespace {

Result<std::string> attachment_name(const HttpRequest& request) {
  std::string name = document_path(request.path).attachment;
  if (name.starts_with('_') || !is_valid_utf8(name))
    return Error{Errc::invalid_argument, "Bad attachment name"};
  return name;
}

/// Types that a browser would run in the server's name are offered as downloads.
bool runs_in_browser(std::string_view type) {
  constexpr std::array<std::string_view, 4> kTypes = {"text/html", "application/xhtml", "image/svg",
                                                      "application/octet-stream"};
  return type.empty() || std::ranges::any_of(kTypes, [&](std::string_view known) {
           return type.size() >= known.size() &&
                  equals_ignoring_case(type.substr(0, known.size()), known);
         });
}

struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  ///< exclusive; not above begin: nothing of the attachment
};

/// One range of `bytes=`; none: no Range header, or one of a form that may be ignored.
std::optional<ByteRange> wanted_range(const HttpRequest& request, std::uint64_t size) {
  const auto header = request.headers.find("Range");
  if (!header || !header->starts_with("bytes=")) return std::nullopt;
  const std::string_view range = header->substr(6);
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(range.substr(0, dash), "Range");
  const auto last = parse_number(range.substr(dash + 1), "Range");
  if (dash > 0 && !first) return std::nullopt;
  const bool has_end = dash + 1 < range.size();
  if (has_end && !last) return std::nullopt;
  if (dash == 0) {
    if (!has_end) return std::nullopt;
    return ByteRange{size - std::min(*last, size), size};
  }
  return ByteRange{*first, has_end && *last < size ? *last + 1 : size};
}

HttpResponse attachment_response(AttachmentContent content) {
  const Attachment& attachment = content.attachment;
  HttpResponse response;
  response.headers.add("Content-Type", attachment.content_type)
      .add("ETag", fmt::format("\"{}\"", attachment.digest))
      .add("Cache-Control", "must-revalidate")
      .add("X-Content-Type-Options", "nosniff");
  if (runs_in_browser(attachment.content_type))
    response.headers.add("Content-Disposition", "attachment");
  if (!attachment.encoding.empty()) {
    response.headers.add("Content-Encoding", attachment.encoding);
  } else {
    response.headers.add("Accept-Ranges", "bytes");
  }
  response.body = std::move(content.bytes);
  return response;
}

/// Cuts the answer to the range asked for.
void cut(HttpResponse& response, const ByteRange& range) {
  const std::uint64_t size = response.body.size();
  if (range.begin >= range.end) {
    response = error_response(
        {416, "requested_range_not_satisfiable", "The range lies outside of the attachment"});
    response.headers.add("Content-Range", fmt::format("bytes */{}", size));
    return;
  }
  response.status = 206;
  response.headers.add("Content-Range",
                       fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, size));
  response.body = response.body.substr(range.begin, range.end - range.begin);
}

Task<Result<void>> change_attachment(ApiCall& call, AttachmentChange change, int status) {
  WriteItem item;
  HG_CO_TRY(item.id, document_id(call.request()));
  HG_CO_TRY(item.document.rev, parent_revision(call.request(), std::nullopt));
  item.attachment_change = std::move(change);
  item.durability = call.durability;
  const DocId id = item.id;
  HG_CO_TRY(const WriteAnswer answer,
            co_await call.database().writer().write_one(call.reader, std::move(item)));
  respond_written(call, status, id, answer.rev);
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> get_attachment(ApiCall& call) {
  HG_CO_TRY(DocId id, document_id(call.request()));
  HG_CO_TRY(std::string name, attachment_name(call.request()));
  HG_CO_TRY(std::optional<Revision> rev, revision_parameter(call.query(), "rev"));
  HG_CO_TRY(AttachmentContent content,
            co_await call.database().documents().get_attachment(call.reader, std::move(id),
                                                                std::move(rev), std::move(name)));
  const bool has_ranges = content.attachment.encoding.empty();
  HttpResponse response = attachment_response(std::move(content));
  const auto range = wanted_range(call.request(), response.body.size());
  const auto if_range = call.request().headers.find("If-Range");
  const bool is_same = !if_range || if_range == response.headers.find("ETag");
  const auto known = call.request().headers.find("If-None-Match");
  const bool is_known = known && names_entity(*known, *response.headers.find("ETag"));
  if (range && has_ranges && is_same && !is_known) cut(response, *range);
  call.respond_entity(std::move(response));
  co_return Result<void>();
}

Task<Result<void>> put_attachment(ApiCall& call) {
  AttachmentChange change;
  HG_CO_TRY(change.name, attachment_name(call.request()));
  AttachmentInput& input = change.input.emplace();
  input.name = change.name;
  input.content_type = call.request().headers.find("Content-Type").value_or("");
  input.data = std::move(call.request().body);
  if (const auto md5 = call.request().headers.find("Content-MD5"))
    input.digest = fmt::format("md5-{}", *md5);
  co_return co_await change_attachment(call, std::move(change), 201);
}

Task<Result<void>> delete_attachment(ApiCall& call) {
  AttachmentChange change;
  HG_CO_TRY(change.name, attachment_name(call.request()));
  co_return co_await change_attachment(call, std::move(change), 200);
}

}  // namespace headgate
