// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/sample_documents.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "cli/bench/closed_load.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kIdLength = 16;
constexpr std::string_view kNoId = "................";
constexpr std::size_t kBulkDocuments = 500;
constexpr std::size_t kBulkConnections = 4;

void write_id(char* at, std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  // Odd, so that no two numbers give one id.
  number *= 0x9e3779b97f4a7c15;
  for (std::size_t i = kIdLength; i-- > 0; number >>= 4) at[i] = kDigits[number & 15];
}

void write_channel(char* at, std::size_t number) {
  for (std::size_t i = 4; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

}  // namespace

std::string document_id(std::uint64_t number) {
  std::string id(kIdLength, '0');
  write_id(id.data(), number);
  return id;
}

std::string document_text(std::size_t bytes, std::string_view members) {
  std::string text = fmt::format("{{{},\"text\":\"", members);
  std::uint64_t state = 88172645463325252;
  while (text.size() + 2 < bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    text += static_cast<char>('a' + state % 26);
  }
  return text + "\"}";
}

DocumentRequest::DocumentRequest(const BenchRun& run, HttpMethod method, std::string_view body)
    : text_(run.request(method, "/" + std::string(kNoId), body)), id_at_(text_.find(kNoId)) {}

std::string_view DocumentRequest::with(std::uint64_t number) {
  write_id(text_.data() + id_at_, number);
  return text_;
}

BulkRequest::BulkRequest(const BenchRun& run, std::size_t documents, std::size_t channels)
    : documents_(documents), channels_(channels) {
  HG_ASSERT(channels > 0 && channels <= 10'000);
  const std::string document = document_text(
      run.sizes().document_bytes, fmt::format(R"("_id":"{}","channels":["all","s0000"])", kNoId));
  std::string body = "{\"docs\":[";
  for (std::size_t i = 0; i < documents; ++i) body += (i == 0 ? "" : ",") + document;
  text_ = run.request(HttpMethod::post, "/_bulk_docs", body + "]}");
  first_id_at_ = text_.find(kNoId);
  step_ = document.size() + 1;
}

std::string_view BulkRequest::with(std::uint64_t first) {
  constexpr std::size_t kFromIdToChannel =
      kIdLength + std::string_view("\",\"channels\":[\"all\",\"s").size();
  for (std::size_t i = 0; i < documents_; ++i) {
    char* const id = text_.data() + first_id_at_ + i * step_;
    write_id(id, first + i);
    write_channel(id + kFromIdToChannel, (first + i) % channels_);
  }
  return text_;
}

std::string channel_name(std::size_t number) {
  return fmt::format("s{:04}", number);
}

Task<bool> settle(BenchRun& run) {
  LoadConnection connection(run.loop(), run.address());
  // Servers that do not know the parameter leave it alone.
  co_return co_await run.ask(
      connection, run.request(HttpMethod::get, "/_changes?limit=1&request_plus=true"), 200);
}

Task<bool> write_documents(BenchRun& run, std::size_t count, std::size_t channels) {
  const std::uint64_t errors = run.counts().errors;
  if (count >= kBulkDocuments) {
    BulkRequest bulk(run, kBulkDocuments, channels);
    ClosedLoad load;
    load.connections = kBulkConnections;
    load.count_max = count / kBulkDocuments;
    load.time = std::chrono::hours(1);
    co_await run_closed_load(
        run, load, [&bulk](std::uint64_t index) { return bulk.with(index * kBulkDocuments); });
  }
  if (const std::size_t rest = count % kBulkDocuments; rest > 0) {
    BulkRequest bulk(run, rest, channels);
    LoadConnection connection(run.loop(), run.address());
    co_await run.ask(connection, bulk.with(count - rest), 201);
  }
  co_return co_await settle(run) && run.counts().errors == errors;
}

}  // namespace headgate::bench
