// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

namespace headgate {

namespace {

bool is_terminal() {
  return ::isatty(STDIN_FILENO) == 1;
}

/// Keeps what is typed off the screen while it lives.
class EchoOff {
 public:
  EchoOff() {
    is_changed_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_changed_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (is_changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool is_changed_ = false;
};

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::string ask_silently(const std::string& question) {
  std::cerr << question << std::flush;
  std::string line;
  {
    const EchoOff off;
    line = read_line();
  }
  std::cerr << "\n";
  return line;
}

}  // namespace

Result<std::string> read_new_password(std::string_view of_whom) {
  const std::string name(of_whom);
  std::string password =
      is_terminal() ? ask_silently("New password of " + name + ": ") : read_line();
  if (password.empty())
    return Error{Errc::invalid_argument, "no password on standard input for " + name};
  if (is_terminal() && ask_silently("Once more: ") != password)
    return Error{Errc::invalid_argument, "the two passwords differ"};
  return password;
}

bool is_confirmed(std::string_view question) {
  if (!is_terminal()) return false;
  std::cerr << question << " [y/N] " << std::flush;
  const std::string answer = read_line();
  return answer == "y" || answer == "yes";
}

Result<std::string> read_file_or_input(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (!file) return Error{Errc::invalid_argument, path + ": " + std::strerror(errno)};
  return bytes;
}

}  // namespace headgate
