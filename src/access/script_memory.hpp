// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace headgate {

/// While one lives, malloc refuses its thread a single piece of more than so many bytes. One at a
/// time on a thread.
///
/// Sync functions need it: the engine looks neither at the time nor at its limit of memory within
/// one call of a built-in method, and asks malloc for the texts and lists that such a call makes.
/// Without it `'x'.repeat(1e9).replaceAll('x', 'yy')` takes gigabytes and a minute.
///
/// Does nothing under ASan and TSan, which have a malloc of their own.
class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;

  /// False in builds where it does nothing.
  static bool is_kept();
};

}  // namespace headgate
