// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace headgate {

/// JavaScript run first in every realm of a sync function. Its value is a function `prepare`
/// of what kSyncBuiltins returned: it freezes what is global and returns `bind(sync)`, which
/// freezes the sync function and returns `call(doc, old_doc, user_name, channels, roles)`. All
/// arguments of call() are texts; user_name null means admin. call() returns the array of
/// SyncReply's texts (sync_reply.hpp), so that the many calls a sync function makes cross no
/// language boundary. call() throws only when a document is not JSON or memory is out.
extern const std::string_view kSyncPrelude;

/// JavaScript for a realm with Reflect.parse: its value is a function of a text that compiles and
/// of kMaxRegularExpression. It returns "" if the text is one plain function expression, else what
/// it is not.
extern const std::string_view kSyncSourceCheck;

}  // namespace headgate
