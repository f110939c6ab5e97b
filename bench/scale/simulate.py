#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows how many documents a second one database takes on 1 to 64 nodes, with front-end cache writes
and with a single writer, and what limits it.

A simulation of queues, fed with the processor times that measure.mjs found: nodes, Redis masters and
the cache writer have one processor each, serve in the order of arrival, and are fed by 64 writers a
node that write one document after the other. A message takes kNetwork each way.

  bench/scale/simulate.py [--costs bench/scale/costs.json] [--svg docs/scale.svg]

Prints the table of docs/scale.md.
"""

import argparse
import heapq
import json
import pathlib
import random
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import plot  # noqa: E402

NODES = [1, 2, 4, 8, 16, 32, 64]
WRITERS = 64
MASTERS_PER_NODE = 2
NETWORK = 50e-6
BATCH = 512  # feed entries that the cache writer takes at once
WARM, LONG = 0.06, 0.2  # seconds
SATURATED = 0.9


class Server:
    """One processor that serves in the order of arrival."""

    def __init__(self):
        self.free = 0.0
        self.busy = 0.0

    def serve(self, now, service):
        self.free = max(now, self.free) + service
        if now >= WARM:
            self.busy += service
        return self.free


class Cluster:
    def __init__(self, nodes, masters, cost):
        self.random = random.Random(1)
        self.nodes = [Server() for _ in range(nodes)]
        self.masters = [Server() for _ in range(masters)]
        self.cache_writer = Server()
        self.cost = cost
        self.channels = cost["channels"]
        self.is_frontend = cost["cache_writes"] == "frontend"
        self.events = []
        self.order = 0
        self.feed = []  # written, not yet taken by the cache writer
        self.is_following = False
        self.written = self.stable = 0
        operations = 2 + (2 * self.channels + 1 if self.is_frontend else 0)
        self.operation = cost["writing"]["redis"] * 1e-6 / operations

    def at(self, when, action, *arguments):
        self.order += 1
        heapq.heappush(self.events, (when, self.order, action, arguments))

    def spread(self, mean):
        return mean * self.random.uniform(0.5, 1.5)

    def redis(self, now, operations):
        """One request to some master; when its answer is back."""
        master = self.random.choice(self.masters)
        done = master.serve(now + NETWORK, self.spread(self.operation * operations))
        return done + NETWORK

    def run(self):
        for node in self.nodes:
            for _ in range(WRITERS):
                self.at(self.random.uniform(0, 1e-3), self.begin, node)
        while self.events and self.events[0][0] < WARM + LONG:
            now, _, action, arguments = heapq.heappop(self.events)
            action(now, *arguments)
        use = {
            "front ends": max(s.busy for s in self.nodes) / LONG,
            "Redis": max(s.busy for s in self.masters) / LONG,
            "cache writer": self.cache_writer.busy / LONG,
        }
        return {"written": self.written / LONG, "stable": self.stable / LONG, "use": use}

    # A write: read, decide, write the document, then the cache, then answer.

    def begin(self, now, node):
        work = self.spread(self.cost["writing"]["front_end"] * 1e-6)
        self.at(node.serve(now, work), self.read, node)

    def read(self, now, node):
        self.at(self.redis(now, 1), self.write_document, node)

    def write_document(self, now, node):
        done = self.redis(now, 1)
        self.at(done, self.write_blocks if self.is_frontend else self.answer, node)

    def write_blocks(self, now, node):
        done = max(self.redis(now, 2) for _ in range(self.channels))
        self.at(done, self.write_sequence_document, node)

    def write_sequence_document(self, now, node):
        self.at(self.redis(now, 1), self.answer, node)

    def answer(self, now, node):
        self.written += now >= WARM
        self.feed.append(now)
        self.at(now, self.begin, node)
        if not self.is_following:
            self.is_following = True
            self.at(now + NETWORK, self.follow)

    # The cache writer: one batch after the other.

    def follow(self, now):
        count = min(BATCH, len(self.feed))
        del self.feed[:count]
        work = self.spread(self.cost["following"]["cache_writer"] * 1e-6 * count)
        self.at(self.cache_writer.serve(now, work), self.follow_at_redis, count)

    def follow_at_redis(self, now, count):
        each = self.cost["following"]["redis"] * 1e-6 * count / len(self.masters)
        done = max(m.serve(now + NETWORK, self.spread(each)) for m in self.masters) + NETWORK
        self.at(done, self.publish, count)

    def publish(self, now, count):
        self.stable += count if now >= WARM else 0
        if self.feed:
            self.at(now, self.follow)
        else:
            self.is_following = False


def limit_of(run):
    """What keeps more documents from being written and accounted for."""
    if run["stable"] < SATURATED * run["written"]:
        return "cache writer"
    return max(("front ends", "Redis"), key=lambda name: run["use"][name])


def curves(costs):
    """By (pool, channels): for each mode the results by number of nodes."""
    found = {}
    for cost in costs:
        runs = [Cluster(n, MASTERS_PER_NODE * n, cost).run() for n in NODES]
        found.setdefault((cost["pool"], cost["channels"]), {})[cost["cache_writes"]] = runs
    return found


def table(found):
    lines = ["| Channels | of | Mode | " + " | ".join(f"{n}" for n in NODES) + " | Limited by |",
             "| --- | --- | --- |" + " --- |" * (len(NODES) + 1)]
    for (pool, channels), modes in found.items():
        for mode, runs in modes.items():
            limits = []
            for nodes, run in zip(NODES, runs):
                limit = limit_of(run)
                if not limits or limits[-1][0] != limit:
                    limits.append((limit, nodes))
            told = ", ".join(f"{limit} from {nodes}" for limit, nodes in limits)
            rates = " | ".join(f"{r['written'] / 1000:.0f} / {r['stable'] / 1000:.0f}" for r in runs)
            lines.append(f"| {channels} | {pool:,} | {mode} | {rates} | {told} |")
    return "\n".join(lines)


# --- The picture --------------------------------------------------------------------------------

LINES = [
    ("frontend", "written", "#1f5fa8", "", "frontend: written and visible (available)"),
    ("frontend", "stable", "#1f5fa8", "6 4", "frontend: stable"),
    ("feed", "stable", "#b5402b", "", "feed: visible and stable"),
]


RATES = [5_000 * 2**doubling for doubling in range(9)]


def panel(pool, channels, modes):
    lines = [plot.Line([(nodes, run[what]) for nodes, run in zip(NODES, modes[mode])], colour, dash)
             for mode, what, colour, dash, _ in LINES]
    return plot.Panel(
        title=f"{channels} channel{'s' if channels > 1 else ''} a document, of {pool:,}; documents a second",
        across_title="nodes", across=plot.Axis(NODES, str),
        up=plot.Axis(RATES, lambda rate: f"{rate // 1000}k"), lines=lines)


def picture(found):
    return plot.picture([panel(*key, modes) for key, modes in found.items()],
                        [(text, colour, dash) for _, _, colour, dash, text in LINES],
                        "bench/scale/simulate.py")


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--costs", default=here / "costs.json")
    parser.add_argument("--svg", default=here.parent.parent / "docs/scale.svg")
    arguments = parser.parse_args()
    found = curves(json.loads(pathlib.Path(arguments.costs).read_text()))
    pathlib.Path(arguments.svg).write_text(picture(found))
    print(table(found))


if __name__ == "__main__":
    main()
