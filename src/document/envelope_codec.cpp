// SPDX-License-Identifier: Apache-2.0
// The format is described in docs/key-layout.md, "Document envelope".
#include <fmt/format.h>

#include "document/envelope.hpp"
#include "document/revision_code.hpp"

namespace headgate {

namespace {

constexpr std::uint8_t kFormat = 1;

namespace part {
constexpr std::uint8_t kLastWritten = 1;
constexpr std::uint8_t kExpiry = 2;
constexpr std::uint8_t kGrants = 4;
constexpr std::uint8_t kEndedGrants = 8;
constexpr std::uint8_t kPurgedTo = 16;
constexpr std::uint8_t kAll = 31;
}  // namespace part

namespace membership_bit {
constexpr std::uint8_t kRemoved = 1;
constexpr std::uint8_t kDeleted = 2;
constexpr std::uint8_t kPast = 4;
constexpr std::uint8_t kAll = 7;
}  // namespace membership_bit

namespace content_bit {
constexpr std::uint8_t kWinner = 1;
constexpr std::uint8_t kExternal = 2;
constexpr std::uint8_t kAttachments = 4;
constexpr std::uint8_t kChannels = 8;
constexpr std::uint8_t kAll = 15;
}  // namespace content_bit

std::uint8_t bits(int value) {
  return static_cast<std::uint8_t>(value);
}

/// Distance below a base number; sequences lie close together, so it is short. Any two numbers have
/// one, modulo 2^64.
void put_sequence(ByteWriter& out, Sequence base, Sequence sequence) {
  const std::uint64_t distance = base.value() - sequence.value();
  const bool is_above = distance >> 63 != 0;
  out.varint(is_above ? ~(distance << 1) : distance << 1);
}

class Encoder {
 public:
  explicit Encoder(const DocumentEnvelope& envelope) : envelope_(envelope) {}

  std::string run() {
    const bool has_grants = !envelope_.access.empty() || !envelope_.roles.empty();
    out_.u8(kFormat);
    out_.u8(bits((envelope_.last_written ? part::kLastWritten : 0) |
                 (envelope_.expiry ? part::kExpiry : 0) | (has_grants ? part::kGrants : 0) |
                 (envelope_.ended_grants.empty() ? 0 : part::kEndedGrants) |
                 (envelope_.purged_to ? part::kPurgedTo : 0)));
    out_.varint(envelope_.sequence.value());
    out_.varint(static_cast<std::uint64_t>(envelope_.time_saved.time_since_epoch().count()));
    if (envelope_.expiry) out_.varint(seconds_of(*envelope_.expiry));
    envelope_.tree.encode(out_);
    if (envelope_.last_written) encode_revision(out_, *envelope_.last_written);
    put_recent();
    put_channels();
    if (has_grants) {
      put_grants(envelope_.access);
      put_grants(envelope_.roles);
    }
    if (!envelope_.ended_grants.empty()) put_ended_grants();
    if (envelope_.purged_to) put(*envelope_.purged_to);
    put_contents();
    return std::move(out_).bytes();
  }

 private:
  static std::uint64_t seconds_of(WallTime time) {
    return static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  }

  void put_texts(const std::vector<std::string>& texts) {
    out_.varint(texts.size());
    for (const std::string& text : texts) out_.text(text);
  }

  void put(Sequence sequence) { put_sequence(out_, envelope_.sequence, sequence); }

  void put_recent() {
    out_.varint(envelope_.recent.size());
    for (const RecordedSequence& recent : envelope_.recent) {
      put(recent.sequence);
      put_texts(recent.removals);
      put_texts(recent.grants);
    }
  }

  void put_channels() {
    out_.varint(envelope_.channels.size());
    for (const auto& [name, membership] : envelope_.channels) {
      const auto& removal = membership.removal;
      out_.text(name);
      out_.u8(bits((removal ? membership_bit::kRemoved : 0) |
                   (removal && removal->is_deleted ? membership_bit::kDeleted : 0) |
                   (membership.past.empty() ? 0 : membership_bit::kPast)));
      if (removal) {
        put(removal->sequence);
        encode_revision(out_, removal->rev);
      } else {
        put(membership.since);
      }
      if (!membership.past.empty()) put_intervals(membership.past);
    }
  }

