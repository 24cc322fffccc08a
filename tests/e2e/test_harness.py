# SPDX-License-Identifier: Apache-2.0
"""The harness can fail: what it promises to notice, it notices."""
import itertools
import signal
import socket
import ssl
import threading

import pytest

from harness import jose, waiting
from harness.http import Client
from harness.hostile import OMIT, Reply
from harness.process import EndedEarly, Process
from harness.tls import Authority
from harness.waiting import TookTooLong


def shell(tmp_path, script):
    return Process(["/bin/sh", "-c", script], tmp_path)


def test_a_program_that_ends_with_another_status_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="status 3"):
        program = shell(tmp_path, "trap 'exit 3' TERM; echo '{}'; read line")
        program.wait_record(lambda record: True, "anything")
        program.stop()


def test_a_program_that_printed_a_sanitizer_report_is_noticed(tmp_path):
    program = shell(tmp_path, "echo 'x.c:1: runtime error: shift' >&2; echo '{}'; read line")
    program.wait_record(lambda record: True, "anything")
    program.signal(signal.SIGKILL)
    status = program.wait()
    with pytest.raises(AssertionError, match="sanitizer report"):
        program.assert_clean(status, expected=-signal.SIGKILL)


def test_a_program_that_ends_before_it_is_ready_tells_its_status(tmp_path):
    with pytest.raises(EndedEarly) as caught:
        program = shell(tmp_path, "echo why; exit 78")
        program.wait_record(lambda record: True, "anything")
    assert caught.value.status == 78
    assert "why" in caught.value.output


def test_a_line_that_never_comes_is_given_up(tmp_path):
    program = shell(tmp_path, "echo '{\"a\": 1}'; read line")
    with pytest.raises(TookTooLong):
        program.wait_record(lambda record: record["a"] == 2, "a is 2", timeout_s=0.2)
    program.kill()


def test_waiting_gives_back_what_it_waited_for():
    values = iter([0, None, "here"])
    assert waiting.until(lambda: next(values), "a value") == "here"
    with pytest.raises(TookTooLong, match="never"):
        waiting.until(lambda: False, "never", timeout_s=0.05)


@pytest.fixture
def plain(start_hostile):
    server = start_hostile(tls=False)
    return server, Client("127.0.0.1", server.port, timeout_s=10)


def test_a_scripted_reply_is_given_as_often_as_asked_and_then_the_vendors(plain):
    server, client = plain
    server.on("jwks", Reply(500), Reply(503), times=2)
    answers = [client.get("/cis/oidc/jwks").status for _ in range(3)]
    assert answers == [500, 503, 200]
    server.on("jwks", Reply(500))
    assert [client.get("/cis/oidc/jwks").status for _ in range(2)] == [500, 500]
    server.behave()
    assert client.get("/cis/oidc/jwks").json == server.key_set()
    assert len(server.calls("jwks")) == 6


def test_a_held_reply_waits_for_its_event(plain):
    server, client = plain
    gate = threading.Event()
    server.on("jwks", Reply(204, hold=gate))
    answers = []
    caller = threading.Thread(target=lambda: answers.append(client.get("/cis/oidc/jwks").status))
    caller.start()
    server.wait_calls("jwks")
    assert answers == []
    gate.set()
    caller.join()
    assert answers == [204]


@pytest.mark.parametrize("reply", [Reply(then="reset", raw=b""), Reply(then="close", raw=b"HTTP/1.1 2"),
                                   Reply(document={"a": 1}, cut_after=60, then="close")])
def test_a_broken_reply_is_a_broken_reply(plain, reply):
    server, client = plain
    server.on("jwks", reply)
    with client.raw() as connection:
        connection.send("GET /cis/oidc/jwks HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = connection.read_answer()
        assert answer is None or answer.body != b'{"a": 1}'
        assert connection.is_closed_by_peer()


def test_reset_connections_breaks_kept_connections(plain):
    server, client = plain
    with client.raw() as connection:
        connection.send("GET /cis/oidc/jwks HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.read_answer().status == 200
        server.reset_connections()
        with pytest.raises(ConnectionResetError):
            connection.socket.recv(1)


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512"])
def test_signatures_are_of_the_named_algorithm(alg):
    key = jose.SigningKey("kid", alg, label="any")
    token = key.sign({"sub": "u"}, crit=["x"])
    assert jose.header_of(token) == {"alg": alg, "typ": "JWT", "kid": "kid", "crit": ["x"]}
    assert jose.claims_of(token) == {"sub": "u"}
    signature = jose.b64url_decode(token.split(".")[2])
    assert len(signature) == {"ES256": 64, "ES384": 96, "ES512": 132}.get(alg, 256)


def test_omitted_claims_are_left_out(plain):
    server, _ = plain
    claims = jose.claims_of(server.access_token("u", tid=OMIT, extra=1))
    assert "tid" not in claims and claims["extra"] == 1 and claims["sub"] == "u"


def test_a_certificate_that_changes_fails_no_handshake(start_hostile, tmp_path):
    authority = Authority(tmp_path, "of-changing-certificates")
    server = start_hostile(authority=authority)
    pairs = [authority.issue() for _ in range(4)]
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    shaken, failed = set(), []
    done = threading.Event()

    def shake_hands():
        for number in itertools.count():
            if done.is_set() or failed:
                return
            try:
                with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain, \
                        trusting.wrap_socket(plain, server_hostname="127.0.0.1"):
                    shaken.add((threading.get_ident(), number))
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=shake_hands) for _ in range(4)]
    for thread in threads:
        thread.start()
    for pair in itertools.cycle(pairs):
        server.show_certificate(*pair)
        if failed or len(shaken) >= 400:
            break
    done.set()
    for thread in threads:
        thread.join()
    assert not failed
