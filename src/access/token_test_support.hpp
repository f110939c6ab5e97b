// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "document/base64.hpp"

// Tokens as an identity provider makes them, for tests.
namespace headgate {

inline std::string base64url(std::string_view bytes) {
  std::string text = encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

/// Of an RSA key of so many bits.
class RsaSigner {
 public:
  explicit RsaSigner(unsigned bits = 2048) : key_(EVP_RSA_gen(bits), EVP_PKEY_free) {}

  std::string public_pem() const {
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(bio.get(), key_.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  std::string sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(), nullptr);
    std::string signature(512, '\0');
    std::size_t length = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(length);
    return signature;
  }

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
};

inline std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  std::size_t length = 0;
  EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
            reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(),
            code.size(), &length);
  return {reinterpret_cast<const char*>(code.data()), length};
}

inline std::string unsigned_token(std::string_view header, std::string_view claims) {
  return base64url(header) + "." + base64url(claims);
}

inline std::string hs256_token(std::string_view secret, std::string_view claims,
                               std::string_view header = R"({"alg":"HS256","typ":"JWT"})") {
  const std::string text = unsigned_token(header, claims);
  return text + "." + base64url(hmac_sha256(secret, text));
}

inline std::string rs256_token(const RsaSigner& signer, std::string_view claims,
                               std::string_view header = R"({"alg":"RS256","typ":"JWT"})") {
  const std::string text = unsigned_token(header, claims);
  return text + "." + base64url(signer.sign(text));
}

}  // namespace headgate
