// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/process_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace headgate::bench {

namespace {

std::chrono::nanoseconds nanoseconds_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

std::optional<ProcessUsage> usage_of(int process) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream stat(folder + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return std::nullopt;
  // The program's name, in brackets, may hold blanks: the fields begin behind it.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  fields >> user >> system;
  std::uint64_t pages = 0;
  std::ifstream(folder + "/statm") >> pages >> pages;
  const auto ticks = std::chrono::nanoseconds(1'000'000'000 / sysconf(_SC_CLK_TCK));
  return ProcessUsage{(user + system) * ticks,
                      pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))};
}

std::chrono::nanoseconds own_processor_time() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return nanoseconds_of(usage.ru_utime) + nanoseconds_of(usage.ru_stime);
}

std::uint64_t raise_open_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace headgate::bench
