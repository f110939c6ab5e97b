// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace headgate::bench {

/// Finds the rows of a changes feed, of whatever kind, in bytes as they come: the ids behind
/// `"id":"`. Reads no more of JSON than that, so ids must need no escapes.
class FeedRows {
 public:
  /// Calls `seen` with the id of each row that has come.
  template <class Seen>
  void take(std::string_view bytes, Seen seen);

 private:
  static constexpr std::string_view kMark = "\"id\":\"";

  std::string begun_;  ///< of a row whose id has not come to its end
};

/// "last_seq" of a normal or longpoll feed, ready for `since=`; empty if there is none.
std::string last_sequence(std::string_view body);

/// How often `what` is in `text`.
std::size_t count_of(std::string_view text, std::string_view what);

template <class Seen>
void FeedRows::take(std::string_view bytes, Seen seen) {
  if (!begun_.empty()) {
    begun_.append(bytes);
    bytes = begun_;
  }
  std::size_t at = 0;
  for (;;) {
    const std::size_t mark = bytes.find(kMark, at);
    const std::size_t begin = mark + kMark.size();
    const std::size_t end = mark == std::string_view::npos ? mark : bytes.find('"', begin);
    if (end == std::string_view::npos) {
      // A mark may be cut in two.
      if (mark != std::string_view::npos)
        at = mark;
      else if (bytes.size() - at >= kMark.size())
        at = bytes.size() - kMark.size() + 1;
      break;
    }
    seen(bytes.substr(begin, end - begin));
    at = end;
  }
  begun_ = std::string(bytes.substr(at));
}

}  // namespace headgate::bench
