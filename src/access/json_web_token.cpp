// SPDX-License-Identifier: Apache-2.0
#include "access/json_web_token.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "access/channel_name.hpp"
#include "access/password.hpp"
#include "document/base64.hpp"
#include "document/json.hpp"

namespace headgate {
namespace {

constexpr std::size_t kTokenBytesMax = 16 * 1024;
constexpr std::size_t kSecretBytesMin = 32;  // RFC 7518, 3.2
constexpr int kRsaBitsMin = 2'048;           // RFC 7518, 3.3
constexpr double kLeewaySeconds = 60;
constexpr std::size_t kNamesMax = 1'000;

Error invalid() {
  return {Errc::unauthorized, "Invalid token"};
}

Error refused(std::string_view why) {
  return {Errc::unauthorized, fmt::format("Invalid token: {}", why)};
}

Result<std::string> decode_base64url(std::string_view text) {
  std::string base64(text);
  if (base64.find_first_of("+/=") != std::string::npos) return invalid();
  std::ranges::replace(base64, '-', '+');
  std::ranges::replace(base64, '_', '/');
  base64.append((4 - base64.size() % 4) % 4, '=');
  return decode_base64(base64);
}

/// One part of a token that is a JSON object.
Result<std::string> decode_object(std::string_view part) {
  HG_TRY(std::string text, decode_base64url(part));
  HG_CHECK(validate_json(text, {.depth_max = 16, .bytes_max = kTokenBytesMax}));
  if (!JsonView(text).is_object()) return invalid();
  return text;
}

struct Parts {
  std::string header;  // JSON objects
  std::string claims;
  std::string_view signed_text;
  std::string signature;
};

Result<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (token.size() > kTokenBytesMax || first == std::string_view::npos || first == last)
    return invalid();
  Parts parts;
  parts.signed_text = token.substr(0, last);
  HG_TRY(parts.header, decode_object(token.substr(0, first)));
  HG_TRY(parts.claims, decode_object(token.substr(first + 1, last - first - 1)));
  HG_TRY(parts.signature, decode_base64url(token.substr(last + 1)));
  return parts;
}

std::string text_in(const JsonView& object, std::string_view name) {
  const auto member = object.find(name);
  return member ? member->as_string().value_or("") : "";
}

bool is_signed_by(const Parts& parts, const TokenIssuer& issuer) {
  const JsonView header(parts.header);
  if (header.find("crit")) return false;
  const std::string algorithm = text_in(header, "alg");
  const std::string id = text_in(header, "kid");
  return std::ranges::any_of(issuer.keys, [&](const TokenKey& key) {
    const bool is_hs256 = key.algorithm() == TokenAlgorithm::hs256;
    return algorithm == (is_hs256 ? "HS256" : "RS256") &&
           (id.empty() || key.id().empty() || id == key.id()) &&
           key.verifies(parts.signed_text, parts.signature);
  });
}

bool is_meant_for(const JsonView& claims, std::string_view audience) {
  const auto named = claims.find("aud");
  if (!named) return false;
  if (named->as_string() == audience) return true;
  for (const JsonView& one : named->elements())
    if (one.as_string() == audience) return true;
  return false;
}

/// NumericDate; NaN if it is none.
double seconds_in(const JsonView& claims, std::string_view name) {
  const auto member = claims.find(name);
  return (member ? member->as_double() : std::nullopt).value_or(std::nan(""));
}

Result<void> check_times(const JsonView& claims, double now) {
  // Comparisons with NaN are false.
  if (!(seconds_in(claims, "exp") + kLeewaySeconds > now)) return refused("expired");
  for (const char* name : {"nbf", "iat"})
    if (claims.find(name) && !(seconds_in(claims, name) - kLeewaySeconds <= now))
      return refused("not valid yet");
  return {};
}

using CheckName = Result<void> (*)(std::string_view name);

/// A list of names, or one; absent names none.
Result<std::set<std::string>> names_in(const JsonView& claims, const std::string& claim,
                                       CheckName check) {
  std::set<std::string> names;
  const auto member = claims.find(claim);
  if (!member || member->is_null()) return names;
  if (auto one = member->as_string()) names.insert(*std::move(one));
  if (!member->is_string() && !member->is_array()) return refused(claim + " is no list of names");
  for (const JsonView& element : member->elements()) {
    auto name = element.as_string();
    if (!name) return refused(claim + " is no list of names");
    names.insert(*std::move(name));
  }
  const auto is_good = [check](const std::string& name) { return check(name).has_value(); };
  if (names.size() > kNamesMax || !std::ranges::all_of(names, is_good))
    return refused(claim + " has a name that none can have, or too many");
  return names;
}

Result<TokenClaims> read_claims(const JsonView& claims, const TokenIssuer& issuer) {
  TokenClaims read;
  const std::string name = text_in(claims, issuer.username_claim);
  read.user = issuer.user_prefix + name;
  if (name.empty() || !check_principal_name(read.user))
    return refused(issuer.username_claim + " is no user's name");
  read.makes_user = issuer.makes_users;
  if (!issuer.roles_claim.empty()) {
    HG_TRY(read.roles, names_in(claims, issuer.roles_claim, check_principal_name));
  }
  if (!issuer.channels_claim.empty()) {
    HG_TRY(read.channels, names_in(claims, issuer.channels_claim, check_channel_name));
  }
  const double issued_at = seconds_in(claims, "iat");
  if (issued_at > 0) read.issued_at = static_cast<std::uint64_t>(issued_at);
  if ((read.roles || read.channels) && read.issued_at == 0) return refused("iat is missing");
  return read;
}

std::shared_ptr<EVP_PKEY> read_public_key(const std::string& pem) {
  const std::unique_ptr<BIO, void (*)(BIO*)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), [](BIO* b) { BIO_free(b); });
  EVP_PKEY* key = bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr;
  return {key, [](EVP_PKEY* k) { EVP_PKEY_free(k); }};
}

}  // namespace

