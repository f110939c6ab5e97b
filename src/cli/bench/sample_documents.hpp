// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/bench/bench_run.hpp"

namespace headgate::bench {

/// The document's id: 16 digits, in no order, as those of clients are.
std::string document_id(std::uint64_t number);

/// A document of `bytes` bytes that begins with `members` ("\"channels\":[\"a\"]"), and text that
/// does not compress well.
std::string document_text(std::size_t bytes, std::string_view members);

/// A request for one document, written once; only the id in it changes.
class DocumentRequest {
 public:
  DocumentRequest(const BenchRun& run, HttpMethod method, std::string_view body = {});

  /// Valid until the next call.
  std::string_view with(std::uint64_t number);

 private:
  std::string text_;
  std::size_t id_at_;
};

/// A request of `_bulk_docs`, written once: each document is in the channel "all" and in one of
/// `channels` further ones, "s0000" and on, by its number.
class BulkRequest {
 public:
  /// REQUIRES: 0 < channels <= 10,000.
  BulkRequest(const BenchRun& run, std::size_t documents, std::size_t channels);

  /// The documents `first` and those after it. Valid until the next call.
  std::string_view with(std::uint64_t first);

 private:
  std::size_t documents_;
  std::size_t channels_;
  std::string text_;
  std::size_t first_id_at_;
  std::size_t step_;  ///< from a document to the next
};

/// "s0007".
std::string channel_name(std::size_t number);

/// Waits until all that was written is settled, where the server can be asked for that: until then
/// a reader may be sent rows that it has. False: it was refused, and is counted.
Task<bool> settle(BenchRun& run);

/// Writes `count` documents, numbered from 0, into an empty database, those of BulkRequest,
/// and lets them settle. False: not all were accepted; the run has counted why.
Task<bool> write_documents(BenchRun& run, std::size_t count, std::size_t channels);

}  // namespace headgate::bench
