#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of the house that no compiler checks. Prints each breach as file:line: text.

  scripts/tidy.py              checks the repository, exit status 1 if a rule is broken
  scripts/tidy.py --root DIR   checks another tree (tidy_test.py plants breaches there)
"""

import argparse
import pathlib
import re
import subprocess
import sys

# What each room may include besides itself: docs/architecture.md shows the same as a picture.
ROOMS = {
    "base": [],
    "bucket": ["base"],
    "bucket/redis": ["base", "bucket", "net"],
    "document": ["base"],
    "access": ["base", "document"],
    "sequence": ["base", "bucket"],
    "cache": ["base", "bucket", "sequence"],
    "database": ["base", "bucket", "document", "access", "sequence", "cache"],
    "changes": ["base", "bucket", "document", "access", "sequence", "cache", "database"],
    "sim": ["base", "bucket", "document", "access", "sequence", "cache", "database", "changes"],
    "net": ["base"],
    "api": ["base", "bucket", "document", "access", "sequence", "cache", "database", "changes",
            "net"],
    "server": ["base", "bucket", "document", "access", "sequence", "cache", "database", "changes",
               "net", "api", "cli"],
    "cli": ["base", "document", "net"],
}

# Headers of third parties (pattern of the include path) and the files that may know them.
THIRD_PARTIES = [
    (r"boost/(asio|beast)\b", r"src/(net|bucket/redis)/"),
    (r"hiredis/", r"src/bucket/redis/"),
    (r"rocksdb/", r"src/bucket/rocksdb/"),
    (r"(simdjson|rapidjson|re2)\b", r"src/document/.*\.cpp$"),
    (r"(js/|jsapi\.h|jsfriendapi\.h|mozilla/)", r"src/access/.*\.cpp$"),
    (r"(CLI/|toml\+\+|prometheus/)", r"src/(server|cli)/"),
]

# The engines of the bucket contract are chosen in one place.
ENGINES = (r"bucket/(memory|rocksdb|redis)/", r"src/(bucket|server|sim)/")

# Time, chance and threads come through Environment everywhere else.
# The limits of a running script are real time by nature.
ENVIRONMENT_ROOMS = r"src/((base|net|server|cli|bucket/rocksdb)/|sim/cluster/campaign\.|access/script_(engine|watchdog)\.)"
ENVIRONMENT = re.compile(
    r"(system|steady|high_resolution)_clock::now|std::j?thread\b|std::async\b|this_thread::|"
    r"std::random_device|std::mt19937|\bs?rand\s*\(|\btime\s*\(\s*(0|NULL|nullptr)|\bgetrandom\s*\(|"
    r"\b(u|nano)?sleep\s*\(|\bpthread_create|\bclock_gettime")

# Words that stay out. This file and its test have to name them.
WORDS = re.compile(
    r"\b(TODO|FIXME|XXX)\b|(?<!user)(?<!user[- ])\bagents?\b(?!: false)|"
    r"(?<!init-system-)\bhelpers?\b|\bissue #?\d|"
    r"\bpart [1-9]\b( of\b)?|(?<![\w.])/(work|tmp|home|root)/", re.IGNORECASE)
WORDS_FREE = {"scripts/tidy.py", "scripts/tidy_test.py"}

VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}

CODE = {".cpp", ".hpp", ".py", ".mjs", ".js", ".cmake"}
PROSE = {".md", ".toml", ".json", ".yml", ".yaml", ".sh", ".txt"}
GENERATED = {".git", "build", "data", "node_modules", "__pycache__"}
FOREIGN = "web/vendor/"  # as others published it
SCRIPT_FOLDERS = {"scripts", ".ci"}
LINES_MAX = 600
COLUMNS_MAX = 100
README_LINES_MAX = 40


def files_of(root):
    """Paths of the tree as git sees it (tracked, or new and not ignored); all if git sees none."""
    try:
        listing = subprocess.run(
            ["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
            capture_output=True, check=True)
        names = [name for name in listing.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(root).as_posix() for path in root.rglob("*")
                 if not GENERATED.intersection(path.relative_to(root).parts)]
    return sorted(name for name in set(names) if (root / name).is_file())


def is_test(name):
    return name.startswith(("tests/", "bench/")) or "_test." in name or "_fixture." in name


def room_of(name):
    if name.startswith("src/bucket/redis/"):
        return "bucket/redis"
    parts = name.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def without_comments(text):
    """The text with comments blanked; line numbers stay."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.DOTALL)


