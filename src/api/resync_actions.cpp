// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"

namespace headgate {

namespace {

std::string_view name_of(DocumentResync::State state) {
  switch (state) {
    case DocumentResync::State::idle:
      return "idle";
    case DocumentResync::State::running:
      return "running";
    case DocumentResync::State::stopped:
      return "stopped";
    case DocumentResync::State::completed:
      return "completed";
    case DocumentResync::State::failed:
      return "failed";
  }
  return "";
}

}  // namespace

Task<Result<void>> get_resync(ApiCall& call) {
  const DocumentResync::Progress& progress = call.database().resync().progress();
  JsonWriter out;
  out.begin_object().key("status").string(name_of(progress.state));
  out.key("docs_processed").number(progress.processed);
  out.key("docs_changed").number(progress.changed);
  out.key("docs_failed").number(progress.failed);
  if (!progress.place.empty()) out.key("last_id").string(progress.place);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> post_resync(ApiCall& call) {
  const std::string* action = call.query().find("action");
  const std::string* reset = call.query().find("reset");
  DocumentResync& resync = call.database().resync();
  if (!action || *action == "start") {
    HG_CO_CHECK(co_await resync.start(reset && *reset == "true"));
  } else if (*action == "stop") {
    co_await resync.stop();
  } else {
    co_return Error{Errc::invalid_argument, "action: start or stop"};
  }
  co_return co_await get_resync(call);
}

}  // namespace headgate
