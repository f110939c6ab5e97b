// SPDX-License-Identifier: Apache-2.0
#include "net/tls_client_channel.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>

namespace headgate {

namespace {

std::string last_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason ? reason : "the connection has ended";
}

}  // namespace

TlsClientChannel::TlsClientChannel(SSL* ssl) : ssl_(ssl, SSL_free) {}

Result<TlsClientChannel> TlsClientChannel::make(const TlsTrust& trust, const std::string& host,
                                                int socket) {
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  ERR_clear_error();
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context.get(), trust.is_blind ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  const int is_loaded = trust.ca_file.empty()
                            ? SSL_CTX_set_default_verify_paths(context.get())
                            : SSL_CTX_load_verify_file(context.get(), trust.ca_file.c_str());
  if (is_loaded != 1)
    return Error{Errc::invalid_argument, "certificates " + trust.ca_file + ": " + last_error()};
  TlsClientChannel channel(SSL_new(context.get()));
  SSL* ssl = channel.ssl_.get();
  SSL_set_fd(ssl, socket);
  // An address stands in a certificate as an address, and is no name to ask for.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1) {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  }
  return channel;
}

TlsClientChannel::Status TlsClientChannel::status_of(int result) {
  if (result == 1) return Status::done;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Status::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Status::wants_write;
    default:
      break;
  }
  const long verified = SSL_get_verify_result(ssl_.get());
  reason_ = verified == X509_V_OK ? last_error() : X509_verify_cert_error_string(verified);
  return Status::ended;
}

TlsClientChannel::Status TlsClientChannel::shake_hands() {
  ERR_clear_error();
  return status_of(SSL_connect(ssl_.get()));
}

TlsClientChannel::Status TlsClientChannel::read_some(char* into, std::size_t capacity,
                                                     std::size_t& count) {
  ERR_clear_error();
  return status_of(SSL_read_ex(ssl_.get(), into, capacity, &count));
}

TlsClientChannel::Status TlsClientChannel::write_some(std::string_view bytes, std::size_t& count) {
  ERR_clear_error();
  return status_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count));
}

std::string TlsClientChannel::reason() const {
  return "TLS: " + reason_;
}

}  // namespace headgate
