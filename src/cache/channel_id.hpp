// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace headgate {

/// Names one channel of a database: a channel of documents ("news", "*" for all documents), or the
/// hidden channel of a principal ("user:alice"), which holds the revisions that grant to it (R5b).
class ChannelId {
 public:
  ChannelId() = default;
  static ChannelId of_documents(std::string_view name) { return ChannelId('c', name); }
  static ChannelId of_principal(std::string_view name) { return ChannelId('p', name); }
  static ChannelId star() { return of_documents("*"); }

  bool is_of_principal() const { return !tag_.empty() && tag_[0] == 'p'; }
  std::string_view name() const { return std::string_view(tag_).substr(1); }
  /// Kind and name in one text: the partition tag of the channel's keys.
  const std::string& tag() const { return tag_; }

  void encode(ByteWriter& writer) const { writer.text(tag_); }
  static ChannelId decode(ByteReader& reader) {
    ChannelId id;
    id.tag_ = std::string(reader.text());
    return id;
  }

  friend auto operator<=>(const ChannelId&, const ChannelId&) = default;

 private:
  ChannelId(char kind, std::string_view name) : tag_(1, kind) { tag_ += name; }

  std::string tag_;
};

}  // namespace headgate

template <>
struct std::hash<headgate::ChannelId> {
  std::size_t operator()(const headgate::ChannelId& id) const noexcept {
    return std::hash<std::string>()(id.tag());
  }
};
