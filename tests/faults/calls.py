# SPDX-License-Identifier: Apache-2.0
"""The eight calls of an app that reach the vendor, each ready to be sent, and somebody who keeps on
using the service while the vendor misbehaves for others."""
import statistics
import threading
import time

from harness import seal
from harness.device import DeviceKey, unique
from harness.paths import PATIENCE
from harness.scene import SIGNATURE

KEY = DeviceKey("ec")
# By the vendor's name; true: must not run twice.
RUN_ONCE = {"start": False, "authenticate": True, "register": True, "delete": False, "face_revoke_me": False,
            "face_revoke": False, "refresh": True, "logout": False}


def retry_after_sending(operation):
    """What the app is told to do about a call that was sent without a good answer (api.md section 3)."""
    return {"authenticate": "new_challenge", "refresh": "login"}.get(operation, "same")


def ready(scene, operation, service=None):
    """A function that makes the call with everything that it needs beforehand in hand. It gives the
    answer; it can be called once for authenticate and refresh."""
    service = service or scene.service
    api, user_id = service.client(), unique("user")
    token = scene.vendor.access_token(user_id)
    if operation == "authenticate":
        document = {"challenge_id": seal.challenge(scene.seal_key, user_id), "user_id": user_id,
                    "key_id": "key-1", "signature": SIGNATURE}
        return lambda: api.post("/v1/biometrics/authenticate", document)
    if operation == "refresh":
        return lambda: api.post("/v1/session/refresh", {"refresh_token": f"{unique('refresh')}~{user_id}"})
    if operation == "logout":
        document = {"session": seal.session(scene.seal_key, unique("session"), user_id)}
        return lambda: api.post("/v1/session/logout", document, token=token)
    if operation == "register":
        document = {"key_id": unique("key"), "public_key": KEY.public_base64(), "key_type": "ec", "os": "ios"}
        return lambda: api.post("/v1/biometrics/register", document, token=token)
    if operation == "face_revoke":
        return lambda: service.operator().post(f"/v1/users/{user_id}/face/revoke", token=scene.operator_key)
    return {
        "start": lambda: api.post("/v1/biometrics/start", {"user_id": user_id}),
        "delete": lambda: api.delete(f"/v1/biometrics/keys/{unique('key')}", token=token),
        "face_revoke_me": lambda: api.post("/v1/face/revoke", token=token),
    }[operation]


class Bystander:
    """Asks for its session and has keys deleted, again and again, while the block runs. Afterwards
    nothing may have gone wrong for it, and nothing may have taken long."""

    def __init__(self, scene, service=None):
        service = service or scene.service
        token = scene.vendor.access_token(unique("bystander"))
        client = service.client()
        self._asks = (lambda: client.get("/v1/session", token=token).status == 200,
                      lambda: client.delete("/v1/biometrics/keys/k", token=token).status == 204)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds = []
        self.failures = 0

    def _run(self):
        while not self._done.is_set():
            for ask in self._asks:
                begin = time.monotonic()
                self.failures += not ask()
                self.seconds.append(time.monotonic() - begin)
            self._done.wait(0.005)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._done.set()
        self._thread.join()
        if kind is None:
            assert self.failures == 0
            assert len(self.seconds) >= 2
            assert statistics.median(self.seconds) < 0.05 * PATIENCE, self.median_ms

    @property
    def median_ms(self):
        return f"{statistics.median(self.seconds) * 1000:.1f} ms"
