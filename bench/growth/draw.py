#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes pictures and a table of what growth.mjs found.

  bench/growth/draw.py --svg docs/growth.svg bench/growth/results.json

Prints the table of docs/performance.md.
"""

import argparse
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import plot  # noqa: E402

MIB = 1 << 20
COLOURS = {"documents": "#1f5fa8", "channels": "#b5402b", "entries": "#2c8a4b", "revisions": "#8a5aa8",
           "users": "#c08a1e", "feeds": "#555"}
ABOUT = {"documents": "documents", "channels": "channels of 4 entries", "entries": "entries of one channel",
         "revisions": "writes of one document", "users": "users", "feeds": "longpolls that wait"}


def cost(kind, name):
    return lambda at: at[kind][name] if kind in at else None


def disk_each(at):
    return at["filled"]["disk"] / at["size"]


# Title, unit, decimals, how it is had of one size, and of which dimensions (all, if empty).
MEASURES = [
    ("a write by PUT", "us", 0, cost("writes", "us"), ()),
    ("a write by PUT, store reads", "", 1, cost("writes", "store_reads"), ()),
    ("a document by GET", "us", 0, cost("gets", "us"), ()),
    ("ten new rows of a channel", "us", 0, cost("tail", "us"), ()),
    ("ten new rows, store reads", "", 1, cost("tail", "store_reads"), ()),
    ("a row of a first sync", "us", 1, cost("first_sync", "us"), ()),
    ("the first request of a user", "us", 0, cost("first_request", "us"), ("users",)),
    ("the first request of a user, store reads", "", 1, cost("first_request", "store_reads"), ("users",)),
    ("one write that wakes all, for each feed", "us", 1,
     lambda at: at["wake"]["us"] / at["size"] if "wake" in at else None, ("feeds",)),
    ("one write that wakes all, store reads", "", 0, cost("wake", "store_reads"), ("feeds",)),
    ("memory of a feed", "KiB", 1, lambda at: at.get("bytes_of_feed", 0) / 1024, ("feeds",)),
    ("memory, filled", "MiB", 0, lambda at: at["filled"]["memory"] / MIB, ()),
    ("memory, after a restart and the work above", "MiB", 0, lambda at: at["memory"] / MIB, ()),
    ("disk, each", "bytes", 0, disk_each, ("documents", "channels", "entries", "revisions", "users")),
    ("kill until it serves", "ms", 0, lambda at: at["restart"]["seconds"] * 1000, ()),
    ("kill until it serves, processor", "ms", 0, lambda at: at["restart"]["us"] / 1000, ()),
]
DRAWN = ["a write by PUT", "a document by GET", "ten new rows of a channel", "a row of a first sync",
         "memory, filled", "memory, after a restart and the work above", "disk, each",
         "kill until it serves, processor"]


def short(number):
    for power, suffix in ((1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:g}{suffix}"
    return f"{number:g}"


def cell(sizes, decimals, value_of):
    values = [value_of(at) for at in sizes]
    return "" if None in values else " / ".join(f"{value:,.{decimals}f}" for value in values)


def table(results):
    """One line a cost, one column a dimension; in a cell the cost at each of its sizes."""
    heads = [f"{ABOUT[name]}: " + " / ".join(short(at["size"]) for at in sizes)
             for name, sizes in results.items()]
    lines = ["| | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(results)]
    for title, unit, decimals, value_of, dimensions in MEASURES:
        cells = [cell(sizes, decimals, value_of) if not dimensions or name in dimensions else ""
                 for name, sizes in results.items()]
        lines.append(f"| {title}{', ' + unit if unit else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def panel(results, title, unit, value_of, dimensions):
    lines = {name: [(at["size"], value_of(at)) for at in sizes]
             for name, sizes in results.items() if not dimensions or name in dimensions}
    values = [value for points in lines.values() for _, value in points]
    sizes = [size for points in lines.values() for size, _ in points]
    return plot.Panel(title=f"{title}{', ' + unit if unit else ''}", across_title="number of them",
                      across=plot.decades(sizes, short), up=plot.decades(values, short),
                      lines=[plot.Line(points, COLOURS[name]) for name, points in lines.items()])


def picture(results):
    panels = [panel(results, title, unit, value_of, dimensions)
              for title, unit, _, value_of, dimensions in MEASURES if title in DRAWN]
    legend = [(ABOUT[name], COLOURS[name], "") for name in results]
    return plot.picture(panels, legend, "bench/growth/draw.py")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", required=True)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    results = {}
    for file in arguments.files:
        results.update(json.loads(pathlib.Path(file).read_text())["results"])
    pathlib.Path(arguments.svg).write_text(picture(results))
    print(table(results))


if __name__ == "__main__":
    main()
