// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string_view>

#include "bucket/bucket.hpp"
#include "document/envelope.hpp"

namespace headgate {

// The parts of a document are the values that its envelope refers to: attachments, and bodies of
// losing leaves. They are stored before the envelope that names them, and removed when none does.
// Two conditions keep them apart, whoever does what at the same time:
// - an envelope is written only while all parts are there that it names and the one before it did
//   not (else its author stores them again);
// - a part is removed only while the envelope is there that was seen not to name it.

/// The keys of what the envelope refers to.
std::set<Key> parts_of(DatabaseId database, const DocId& id, const DocumentEnvelope& envelope);

/// Holds while the document is as `bytes`, its encoded envelope, says: no other version of it
/// begins alike, since each has a sequence of its own.
Condition document_is_still(DatabaseId database, const DocId& id, std::string_view bytes);
/// Holds while there is no document.
Condition document_is_absent(DatabaseId database, const DocId& id);

}  // namespace headgate
