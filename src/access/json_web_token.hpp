// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"

namespace headgate {

enum class TokenAlgorithm : unsigned char { hs256, rs256 };

/// A key that signs the tokens of one issuer. It serves its own algorithm alone: a public key is
/// never taken for a secret.
class TokenKey {
 public:
  /// `secret` has at least 32 bytes. Errors: invalid_argument.
  static Result<TokenKey> hs256(std::string id, std::string secret);
  /// `pem` holds a public RSA key of at least 2,048 bits. Errors: invalid_argument.
  static Result<TokenKey> rs256(std::string id, std::string pem);

  TokenAlgorithm algorithm() const { return algorithm_; }
  const std::string& id() const { return id_; }              ///< `kid`; empty: fits any
  const std::string& material() const { return material_; }  ///< the secret, or the PEM text

  bool verifies(std::string_view signed_text, std::string_view signature) const;

  friend bool operator==(const TokenKey& a, const TokenKey& b) {
    return a.algorithm_ == b.algorithm_ && a.id_ == b.id_ && a.material_ == b.material_;
  }

 private:
  TokenKey(TokenAlgorithm algorithm, std::string id, std::string material)
      : algorithm_(algorithm), id_(std::move(id)), material_(std::move(material)) {}

  TokenAlgorithm algorithm_;
  std::string id_;
  std::string material_;
  std::shared_ptr<EVP_PKEY> public_key_;  // of rs256
};

/// Whose tokens a database takes, and what it reads in them.
struct TokenIssuer {
  std::string issuer;    ///< `iss`
  std::string audience;  ///< must be among `aud`
  std::vector<TokenKey> keys;
  std::string username_claim = "sub";
  std::string user_prefix;     ///< before the name in the claim
  std::string roles_claim;     ///< empty: tokens give no roles
  std::string channels_claim;  ///< empty: tokens give no channels
  bool makes_users = false;    ///< else the user must exist

  friend bool operator==(const TokenIssuer&, const TokenIssuer&) = default;
};

/// What a good token says.
struct TokenClaims {
  std::string user;
  /// Absent: the issuer gives none, and those of the user stay as they are.
  std::optional<std::set<std::string>> roles;
  std::optional<std::set<std::string>> channels;
  std::uint64_t issued_at = 0;  ///< seconds since 1970
  bool makes_user = false;
};

/// Reads and verifies a JSON Web Token in compact form (RFC 7515, 7519): one of the issuer's keys
/// of the header's algorithm signed it, it is meant for the audience, and now lies between `nbf`
/// and `exp` (demanded), give or take a minute. `iat` is demanded where roles or channels are read:
/// the newer token wins. Algorithm `none`, critical extensions and tokens over 16 KiB are refused.
/// Errors: unauthorized; what is wrong is told only of tokens with a good signature.
Result<TokenClaims> verify_token(std::string_view token, const std::vector<TokenIssuer>& issuers,
                                 WallTime now);

}  // namespace headgate
