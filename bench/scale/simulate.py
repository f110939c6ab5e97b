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
import math
import pathlib
import random

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

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 300, 60, 40, 45
LINES = [
    ("frontend", "written", "#1f5fa8", "", "frontend: written and visible (available)"),
    ("frontend", "stable", "#1f5fa8", "6 4", "frontend: stable"),
    ("feed", "stable", "#b5402b", "", "feed: visible and stable"),
]


BOTTOM_RATE, TOP_RATE = 5_000, 1_280_000  # both axes are logarithmic: growth with nodes is a line


def panel(x, y, title, modes):
    x0, y0 = x + LEFT, y + TOP
    width, height = WIDTH - LEFT - 20, HEIGHT - TOP - BOTTOM
    out = [f'<text x="{x0}" y="{y + 22}" class="t">{title}</text>']

    def across(nodes):
        return x0 + width * NODES.index(nodes) / (len(NODES) - 1)

    def up(rate):
        return y0 + height * (1 - math.log(rate / BOTTOM_RATE) / math.log(TOP_RATE / BOTTOM_RATE))

    rate = BOTTOM_RATE
    while rate <= TOP_RATE:
        out.append(f'<path d="M{x0} {up(rate):.1f}h{width}" class="g"/>'
                   f'<text x="{x0 - 6}" y="{up(rate) + 4:.1f}" class="e">{rate // 1000}k</text>')
        rate *= 2
    for nodes in NODES:
        out.append(f'<text x="{across(nodes):.1f}" y="{y0 + height + 18}" class="m">{nodes}</text>')
    out.append(f'<text x="{x0 + width / 2}" y="{y0 + height + 36}" class="m">nodes</text>')
    for mode, what, colour, dash, _ in LINES:
        points = " ".join(f"{across(n):.1f},{up(run[what]):.1f}"
                          for n, run in zip(NODES, modes[mode]))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/>')
    return "\n".join(out)


def picture(found):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {2 * HEIGHT + 40}" '
           'font-family="sans-serif" font-size="12">',
           "<!-- SPDX-License-Identifier: Apache-2.0. Made by bench/scale/simulate.py -->",
           "<style>.t{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
           ".g{stroke:#ddd}</style>", '<rect width="100%" height="100%" fill="#fff"/>']
    for index, ((pool, channels), modes) in enumerate(found.items()):
        title = (f"{channels} channel{'s' if channels > 1 else ''} a document, of {pool:,}; "
                 "documents a second")
        out.append(panel(index % 2 * WIDTH, index // 2 * HEIGHT, title, modes))
    for index, (_, _, colour, dash, text) in enumerate(LINES):
        x, y = 60 + index * 300, 2 * HEIGHT + 20
        out.append(f'<path d="M{x} {y}h30" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/><text x="{x + 36}" y="{y + 4}">{text}</text>')
    return "\n".join(out) + "\n</svg>\n"


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
