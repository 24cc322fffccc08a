# SPDX-License-Identifier: Apache-2.0
"""The real answers are those that openapi/biometrics-bff.yaml describes: every operation with every
request example, and every error that an operation lists and that can be brought about from outside.
Each is provoked in the same way for all operations that list it."""
import base64
import contextlib
import copy
import dataclasses
import hashlib
import secrets
import signal
import threading
import time

import pytest

import openapi_contract
from harness import reports, seal
from harness.device import DeviceKey, Phone, unique
from harness.emulator import Emulator
from harness.paths import BUILD, SANITIZER
from harness.service import Service
from harness.stopping import stop_all
from harness.waiting import until

OPERATIONS = openapi_contract.load()
EXAMPLES = [(operation, name) for operation in OPERATIONS for name in operation.request_examples()]
ERRORS = [(operation, status, code) for operation in OPERATIONS for status, code in operation.error_examples()]

# How the emulator names the vendor's call behind an operation.
VENDOR_CALL = {
    "startBiometrics": "start", "authenticateBiometrics": "authenticate", "registerBiometrics": "register",
    "deleteBiometricsKey": "delete", "revokeFace": "face_revoke_me", "refreshSession": "refresh",
    "logoutSession": "logout", "operatorRevokeFace": "face_revoke",
}

NO_RANDOMNESS = BUILD / "tests" / "e2e" / "no_randomness.so"


def can_be_provoked(code):
    """A sanitizer's runtime must be the first library, so nothing can be preloaded then."""
    return code != "internal" or SANITIZER == "none"


@dataclasses.dataclass
class Request:
    """A valid request of an operation, before a test spoils it."""
    client: object
    method: str
    path: str
    document: dict
    token: str
    phone: Phone

    def send(self, client=None, **changes):
        sent = {"document": self.document, "token": self.token, **changes}
        method, path = sent.pop("method", self.method), sent.pop("path", self.path)
        if "body" in sent:
            sent["document"] = None
        return (client or self.client).request(method, path, **sent)


