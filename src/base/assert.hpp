// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate {

/// Logs the broken invariant and aborts. Assertions stay on in release builds: a node that stops
/// is repaired by the others, a wrong stable sequence is not.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace headgate

#define HG_ASSERT(expression)          \
  ((expression) ? static_cast<void>(0) \
                : ::headgate::assertion_failed(#expression, __FILE__, __LINE__))
