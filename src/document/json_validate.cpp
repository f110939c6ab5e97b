// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "document/json.hpp"

namespace headgate {

namespace {

/// Longer texts go to the second pass at once: it needs no memory, while simdjson's tape would take
/// ten times the text and stay with the thread.
constexpr std::size_t kFastBytesMax = 256 * 1024;

/// Accepts only what is certainly valid; what it refuses may still be legal (long integers).
bool is_valid_at_first_sight(std::string_view text, const JsonLimits& limits) {
  thread_local simdjson::dom::parser parser(kFastBytesMax);
  thread_local std::size_t depth_max = 0;
  thread_local std::string padded;
  if (depth_max != limits.depth_max) {
    if (parser.allocate(kFastBytesMax, limits.depth_max) != simdjson::SUCCESS) return false;
    depth_max = limits.depth_max;
  }
  padded.reserve(kFastBytesMax + simdjson::SIMDJSON_PADDING);
  padded.assign(text);
  return parser.parse(padded.data(), padded.size(), false).error() == simdjson::SUCCESS;
}

/// A double cannot hold the number. `number` follows the grammar. What is too small reads as 0.
bool overflows_double(std::string_view number) {
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ec != std::errc::result_out_of_range) return false;
  const std::size_t exponent = std::min(number.find_first_of("eE"), number.size());
  if (exponent < number.size() && number[exponent + 1] == '-') return false;
  // Without a negative exponent only a fraction of hundreds of zeros is small.
  const std::size_t digit = number.find_first_not_of("-0.");
  return digit < std::min(number.find('.'), exponent) || exponent < number.size();
}

/// Surrogates that were written as escapes come out as their three-byte encodings, which no valid
/// text has.
bool has_surrogate(std::string_view decoded) {
  for (std::size_t at = decoded.find('\xed'); at != std::string_view::npos;
       at = decoded.find('\xed', at + 1)) {
    if (at + 1 < decoded.size() && static_cast<unsigned char>(decoded[at + 1]) >= 0xa0) return true;
  }
  return false;
}

/// Follows the second pass and stops it where the grammar alone would go on.
class Follower : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Follower> {
 public:
  explicit Follower(std::size_t depth_max) : depth_max_(depth_max) {}

  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    if (!overflows_double({text, length})) return true;
    return stop("the number is too great");
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    if (!has_surrogate({text, length})) return true;
    return stop("lone surrogate");
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return String(text, length, copy);
  }
  bool StartObject() { return enter(); }
  bool StartArray() { return enter(); }
  bool EndObject(rapidjson::SizeType) { return leave(); }
  bool EndArray(rapidjson::SizeType) { return leave(); }

  std::string_view reason() const { return reason_; }

 private:
  bool enter() {
    if (++depth_ <= depth_max_) return true;
    return stop("nested too deeply");
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool stop(std::string_view reason) {
    reason_ = reason;
    return false;
  }

  std::size_t depth_max_;
  std::size_t depth_ = 0;
  std::string_view reason_;
};

Error invalid(std::size_t offset, std::string_view reason) {
  return {Errc::invalid_argument, fmt::format("invalid JSON at byte {}: {}", offset, reason)};
}

Result<void> validate_closely(std::string_view text, const JsonLimits& limits) {
  constexpr unsigned kFlags =
      rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  Follower follower(limits.depth_max);
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, follower);
  if (result.IsError()) {
    const bool is_stopped = result.Code() == rapidjson::kParseErrorTermination;
    return invalid(result.Offset(),
                   is_stopped ? follower.reason() : rapidjson::GetParseError_En(result.Code()));
  }
  // The reader takes a NUL byte for the end.
  if (stream.Tell() != text.size()) return invalid(stream.Tell(), "trailing text");
  return {};
}

}  // namespace

Result<void> validate_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max)
    return Error{Errc::too_large, fmt::format("JSON text of {} bytes, at most {} are allowed",
                                              text.size(), limits.bytes_max)};
  if (text.size() <= kFastBytesMax && is_valid_at_first_sight(text, limits)) return {};
  return validate_closely(text, limits);
}

}  // namespace headgate
