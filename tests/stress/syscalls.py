#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Lets the kernel refuse system calls, also those that the C library makes inside itself (fault row FP06).

First those of the thread that serves, each kind that it makes, with each answer the kernel may give, at its first
places in a request, warm and over a new connection to the vendor: judged like allocations that fail (tests/torture).
Then those of a whole start, of all threads: it ends with a status other than 0, or serves. Prints a table of both.

--quick takes a sample; its seed is printed, and --seed repeats it."""
import http.client
import os
import pathlib
import random
import signal
import subprocess
import sys

import common
from common import at_least, exactly, say

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "torture"))

import traced  # noqa: E402
from harness.emulator import Emulator  # noqa: E402
from harness.paths import SERVICE  # noqa: E402
from harness.process import EndedEarly  # noqa: E402
from harness.service import Service  # noqa: E402
from harness.stopping import stop_all  # noqa: E402
from harness.waiting import TookTooLong, until  # noqa: E402
from operations import PATHS, World  # noqa: E402
from ordeal import Crashed, Ordeals, Tally  # noqa: E402

PATHS_TRACED = ("start, happy", "authenticate, happy", "authenticate, bad signature")
PLACES, PLACES_OF_A_START = 3, 6
WARM_UP = 10
MORE_REPEATS = 8  # of a suspected leak: each time strace comes and goes
QUICK_CALLS, QUICK_STARTS = 8, 6
KINDS_MIN = 25
SERVES_S = 1.5  # times the harness's patience; accepting pauses for a second where there was no room
READY_S = END_S = 2.5  # times the harness's patience


def add_arguments(parser):
    parser.add_argument("--seed", type=int, default=None)


class Table:
    """{(operation, call): [answers, refused, {what became of it: how often}]}"""

    def __init__(self):
        self.rows = {}

    def add(self, operation, call, answer, refused, outcomes):
        row = self.rows.setdefault((operation, call), [[], 0, {}])
        if str(answer) not in row[0]:
            row[0].append(str(answer))
        row[1] += refused
        for outcome in outcomes:
            row[2][outcome] = row[2].get(outcome, 0) + 1

    def lines(self):
        for (operation, call), (answers, refused, outcomes) in sorted(self.rows.items()):
            came = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
            yield f"{operation:26} {call:17} {refused:4} refused: {', '.join(answers)}; {came}"

    def kinds(self):
        return {call for (_, call), row in self.rows.items() if row[1]}


def some(chance, cases, options, size):
    return chance.sample(cases, min(size, len(cases))) if options.quick else cases


def cases_of(made, places, before=None):
    """The first places of each call; of a start those after what was made `before`."""
    cases = []
    for call, answers in traced.ANSWERS.items():
        first = (before or {}).get(call, 0)
        cases += [(call, answer, first + place) for answer in answers
                  for place in range(1, min(made.get(call, 0) - first, places) + 1)]
    return cases


# ---- while it serves


def made_by_a_request(ordeals, path, worker):
    control = ordeals.world.control
    request = ordeals.prepare(path)
    control.attach(worker)
    ordeals.world.send(request)
    control.relieve()
    ordeals.forget_script(path)
    return traced.calls_in(control.trace)


def refuse_in_requests(ordeals, path, name, worker, options, chance, table):
    cases = cases_of(made_by_a_request(ordeals, path, worker), PLACES)
    for call, answer, place in some(chance, cases, options, QUICK_CALLS):
        before, outcomes = ordeals.tally.injected, ordeals.tally.outcomes.copy()
        ordeals.run(path, f"{name}, {call} {place} gives {answer}",
                    lambda: ordeals.world.control.fail(worker, call, answer, place))
        table.add(name, call, answer, ordeals.tally.injected - before,
                  [str(one) for one in (ordeals.tally.outcomes - outcomes).elements()])


def serving(options, tally, chance, table):
    world = World(options.directory, traced.Traced(options.directory))
    ordeals = Ordeals(world, tally, MORE_REPEATS)
    worker = traced.thread(world.service.pid, "worker")
    paths = [path for path in PATHS if str(path) in PATHS_TRACED]
    try:
        for path in paths:
            for _ in range(WARM_UP):
                ordeals.calm(path, f"{path}, untouched")
        for path in paths:
            refuse_in_requests(ordeals, path, str(path), worker, options, chance, table)
        # The vendor closes after each answer, so that each request pays for TCP and TLS.
        world.emulator.fault("*", next=10**9, headers={"Connection": "close"})
        for path in paths[:2]:
            refuse_in_requests(ordeals, path, f"{path.operation}, new connection", worker, options, chance, table)
        world.emulator.clear_faults()
    finally:
        world.control.relieve()
        if tally.crashes:
            world.service.wait()
            world.emulator.stop()
        else:
            world.stop()


# ---- a start


class Starts:
    def __init__(self, directory):
        self.directory = directory / "starts"
        self.directory.mkdir()
        self.emulator = Emulator(self.directory)
        self.user_id = self.emulator.make_user()["user_id"]
        self.number = 0

    def start(self, *expressions):
        """(what became of it, what it said, its trace)"""
        self.number += 1
        directory = self.directory / str(self.number)
        directory.mkdir()
        trace = directory / "trace"
        words = [traced.STRACE, "-f", "-o", trace, *(word for one in expressions for word in ("-e", one))]
        service = Service(directory, self.emulator, {"BFF_WORKERS": "1"}, wait_ready=False,
                          wrap=lambda argv: [*words, *argv])
        try:
            service.wait_event("service.ready", READY_S)
            return self._serves(service, trace)
        except EndedEarly as ended:
            service.wait()
            return f"ends with {ended.status}", ended.output, trace
        except TookTooLong:
            return "never ready", service.output, trace
        finally:  # whatever ends this program, too
            if not service.ended:
                self._end(service)

    def _ask(self, service):
        """A status, or None: what is refused may come in a request."""
        try:
            return service.client().post("/v1/biometrics/start", {"user_id": self.user_id}).status
        except (OSError, http.client.HTTPException):
            return None

    @staticmethod
    def _end(service):
        """strace, whose child the service is, ends with its status. Gives that."""
        children = [int(pid) for pid in pathlib.Path(
            f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in children:
                os.kill(pid, number)
            try:
                until(lambda: service.child.poll() is not None, "its end", END_S)
                break
            except TookTooLong:
                continue
        return service.wait()

    def _serves(self, service, trace):
        # The line that says where it listens is left out where getsockname() fails; the port is free here, so nobody
        # can ask it. One that was configured would be known.
        if '"listener":"public"' not in service.output:
            status = self._end(service)
            return ("ready, its port untold" if status == 0 else "unfit"), f"ended with {status}", trace
        try:
            until(lambda: self._ask(service) == 200, "an answer", SERVES_S)
        except TookTooLong:
            return "unfit", service.output, trace
        status = self._end(service)
        if status != 0:
            return "unfit", f"ended with {status}", trace
        return "serves", "", trace


def made_by_the_loader(directory):
    """Before any line of ours runs; the loader may well crash without memory."""
    trace = directory / "loader"
    subprocess.run([traced.STRACE, "-o", trace, SERVICE, "version"], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return traced.calls_in(trace)


def starting(options, chance, table):
    """The starts that neither ended with a status nor served."""
    starts, bad = Starts(options.directory), []
    try:
        outcome, said, trace = starts.start()
        assert outcome == "serves", f"untouched, it {outcome}: {said}"
        cases = cases_of(traced.calls_in(trace), PLACES_OF_A_START, made_by_the_loader(options.directory))
        for call, answer, place in some(chance, cases, options, QUICK_STARTS):
            outcome, said, trace = starts.start(f"trace={call}", traced.inject(call, answer, place))
            refused = traced.calls_in(trace, only_injected=True).get(call, 0)
            table.add("a start", call, answer, refused, [outcome])
            if outcome in ("never ready", "unfit", "ends with 0") or "ends with -" in outcome:
                bad.append(f"a start, {call} {place} gives {answer}: {outcome}; {said[-600:]}")
        return bad
    finally:
        stop_all([starts.emulator])


def run(options):
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    say(f"seed {seed}")
    tally, table = Tally(), Table()
    try:
        serving(options, tally, chance, table)
    except Crashed:
        pass
    bad = starting(options, chance, table)
    for line in (*table.lines(), *tally.lines(), *tally.faults, *bad):
        say(line)
    yield from tally.verdicts()
    yield exactly("starts that neither end with a status nor serve", len(bad), 0)
    yield at_least("kinds of system calls that were refused", len(table.kinds()), 5 if options.quick else KINDS_MIN)


if __name__ == "__main__":
    sys.exit(common.main("syscalls", __doc__, run, add_arguments))