  void put_intervals(const std::vector<ChannelInterval>& intervals) {
    out_.varint(intervals.size());
    for (const ChannelInterval& interval : intervals) {
      put(interval.start);
      put(interval.end);
      out_.u8(interval.is_compacted ? 1 : 0);
    }
  }

  void put_grants(const GrantMap& grants) {
    out_.varint(grants.size());
    for (const auto& [principal, names] : grants) {
      out_.text(principal).varint(names.size());
      for (const auto& [name, since] : names) {
        out_.text(name);
        put(since);
      }
    }
  }

  void put_ended_grants() {
    out_.varint(envelope_.ended_grants.size());
    for (const EndedGrant& ended : envelope_.ended_grants) {
      out_.text(ended.principal).text(ended.name).u8(ended.is_role ? 1 : 0);
      put(ended.start);
      put(ended.end);
    }
  }

  void put_contents() {
    const auto winner = envelope_.tree.winner();
    out_.varint(envelope_.contents.size());
    for (const LeafContent& content : envelope_.contents) {
      const bool is_winner = content.rev == winner;
      out_.u8(bits((is_winner ? content_bit::kWinner : 0) |
                   (content.is_external ? content_bit::kExternal : 0) |
                   (content.attachments.empty() ? 0 : content_bit::kAttachments) |
                   (content.channels.empty() ? 0 : content_bit::kChannels)));
      if (!is_winner) encode_revision(out_, content.rev);
      if (!content.attachments.empty()) {
        out_.varint(content.attachments.size());
        for (const Attachment& attachment : content.attachments)
          encode_attachment(out_, attachment);
      }
      if (!content.channels.empty()) put_texts(content.channels);
      if (!content.is_external) out_.text(content.body);
    }
  }

  const DocumentEnvelope& envelope_;
  ByteWriter out_;
};

/// Every step returns false when the bytes cannot be what the encoder wrote.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : in_(bytes) {}

  Result<DocumentEnvelope> run() {
    const std::uint8_t format = in_.u8();
    if (format > kFormat)
      return Error{Errc::unsupported, fmt::format("document envelope of format {}", format)};
    const bool is_whole = format == kFormat && take_head() && take_recent() && take_channels() &&
                          take_all_grants() && take_ended_grants() && take_purged_to() &&
                          take_contents();
    if (!is_whole || !in_.ok() || !in_.at_end()) return Error{Errc::corrupted, "document envelope"};
    return std::move(envelope_);
  }

 private:
  bool take_head() {
    parts_ = in_.u8();
    if ((parts_ & ~part::kAll) != 0) return false;
    envelope_.sequence = Sequence(in_.varint());
    const auto saved = static_cast<std::int64_t>(in_.varint());
    envelope_.time_saved = WallTime(std::chrono::milliseconds(saved));
    if ((parts_ & part::kExpiry) != 0) {
      const std::uint64_t seconds = in_.varint();
      if (seconds > 0xffffffff) return false;
      envelope_.expiry = WallTime(std::chrono::seconds(seconds));
    }
    auto tree = RevisionTree::decode(in_);
    if (!tree) return false;
    envelope_.tree = *std::move(tree);
    if ((parts_ & part::kLastWritten) == 0) return in_.ok();
    envelope_.last_written = decode_revision(in_);
    return envelope_.last_written.has_value();
  }

  Sequence take_sequence() {
    const std::uint64_t code = in_.varint();
    const std::uint64_t distance = (code & 1) != 0 ? ~(code >> 1) : code >> 1;
    return Sequence(envelope_.sequence.value() - distance);
  }

  bool take_texts(std::vector<std::string>& into) {
    const std::size_t count = in_.count();
    into.reserve(count);
    for (std::size_t i = 0; i < count; ++i) into.emplace_back(in_.text());
    return in_.ok();
  }

  bool take_recent() {
    const std::size_t count = in_.count(3);
    envelope_.recent.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      RecordedSequence& recent = envelope_.recent[i];
      recent.sequence = take_sequence();
      if (!take_texts(recent.removals) || !take_texts(recent.grants)) return false;
      if (i > 0 && recent.sequence <= envelope_.recent[i - 1].sequence) return false;
    }
    return in_.ok();
  }

  bool take_channels() {
    const std::size_t count = in_.count(3);
    for (std::size_t i = 0; i < count; ++i) {
      const auto entry = add_last(envelope_.channels);
      if (entry == envelope_.channels.end() || !take_membership(entry->second)) return false;
    }
    return in_.ok();
  }

