// SPDX-License-Identifier: Apache-2.0
#include "net/test_websocket.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

namespace headgate {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

constexpr int kPatienceMs = 20'000;

/// A socket that counts what it reads, and does not wait for ever.
struct CountedSocket : tcp::socket {
  using tcp::socket::socket;
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& ec) {
    pollfd waited{native_handle(), POLLIN, 0};
    if (::poll(&waited, 1, kPatienceMs) == 0) {
      ec = asio::error::timed_out;
      return 0;
    }
    const std::size_t count = tcp::socket::read_some(buffers, ec);
    received += count;
    return count;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code ec;
    const std::size_t count = read_some(buffers, ec);
    if (ec) throw boost::system::system_error(ec);
    return count;
  }
  std::size_t received = 0;
};

void teardown(beast::role_type, CountedSocket& socket, boost::system::error_code& ec) {
  socket.close(ec);
}

}  // namespace

class TestWebSocket::Impl {
 public:
  Impl(std::uint16_t port, std::string_view target, Options options) {
    tcp::socket& socket = stream.next_layer();
    socket.open(tcp::v4());
    if (options.receive_buffer > 0)
      socket.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer));
    socket.connect({asio::ip::address_v4::loopback(), port});
    websocket::permessage_deflate deflate;
    deflate.client_enable = options.compresses;
    stream.set_option(deflate);
    stream.read_message_max(0);
    stream.set_option(websocket::stream_base::decorator(
        [headers = options.headers](websocket::request_type& request) {
          for (std::size_t i = 0; i < headers.size(); ++i) {
            const auto [name, value] = headers[i];
            request.insert(beast::string_view(name.data(), name.size()),
                           beast::string_view(value.data(), value.size()));
          }
        }));
    stream.control_callback([this](websocket::frame_type kind, beast::string_view) {
      if (kind == websocket::frame_type::pong) ++pongs;
    });
    const std::string host = "127.0.0.1:" + std::to_string(port);
    stream.handshake(response, host, beast::string_view(target.data(), target.size()), ec);
  }

  asio::io_context context;
  websocket::stream<CountedSocket, true> stream{context};
  websocket::response_type response;
  boost::system::error_code ec;
  int pongs = 0;
};

TestWebSocket::TestWebSocket(std::uint16_t port, std::string_view target, Options options)
    : impl_(std::make_unique<Impl>(port, target, std::move(options))) {}
TestWebSocket::~TestWebSocket() = default;

int TestWebSocket::status() const {
  return static_cast<int>(impl_->response.result_int());
}

std::string TestWebSocket::header(std::string_view name) const {
  const auto value = impl_->response[beast::string_view(name.data(), name.size())];
  return {value.data(), value.size()};
}

void TestWebSocket::send(std::string_view text) {
  impl_->stream.text(true);
  impl_->stream.write(asio::buffer(text), impl_->ec);
}

void TestWebSocket::ping() {
  impl_->stream.ping({}, impl_->ec);
}

int TestWebSocket::pongs() const {
  return impl_->pongs;
}

std::optional<std::string> TestWebSocket::read() {
  beast::flat_buffer buffer;
  impl_->stream.read(buffer, impl_->ec);
  EXPECT_NE(impl_->ec, asio::error::timed_out) << "nothing came in time";
  if (impl_->ec) return std::nullopt;
  return std::string(static_cast<const char*>(buffer.data().data()), buffer.size());
}

std::uint16_t TestWebSocket::close_code() const {
  return impl_->stream.reason().code;
}

std::string TestWebSocket::close_reason() const {
  return impl_->stream.reason().reason.c_str();
}

void TestWebSocket::close() {
  impl_->stream.close(websocket::close_code::normal, impl_->ec);
}

void TestWebSocket::drop() {
  impl_->stream.next_layer().close(impl_->ec);
}

std::size_t TestWebSocket::received_bytes() const {
  return impl_->stream.next_layer().received;
}

}  // namespace headgate