class World:
    """An emulator, a service with all listeners, and more services in special circumstances, all with
    one sealing key, so that each can open the others' handles."""

    def __init__(self, directory):
        self.directory = directory
        self.emulator = Emulator(directory)
        self.operator_key = secrets.token_urlsafe(32)
        (directory / "operators").write_text(f"test:{hashlib.sha256(self.operator_key.encode()).hexdigest()}\n")
        self.seal_key = secrets.token_bytes(32)
        (directory / "seal").write_text(base64.b64encode(self.seal_key).decode() + "\n")
        self.services = {}
        self.service = self.special("plain")

    def special(self, name, wait_ready=True, **config):
        """The service of that name, started at its first use."""
        if name not in self.services:
            directory = self.directory / name
            directory.mkdir()
            settings = {"BFF_OPERATOR_LISTEN": "127.0.0.1:0", "BFF_OPERATOR_KEYS_FILE": self.directory / "operators",
                        "BFF_SEAL_KEYS_FILE": self.directory / "seal", "BFF_RATE_PER_USER": "0", **config}
            service = Service(directory, self.emulator, settings, wait_ready=wait_ready)
            self.services[name] = service
        return self.services[name]

    def client_of(self, operation, service=None):
        service = service or self.service
        return service.operator() if operation.is_operator else service.client()

    def request(self, operation, example=None):
        """A request like the example (the first by default) with values that are real here."""
        examples = operation.request_examples()
        document = copy.deepcopy(examples[example or next(iter(examples))])
        phone = Phone(self.service, self.emulator, (document or {}).get("key_type", "ec"))
        phone.device_id = (document or {}).get("device_id")
        fill = getattr(self, "_fill_" + operation.name, None)
        path = fill(phone, document) if fill else operation.path
        token = self.operator_key if operation.is_operator else phone.token if operation.needs_bearer else None
        return Request(self.client_of(operation), operation.method, path or operation.path, document, token, phone)

    def _fill_startBiometrics(self, phone, document):
        if "user_id" in document:
            document["user_id"] = phone.user_id
        else:
            document["identifier"] = phone.user["email"]

    def _fill_authenticateBiometrics(self, phone, document):
        phone.enroll()
        if "session" in document:
            document["session"] = phone.login()["session"]
        started = phone.started()
        document.update(challenge_id=started["challenge_id"], user_id=phone.user_id, key_id=phone.key.key_id,
                        signature=phone.key.sign(started["challenge"]))

    def _fill_registerBiometrics(self, phone, document):
        is_pem = document["public_key"].startswith("-----")
        document.update(key_id=phone.key.key_id,
                        public_key=phone.key.public_pem() if is_pem else phone.key.public_base64())

    def _fill_deleteBiometricsKey(self, phone, _):
        phone.enroll()
        return f"/v1/biometrics/keys/{phone.key.key_id}"

    def _fill_operatorRevokeFace(self, phone, _):
        return f"/v1/users/{phone.user_id}/face/revoke"

    def _fill_refreshSession(self, phone, document):
        session = phone.enroll().login()
        document["refresh_token"] = session["refresh_token"]
        if "session" in document:
            document["session"] = session["session"]

    def _fill_logoutSession(self, phone, document):
        document["session"] = phone.enroll().login()["session"]

    def other_session(self):
        """A session handle of somebody else."""
        return Phone(self.service, self.emulator).enroll().login()["session"]

    def stop(self):
        stop_all([*self.services.values(), self.emulator])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("openapi"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def calm(world):
    yield
    world.emulator.clear_faults()


def hold_to_document(operation, answer):
    headers = {name.lower(): value for name, value in answer.headers.items()}
    flaws = operation.flaws(answer.status, headers, answer.body)
    assert not flaws, "\n".join([*flaws, repr(answer)])


def name_of(value):
    return value.name if isinstance(value, openapi_contract.Operation) else str(value)


@pytest.mark.parametrize("operation, example", EXAMPLES, ids=name_of)
def test_an_operation_answers_its_example_as_described(world, operation, example):
    if operation.request_examples()[example] is not None:
        described = operation.request_examples()[example]
        assert not openapi_contract.schema_flaws(operation.request_schema(), described)
    answer = world.request(operation, example).send()
    assert answer.status < 300, answer
    hold_to_document(operation, answer)
    reports.count(f"operations and examples checked, of {len(EXAMPLES) + len(ERRORS)}")


@pytest.mark.parametrize("operation, status, code",
                         [error for error in ERRORS if can_be_provoked(error[2])], ids=name_of)
def test_an_operation_answers_an_error_as_described(world, operation, status, code):
    answer = globals()[f"provoke_{code}"](world, operation)
    assert (answer.status, answer.code) == (status, code), answer
    hold_to_document(operation, answer)
    reports.count(f"operations and examples checked, of {len(EXAMPLES) + len(ERRORS)}")


def test_the_success_examples_of_the_document_fit_their_schemas():
    for operation in OPERATIONS:
        for status, response in operation.responses().items():
            for media_type, content in response.get("content", {}).items():
                for name, example in content.get("examples", {}).items():
                    flaws = openapi_contract.schema_flaws(content["schema"], example["value"])
                    assert not flaws, f"{operation.name} {status} {media_type} {name}: {flaws}"


def test_an_answer_that_is_not_described_is_noticed():
    start = next(operation for operation in OPERATIONS if operation.name == "startBiometrics")
    good = {"content-type": "application/json", "x-request-id": "a", "cache-control": "no-store",
            "x-content-type-options": "nosniff"}
    body = b'{"challenge": "c", "challenge_id": "h", "expires_in": 120}'
    assert start.flaws(200, good, body) == []
    assert start.flaws(201, good, body)
    assert start.flaws(200, {**good, "cache-control": "public"}, body)
    assert start.flaws(200, good, body.replace(b"120", b'"120"'))
    assert start.flaws(200, good, body.replace(b"}", b', "more": 1}'))


# ---- provocations, in the order of the error table ----

def provoke_invalid_json(world, operation):
    return world.request(operation).send(body=b'{"a": 1,}')


def provoke_invalid_request(world, operation):
    request = world.request(operation)
    if request.document is None:
        return request.send(body=b"{}")
    return request.send(document={**request.document, "surprise": 1})


def provoke_missing_token(world, operation):
    return world.request(operation).send(token=None)


def provoke_invalid_token(world, operation):
    return world.request(operation).send(token=secrets.token_urlsafe(32))


def provoke_token_expired(world, operation):
    request = world.request(operation)
    long_ago = int(time.time()) - 15 * 24 * 3600
    claims = {"iss": world.emulator.issuer, "sub": request.phone.user_id, "aud": "userid-api",
              "tid": world.emulator.tenant_id, "client_id": world.emulator.client_id,
              "iat": long_ago - 60, "exp": long_ago}
    return request.send(token=world.emulator.sign(claims))


def provoke_authentication_failed(world, operation):
    request = world.request(operation)
    return request.send(document={**request.document, "signature": DeviceKey().sign("another challenge")})


def provoke_session_expired(world, operation):
    return world.request(operation).send(document={"refresh_token": unique("never-issued")})


def provoke_forbidden(world, operation):
    request = world.request(operation)
    if operation.name in ("authenticateBiometrics", "refreshSession", "logoutSession"):
        return request.send(document={**request.document, "session": world.other_session()})
    world.emulator.fault(VENDOR_CALL[operation.name], status=403, body={"message": "Forbidden", "error_code": 403})
    return request.send()


def provoke_not_found(world, operation):
    return world.request(operation).send(path=operation.path.partition("{")[0])


def provoke_key_not_found(world, operation):
    return world.request(operation).send(path=f"/v1/biometrics/keys/{unique('nobodys-key')}")


def provoke_method_not_allowed(world, operation):
    return world.request(operation).send(method="PUT")


def provoke_request_timeout(world, operation):
    """Half a request line, and then nothing."""
    service = world.special("impatient", BFF_HEADER_TIMEOUT_MS=200)
    with world.client_of(operation, service).raw() as connection:
        connection.send(f"{operation.method} {operation.path}")
        return connection.read_answer()


def provoke_key_already_registered(world, operation):
    request = world.request(operation)
    assert request.send().status == 201
    return request.send()


def provoke_session_invalid(world, operation):
    request = world.request(operation)
    return request.send(document={**request.document, "session": "bm90LW9mLW91cnM"})


def with_challenge(world, operation, phone=None):
    """A request whose handle was made for the phone, by default its own."""
    request = world.request(operation)
    request.document["challenge_id"] = (phone or request.phone).started()["challenge_id"]
    return request


def provoke_challenge_used(world, operation):
    request = with_challenge(world, operation)
    request.send()
    return request.send()


def provoke_challenge_mismatch(world, operation):
    return with_challenge(world, operation, Phone(world.service, world.emulator)).send()


def provoke_challenge_invalid(world, operation):
    request = world.request(operation)
    return request.send(document={**request.document, "challenge_id": "bm90LW9mLW91cnM"})


def provoke_challenge_expired(world, operation):
    request = world.request(operation)
    handle = seal.challenge(world.seal_key, request.phone.user_id, expires_in_s=-1)
    return request.send(document={**request.document, "challenge_id": handle})


def provoke_payload_too_large(world, operation):
    return world.request(operation).send(body=b'{"user_id": "' + b"a" * 40000 + b'"}')


def provoke_uri_too_long(world, operation):
    request = world.request(operation)
    return request.send(path=f"{request.path}?{'a' * 2100}")


def provoke_unsupported_media_type(world, operation):
    return world.request(operation).send(headers={"Content-Type": "text/plain"})


def provoke_expectation_failed(world, operation):
    return world.request(operation).send(headers={"Expect": "a miracle"})


def vendor_refusal(world, operation, ts_error_code="system_invalid_input", status=400):
    request = world.request(operation)
    world.emulator.fault(VENDOR_CALL[operation.name], status=status,
                         body={"message": "refused", "error_code": status, "ts_error_code": ts_error_code})
    return request.send()


def provoke_request_rejected(world, operation):
    return vendor_refusal(world, operation)


def provoke_key_rejected(world, operation):
    return vendor_refusal(world, operation, "auth_invalid_key_type")


def provoke_attestation_rejected(world, operation):
    return vendor_refusal(world, operation, "auth_invalid_attestation")


def provoke_too_many_keys(world, operation):
    return vendor_refusal(world, operation, "auth_max_authenticators_count_exceeded")


def provoke_rate_limited(world, operation):
    client = world.client_of(operation, world.special("strict", BFF_RATE_PER_ADDRESS="1/h"))
    request = world.request(operation)
    request.send(client=client)
    return request.send(client=client)


def provoke_headers_too_large(world, operation):
    return world.request(operation).send(headers={"X-Large": "a" * 16500})


def with_fault(world, operation, **fault):
    request = world.request(operation)
    world.emulator.fault(VENDOR_CALL[operation.name], **fault)
    return request.send()


def provoke_internal(world, operation):
    """Without randomness no challenge handle can be made. No other fault of the service itself can be
    caused from outside, so that one answer is held to what each operation says of its own."""
    switch = world.directory / "no-randomness"
    service = world.special("dice", BFF_WORKERS=1, LD_PRELOAD=NO_RANDOMNESS, NO_RANDOMNESS_FILE=switch)
    start = next(one for one in OPERATIONS if one.name == "startBiometrics")
    client = world.client_of(start, service)
    assert world.request(start).send(client=client).status == 200  # its connection to the vendor is open
    requests = [world.request(start) for _ in range(20)]
    switch.touch()
    try:
        # The first ones use up the thread's supply of random bytes.
        return [request.send(client=client) for request in requests][-1]
    finally:
        switch.unlink()


def provoke_upstream_invalid_response(world, operation):
    return with_fault(world, operation, status=302, headers={"Location": "https://elsewhere.example/"})


def provoke_upstream_outcome_unknown(world, operation):
    return with_fault(world, operation, close=True)


def provoke_upstream_refused_credentials(world, operation):
    if operation.name == "registerBiometrics":
        request = world.request(operation)
        world.emulator.fault("register", status=404, body={"message": "x", "error_code": "client_not_found"})
        return request.send()
    service = world.special("stranger", wait_ready=False, BFF_CLIENT_SECRET="not-the-secret")
    return world.request(operation).send(client=world.client_of(operation, service))


def provoke_session_verification_failed(world, operation):
    return with_fault(world, operation, tokens="wrong_audience")


def provoke_upstream_unavailable(world, operation):
    return with_fault(world, operation, status=503)


def provoke_upstream_rate_limited(world, operation):
    return with_fault(world, operation, status=429)


def provoke_token_unavailable(world, operation):
    service = world.special("tokenless", wait_ready=False, BFF_TOKEN_URL="https://127.0.0.1:1/oidc/token")
    return world.request(operation).send(client=world.client_of(operation, service))


def provoke_keys_unavailable(world, operation):
    service = world.special("keyless", wait_ready=False, BFF_JWKS_URL="https://127.0.0.1:1/jwks")
    return world.request(operation).send(client=world.client_of(operation, service))


@contextlib.contextmanager
def a_start_at_the_vendor(world, service, delay_ms):
    """Inside, the service waits for the vendor's answer to somebody's start."""
    world.emulator.clear_calls()
    world.emulator.fault("start", delay_ms=delay_ms)
    holder = threading.Thread(target=Phone(service, world.emulator).start)
    holder.start()
    try:
        until(lambda: world.emulator.call_count("start") == 1, "the start call at the vendor")
        yield
    finally:
        holder.join()


def provoke_overloaded(world, operation):
    """One request fills the house while the vendor takes its time over it."""
    service = world.special("small", BFF_MAX_IN_FLIGHT=1, BFF_WORKERS=1)
    request = world.request(operation)
    with a_start_at_the_vendor(world, service, delay_ms=1500):
        return request.send(client=world.client_of(operation, service))


def provoke_draining(world, operation):
    """A request on an open connection of a replica that is finishing another one."""
    request = world.request(operation)
    service = world.special(unique("leaving"), BFF_WORKERS=1, BFF_DRAIN_TIMEOUT_S=20)
    client = world.client_of(operation, service)
    client.keep_alive = True
    assert client.get("/nowhere").status == 404
    with contextlib.closing(client), a_start_at_the_vendor(world, service, delay_ms=2000):
        service.signal(signal.SIGTERM)
        service.wait_event("service.refusing")
        return request.send(client=client)


def provoke_upstream_timeout(world, operation):
    service = world.special("hasty", BFF_REQUEST_TIMEOUT_MS=400)
    request = world.request(operation)
    world.emulator.fault(VENDOR_CALL[operation.name], delay_ms=3000)
    return request.send(client=world.client_of(operation, service))
