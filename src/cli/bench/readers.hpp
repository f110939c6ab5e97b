// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench/bench_run.hpp"

namespace headgate::bench {

/// Somebody who reads a database, and how its requests look.
struct Reader {
  Endpoint endpoint;
  std::string fields;                 ///< header fields of a login, in wire form
  std::vector<std::string> channels;  ///< that are read; empty: all documents
  bool is_user = false;               ///< the server itself knows the channels

  sockaddr_in address() const { return endpoint.address; }
};

/// Who may read everything.
Reader reader_of_all(const BenchRun& run);

/// Makes a database ready for readers of channels. Where the server knows neither channels nor
/// selectors it writes a filter function. False: that was refused, and is counted.
Task<bool> prepare_channels(BenchRun& run);

/// `count` readers with channels of their own, in a database that it makes ready for them. Where
/// the server has users they are made and logged in; elsewhere readers name their channels, or
/// select documents by them. Errors: unavailable.
Task<Result<std::vector<Reader>>> make_readers(
    BenchRun& run, std::size_t count,
    std::function<std::vector<std::string>(std::size_t)> channels_of);

/// GET of the rows that `reader` sees, or POST if it takes a selector. `query` has no "?".
std::string changes_request(const BenchRun& run, const Reader& reader, std::string_view query,
                            std::string_view fields = {});
/// POST to the database as `reader`.
std::string reader_post(const BenchRun& run, const Reader& reader, std::string_view rest,
                        std::string_view body);

}  // namespace headgate::bench
