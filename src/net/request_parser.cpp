// SPDX-License-Identifier: Apache-2.0
#include "net/request_parser.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace headgate {
namespace {

namespace http = boost::beast::http;

constexpr HttpFailure kBadRequest{400, "bad_request", "malformed HTTP request"};
constexpr HttpFailure kBadTarget{400, "bad_request", "malformed request target"};
constexpr HttpFailure kNoHost{400, "bad_request", "missing Host header"};
constexpr HttpFailure kTwoHosts{400, "bad_request", "more than one Host header"};
constexpr HttpFailure kBadChunk{400, "bad_request", "malformed chunked body"};
constexpr HttpFailure kTooLarge{413, "too_large", "the request entity is too large"};
constexpr HttpFailure kBadExpectation{417, "expectation_failed", "unknown expectation"};
constexpr HttpFailure kHeadTooLarge{431, "header_too_large", "the request head is too large"};
constexpr HttpFailure kNoRoom{503, "service_unavailable", "too many large requests at once"};
constexpr HttpFailure kBadCoding{501, "not_implemented", "unknown transfer coding"};

// A chunk's size line or the trailer, which the parser takes only whole.
constexpr std::size_t kMaxUnparsed = 16 * 1024;
// The shortest end of a chunked body, "0\r\n\r\n". Beast asserts that it sees so much of it.
constexpr std::size_t kMinChunkedRest = 5;
// Parsers of JSON read beyond the end of the text.
constexpr std::size_t kSpareCapacity = 64;

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

HttpFailure failure_of(boost::beast::error_code ec) {
  if (ec == http::error::header_limit) return kHeadTooLarge;
  if (ec == http::error::body_limit) return kTooLarge;
  if (ec == http::error::bad_chunk || ec == http::error::bad_chunk_extension) return kBadChunk;
  return kBadRequest;
}

// A line that continues the one before: parties disagree about it (RFC 9112, 5.2).
bool has_folded_line(std::string_view head) {
  std::size_t at = head.find("\r\n");
  for (; at != std::string_view::npos && at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    if (head[at + 2] == ' ' || head[at + 2] == '\t') return true;
  }
  return false;
}

// Reads the target into path and query. "http://host/path" loses its beginning.
bool decode_target(HttpRequest& request) {
  if (!request.target.starts_with('/')) {
    const std::size_t authority = request.target.find("://");
    if (authority == std::string::npos) return request.target == "*";
    const std::size_t slash = request.target.find('/', authority + 3);
    request.target = slash == std::string::npos ? "/" : request.target.substr(slash);
  }
  const std::string_view target = std::string_view(request.target);
  const std::size_t question = std::min(target.find('?'), target.size());
  auto path = parse_path(target.substr(0, question));
  if (!path) return false;
  request.path = std::move(*path);
  if (question == target.size()) return true;
  auto query = parse_query(target.substr(question + 1));
  if (!query) return false;
  request.query = std::move(*query);
  return true;
}

}  // namespace

RequestParser::RequestParser(HttpRequest& request, std::size_t max_head_bytes)
    : request_(request), max_head_bytes_(max_head_bytes) {
  header_limit(static_cast<std::uint32_t>(max_head_bytes));
  Base::body_limit(boost::none);
}

std::size_t RequestParser::parse(std::string_view bytes) {
  const std::size_t given = bytes.size();
  // Some clients end a body with a line feed that belongs to nothing.
  while (!has_begun() && (bytes.starts_with('\r') || bytes.starts_with('\n'))) {
    bytes.remove_prefix(1);
  }
  if (bytes.empty()) return given;
  if (is_in_body_ && chunked() && bytes.size() < kMinChunkedRest) return 0;
  const bool was_in_head = !has_head();
  ErrorCode ec;
  const std::size_t taken = put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
  if (was_in_head) head_bytes_ += taken;
  const std::size_t left = bytes.size() - taken;
  if (was_in_head && head_bytes_ + (has_head() ? 0 : left) > max_head_bytes_) {
    failure_ = kHeadTooLarge;
  } else if (ec && ec != http::error::need_more) {
    fail(ec);
  } else if (was_in_head && has_folded_line(bytes.substr(0, taken))) {
    failure_ = kBadRequest;
  } else if (!was_in_head && !is_done() && left > kMaxUnparsed) {
    failure_ = kBadChunk;
  }
  return given - left;
}

void RequestParser::begin_body(std::uint64_t limit, BodyHold& hold) {
  HG_ASSERT(has_head());
  const auto length = content_length();
  if (length && *length > limit) {
    failure_ = kTooLarge;
    return;
  }
  if (length && !hold.fits(*length)) {
    failure_ = kNoRoom;
    return;
  }
  hold_ = &hold;
  is_in_body_ = true;
  Base::body_limit(limit);
  eager(true);
}

void RequestParser::fail(HttpFailure failure, ErrorCode& ec) {
  failure_ = failure;
  ec = http::error::bad_value;
}

void RequestParser::fail(ErrorCode ec) {
  if (!failure_) failure_ = failure_of(ec);
}

void RequestParser::on_request_impl(http::verb, StringView method, StringView target, int version,
                                    ErrorCode&) {
  version_ = version;
  request_.method = headgate::parse_method(view(method));
  request_.target = view(target);
}

void RequestParser::on_field_impl(http::field field, StringView name, StringView value,
                                  ErrorCode& ec) {
  if (has_head()) return;  // a trailer says nothing that we would listen to
  // A proxy before us may have gone by the other one.
  if (field == http::field::host && request_.headers.has("Host")) return fail(kTwoHosts, ec);
  request_.headers.add(view(name), view(value));
  if (field == http::field::transfer_encoding && !equals_ignoring_case(view(value), "chunked")) {
    fail(kBadCoding, ec);
  } else if (field == http::field::expect) {
    check_expectation(value, ec);
  }
}

void RequestParser::check_expectation(StringView value, ErrorCode& ec) {
  expects_continue_ = equals_ignoring_case(view(value), "100-continue");
  if (!expects_continue_) fail(kBadExpectation, ec);
}

void RequestParser::on_header_impl(ErrorCode& ec) {
  if (!decode_target(request_)) {
    fail(kBadTarget, ec);
  } else if (is_http10() && request_.headers.has("Transfer-Encoding")) {
    fail(kBadCoding, ec);
  } else if (!is_http10() && !request_.headers.has("Host")) {
    fail(kNoHost, ec);
  }
}

std::size_t RequestParser::on_body_impl(StringView bytes, ErrorCode& ec) {
  append_to_body(bytes, ec);
  return bytes.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, StringView bytes, ErrorCode& ec) {
  append_to_body(bytes, ec);
  return bytes.size();
}

void RequestParser::append_to_body(StringView bytes, ErrorCode& ec) {
  std::string& body = request_.body;
  if (!hold_->grow(body.size() + bytes.size())) return fail(kNoRoom, ec);
  const std::size_t needed = body.size() + bytes.size() + kSpareCapacity;
  if (needed > body.capacity()) {
    // Grows with what has arrived, not with what is announced: a length costs the peer nothing.
    std::size_t capacity = std::max(needed, 2 * body.capacity());
    if (const auto length = content_length()) {
      capacity = std::min<std::size_t>(capacity, *length + kSpareCapacity);
    }
    body.reserve(std::max(capacity, needed));
  }
  body.append(bytes.data(), bytes.size());
}

}  // namespace headgate
