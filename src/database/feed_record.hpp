// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/cache_entry.hpp"
#include "document/envelope.hpp"

namespace headgate {

/// What a write of this document puts on the mutation feed, and so in the cache, at
/// `envelope.sequence`: the winner with all its channels and all that it grants, what is recorded
/// at this sequence as left or no longer granted, and the recent set. `has_star`: every document
/// is in "*", too.
FeedRecord feed_record_of(const DocId& id, const DocumentEnvelope& envelope, bool has_star);

}  // namespace headgate
