// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate {

/// Serves a free port of the loopback until SIGTERM or SIGINT: prints its address on standard
/// output and answers every request at once as a server of CouchDB's kind would, without doing
/// anything. What `headgate bench` finds at it is the limit of HTTP here. The exit status.
int serve_echo();

}  // namespace headgate
