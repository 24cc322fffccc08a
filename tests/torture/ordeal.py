# SPDX-License-Identifier: Apache-2.0
"""One ordeal: a request is prepared on a calm service, something fails while it is served, and then
everything must be as if it had not been: the process lives, the answer is one that we promise, the next
request succeeds, no memory is kept."""
import collections
import dataclasses
import os
import time

import control as torture
from common import at_least, exactly
from control import Symbols
from operations import REQUEST_TIMEOUT_MS

# What a request may be answered with when the machine fails it; the parser's own words for "no memory"
# are a bare 500 or 503, and 431 and 413 where what it has no room for is the request.
FAILED = (500, 502, 503, 504)
PARSERS = (413, 431, 500, 503)

# How often a suspected leak is repeated: a cache settles (libcurl's of TLS sessions does within some
# dozen connections), a leak grows by a block each time.
REPEATS = 4
MORE_REPEATS = 40
HEALED_WITHIN = 4
REST_POLL_S = 0.001
REST_SAME = 3
REST_MAX_S = 0.5


@dataclasses.dataclass
class Tally:
    """What came of all ordeals."""
    injected: int = 0
    crashes: list = dataclasses.field(default_factory=list)
    accepts: list = dataclasses.field(default_factory=list)
    leaks: list = dataclasses.field(default_factory=list)
    hangs: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)      # an answer that we do not promise
    unhealed: list = dataclasses.field(default_factory=list)   # a later request failed, too
    lost: int = 0                                            # requests that failed before one succeeded
    late: int = 0                                              # answered at the deadline only
    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def faults(self):
        return [line for kind in ("crashes", "accepts", "leaks", "hangs", "wrong", "unhealed")
                for line in getattr(self, kind)]

    def verdicts(self):
        """For the table of the stress programs."""
        for name, what in (("crashes", "crashes"), ("accepts", "accepts of what is refused otherwise"),
                           ("leaks", "leaks"), ("hangs", "answers that never came"),
                           ("wrong", "answers that are not promised"), ("unhealed", "later requests that failed")):
            yield exactly(what, len(getattr(self, name)), 0)
        yield at_least("failures that were injected", self.injected, 1)

    def lines(self):
        yield (f"injected failures {self.injected}, crashes {len(self.crashes)}, leaks {len(self.leaks)}, "
               f"accepts {len(self.accepts)}, hangs {len(self.hangs)}, wrong answers {len(self.wrong)}, "
               f"not healed {len(self.unhealed)}, lost while healing {self.lost}, answered at the deadline {self.late}")
        yield "outcomes: " + ", ".join(f"{name} {count}" for name, count in self.outcomes.most_common())


class Crashed(Exception):
    pass


def rest(world):
    """The live blocks, once nothing moves any more."""
    shared = world.control.shared
    end = time.monotonic() + REST_MAX_S
    last, same = shared.live_blocks, 0
    while same < REST_SAME and time.monotonic() < end:
        time.sleep(REST_POLL_S)
        now = shared.live_blocks
        same = same + 1 if now == last else 0
        last = now
    return last


