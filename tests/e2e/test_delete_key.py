# SPDX-License-Identifier: Apache-2.0
"""DELETE /v1/biometrics/keys/{key_id}: the id in the path steers nothing, and a delete that broke is
finished."""
import pytest

from faults.marks import row
from harness.hostile import Reply
from harness.scene import assert_problem


def delete(scene, segment="key-1", token=None):
    token = token or scene.vendor.access_token(scene.user())
    return scene.api.delete(f"/v1/biometrics/keys/{segment}", token=token)


def test_a_key_is_deleted_in_the_users_name(scene):
    token = scene.vendor.access_token(scene.user())
    answer = delete(scene, token=token)
    assert (answer.status, answer.body) == (204, b"")
    call = scene.the_call("delete")
    assert (call.method, call.json, call.bearer) == ("DELETE", {"publicKeyId": "key-1"}, token)
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize("segment, key_id", [
    ("a%20b", "a b"),
    ("%C3%BC", "\u00fc"),
    ("a%3Fx=1%26y", "a?x=1&y"),
    ("%2522", "%22"),
    ("a+b", "a+b"),
    ("%40host", "@host"),
    ("%EF%BC%8E%EF%BC%8E", "\uff0e\uff0e"),
    ("a" * 255, "a" * 255),
    ("%61" * 255, "a" * 255),
    ("...", "..."),
])
def test_an_id_is_decoded_once_and_goes_into_the_body(scene, segment, key_id):
    assert delete(scene, segment).status == 204
    call = scene.the_call("delete")
    assert call.json == {"publicKeyId": key_id}
    assert call.path == "/cis/v1/auth/mobile-biometrics/delete"


@pytest.mark.parametrize("segment", [
    "%2e%2e", "%2E", "a%2Fb", "%2e%2e%2fadmin", "%00", "a%0d%0aHost:%20x", "%7f", "%ff", "%c0%af", "%zz", "%",
    "%4", "a" * 256,
])
def test_an_id_that_could_mean_a_path_is_refused(scene, segment):
    assert_problem(delete(scene, segment), 400, "invalid_request", "never")
    assert scene.vendor.calls("delete") == []


@pytest.mark.parametrize("path", ["", "a/b", "../admin", "..", "."])
def test_other_paths_are_not_ours(scene, path):
    answer = scene.api.delete(f"/v1/biometrics/keys/{path}", token=scene.vendor.access_token(scene.user()))
    assert answer.status in (400, 404), answer
    assert scene.vendor.calls("delete") == []


@pytest.mark.parametrize("reply, status, code", [
    (Reply(404, {"error_code": "client_not_found", "message": "x"}), 404, "key_not_found"),
    (Reply(404), 404, "key_not_found"),
    (Reply(400, {"error_code": "invalid_request", "message": "x"}), 422, "request_rejected"),
    (Reply(401, {"message": "Invalid token", "error_code": 401}), 401, "invalid_token"),
    (Reply(403), 403, "forbidden"),
    (Reply(429), 503, "upstream_rate_limited"),
    (Reply(500), 503, "upstream_unavailable"),
    (Reply(302), 502, "upstream_invalid_response"),
])
@row("FU17", "FU19")
def test_what_the_vendor_says_is_mapped(scene, reply, status, code):
    scene.vendor.on("delete", reply)
    assert_problem(delete(scene), status, code)
    assert len(scene.vendor.calls("delete")) == 1


@row("FU06")
def test_a_delete_that_broke_is_finished_and_a_404_then_means_done(scene):
    scene.vendor.on("delete", Reply(raw=b"", then="reset"), Reply(404))
    assert delete(scene).status == 204
    assert len(scene.vendor.calls("delete")) == 2


@row("FU05")
def test_a_delete_that_keeps_breaking_ends(scene):
    scene.vendor.on("delete", Reply(raw=b"", then="reset"))
    assert_problem(delete(scene), 503, "upstream_unavailable", "same")
    assert len(scene.vendor.calls("delete")) == 2


def test_without_a_token_nothing_is_looked_at(scene):
    assert_problem(scene.api.delete("/v1/biometrics/keys/" + "a" * 256), 401, "missing_token", "login")


def test_a_body_is_refused(scene):
    answer = scene.api.delete("/v1/biometrics/keys/key-1", document={"key_id": "other"},
                              token=scene.vendor.access_token(scene.user()))
    assert_problem(answer, 400, "invalid_request")
    assert scene.vendor.calls("delete") == []


def test_the_key_id_is_in_no_log(scene):
    answer = delete(scene, "a-key-to-hide")
    line = scene.service.access_line(answer.headers["X-Request-Id"])
    assert line["url.path"] == "/v1/biometrics/keys/{key_id}"
    assert "a-key-to-hide" not in scene.service.output
