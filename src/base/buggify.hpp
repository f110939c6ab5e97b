// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace headgate {

/// What the simulator decides and learns inside the real code. The real code uses the macros below,
/// never this class. Confined to the thread it is installed on. Names are string literals.
class SimulationHooks {
 public:
  virtual ~SimulationHooks() = default;

  /// True: make the legal but rare choice `name` this time.
  virtual bool buggify(std::string_view name) = 0;
  /// The place `name` was reached.
  virtual void probe(std::string_view name) = 0;
  /// False: this run goes without `rule`, to show that the checkers notice.
  virtual bool is_rule_kept(std::string_view rule) = 0;
};

#ifdef HEADGATE_WITHOUT_SIM_HOOKS

inline constexpr bool kHasSimulationHooks = false;

namespace detail {
inline constexpr SimulationHooks* simulation_hooks = nullptr;
}  // namespace detail

inline void install_simulation_hooks(SimulationHooks*) {}

#else

inline constexpr bool kHasSimulationHooks = true;

namespace detail {
inline constinit thread_local SimulationHooks* simulation_hooks = nullptr;
}  // namespace detail

/// On this thread, until called with null; `hooks` must live as long. The simulator's alone.
inline void install_simulation_hooks(SimulationHooks* hooks) {
  detail::simulation_hooks = hooks;
}

#endif

}  // namespace headgate

// The one preprocessor switch of the rooms: CMake defines HEADGATE_WITHOUT_SIM_HOOKS in the build
// `release` alone, where the macros are constants. In other builds each costs one load and a branch
// that is not taken without a simulator.

/// if (HG_BUGGIFY("batch of one")) limit = 1;
/// True only in a simulation and there rarely. Only for choices that the contracts allow anyway.
#define HG_BUGGIFY(name)                              \
  (::headgate::detail::simulation_hooks != nullptr && \
   ::headgate::detail::simulation_hooks->buggify(name))

/// HG_PROBE("late write resequenced");
/// A campaign of simulations fails if none of its runs came here. Names of the recovery cases of
/// docs/fault-model.md begin with the case: "A4 ...".
#define HG_PROBE(name)                                     \
  (::headgate::detail::simulation_hooks != nullptr         \
       ? ::headgate::detail::simulation_hooks->probe(name) \
       : static_cast<void>(0))

/// if (HG_RULE("R3")) ...
/// True except in a simulation that breaks this rule on purpose.
#define HG_RULE(rule)                                 \
  (::headgate::detail::simulation_hooks == nullptr || \
   ::headgate::detail::simulation_hooks->is_rule_kept(rule))
