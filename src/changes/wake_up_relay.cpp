// SPDX-License-Identifier: Apache-2.0
#include "changes/wake_up_relay.hpp"

#include <utility>

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kIsAnything = 1;

}  // namespace

std::string WakeUpRelay::News::encode() const {
  ByteWriter writer;
  writer.u8(kFormat);
  writer.u8(is_anything ? kIsAnything : 0);
  writer.varint(stable.value()).varint(changed.size());
  for (const auto& [channel, times] : changed) {
    channel.encode(writer);
    writer.varint(times);
  }
  writer.varint(below_stable.size());
  for (const ChannelId& channel : below_stable) channel.encode(writer);
  return std::move(writer).bytes();
}

Result<WakeUpRelay::News> WakeUpRelay::News::decode(std::string_view message) {
  ByteReader reader(message);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "wake-up of a newer format"};
  News news;
  news.is_anything = (reader.u8() & kIsAnything) != 0;
  news.stable = Sequence(reader.varint());
  const Error wrong{Errc::corrupted, "wake-up"};
  const std::uint64_t changes = reader.varint();
  if (changes > kChannelsMax) return wrong;
  for (std::uint64_t i = 0; i < changes; ++i) {
    const ChannelId channel = ChannelId::decode(reader);
    news.changed[channel] = reader.varint();
  }
  const std::uint64_t below = reader.varint();
  if (below > kChannelsMax) return wrong;
  for (std::uint64_t i = 0; i < below; ++i) news.below_stable.insert(ChannelId::decode(reader));
  HG_CHECK(reader.finish("wake-up"));
  return news;
}

WakeUpRelay::WakeUpRelay(Environment& environment, DatabaseId database, FeedHub& hub,
                         WakeUpTransport& transport)
    : environment_(environment),
      database_(database),
      hub_(hub),
      transport_(transport),
      tasks_(environment) {}

void WakeUpRelay::channels_changed(const std::vector<ChannelId>& channels) {
  hub_.channels_changed(channels);
  if (!transport_.has_peers()) return;
  for (const ChannelId& channel : channels) ++news_.changed[channel];
  if (news_.changed.size() > kChannelsMax) {
    news_.changed.clear();
    news_.is_anything = true;
  }
  stir();
}

void WakeUpRelay::stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) {
  hub_.stable_advanced(stable, channels);
  if (!transport_.has_peers()) return;
  news_.stable = std::max(news_.stable, stable);
  news_.below_stable.insert(channels.begin(), channels.end());
  if (channels.empty() || news_.below_stable.size() > kChannelsMax) news_.is_any_below = true;
  if (news_.is_any_below) news_.below_stable.clear();
  stir();
}

void WakeUpRelay::stir() {
  if (!std::exchange(is_sending_, true)) tasks_.spawn(send_news());
}

Task<void> WakeUpRelay::send_news() {
  while (!news_.is_empty()) {
    const TimePoint next = environment_.now() + kPause;
    const auto sent = co_await transport_.send(database_, std::exchange(news_, {}).encode());
    ++(sent ? statistics_.sent : statistics_.failed);
    co_await environment_.sleep_until(next);
  }
  is_sending_ = false;
}

Task<void> WakeUpRelay::stop() {
  co_await tasks_.join();
}

Result<void> WakeUpRelay::receive(std::string_view message) {
  HG_TRY(const News news, News::decode(message));
  ++statistics_.received;
  for (const auto& [channel, times] : news.changed) hub_.channel_changed_elsewhere(channel, times);
  if (news.is_anything) hub_.anything_changed_elsewhere();
  if (news.stable == Sequence()) return {};
  const auto& below = news.below_stable;
  hub_.stable_advanced(news.stable, {below.begin(), below.end()});
  return {};
}

}  // namespace headgate
