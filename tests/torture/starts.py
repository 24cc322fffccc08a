# SPDX-License-Identifier: Apache-2.0
"""Memory that fails while the service starts: it ends and says why, or it comes up and
serves. What the keeper fetches, it fetches again."""
import json

import control as torture
from harness.emulator import Emulator
from harness.process import EndedEarly
from harness.service import Service
from harness.waiting import TookTooLong

QUICK_STARTS, FULL_STARTS = 16, 150
QUICK_KEEPER, FULL_KEEPER = 4, 60
STATUSES = (1, 78)
# What OpenSSL could not set up at its first use it may not set up again: then each check that needs it has a line.
COMPLAINTS_MAX = 3
START = {"user_id": "user-1"}
READY_S = 2.5  # times the harness's patience
UNTOLD = "ready, but for the line that says so"


def _complaints(said):
    return [line for line in said.splitlines() if line and not line.startswith(("note:", "warning:"))]


def _lines_are_whole(said):
    """Each line is a JSON object: of one for which memory was out nothing is written."""
    try:
        return all(isinstance(json.loads(line), dict) for line in said.splitlines())
    except ValueError:
        return False


class _Runs:
    """Starts of a service before one emulator, each with a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.emulator = Emulator(directory)
        self.emulator.make_user(user_id=START["user_id"])
        self.number = 0

    def start(self, mode, k, thread):
        """(service or None, control, status, what it said)"""
        self.number += 1
        directory = self.directory / str(self.number)
        directory.mkdir()
        control = torture.Control(directory)
        control.fail_allocations(mode, k, thread)
        config = {"BFF_WORKERS": "1", **control.environment}
        service = Service(directory, self.emulator, config, wait_ready=False)
        try:
            service.wait_event("service.ready", READY_S)
        except EndedEarly as ended:
            service.wait()
            return None, control, ended.status, service.stderr
        except TookTooLong:
            ready = service.management().get("/readyz").status
            dropped = service.metric("bff_log_dropped_total")
            service.child.kill()
            service.wait()
            if ready == 200 and dropped:
                return None, control, UNTOLD, "\n".join(service.lines)
            return None, control, "not ready" if ready == 503 else f"/readyz {ready}", service.output
        return service, control, 0, ""

    def judge(self, tally, what, k, thread):
        service, control, status, said = self.start(torture.ONE, k, thread)
        failed = control.shared.allocations.failed
        control.relieve()
        tally.injected += failed
        if service:
            tally.outcomes["came up"] += 1
            answer = service.client().post("/v1/biometrics/start", START)
            if answer.status != 200:
                tally.unhealed.append(f"{what}: came up and answers {answer}")
            service.stop()
        elif status in STATUSES and 1 <= len(_complaints(said)) <= COMPLAINTS_MAX:
            tally.outcomes[f"ended with {status}"] += 1
        elif status == "not ready" and "could not be fetched" in said:
            tally.outcomes["stays unready and says why"] += 1
        elif status == UNTOLD and _lines_are_whole(said):
            tally.outcomes["came up, the line that says so was dropped and counted"] += 1
        elif isinstance(status, int) and status < 0:
            tally.crashes.append(f"{what}: ended with {status}: {said}")
        else:
            tally.wrong.append(f"{what}: ended with {status}: {said[-2000:]}")
        return failed

    def count(self, thread):
        service, control, _, _ = self.start(torture.COUNT, 0, thread)
        seen = control.shared.allocations.seen
        service.stop()
        return seen


def _sweep(options, tally, chance, name, thread, size):
    runs = _Runs(options.directory / name)
    try:
        count = runs.count(thread)
        numbers = sorted(chance.sample(range(1, count + 1), min(size, count)))
        for k in numbers:
            runs.judge(tally, f"{name}, allocation {k} of {count}", k, thread)
        return count
    finally:
        runs.emulator.stop()


def keeper(options, tally, chance):
    """The keeper's first token and key set."""
    return _sweep(options, tally, chance, "the keeper's start", "keeper", QUICK_KEEPER if options.quick else FULL_KEEPER)


def whole(options, tally, chance):
    """All threads, from the loading of the program to readiness."""
    return _sweep(options, tally, chance, "a start", "", QUICK_STARTS if options.quick else FULL_STARTS)
