// SPDX-License-Identifier: Apache-2.0
#include "cache/block_run.hpp"

#include "base/bytes.hpp"
#include "cache/block.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr char kPart = '\xff';

}  // namespace

std::string BlockRun::encode() const {
  ByteWriter writer;
  writer.u8(kFormat).be64(identity).varint(blocks).varint(floor.value()).varint(lasts.size());
  for (const Sequence last : lasts) writer.varint(last.value());
  return std::move(writer).bytes();
}

Result<BlockRun> BlockRun::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted, "block run of another format"};
  BlockRun run;
  run.identity = reader.be64();
  run.blocks = reader.varint();
  run.floor = Sequence(reader.varint());
  run.lasts.resize(reader.count());
  Sequence before;
  for (Sequence& last : run.lasts) {
    last = Sequence(reader.varint());
    if (reader.ok() && last <= before) return Error{Errc::corrupted, "block run out of order"};
    before = last;
  }
  HG_CHECK(reader.finish("block run"));
  return run;
}

Key run_key(const CacheSpace& space, const ChannelId& channel) {
  return space.record_key(channel, 0);
}

Key run_part_key(const CacheSpace& space, const ChannelId& channel, std::uint64_t identity,
                 std::uint64_t part) {
  Key key = space.block_key(channel, 0);
  ByteWriter name;
  name.be64(identity).be64(part);
  key.name = kPart + std::move(name).bytes();
  return key;
}

std::string first_part_name() {
  return {kPart};
}

std::optional<std::uint64_t> run_of_part(std::string_view name) {
  if (name.size() != 1 + 2 * sizeof(std::uint64_t) || name[0] != kPart) return std::nullopt;
  return ByteReader(name.substr(1)).be64();
}

bool is_replaced_block(std::uint64_t length) {
  return length % kAppendEntryBytes != 0;
}

}  // namespace headgate
