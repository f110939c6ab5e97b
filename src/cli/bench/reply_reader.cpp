// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/reply_reader.hpp"

#include <algorithm>
#include <charconv>

#include "net/http_message.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kHeadBytesMax = 64 * 1024;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

template <class Number>
bool read_number(std::string_view text, Number& into, int base) {
  return std::from_chars(text.data(), text.data() + text.size(), into, base).ec == std::errc();
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

void ReplyReader::reset() {
  state_ = State::head;
  status_ = 0;
  left_ = 0;
  has_length_ = is_chunked_ = closes_ = false;
  part_.clear();
}

void ReplyReader::end() {
  if (is_done()) return;
  state_ = state_ == State::until_close ? State::done : State::broken;
}

void ReplyReader::take(std::string_view bytes, std::string& body) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::head:
        bytes = take_head(bytes);
        break;
      case State::length:
        bytes = take_counted(bytes, body, State::done);
        break;
      case State::chunk:
        bytes = take_counted(bytes, body, State::chunk_end);
        break;
      case State::chunk_size:
      case State::chunk_end:
      case State::trailer:
        bytes = take_line(bytes);
        break;
      case State::until_close:
        body.append(bytes);
        return;
      case State::done:
        state_ = State::broken;
        return;
      case State::broken:
        return;
    }
  }
}

std::string_view ReplyReader::take_head(std::string_view bytes) {
  if (part_.empty()) {
    const std::size_t end = bytes.find(kHeadEnd);
    if (end != std::string_view::npos) {
      read_head(bytes.substr(0, end));
      return bytes.substr(end + kHeadEnd.size());
    }
  }
  const std::size_t before = part_.size();
  part_.append(bytes);
  const std::size_t end = part_.find(kHeadEnd, before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    if (part_.size() > kHeadBytesMax) state_ = State::broken;
    return {};
  }
  read_head(std::string_view(part_).substr(0, end));
  part_.clear();
  return bytes.substr(end + kHeadEnd.size() - before);
}

void ReplyReader::read_head(std::string_view head) {
  std::size_t line_end = std::min(head.find("\r\n"), head.size());
  const std::string_view line = head.substr(0, line_end);
  if (!line.starts_with("HTTP/1.") || line.size() < 12 ||
      !read_number(line.substr(9, 3), status_, 10)) {
    state_ = State::broken;
    return;
  }
  if (line[7] == '0') closes_ = true;
  while (line_end < head.size()) {
    head.remove_prefix(line_end + 2);
    line_end = std::min(head.find("\r\n"), head.size());
    const std::string_view field = head.substr(0, line_end);
    const std::size_t colon = field.find(':');
    if (colon != std::string_view::npos)
      read_field(field.substr(0, colon), trimmed(field.substr(colon + 1)));
  }
  if (status_ == 100) {
    reset();
  } else if (status_ == 204 || status_ == 304) {
    state_ = State::done;
  } else if (is_chunked_) {
    state_ = State::chunk_size;
  } else if (has_length_) {
    state_ = left_ == 0 ? State::done : State::length;
  } else {
    // Also what follows an upgrade: it is no HTTP any more.
    closes_ = true;
    state_ = State::until_close;
  }
}

void ReplyReader::read_field(std::string_view name, std::string_view value) {
  if (equals_ignoring_case(name, "content-length")) {
    has_length_ = read_number(value, left_, 10);
  } else if (equals_ignoring_case(name, "transfer-encoding")) {
    is_chunked_ = equals_ignoring_case(value, "chunked");
  } else if (equals_ignoring_case(name, "connection")) {
    if (equals_ignoring_case(value, "close")) closes_ = true;
  }
}

std::string_view ReplyReader::take_counted(std::string_view bytes, std::string& body, State next) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  body.append(bytes.substr(0, count));
  left_ -= count;
  if (left_ == 0) state_ = next;
  return bytes.substr(count);
}

std::string_view ReplyReader::take_line(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  part_.append(bytes.substr(0, end));
  if (end == std::string_view::npos) {
    if (part_.size() > kHeadBytesMax) state_ = State::broken;
    return {};
  }
  line_ended();
  part_.clear();
  return bytes.substr(end + 1);
}

void ReplyReader::line_ended() {
  const std::string_view line = trimmed(part_);
  if (state_ == State::chunk_end) {
    state_ = State::chunk_size;
  } else if (state_ == State::trailer) {
    if (line.empty()) state_ = State::done;
  } else if (!read_number(line, left_, 16)) {
    state_ = State::broken;
  } else {
    state_ = left_ == 0 ? State::trailer : State::chunk;
  }
}

}  // namespace headgate::bench
