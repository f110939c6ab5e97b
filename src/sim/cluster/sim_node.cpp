// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/sim_node.hpp"

#include <algorithm>

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kStartAgain{50};
constexpr std::chrono::milliseconds kLook{2};
constexpr std::chrono::milliseconds kAfterReplaced{600};

}  // namespace

SimProcess::SimProcess(const SimSite& site, NodeNumber node, SimClock clock)
    : site(site),
      cache_store(site.cache),
      environment(site.world, node, clock),
      base(environment, site.base),
      own_cache(&site.base == &site.cache ? nullptr
                                          : std::make_unique<SimBucket>(environment, site.cache)),
      hub(environment, {.deployment = site.deployment}),
      tasks(environment) {}

void SimProcess::saw_pass(const PassStart& pass) {
  const bool is_later = pass.number > last_pass;
  if (is_later ? pass.stable < last_stable : pass.stable > last_stable)
    site.stable_fell(environment.node(), std::max(pass.stable, last_stable),
                     std::min(pass.stable, last_stable));
  if (!is_later) return;
  last_pass = pass.number;
  last_stable = pass.stable;
}

SimNode::SimNode(const SimSite& site, NodeNumber number, SimClock clock, bool is_cache_writer)
    : site_(site),
      number_(number),
      clock_(clock),
      is_cache_writer_(is_cache_writer),
      graves_(std::make_shared<std::vector<std::unique_ptr<SimProcess>>>()) {}

void SimNode::start() {
  if (process_) return;
  process_ = std::make_unique<SimProcess>(site_, number_, clock_);
  process_->tasks.spawn(run(*this, *process_));
}

Task<void> SimNode::run(SimNode& node, SimProcess& process) {
  while (true) {
    process.database = std::make_unique<Database>(
        Database::Dependencies{process.environment, process.base, process.cache(), process.hub,
                               node.site_.deployment, node.site_.horizon_chunk},
        node.site_.entry);
    if (co_await process.database->start()) break;
    process.database.reset();
    co_await process.environment.sleep_for(kStartAgain);
  }
  process.source = std::make_unique<DatabaseChangesSource>(*process.database);
  process.hub.start(*process.source);
  process.is_serving = true;
  if (node.site_.compact_every.count() > 0) process.tasks.spawn(keep_compacting(node, process));
  if (node.site_.deployment == Deployment::cluster) co_await keep_cache_writer(node, process);
}

// One that was replaced leaves the other one some time before it takes the role back.
Task<void> SimNode::keep_cache_writer(SimNode& node, SimProcess& process) {
  Database& database = *process.database;
  bool has_begun = false;
  while (process.is_serving) {
    const bool is_in_charge = database.cache_writer_statistics().is_in_charge;
    if (has_begun && !node.is_cache_writer_) {
      co_await database.stop_cache_writer();
      has_begun = false;
    } else if (node.is_cache_writer_ && !is_in_charge) {
      if (has_begun) co_await process.environment.sleep_for(kAfterReplaced);
      has_begun = (co_await database.start_cache_writer()).has_value();
    }
    co_await process.environment.sleep_for(kStartAgain);
  }
}

Task<void> SimNode::keep_compacting(SimNode& node, SimProcess& process) {
  while (process.is_serving) {
    process.database->compact_cache();
    co_await process.environment.sleep_for(node.site_.compact_every);
  }
}

void SimNode::crash() {
  if (!process_) return;
  process_->environment.crash();
  bury();
}

// The process may be in the middle of a step of its own: its objects go in a later one.
void SimNode::bury() {
  graves_->push_back(std::move(process_));
  site_.world.after({}, {.label = "buried", .node = number_},
                    [graves = graves_] { graves->clear(); });
}

void SimNode::stop(std::function<void()> then) {
  if (!process_) return;
  if (!process_->is_serving) {
    crash();
    return then();
  }
  process_->is_serving = false;
  process_->tasks.spawn(end(*this, *process_, std::move(then)));
}

Task<void> SimNode::end(SimNode& node, SimProcess& process, std::function<void()> then) {
  co_await process.hub.stop();
  while (process.tasks.size() > 1) co_await process.environment.sleep_for(kLook);
  co_await process.database->stop();
  // Not in a turn of the node: its frames go.
  node.site_.world.after({}, {.label = "stopped"}, [&node, then, whose = &process] {
    if (node.process_.get() != whose) return;
    node.crash();
    then();
  });
}

}  // namespace headgate
