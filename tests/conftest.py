# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests and the tests of faults. A test asks for `shared` when any running service will do, and for `emulator`, `hostile`
and `bff` when it needs its own. Whatever a fixture starts, it stops, and it asserts that the end was
clean: status 0 on SIGTERM and no sanitizer report."""
import itertools

import pytest

from faults import results
from harness import descriptors, image, image_excepted, loop_lag, reports
from harness.device import Phone
from harness.emulator import Emulator
from harness.hostile import Hostile
from harness.paths import EMULATOR, SERVICE
from harness.reloadable import Reloadable
from harness.scene import Scene
from harness.service import Service
from harness.stopping import stop_all


def pytest_configure(config):
    descriptors.raise_limit()
    config.addinivalue_line("markers", "row(*ids): the rows of tests/faults/catalogue.py that the test proves")
    config.addinivalue_line("markers", "waits: takes tens of seconds in which it computes nothing")
    if not hasattr(config, "workerinput"):
        reports.clear()
        for binary in (SERVICE, EMULATOR):
            if not binary.exists():
                raise pytest.UsageError(f"{binary} is not built")


def pytest_collection_modifyitems(config, items):
    results.select(config, items)
    # First what waits long, so that it is not what everything waits for at the end.
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)
    image_excepted.except_some(items)


def pytest_runtest_setup(item):
    loop_lag.begin(watch=bool(results.rows_of(item)) and not results.lag_excepted(item))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield
    if loop_lag.largest_ms() is not None:
        results.note(item, "loop_lag_ms", loop_lag.largest_ms())


def pytest_runtest_logreport(report):
    results.saw_report(report)
    if report.failed:
        reports.saw_failure(report.nodeid, report.longreprtext)


def pytest_sessionfinish(session):
    worker = getattr(session.config, "workerinput", {}).get("workerid")
    reports.save_partial(worker or "main")
    if worker is None:
        reports.write()
        results.save(reports.ROWS, reports.AGAIN)


@pytest.fixture(scope="session", autouse=True)
def _shared_directories_are_readable_for_the_service(tmp_path_factory):
    make = tmp_path_factory.mktemp

    def make_and_let_in(*arguments, **options):
        directory = make(*arguments, **options)
        image.let_in(directory)
        return directory

    tmp_path_factory.mktemp = make_and_let_in


@pytest.fixture(autouse=True)
def _readable_for_the_service(request):
    """Files that a test writes for the service of an image, which is another user's."""
    if image.ROOT and "tmp_path" in request.fixturenames:
        image.let_in(request.getfixturevalue("tmp_path"))


@pytest.fixture
def record(request):
    """record("700 KiB more at 64 calls in flight"): a figure that the table of the rows shows."""
    return lambda figure: results.note(request.node, "figure", str(figure))


@pytest.fixture
def long():
    """Whether the long form is asked for (`./dev faults --long`)."""
    return results.LONG


@pytest.fixture
def keep():
    """Registers something with stop(); stopped in reverse order, every one of them, failures told."""
    kept = []

    def register(thing):
        kept.append(thing)
        return thing

    yield register
    stop_all(reversed(kept))


@pytest.fixture
def start_emulator(tmp_path, keep):
    """start_emulator(*arguments, tls=True) -> an emulator of the test's own."""
    numbers = itertools.count(1)

    def start(*arguments, tls=True):
        directory = tmp_path / f"emulator-{next(numbers)}"
        directory.mkdir()
        return keep(Emulator(directory, *arguments, tls=tls))

    return start


@pytest.fixture
def emulator(start_emulator):
    return start_emulator()


@pytest.fixture
def start_hostile(tmp_path, keep):
    """start_hostile(**options) -> an upstream in the hands of the test."""
    numbers = itertools.count(1)

    def start(**options):
        directory = tmp_path / f"hostile-{next(numbers)}"
        directory.mkdir()
        return keep(Hostile(directory, **options))

    return start


@pytest.fixture
def hostile(start_hostile):
    return start_hostile()


@pytest.fixture
def bff(tmp_path, keep):
    """bff(upstream, BFF_X=value, ...) -> a service of the test's own. Options of Service go by name:
    arguments, wait_ready, wrap."""
    numbers = itertools.count(1)

    def start(upstream=None, arguments=(), wait_ready=True, wrap=None, **config):
        directory = tmp_path / f"service-{next(numbers)}"
        directory.mkdir()
        return keep(Service(directory, upstream, config, arguments, wait_ready, wrap=wrap))

    return start


@pytest.fixture
def reloadable(bff, tmp_path):
    """reloadable(upstream, BFF_X=value, ..., config={...}) -> a service (`.service`) with the values in a
    file that the test may change; watch=True: the service watches it."""

    def start(upstream, wait_ready=True, watch=False, config=None, **lines):
        return Reloadable(bff, tmp_path, upstream, lines, wait_ready, watch, **(config or {}))

    return start


@pytest.fixture
def phone():
    """phone(service, emulator, kind="ec") -> a user with a device that is not enrolled yet."""
    return Phone


class Shared:
    """An emulator and a service that many tests use one after the other."""

    def __init__(self, directory):
        self.emulator = Emulator(directory)
        self.service = Service(directory, self.emulator)
        self.api = self.service.client()

    def phone(self, kind="ec", **options):
        return Phone(self.service, self.emulator, kind, **options)

    def stop(self):
        stop_all([self.service, self.emulator])


@pytest.fixture(scope="session")
def _shared_for_session(tmp_path_factory):
    shared = Shared(tmp_path_factory.mktemp("shared"))
    yield shared
    shared.stop()


@pytest.fixture
def shared(_shared_for_session):
    """One emulator and one service for each test process, with the emulator's faults, calls and clock
    reset. Tests make their own users and leave settings alone."""
    _shared_for_session.emulator.reset()
    return _shared_for_session


@pytest.fixture(scope="module")
def _scene_for_module(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("scene"))
    yield scene
    scene.stop()


@pytest.fixture
def scene(_scene_for_module):
    """A service in front of a vendor in the hands of the test; shared by the tests of a module, with
    the vendor calm again at the start of each."""
    _scene_for_module.calm()
    return _scene_for_module
