# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios and verdicts, from rounds that are made up."""
import types
import unittest

from benchlib import report, verdicts
from benchlib.load import Sample


def results(**cpu_us):
    """Of subjects with a plain upstream and 32 connections: the processor time of each round."""
    found = report.Results({}, [])
    for name, rounds in cpu_us.items():
        subject = types.SimpleNamespace(name=name.replace("_", " "), transport="plain")
        for us in rounds:
            found.add(subject, 32, Sample(us, 1e6 / us, us, us, us, 1000))
    found.crypto = [{"verify_us": 20.0, "import_us": 50.0}] * 3
    return found


def verdict(found, text):
    return next(v for v in verdicts.judge(found) if v.text.startswith(text))


class Ratios(unittest.TestCase):
    def test_are_made_within_a_round(self):
        found = results(floor=[10, 100, 1000], ours_start=[12, 130, 1400])
        self.assertAlmostEqual(1.3, found.ratio(("ours start", "plain", 32), "floor", "cpu_us"))
        self.assertEqual(130, found.median(("ours start", "plain", 32), "cpu_us"))

    def test_have_no_base_that_was_not_measured(self):
        self.assertIsNone(results(floor=[10]).ratio(("floor", "plain", 32), "nginx", "cpu_us"))


class Verdicts(unittest.TestCase):
    def test_start_is_judged_in_floors(self):
        text = "start, CPU, in floors: plain, 32"
        self.assertTrue(verdict(results(floor=[10, 10, 10], ours_start=[13, 13.4, 19]), text).met)
        self.assertFalse(verdict(results(floor=[10, 10, 10], ours_start=[13, 13.6, 19]), text).met)

    def test_authenticate_may_cost_verifications_more_than_start(self):
        text = "authenticate over start"
        start = [100, 100, 100]
        self.assertTrue(verdict(results(ours_start=start, ours_authenticate=[150, 159, 300]), text).met)
        self.assertFalse(verdict(results(ours_start=start, ours_authenticate=[150, 161, 300]), text).met)

    def test_register_may_cost_a_verification_and_an_import_more(self):
        text = "register over start"
        start = [100, 100, 100]
        self.assertTrue(verdict(results(ours_start=start, ours_register=[180, 189, 300]), text).met)
        self.assertFalse(verdict(results(ours_start=start, ours_register=[180, 191, 300]), text).met)

    def test_what_was_not_measured_is_not_judged(self):
        self.assertEqual([], verdicts.judge(results(floor=[10])))


if __name__ == "__main__":
    unittest.main()
