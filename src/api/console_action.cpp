// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/actions.hpp"
#include "api/console_assets.hpp"

namespace headgate {

namespace {

/// Nothing but what this server sends: no inline script or style, no other site, no frame.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/javascript; charset=utf-8";
}

/// Addresses in the page are relative: it also works below a path of a proxy.
void redirect_to_folder(ApiCall& call) {
  call.respond(
      {.status = 308, .headers = {{"Location", "_console/"}, {"Cache-Control", "no-store"}}});
}

}  // namespace

Task<Result<void>> get_console(ApiCall& call) {
  const HttpRequest& request = call.request();
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  if (request.path.size() == 1 && !path.ends_with('/')) {
    redirect_to_folder(call);
    co_return Result<void>();
  }
  const std::string name = request.path.size() == 1 ? "index.html" : request.path[1];
  const auto file = std::ranges::find(kConsoleAssets, name, &EmbeddedFile::name);
  if (file == kConsoleAssets.end()) co_return Error{Errc::not_found, "no such page"};
  call.respond_entity({.status = 200,
                       .headers = {{"Content-Type", std::string(type_of(file->name))},
                                   {"ETag", std::string(file->etag)},
                                   {"Cache-Control", "no-cache"},
                                   {"Content-Security-Policy", std::string(kPolicy)},
                                   {"Cross-Origin-Resource-Policy", "same-origin"},
                                   {"X-Content-Type-Options", "nosniff"},
                                   {"Referrer-Policy", "no-referrer"}},
                       .body = std::string(file->bytes)});
  co_return Result<void>();
}

}  // namespace headgate
