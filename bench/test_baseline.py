# SPDX-License-Identifier: Apache-2.0
"""What counts as a rise of the instruction counts, and what is said about it."""
import pathlib
import tempfile
import unittest

import baseline
import callgrind

ROW = "x86_64, gcc 12, libcurl 7.88, OpenSSL 3.0"
PARSE, WRITE = "parse (src/a.c)", "write (src/b.c)"
ROWS = {ROW: {"start": {"total": 10000, "functions": {PARSE: 6000, WRITE: 4000}}}}


def judge(parse, write=4000, operation="start", row=ROW):
    return baseline.judge(row, {operation: {PARSE: parse, WRITE: write}}, ROWS)


class Rises(unittest.TestCase):
    def test_a_rise_of_2_9_percent_is_tolerated(self):
        [verdict] = judge(6290)
        self.assertFalse(baseline.rose_too_far(verdict))

    def test_a_rise_of_3_1_percent_is_not(self):
        [verdict] = judge(6310)
        self.assertTrue(baseline.rose_too_far(verdict))
        self.assertIn("more than 3 %", "".join(baseline.describe(verdict)))

    def test_the_function_that_moved_most_is_named_first(self):
        [verdict] = judge(6310, 4100)
        lines = list(baseline.describe(verdict))
        self.assertIn("10,000 -> 10,410", lines[0])
        self.assertIn("+4.1 %", lines[0])
        self.assertIn("+310  parse (src/a.c)  6,000 -> 6,310", lines[1])
        self.assertIn("+100  write (src/b.c)  4,000 -> 4,100", lines[2])

    def test_a_function_that_is_new_or_gone_has_moved(self):
        [verdict] = baseline.judge(ROW, {"start": {PARSE: 6000, "copy (src/c.c)": 4400}}, ROWS)
        lines = "\n".join(baseline.describe(verdict))
        self.assertIn("+4,400  copy (src/c.c)  not recorded -> 4,400", lines)
        self.assertIn("-4,000  write (src/b.c)  4,000 -> 0", lines)

    def test_a_fall_is_no_failure_but_should_be_recorded(self):
        [verdict] = judge(5600)
        self.assertFalse(baseline.rose_too_far(verdict))
        self.assertIn("--record", "".join(baseline.describe(verdict)))


class Rows(unittest.TestCase):
    def test_a_missing_row_is_an_error_that_says_what_there_is_and_what_to_do(self):
        with self.assertRaisesRegex(baseline.NoBaseline, "no baseline for \"other\".*gcc 12.*--record"):
            judge(6000, row="other")

    def test_a_missing_operation_is_an_error(self):
        with self.assertRaisesRegex(baseline.NoBaseline, "lacks refresh"):
            judge(6000, operation="refresh")

    def test_a_row_depends_on_major_and_minor_versions_alone(self):
        lines = ["biometrics-bff 0.1.0", "libmicrohttpd 1.0.10", "libcurl 7.88.1", "OpenSSL 3.0.17"]
        self.assertEqual(ROW, baseline.row_name("x86_64", "gcc 12.2.0", lines))

    def test_what_is_recorded_is_judged_as_unchanged_and_leaves_other_rows_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rows.json"
            counted = {"start": {PARSE: 600.4, WRITE: 400.2, "tiny (src/c.c)": 1}}
            baseline.record("other", counted, path)
            baseline.record(ROW, counted, path)
            rows = baseline.read(path)
            self.assertEqual({"other", ROW}, set(rows))
            self.assertNotIn("tiny (src/c.c)", rows[ROW]["start"]["functions"])
            [verdict] = baseline.judge(ROW, counted, rows)
            self.assertAlmostEqual(verdict.before, verdict.now, delta=1)
            self.assertEqual(1, len(list(baseline.describe(verdict))))


class Dumps(unittest.TestCase):
    def test_costs_go_to_the_function_that_executed_them_and_calls_are_kept_apart(self):
        text = """version: 1
positions: line
events: Ir
ob=(1) /build/src/biometrics-bff
fl=(1) /build/../src/api/start.c
fn=(1) step_send
0 10
fi=(2) /build/../src/base/str.h
+1 5
fe=(1)
cob=(2) /usr/lib/libcurl.so.4.8.0
cfi=(3) ???
cfn=(2) curl_easy_setopt
calls=2 0
* 400

fl=(4) /mhd/connection.c
fn=(3) MHD_run
0 7

ob=(2)
fl=(3)
fn=(2)
0 400
"""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "dump"
            path.write_text(text)
            found = callgrind.read_dump(path, pathlib.Path("/"))
        send = callgrind.Function(callgrind.OWN, "src/api/start.c", "step_send")
        setopt = callgrind.Function("libcurl", "libcurl.so.4.8.0", "curl_easy_setopt")
        self.assertEqual({send: 15, setopt: 400, callgrind.Function("libmicrohttpd", "connection.c", "MHD_run"): 7,
                          callgrind.Call(send, setopt): 400}, dict(found))


if __name__ == "__main__":
    unittest.main()
