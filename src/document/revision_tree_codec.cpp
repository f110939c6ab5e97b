// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "document/revision_code.hpp"
#include "document/revision_tree.hpp"

namespace headgate {

namespace {

// Head byte of a revision, docs/key-layout.md.
constexpr std::uint8_t kDeleted = 1;
constexpr std::uint8_t kRoot = 2;
/// The parent is the revision before this one and one generation older.
constexpr std::uint8_t kFollows = 4;
constexpr std::uint8_t kHexDigest = 8;
constexpr std::uint8_t kHeadBits = 15;

}  // namespace

void RevisionTree::encode(ByteWriter& out) const {
  out.varint(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const bool is_root = node.parent == kNone;
    const bool follows =
        !is_root && node.parent + 1 == i && nodes_[node.parent].generation + 1 == node.generation;
    const auto packed = pack_digest(digest_of(node));
    const int head = (node.is_deleted ? kDeleted : 0) | (is_root ? kRoot : 0) |
                     (follows ? kFollows : 0) | (packed ? kHexDigest : 0);
    out.u8(static_cast<std::uint8_t>(head));
    if (is_root) out.varint(node.generation);
    if (!is_root && !follows)
      out.varint(i - node.parent).varint(node.generation - nodes_[node.parent].generation);
    if (packed) {
      out.raw({packed->data(), packed->size()});
    } else {
      out.text(digest_of(node));
    }
  }
}

Result<RevisionTree> RevisionTree::decode(ByteReader& in) {
  const Error corrupted{Errc::corrupted, "revision tree"};
  const std::size_t count = in.count(3);
  if (count > kRevisionsMax) return corrupted;
  RevisionTree tree;
  tree.nodes_.reserve(count);
  tree.digests_.reserve(count * 32);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t head = in.u8();
    const bool is_root = (head & kRoot) != 0;
    const bool follows = (head & kFollows) != 0;
    if ((head & ~kHeadBits) != 0 || (is_root && follows) || (!is_root && i == 0)) return corrupted;
    std::uint64_t generation = 0;
    std::uint32_t parent = kNone;
    if (is_root) {
      generation = in.varint();
    } else {
      const std::uint64_t back = follows ? 1 : in.varint();
      const std::uint64_t step = follows ? 1 : in.varint();
      if (back == 0 || back > i || step == 0 || step > kGenerationMax) return corrupted;
      parent = static_cast<std::uint32_t>(i - back);
      generation = tree.nodes_[parent].generation + step;
    }
    HexDigest hex;
    const bool is_packed = (head & kHexDigest) != 0;
    const std::string_view digest =
        is_packed ? unpack_digest(in.raw(kPackedDigestBytes), hex) : in.text();
    if (!in.ok() || generation > kGenerationMax) return corrupted;
    if (!is_packed && !is_valid_digest(digest)) return corrupted;
    tree.append(generation, digest, parent, (head & kDeleted) != 0);
  }
  if (!in.ok()) return corrupted;
  tree.refresh_leaves();
  return tree;
}

}  // namespace headgate