class Ordeals:
    """Runs ordeals on one world. `arm` and `where` say what fails: arm(k) before each request."""

    def __init__(self, world, tally, more_repeats=MORE_REPEATS):
        self.world = world
        self.more_repeats = more_repeats
        self.tally = tally
        self.symbols = Symbols(world.service.pid)

    def check_alive(self, what):
        if self.world.service.child.poll() is None:
            return
        status = self.world.service.child.returncode
        stack = self.symbols.stack(self.world.control.failed_stack())
        self.tally.crashes.append(f"{what}: ended with status {status} after {stack}\n{self.world.service.stderr}")
        raise Crashed

    def note(self, kind, what, outcome):
        stack = self.symbols.stack(self.world.control.failed_stack())
        getattr(self.tally, kind).append(f"{what}: {outcome}; failed in {stack}")

    def judge(self, path, what, outcome):
        """outcome: of a request during which something failed."""
        self.tally.outcomes["closed" if outcome.kind == "closed" else outcome.status or outcome.kind] += 1
        if outcome.kind == "hung":
            self.note("hangs", what, outcome)
        elif outcome.kind == "closed":
            pass
        elif outcome.status < 300 and not path.accepts:
            self.note("accepts", what, outcome)
        elif outcome.status == path.status:
            pass
        elif not self.is_honest_failure(outcome):
            self.note("wrong", what, outcome)

    @staticmethod
    def is_honest_failure(outcome):
        problem = outcome.problem
        if problem:
            return outcome.status in FAILED and {"type", "title", "status", "code", "retry"} <= set(problem)
        return outcome.status in PARSERS and not outcome.content_type.startswith("application/json")

    def prepare(self, path):
        """The path's request; getting there takes requests, too, of which a few may be lost like those of calm()."""
        for _ in range(HEALED_WITHIN - 1):
            try:
                return path.prepare(self.world)
            except AssertionError:
                self.tally.lost += 1
                self.forget_script(path)
        return path.prepare(self.world)

    def calm(self, path, what):
        """A request on the calm service must end as it always does. A few may be lost where the connection to
        the vendor that they go over was hurt before: what must not run twice is not repeated then."""
        for attempt in range(HEALED_WITHIN):
            outcome = self.world.send(self.prepare(path))
            self.forget_script(path)
            self.check_alive(what)
            if outcome.status == path.status:
                return
            self.tally.lost += 1
        self.note("unhealed", what, f"the next {HEALED_WITHIN}: {outcome}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.world.service.pid}/fd"))

    def forget_script(self, path):
        if path.scripted:
            self.world.emulator.clear_faults()

    def once(self, path, what, arm):
        """Gives False when nothing failed, because the request was over first."""
        self.world.control.relieve()
        request = self.prepare(path)
        rest(self.world)
        arm()
        begin = time.monotonic()
        outcome = self.world.send(request)
        took_s = time.monotonic() - begin
        control = self.world.control
        control.relieve()
        self.check_alive(what)
        failed = max(control.shared.allocations.failed, control.shared.calls.failed)
        if failed:
            self.tally.injected += failed
            self.tally.late += took_s > REQUEST_TIMEOUT_MS / 1000
            self.judge(path, what, outcome)
        self.forget_script(path)
        return failed > 0

    def run(self, path, what, arm):
        """once(), then the checks of what it leaves behind."""
        before = rest(self.world)
        struck = self.once(path, what, arm)
        self.calm(path, what)
        if rest(self.world) > before:
            self.look_for_leak(path, what, arm)
        return struck

    def look_for_leak(self, path, what, arm):
        levels = [rest(self.world)]
        for _ in range(REPEATS):
            self.once(path, what, arm)
            self.calm(path, what)
            levels.append(rest(self.world))
        if any(after <= before for before, after in zip(levels, levels[1:])):
            return
        for _ in range(self.more_repeats):
            self.once(path, what, arm)
            self.calm(path, what)
        levels.append(rest(self.world))
        if levels[-1] - levels[-2] < self.more_repeats:
            return
        self.world.control.record(True)
        self.once(path, what, arm)
        self.calm(path, what)
        rest(self.world)
        self.world.control.record(False)
        kept = [f"    {size} bytes: {self.symbols.stack(stack)}"
                for size, stack in self.world.control.kept_blocks()]
        stack = self.symbols.stack(self.world.control.failed_stack())
        self.tally.leaks.append("\n".join([f"{what}: live blocks {levels}; failed in {stack}; kept:", *kept[:20]]))


def sweep(ordeals, path, mode, thread, numbers):
    """Fails the allocations with these numbers, in ascending order, until the request is over before the number
    comes. Gives how many struck."""
    struck = 0
    for k in numbers:
        def arm():
            ordeals.world.control.fail_allocations(mode, k, thread)
        what = f"{path}, allocation {k}{' and all after' if mode == torture.FROM else ''} of {thread}"
        if not ordeals.run(path, what, arm):
            break
        struck += 1
    return struck
