// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/result.hpp"
#include "base/task.hpp"
#include "changes/changes_options.hpp"
#include "changes/changes_source.hpp"
#include "changes/page_merge.hpp"

namespace headgate {

/// Takes out of what a pass has read the documents that a request did not ask for, by their ids or
/// by a selector, or because they are gone (active_only), and candidates (Change::held) of
/// documents that the reader can still read, or never could. Reads documents for all but the first,
/// and so looks at a bounded number of them in one pass. Confined to its executor. Source and
/// options must outlive it, and the calls in flight.
class ChangesFilter {
 public:
  /// Documents that one pass reads at most.
  static constexpr std::size_t kDocumentsPerPass = 1'000;

  ChangesFilter(ChangesSource& source, const ChangesOptions& options)
      : source_(source), options_(options) {}

  struct Bounds {
    Sequence stable;  ///< of the pass
    Sequence up_to;   ///< changes above it are not looked at
  };

  /// Keeps the changes that are asked for. It may stop once it has `wanted` of them: then what lies
  /// beyond is taken out, too, and `merged` says so (bound, is_cut). That a document left the
  /// reader's channels, or is revoked, is told whatever it was. Errors: unavailable,
  /// timeout_unknown_outcome, corrupted.
  Task<Result<void>> apply(std::shared_ptr<const Principal> reader, const ChannelPlan& plan,
                           Bounds bounds, std::size_t wanted, MergedPages& merged);

 private:
  Task<Result<void>> keep_wanted(std::shared_ptr<const Principal> reader, const ChannelPlan& plan,
                                 Sequence stable, std::vector<Change> changes,
                                 std::vector<Change>& kept);
  Task<Result<void>> drop_unfounded(std::shared_ptr<const Principal> reader, Sequence stable,
                                    std::vector<Change>& changes);
  Task<Result<void>> drop_gone(const ChannelPlan& plan, Sequence stable,
                               std::vector<Change>& changes);
  Task<Result<void>> select(std::shared_ptr<const Principal> reader, const ChannelPlan& plan,
                            std::vector<Change> changes, std::vector<Change>& kept);

  ChangesSource& source_;
  const ChangesOptions& options_;
  bool is_read_in_part_ = false;  // changes lie beyond what the pass has read
};

}  // namespace headgate
