// SPDX-License-Identifier: Apache-2.0
#include "api/api_fixture.hpp"

#include <fmt/format.h>

#include "net/basic_auth.hpp"

namespace headgate {

namespace {

constexpr std::chrono::seconds kPatience{20};

Answer answer_of(Result<HttpReply> reply) {
  EXPECT_TRUE(reply) << (reply ? "" : reply.error().context);
  if (!reply) return {};
  return {reply->status, std::move(reply->headers), std::move(reply->body)};
}

}  // namespace

JsonView Answer::json() const {
  return validate_json(body) ? JsonView(body) : JsonView();
}

JsonView Answer::step(const JsonView& view, std::string_view member) {
  return view.find(member).value_or(JsonView());
}

JsonView Answer::step(const JsonView& view, int element) {
  for (const JsonView& each : view.elements())
    if (element-- == 0) return each;
  return {};
}

std::string Answer::text(const JsonView& view) {
  if (view.is_null()) return {};
  return view.as_string().value_or(std::string(view.raw()));
}

ApiServer::ApiServer(std::optional<AdminCredentials> credentials, std::size_t max_requests)
    : services_{.environment = environment_,
                .databases = databases_,
                .version = "test",
                .uuid = {},
                .metrics_text = [] { return std::string("headgate_test 1\n"); },
                .max_requests = max_requests},
      public_handler_(services_),
      admin_handler_(services_, std::move(credentials)),
      public_server_(environment_, {}, public_handler_),
      admin_server_(environment_, {}, admin_handler_),
      thread_([this] { environment_.run(); }) {
  services_.uuid = run<Result<std::string>>([this] { return databases_.open(); }).value();
  in_turn([this] {
    public_server_.start().value();
    admin_server_.start().value();
  });
}

ApiServer::~ApiServer() {
  in_turn([this] { bucket_.release(); });
  const auto stopped = run<Result<void>>([this] { return stop(*this); });
  EXPECT_TRUE(stopped) << "requests are still at work";
  environment_.stop();
  thread_.join();
  workers_.stop();
}

Task<Result<void>> ApiServer::stop(ApiServer& self) {
  const Deadline deadline = self.environment_.now() + kPatience;
  HG_CO_CHECK(co_await self.public_server_.stop(deadline));
  HG_CO_CHECK(co_await self.admin_server_.stop(deadline));
  co_await self.databases_.stop();
  co_return Result<void>();
}

std::string ApiServer::url(ApiPort port) const {
  const HttpServer& server = port == ApiPort::public_port ? public_server_ : admin_server_;
  return fmt::format("http://127.0.0.1:{}", server.port());
}

void ApiServer::in_turn(std::function<void()> turn) {
  std::promise<void> done;
  environment_.post_from_thread([&] {
    turn();
    done.set_value();
  });
  done.get_future().get();
}

ApiTest::ApiTest(std::optional<AdminCredentials> credentials, std::size_t max_requests)
    : server_(std::move(credentials), max_requests),
      public_(server_.url(ApiPort::public_port)),
      admin_(server_.url(ApiPort::admin_port)) {}

Answer ApiTest::admin(HttpMethod method, std::string_view target, std::string_view body,
                      HttpHeaders headers) {
  return answer_of(admin_.request(method, target, std::move(headers), body));
}

HttpHeaders ApiTest::with_login(const Login& login, HttpHeaders headers) {
  if (!login.name.empty())
    headers.add("Authorization", format_basic_auth({login.name, login.password}));
  return headers;
}

Answer ApiTest::user(const Login& login, HttpMethod method, std::string_view target,
                     std::string_view body, HttpHeaders headers) {
  return answer_of(public_.request(method, target, with_login(login, std::move(headers)), body));
}

Answer ApiTest::user(HttpMethod method, std::string_view target, std::string_view body,
                     HttpHeaders headers) {
  return user(ann_, method, target, body, std::move(headers));
}

void ApiTest::make_database(std::string_view name, std::string_view config) {
  const Answer made = admin(HttpMethod::put, fmt::format("/{}", name), config);
  ASSERT_EQ(made.status, 201) << made.body;
}

void ApiTest::make_user(std::string_view database, const Login& login, std::string_view channels) {
  const Answer made =
      admin(HttpMethod::put, fmt::format("/{}/_user/{}", database, login.name),
            fmt::format(R"({{"password":"{}","admin_channels":{}}})", login.password, channels));
  ASSERT_EQ(made.status, 201) << made.body;
}

std::string ApiTest::store(std::string_view id, std::string_view body) {
  const Answer written = admin(HttpMethod::put, fmt::format("/db/{}", id), body);
  EXPECT_EQ(written.status, 201) << written.body;
  return written.rev();
}

void ApiTest::settle() {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (admin(HttpMethod::get, "/db/").at("update_seq").find(':') != std::string::npos)
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "stable stands still";
}

void ApiTest::expect_error(const Answer& answer, int status, std::string_view token,
                           std::string_view what) {
  EXPECT_EQ(answer.status, status) << what << ": " << answer.body;
  EXPECT_EQ(answer.error(), token) << what << ": " << answer.body;
  EXPECT_NE(answer.at("reason"), "") << what;
  EXPECT_EQ(answer.headers.find("Content-Type").value_or(""), "application/json") << what;
}

}  // namespace headgate
