// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/assert.hpp"

namespace headgate {
namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMaxHeadBytes = 256 * 1024;

// Reads one answer; the body gathers in `reply.body` and may be taken out meanwhile.
class ReplyParser final : public http::basic_parser<false> {
 public:
  explicit ReplyParser(bool is_head_method) {
    header_limit(kMaxHeadBytes);
    body_limit(boost::none);
    skip(is_head_method);
    eager(true);
  }

  HttpReply reply;

 private:
  using ErrorCode = boost::beast::error_code;
  using StringView = boost::beast::string_view;

  void on_request_impl(http::verb, StringView, StringView, int, ErrorCode&) override {}
  void on_response_impl(int status, StringView, int, ErrorCode&) override { reply.status = status; }
  void on_field_impl(http::field, StringView name, StringView value, ErrorCode&) override {
    reply.headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(StringView bytes, ErrorCode&) override { return take(bytes); }
  void on_chunk_header_impl(std::uint64_t, StringView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, StringView bytes, ErrorCode&) override {
    return take(bytes);
  }
  void on_finish_impl(ErrorCode&) override {}

  std::size_t take(StringView bytes) {
    reply.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
};

struct BaseUrl {
  bool is_encrypted = false;
  std::string host;
  std::string port;
  std::string path;  // goes before every target
};

std::optional<BaseUrl> parse_base_url(std::string_view url) {
  const bool is_encrypted = url.starts_with("https://");
  if (!is_encrypted && !url.starts_with("http://")) return std::nullopt;
  url.remove_prefix(url.find("//") + 2);
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash);
  std::string_view path = url.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  BaseUrl base{is_encrypted, {}, is_encrypted ? "443" : "80", std::string(path)};
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && !authority.ends_with(']')) {
    base.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) {
    authority = authority.substr(1, authority.size() - 2);
  }
  base.host = authority;
  if (base.host.empty() || base.port.empty()) return std::nullopt;
  return base;
}

Error broken(const char* what) {
  return Error{Errc::unavailable, fmt::format("{}: {}", what, std::strerror(errno))};
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(std::string_view base_url, TlsTrust trust)
      : base_(parse_base_url(base_url)), trust_(std::move(trust)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { close(); }

  Result<HttpReply> open(HttpMethod method, const std::string& request, Timeout timeout);
  Result<HttpReply> whole(HttpMethod method, const std::string& request, Timeout timeout);
  Result<std::optional<std::string>> read_line(Timeout timeout);
  Result<std::string> read_rest(Timeout timeout);
  std::string format(HttpMethod method, std::string_view target, const HttpHeaders& headers,
                     std::string_view body) const;
  void close();

 private:
  Result<void> connect(Clock::time_point deadline);
  Result<void> connect_to(const addrinfo& address, Clock::time_point deadline);
  Result<void> encrypt(Clock::time_point deadline);
  /// Waits as the channel wants; an error if it has ended.
  Result<void> wait_for_channel(TlsClientChannel::Status status, Clock::time_point deadline) const;
  /// Bytes that came; none at the end of the connection.
  Result<std::size_t> receive(std::span<char> into, Clock::time_point deadline);
  Result<void> wait_for(short events, Clock::time_point deadline) const;
  Result<void> send(std::string_view bytes, Clock::time_point deadline);
  Result<void> read_head(HttpMethod method, Clock::time_point deadline);
  /// Reads once and parses; Errc::unavailable when the connection has ended too early.
  Result<void> read_more(Clock::time_point deadline);
  Result<void> parse();
  void finish();

  std::optional<BaseUrl> base_;
  TlsTrust trust_;
  int socket_ = -1;
  std::optional<TlsClientChannel> channel_;  // if it is encrypted
  std::string input_;                        // received, not parsed
  std::optional<ReplyParser> parser_;
};

void HttpClient::Impl::close() {
  channel_.reset();
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  input_.clear();
}

Result<void> HttpClient::Impl::wait_for(short events, Clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<Timeout>(deadline - Clock::now());
    pollfd wanted{socket_, events, 0};
    const int n = ::poll(&wanted, 1, static_cast<int>(std::max<Timeout::rep>(left.count(), 0)));
    if (n > 0) return {};
    if (n == 0) return Error{Errc::timeout_unknown_outcome, "no answer in time"};
    if (errno != EINTR) return broken("poll");
  }
}

Result<void> HttpClient::Impl::connect_to(const addrinfo& address, Clock::time_point deadline) {
  socket_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return broken("socket");
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return broken("connect");
  HG_CHECK(wait_for(POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return {};
  errno = error;
  return broken("connect");
}

Result<void> HttpClient::Impl::connect(Clock::time_point deadline) {
  if (!base_)
    return Error{Errc::invalid_argument, "not a URL of the form http://host:port or https://..."};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(base_->host.c_str(), base_->port.c_str(), &hints, &found) != 0) {
    return Error{Errc::unavailable, "unknown host " + base_->host};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Result<void> result = Errc::unavailable;
  for (const addrinfo* a = addresses.get(); a && !result; a = a->ai_next) {
    close();
    result = connect_to(*a, deadline);
  }
  if (result && base_->is_encrypted) result = encrypt(deadline);
  if (!result) close();
  return result;
}

Result<void> HttpClient::Impl::encrypt(Clock::time_point deadline) {
  HG_TRY(auto channel, TlsClientChannel::make(trust_, base_->host, socket_));
  channel_ = std::move(channel);
  for (;;) {
    const auto status = channel_->shake_hands();
    if (status == TlsClientChannel::Status::done) return {};
    HG_CHECK(wait_for_channel(status, deadline));
  }
}

Result<void> HttpClient::Impl::wait_for_channel(TlsClientChannel::Status status,
                                                Clock::time_point deadline) const {
  if (status == TlsClientChannel::Status::ended)
    return Error{Errc::unavailable, channel_->reason()};
  return wait_for(status == TlsClientChannel::Status::wants_read ? POLLIN : POLLOUT, deadline);
}

Result<void> HttpClient::Impl::send(std::string_view bytes, Clock::time_point deadline) {
  while (channel_ && !bytes.empty()) {
    std::size_t count = 0;
    const auto status = channel_->write_some(bytes, count);
    if (status == TlsClientChannel::Status::done)
      bytes.remove_prefix(count);
    else
      HG_CHECK(wait_for_channel(status, deadline));
  }
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      HG_CHECK(wait_for(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return broken("send");
    }
  }
  return {};
}

Result<void> HttpClient::Impl::parse() {
  while (!input_.empty() && !parser_->is_done()) {
    // Beast asserts that it sees at least the shortest end of a chunked body.
    if (parser_->is_header_done() && parser_->chunked() && input_.size() < 5) return {};
    boost::beast::error_code ec;
    const std::size_t taken = parser_->put(boost::asio::buffer(input_), ec);
    input_.erase(0, taken);
    if (ec == http::error::need_more) return {};
    if (ec) return Error{Errc::unavailable, "malformed answer: " + ec.message()};
  }
  return {};
}

Result<std::size_t> HttpClient::Impl::receive(std::span<char> into, Clock::time_point deadline) {
  while (channel_) {
    std::size_t count = 0;
    const auto status = channel_->read_some(into.data(), into.size(), count);
    if (status == TlsClientChannel::Status::done) return count;
    if (status == TlsClientChannel::Status::ended) return std::size_t{0};
    HG_CHECK(wait_for_channel(status, deadline));
  }
  for (;;) {
    HG_CHECK(wait_for(POLLIN, deadline));
    const ssize_t n = ::recv(socket_, into.data(), into.size(), 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EAGAIN && errno != EINTR) return broken("recv");
  }
}

Result<void> HttpClient::Impl::read_more(Clock::time_point deadline) {
  std::array<char, 16 * 1024> buffer;
  HG_TRY(const std::size_t count, receive(buffer, deadline));
  if (count > 0) {
    input_.append(buffer.data(), count);
    return parse();
  }
  boost::beast::error_code ec = http::error::partial_message;
  if (parser_->got_some()) parser_->put_eof(ec);
  if (ec) return Error{Errc::unavailable, "the connection ended within the answer"};
  return {};
}

Result<void> HttpClient::Impl::read_head(HttpMethod method, Clock::time_point deadline) {
  for (;;) {
    parser_.emplace(method == HttpMethod::head);
    HG_CHECK(parse());
    while (!parser_->is_header_done()) HG_CHECK(read_more(deadline));
    if (parser_->reply.status / 100 != 1) return {};
  }
}

Result<HttpReply> HttpClient::Impl::open(HttpMethod method, const std::string& request,
                                         Timeout timeout) {
  const auto deadline = Clock::now() + timeout;
  if (parser_ && !parser_->is_done()) close();
  for (;;) {
    const bool is_kept = socket_ >= 0;
    if (!is_kept) HG_CHECK(connect(deadline));
    // A server that refuses a body answers before it has read it, so look for an answer anyway.
    const Result<void> sent = send(request, deadline);
    Result<void> result = read_head(method, deadline);
    if (result) break;
    const bool has_answer = parser_->got_some();
    close();
    const bool may_retry = is_kept && !has_answer && result.error().code == Errc::unavailable;
    if (!may_retry) return sent ? std::move(result).error() : sent.error();
  }
  HttpReply head;
  head.status = parser_->reply.status;
  head.headers = std::move(parser_->reply.headers);
  return head;
}

void HttpClient::Impl::finish() {
  if (!parser_->keep_alive()) close();
}

Result<std::string> HttpClient::Impl::read_rest(Timeout timeout) {
  HG_ASSERT(parser_.has_value());
  const auto deadline = Clock::now() + timeout;
  while (!parser_->is_done()) {
    if (auto more = read_more(deadline); !more) {
      close();
      return std::move(more).error();
    }
  }
  finish();
  return std::exchange(parser_->reply.body, {});
}

Result<std::optional<std::string>> HttpClient::Impl::read_line(Timeout timeout) {
  HG_ASSERT(parser_.has_value());
  const auto deadline = Clock::now() + timeout;
  std::string& body = parser_->reply.body;
  for (;;) {
    const std::size_t end = body.find('\n');
    if (end != std::string::npos) {
      std::string line = body.substr(0, end);
      body.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return std::optional(std::move(line));
    }
    if (parser_->is_done()) {
      finish();
      if (body.empty()) return std::optional<std::string>();
      return std::optional(std::exchange(body, {}));
    }
    HG_CHECK(read_more(deadline));
  }
}

Result<HttpReply> HttpClient::Impl::whole(HttpMethod method, const std::string& request,
                                          Timeout timeout) {
  const auto started = Clock::now();
  HG_TRY(HttpReply reply, open(method, request, timeout));
  const auto spent = std::chrono::floor<Timeout>(Clock::now() - started);
  HG_TRY(reply.body, read_rest(timeout - spent));
  return reply;
}

std::string HttpClient::Impl::format(HttpMethod method, std::string_view target,
                                     const HttpHeaders& headers, std::string_view body) const {
  if (!base_) return {};
  std::string text = fmt::format("{} {}{} HTTP/1.1\r\n", to_string(method), base_->path, target);
  if (!headers.has("Host")) text += fmt::format("Host: {}:{}\r\n", base_->host, base_->port);
  text += headers.wire_text();
  const bool has_length = headers.has("Content-Length") || headers.has("Transfer-Encoding");
  const bool may_have_body = method == HttpMethod::put || method == HttpMethod::post;
  if (!has_length && (may_have_body || !body.empty())) {
    text += fmt::format("Content-Length: {}\r\n", body.size());
  }
  return text.append("\r\n").append(body);
}

namespace {

HttpHeaders with_json(HttpHeaders headers) {
  if (!headers.has("Content-Type")) headers.add("Content-Type", "application/json");
  return headers;
}

}  // namespace

HttpClient::HttpClient(std::string_view base_url, TlsTrust trust)
    : impl_(std::make_unique<Impl>(base_url, std::move(trust))) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpReply> HttpClient::request(HttpMethod method, std::string_view target,
                                      HttpHeaders headers, std::string_view body, Timeout timeout) {
  return impl_->whole(method, impl_->format(method, target, headers, body), timeout);
}

Result<HttpReply> HttpClient::get(std::string_view target, HttpHeaders headers) {
  return request(HttpMethod::get, target, std::move(headers));
}

Result<HttpReply> HttpClient::put(std::string_view target, std::string_view json,
                                  HttpHeaders headers) {
  return request(HttpMethod::put, target, with_json(std::move(headers)), json);
}

Result<HttpReply> HttpClient::post(std::string_view target, std::string_view json,
                                   HttpHeaders headers) {
  return request(HttpMethod::post, target, with_json(std::move(headers)), json);
}

Result<HttpReply> HttpClient::del(std::string_view target, HttpHeaders headers) {
  return request(HttpMethod::del, target, std::move(headers));
}

Result<HttpReply> HttpClient::open_stream(HttpMethod method, std::string_view target,
                                          HttpHeaders headers, std::string_view body,
                                          Timeout timeout) {
  return impl_->open(method, impl_->format(method, target, headers, body), timeout);
}

Result<std::optional<std::string>> HttpClient::read_line(Timeout timeout) {
  return impl_->read_line(timeout);
}

Result<std::string> HttpClient::read_rest(Timeout timeout) {
  return impl_->read_rest(timeout);
}

void HttpClient::close() {
  impl_->close();
}

}  // namespace headgate
