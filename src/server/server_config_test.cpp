// SPDX-License-Identifier: Apache-2.0
#include "server/server_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/command_line.hpp"

namespace headgate {
namespace {

using testing::HasSubstr;

std::string refusal(std::string_view text) {
  ServerConfig config;
  const auto read = config.read_toml(text, "headgate.toml");
  return read ? "" : read.error().context;
}

TEST(ServerConfig, ReadsWhatIsNamedAndKeepsTheRest) {
  ServerConfig config;
  ASSERT_TRUE(
      config.read_toml("data = \"d\"\nlog_level = \"debug\"\n[admin]\nport = 1\n"
                       "user = \"root\"\npassword = \"letmein\"\n[log]\nslow_request_ms = 0\n"
                       "hide_user_data = true\n[public]\n"
                       "address = \"::1\"\n[limits]\nrequests = 5\nbody_mb = 64\n[store]\n"
                       "block_cache_mb = 16\n",
                       "f"));
  EXPECT_EQ(config.data, "d");
  EXPECT_EQ(config.log_level, LogLevel::debug);
  EXPECT_TRUE(config.hides_user_data);
  EXPECT_EQ(config.slow_request.count(), 0);
  EXPECT_EQ(config.admin_port.port, 1);
  EXPECT_EQ(config.admin_port.address, "127.0.0.1");
  EXPECT_EQ(config.admin_login->user, "root");
  EXPECT_EQ(config.public_port.address, "::1");
  EXPECT_EQ(config.public_port.port, 4984);
  EXPECT_EQ(config.max_requests, 5u);
  EXPECT_EQ(config.body_bytes, 64u << 20);
  EXPECT_EQ(config.block_cache_bytes, 16u << 20);
}

TEST(ServerConfig, NamesFileLineAndKeyOfAMistake) {
  EXPECT_THAT(refusal("a = = 1"), HasSubstr("headgate.toml:1: "));
  EXPECT_EQ(refusal("\n\nno_such_key = 1\n"),
            "headgate.toml:3: no_such_key: is not a known setting");
  EXPECT_EQ(refusal("[admin]\nno = 1\n"), "headgate.toml:2: admin.no: is not a known setting");
  EXPECT_EQ(refusal("[other]\nport = 1\n"), "headgate.toml:1: other: is not a known setting");
  EXPECT_EQ(refusal("public = 5\n"), "headgate.toml:1: public: must be a table");
  EXPECT_EQ(refusal("[public]\n\nport = 70000\n"),
            "headgate.toml:3: public.port: must be a whole number from 0 to 65535");
  EXPECT_THAT(refusal("[public]\nport = \"80\"\n"), HasSubstr("headgate.toml:2: public.port: "));
  EXPECT_THAT(refusal("[public]\nport = 1.5\n"), HasSubstr("headgate.toml:2: public.port: "));
  EXPECT_EQ(refusal("[limits]\nbody_mb = 8\n"),
            "headgate.toml:2: limits.body_mb: must be a whole number from 64 to 1048576");
  EXPECT_THAT(refusal("data = 5\n"), HasSubstr("headgate.toml:1: data: "));
  EXPECT_THAT(refusal("log_level = \"loud\"\n"), HasSubstr("headgate.toml:1: log_level: "));
  EXPECT_THAT(refusal("[log]\nslow_request_ms = 3600001\n"), HasSubstr("log.slow_request_ms: "));
  EXPECT_THAT(refusal("[log]\nhide_user_data = 1\n"), HasSubstr("must be true or false"));
  EXPECT_THAT(refusal("data = \"a\"\ndata = \"b\"\n"), HasSubstr("headgate.toml:2: "));
}

TEST(ServerConfig, BaseAndCacheAreConfiguredApart) {
  ServerConfig config;
  EXPECT_FALSE(config.base.is_redis());
  EXPECT_FALSE(config.cache) << "the same as base";
  EXPECT_TRUE(config.uses_rocksdb());
  ASSERT_TRUE(config.read_toml(
      "[base]\nengine = \"redis\"\nnodes = [\"a:1\", \"[::1]:65535\"]\nuser = \"u\"\n"
      "password = \"p\"\ntls = true\ntls_ca = \"ca.pem\"\nname = \"x1\"\npartitions = 64\n"
      "replicas = 2\n[cache]\nengine = \"redis\"\nnodes = [\"b:2\"]\n"
      "[node]\nname = \"n\"\nroles = [\"reader\"]\n",
      "f"));
  ASSERT_TRUE(config.check()) << config.check().error().context;
  const RedisOptions& base = config.base.redis;
  EXPECT_EQ(base.addresses, (std::vector<RedisAddress>{{"a", 1}, {"::1", 65'535}}));
  EXPECT_EQ(base.user, "u");
  EXPECT_EQ(base.password, "p");
  EXPECT_TRUE(base.uses_tls);
  EXPECT_EQ(base.tls_ca_file, "ca.pem");
  EXPECT_EQ(base.name, "x1");
  EXPECT_EQ(base.partitions, 64u);
  EXPECT_EQ(base.replicas, 2u);
  EXPECT_EQ(config.cache->redis.addresses, (std::vector<RedisAddress>{{"b", 2}}));
  EXPECT_FALSE(config.uses_rocksdb());
  EXPECT_EQ(config.node.name, "n");
  EXPECT_TRUE(config.node.serves_feeds);
  EXPECT_FALSE(config.node.takes_writes);
  EXPECT_FALSE(config.node.is_cache_writer);
}

TEST(ServerConfig, MistakesOfBucketsAreNamed) {
  EXPECT_EQ(refusal("[base]\nengine = \"etcd\"\n"),
            "headgate.toml:2: base.engine: must be rocksdb or redis");
  for (const char* nodes :
       {"5", "[]", "[5]", "[\"a\"]", "[\":1\"]", "[\"a:0\"]", "[\"a:70000\"]", "[\"a:1x\"]"})
    EXPECT_EQ(refusal(std::string("[cache]\nnodes = ") + nodes),
              "headgate.toml:2: cache.nodes: must be a list of texts like \"host:6379\"")
        << nodes;
  EXPECT_THAT(refusal("[base]\nname = \"{}\"\n"), HasSubstr("base.name: must be at most 64"));
  EXPECT_THAT(refusal("[base]\npartitions = 0\n"), HasSubstr("base.partitions: must be a whole"));
  EXPECT_THAT(refusal("[base]\ntls = 1\n"), HasSubstr("base.tls: must be true or false"));
  EXPECT_THAT(refusal("[node]\nroles = [\"king\"]\n"), HasSubstr("node.roles: must be a list"));
}

TEST(ServerConfig, BucketsThatDoNotFitTogetherAreRefused) {
  const auto whole = [](std::string_view text) {
    ServerConfig config;
    EXPECT_TRUE(config.read_toml(text, "f"));
    const auto checked = config.check();
    return checked ? std::string() : checked.error().context;
  };
  const std::string redis = "engine = \"redis\"\nnodes = [\"a:1\"]\n";
  EXPECT_EQ(whole("[base]\n" + redis), "");
  EXPECT_EQ(whole("[base]\n" + redis + "[cache]\nengine = \"rocksdb\"\n"), "");
  EXPECT_THAT(whole("[base]\nengine = \"redis\"\n"), HasSubstr("needs nodes"));
  EXPECT_THAT(whole("[base]\nnodes = [\"a:1\"]\n"), HasSubstr("for engine = \"redis\""));
  EXPECT_THAT(whole("[base]\nuser = \"u\"\n" + redis), HasSubstr("a user needs a password"));
  EXPECT_THAT(whole("[base]\ntls_ca = \"f\"\n" + redis), HasSubstr("tls_ca needs tls"));
  EXPECT_THAT(whole("[base]\n" + redis + "[cache]\n" + redis), HasSubstr("the same nodes"));
  EXPECT_THAT(whole("[node]\nroles = [\"reader\"]\n"), HasSubstr("has all of them"));
}

TEST(ServerConfig, MalformedNamesAreAMistakeNotACrash) {
  for (const char* text : {"[[[a", "[[[[dd", "[[", "[.a]", "[a..b]", "= 1", "a. = 1",
                           "\xef\xbb\xbb", "d\xc3\xa4ta = 1"}) {
    ServerConfig config;
    const auto read = config.read_toml(text, "headgate.toml");
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_argument) << text;
  }
}

TEST(ServerConfig, AnAdminPortThatOthersReachNeedsALogin) {
  ServerConfig config;
  EXPECT_TRUE(config.check());
  config.admin_port.address = "0.0.0.0";
  EXPECT_THAT(config.check().error().context, HasSubstr("admin.password"));
  config.admin_login = AdminLogin{"root", ""};
  EXPECT_FALSE(config.check());
  config.admin_login->password = "letmein";
  EXPECT_TRUE(config.check());
}

TEST(ServerConfig, AddressesAreNumeric) {
  ServerConfig config;
  for (const char* address : {"::1", "0.0.0.0", "::", "192.168.1.1"}) {
    config.public_port.address = address;
    EXPECT_TRUE(config.check()) << address;
  }
  for (const char* address : {"localhost", "127.evil", "1.2.3", "[::1]"}) {
    config.public_port.address = address;
    EXPECT_THAT(config.check().error().context, HasSubstr("public.address")) << address;
    ServerConfig admin;
    admin.admin_port.address = address;
    EXPECT_THAT(admin.check().error().context, HasSubstr("admin.address")) << address;
  }
}

TEST(ServerConfig, AFileThatIsNotThereIsNamed) {
  ServerConfig config;
  for (const char* file : {"/absent/headgate.toml", "/"}) {
    const auto read = config.read_file(file);
    EXPECT_EQ(read.error().context, std::string(file) + ": cannot be read");
  }
}

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "headgate");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLine, ServeTakesItsOptions) {
  const CommandLine line = parse({"serve", "--data", "d", "--port", "0", "--admin-port", "7",
                                  "--bind", "127.0.0.2", "--log-level", "error"});
  ASSERT_FALSE(line.exit_status);
  EXPECT_EQ(line.config.data, "d");
  EXPECT_EQ(line.config.public_port.port, 0);
  EXPECT_EQ(line.config.public_port.address, "127.0.0.2");
  EXPECT_EQ(line.config.admin_port.port, 7);
  EXPECT_EQ(line.config.log_level, LogLevel::error);
}

TEST(CommandLine, HelpAndVersionEndWell) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--help"}).exit_status, 0);
  EXPECT_EQ(parse({"serve", "--help"}).exit_status, 0);
  EXPECT_EQ(parse({"version"}).exit_status, 0);
  const std::string said = testing::internal::GetCapturedStdout();
  for (const char* word : {"serve", "--admin-port", "--config", "headgate 0"})
    EXPECT_THAT(said, HasSubstr(word));
}

TEST(CommandLine, MistakesEndBadlyWithAReason) {
  const std::vector<std::vector<const char*>> mistakes = {{},
                                                          {"no-such-command"},
                                                          {"serve", "--no-such-option"},
                                                          {"serve", "--port", "x"},
                                                          {"serve", "--port", "70000"},
                                                          {"serve", "--log-level", "loud"},
                                                          {"serve", "--config", "/absent.toml"},
                                                          {"serve", "--admin-bind", "0.0.0.0"}};
  for (const auto& arguments : mistakes) {
    testing::internal::CaptureStderr();
    EXPECT_NE(parse(arguments).exit_status.value_or(0), 0);
    EXPECT_GT(testing::internal::GetCapturedStderr().size(), 10u);
  }
}

}  // namespace
}  // namespace headgate
