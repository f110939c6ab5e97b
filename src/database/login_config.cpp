// SPDX-License-Identifier: Apache-2.0
#include "database/login_config.hpp"

#include <algorithm>
#include <utility>

#include "database/config_fields.hpp"

namespace headgate {
namespace {

using namespace config_fields;

constexpr Names<CookieSameSite, 3> kSameSites{{{"lax", CookieSameSite::lax},
                                               {"strict", CookieSameSite::strict},
                                               {"none", CookieSameSite::none}}};

Result<void> read_seconds(const JsonView& value, Bounds bounds, std::chrono::seconds& into) {
  HG_TRY(const std::uint64_t seconds, read_number(value, bounds));
  into = std::chrono::seconds(seconds);
  return {};
}

constexpr std::uint64_t kLifeMax = static_cast<std::uint64_t>(kSessionLifeMax.count());

constexpr Field<SessionConfig> kSessionFields[] = {
    {"ttl_s",
     [](const JsonView& v, SessionConfig& c) { return read_seconds(v, {1, kLifeMax}, c.life); }},
    {"cookie_secure",
     [](const JsonView& v, SessionConfig& c) { return read_bool(v, c.is_cookie_secure); }},
    {"cookie_same_site",
     [](const JsonView& v, SessionConfig& c) { return read_name(v, kSameSites, c.same_site); }},
};

bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (text.starts_with(scheme) && text.size() > scheme.size())
      return text.substr(scheme.size()).find_first_of("/?# @*,") == std::string_view::npos;
  return false;
}

Result<void> read_origins(const JsonView& value, std::set<std::string>& into) {
  constexpr std::string_view kWanted =
      "must be a list of origins: \"https://app.example\", or \"*\"";
  if (!value.is_array()) return wrong(kWanted);
  into.clear();
  for (const JsonView& element : value.elements()) {
    std::string origin = element.as_string().value_or("");
    std::ranges::transform(origin, origin.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (origin != "*" && !is_origin(origin)) return wrong(kWanted);
    into.insert(std::move(origin));
  }
  return {};
}

constexpr Field<CorsConfig> kCorsFields[] = {
    {"origins", [](const JsonView& v, CorsConfig& c) { return read_origins(v, c.origins); }},
    {"credentials",
     [](const JsonView& v, CorsConfig& c) { return read_bool(v, c.allows_credentials); }},
    {"max_age_s",
     [](const JsonView& v, CorsConfig& c) { return read_seconds(v, {0, 86'400}, c.max_age); }},
};

constexpr Names<TokenAlgorithm> kAlgorithms{
    {{"HS256", TokenAlgorithm::hs256}, {"RS256", TokenAlgorithm::rs256}}};

/// A key as it stands in a configuration.
struct KeyConfig {
  std::string alg;
  std::string kid;
  std::string secret;
  std::string public_key;
};

constexpr Field<KeyConfig> kKeyFields[] = {
    {"alg", [](const JsonView& v, KeyConfig& k) { return read_text(v, k.alg); }},
    {"kid", [](const JsonView& v, KeyConfig& k) { return read_text(v, k.kid); }},
    {"secret", [](const JsonView& v, KeyConfig& k) { return read_text(v, k.secret); }},
    {"public_key", [](const JsonView& v, KeyConfig& k) { return read_text(v, k.public_key); }},
};

Result<TokenKey> read_key(const JsonView& value) {
  KeyConfig key;
  HG_CHECK(read_fields<KeyConfig>(value, kKeyFields, key));
  if (key.alg == "HS256" && key.public_key.empty())
    return TokenKey::hs256(std::move(key.kid), std::move(key.secret));
  if (key.alg == "RS256" && key.secret.empty())
    return TokenKey::rs256(std::move(key.kid), std::move(key.public_key));
  return wrong("must have \"alg\" HS256 and \"secret\", or RS256 and \"public_key\"");
}

Result<void> read_keys(const JsonView& value, std::vector<TokenKey>& into) {
  if (!value.is_array()) return wrong("must be a list of keys");
  for (const JsonView& element : value.elements()) {
    HG_TRY(TokenKey key, read_key(element));
    into.push_back(std::move(key));
  }
  return {};
}

constexpr Field<TokenIssuer> kIssuerFields[] = {
    {"issuer", [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.issuer); }},
    {"audience", [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.audience); }},
    {"keys", [](const JsonView& v, TokenIssuer& i) { return read_keys(v, i.keys); }},
    {"username_claim",
     [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.username_claim); }},
    {"user_prefix", [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.user_prefix); }},
    {"roles_claim", [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.roles_claim); }},
    {"channels_claim",
     [](const JsonView& v, TokenIssuer& i) { return read_text(v, i.channels_claim); }},
    {"register", [](const JsonView& v, TokenIssuer& i) { return read_bool(v, i.makes_users); }},
};

void print_key(JsonWriter& out, const TokenKey& key) {
  out.begin_object().key("alg").string(name_of(kAlgorithms, key.algorithm()));
  if (!key.id().empty()) out.key("kid").string(key.id());
  out.key(key.algorithm() == TokenAlgorithm::hs256 ? "secret" : "public_key");
  out.string(key.material()).end_object();
}

void print_issuer(JsonWriter& out, const TokenIssuer& issuer) {
  out.begin_object().key("issuer").string(issuer.issuer);
  out.key("audience").string(issuer.audience).key("keys").begin_array();
  for (const TokenKey& key : issuer.keys) print_key(out, key);
  out.end_array().key("username_claim").string(issuer.username_claim);
  if (!issuer.user_prefix.empty()) out.key("user_prefix").string(issuer.user_prefix);
  if (!issuer.roles_claim.empty()) out.key("roles_claim").string(issuer.roles_claim);
  if (!issuer.channels_claim.empty()) out.key("channels_claim").string(issuer.channels_claim);
  out.key("register").boolean(issuer.makes_users).end_object();
}

}  // namespace

