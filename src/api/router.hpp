// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/api_call.hpp"
#include "base/task.hpp"

namespace headgate {

/// Answers one request. An error that is returned is the answer, unless there is one already.
using ApiAction = Task<Result<void>> (*)(ApiCall& call);

/// What lies at one kind of address.
struct Resource {
  struct Method {
    HttpMethod method;
    ApiAction action;
    bool is_for_admins = false;  ///< only on the admin port
    /// False: the action itself finds the database, or there is none yet.
    bool needs_database = true;
  };
  std::span<const Method> methods;
  std::uint64_t body_limit = 0;  ///< bytes
  bool is_of_server = false;     ///< no database, no login
  bool takes_any_type = false;   ///< else bodies are JSON
  bool takes_multipart = false;  ///< or multipart/related

  /// Null: no such method on that port.
  const Method* find(HttpMethod method, ApiPort port) const;
  /// Value of the Allow header: "GET, HEAD, PUT".
  std::string allowed(ApiPort port) const;
};

/// The resource that a decoded path names on this port; null: there is none.
const Resource* find_resource(const std::vector<std::string>& path, ApiPort port);

/// Where a document's address is taken apart: `/DB/ID`, `/DB/_design/ID`, `/DB/_local/ID`, and
/// below the first two the name of an attachment, which may have slashes.
struct DocumentPath {
  std::string id;
  std::string attachment;  ///< empty: the document itself
};
/// REQUIRES: `path` was routed to a document or attachment.
DocumentPath document_path(const std::vector<std::string>& path);

}  // namespace headgate
