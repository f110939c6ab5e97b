// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/script_engine.hpp"

namespace headgate {

using Channels = std::vector<std::string>;

inline std::shared_ptr<const SyncFunction> compiled(std::string_view source,
                                                    ScriptLimits limits = {}) {
  auto function = compile_sync_function(source, limits);
  EXPECT_TRUE(function) << (function ? "" : function.error().context);
  return function ? *function : nullptr;
}

/// A sync function with this body.
inline std::shared_ptr<const SyncFunction> with_body(std::string_view body,
                                                     ScriptLimits limits = {}) {
  return compiled("function (doc, oldDoc, meta) {" + std::string(body) + "\n}", limits);
}

inline SyncInput input_of(std::string doc, std::shared_ptr<const SyncUser> user = nullptr) {
  return {std::move(doc), {}, std::move(user)};
}

inline SyncOutput run(const SyncFunction& function, const SyncInput& input) {
  auto output = function.run(input);
  EXPECT_TRUE(output) << (output ? "" : output.error().context);
  return output ? *std::move(output) : SyncOutput{};
}

/// One run of a function with this body, by an admin unless a user is given.
inline SyncOutput run_body(std::string_view body, std::string doc = "{}",
                           std::shared_ptr<const SyncUser> user = nullptr) {
  return run(*with_body(body), input_of(std::move(doc), std::move(user)));
}

inline Channels channels_of(std::string_view body, std::string doc = "{}") {
  const SyncOutput output = run_body(body, std::move(doc));
  EXPECT_EQ(output.rejection, std::nullopt);
  return output.channels;
}

/// The rejection of a write by a user who holds nothing; Errc::ok when there was none.
inline Rejection rejection_of(std::string_view body,
                              std::shared_ptr<const SyncUser> user = nullptr) {
  return run_body(body, "{}", std::move(user)).rejection.value_or(Rejection{Errc::ok, ""});
}

}  // namespace headgate
