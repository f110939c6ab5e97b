// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace headgate {

/// What can go wrong, as one closed list for all rooms. `ok` appears only in bucket replies.
/// A write at a bucket has three outcomes: done (`ok`), not done (every other code), and unknown
/// (`timeout_unknown_outcome`: it may have been carried out, or may still be).
enum class Errc : unsigned char {
  ok,
  not_found,                ///< no such value
  exists,                   ///< insert found a value
  cas_mismatch,             ///< replace or remove found another version
  condition_failed,         ///< a condition of a write does not hold
  rolled_back,              ///< another history than the one demanded; nothing was done
  unavailable,              ///< not done; trying again later may work
  timeout_unknown_outcome,  ///< done, not done, or still to be done
  overloaded,               ///< not done: a bounded queue is full
  no_space,                 ///< not done: the disk is full
  fenced,                   ///< somebody else has taken this role over
  cancelled,                ///< the caller went away
  invalid_argument,         ///< the request itself is wrong
  conflict,                 ///< document revision conflict
  unauthorized,             ///< who are you?
  forbidden,                ///< not allowed to you
  too_large,                ///< over a limit
  unsupported,              ///< a newer format, an unknown option
  corrupted,                ///< stored bytes that cannot be what was written
  internal,                 ///< a bug or a failing script
};

/// The code's name as written in the source, for logs.
std::string_view to_string(Errc code);

/// A failure as a value. `context` says what was tried, only where that is not obvious.
struct Error {
  Errc code = Errc::internal;
  std::string context;

  friend bool operator==(const Error& a, const Error& b) { return a.code == b.code; }
};

/// A value or an Error; the interface of std::expected. Accessing the side that is absent is a bug
/// and throws std::bad_variant_access.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code) : state_(std::in_place_index<1>, Error{code, {}}) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

  T value_or(T otherwise) const& { return has_value() ? value() : std::move(otherwise); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  Result(Errc code) : error_(Error{code, {}}) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (error_) throw std::bad_variant_access();
  }
  const Error& error() const& { return error_.value(); }
  Error&& error() && { return std::move(error_).value(); }

 private:
  std::optional<Error> error_;
};

}  // namespace headgate

#define HG_CONCAT_INNER(a, b) a##b
#define HG_CONCAT(a, b) HG_CONCAT_INNER(a, b)

/// HG_TRY(auto x, expression): x is the value, or the enclosing function returns the error.
#define HG_TRY_IMPL(name, declaration, expression, leave) \
  auto name = (expression);                               \
  if (!name.has_value()) leave std::move(name).error();   \
  declaration = *std::move(name)
#define HG_TRY(declaration, expression) \
  HG_TRY_IMPL(HG_CONCAT(hg_result_, __LINE__), declaration, expression, return)
/// The same inside a coroutine.
#define HG_CO_TRY(declaration, expression) \
  HG_TRY_IMPL(HG_CONCAT(hg_result_, __LINE__), declaration, expression, co_return)

/// HG_CHECK(expression): as HG_TRY for a Result whose value is not wanted.
#define HG_CHECK_IMPL(name, expression, leave) \
  if (auto name = (expression); !name.has_value()) leave std::move(name).error()
#define HG_CHECK(expression) HG_CHECK_IMPL(HG_CONCAT(hg_result_, __LINE__), expression, return)
#define HG_CO_CHECK(expression) \
  HG_CHECK_IMPL(HG_CONCAT(hg_result_, __LINE__), expression, co_return)
