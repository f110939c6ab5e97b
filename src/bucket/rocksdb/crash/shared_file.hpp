// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/assert.hpp"

namespace headgate {

/// A T that lies in a file which several processes map: what one of them wrote stays when it is
/// killed. T must be usable when all its bytes are zero, which is how a new file begins.
template <class T>
class SharedFile {
 public:
  explicit SharedFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT, 0644);
    HG_ASSERT(file >= 0);
    HG_ASSERT(ftruncate(file, sizeof(T)) == 0);
    void* bytes = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    HG_ASSERT(bytes != MAP_FAILED);
    value_ = static_cast<T*>(bytes);
    close(file);
  }
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;
  ~SharedFile() { munmap(value_, sizeof(T)); }

  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

 private:
  T* value_;
};

}  // namespace headgate