Result<TokenKey> TokenKey::hs256(std::string id, std::string secret) {
  if (secret.size() < kSecretBytesMin)
    return Error{Errc::invalid_argument, "a secret of HS256 must have at least 32 bytes"};
  return TokenKey(TokenAlgorithm::hs256, std::move(id), std::move(secret));
}

Result<TokenKey> TokenKey::rs256(std::string id, std::string pem) {
  TokenKey key(TokenAlgorithm::rs256, std::move(id), std::move(pem));
  key.public_key_ = read_public_key(key.material_);
  if (!key.public_key_ || EVP_PKEY_get_base_id(key.public_key_.get()) != EVP_PKEY_RSA)
    return Error{Errc::invalid_argument, "must be a public RSA key in PEM"};
  if (EVP_PKEY_get_bits(key.public_key_.get()) < kRsaBitsMin)
    return Error{Errc::invalid_argument, "an RSA key must have at least 2048 bits"};
  return key;
}

bool TokenKey::verifies(std::string_view signed_text, std::string_view signature) const {
  const auto* text = reinterpret_cast<const unsigned char*>(signed_text.data());
  if (algorithm_ == TokenAlgorithm::hs256) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
    std::size_t length = 0;
    const bool is_made =
        EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, material_.data(), material_.size(),
                  text, signed_text.size(), code.data(), code.size(), &length) != nullptr;
    const std::string_view made(reinterpret_cast<const char*>(code.data()), length);
    return is_made && is_equal_in_constant_time(made, signature);
  }
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  return EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr,
                                 public_key_.get(), nullptr) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), text, signed_text.size()) == 1;
}

Result<TokenClaims> verify_token(std::string_view token, const std::vector<TokenIssuer>& issuers,
                                 WallTime now) {
  const auto parts = split(token);
  if (!parts) return invalid();
  const JsonView claims(parts->claims);
  const auto issuer = std::ranges::find(issuers, text_in(claims, "iss"), &TokenIssuer::issuer);
  if (issuer == issuers.end() || !is_signed_by(*parts, *issuer)) return invalid();
  if (!is_meant_for(claims, issuer->audience)) return refused("meant for another audience");
  HG_CHECK(check_times(claims, std::chrono::duration<double>(now.time_since_epoch()).count()));
  return read_claims(claims, *issuer);
}

}  // namespace headgate
