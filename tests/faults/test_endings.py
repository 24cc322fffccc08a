# SPDX-License-Identifier: Apache-2.0
"""How the service ends while calls are at the vendor, and cannot wait for them: each is told what may have
happened to it."""
import signal
import threading

import pytest

from faults.calls import RUN_ONCE, ready, retry_after_sending
from faults.marks import row
from harness.background import InBackground
from harness.hostile import Reply
from harness.scene import assert_problem


def drain_timeout(service):
    service.signal(signal.SIGTERM)


def second_sigint(service):
    service.signal(signal.SIGTERM)
    service.wait_event("service.draining")
    service.signal(signal.SIGINT)


def sigquit(service):
    service.signal(signal.SIGQUIT)


# What ends it, with the settings that let it: the delay is endless where a signal cuts it short.
ENDINGS = {"drain_timeout": (drain_timeout, 0, 1), "second_sigint": (second_sigint, 60, 60), "sigquit": (sigquit, 60, 60)}


@row("FP02")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_what_is_at_the_vendor_when_the_service_ends_is_told_what_may_have_happened(scene, operation, ending):
    end, delay_s, timeout_s = ENDINGS[ending]
    service = scene.other(f"{operation}-{ending}", BFF_DRAIN_DELAY_S=delay_s, BFF_DRAIN_TIMEOUT_S=timeout_s,
                          BFF_REQUEST_TIMEOUT_MS="60000")
    release = threading.Event()
    scene.vendor.on(operation, Reply(hold=release))
    sent = InBackground(ready(scene, operation, service))
    scene.vendor.wait_calls(operation)
    end(service)
    assert service.wait() == 0
    release.set()
    if RUN_ONCE[operation]:
        assert_problem(sent.answer(), 502, "upstream_outcome_unknown", retry_after_sending(operation))
    else:
        assert_problem(sent.answer(), 503, "draining", "same")
    assert len(scene.vendor.calls(operation)) == 1


@row("FP02")
def test_a_registration_that_the_end_cut_short_leaves_its_audit_line(scene):
    service = scene.other("audited", BFF_DRAIN_DELAY_S="60", BFF_REQUEST_TIMEOUT_MS="60000")
    release = threading.Event()
    scene.vendor.on("register", Reply(hold=release))
    sent = InBackground(ready(scene, "register", service))
    scene.vendor.wait_calls("register")
    sigquit(service)
    assert service.wait() == 0
    release.set()
    assert sent.answer().code == "upstream_outcome_unknown"
    line = service.events("ceremony.register")[-1]
    assert (line["bff.outcome"], line["error.reason"]) == ("upstream_outcome_unknown", "the service ended first")
