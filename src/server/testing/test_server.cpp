// SPDX-License-Identifier: Apache-2.0
// The server with faults, for tests of what a crash or a delay leaves behind. It is `headgate`,
// except that
// - the environment variable HEADGATE_FAULT names faults (fault_plan.hpp) in force from the start;
// - the admin port has, beside its own addresses,
//     POST /_test/fault?spec=FAULTS      brings faults into force
//     POST /_test/hold?what=cache-writer the cache writer sees nothing new
//     POST /_test/hold?what=MOMENT:POINT holds the next such write ("before:sequence-document")
//     POST /_test/release                lets go of all that is held
//     GET  /_test                        {"held": operations that wait, "struck": faults so far}
#include <cstdlib>
#include <iostream>

#include "server/node.hpp"
#include "server/testing/fault_plan.hpp"

namespace headgate {

namespace {

Result<void> inject(FaultBucket& bucket, std::string_view text) {
  HG_TRY(auto faults, parse_faults(text));
  for (FaultBucket::Fault& fault : faults) bucket.inject(std::move(fault));
  return {};
}

/// Answers `/_test` and leaves everything else to the admin port.
class TestHandler final : public HttpHandler {
 public:
  TestHandler(FaultBucket& bucket, HttpHandler& inner) : bucket_(bucket), inner_(inner) {}

  std::uint64_t body_limit(const HttpRequest& head) override { return inner_.body_limit(head); }

  Task<void> handle(HttpExchange& exchange) override {
    const HttpRequest& request = exchange.request();
    if (request.path.empty() || request.path[0] != "_test") return inner_.handle(exchange);
    return answer(exchange);
  }

 private:
  Task<void> answer(HttpExchange& exchange) {
    const auto done = act(exchange.request());
    if (!done) {
      exchange.respond(error_response(api_error(done.error())));
      co_return;
    }
    JsonWriter out;
    out.begin_object().key("held").number(std::uint64_t{bucket_.held()});
    out.key("struck").number(std::uint64_t{bucket_.struck()}).end_object();
    exchange.respond(json_response(200, std::move(out).text()));
  }

  Result<void> act(const HttpRequest& request) {
    if (request.path.size() == 1) return {};
    const std::string& action = request.path[1];
    if (action == "release") {
      bucket_.release();
      return {};
    }
    if (action == "fault") {
      if (const std::string* spec = request.query.find("spec")) return inject(bucket_, *spec);
    }
    const std::string* what = request.query.find("what");
    if (action != "hold" || what == nullptr)
      return Error{Errc::invalid_argument, "no such request of tests"};
    if (*what != "cache-writer") return inject(bucket_, "hold-" + *what);
    bucket_.hold_feeds();
    return {};
  }

  FaultBucket& bucket_;
  HttpHandler& inner_;
};

int run(int count, char** arguments) {
  FaultBucket* bucket = nullptr;
  const char* faults = std::getenv("HEADGATE_FAULT");
  const std::string wanted = faults == nullptr ? "" : faults;
  if (const auto parsed = parse_faults(wanted); !parsed) {
    std::cerr << "HEADGATE_FAULT: " << parsed.error().context << "\n";
    return 2;
  }
  FrontEndHooks hooks;
  hooks.bucket = [&](Environment& environment, Bucket& inner) {
    auto made = std::make_unique<FaultBucket>(environment, inner);
    bucket = made.get();
    inject(*bucket, wanted).value();
    return made;
  };
  hooks.admin_handler = [&](HttpHandler& inner) {
    return std::make_unique<TestHandler>(*bucket, inner);
  };
  return run_headgate(count, arguments, hooks);
}

}  // namespace

}  // namespace headgate

int main(int count, char** arguments) {
  return headgate::run(count, arguments);
}
