// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "net/http_message.hpp"

namespace headgate {

/// The media type of a body, without parameters; empty: not named.
std::string_view media_type(const HttpRequest& request);

/// JSON, or a type that clients name when nobody told them one. The latter only if no web page
/// sends it: pages of other sites can, without the browser asking this server for its leave.
bool is_json_body(const HttpRequest& request);

/// Whether a body is compressed, which nobody here would undo. Attachments that come inside a
/// document say so there.
bool is_encoded_body(const HttpRequest& request);

/// A document with its attachments in parts of their own.
bool is_multipart_related(const HttpRequest& request);

}  // namespace headgate
