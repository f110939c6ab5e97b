// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.hpp"

namespace headgate {

/// Whether a list of codings, as Accept-Encoding has it, admits gzip.
bool admits_gzip(std::string_view accept_encoding);

/// Whether the answer becomes smaller by gzip, and the client takes it: JSON of at least a
/// kilobyte that is no attachment.
bool is_worth_compressing(const HttpRequest& request, const HttpResponse& response);

/// Blocks: 1 ms for 100 KB of JSON. Safe from any thread.
std::string gzip(std::string_view bytes);

}  // namespace headgate
