# SPDX-License-Identifier: Apache-2.0
"""POST /v1/face/revoke: the bearer's own face, and nothing enrolled is as good as done."""
import pytest

from harness.hostile import Reply
from harness.scene import assert_problem


def revoke(scene, token=None, **more):
    token = token or scene.vendor.access_token(scene.user())
    return scene.api.request("POST", "/v1/face/revoke", token=token, **more)


def test_the_own_face_is_revoked_without_a_body(scene):
    token = scene.vendor.access_token(scene.user())
    answer = revoke(scene, token)
    assert (answer.status, answer.body) == (204, b"")
    call = scene.the_call("face_revoke_me")
    assert (call.method, call.path, call.body, call.bearer) == ("POST", "/cis/v1/users/me/face/revoke", b"", token)
    assert call.headers["content-length"] == "0"
    assert "content-type" not in call.headers


@pytest.mark.parametrize("reply", [Reply(200, {}), Reply(200), Reply(204), Reply(404), Reply(
    404, {"error_code": "user_not_found", "message": "x"})])
def test_revoked_and_never_enrolled_are_the_same(scene, reply):
    scene.vendor.on("face_revoke_me", reply)
    assert revoke(scene).status == 204


@pytest.mark.parametrize("reply, status, code", [
    (Reply(400), 422, "request_rejected"),
    (Reply(401, {"message": "Invalid token", "error_code": 401}), 401, "invalid_token"),
    (Reply(403), 403, "forbidden"),
    (Reply(429), 503, "upstream_rate_limited"),
    (Reply(502), 503, "upstream_unavailable"),
    (Reply(409), 502, "upstream_invalid_response"),
])
def test_what_the_vendor_says_is_mapped(scene, reply, status, code):
    scene.vendor.on("face_revoke_me", reply)
    assert_problem(revoke(scene), status, code)
    assert len(scene.vendor.calls("face_revoke_me")) == 1
    assert scene.vendor.calls("token") == []


def test_a_revocation_that_broke_is_sent_once_more(scene):
    scene.vendor.on("face_revoke_me", Reply(raw=b"", then="reset"), Reply(204))
    assert revoke(scene).status == 204
    assert len(scene.vendor.calls("face_revoke_me")) == 2


def test_a_body_that_names_somebody_is_refused(scene):
    answer = revoke(scene, document={"user_id": "somebody-else"})
    assert_problem(answer, 400, "invalid_request", "never")
    assert scene.vendor.calls() == []


def test_the_operators_path_does_not_exist_for_apps(scene):
    answer = scene.api.request("POST", f"/v1/users/{scene.user()}/face/revoke", token=scene.operator_key)
    assert_problem(answer, 404, "not_found", "never")
    assert scene.vendor.calls() == []