class Tidy:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.names = files_of(self.root)
        self.breaches = []

    def breach(self, name, line, text):
        self.breaches.append(f"{name}:{line}: {text}")

    def run(self):
        for name in self.names:
            self.check_name(name)
            if name.startswith(FOREIGN):
                continue
            path = pathlib.PurePosixPath(name)
            script = path.parts[0] in SCRIPT_FOLDERS and not path.suffix
            if not (path.suffix in CODE | PROSE or path.name == "CMakeLists.txt" or script):
                continue
            text = (self.root / name).read_text(encoding="utf-8", errors="replace")
            if path.suffix in CODE or path.name == "CMakeLists.txt" or script:
                self.check_licence(name, text)
            if path.suffix in {".cpp", ".hpp"}:
                self.check_source(name, text)
            if path.name == "CMakeLists.txt":
                self.check_links(name, text)
            if path.name != "package-lock.json" and name not in WORDS_FREE:
                self.check_words(name, text)
        self.check_readmes()
        self.check_format()
        return self.breaches

    def check_name(self, name):
        for part in pathlib.PurePosixPath(name).parts:
            if part.split(".")[0] in VAGUE_NAMES:
                self.breach(name, 1, f"vague name '{part}'")

    def check_licence(self, name, text):
        lines = text.split("\n")
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if "SPDX-License-Identifier: Apache-2.0" not in first:
            self.breach(name, 1, "first line lacks SPDX-License-Identifier: Apache-2.0")

    def check_source(self, name, text):
        lines = text.split("\n")
        if len(lines) > LINES_MAX + 1:
            self.breach(name, LINES_MAX, f"longer than {LINES_MAX} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and 'R"' not in text:
                self.breach(name, number, f"longer than {COLUMNS_MAX} columns")
            include = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if include:
                self.check_include(name, number, include.group(1))
        if name.startswith("src/") and not is_test(name):
            self.check_environment(name, without_comments(text))

    def check_include(self, name, number, header):
        room = room_of(name)
        included = header.split("/")[0] if "/" in header else None
        if room in ROOMS and included in ROOMS and included not in [room, *ROOMS[room]]:
            self.breach(name, number, f"room '{room}' must not include room '{included}'")
        if not name.startswith("src/"):
            return
        for pattern, allowed in THIRD_PARTIES:
            if re.match(pattern, header) and not re.match(allowed, name):
                self.breach(name, number, f"<{header}> is confined to {allowed}")
        if re.match(ENGINES[0], header) and not re.match(ENGINES[1], name) and not is_test(name):
            self.breach(name, number, f'"{header}": only {ENGINES[1]} names a bucket engine')

    def check_environment(self, name, code):
        if re.match(ENVIRONMENT_ROOMS, name):
            return
        for number, line in enumerate(code.split("\n"), 1):
            match = ENVIRONMENT.search(line)
            if match:
                self.breach(name, number, f"'{match.group(0)}' outside Environment")

    def check_links(self, name, text):
        for target, arguments in re.findall(r"headgate_room\(\s*(\w+)([^)]*)\)", text):
            room = target.split("_")[0]  # bucket_memory is a target of the room bucket
            if target == "bucket_redis":
                room = "bucket/redis"
            if room not in ROOMS:
                self.breach(name, 1, f"room '{room}' is not in the table of rooms")
                continue
            may_use = re.search(r"MAY_USE([\s\w]*?)(LIBRARIES|SOURCES|$)", arguments)
            for lower in may_use.group(1).split() if may_use else []:
                if lower.split("_")[0] not in [room, *ROOMS[room]]:
                    self.breach(name, 1, f"room '{room}' must not link room '{lower}'")

    def check_words(self, name, text):
        for number, line in enumerate(text.split("\n"), 1):
            match = WORDS.search(line)
            if match:
                self.breach(name, number, f"'{match.group(0)}' stays out")

    def check_readmes(self):
        rooms = {room_of(name) for name in self.names if name.endswith(".cpp")} - {None}
        for room in sorted(rooms):
            readme = f"src/{room}/README.md"
            if readme not in self.names:
                self.breach(readme, 1, "missing")
                continue
            lines = (self.root / readme).read_text(encoding="utf-8").count("\n")
            if lines > README_LINES_MAX:
                self.breach(readme, lines, f"longer than {README_LINES_MAX} lines")

    def check_format(self):
        sources = [name for name in self.names if name.endswith((".cpp", ".hpp"))]
        if not sources:
            return
        check = subprocess.run(
            ["clang-format-19", "--dry-run", *sources], cwd=self.root,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        found = re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): code should be clang-formatted",
                           check.stderr, re.MULTILINE)
        reported = set()
        for name, line in found:
            if name not in reported:
                reported.add(name)
                self.breach(name, line, "not as .clang-format has it (scripts/format)")
        if check.returncode != 0 and not found:
            self.breach(".clang-format", 1, check.stderr.strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    breaches = Tidy(parser.parse_args().root).run()
    for breach in breaches:
        print(breach)
    print(f"tidy: {len(breaches)} breaches" if breaches else "tidy: clean")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
