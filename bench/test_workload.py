# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks take from the tests' harness needs nothing that only tests have installed."""
import pathlib
import subprocess
import sys
import unittest


class Workload(unittest.TestCase):
    def test_it_needs_no_pytest(self):
        code = "import sys; sys.modules['pytest'] = None; import workload, benchlib.subjects, benchlib.upstream"
        done = subprocess.run([sys.executable, "-B", "-c", code], cwd=pathlib.Path(__file__).parent, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        self.assertEqual("", done.stderr)


if __name__ == "__main__":
    unittest.main()
