// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "access/principal.hpp"
#include "base/result.hpp"

namespace headgate {

/// What one document grants to one principal, each with the sequence of its first grant: the
/// meaning of Grant::given (docs/key-layout.md, Grants).
struct DocumentGrants {
  Grants channels;
  Grants roles;  ///< without "role:"
  /// What the document has taken back.
  GrantHistory past_channels = {};
  GrantHistory past_roles = {};

  /// Empty text if nothing is granted.
  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<DocumentGrants> decode(std::string_view bytes);

  friend bool operator==(const DocumentGrants&, const DocumentGrants&) = default;
};

}  // namespace headgate
