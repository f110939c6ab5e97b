// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <memory>

#include "net/tls_context.hpp"

namespace headgate {

struct OutgoingBytes;

/// One side of a TLS connection over a socket that does not block: the server's. The handshake is
/// part of the first reads. Confined to its executor; the socket must outlive it.
class TlsChannel {
 public:
  enum class Status : unsigned char { done, would_block, ended };

  TlsChannel(const TlsContext& context, int socket);

  Status read_some(char* into, std::size_t capacity, std::size_t& count);
  /// Writes `bytes` beyond the first `sent`, and adds what went out to `sent`.
  Status write_some(const OutgoingBytes& bytes, std::size_t& sent);
  /// Bytes are here that the socket will not announce again.
  bool has_pending() const;
  /// Tells the peer, as far as that does not block, that nothing more comes.
  void shut_down();

 private:
  Status failure(int result);

  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  bool is_broken_ = false;
};

}  // namespace headgate
