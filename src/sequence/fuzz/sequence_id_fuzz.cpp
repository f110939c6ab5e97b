// SPDX-License-Identifier: Apache-2.0
// The grammar of `since`: whatever is read is printed in a form that reads to the same place.
#include <cstdlib>

#include "sequence/sequence_id.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using headgate::SequenceId;
  const auto id = SequenceId::parse({reinterpret_cast<const char*>(data), size});
  if (!id) return 0;
  const auto again = SequenceId::parse(id->print());
  if (!again || again->sequence != id->sequence || again->print() != id->print()) std::abort();
  if (id->is_before(*id)) std::abort();
  return 0;
}
