#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three replicas behind haproxy, restarted one after the other and reloaded under a steady load: no request fails.

Phones enroll and log in through haproxy (deploy/haproxy/haproxy.cfg) at a steady pace. Meanwhile, round after
round, one replica gets SIGTERM, must end with status 0, is started again on its ports and is up at haproxy before
the next one's turn; and SIGHUPs go to replicas at random, most with a changed configuration, some with a bad one.
Every answer that is not the one that the phone hoped for is a failed request. A challenge that one replica made is
used at another. Halfway the sealing keys are rotated.
"""
import contextlib
import random
import sys
import threading
import time

import common
from common import at_least, exactly, say

import journals
from phones import Crowd, make_users
from replicas import Haproxy, Replica, SealKeys
from vendor import SETTINGS, stress_emulator

from harness.waiting import until

REPLICAS = 3
RESTARTS, RELOADS = 30, 200
RESTARTS_QUICK, RELOADS_QUICK = 3, 10
PHONES = 12
PAUSE_S = 0.05  # between the stories of one phone: some 600 requests a second together
# The proportions of deploy/haproxy, a tenth as long: two checks and their timeouts within the delay.
DRAIN_DELAY_S = 1
PROXY = {"CHECK_INTERVAL": "200ms", "CHECK_TIMEOUT": "200ms", "CONNECTIONS": "400"}
RELOAD_PAUSE_S = (0.02, 0.2)

# What a SIGHUP changes, and what it must refuse.
GOOD = [{"BFF_MAX_IN_FLIGHT": 1500}, {"BFF_REQUEST_TIMEOUT_MS": 9000}, {"BFF_LOG_LEVEL": "info"},
        {"BFF_SESSION_CLAIMS": "email"}, {"BFF_LOCKOUT_WINDOW_S": 600}, {}]
BAD = [{"BFF_MAX_IN_FLIGHT": "many"}, {"BFF_NO_SUCH_KEY": 1}, {"BFF_WORKERS": 7}]
BAD_SHARE = 0.2


class Reloads(threading.Thread):
    """SIGHUPs to replicas at random, `count` of them while go_on() holds; the rest afterwards."""

    def __init__(self, replicas, seed, count):
        super().__init__()
        self.replicas = replicas
        self.random = random.Random(seed)
        self.count = count
        self.sent = self.bad = 0
        self.locks = {replica.name: threading.Lock() for replica in replicas}
        self.ended = threading.Event()

    def run(self):
        while self.sent < self.count and not self.ended.is_set():
            self.one()
            self.ended.wait(self.random.uniform(*RELOAD_PAUSE_S))  # the pace, nothing waits for this

    def one(self):
        replica = self.random.choice(self.replicas)
        bad = self.random.random() < BAD_SHARE
        # Not while it starts: there, a bad file would keep it from starting, as it should.
        with self.locks[replica.name]:
            replica.configure(self.random.choice(BAD if bad else GOOD))
            replica.reload()
            self.sent += 1
            self.bad += bad

    def stop(self):
        self.ended.set()
        self.join()

    @contextlib.contextmanager
    def not_meanwhile(self, replica):
        with self.locks[replica.name]:
            replica.configure({})
            yield


def rolling_restarts(replicas, haproxy, reloads, rounds):
    """Seconds that each round took."""
    took_s = []
    for number in range(rounds):
        replica = replicas[number % len(replicas)]
        began_s = time.monotonic()
        with reloads.not_meanwhile(replica):
            replica.restart()
        haproxy.wait_up(replica)
        took_s.append(time.monotonic() - began_s)
    return took_s


def rotate_seal_keys(replicas, reloads, seal_keys):
    """As docs say: the new key last, everywhere; then first, everywhere."""
    for step in (seal_keys.add, seal_keys.promote):
        step()
        for replica in replicas:
            with reloads.not_meanwhile(replica):
                done = replica.reloads("ok")
                replica.reload()
                until(lambda: replica.reloads("ok") > done, f"{replica.name} has read its keys again")


def fleet(options, restarts, reloads):
    directory = options.directory
    with common.running() as running:
        emulator = stress_emulator(directory)
        running.append(emulator)
        seal_keys = SealKeys(directory)
        settings = {**SETTINGS, "BFF_SEAL_KEYS_FILE": seal_keys.path, "BFF_WORKERS": "1",
                    "BFF_DRAIN_DELAY_S": DRAIN_DELAY_S, "BFF_DRAIN_TIMEOUT_S": "30", "BFF_TRUSTED_PROXIES": "127.0.0.1/32"}
        replicas = []
        for number in range(1, REPLICAS + 1):
            replicas.append(Replica(directory, number, emulator, settings))
            running.append(replicas[-1])
        haproxy = Haproxy(directory, replicas, **PROXY)
        running.append(haproxy)
        crowd = Crowd(haproxy.address, make_users(emulator, PHONES), processes=1, pause_s=PAUSE_S)
        running.append(crowd)
        hups = Reloads(replicas, options.seed, reloads)
        hups.start()
        running.append(hups)
        took_s = rolling_restarts(replicas, haproxy, hups, restarts // 2)
        rotate_seal_keys(replicas, hups, seal_keys)
        took_s += rolling_restarts(replicas, haproxy, hups, restarts - restarts // 2)
        hups.join()
        calls = crowd.finish()
    return calls, journals.read_calls(emulator.call_log), replicas, hups, took_s


def replica_of_each(replicas):
    """{trace id: name of the replica that wrote its access line}"""
    return {record["trace.id"]: replica.name for replica in replicas for service in replica.services()
            for record in service.records() if record.get("event.action") == "http.request" and "trace.id" in record}


def handles_that_moved(calls, served_by):
    """Sessions whose challenge was made by one replica and used at another, and all sessions. The journal of a
    phone is in order: an authenticate follows its start."""
    moved = sessions = 0
    started_at = None
    for call in calls:
        if call.operation == "start":
            started_at = served_by.get(call.trace_id)
        elif call.operation == "authenticate" and call.status == 200:
            sessions += 1
            moved += started_at is not None and served_by.get(call.trace_id) not in (None, started_at)
    return moved, sessions


def count_reloads(replicas):
    """Configurations that were taken up and that were refused, by the log: two SIGHUPs at once are one."""
    outcomes = [record["event.outcome"] for replica in replicas for service in replica.services()
                for record in service.events("config.reload") if record.get("error.reason") != "the service ends"]
    return outcomes.count("success"), outcomes.count("failure")


def run(options):
    restarts, reloads = (RESTARTS_QUICK, RELOADS_QUICK) if options.quick else (RESTARTS, RELOADS)
    restarts = restarts if options.restarts is None else options.restarts
    reloads = reloads if options.reloads is None else options.reloads
    say(f"seed {options.seed}")
    calls, vendor, replicas, hups, took_s = fleet(options, restarts, reloads)

    seconds = max(call.at_s + call.took_s for call in calls) - min(call.at_s for call in calls)
    say(f"{len(calls)} requests in {seconds:.0f} s ({len(calls) / seconds:.0f} a second), "
        f"p50 {1000 * journals.percentile([call.took_s for call in calls], 0.5):.1f} ms, "
        f"p99 {1000 * journals.percentile([call.took_s for call in calls], 0.99):.1f} ms")
    for operation, outcome in sorted(journals.outcomes(calls).items()):
        say(f"  {operation:<14}" + ", ".join(f"{what}: {count}" for what, count in outcome.most_common()))
    say(f"a restart takes {max(took_s, default=0):.1f} s at most, from SIGTERM to UP at haproxy; of the SIGHUPs "
        f"{hups.bad} had a bad configuration; those of the rotation of the sealing keys come on top")
    good, refused = count_reloads(replicas)
    failed = [call for call in calls if call.status not in (200, 201, 204)]
    for call in failed[:10]:
        say(f"  failed: {call}")
    moved, sessions = handles_that_moved(calls, replica_of_each(replicas))
    verdict = journals.compare(vendor, calls)
    yield exactly("failed requests", len(failed), 0)
    yield exactly("restarts of one replica each, one after the other", sum(len(r.past) for r in replicas), restarts)
    yield exactly("SIGHUPs", hups.sent, reloads)
    yield at_least("configurations taken up", good, reloads // 2)
    yield at_least("configurations refused", refused, min(1, hups.bad))
    yield at_least(f"sessions of {sessions} whose challenge another replica had made", moved, 1)
    yield exactly("duplicates, lost, invented", tuple(map(len, verdict[:3])), (0, 0, 0))


def add_arguments(parser):
    parser.add_argument("--restarts", type=int, help=f"of one replica each ({RESTARTS}; quick: {RESTARTS_QUICK})")
    parser.add_argument("--reloads", type=int, help=f"SIGHUPs ({RELOADS}; quick: {RELOADS_QUICK})")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the reloads (the time)")


if __name__ == "__main__":
    sys.exit(common.main("fleet", __doc__, run, add_arguments))
