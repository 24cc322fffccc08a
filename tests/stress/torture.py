#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Takes memory away from the service, one allocation at a time (fault row FP06).

A preloaded library (tests/torture/) fails allocation number k of the thread that serves, for each k, on
the happy path and on the refusals of all nine operations: its own code, cJSON, libcurl, OpenSSL and
libmicrohttpd meet it alike. After each: the process lives, the answer is one that we promise or the
connection is closed, nothing was accepted that is refused with memory, the next request succeeds, no
block of memory is kept. Then all allocations fail from number k on until the request is over; then the
same on a new connection to the vendor; then the keeper's at start; then a start, which must end with
a status and say why, or come up healthy. System calls of the worker fail likewise, each kind with the errors
that it may give.

--quick takes a sample; its seed is printed, and --seed repeats it."""
import random
import sys

import common
from common import exactly, say

sys.path.insert(0, str(common.pathlib.Path(__file__).resolve().parent.parent / "torture"))

import calls  # noqa: E402
import control as torture  # noqa: E402
import starts  # noqa: E402
from operations import PATHS, World  # noqa: E402
from ordeal import Crashed, Ordeals, Tally, sweep  # noqa: E402

WARM_UP = 10
QUICK_PER_PATH = 6
QUICK_FROM = 2
FULL_FROM_STRIDE = 3
COLD_PATHS = ("start, happy", "authenticate, happy", "authenticate, bad signature")
QUICK_COLD = 8
FULL_COLD_STRIDE = 7


def add_arguments(parser):
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--path", default="", help="only paths with this in their name")


def measure(ordeals, path):
    """How many allocations the thread that serves makes for one request."""
    world = ordeals.world
    request = ordeals.prepare(path)
    world.control.fail_allocations(torture.COUNT, thread="worker")
    world.send(request)
    world.control.relieve()
    ordeals.forget_script(path)
    return world.control.shared.allocations.seen


def sample(chance, count, size):
    """So many different numbers from 1 to count, ascending."""
    return sorted(chance.sample(range(1, count + 1), min(size, count)))


def warm(ordeals, paths):
    for path in paths:
        for _ in range(WARM_UP):
            ordeals.calm(path, f"{path}, with memory")


def one_by_one(ordeals, paths, options, chance):
    for path in paths:
        count = measure(ordeals, path)
        numbers = sample(chance, count, QUICK_PER_PATH) if options.quick else range(1, 10 * count)
        struck = sweep(ordeals, path, torture.ONE, "worker", numbers)
        if not options.quick:
            say(f"{path}: {count} allocations, {struck} failed")


def all_from(ordeals, paths, options, chance):
    for path in paths:
        count = measure(ordeals, path)
        numbers = sample(chance, count, QUICK_FROM) if options.quick else range(1, count + 1, FULL_FROM_STRIDE)
        sweep(ordeals, path, torture.FROM, "worker", numbers)


def on_new_connections(ordeals, paths, options, chance):
    """The vendor closes after each answer, so that each request pays for TCP and TLS."""
    world = ordeals.world
    world.emulator.fault("*", next=10**9, headers={"Connection": "close"})
    for path in paths:
        if str(path) not in COLD_PATHS:
            continue
        ordeals.calm(path, f"{path}, new connection")
        count = measure(ordeals, path)
        numbers = sample(chance, count, QUICK_COLD) if options.quick else range(1, count + 1, FULL_COLD_STRIDE)
        sweep(ordeals, path, torture.ONE, "worker", numbers)
    world.emulator.clear_faults()


def system_calls(ordeals, paths, options, chance):
    """Warm and on new connections to the vendor, where the rarer calls are made."""
    some = [path for path in paths if str(path) in COLD_PATHS]
    for line in calls.sweep(ordeals, some, chance, options.quick):
        say(line)
    world = ordeals.world
    world.emulator.fault("*", next=10**9, headers={"Connection": "close"})
    cold = [path for path in some if not path.scripted]
    for line in calls.sweep(ordeals, cold[:1], chance, options.quick):
        say(f"new connection: {line}")
    world.emulator.clear_faults()


def serving(options, tally, chance):
    """The live blocks before and after all of it."""
    control = torture.Control(options.directory)
    paths = [path for path in PATHS if options.path in str(path)]
    world = World(options.directory, control)
    ordeals = Ordeals(world, tally)
    try:
        warm(ordeals, paths)
        before = control.shared.live_blocks
        one_by_one(ordeals, paths, options, chance)
        all_from(ordeals, paths, options, chance)
        on_new_connections(ordeals, paths, options, chance)
        system_calls(ordeals, paths, options, chance)
        warm(ordeals, paths)
        descriptors = ordeals.descriptors()
        active = world.service.metric("http_server_active_requests") - 1  # but for the one that asks
        return before, control.shared.live_blocks, descriptors, active
    finally:
        control.relieve()
        if tally.crashes:
            world.service.wait()
            world.emulator.stop()
        else:
            world.stop()


def run(options):
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    say(f"seed {seed}")
    tally = Tally()
    try:
        before, after, _, active = serving(options, tally, chance)
        say(f"live blocks {before} before, {after} after")
        yield exactly("requests under way at the end", int(active), 0)
    except Crashed:
        pass
    starts.keeper(options, tally, chance)
    starts.whole(options, tally, chance)
    for line in tally.lines():
        say(line)
    for line in tally.faults:
        print(line, flush=True)
    yield from tally.verdicts()


if __name__ == "__main__":
    sys.exit(common.main("torture", __doc__, run, add_arguments))
