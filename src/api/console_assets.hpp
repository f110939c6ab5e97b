// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace headgate {

/// A file that the program carries with it.
struct EmbeddedFile {
  std::string_view name;
  std::string_view etag;  ///< of its bytes, with quotes
  std::string_view bytes;
};

/// The console's page and what it needs: the folder `web`.
extern const std::span<const EmbeddedFile> kConsoleAssets;

}  // namespace headgate
