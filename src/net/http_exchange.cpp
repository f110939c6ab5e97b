// SPDX-License-Identifier: Apache-2.0
#include "net/http_exchange.hpp"

#include "base/assert.hpp"

namespace headgate {

void HttpExchange::drop_body() {
  std::string().swap(request_.body);
}

HttpExchange::InterruptWatch HttpExchange::on_interrupt(std::function<void()> wake) {
  HG_ASSERT(wake_ == nullptr);
  if (is_interrupted()) {
    wake();
    return InterruptWatch(*this);
  }
  wake_ = std::move(wake);
  watch_peer();
  return InterruptWatch(*this);
}

void HttpExchange::interrupt() {
  if (auto wake = std::exchange(wake_, nullptr)) wake();
}

std::uint64_t HttpHandler::body_limit(const HttpRequest&) {
  return kDefaultBodyLimit;
}

}  // namespace headgate
