// SPDX-License-Identifier: Apache-2.0
#include "echo_server.hpp"

#include <signal.h>

#include <iostream>

#include "net/http_server.hpp"
#include "net/worker_pool.hpp"

namespace headgate {

namespace {

class EchoHandler final : public HttpHandler {
 public:
  std::uint64_t body_limit(const HttpRequest&) override { return 64u << 20; }
  Task<void> handle(HttpExchange& exchange) override {
    const HttpRequest& request = exchange.request();
    HttpResponse response;
    response.headers.add("Content-Type", "application/json");
    response.status =
        request.method == HttpMethod::put || request.method == HttpMethod::post ? 201 : 200;
    if (request.path.empty()) {
      response.body = R"({"couchdb":"Welcome","vendor":{"name":"echo"}})";
    } else if (request.method == HttpMethod::get) {
      response.body = R"({"_id":"0123456789abcdef","text":")" + std::string(450, 'x') + "\"}";
    } else {
      response.body =
          R"({"id":"0123456789abcdef","ok":true,"rev":"1-0123456789abcdef0123456789abcdef"})";
    }
    exchange.respond(std::move(response));
    co_return;
  }
};

}  // namespace

int serve_echo() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // Before any thread is made, so that all have it.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  WorkerPool workers(1);
  AsioEnvironment environment(workers);
  EchoHandler handler;
  HttpServer server(environment, {}, handler);
  if (!server.start()) return 1;
  std::cout << "http://127.0.0.1:" << server.port() << std::endl;
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    environment.stop();
  });
  environment.run();
  waiter.join();
  workers.stop();
  return 0;
}

}  // namespace headgate
