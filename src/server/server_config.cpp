// SPDX-License-Identifier: Apache-2.0
#include "server/server_config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <stdexcept>

// toml++ 3.3 asserts on some malformed keys ("[[[a"): a mistake in a file must not end the process
// without a word.
#define TOML_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : throw std::logic_error(#expression))
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

#include "access/password.hpp"

namespace headgate {

namespace {

/// What is read, and where it stands.
struct Value {
  const toml::node& node;
  const std::string& file;
  std::string key;  ///< with its tables: "admin.port"

  Error wrong(std::string_view what) const {
    return {Errc::invalid_argument,
            fmt::format("{}:{}: {}: {}", file, node.source().begin.line, key, what)};
  }
};

Result<std::string> text_of(const Value& value) {
  const auto text = value.node.value_exact<std::string>();
  if (!text || text->empty()) return value.wrong("must be a text in quotes");
  return *text;
}

template <class Number>
Result<void> read_number(const Value& value, std::uint64_t least, std::uint64_t greatest,
                         Number& into) {
  const auto number = value.node.value_exact<std::int64_t>();
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < least ||
      static_cast<std::uint64_t>(*number) > greatest)
    return value.wrong(fmt::format("must be a whole number from {} to {}", least, greatest));
  into = static_cast<Number>(*number);
  return {};
}

Result<void> read_text(const Value& value, std::string& into) {
  HG_TRY(into, text_of(value));
  return {};
}

Result<void> read_log_level(const Value& value, LogLevel& into) {
  HG_TRY(const std::string text, text_of(value));
  const auto level = parse_log_level(text);
  if (!level) return value.wrong(level.error().context);
  into = *level;
  return {};
}

constexpr std::uint64_t kSlowMillisecondsMax = 3'600'000;

Result<void> read_slow(const Value& value, ServerConfig& config) {
  std::uint64_t number = 0;
  HG_CHECK(read_number(value, 0, kSlowMillisecondsMax, number));
  config.slow_request = std::chrono::milliseconds(number);
  return {};
}

AdminLogin& login_of(ServerConfig& config) {
  if (!config.admin_login) config.admin_login.emplace();
  return *config.admin_login;
}

constexpr std::uint64_t kMegabyte = 1u << 20;
/// The largest single body must fit.
constexpr std::uint64_t kBodyMegabytesMin = 64;

Result<void> read_megabytes(const Value& value, std::size_t& into, std::uint64_t least = 8) {
  HG_CHECK(read_number(value, least, 1u << 20, into));
  into *= kMegabyte;
  return {};
}

Result<void> read_bool(const Value& value, bool& into) {
  const auto flag = value.node.value_exact<bool>();
  if (!flag) return value.wrong("must be true or false");
  into = *flag;
  return {};
}

Result<void> read_roles(const Value& value, ServerConfig& config) {
  constexpr std::string_view kForm =
      "must be a list of any of \"front_end\", \"reader\", \"cache_writer\"";
  const toml::array* list = value.node.as_array();
  if (list == nullptr) return value.wrong(kForm);
  NodeConfig& node = config.node;
  node.takes_writes = node.serves_feeds = node.is_cache_writer = false;
  for (const toml::node& role : *list) {
    const std::string name = role.value_exact<std::string>().value_or("");
    if (name == "front_end") {
      node.takes_writes = true;
    } else if (name == "reader") {
      node.serves_feeds = true;
    } else if (name == "cache_writer") {
      node.is_cache_writer = true;
    } else {
      return value.wrong(kForm);
    }
  }
  return {};
}

struct Setting {
  std::string_view table;  ///< empty: at the top
  std::string_view key;
  Result<void> (*read)(const Value& value, ServerConfig& config);
};

using Config = ServerConfig;

constexpr Setting kSettings[] = {
    {"", "data", [](const Value& v, Config& c) { return read_text(v, c.data); }},
    {"", "log_level", [](const Value& v, Config& c) { return read_log_level(v, c.log_level); }},
    {"log", "hide_user_data",
     [](const Value& v, Config& c) { return read_bool(v, c.hides_user_data); }},
    {"log", "slow_request_ms", [](const Value& v, Config& c) { return read_slow(v, c); }},
    {"", "worker_threads",
     [](const Value& v, Config& c) { return read_number(v, 1, 256, c.worker_threads); }},
    {"public", "address",
     [](const Value& v, Config& c) { return read_text(v, c.public_port.address); }},
    {"public", "port",
     [](const Value& v, Config& c) { return read_number(v, 0, 65'535, c.public_port.port); }},
    {"public", "tls_certificate",
     [](const Value& v, Config& c) { return read_text(v, c.public_port.tls_certificate); }},
    {"public", "tls_key",
     [](const Value& v, Config& c) { return read_text(v, c.public_port.tls_key); }},
    {"admin", "address",
     [](const Value& v, Config& c) { return read_text(v, c.admin_port.address); }},
    {"admin", "port",
     [](const Value& v, Config& c) { return read_number(v, 0, 65'535, c.admin_port.port); }},
    {"admin", "tls_certificate",
     [](const Value& v, Config& c) { return read_text(v, c.admin_port.tls_certificate); }},
    {"admin", "tls_key",
     [](const Value& v, Config& c) { return read_text(v, c.admin_port.tls_key); }},
    {"admin", "user", [](const Value& v, Config& c) { return read_text(v, login_of(c).user); }},
    {"admin", "password",
     [](const Value& v, Config& c) { return read_text(v, login_of(c).password); }},
    {"limits", "connections",
     [](const Value& v, Config& c) { return read_number(v, 10, 1'000'000, c.max_connections); }},
    {"limits", "requests",
     [](const Value& v, Config& c) { return read_number(v, 1, 1'000'000, c.max_requests); }},
    {"limits", "body_mb",
     [](const Value& v, Config& c) { return read_megabytes(v, c.body_bytes, kBodyMegabytesMin); }},
    {"node", "name", [](const Value& v, Config& c) { return read_text(v, c.node.name); }},
    {"node", "wake_ups",
     [](const Value& v, Config& c) { return read_bool(v, c.node.sends_wake_ups); }},
    {"node", "roles", [](const Value& v, Config& c) { return read_roles(v, c); }},
    {"store", "block_cache_mb",
     [](const Value& v, Config& c) { return read_megabytes(v, c.block_cache_bytes); }},
    {"store", "write_buffer_mb",
     [](const Value& v, Config& c) { return read_megabytes(v, c.write_buffer_bytes); }},
};

struct BucketSetting {
  std::string_view key;
  Result<void> (*read)(const Value& value, BucketConfig& config);
};

Result<void> read_engine(const Value& value, BucketConfig& config) {
  HG_TRY(const std::string name, text_of(value));
  if (name != "rocksdb" && name != "redis") return value.wrong("must be rocksdb or redis");
  config.engine = name == "redis" ? BucketConfig::Engine::redis : BucketConfig::Engine::rocksdb;
  return {};
}

Result<RedisAddress> address_of(const Value& value) {
  constexpr std::string_view kForm = "must be a list of texts like \"host:6379\"";
  const auto text = value.node.value_exact<std::string>();
  const auto colon = text ? text->rfind(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0) return value.wrong(kForm);
  const std::string_view port = std::string_view(*text).substr(colon + 1);
  RedisAddress address{text->substr(0, colon), 0};
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (code != std::errc() || end != port.data() + port.size() || address.port == 0)
    return value.wrong(kForm);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  return address;
}

Result<void> read_nodes(const Value& value, BucketConfig& config) {
  const toml::array* list = value.node.as_array();
  if (list == nullptr || list->empty())
    return value.wrong("must be a list of texts like \"host:6379\"");
  config.redis.addresses.clear();
  for (const toml::node& node : *list) {
    HG_TRY(RedisAddress address, address_of({node, value.file, value.key}));
    config.redis.addresses.push_back(std::move(address));
  }
  return {};
}

Result<void> read_bucket_name(const Value& value, std::string& into) {
  HG_TRY(const std::string name, text_of(value));
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (name.size() > 64 || !std::all_of(name.begin(), name.end(), is_good))
    return value.wrong("must be at most 64 letters and digits");
  into = name;
  return {};
}

/// Each Redis partition is a hash slot, and one connection that listens.
constexpr std::uint64_t kPartitionsMax = 1'024;

/// The same for the tables "base" and "cache".
constexpr BucketSetting kBucketSettings[] = {
    {"engine", read_engine},
    {"nodes", read_nodes},
    {"user", [](const Value& v, BucketConfig& b) { return read_text(v, b.redis.user); }},
    {"password", [](const Value& v, BucketConfig& b) { return read_text(v, b.redis.password); }},
    {"tls", [](const Value& v, BucketConfig& b) { return read_bool(v, b.redis.uses_tls); }},
    {"tls_ca", [](const Value& v, BucketConfig& b) { return read_text(v, b.redis.tls_ca_file); }},
    {"name", [](const Value& v, BucketConfig& b) { return read_bucket_name(v, b.redis.name); }},
    {"partitions",
     [](const Value& v, BucketConfig& b) {
       return read_number(v, 1, kPartitionsMax, b.redis.partitions);
     }},
    {"replicas",
     [](const Value& v, BucketConfig& b) { return read_number(v, 0, 16, b.redis.replicas); }},
};

/// Null: no table of a bucket.
BucketConfig* bucket_of(std::string_view table, ServerConfig& config) {
  if (table == "base") return &config.base;
  if (table != "cache") return nullptr;
  if (!config.cache) config.cache.emplace();
  return &*config.cache;
}

bool is_table_name(std::string_view name) {
  if (name == "base" || name == "cache") return true;
  for (const Setting& setting : kSettings)
    if (!setting.table.empty() && setting.table == name) return true;
  return false;
}

Result<void> read_setting(std::string_view table, std::string_view key, const Value& value,
                          ServerConfig& config) {
  if (BucketConfig* bucket = bucket_of(table, config)) {
    for (const BucketSetting& setting : kBucketSettings)
      if (setting.key == key) return setting.read(value, *bucket);
    return value.wrong("is not a known setting");
  }
  for (const Setting& setting : kSettings)
    if (setting.table == table && setting.key == key) return setting.read(value, config);
  return value.wrong("is not a known setting");
}

Result<void> read_table(const toml::table& table, std::string_view name, const std::string& file,
                        ServerConfig& config) {
  for (const auto& [key, node] : table) {
    const std::string full =
        name.empty() ? std::string(key.str()) : fmt::format("{}.{}", name, key.str());
    const Value value{node, file, full};
    if (name.empty() && is_table_name(key.str())) {
      if (!node.is_table()) return value.wrong("must be a table");
      HG_CHECK(read_table(*node.as_table(), key.str(), file, config));
    } else {
      HG_CHECK(read_setting(name, key.str(), value, config));
    }
  }
  return {};
}

Result<void> check_address(const std::string& address, std::string_view setting) {
  in6_addr parsed{};
  if (inet_pton(AF_INET, address.c_str(), &parsed) == 1) return {};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) == 1) return {};
  return Error{Errc::invalid_argument,
               fmt::format("{}: {} is no numeric IP address", setting, address)};
}

Result<void> check_bucket(const BucketConfig& bucket, std::string_view table) {
  const RedisOptions& redis = bucket.redis;
  const auto wrong = [&](std::string_view what) {
    return Error{Errc::invalid_argument, fmt::format("{}: {}", table, what)};
  };
  if (!bucket.is_redis()) {
    const bool says_more = !redis.addresses.empty() || !redis.user.empty() ||
                           !redis.password.empty() || redis.uses_tls;
    if (says_more) return wrong("nodes, user, password and tls are for engine = \"redis\"");
    return {};
  }
  if (redis.addresses.empty()) return wrong("engine = \"redis\" needs nodes = [\"host:6379\"]");
  if (!redis.user.empty() && redis.password.empty()) return wrong("a user needs a password");
  if (!redis.tls_ca_file.empty() && !redis.uses_tls) return wrong("tls_ca needs tls = true");
  return {};
}

}  // namespace

Result<void> ServerConfig::read_toml(std::string_view text, const std::string& file) {
  // toml++ 3.3 runs into undefined behaviour on some letters beyond ASCII outside strings.
  const auto beyond =
      std::find_if(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  if (beyond != text.end())
    return Error{Errc::invalid_argument,
                 fmt::format("{}:{}: only ASCII is read here; in strings write \\uXXXX", file,
                             std::count(text.begin(), beyond, '\n') + 1)};
  try {
    return read_table(toml::parse(text, file), "", file, *this);
  } catch (const std::logic_error&) {
    return Error{Errc::invalid_argument, file + ": not TOML: a key or table name is malformed"};
  } catch (const toml::parse_error& error) {
    return Error{Errc::invalid_argument,
                 fmt::format("{}:{}: {}", file, error.source().begin.line, error.description())};
  }
}

Result<void> ServerConfig::read_file(const std::string& file) {
  std::error_code ignored;  // what cannot be looked at cannot be read either
  const bool is_directory = std::filesystem::is_directory(file, ignored);
  std::ifstream in(file, std::ios::binary);
  if (is_directory || !in) return Error{Errc::not_found, file + ": cannot be read"};
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in) return Error{Errc::not_found, file + ": cannot be read"};
  return read_toml(text, file);
}

Result<void> ServerConfig::check() const {
  HG_CHECK(check_address(public_port.address, "public.address (--bind)"));
  HG_CHECK(check_address(admin_port.address, "admin.address (--admin-bind)"));
  for (const ListenConfig* port : {&public_port, &admin_port})
    if (port->tls_certificate.empty() != port->tls_key.empty())
      return Error{Errc::invalid_argument, "tls_certificate and tls_key belong together"};
  HG_CHECK(check_bucket(base, "base"));
  if (cache) HG_CHECK(check_bucket(*cache, "cache"));
  const bool has_all_roles = node.takes_writes && node.serves_feeds && node.is_cache_writer;
  if (!has_all_roles && !base.is_redis())
    return Error{Errc::invalid_argument,
                 "node.roles: a node that is alone on its store has all of them"};
  if (cache && base.is_redis() && cache->is_redis() && base.redis.name == cache->redis.name &&
      base.redis.addresses == cache->redis.addresses)
    return Error{Errc::invalid_argument,
                 "cache: the same nodes and name as base; leave the table away, or give another "
                 "name"};
  if (admin_login && (admin_login->user.empty() || admin_login->password.empty()))
    return Error{Errc::invalid_argument, "admin: user and password belong together"};
  if (admin_login) {
    if (auto good = check_password(admin_login->password); !good)
      return Error{Errc::invalid_argument, "admin.password: " + good.error().context};
  }
  if (!admin_login && !is_loopback_address(admin_port.address))
    return Error{Errc::invalid_argument,
                 fmt::format("admin: address {} can be reached from other machines, so admin.user "
                             "and admin.password must be set in the configuration file",
                             admin_port.address)};
  return {};
}

bool is_loopback_address(std::string_view address) {
  return address == "::1" || address.starts_with("127.");
}

}  // namespace headgate
