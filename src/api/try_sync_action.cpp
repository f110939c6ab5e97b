// SPDX-License-Identifier: Apache-2.0
// What a sync function would say of a document, without storing anything.
#include "access/script_engine.hpp"
#include "api/actions.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

/// Of a document that names none: a sync function may take for granted that there is one.
constexpr std::string_view kUntitled = "untitled";

struct Trial {
  std::string source;  ///< empty: the native default
  SyncInput input;
};

Result<std::vector<std::string>> names_of(const JsonView& user, std::string_view member) {
  std::vector<std::string> names;
  const auto list = user.find(member);
  if (!list) return names;
  for (const JsonView& element : list->elements()) {
    const auto name = element.as_string();
    if (!name)
      return Error{Errc::invalid_argument, "user." + std::string(member) + ": a list of texts"};
    names.push_back(*name);
  }
  return names;
}

/// The writer: a user that is here, one that is made up, or an admin.
Task<Result<std::shared_ptr<const SyncUser>>> writer_of(ApiCall& call, JsonView user) {
  if (const auto name = user.as_string()) {
    const auto principal =
        co_await call.database().principals().inspect(*name == kGuestName ? std::string() : *name);
    if (!principal && principal.error().code == Errc::not_found)
      co_return Error{Errc::invalid_argument, "user: there is no user of that name"};
    if (!principal) co_return principal.error();
    co_return (*principal)->sync_user;
  }
  if (!user.is_object())
    co_return Error{Errc::invalid_argument,
                    "user: a name, or an object with name, channels, roles"};
  const auto name = user.find("name");
  HG_CO_TRY(const auto channels, names_of(user, "channels"));
  HG_CO_TRY(const auto roles, names_of(user, "roles"));
  co_return SyncUser::make(name ? name->as_string().value_or("") : "", channels, roles);
}

Result<std::string> document_of(const JsonView& body, std::string_view member, bool is_required) {
  const auto document = body.find(member);
  if (!is_required && (!document || document->is_null())) return std::string();
  if (!document || !document->is_object())
    return Error{Errc::invalid_argument, std::string(member) + ": a JSON object"};
  JsonWriter out;
  out.begin_object();
  if (!document->find("_id")) out.key("_id").string(kUntitled);
  out.members_of(document->raw()).end_object();
  return std::move(out).text();
}

Task<Result<Trial>> read_trial(ApiCall& call) {
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  Trial trial;
  trial.source = call.database().config()->sync;
  if (const auto source = body.find("sync"); source && !source->is_null()) {
    if (!source->is_string())
      co_return Error{Errc::invalid_argument, "sync: the source of a function, as text"};
    trial.source = *source->as_string();
  }
  HG_CO_TRY(trial.input.doc, document_of(body, "doc", true));
  HG_CO_TRY(trial.input.old_doc, document_of(body, "old_doc", false));
  if (const auto user = body.find("user"); user && !user->is_null()) {
    HG_CO_TRY(trial.input.user, co_await writer_of(call, *user));
  }
  co_return trial;
}

Result<SyncTrial> carry_out(const Trial& trial) {
  if (!trial.source.empty()) return try_sync_function(trial.source, trial.input);
  HG_TRY(auto output, NativeSyncFunction().run(trial.input));
  return SyncTrial{.output = std::move(output), .console = {}, .exception = {}};
}

template <class Names>
void write_names(JsonWriter& out, const Names& names) {
  out.begin_array();
  for (const std::string& name : names) out.string(name);
  out.end_array();
}

/// A write would be refused for an expiry() that is no time.
void check_expiry(SyncOutput& output, WallTime now) {
  if (!output.expiry) return;
  const auto expiry = parse_expiry(JsonView(*output.expiry), now);
  if (expiry) return;
  output = {};
  output.rejection = Rejection{expiry.error().code, expiry.error().context};
}

void write_refusal(JsonWriter& out, const Rejection& rejection) {
  const ApiError answer = api_error({rejection.code, rejection.reason});
  out.begin_object().key("status").number(std::int64_t{answer.status});
  out.key("error").string(answer.token).key("reason").string(answer.reason).end_object();
}

std::string print(const SyncTrial& trial) {
  const SyncOutput& output = trial.output;
  JsonWriter out;
  out.begin_object().key("accepted").boolean(!output.rejection);
  if (output.rejection) write_refusal(out.key("refusal"), *output.rejection);
  write_names(out.key("channels"), output.channels);
  out.key("access").begin_object();
  for (const auto& [principal, channels] : output.access)
    write_names(out.key(principal.text()), channels);
  out.end_object().key("roles").begin_object();
  for (const auto& [user, roles] : output.roles) write_names(out.key(user), roles);
  out.end_object();
  if (output.expiry) out.key("expiry").raw(*output.expiry);
  if (!trial.exception.empty()) out.key("exception").string(trial.exception);
  out.key("console").string(trial.console);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(trial.duration);
  out.key("duration_us").number(std::int64_t{us.count()}).end_object();
  return std::move(out).text();
}

}  // namespace

Task<Result<void>> try_sync(ApiCall& call) {
  HG_CO_TRY(Trial trial, co_await read_trial(call));
  HG_CO_TRY(SyncTrial tried, co_await call.services().environment.run_blocking(
                                 [trial = std::move(trial)] { return carry_out(trial); }));
  check_expiry(tried.output, call.services().environment.wall_now());
  call.respond_json(200, print(tried));
  co_return Result<void>();
}

}  // namespace headgate
