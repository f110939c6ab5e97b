// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rocksdb {
class CompactionFilter;
}

namespace headgate {

/// Drops values that expired more than an hour ago by the machine's clock whenever a compaction
/// comes by; readers do not see them anyway. Lives as long as the process.
const rocksdb::CompactionFilter* expiry_filter();

}  // namespace headgate
