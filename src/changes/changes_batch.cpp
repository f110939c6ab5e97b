// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_batch.hpp"

#include <fmt/format.h>

#include <iterator>

namespace headgate {

void append_json_sequence(std::string& out, const SequenceId& seq) {
  if (seq.low == Sequence() && seq.trigger == Sequence()) {
    fmt::format_to(std::back_inserter(out), "{}", seq.sequence.value());
  } else {
    fmt::format_to(std::back_inserter(out), "\"{}\"", seq.print());
  }
}

void ChangesRow::append_to(std::string& out) const {
  out += "{\"seq\":";
  append_json_sequence(out, seq);
  out += *rest;
}

std::string ChangesRow::text() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace headgate