bool CorsConfig::allows(std::string_view origin) const {
  return origins.contains("*") || origins.contains(std::string(origin));
}

Result<CorsConfig> CorsConfig::parse(const JsonView& object) {
  CorsConfig config;
  HG_CHECK(read_fields<CorsConfig>(object, kCorsFields, config));
  if (config.allows_credentials && config.origins.contains("*"))
    return wrong("must name its origins if it has \"credentials\"");
  return config;
}

void CorsConfig::print(JsonWriter& out) const {
  out.begin_object().key("origins").begin_array();
  for (const std::string& origin : origins) out.string(origin);
  out.end_array().key("credentials").boolean(allows_credentials);
  out.key("max_age_s").number(std::int64_t{max_age.count()}).end_object();
}

Result<std::vector<TokenIssuer>> parse_token_issuers(const JsonView& list) {
  if (!list.is_array()) return wrong("must be a list of issuers");
  std::vector<TokenIssuer> issuers;
  for (const JsonView& element : list.elements()) {
    TokenIssuer& issuer = issuers.emplace_back();
    HG_CHECK(read_fields<TokenIssuer>(element, kIssuerFields, issuer));
    if (issuer.issuer.empty() || issuer.audience.empty() || issuer.keys.empty())
      return wrong("must have \"issuer\", \"audience\" and \"keys\" in each");
    if (std::ranges::count(issuers, issuer.issuer, &TokenIssuer::issuer) > 1)
      return wrong("names an issuer twice");
  }
  return issuers;
}

void print_token_issuers(JsonWriter& out, const std::vector<TokenIssuer>& issuers) {
  out.begin_array();
  for (const TokenIssuer& issuer : issuers) print_issuer(out, issuer);
  out.end_array();
}

Result<SessionConfig> SessionConfig::parse(const JsonView& object) {
  SessionConfig config;
  HG_CHECK(read_fields<SessionConfig>(object, kSessionFields, config));
  return config;
}

void SessionConfig::print(JsonWriter& out) const {
  out.begin_object().key("ttl_s").number(std::int64_t{life.count()});
  out.key("cookie_secure").boolean(is_cookie_secure);
  out.key("cookie_same_site").string(name_of(kSameSites, same_site)).end_object();
}

}  // namespace headgate
