// SPDX-License-Identifier: Apache-2.0
// Damaged bytes as a document envelope: refused, or an envelope that survives being stored again.
#include <cstdint>

#include "base/assert.hpp"
#include "document/envelope.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::Errc;
  const auto envelope = headgate::decode_envelope({reinterpret_cast<const char*>(data), size});
  if (!envelope) {
    HG_ASSERT(envelope.error().code == Errc::corrupted ||
              envelope.error().code == Errc::unsupported);
    return 0;
  }
  const auto again = headgate::decode_envelope(headgate::encode_envelope(*envelope));
  HG_ASSERT(again && *again == *envelope);
  headgate::DocumentEnvelope changed = *envelope;
  if (const auto winner = changed.tree.winner()) HG_ASSERT(changed.tree.is_leaf(*winner));
  changed.tree.prune(3);
  settle_contents(changed);
  prune_recent(changed, changed.sequence);
  HG_ASSERT(changed.tree.winner() == envelope->tree.winner());
  return 0;
}
