// SPDX-License-Identifier: Apache-2.0
// How fast the parts below a server are by themselves, so that what the server does can be given as
// a share of what could be done here and now. Prints JSON.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <vector>

#include "bucket/rocksdb/temporary_directory.hpp"
#include "database_load.hpp"
#include "document/json.hpp"
#include "echo_server.hpp"

namespace headgate {
namespace {

/// Appends of 4 KiB to one file, each made durable, by one thread: what a lone durable write has to
/// wait for.
LoadFigures run_disk_load(const std::string& path, std::chrono::nanoseconds time) {
  LoadFigures figures;
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return figures;
  const std::vector<char> bytes(4096, 'x');
  const auto began = std::chrono::steady_clock::now();
  auto now = began;
  for (; now - began < time; now = std::chrono::steady_clock::now()) {
    const bool is_done = ::write(file, bytes.data(), bytes.size()) == 4096 && fdatasync(file) == 0;
    ++(is_done ? figures.writes : figures.failures);
  }
  close(file);
  figures.syncs = figures.writes;
  figures.seconds = std::chrono::duration<double>(now - began).count();
  return figures;
}

void add(JsonWriter& out, std::string_view name, std::size_t writers, const LoadFigures& figures) {
  out.key(name).begin_object();
  out.key("writers").number(static_cast<std::uint64_t>(writers));
  out.key("per_second").number(static_cast<std::uint64_t>(figures.per_second()));
  out.key("writes").number(figures.writes).key("failures").number(figures.failures);
  out.key("syncs").number(figures.syncs).key("batches").number(figures.batches);
  out.end_object();
}

std::string run_limits(const std::string& folder, std::size_t writers,
                       std::chrono::nanoseconds time) {
  JsonWriter out;
  out.begin_object();
  add(out, "disk", 1, run_disk_load(folder + "/synced", time));
  add(out, "store_one", 1, StoreLoad(folder + "/store-one").run(1, UINT64_MAX, time));
  add(out, "store", writers, StoreLoad(folder + "/store").run(writers, UINT64_MAX, time));
  add(out, "database_one", 1, run_database_load(folder + "/database-one", 1, time));
  add(out, "database", writers, run_database_load(folder + "/database", writers, time));
  out.end_object();
  return std::move(out).text() + "\n";
}

}  // namespace
}  // namespace headgate

int main(int count, char** arguments) {
  CLI::App app("What the disk, the store and a database without HTTP can do on this machine");
  double seconds = 3;
  std::size_t writers = 64;
  bool echoes = false;
  app.add_option("--seconds", seconds, "Of each measurement")->check(CLI::Range(0.01, 3600.0));
  app.add_option("--writers", writers, "At once")->check(CLI::Range(1, 10'000));
  app.add_flag("--echo", echoes, "Serve HTTP that does nothing, in place of measuring");
  CLI11_PARSE(app, count, arguments);
  if (echoes) return headgate::serve_echo();
  const headgate::TemporaryDirectory directory;
  std::cout << headgate::run_limits(
      directory / ".", writers,
      std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
  return 0;
}
