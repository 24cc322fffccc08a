# SPDX-License-Identifier: Apache-2.0
"""The operator listener: its own keys, any user's face, our token."""
import pytest

from faults.marks import row
from harness import jose
from harness.hostile import Reply
from harness.scene import assert_problem


def revoke(scene, segment="user-1", key=None, service=None, **more):
    api = (service or scene.service).operator()
    return api.request("POST", f"/v1/users/{segment}/face/revoke", token=key or scene.operator_key, **more)


def test_a_face_is_revoked_with_our_token(scene):
    answer = revoke(scene)
    assert (answer.status, answer.body) == (204, b"")
    call = scene.the_call("face_revoke")
    assert call.json == {"user_id": "user-1"}
    assert jose.claims_of(call.bearer)["sub"] == scene.vendor.client_id


def test_with_admin_credentials_it_is_the_admins_token(scene):
    service = scene.other("admin", BFF_ADMIN_CLIENT_ID="admin-1", BFF_ADMIN_CLIENT_SECRET="admin-secret")
    assert revoke(scene, service=service).status == 204
    assert jose.claims_of(scene.the_call("face_revoke").bearer)["sub"] == "admin-1"


@pytest.mark.parametrize("header, code", [
    (None, "missing_token"),
    ("Basic b3BzOmtleQ==", "missing_token"),
    ("Bearer not-the-key", "invalid_token"),
    ("Bearer ", "invalid_token"),
])
def test_who_is_no_operator_reaches_nobody(scene, header, code):
    headers = {"Authorization": header} if header else {}
    answer = scene.service.operator().request("POST", "/v1/users/user-1/face/revoke", headers=headers)
    assert_problem(answer, 401, code, "login")
    assert scene.vendor.calls("face_revoke") == []


def test_a_users_token_is_no_operator_key(scene):
    answer = revoke(scene, key=scene.vendor.access_token(scene.user()))
    assert_problem(answer, 401, "invalid_token", "login")


def test_the_hash_in_the_file_is_no_key(scene):
    hashed = (scene.directory / "operators").read_text().strip().split(":")[1]
    assert_problem(revoke(scene, key=hashed), 401, "invalid_token", "login")


@pytest.mark.parametrize("segment, user_id", [("a%20b", "a b"), ("%C3%BC", "\u00fc"), ("u%2B1", "u+1")])
def test_the_user_in_the_path_is_decoded_once(scene, segment, user_id):
    assert revoke(scene, segment).status == 204
    assert scene.the_call("face_revoke").json == {"user_id": user_id}


@pytest.mark.parametrize("segment", ["%2e%2e", "a%2fb", "%00", "%ff", "a" * 256])
def test_a_user_that_could_mean_a_path_is_refused(scene, segment):
    assert_problem(revoke(scene, segment), 400, "invalid_request", "never")
    assert scene.vendor.calls("face_revoke") == []


@pytest.mark.parametrize("reply, status", [(Reply(200, {}), 204), (Reply(404), 204)])
def test_nothing_enrolled_is_as_good_as_done(scene, reply, status):
    scene.vendor.on("face_revoke", reply)
    assert revoke(scene).status == status


@pytest.mark.parametrize("reply, status, code, calls", [
    (Reply(400), 422, "request_rejected", 1),
    (Reply(401), 502, "upstream_refused_credentials", 2),
    (Reply(403), 502, "upstream_refused_credentials", 1),
    (Reply(429), 503, "upstream_rate_limited", 1),
    (Reply(500), 503, "upstream_unavailable", 1),
    (Reply(302), 502, "upstream_invalid_response", 1),
])
def test_what_the_vendor_says_is_mapped(scene, reply, status, code, calls):
    scene.vendor.on("face_revoke", reply)
    assert_problem(revoke(scene), status, code)
    assert len(scene.vendor.calls("face_revoke")) == calls


@row("FU16")
def test_a_401_renews_our_token_once(scene):
    scene.vendor.on("face_revoke", Reply(401, {"message": "Invalid token", "error_code": 401}), times=1)
    assert revoke(scene).status == 204
    first, second = scene.vendor.calls("face_revoke")
    assert first.bearer != second.bearer


def test_the_listener_serves_nothing_else(scene):
    api = scene.service.operator()
    for method, path in (("POST", "/v1/biometrics/start"), ("GET", "/v1/session"), ("GET", "/metrics"),
                         ("GET", "/healthz")):
        assert_problem(api.request(method, path, token=scene.operator_key), 404, "not_found")


def test_the_audit_line_names_the_operator_and_hides_the_user(scene):
    answer = revoke(scene, "a-face-to-hide")
    line = scene.service.wait_event("ceremony.operator_face_revoke",
                                    http_request_id=answer.headers["X-Request-Id"])
    assert line["operator.name"] == "ops" and line["user.hash"]
    assert "a-face-to-hide" not in scene.service.output
    assert scene.operator_key not in scene.service.output
