// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cli/bench/bench_case.hpp"

// One function for each case; cases.cpp lists them with their names.
namespace headgate::bench {

std::unique_ptr<BenchCase> make_put_one_case();
std::unique_ptr<BenchCase> make_put_case();
std::unique_ptr<BenchCase> make_overload_case();
std::unique_ptr<BenchCase> make_bulk_case();
std::unique_ptr<BenchCase> make_get_case();
std::unique_ptr<BenchCase> make_push_continuous_case();
std::unique_ptr<BenchCase> make_push_longpoll_case();
std::unique_ptr<BenchCase> make_push_websocket_case();
std::unique_ptr<BenchCase> make_push_many_case();
std::unique_ptr<BenchCase> make_catch_up_case();
std::unique_ptr<BenchCase> make_catch_up_channel_case();
std::unique_ptr<BenchCase> make_first_sync_case();
std::unique_ptr<BenchCase> make_waiting_case();
std::unique_ptr<BenchCase> make_mixed_case();

}  // namespace headgate::bench
