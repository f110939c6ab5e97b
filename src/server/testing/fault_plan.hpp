// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "bucket/decorator/fault_bucket.hpp"

namespace headgate {

/// Reads faults as tests write them, separated by commas: `EFFECT-MOMENT:POINT[:NAME=VALUE...]`.
///
/// - EFFECT: `stop` ends the process, `hold` waits for a release, `fail` answers unavailable.
/// - MOMENT: `before` or `after` the operation.
/// - POINT, a kind of write: `document-write`, `block` (or `first-block`), `counter` (or
///   `counters`), `block-record`, `sequence-document`, `access-counter`, `stable`, `principal`.
/// - NAME: `skip` lets so many operations pass first, `times` strikes so many (1), `tag` and `name`
///   strike only keys whose tag or name begins so: a block's tag is `c` and its channel, or `p` and
///   the principal of a hidden channel (`puser:ann`); a document's name is its id.
///
/// For example `stop-after:counters:skip=1`, `stop-before:block:tag=p`.
/// Errors: invalid_argument.
Result<std::vector<FaultBucket::Fault>> parse_faults(std::string_view text);

}  // namespace headgate
