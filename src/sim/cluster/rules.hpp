// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace headgate {

/// Every rule that HG_RULE can switch off (docs/fault-model.md; A0 to B6 are the append blocks').
inline constexpr auto kRules = std::to_array<std::string_view>(
    {"R1",         "R2",         "R3",        "R4",         "R4b",        "R5",       "R5b",
     "R6",         "R6b",        "R7",        "R7 block",   "R7 epoch",   "R7 read",  "R8",
     "R8 base",    "R9",         "R10",       "R11",        "R12",        "R13",      "R13 early",
     "R14",        "R14 copy",   "R15",       "R15b",       "R15c",       "R16",      "R17",
     "R17 low",    "R17 rights", "R17b",      "R17b audit", "R17b seen",  "R18",      "R19",
     "R19 access", "R19 floor",  "R19 block", "R19 fold",   "R19 closed", "A0",       "A1",
     "A3",         "A4",         "A5",        "A6",         "A7",         "A7 fence", "A8",
     "B1",         "B2",         "B3",        "B4",         "B5",         "C1",       "C3",
     "I3",         "I7"});

/// Places that a campaign has to come to: the cases of recovery (section 4) and what else is rare.
inline constexpr auto kProbes = std::to_array<std::string_view>({
    "A1 gap buried",
    "A2 unfinished write repaired",
    "A3 stray block entry passed over",
    "A4 late base write resequenced",
    "A5 insert refused",
    "A6 cache writer replaced",
    "B1 base audited",
    "B2 phantom found",
    "B2 token continues from the floor",
    "B3 new epoch",
    "B4 checkpoint reported absent",
    "B5 rights built anew",
    "C1 block entry lost",
    "C2 cache walked again",
    "C2 hole at or below stable",
    "C3 stable record fell back",
    "C4 channel counter fell back",
    "C5 older checkpoint walked from",
    "C6 cache built anew",
    "C6 new cache generation",
    "D both audited",
    "E restored from a snapshot",
    "R19 blocks left from before",
    "R19 blocks replaced",
    "R19 compacted",
    "R19 documents dropped",
    "R19 folded",
    "R2 number outrun",
});

}  // namespace headgate
