// SPDX-License-Identifier: Apache-2.0
// Whatever is read of these forms is written and read again to the same value. The first byte says
// which form the rest is.
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "database/database_config.hpp"
#include "database/grant_codec.hpp"
#include "database/principal_envelope.hpp"
#include "database/principal_store.hpp"

namespace headgate {
namespace {

void check_config(std::string_view text) {
  const auto config = DatabaseConfig::parse(text);
  if (!config) return;
  const auto again = DatabaseConfig::parse(config->print());
  HG_ASSERT(again && *again == *config);
}

void check_user(std::string_view text) {
  if (validate_json(text)) static_cast<void>(UserUpdate::parse(JsonView(text), "ann"));
}

template <class Value>
void check_bytes(std::string_view bytes) {
  const auto value = Value::decode(bytes);
  if (!value) return;
  const auto again = Value::decode(value->encode());
  HG_ASSERT(again && *again == *value);
}

}  // namespace
}  // namespace headgate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      check_config(rest);
      break;
    case 1:
      check_user(rest);
      break;
    case 2:
      check_bytes<DocumentGrants>(rest);
      break;
    default:
      check_bytes<PrincipalEnvelope>(rest);
      break;
  }
  return 0;
}
