// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "api/authentication.hpp"
#include "api/body_type.hpp"
#include "api/cors.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

void write_user_context(JsonWriter& out, const Principal& user) {
  out.key("userCtx").begin_object().key("name");
  if (user.name.empty()) {
    out.null();
  } else {
    out.string(user.name);
  }
  out.key("channels").begin_object();
  for (const auto& [channel, since] : user.access.channels())
    out.key(channel).number(since.value());
  out.end_object();
  out.key("roles").begin_array();
  for (const std::string& role : user.roles) out.string(role);
  out.end_array().end_object();
  out.key("authentication_handlers").begin_array().string("default").string("cookie").end_array();
}

struct Credentials {
  std::string name;
  std::string password;
};

Result<Credentials> credentials_of_form(const HttpRequest& request) {
  const auto form = parse_query(request.body);
  if (!form) return Error{Errc::invalid_argument, "malformed form"};
  const std::string* name = form->find("name");
  if (name == nullptr) name = form->find("username");
  const std::string* password = form->find("password");
  if (name == nullptr || password == nullptr)
    return Error{Errc::invalid_argument, "name and password must be given"};
  return Credentials{*name, *password};
}

Result<Credentials> credentials_of_json(const HttpRequest& request) {
  HG_TRY(const JsonView body, object_of_body(request));
  auto name = body.find("name");
  if (!name) name = body.find("username");
  const auto password = body.find("password");
  if (!name || !password) return Error{Errc::invalid_argument, "name and password must be given"};
  auto name_text = name->as_string();
  auto password_text = password->as_string();
  if (!name_text || !password_text)
    return Error{Errc::invalid_argument, "name and password must be strings"};
  return Credentials{*std::move(name_text), *std::move(password_text)};
}

bool is_form_type(const HttpRequest& request) {
  return equals_ignoring_case(media_type(request), "application/x-www-form-urlencoded");
}

/// A form, or JSON, which curl calls a form, too.
Result<Credentials> credentials_of_body(const HttpRequest& request) {
  const bool is_form = is_form_type(request) && !request.body.starts_with('{');
  return is_form ? credentials_of_form(request) : credentials_of_json(request);
}

/// Who is to have a session: by name and password in the body, or as any other request says it.
Task<Result<std::shared_ptr<const Principal>>> user_of_login(ApiCall& call) {
  if (call.request().body.empty()) {
    HG_CO_TRY(auto user, co_await authenticate(call));
    if (user->is_guest()) co_return Error{Errc::unauthorized, "Login required"};
    co_return user;
  }
  HG_CO_TRY(Credentials given, credentials_of_body(call.request()));
  co_return co_await check_login(call, std::move(given.name), std::move(given.password));
}

/// Without WWW-Authenticate: a browser would open its own dialog over the page's.
void respond_refused(ApiCall& call, const Error& error) {
  const ApiError answer = api_error(error);
  HttpResponse response = error_response(answer);
  if (answer.status == 401) response.headers = json_response(401, {}).headers;
  call.respond(std::move(response));
}

void respond_one_time(ApiCall& call, const SessionStore::Begun& begun) {
  JsonWriter out;
  out.begin_object().key("ok").boolean(true).key("one_time_session_id").string(begun.id);
  out.key("expires").string(to_rfc3339(begun.ends_at)).end_object();
  call.respond_json(200, std::move(out).text());
}

Task<Result<void>> begin_session(ApiCall& call, std::shared_ptr<const Principal> user) {
  SessionStore& sessions = call.database().sessions();
  if (flag_parameter(call.query(), "one_time")) {
    HG_CO_TRY(const auto begun,
              co_await sessions.begin(std::move(user), SessionStore::kOneTimeLife, true));
    respond_one_time(call, begun);
    co_return Result<void>();
  }
  const std::chrono::seconds life = call.database().config()->sessions.life;
  HG_CO_TRY(auto begun, co_await sessions.begin(user, life));
  JsonWriter out;
  out.begin_object().key("ok").boolean(true).key("name").string(user->name);
  out.key("roles").begin_array();
  for (const std::string& role : user->roles) out.string(role);
  out.end_array();
  write_user_context(out, *user);
  out.end_object();
  call.add_header("Set-Cookie", session_cookie(call, std::move(begun.id), life).text());
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Result<std::chrono::seconds> life_in_body(const JsonView& body, std::chrono::seconds otherwise) {
  const auto given = body.find("ttl");
  if (!given || given->is_null()) return otherwise;
  const auto seconds = given->as_uint64();
  const auto most = static_cast<std::uint64_t>(kSessionLifeMax.count());
  if (!seconds || *seconds == 0 || *seconds > most)
    return Error{Errc::invalid_argument, "ttl: must be seconds, 1 to " + std::to_string(most)};
  return std::chrono::seconds(*seconds);
}

}  // namespace

