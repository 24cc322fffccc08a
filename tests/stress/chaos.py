#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at once, at random, for as long as asked: what may never happen does not.

Phones enroll and log in through haproxy at two replicas. Meanwhile a schedule, drawn from --seed, has the vendor
delay, fail, reset, drip, hand out wrong tokens and lose its token endpoint and key set, rotates its keys, sends good and
bad SIGHUPs, ends replicas by SIGTERM (some with a SIGHUP just before) and starts them again, and lets crowds of clients
come and leave; a proxy kills connections to the vendor all the time. Afterwards the weather clears and:

  every request of a phone was answered, by a replica and not by the proxy, never 500
  no register or authenticate ran twice, none was lost, none invented
  no phone got a session when the vendor's tokens were wrong
  the phones are served again, the gauges are back, memory and descriptors are bounded, every end was exit status 0
"""
import functools
import json
import os
import random
import socket
import sys
import threading
import time

import common
from common import at_most, exactly, say

import journals
from phones import Crowd, make_users, NO_ANSWER, NOT_OURS
from replicas import Haproxy, Replica, SealKeys
from vendor import CuttingProxy, SETTINGS, stress_emulator

MINUTES, QUICK_S = 10, 15
PHONES = 12
PAUSE_S = 0.05
DRAIN_DELAY_S = 1
PROXY = {"CHECK_INTERVAL": "200ms", "CHECK_TIMEOUT": "200ms", "CONNECTIONS": "1000"}
STEP_S = (0.05, 0.5)  # between two events of the schedule
# Of each request to the vendor.
CUTS = {"before": 0.01, "mid_request": 0.01, "after_request": 0.01, "before_answer": 0.01, "mid_answer": 0.01, "idle": 0.05}

# Client tokens are renewed every few seconds, so that the token endpoint matters.
TOKEN_TTL_S = 40
# A vendor that signs with a key it has just made is not believed until the key set may be fetched again
# (30 s after the last fetch, so that nobody can make us fetch all the time). Then it rotates again.
COOL_DOWN_S = 31
ROTATE_EVERY_S = 45
IN_FLIGHT_MAX = 60
CROWD = (40, 150)  # more than may be in flight: some are refused
CALM_S = 60  # at most, until everybody is served again: a token endpoint that refused us is left alone for a while
MEMORY_BYTES_MAX = 64 << 20
DESCRIPTORS_MORE_MAX = 40  # pooled connections come and go

OPERATIONS = ("start", "authenticate", "register", "delete")
WRONG_TOKENS = ("wrong_key", "alg_none", "hmac", "unknown_kid", "no_kid", "expired", "future", "wrong_issuer",
                "foreign_user", "wrong_tenant", "wrong_audience", "encrypted")
FAULTS = (
    {"delay_ms": 300}, {"delay_ms": 4000}, {"status": 500}, {"status": 503}, {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 403}, {"reset": "before_answer"}, {"reset": "after_headers"}, {"reset": "mid_body"}, {"close": True},
    {"drip": {"bytes": 7, "interval_ms": 20}}, {"cut_after_bytes": 5}, {"cut_head_after_bytes": 30},
)
GOOD_SETTINGS = ({"BFF_MAX_IN_FLIGHT": IN_FLIGHT_MAX}, {"BFF_REQUEST_TIMEOUT_MS": 2500}, {"BFF_SESSION_CLAIMS": "email"},
                 {"BFF_LOG_LEVEL": "info"}, {"BFF_JWT_LEEWAY_S": 30})
BAD_SETTINGS = ({"BFF_MAX_IN_FLIGHT": "many"}, {"BFF_NO_SUCH_KEY": 1}, {"BFF_WORKERS": 7})


class Weather:
    """Draws one event after the other. What it does it also counts, by name."""

    def __init__(self, seed, emulator, replicas, haproxy, user_ids):
        self.random = random.Random(seed)
        self.emulator, self.replicas, self.haproxy, self.user_ids = emulator, replicas, haproxy, user_ids
        self.counts = {}
        self.busy = {replica.name: threading.Lock() for replica in replicas}
        self.restarting = None
        self.over = threading.Event()
        self.failure = None
        self.rotated_at_s = []
        self.away = set()
        self.events = (self.fault, self.fault, self.fault, self.wrong_tokens, self.tokens_away, self.keys_away,
                       self.rotate, self.revoke, self.clear, self.reload, self.reload, self.restart, self.leavers, self.crowd)

    def run(self, seconds):
        events = [event for event in self.events if event != self.rotate or seconds > 2 * COOL_DOWN_S]
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and not self.failure:
            event = self.random.choice(events)
            self.counts[event.__name__] = self.counts.get(event.__name__, 0) + 1
            event()
            time.sleep(self.random.uniform(*STEP_S))  # the pace of the weather, nothing waits for this
        self.calm()

    def calm(self):
        self.emulator.clear_faults()
        self.stop()
        if self.failure:
            raise self.failure

    def stop(self):
        """A replica that is being restarted is one that can be stopped, afterwards."""
        self.over.set()
        if self.restarting:
            self.restarting.join()

    # ---- the vendor

    def fault(self):
        self.emulator.fault(self.random.choice(OPERATIONS), next=self.random.randint(1, 20), **self.random.choice(FAULTS))

    def wrong_tokens(self):
        self.emulator.fault("authenticate", next=self.random.randint(1, 10), tokens=self.random.choice(WRONG_TOKENS))

    # Rules for these would pile up, for they are asked for seldom; then a replica that starts meets them all, and
    # rightly pauses longer and longer before it is ready.
    def _away(self, operation, status):
        if operation not in self.away:
            self.away.add(operation)
            self.emulator.fault(operation, next=self.random.randint(1, 3), status=status)

    def tokens_away(self):
        self._away("token", self.random.choice((500, 503)))

    def keys_away(self):
        self._away("jwks", 503)

    def rotate(self):
        if not self.rotated_at_s or time.monotonic() - self.rotated_at_s[-1] > ROTATE_EVERY_S:
            self.rotated_at_s.append(time.monotonic())
            self.emulator.rotate_keys()

    def revoke(self):
        self.emulator.revoke_tokens("client")

    def clear(self):
        self.away.clear()
        self.emulator.clear_faults()

    # ---- the replicas

    def reload(self):
        replica = self.random.choice(self.replicas)
        bad = self.random.random() < 0.3
        values = self.random.choice(BAD_SETTINGS if bad else GOOD_SETTINGS)
        # Not while it starts: a bad file would keep it from starting, as it should.
        if self.busy[replica.name].acquire(blocking=False):
            replica.configure(values)
            replica.reload()
            self.busy[replica.name].release()

    def restart(self):
        if self.restarting and self.restarting.is_alive():
            return
        replica = self.random.choice(self.replicas)
        hup_before = self.random.random() < 0.5
        self.restarting = threading.Thread(target=self._restart, args=(replica, hup_before))
        self.restarting.start()

    def _restart(self, replica, hup_before):
        try:
            with self.busy[replica.name]:
                if self.over.is_set():
                    return
                replica.configure({})
                if hup_before:
                    replica.reload()
                replica.restart()
            self.haproxy.wait_up(replica)
        except Exception as failure:  # told by the thread that draws
            self.failure = failure

    # ---- clients

    def _start(self):
        body = json.dumps({"user_id": self.random.choice(self.user_ids)}).encode()
        return (b"POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(body)) + body

    def leavers(self):
        """Clients that leave at some point of a request, straight at a replica."""
        replica = self.random.choice(self.replicas)
        for _ in range(self.random.randint(1, 30)):
            request = self._start()
            self._send(replica, request[:self.random.randint(0, len(request))])

    def crowd(self):
        """Many starts at once; whoever came does not wait for long."""
        replica = self.random.choice(self.replicas)
        came = [self._send(replica, self._start(), keep=True) for _ in range(self.random.randint(*CROWD))]
        for one in filter(None, came):
            one.close()

    def _send(self, replica, data, keep=False):
        """Refused: it is being restarted."""
        s = socket.socket()
        s.settimeout(5)
        try:
            s.connect(("127.0.0.1", replica.port))
            s.sendall(data)
        except OSError:
            s.close()
            return None
        if not keep:
            if self.random.random() < 0.5:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            s.close()
        return s


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_back(address, users):
    """Whether a phone gets all that it asks for, through haproxy."""
    calls = Crowd(address, users[:1], processes=1, stories=1).journal()
    return [call.status for call in calls] == [201, 200, 200, 200, 204]


def gauges_are_back(service):
    """Soon: the request that asks is the only one."""
    gauges = {"http_server_active_requests": 1, "http_client_active_requests": 0}
    try:
        common.wait_until(lambda: all(service.metric(name) == value for name, value in gauges.items()), "the gauges")
    except AssertionError:
        say(f"  {service.name}: " + ", ".join(f"{name} {service.metric(name):g}" for name in gauges))
        return False
    return True


def chaos(options, seconds):
    directory = options.directory
    with common.running() as running:
        emulator = stress_emulator(directory)
        running.append(emulator)
        users = make_users(emulator, PHONES)
        emulator.settings(token_ttl_s=TOKEN_TTL_S)
        cutter = CuttingProxy(directory, emulator, options.seed, CUTS)
        running.append(cutter)
        settings = {**SETTINGS, "BFF_SEAL_KEYS_FILE": SealKeys(directory).path, "BFF_DRAIN_DELAY_S": DRAIN_DELAY_S,
                    "BFF_DRAIN_TIMEOUT_S": "15", "BFF_UPSTREAM_URL": cutter.url}
        replicas = []
        for number in (1, 2, 3):
            replicas.append(Replica(directory, number, emulator, settings))
            running.append(replicas[-1])
        haproxy = Haproxy(directory, replicas, **PROXY)
        running.append(haproxy)
        yield from weather(options, seconds, emulator, replicas, haproxy, users, running)
    ends = [service.child.returncode for replica in replicas for service in replica.services()]
    yield exactly(f"of {len(ends)} ends, with another status than 0", sum(status != 0 for status in ends), 0)


def weather(options, seconds, emulator, replicas, haproxy, users, running):
    sky = Weather(options.seed, emulator, replicas, haproxy, [user.user_id for user in users])
    fds_before = max(descriptors(replica.service.pid) for replica in replicas)
    crowd = Crowd(haproxy.address, users, processes=1, pause_s=PAUSE_S)
    running.append(crowd)
    running.append(sky)
    sky.run(seconds)
    calls = crowd.finish()
    say(f"{seconds:.0f} s of weather: " + ", ".join(f"{name} {count}" for name, count in sorted(sky.counts.items())))
    say(f"{len(calls)} requests, {sum(len(replica.past) for replica in replicas)} restarts")
    for operation, outcome in sorted(journals.outcomes(calls).items()):
        say(f"  {operation:<14}" + ", ".join(f"{what}: {count}" for what, count in outcome.most_common()))
    yield from judge(calls, journals.read_calls(emulator.call_log),
                     [(at_s, at_s + COOL_DOWN_S) for at_s in sky.rotated_at_s])

    took_s = common.wait_until(functools.partial(is_back, haproxy.address, users), "a phone is served", CALM_S)
    yield at_most("seconds until a phone gets all that it asks for", took_s, CALM_S)
    yield exactly("replicas with gauges that are not back", sum(not gauges_are_back(r.service) for r in replicas), 0)
    yield at_most("resident memory", max(common.resident_bytes(r.service.pid) for r in replicas) >> 20,
                  MEMORY_BYTES_MAX >> 20, " MiB")
    yield at_most("descriptors more than before", max(descriptors(r.service.pid) for r in replicas) - fds_before,
                  DESCRIPTORS_MORE_MAX)


def judge(calls, vendor, new_keys):
    verdict = journals.compare(vendor, calls, new_keys)
    unanswered = [call for call in calls if call.status == NO_ANSWER]
    foreign = [call for call in calls if call.code == NOT_OURS]
    for what, faults in (("requests without an answer", unanswered), ("answers that are not a replica's", foreign),
                         ("status 500", [call for call in calls if call.status == 500]),
                         ("duplicates", verdict.duplicates), ("lost", verdict.lost), ("invented", verdict.invented),
                         ("sessions from wrong tokens", verdict.unverified)):
        for fault in faults[:5]:
            say(f"  {what}: {fault}")
        yield exactly(what, len(faults), 0)
    say(f"wrong tokens handed out: {sum(call.tokens is not None for call in vendor)}")


def run(options):
    seconds = QUICK_S if options.quick else 60 * options.minutes
    say(f"seed {options.seed}")
    yield from chaos(options, seconds)


def add_arguments(parser):
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"of weather ({MINUTES}; quick: {QUICK_S} s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the schedule and the cuts (the time)")


if __name__ == "__main__":
    sys.exit(common.main("chaos", __doc__, run, add_arguments))
