// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/body_budget.hpp"
#include "net/http_message.hpp"

namespace headgate {

/// Why a request is answered by the server itself.
struct HttpFailure {
  int status;
  std::string_view error;   // a literal, CouchDB's token
  std::string_view reason;  // a literal
};

/// Reads one request into an HttpRequest, head first, then (body_limit() given) the body. Keeps no
/// bytes of its own: what parse() leaves must be presented again with more behind it.
class RequestParser final : private boost::beast::http::basic_parser<true> {
 public:
  /// `request` must outlive the parser; limits in bytes.
  RequestParser(HttpRequest& request, std::size_t max_head_bytes);

  /// Takes bytes up to the end of the head, or of the body; returns how many.
  std::size_t parse(std::string_view bytes);
  /// Lets parse() go on with the body, which is counted in `hold`. Fails at once if it is announced
  /// longer than `limit`, or than fits. `hold` must outlive the parser. REQUIRES: has_head().
  void begin_body(std::uint64_t limit, BodyHold& hold);

  bool has_head() const { return is_header_done(); }
  bool is_done() const { return Base::is_done(); }
  /// True once parse() has nothing more to take: the head, or after begin_body() the body, is
  /// whole.
  bool is_stage_done() const { return is_in_body_ ? is_done() : has_head(); }
  /// True once a byte of the request has been seen.
  bool has_begun() const { return got_some(); }
  const std::optional<HttpFailure>& failure() const { return failure_; }
  /// True once the request is known to be a HEAD, whose answers have no body.
  bool is_head_method() const { return request_.method == HttpMethod::head; }

  // After the head:
  bool keeps_alive() const { return keep_alive(); }
  bool is_http10() const { return version_ == 10; }
  bool expects_continue() const { return expects_continue_; }

 private:
  using Base = boost::beast::http::basic_parser<true>;
  using ErrorCode = boost::beast::error_code;
  using StringView = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb verb, StringView method, StringView target,
                       int version, ErrorCode& ec) override;
  void on_response_impl(int, StringView, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field field, StringView name, StringView value,
                     ErrorCode& ec) override;
  void on_header_impl(ErrorCode& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(StringView bytes, ErrorCode& ec) override;
  void on_chunk_header_impl(std::uint64_t, StringView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, StringView bytes, ErrorCode& ec) override;
  void on_finish_impl(ErrorCode&) override {}

  void fail(HttpFailure failure, ErrorCode& ec);
  void fail(ErrorCode ec);
  void check_expectation(StringView value, ErrorCode& ec);
  void append_to_body(StringView bytes, ErrorCode& ec);

  HttpRequest& request_;
  BodyHold* hold_ = nullptr;
  std::size_t max_head_bytes_;
  std::size_t head_bytes_ = 0;
  std::optional<HttpFailure> failure_;
  int version_ = 11;
  bool expects_continue_ = false;
  bool is_in_body_ = false;
};

}  // namespace headgate
