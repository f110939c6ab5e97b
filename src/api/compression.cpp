// SPDX-License-Identifier: Apache-2.0
#include "api/compression.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/assert.hpp"

namespace headgate {

namespace {

constexpr std::size_t kWorthBytes = 1'024;
/// More costs three times the time for a tenth of the size.
constexpr int kLevel = 1;
constexpr int kGzipWindow = 15 + 16;
constexpr int kMemoryLevel = 8;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// "q=0", "q=0.0": not at all.
bool is_refused(std::string_view parameters) {
  const std::size_t at = parameters.find("q=");
  if (at == std::string_view::npos) return false;
  const std::string_view quality = trimmed(parameters.substr(at + 2));
  return quality.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool admits_gzip(std::string_view accept_encoding) {
  std::optional<bool> by_star;
  while (!accept_encoding.empty()) {
    const std::size_t end = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, end);
    const std::size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view coding = trimmed(item.substr(0, semicolon));
    const bool is_admitted = !is_refused(item.substr(semicolon));
    if (equals_ignoring_case(coding, "gzip")) return is_admitted;
    if (coding == "*") by_star = is_admitted;
    accept_encoding.remove_prefix(std::min(end + 1, accept_encoding.size()));
  }
  return by_star.value_or(false);
}

bool is_worth_compressing(const HttpRequest& request, const HttpResponse& response) {
  if (request.method == HttpMethod::head || response.shared_body ||
      response.body.size() < kWorthBytes || response.headers.has("Content-Encoding") ||
      response.headers.has("Accept-Ranges"))  // an attachment
    return false;
  const std::string_view type = response.headers.find("Content-Type").value_or("");
  if (!type.starts_with("application/json")) return false;
  return admits_gzip(request.headers.find("Accept-Encoding").value_or(""));
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  HG_ASSERT(deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                         Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  std::array<unsigned char, 16 * 1024> piece;
  int status = Z_OK;
  do {
    // zlib counts in 32 bits.
    const std::size_t given = std::min<std::size_t>(bytes.size(), 1u << 30);
    stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<unsigned>(given);
    stream.next_out = piece.data();
    stream.avail_out = piece.size();
    status = deflate(&stream, given == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    bytes.remove_prefix(given - stream.avail_in);
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream.avail_out);
  } while (status != Z_STREAM_END);
  deflateEnd(&stream);
  return out;
}

}  // namespace headgate