Task<Result<void>> get_session(ApiCall& call) {
  JsonWriter out;
  out.begin_object().key("ok").boolean(true);
  write_user_context(out, *call.reader);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> log_in(ApiCall& call) {
  HG_CO_CHECK(co_await open_database(call));
  // A page of another site must not log its visitors in under a name of its choice.
  if (!is_known_origin(call)) co_return Error{Errc::forbidden, "the origin is not allowed"};
  const bool is_form = is_form_type(call.request()) && is_trusted_origin(call);
  if (!call.request().body.empty() && !is_form && !is_json_body(call.request())) {
    call.respond_error({415, "bad_content_type", "Content-Type must be application/json"});
    co_return Result<void>();
  }
  auto user = co_await user_of_login(call);
  if (user) co_return co_await begin_session(call, *std::move(user));
  if (!call.is_answered()) respond_refused(call, user.error());
  co_return Result<void>();
}

Task<Result<void>> log_out(ApiCall& call) {
  HG_CO_CHECK(co_await open_database(call));
  if (const auto id = find_cookie(call.request().headers, kSessionCookie)) {
    HG_CO_CHECK(co_await call.database().sessions().remove(std::string(*id)));
    call.add_header("Set-Cookie", session_cookie(call, {}, {}).text());
  }
  call.respond_json(200, R"({"ok":true})");
  co_return Result<void>();
}

Task<Result<void>> post_session_of_user(ApiCall& call) {
  if (!is_json_body(call.request())) {
    call.respond_error({415, "bad_content_type", "Content-Type must be application/json"});
    co_return Result<void>();
  }
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  const auto named = body.find("name");
  auto name = named ? named->as_string() : std::nullopt;
  if (!name || name->empty()) co_return Error{Errc::invalid_argument, "name: missing"};
  HG_CO_TRY(const auto life, life_in_body(body, call.database().config()->sessions.life));
  auto user = co_await call.database().principals().load(*std::move(name));
  if (!user && user.error().code == Errc::unauthorized)
    co_return Error{Errc::invalid_argument, "name: the user is disabled"};
  if (!user) co_return std::move(user).error();
  HG_CO_TRY(const auto begun, co_await call.database().sessions().begin(*std::move(user), life));
  JsonWriter out;
  out.begin_object().key("session_id").string(begun.id);
  out.key("expires").string(to_rfc3339(begun.ends_at));
  out.key("cookie_name").string(kSessionCookie).end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> get_session_of_user(ApiCall& call) {
  HG_CO_TRY(const Session session,
            co_await call.database().sessions().find(call.request().path[2]));
  HG_CO_TRY(const auto user, co_await call.database().principals().load(session.user));
  JsonWriter out;
  out.begin_object().key("ok").boolean(true);
  write_user_context(out, *user);
  out.key("expires").string(to_rfc3339(session.ends_at)).end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> delete_session_of_user(ApiCall& call) {
  HG_CO_CHECK(co_await call.database().sessions().remove(call.request().path[2]));
  call.respond_json(200, R"({"ok":true})");
  co_return Result<void>();
}

Task<Result<void>> delete_one_session_of_user(ApiCall& call) {
  const std::vector<std::string>& path = call.request().path;
  HG_CO_TRY(const Session session, co_await call.database().sessions().find(path[4]));
  if (session.user != path[2]) co_return Error{Errc::not_found, "no such session"};
  HG_CO_CHECK(co_await call.database().sessions().remove(path[4]));
  call.respond_json(200, R"({"ok":true})");
  co_return Result<void>();
}

Task<Result<void>> delete_sessions_of_user(ApiCall& call) {
  const std::string name = call.request().path[2];
  PrincipalStore& principals = call.database().principals();
  HG_CO_CHECK(co_await principals.get_user(name));
  UserUpdate update;
  update.ends_sessions = true;
  HG_CO_CHECK(co_await principals.put_user(name, std::move(update)));
  call.respond_json(200, R"({"ok":true})");
  co_return Result<void>();
}

}  // namespace headgate
