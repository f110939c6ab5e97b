// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_fixture.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace headgate {
namespace {

std::string flatten(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply.integer);
    case REDIS_REPLY_ARRAY: {
      std::string all;
      for (std::size_t i = 0; i < reply.elements; ++i)
        all += (i == 0 ? "" : " ") + flatten(*reply.element[i]);
      return all;
    }
    case REDIS_REPLY_ERROR:
      return '-' + std::string(resp_text(reply));
    default:
      return std::string(resp_text(reply));
  }
}

}  // namespace

// A cluster's node also listens 10000 above its port. Taken ports differ by process, and a port
// that somebody else has meanwhile is found out when the server does not start.
std::uint16_t free_port() {
  static int next = 20'000 + getpid() % 1'000 * 12;
  while (true) {
    const int port = 10'000 + (next++ - 10'000) % 40'000;
    bool is_free = true;
    for (const int wanted : {port, port + 10'000}) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(wanted));
      is_free &= ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      ::close(fd);
    }
    if (is_free) return static_cast<std::uint16_t>(port);
  }
}

bool within_patience(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

RedisServer::RedisServer(std::vector<std::string> more)
    : port_(free_port()), more_(std::move(more)) {
  start();
}

RedisServer::~RedisServer() {
  kill();
}

void RedisServer::start() {
  std::vector<std::string> arguments = {"redis-server",  "--port",          std::to_string(port_),
                                        "--bind",        "127.0.0.1",       "--dir",
                                        directory_ / "", "--save",          "",
                                        "--logfile",     directory_ / "log"};
  arguments.insert(arguments.end(), more_.begin(), more_.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with the test, however that ends
    execvp(argv[0], argv.data());
    _exit(127);
  }
  HG_ASSERT(within_patience(
      [&] { return run({"PING"}) == "PONG" || waitpid(pid_, nullptr, WNOHANG) != 0; }));
}

void RedisServer::kill() {
  if (pid_ == 0) return;
  signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void RedisServer::signal(int number) {
  ::kill(pid_, number);
}

std::string RedisServer::run(std::vector<std::string> command) {
  const timeval timeout{2, 0};
  std::unique_ptr<redisContext, void (*)(redisContext*)> context(
      redisConnectWithTimeout("127.0.0.1", port_, timeout), redisFree);
  if (!context || context->err != 0) return "-unreachable";
  redisSetTimeout(context.get(), timeout);
  std::vector<const char*> argv;
  std::vector<std::size_t> sizes;
  for (const std::string& argument : command) {
    argv.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  const RespReply reply(static_cast<redisReply*>(
      redisCommandArgv(context.get(), static_cast<int>(argv.size()), argv.data(), sizes.data())));
  return reply ? flatten(*reply) : "-no answer";
}

RedisServers::RedisServers(std::chrono::milliseconds node_timeout) {
  const std::vector<std::string> options = {"--cluster-enabled",
                                            "yes",
                                            "--cluster-node-timeout",
                                            std::to_string(node_timeout.count()),
                                            "--cluster-replica-validity-factor",
                                            "0",
                                            "--repl-diskless-sync-delay",
                                            "0"};
  for (int i = 0; i < 6; ++i) servers_.push_back(std::make_unique<RedisServer>(options));
  const char* ranges[3][2] = {{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}};
  for (std::size_t i = 0; i < 6; ++i) {
    at(i).run({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    if (i < 3) at(i).run({"CLUSTER", "ADDSLOTSRANGE", ranges[i][0], ranges[i][1]});
    at(i).run({"CLUSTER", "MEET", "127.0.0.1", std::to_string(at(0).address().port)});
  }
  for (std::size_t i = 3; i < 6; ++i) {
    const std::string master = id_of(at(i - 3));
    HG_ASSERT(within_patience([&] { return at(i).run({"CLUSTER", "REPLICATE", master}) == "OK"; }));
  }
  HG_ASSERT(within_patience([&] { return is_whole(); }));
}

std::string RedisServers::id_of(RedisServer& server) {
  return server.run({"CLUSTER", "MYID"});
}

bool RedisServers::is_whole() {
  for (std::size_t i = 0; i < 6; ++i) {
    const std::string info = at(i).run({"CLUSTER", "INFO"});
    if (info.find("cluster_state:ok") == info.npos ||
        info.find("cluster_known_nodes:6") == info.npos)
      return false;
    const std::string replication = at(i).run({"INFO", "replication"});
    const bool is_master = replication.find("role:master") != replication.npos;
    const char* wanted = is_master ? "state=online" : "master_link_status:up";
    if (replication.find(wanted) == replication.npos) return false;
  }
  return true;
}

std::vector<RedisAddress> RedisServers::addresses() const {
  std::vector<RedisAddress> all;
  for (const auto& server : servers_) all.push_back(server->address());
  return all;
}

RedisServer& RedisServers::master_of(const std::string& key) {
  RedisServer* found = nullptr;
  HG_ASSERT(within_patience([&] {
    for (const auto& server : servers_)
      if (server->run({"EXISTS", key}).size() == 1) found = server.get();
    return found != nullptr;
  }));
  return *found;
}

RedisServer& RedisServers::replica_of(RedisServer& master) {
  const std::string port = "master_port:" + std::to_string(master.address().port);
  for (const auto& server : servers_)
    if (server->run({"INFO", "replication"}).find(port) != std::string::npos) return *server;
  HG_ASSERT(false);
  return master;
}

void AsioDriver::run(Task<void> task) {
  TaskScope scope(environment_);
  scope.spawn(std::move(task));
  while (scope.size() > 0) environment_.loop().context.run_one();
}

std::unique_ptr<RedisBucket> open_bucket(AsioDriver& driver, RedisOptions options) {
  std::unique_ptr<RedisBucket> bucket;
  HG_ASSERT(within_patience([&] {
    auto opened = driver.get(RedisBucket::open(driver.asio(), options, kNoDeadline));
    if (opened) bucket = std::move(*opened);
    return bucket != nullptr;
  }));
  return bucket;
}

}  // namespace headgate
