#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that tidy.py can fail: plants one breach at a time in a clean tree."""

import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import tidy  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
HASH_SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
TOP = pathlib.Path(__file__).resolve().parent.parent


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(TOP / ".clang-format", self.root)
        self.write("src/cache/README.md", "# cache\n")
        self.write("src/cache/reader.cpp", SPDX + '#include "bucket/bucket.hpp"\n')
        self.write("src/cache/CMakeLists.txt",
                   HASH_SPDX + "headgate_room(cache SOURCES reader.cpp MAY_USE base bucket)\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def breaches(self):
        return tidy.Tidy(self.root).run()

    def check(self, name, text, expected):
        self.write(name, text)
        found = self.breaches()
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def test_clean_tree_passes(self):
        self.assertEqual(self.breaches(), [])

    def test_room_includes_higher_room(self):
        self.check("src/cache/a.cpp", SPDX + '#include "database/database.hpp"\n',
                   "room 'cache' must not include room 'database'")

    def test_room_includes_room_beside_it(self):
        self.check("src/cache/a.cpp", SPDX + '#include "document/json.hpp"\n',
                   "must not include room 'document'")

    def test_test_of_a_room_includes_higher_room(self):
        self.check("src/cache/a_test.cpp", SPDX + '#include "api/router.hpp"\n',
                   "must not include room 'api'")

    def test_room_links_higher_room(self):
        self.check("src/cache/CMakeLists.txt",
                   HASH_SPDX + "headgate_room(cache SOURCES a.cpp\n  MAY_USE base net\n"
                   "  LIBRARIES x)\n", "must not link room 'net'")

    def test_unknown_room(self):
        self.check("src/cache/CMakeLists.txt", HASH_SPDX + "headgate_room(stuff SOURCES a.cpp)\n",
                   "not in the table")

    def test_third_party_header_outside_its_room(self):
        for header in ["boost/asio.hpp", "boost/beast/http.hpp", "rocksdb/db.h", "simdjson.h",
                       "rapidjson/document.h", "jsapi.h", "js/Object.h", "toml++/toml.h",
                       "CLI/CLI.hpp", "prometheus/counter.h"]:
            with self.subTest(header):
                self.check("src/cache/a.cpp", SPDX + f"#include <{header}>\n", "is confined to")

    def test_json_parser_in_a_header_of_its_room(self):
        self.write("src/document/README.md", "# document\n")
        self.write("src/document/json.cpp", SPDX + "#include <simdjson.h>\n")
        self.check("src/document/json.hpp", SPDX + "#include <simdjson.h>\n", "is confined to")

    def test_bucket_engine_outside_server_and_tests(self):
        self.write("src/cache/a_test.cpp", SPDX + '#include "bucket/memory/memory_bucket.hpp"\n')
        self.check("src/cache/a.cpp", SPDX + '#include "bucket/memory/memory_bucket.hpp"\n',
                   "names a bucket engine")

    def test_clock_thread_sleep_random(self):
        self.write("src/cache/b_test.cpp", SPDX + "std::thread t;\n")
        self.write("src/net/README.md", "# net\n")
        self.write("src/net/b.cpp", SPDX + "auto t = std::chrono::steady_clock::now();\n")
        for text in ["auto t = std::chrono::steady_clock::now();", "std::jthread t;",
                     "int a = rand();", "std::random_device d;", "int b = sleep(1);",
                     "auto c = time(nullptr);"]:
            with self.subTest(text):
                self.check("src/cache/a.cpp", SPDX + text + "\n", "outside Environment")

    def test_clock_in_a_comment_is_no_breach(self):
        self.write("src/cache/a.cpp", SPDX + "// never std::thread here\nint a;\n")
        self.assertEqual(self.breaches(), [])

    def test_missing_licence_line(self):
        self.check("src/cache/a.hpp", "#pragma once\n", "SPDX")
        self.check("src/cache/a.hpp", "\n" + SPDX, "SPDX")

    def test_missing_licence_line_after_interpreter(self):
        self.write("scripts/good", "#!/usr/bin/env bash\n" + HASH_SPDX)
        self.check("scripts/bad", "#!/usr/bin/env bash\necho\n", "SPDX")

    def test_room_without_readme(self):
        self.check("src/sequence/a.cpp", SPDX, "src/sequence/README.md:1: missing")

    def test_long_readme(self):
        self.check("src/cache/README.md", "a\n" * 41, "longer than 40 lines")

    def test_long_file(self):
        self.check("src/cache/a.cpp", SPDX + "int a;\n" * 600, "longer than 600 lines")

    def test_long_line(self):
        self.check("src/cache/a.cpp", SPDX + "// " + "a" * 98 + "\n", "longer than 100 columns")

    def test_unformatted_source(self):
        self.check("src/cache/a.cpp", SPDX + "int  a ;\n", ".clang-format")

    def test_words_that_stay_out(self):
        for text in ["TODO: more", "a FIXME", "a helper for it", "an agent", "issue 12",
                     "part 2 of 5", "see /" + "tmp/x"]:
            with self.subTest(text):
                self.check("docs/a.md", text + "\n", "stays out")

    def test_words_that_may_stay(self):
        self.write("docs/a.md", "The User-Agent header; sync_gateway#12; apart 2; /db/tmp/a.\n")
        self.assertEqual(self.breaches(), [])

    def test_vague_names(self):
        self.write("src/cache/manager.hpp", SPDX)
        self.assertEqual([b.split(": ")[1] for b in self.breaches()], ["vague name 'manager.hpp'"])


if __name__ == "__main__":
    unittest.main()
