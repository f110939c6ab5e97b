// SPDX-License-Identifier: Apache-2.0
#include "document/md5.hpp"

#include <openssl/evp.h>

#include <memory>

#include "base/assert.hpp"

namespace headgate {

namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// Fetched once: an implicit fetch at each digest costs more than the digest of a small document.
const EVP_MD* algorithm() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "MD5", nullptr);
  HG_ASSERT(kFetched != nullptr);
  return kFetched;
}

}  // namespace

Md5 md5(std::string_view bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> kContext(EVP_MD_CTX_new());
  Md5 digest{};
  HG_ASSERT(EVP_DigestInit_ex2(kContext.get(), algorithm(), nullptr) == 1);
  HG_ASSERT(EVP_DigestUpdate(kContext.get(), bytes.data(), bytes.size()) == 1);
  HG_ASSERT(EVP_DigestFinal_ex(kContext.get(), digest.data(), nullptr) == 1);
  return digest;
}

std::string to_hex(const Md5& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(digest.size() * 2);
  for (const unsigned char byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace headgate