  bool take_membership(ChannelMembership& membership) {
    const std::uint8_t flags = in_.u8();
    if ((flags & ~membership_bit::kAll) != 0) return false;
    const bool is_deleted = (flags & membership_bit::kDeleted) != 0;
    const Sequence sequence = take_sequence();
    if ((flags & membership_bit::kRemoved) != 0) {
      auto rev = decode_revision(in_);
      if (!rev) return false;
      membership.removal = ChannelRemoval{sequence, *std::move(rev), is_deleted};
    } else {
      if (is_deleted) return false;
      membership.since = sequence;
    }
    return (flags & membership_bit::kPast) == 0 || take_intervals(membership.past);
  }

  bool take_intervals(std::vector<ChannelInterval>& intervals) {
    intervals.resize(in_.count(3));
    for (ChannelInterval& interval : intervals) {
      interval.start = take_sequence();
      interval.end = take_sequence();
      const std::uint8_t compacted = in_.u8();
      if (compacted > 1) return false;
      interval.is_compacted = compacted == 1;
    }
    return in_.ok() && !intervals.empty();
  }

  /// Reads a name and enters it; end() unless it follows all that are there.
  template <class Map>
  typename Map::iterator add_last(Map& map) {
    const std::string_view name = in_.text();
    if (!in_.ok() || (!map.empty() && map.rbegin()->first >= name)) return map.end();
    return map.try_emplace(map.end(), std::string(name));
  }

  bool take_all_grants() {
    if ((parts_ & part::kGrants) == 0) return true;
    return take_grants(envelope_.access) && take_grants(envelope_.roles);
  }

  bool take_grants(GrantMap& grants) {
    const std::size_t count = in_.count(2);
    for (std::size_t i = 0; i < count; ++i) {
      const auto principal = add_last(grants);
      if (principal == grants.end()) return false;
      const std::size_t names = in_.count(2);
      for (std::size_t n = 0; n < names; ++n) {
        const auto name = add_last(principal->second);
        if (name == principal->second.end()) return false;
        name->second = take_sequence();
      }
    }
    return in_.ok();
  }

  bool take_ended_grants() {
    if ((parts_ & part::kEndedGrants) == 0) return true;
    envelope_.ended_grants.resize(in_.count(5));
    for (EndedGrant& ended : envelope_.ended_grants) {
      ended.principal = in_.text();
      ended.name = in_.text();
      const std::uint8_t role = in_.u8();
      if (role > 1) return false;
      ended.is_role = role == 1;
      ended.start = take_sequence();
      ended.end = take_sequence();
    }
    return in_.ok() && !envelope_.ended_grants.empty();
  }

  bool take_purged_to() {
    if ((parts_ & part::kPurgedTo) != 0) envelope_.purged_to = take_sequence();
    return in_.ok();
  }

  bool take_contents() {
    const std::size_t count = in_.count();
    envelope_.contents.reserve(std::min<std::size_t>(count, envelope_.tree.size()));
    for (std::size_t i = 0; i < count; ++i) {
      if (!take_content(envelope_.contents.emplace_back())) return false;
    }
    return in_.ok();
  }

  bool take_content(LeafContent& content) {
    const std::uint8_t flags = in_.u8();
    if ((flags & ~content_bit::kAll) != 0) return false;
    const bool is_winner = (flags & content_bit::kWinner) != 0;
    auto rev = is_winner ? envelope_.tree.winner() : decode_revision(in_);
    if (!rev) return false;
    content.rev = *std::move(rev);
    content.is_external = (flags & content_bit::kExternal) != 0;
    if ((flags & content_bit::kAttachments) != 0) {
      content.attachments.resize(in_.count(6));
      for (Attachment& attachment : content.attachments) attachment = decode_attachment(in_);
    }
    if ((flags & content_bit::kChannels) != 0 && !take_texts(content.channels)) return false;
    if (!content.is_external) content.body = in_.text();
    return in_.ok();
  }

  ByteReader in_;
  std::uint8_t parts_ = 0;
  DocumentEnvelope envelope_;
};

}  // namespace

std::string encode_envelope(const DocumentEnvelope& envelope) {
  return Encoder(envelope).run();
}

Result<DocumentEnvelope> decode_envelope(std::string_view bytes) {
  return Decoder(bytes).run();
}

}  // namespace headgate
