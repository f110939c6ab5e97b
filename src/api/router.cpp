// SPDX-License-Identifier: Apache-2.0
#include "api/router.hpp"

#include <algorithm>
#include <utility>

#include "api/actions.hpp"

namespace headgate {

namespace {

using enum HttpMethod;
using Method = Resource::Method;

constexpr std::uint64_t kSmallBody = 1u << 20;
constexpr std::uint64_t kListBody = 16u << 20;  ///< many ids or revisions
/// A document of the largest size with an attachment of the largest size in base64; of bulks as
/// much as the JSON boundary takes.
constexpr std::uint64_t kDocumentBody = 56u << 20;
constexpr std::uint64_t kBulkBody = 64u << 20;
constexpr std::uint64_t kAttachmentBody = 20u << 20;
constexpr std::uint64_t kTrySyncBody = 4u << 20;

constexpr bool kAdmins = true;
constexpr bool kNoDatabase = false;

constexpr Method kRootMethods[] = {{get, get_root}, {head, get_root}};
constexpr Method kHealthMethods[] = {{get, get_health}, {head, get_health}};
constexpr Method kMetricsMethods[] = {{get, get_metrics, kAdmins}};
constexpr Method kClusterMethods[] = {{get, get_cluster, kAdmins}};
constexpr Method kBackupMethods[] = {{get, get_backup, kAdmins}, {post, post_backup, kAdmins}};
constexpr Method kAllDatabasesMethods[] = {{get, get_all_databases, kAdmins}};
constexpr Method kServerStatusMethods[] = {{get, get_server_status, kAdmins}};
constexpr Method kLoggingMethods[] = {{get, get_logging, kAdmins}, {put, put_logging, kAdmins}};
constexpr Method kConsoleMethods[] = {{get, get_console, kAdmins}, {head, get_console, kAdmins}};

constexpr Method kDatabaseMethods[] = {{get, get_database},
                                       {head, get_database},
                                       {post, post_document},
                                       {put, put_database, kAdmins, kNoDatabase},
                                       {put, put_database_as_user, false, kNoDatabase},
                                       {del, delete_database, kAdmins, kNoDatabase}};
constexpr Method kConfigMethods[] = {{get, get_config, kAdmins},
                                     {put, put_config, kAdmins, kNoDatabase}};
constexpr Method kSessionsMethods[] = {{get, get_session},
                                       {head, get_session},
                                       {post, post_session_of_user, kAdmins},
                                       {post, log_in, false, kNoDatabase},
                                       {del, log_out, false, kNoDatabase}};
constexpr Method kOneSessionMethods[] = {{get, get_session_of_user, kAdmins},
                                         {del, delete_session_of_user, kAdmins}};
constexpr Method kUserSessionsMethods[] = {{del, delete_sessions_of_user, kAdmins}};
constexpr Method kOneUserSessionMethods[] = {{del, delete_one_session_of_user, kAdmins}};
constexpr Method kOfflineMethods[] = {{post, take_offline, kAdmins}};
constexpr Method kOnlineMethods[] = {{post, take_online, kAdmins}};
constexpr Method kRevsLimitMethods[] = {{get, get_revs_limit}, {put, put_revs_limit, kAdmins}};
constexpr Method kStatusMethods[] = {{get, get_database_status, kAdmins}};
constexpr Method kChannelsMethods[] = {{get, list_channels, kAdmins}};
constexpr Method kTrySyncMethods[] = {{post, try_sync, kAdmins}};
constexpr Method kExplainMethods[] = {{get, explain, kAdmins}};
constexpr Method kResyncMethods[] = {{get, get_resync, kAdmins}, {post, post_resync, kAdmins}};
constexpr Method kPurgeMethods[] = {{post, post_purge, kAdmins}};
constexpr Method kRawMethods[] = {{get, get_raw, kAdmins}};
constexpr Method kDumpMethods[] = {{get, dump_channel, kAdmins}};
constexpr Method kCommitMethods[] = {{post, ensure_full_commit}};
constexpr Method kCompactMethods[] = {{post, compact}};

constexpr Method kUsersMethods[] = {{get, list_users, kAdmins}, {post, post_user, kAdmins}};
constexpr Method kUserMethods[] = {{get, get_user, kAdmins},
                                   {head, get_user, kAdmins},
                                   {put, put_user, kAdmins},
                                   {post, post_user, kAdmins},
                                   {del, delete_user, kAdmins}};
constexpr Method kRolesMethods[] = {{get, list_roles, kAdmins}, {post, post_role, kAdmins}};
constexpr Method kRoleMethods[] = {{get, get_role, kAdmins},
                                   {head, get_role, kAdmins},
                                   {put, put_role, kAdmins},
                                   {post, post_role, kAdmins},
                                   {del, delete_role, kAdmins}};

constexpr Method kDocumentMethods[] = {
    {get, get_document}, {head, get_document}, {put, put_document}, {del, delete_document}};
constexpr Method kAttachmentMethods[] = {
    {get, get_attachment}, {head, get_attachment}, {put, put_attachment}, {del, delete_attachment}};
constexpr Method kLocalMethods[] = {{get, get_local_document},
                                    {head, get_local_document},
                                    {put, put_local_document},
                                    {del, delete_local_document}};

constexpr Method kBulkDocsMethods[] = {{post, bulk_docs}};
constexpr Method kBulkGetMethods[] = {{post, bulk_get}};
constexpr Method kRevsDiffMethods[] = {{post, revs_diff}};
constexpr Method kAllDocsMethods[] = {{get, all_docs}, {post, all_docs}};
constexpr Method kChangesMethods[] = {{get, changes}, {post, changes}};

constexpr bool kOfServer = true;

struct Named {
  std::string_view name;
  Resource resource;
};

constexpr Resource kRoot{kRootMethods, kSmallBody, kOfServer};
constexpr Named kServerResources[] = {
    {"_health", {kHealthMethods, kSmallBody, kOfServer}},
    {"_ping", {kHealthMethods, kSmallBody, kOfServer}},
    {"_metrics", {kMetricsMethods, kSmallBody, kOfServer}},
    {"_cluster", {kClusterMethods, kSmallBody, kOfServer}},
    {"_backup", {kBackupMethods, kSmallBody, kOfServer}},
    {"_all_dbs", {kAllDatabasesMethods, kSmallBody, kOfServer}},
    {"_status", {kServerStatusMethods, kSmallBody, kOfServer}},
    {"_logging", {kLoggingMethods, kSmallBody, kOfServer}},
};

constexpr Resource kDatabase{kDatabaseMethods, kDocumentBody};
constexpr Named kDatabaseResources[] = {
    {"_all_docs", {kAllDocsMethods, kListBody}},
    {"_bulk_docs", {kBulkDocsMethods, kBulkBody}},
    {"_bulk_get", {kBulkGetMethods, kListBody}},
    {"_changes", {kChangesMethods, kListBody}},
    {"_channels", {kChannelsMethods, kSmallBody}},
    {"_compact", {kCompactMethods, kSmallBody}},
    {"_config", {kConfigMethods, kSmallBody * 2}},
    {"_ensure_full_commit", {kCommitMethods, kSmallBody}},
    {"_explain", {kExplainMethods, kSmallBody}},
    {"_offline", {kOfflineMethods, kSmallBody}},
    {"_online", {kOnlineMethods, kSmallBody}},
    {"_purge", {kPurgeMethods, kListBody}},
    {"_resync", {kResyncMethods, kSmallBody}},
    {"_revs_limit", {kRevsLimitMethods, kSmallBody}},
    {"_revs_diff", {kRevsDiffMethods, kListBody}},
    {"_role", {kRolesMethods, kSmallBody}},
    {"_session", {kSessionsMethods, kSmallBody, !kOfServer, true}},
    {"_status", {kStatusMethods, kSmallBody}},
    {"_user", {kUsersMethods, kSmallBody}},
};
constexpr Resource kUser{kUserMethods, kSmallBody};
constexpr Resource kOneSession{kOneSessionMethods, kSmallBody};
constexpr Resource kUserSessions{kUserSessionsMethods, kSmallBody};
constexpr Resource kOneUserSession{kOneUserSessionMethods, kSmallBody};
constexpr Resource kRole{kRoleMethods, kSmallBody};
constexpr Resource kRaw{kRawMethods, kSmallBody};
constexpr Resource kDump{kDumpMethods, kSmallBody};
constexpr Resource kTrySync{kTrySyncMethods, kTrySyncBody};
constexpr Resource kConsole{kConsoleMethods, kSmallBody, kOfServer};
constexpr Resource kDocument{kDocumentMethods, kDocumentBody, !kOfServer, false, true};
constexpr Resource kAttachment{kAttachmentMethods, kAttachmentBody, !kOfServer, true};
constexpr Resource kLocal{kLocalMethods, kSmallBody};

const Resource* find_named(std::span<const Named> table, std::string_view name) {
  const auto at = std::ranges::find(table, name, &Named::name);
  return at == table.end() ? nullptr : &at->resource;
}

bool is_at_or_below(std::string_view text, std::string_view folder) {
  return text.starts_with(folder) && (text.size() == folder.size() || text[folder.size()] == '/');
}

const Resource* find_below_database(const std::vector<std::string>& path) {
  const std::string& first = path[1];
  if (is_at_or_below(first, "_local")) return &kLocal;
  // No attachment's name begins so: views and the like, which are not here.
  if (first == "_design" && path.size() > 3 && path[3].starts_with('_')) return nullptr;
  if (!first.starts_with('_') || is_at_or_below(first, "_design"))
    return document_path(path).attachment.empty() ? &kDocument : &kAttachment;
  if (path.size() == 2) return find_named(kDatabaseResources, first);
  if (path.size() == 3 && first == "_user") return &kUser;
  if (path.size() == 3 && first == "_role") return &kRole;
  if (path.size() == 3 && first == "_session") return &kOneSession;
  if (path.size() >= 4 && first == "_user" && path[3] == "_session") {
    if (path.size() == 4) return &kUserSessions;
    return path.size() == 5 ? &kOneUserSession : nullptr;
  }
  if (path.size() >= 3 && first == "_raw") return &kRaw;
  if (path.size() == 3 && first == "_dump") return &kDump;
  if (path.size() == 3 && first == "_sync" && path[2] == "try") return &kTrySync;
  return nullptr;
}

bool is_on(const Method& method, ApiPort port) {
  return !method.is_for_admins || port == ApiPort::admin_port;
}

const Resource* find_anywhere(const std::vector<std::string>& path) {
  if (path.empty()) return &kRoot;
  if (path[0] == "_console") return path.size() <= 2 ? &kConsole : nullptr;
  if (path.size() > 1) return find_below_database(path);
  if (const Resource* resource = find_named(kServerResources, path[0])) return resource;
  return &kDatabase;
}

}  // namespace

const Resource::Method* Resource::find(HttpMethod method, ApiPort port) const {
  const auto at = std::ranges::find_if(
      methods, [&](const Method& m) { return m.method == method && is_on(m, port); });
  return at == methods.end() ? nullptr : &*at;
}

std::string Resource::allowed(ApiPort port) const {
  std::string names;
  for (const Method& method : methods) {
    if (!is_on(method, port) || find(method.method, port) != &method) continue;
    if (!names.empty()) names += ", ";
    names += to_string(method.method);
  }
  return names;
}

const Resource* find_resource(const std::vector<std::string>& path, ApiPort port) {
  const Resource* resource = find_anywhere(path);
  // What only admins have does not exist elsewhere.
  return resource != nullptr && !resource->allowed(port).empty() ? resource : nullptr;
}

DocumentPath document_path(const std::vector<std::string>& path) {
  DocumentPath document{path[1], {}};
  std::size_t next = 2;
  const bool is_local = path[1] == "_local";
  if ((is_local || path[1] == "_design") && path.size() > 2) {
    document.id += '/';
    document.id += path[2];
    next = 3;
  }
  std::string& rest = is_local ? document.id : document.attachment;
  for (; next < path.size(); ++next) {
    if (!rest.empty()) rest += '/';
    rest += path[next];
  }
  return document;
}

}  // namespace headgate
