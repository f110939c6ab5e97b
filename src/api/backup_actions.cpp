// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "document/json.hpp"

namespace headgate {

namespace {

std::string_view name_of(BackupJob::State state) {
  switch (state) {
    case BackupJob::State::idle:
      return "idle";
    case BackupJob::State::running:
      return "running";
    case BackupJob::State::completed:
      return "completed";
    case BackupJob::State::failed:
      return "failed";
  }
  return "";
}

std::string print(const BackupJob::Progress& progress) {
  JsonWriter out;
  out.begin_object().key("status").string(name_of(progress.state));
  if (!progress.to.empty()) out.key("to").string(progress.to);
  out.key("bytes_done").number(progress.bytes_done);
  out.key("bytes_total").number(progress.bytes_total);
  if (!progress.why.empty()) out.key("reason").string(progress.why);
  out.end_object();
  return std::move(out).text();
}

Result<BackupJob*> job_of(ApiCall& call) {
  if (BackupJob* job = call.services().backup) return job;
  return Error{Errc::invalid_argument,
               "this server's data is on Redis: that is backed up with Redis' own means"};
}

Result<std::string> target_of(std::string_view body) {
  HG_CHECK(validate_json(body));
  const auto to = JsonView(body).find("to");
  const auto text = to ? to->as_string() : std::nullopt;
  if (text && !text->empty()) return *text;
  return Error{Errc::invalid_argument, "to: the directory that the backup is to be, as a text"};
}

}  // namespace

Task<Result<void>> get_backup(ApiCall& call) {
  HG_CO_TRY(BackupJob* const job, job_of(call));
  call.respond_json(200, print(job->progress()));
  co_return Result<void>();
}

Task<Result<void>> post_backup(ApiCall& call) {
  HG_CO_TRY(BackupJob* const job, job_of(call));
  HG_CO_TRY(const std::string to, target_of(call.request().body));
  const auto started = co_await job->start(to);
  // Which disk is full is for admins to know.
  if (!started && started.error().code == Errc::no_space)
    call.respond_error({507, "insufficient_storage", started.error().context});
  HG_CO_CHECK(started);
  call.respond_json(202, print(job->progress()));
  co_return Result<void>();
}

}  // namespace headgate
