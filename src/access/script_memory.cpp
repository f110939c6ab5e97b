// SPDX-License-Identifier: Apache-2.0
#include "access/script_memory.hpp"

#include <cerrno>
#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HG_FOREIGN_MALLOC
#endif
#endif

#ifndef HG_FOREIGN_MALLOC
#include <mimalloc.h>
#endif

namespace headgate {
namespace {

// Initial-exec: to find it must not call malloc.
[[gnu::tls_model("initial-exec")]] thread_local constinit std::size_t t_largest = SIZE_MAX;

}  // namespace

AllocationLimit::AllocationLimit(std::size_t bytes) {
  t_largest = bytes;
}

AllocationLimit::~AllocationLimit() {
  t_largest = SIZE_MAX;
}

#ifdef HG_FOREIGN_MALLOC
bool AllocationLimit::is_kept() {
  return false;
}
#else
bool AllocationLimit::is_kept() {
  return true;
}

namespace {

bool is_refused(std::size_t bytes) {
  if (bytes <= t_largest) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace
#endif

}  // namespace headgate

#ifndef HG_FOREIGN_MALLOC
// The program's own malloc, for all libraries in it: mimalloc's, with the limit in front. The rest
// of malloc's family comes from mimalloc as it is. With glibc's malloc a quarter of a write's time
// went to pieces that one thread makes and another frees.
extern "C" {
void* malloc(std::size_t size) {
  return headgate::is_refused(size) ? nullptr : mi_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  return headgate::is_refused(bytes) ? nullptr : mi_calloc(count, size);
}

void* realloc(void* old, std::size_t size) {
  return headgate::is_refused(size) ? nullptr : mi_realloc(old, size);
}
}
#endif
