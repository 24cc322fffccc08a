# SPDX-License-Identifier: Apache-2.0
"""What the stress runs judge by (tests/stress): each kind of fault is found, and a good run has none."""
import sys

from harness.paths import ROOT

sys.path.insert(0, str(ROOT / "tests" / "stress"))

import journals  # noqa: E402
from journals import Vendor  # noqa: E402
from phones import Call  # noqa: E402


def phone_saw(trace_id, status, code=None, operation="register"):
    return Call(trace_id, operation, status, code, 0.0, 0.0)


def counts(vendor, phones):
    verdict = journals.compare([Vendor(*call) for call in vendor], phones)
    return len(verdict.duplicates), len(verdict.lost), len(verdict.invented)


def test_a_good_run_has_no_faults():
    assert counts([("register", "a", True), ("authenticate", "b", True), ("start", "c", True), ("start", "c", True)],
                  [phone_saw("a", 201), phone_saw("b", 200, operation="authenticate"),
                   phone_saw("c", 200, operation="start"), phone_saw("d", 503, "upstream_unavailable")]) == (0, 0, 0)


def test_an_outcome_that_is_told_as_unknown_is_no_loss():
    for code in ("upstream_outcome_unknown", "upstream_timeout"):
        assert counts([("register", "a", True)], [phone_saw("a", 502, code)]) == (0, 0, 0)
        assert counts([], [phone_saw("a", 502, code)]) == (0, 0, 0)


def test_a_call_that_came_twice_is_a_duplicate_executed_or_not():
    assert counts([("register", "a", True), ("register", "a", False)], [phone_saw("a", 201)]) == (1, 0, 0)


def test_executed_and_told_otherwise_is_lost():
    for status, code in ((502, "upstream_invalid_response"), (503, "upstream_unavailable"), (0, "closed")):
        assert counts([("register", "a", True)], [phone_saw("a", status, code)]) == (0, 1, 0)


def test_a_success_that_the_vendor_knows_nothing_of_is_invented():
    assert counts([("register", "a", False)], [phone_saw("a", 201)]) == (0, 0, 1)


def test_a_session_with_wrong_tokens_is_seen_and_its_refusal_is_no_loss():
    vendor = [Vendor("authenticate", "a", True, 200, "expired")]
    assert journals.compare(vendor, [phone_saw("a", 200, operation="authenticate")]).unverified
    verdict = journals.compare(vendor, [phone_saw("a", 502, "session_verification_failed", "authenticate")])
    assert not verdict.unverified and not verdict.lost
    vendor = [Vendor("authenticate", "a", True)]
    assert journals.compare(vendor, [phone_saw("a", 502, "session_verification_failed", "authenticate")]).lost


def test_true_tokens_may_be_refused_while_their_key_is_new():
    vendor = [Vendor("authenticate", "a", True)]
    refused = [phone_saw("a", 502, "session_verification_failed", "authenticate")]
    assert not journals.compare(vendor, refused, [(-1.0, 1.0)]).lost
    assert journals.compare(vendor, refused, [(1.0, 2.0)]).lost


def test_what_was_refused_for_our_own_token_may_come_once_more():
    assert counts([("authenticate", "a", False, 401), ("authenticate", "a", True)],
                  [phone_saw("a", 200, operation="authenticate")]) == (0, 0, 0)


def test_a_journal_is_read_by_trace_id(tmp_path):
    path = tmp_path / "calls"
    path.write_text('{"operation":"register","traceparent":"00-%s-00f067aa0ba902b7-01","executed":true,"status":200}\n'
                    '{"operation":"token","executed":true,"status":200}\n' % ("a" * 32))
    assert journals.read_calls(path) == [Vendor("register", "a" * 32, True)]


def test_cuts_are_read_by_trace_id(tmp_path):
    path = tmp_path / "cuts"
    path.write_text("a before\na stall\n")
    assert journals.read_cuts(path)["a"] == ["before", "stall"]
    assert not journals.read_cuts(path).get("b")
