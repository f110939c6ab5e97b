// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_call.hpp"
#include "base/task.hpp"

// The actions of the API, as the router's tables name them. Each answers its request, or returns
// the error that becomes the answer (ApiAction). docs/api.md describes them.
namespace headgate {

// Server.
Task<Result<void>> get_root(ApiCall& call);
Task<Result<void>> get_health(ApiCall& call);
Task<Result<void>> get_metrics(ApiCall& call);
Task<Result<void>> get_cluster(ApiCall& call);
Task<Result<void>> get_all_databases(ApiCall& call);
Task<Result<void>> get_server_status(ApiCall& call);
Task<Result<void>> get_console(ApiCall& call);
Task<Result<void>> get_logging(ApiCall& call);
Task<Result<void>> put_logging(ApiCall& call);

// Databases.
Task<Result<void>> get_database(ApiCall& call);
Task<Result<void>> put_database(ApiCall& call);
Task<Result<void>> put_database_as_user(ApiCall& call);
Task<Result<void>> delete_database(ApiCall& call);
Task<Result<void>> get_config(ApiCall& call);
Task<Result<void>> put_config(ApiCall& call);
Task<Result<void>> take_offline(ApiCall& call);
Task<Result<void>> take_online(ApiCall& call);
Task<Result<void>> get_revs_limit(ApiCall& call);
Task<Result<void>> put_revs_limit(ApiCall& call);
Task<Result<void>> ensure_full_commit(ApiCall& call);
Task<Result<void>> compact(ApiCall& call);
Task<Result<void>> get_database_status(ApiCall& call);
Task<Result<void>> list_channels(ApiCall& call);
Task<Result<void>> try_sync(ApiCall& call);

// Sessions.
Task<Result<void>> get_session(ApiCall& call);
Task<Result<void>> log_in(ApiCall& call);
Task<Result<void>> log_out(ApiCall& call);
Task<Result<void>> post_session_of_user(ApiCall& call);
Task<Result<void>> get_session_of_user(ApiCall& call);
Task<Result<void>> delete_session_of_user(ApiCall& call);
Task<Result<void>> delete_one_session_of_user(ApiCall& call);
Task<Result<void>> delete_sessions_of_user(ApiCall& call);

// Users and roles.
Task<Result<void>> list_users(ApiCall& call);
Task<Result<void>> post_user(ApiCall& call);
Task<Result<void>> get_user(ApiCall& call);
Task<Result<void>> put_user(ApiCall& call);
Task<Result<void>> delete_user(ApiCall& call);
Task<Result<void>> list_roles(ApiCall& call);
Task<Result<void>> post_role(ApiCall& call);
Task<Result<void>> get_role(ApiCall& call);
Task<Result<void>> put_role(ApiCall& call);
Task<Result<void>> delete_role(ApiCall& call);

// Looking into a database.
Task<Result<void>> get_raw(ApiCall& call);
Task<Result<void>> dump_channel(ApiCall& call);
Task<Result<void>> explain(ApiCall& call);

Task<Result<void>> post_purge(ApiCall& call);
Task<Result<void>> get_backup(ApiCall& call);
Task<Result<void>> post_backup(ApiCall& call);
Task<Result<void>> get_resync(ApiCall& call);
Task<Result<void>> post_resync(ApiCall& call);

// Documents.
Task<Result<void>> get_document(ApiCall& call);
Task<Result<void>> put_document(ApiCall& call);
Task<Result<void>> post_document(ApiCall& call);
Task<Result<void>> delete_document(ApiCall& call);
Task<Result<void>> get_attachment(ApiCall& call);
Task<Result<void>> put_attachment(ApiCall& call);
Task<Result<void>> delete_attachment(ApiCall& call);
Task<Result<void>> get_local_document(ApiCall& call);
Task<Result<void>> put_local_document(ApiCall& call);
Task<Result<void>> delete_local_document(ApiCall& call);

// Many documents.
Task<Result<void>> bulk_docs(ApiCall& call);
Task<Result<void>> bulk_get(ApiCall& call);
Task<Result<void>> revs_diff(ApiCall& call);
Task<Result<void>> all_docs(ApiCall& call);
Task<Result<void>> changes(ApiCall& call);
Task<Result<void>> changes_by_websocket(ApiCall& call);  ///< `changes` with feed=websocket

}  // namespace headgate
