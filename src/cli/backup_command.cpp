// SPDX-License-Identifier: Apache-2.0
#include "cli/backup_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>
#include <utility>

#include "cli/print.hpp"

namespace headgate {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};

bool is_watched() {
  return ::isatty(STDERR_FILENO) == 1;
}

}  // namespace

std::string print_bytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1u << 20));
}

void show_copied(std::uint64_t bytes_done, std::uint64_t bytes_total) {
  if (!is_watched()) return;
  std::cerr << "\r" << print_bytes(bytes_done) << " of " << print_bytes(bytes_total) << " copied "
            << std::flush;
}

void end_copied() {
  if (is_watched()) std::cerr << "\r\033[K" << std::flush;
}

Result<std::string> back_up(AdminClient& client, const std::string& to, bool as_json) {
  JsonWriter body;
  body.begin_object().key("to").string(std::filesystem::absolute(to).string()).end_object();
  HG_TRY(std::string answer, client.post("/_backup", std::move(body).text()));
  while (text_of(JsonView(answer), "status") == "running") {
    show_copied(number_of(JsonView(answer), "bytes_done"),
                number_of(JsonView(answer), "bytes_total"));
    std::this_thread::sleep_for(kBetweenLooks);
    HG_TRY(answer, client.get("/_backup"));
  }
  end_copied();
  const JsonView json(answer);
  if (text_of(json, "status") == "failed")
    return Error{Errc::internal, "the backup failed: " + text_of(json, "reason")};
  if (as_json) return answer + "\n";
  return fmt::format("backup in {}: {}\n", text_of(json, "to"),
                     print_bytes(number_of(json, "bytes_total")));
}

}  // namespace headgate
