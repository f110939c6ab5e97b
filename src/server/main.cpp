// SPDX-License-Identifier: Apache-2.0
#include "server/node.hpp"

int main(int count, char** arguments) {
  return headgate::run_headgate(count, arguments);
}
