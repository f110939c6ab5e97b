// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/worker_pool.hpp"
#include "server/front_end.hpp"

namespace headgate {

/// All figures of a node in Prometheus' text format, as `/_metrics` gives them. On the front end's
/// executor.
std::string metrics_text(FrontEnd& front_end, const WorkerPool& workers);

}  // namespace headgate
