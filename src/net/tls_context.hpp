// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

// OpenSSL's own names, so that no header of it is needed here.
struct ssl_ctx_st;

namespace headgate {

/// Certificate and key of a server that encrypts its connections: TLS 1.2 and newer. Immutable;
/// safe from any thread.
class TlsContext {
 public:
  /// Files in PEM: the certificate, with the chain behind it, and its key.
  /// Errors: invalid_argument (a file that cannot be read or used, a key of another certificate).
  static Result<std::shared_ptr<const TlsContext>> load(const std::string& certificate_file,
                                                        const std::string& key_file);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace headgate
