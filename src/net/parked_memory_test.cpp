// SPDX-License-Identifier: Apache-2.0
// Counts what the heap holds for connections that wait.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "net/test_server.hpp"

namespace {

std::atomic<std::size_t> live_bytes = 0;

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  live_bytes += malloc_usable_size(memory);
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory != nullptr) live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

namespace headgate {
namespace {

// Heap bytes per connection, this test's client included, for `count` that wait on `target`.
std::size_t bytes_per_connection(const std::string& target, int count) {
  TestServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto connect = [&](int wanted) {
    while (clients.size() < static_cast<std::size_t>(wanted)) {
      clients.push_back(std::make_unique<RawClient>(server.port()));
      clients.back()->send("GET " + target + " HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
    }
    EXPECT_TRUE(eventually([&] { return server.handler().parked == wanted; }));
  };
  connect(10);  // what the process allocates but once
  const std::size_t before = live_bytes;
  connect(10 + count);
  return (live_bytes - before) / static_cast<std::size_t>(count);
}

// The goal is 8 KiB in all; the kernel takes 3.7 of them. What a session may become, a WebSocket or
// one with TLS, costs the rest.
constexpr std::size_t kMaxBytes = 4500;

TEST(ParkedMemory, AWaitingLongpollCostsLittle) {
  EXPECT_LT(bytes_per_connection("/park", 500), kMaxBytes);
}

TEST(ParkedMemory, AContinuousFeedCostsLittle) {
  EXPECT_LT(bytes_per_connection("/feed", 500), kMaxBytes);
}

}  // namespace
}  // namespace headgate
