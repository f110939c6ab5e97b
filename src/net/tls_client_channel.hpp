// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace headgate {

/// Whose certificates a client believes.
struct TlsTrust {
  std::string ca_file = {};  ///< in PEM; empty: the authorities that the system knows
  bool is_blind = false;     ///< believes everybody
};

/// The client's side of TLS over a connected socket that does not block. The socket must outlive
/// it. One thread.
class TlsClientChannel {
 public:
  enum class Status : unsigned char { done, wants_read, wants_write, ended };

  /// For a server that was asked for by `host`, a name or an address, which its certificate must
  /// have. Errors: invalid_argument (the file of `trust`).
  static Result<TlsClientChannel> make(const TlsTrust& trust, const std::string& host, int socket);

  /// To be repeated until it is done.
  Status shake_hands();
  Status read_some(char* into, std::size_t capacity, std::size_t& count);
  Status write_some(std::string_view bytes, std::size_t& count);
  /// Why the handshake, or what came after it, has ended.
  std::string reason() const;

 private:
  explicit TlsClientChannel(SSL* ssl);
  Status status_of(int result);

  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  std::string reason_;
};

}  // namespace headgate
