// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace headgate {

/// JavaScript run in every realm of a sync function before kSyncPrelude. Its value is a function of
/// kMaxRegularExpression that replaces the built-in methods of which a single call may take
/// minutes: the engine does not look at the time within one. That is to search a text for a text,
/// to compile a regular expression, to normalize, to collate and to find a locale. What replaces
/// them does as the language says, or throws a RangeError at once if the call could take long.
///
/// The function returns `{RegExp, allow}`: the constructor that is to be global; and what is called
/// before each run with the length of the documents, so that whatever is in them may be searched.
extern const std::string_view kSyncBuiltins;

}  // namespace headgate
