# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of bench/growth, with figures that are made up."""
import unittest

from benchlib import capacity


class Rates(unittest.TestCase):
    def test_are_the_share_of_the_processors_that_may_be_used(self):
        self.assertAlmostEqual(10_000, capacity.requests_per_s(1, 60))
        self.assertAlmostEqual(40_000, capacity.requests_per_s(4, 60))

    def test_stand_beside_the_limit_of_those_that_call_the_vendor(self):
        rows = {row[0]: row[1:] for row in capacity.rate_rows({"start": 60, "session, remembered": 12})}
        self.assertEqual(("start", "session, remembered"), rows["replica"])
        self.assertEqual(("20,000", "100,000"), rows["2 workers, 2 CPUs"])
        self.assertEqual(("333", "no call"), rows["the vendor allows, to all replicas"])


class Memory(unittest.TestCase):
    REST, CONNECTION = {1: 10240, 2: 11264, 4: 13312}, {1: 16, 2: 16, 4: 32}

    def rows(self, flights):
        return list(capacity.memory_rows(self.REST, self.CONNECTION, flights))

    def test_grows_with_connections_and_requests_in_flight(self):
        flights = capacity.in_flight_kib({"results": [{"transport": "h2", "kib_per_request": 32.0, "errors": 0}]})
        heading, one, _, four = self.rows(flights)
        self.assertEqual("+ 1,000 in flight, h2 MiB", heading[3])
        self.assertEqual(("1 worker, 1 CPU", "10.0", "15.6", "31.2"), one)
        self.assertEqual(("4 workers, 4 CPUs", "13.0", "31.2", "31.2"), four)

    def test_leaves_out_what_was_not_measured(self):
        self.assertEqual([3] * 4, [len(row) for row in self.rows({})])


if __name__ == "__main__":
    unittest.main()
