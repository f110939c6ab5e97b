// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace headgate {

/// Rules of docs/fault-model.md that HG_RULE can switch off in a run.
inline constexpr std::array<std::string_view, 12> kRules{"R3",  "R4", "R6", "R11", "R12", "R17",
                                                         "R18", "C1", "C3", "I3",  "I7",  "R13"};

/// Places that a campaign has to come to: every case of recovery (section 4).
inline constexpr std::array<std::string_view, 15> kProbes{
    "A1 gap buried",
    "A2 unfinished write repaired",
    "A4 late base write resequenced",
    "A6 cache writer replaced",
    "B1 base audited",
    "B2 phantom found",
    "B2 token continues from the floor",
    "B3 new epoch",
    "B4 checkpoint reported absent",
    "C1 block entry lost",
    "C2 cache walked again",
    "C6 cache built anew",
    "C6 new cache generation",
    "D both audited",
    "D horizon lost",
};

}  // namespace headgate
