// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headgate::bench {

/// Reads one answer of HTTP/1.1 from bytes as they come, as much of HTTP as servers on one's own
/// machine speak: lengths, chunks, bodies that end with the connection, and upgrades.
class ReplyReader {
 public:
  /// Begins the next answer.
  void reset();

  /// Takes bytes in their order, and adds what belongs to the body to `body`. Bytes after the
  /// answer's end are a breach of the protocol.
  void take(std::string_view bytes, std::string& body);
  /// The connection has ended: so has a body without a length.
  void end();

  /// 0 until the head is there.
  int status() const { return status_; }
  bool has_head() const { return state_ != State::head; }
  bool is_done() const { return state_ == State::done || state_ == State::broken; }
  /// It cannot be read on: no HTTP, or cut off.
  bool is_broken() const { return state_ == State::broken; }
  /// The server closes the connection behind this answer.
  bool closes() const { return closes_ || is_broken(); }

 private:
  enum class State : std::uint8_t {
    head,
    length,
    chunk_size,
    chunk,
    chunk_end,
    trailer,
    until_close,
    done,
    broken
  };

  std::string_view take_head(std::string_view bytes);
  void read_head(std::string_view head);
  void read_field(std::string_view name, std::string_view value);
  std::string_view take_counted(std::string_view bytes, std::string& body, State next);
  std::string_view take_line(std::string_view bytes);
  void line_ended();

  State state_ = State::head;
  int status_ = 0;
  std::uint64_t left_ = 0;
  bool has_length_ = false;
  bool is_chunked_ = false;
  bool closes_ = false;
  std::string part_;  ///< of a head or line that has not come to its end
};

}  // namespace headgate::bench
