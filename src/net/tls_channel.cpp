// SPDX-License-Identifier: Apache-2.0
#include "net/tls_channel.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string>

#include "net/tcp_connection.hpp"

namespace headgate {

namespace {

/// A TLS record holds no more.
constexpr std::size_t kRecordBytes = 16 * 1024;

/// Up to a record of what is left of `bytes` beyond the first `skip`; `copy` keeps it if it lies in
/// several parts.
std::string_view next_record(const OutgoingBytes& bytes, std::size_t skip, std::string& copy) {
  for (std::size_t i = 0; i < bytes.part_count(); ++i) {
    std::string_view part = bytes.part(i);
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    part.remove_prefix(skipped);
    if (part.empty()) continue;
    if (copy.empty() && part.size() >= kRecordBytes) return part.substr(0, kRecordBytes);
    copy += part.substr(0, kRecordBytes - copy.size());
    if (copy.size() == kRecordBytes) break;
  }
  return copy;
}

}  // namespace

TlsChannel::TlsChannel(const TlsContext& context, int socket)
    : ssl_(SSL_new(context.get()), SSL_free) {
  SSL_set_fd(ssl_.get(), socket);
  SSL_set_accept_state(ssl_.get());
}

// Without renegotiation a read never waits for room to write for long, nor the other way round.
TlsChannel::Status TlsChannel::failure(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Status::would_block;
  is_broken_ = error != SSL_ERROR_ZERO_RETURN;
  return Status::ended;
}

TlsChannel::Status TlsChannel::read_some(char* into, std::size_t capacity, std::size_t& count) {
  if (is_broken_) return Status::ended;
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_.get(), into, capacity, &count);
  return result == 1 ? Status::done : failure(result);
}

TlsChannel::Status TlsChannel::write_some(const OutgoingBytes& bytes, std::size_t& sent) {
  while (!is_broken_) {
    std::string copy;
    const std::string_view record = next_record(bytes, sent, copy);
    if (record.empty()) return Status::done;
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl_.get(), record.data(), record.size(), &written);
    if (result != 1) return failure(result);
    sent += written;
  }
  return Status::ended;
}

bool TlsChannel::has_pending() const {
  return SSL_has_pending(ssl_.get()) == 1;
}

void TlsChannel::shut_down() {
  if (is_broken_ || SSL_in_init(ssl_.get()) == 1) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

}  // namespace headgate
