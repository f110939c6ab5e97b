// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// Makes a store that was copied back another one than the one it is a copy of (case E), so that no
/// client believes to be further than it is: a new uuid of the server; no local documents, in which
/// replicators keep how far they are; no sessions, some of which may have been ended since; and
/// numbers above all that may have been drawn since, with every earlier token void. `store` is base
/// and cache bucket of one process, and serves nobody.
/// Returns how many databases there are. Errors: unavailable, no_space, corrupted, unsupported:
/// some of it was done; to be called again.
Task<Result<std::size_t>> renew_identity(Environment& environment, Bucket& store);

}  // namespace headgate
