// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "api/api_handler.hpp"
#include "base/task_scope.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"

namespace headgate {

/// A user's login, or none.
struct Login {
  std::string name;
  std::string password;
};

/// What came back, with JSON read in place.
struct Answer {
  int status = 0;
  HttpHeaders headers;
  std::string body;

  JsonView json() const;
  /// The member's text without quotes, or as it was sent; "" if it is absent. Steps go into
  /// members and elements: at("rows", 0, "id").
  template <class... Steps>
  std::string at(Steps... steps) const {
    JsonView view = json();
    ((view = step(view, steps)), ...);
    return text(view);
  }
  std::string error() const { return at("error"); }
  std::string rev() const { return at("rev"); }

 private:
  static JsonView step(const JsonView& view, std::string_view member);
  static JsonView step(const JsonView& view, int element);
  static std::string text(const JsonView& view);
};

/// Both ports on an event loop of their own, over a bucket in memory.
class ApiServer {
 public:
  explicit ApiServer(std::optional<AdminCredentials> credentials = {},
                     std::size_t max_requests = 1'000);
  ~ApiServer();

  std::string url(ApiPort port) const;
  std::uint16_t public_port() const { return public_server_.port(); }
  ApiServices& services() { return services_; }
  FaultBucket& bucket() { return bucket_; }
  /// Runs `turn` in the server's thread and waits for it.
  void in_turn(std::function<void()> turn);
  /// Runs a task in the server's thread and waits for it.
  template <class T>
  T run(std::function<Task<T>()> make);

 private:
  template <class T>
  static Task<void> fulfil(std::function<Task<T>()> make, std::promise<T>& promise) {
    promise.set_value(co_await make());
  }
  static Task<Result<void>> stop(ApiServer& self);

  WorkerPool workers_{2};
  AsioEnvironment environment_{workers_};
  MemoryStore store_;
  MemoryBucket memory_{environment_, store_};
  FaultBucket bucket_{environment_, memory_};
  DatabaseDirectory databases_{{environment_, bucket_, bucket_}};
  ApiServices services_;
  ApiHandler public_handler_;
  ApiHandler admin_handler_;
  HttpServer public_server_;
  HttpServer admin_server_;
  TaskScope scope_{environment_};
  std::thread thread_;
};

template <class T>
T ApiServer::run(std::function<Task<T>()> make) {
  std::promise<T> promise;
  in_turn([&] { scope_.spawn(fulfil(std::move(make), promise)); });
  return promise.get_future().get();
}

/// A server with database "db" and user ann, who has channel red.
class ApiTest : public testing::Test {
 protected:
  explicit ApiTest(std::optional<AdminCredentials> credentials = {},
                   std::size_t max_requests = 1'000);

  Answer admin(HttpMethod method, std::string_view target, std::string_view body = {},
               HttpHeaders headers = {});
  /// As ann, unless another login is given; with an empty name without one.
  Answer user(HttpMethod method, std::string_view target, std::string_view body = {},
              HttpHeaders headers = {});
  Answer user(const Login& login, HttpMethod method, std::string_view target,
              std::string_view body = {}, HttpHeaders headers = {});

  void make_database(std::string_view name, std::string_view config = {});
  void make_user(std::string_view database, const Login& login, std::string_view channels);
  /// Writes a document as an admin and returns its revision.
  std::string store(std::string_view id, std::string_view body);
  /// Waits until everything written to "db" is stable.
  void settle();

  static void expect_error(const Answer& answer, int status, std::string_view token,
                           std::string_view what = {});
  static HttpHeaders with_login(const Login& login, HttpHeaders headers);

  const Login ann_{"ann", "secret"};
  ApiServer server_;
  HttpClient public_;
  HttpClient admin_;
};

}  // namespace headgate
