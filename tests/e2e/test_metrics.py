# SPDX-License-Identifier: Apache-2.0
"""The metrics as a whole: what comes from outside makes no series, each family has its head, names and
units are as Prometheus wants them, and the process shows what every client library shows."""
import os
import re
import secrets

from harness.device import unique
from harness.jose import b64url

SAMPLES = re.compile(r"^(\w+?)(?:_bucket|_sum|_count)?[{ ]")


def ask_oddly(service):
    api = service.client()
    for _ in range(10):
        name = secrets.token_hex(8)
        api.request(name.upper(), f"/{name}")
        api.get(f"/{name}/{name}?{name}={name}", headers={"User-Agent": name, "X-Forwarded-For": name, "Host": name})
        api.request("DELETE", f"/v1/biometrics/keys/{name}", token=f"{name}.{name}.{name}")
        head = b64url(f'{{"alg":"RS256","kid":"{name}"}}'.encode())
        api.get("/v1/session", token=f"{head}.{b64url(b'{}')}.{b64url(b'x')}")
        api.post("/v1/biometrics/start", {"user_id": unique(name)})
        api.post("/v1/biometrics/authenticate", {"challenge_id": name, "user_id": name, "key_id": name, "signature": name})


def test_nothing_from_outside_makes_a_series(bff, hostile):
    service = bff(hostile, BFF_WORKERS=1, BFF_RATE_PER_USER=0)
    ask_oddly(service)
    service.metrics()
    before = {(name, *labels.items()) for name, labels, _ in service.metrics()}
    ask_oddly(service)
    assert {(name, *labels.items()) for name, labels, _ in service.metrics()} == before


def test_each_family_has_help_and_type_and_its_name_says_what_it_is(bff, hostile):
    service = bff(hostile)
    ask_oddly(service)
    text = service.management().get("/metrics").body.decode()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert set(re.findall(r"^# HELP (\w+) \S", text, re.M)) == set(kinds)
    for line in text.splitlines():
        if not line.startswith("#"):
            name = SAMPLES.match(line).group(1)
            assert kinds.get(name) or kinds[line.split("{")[0].split(" ")[0]], line
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter"), (name, kind)
        assert kind != "histogram" or name.endswith("_seconds"), name
        assert not re.search(r"_(ms|us|kb|mb|minutes|percent)$", name), name


def test_the_process_shows_what_every_client_library_shows(bff, hostile):
    service = bff(hostile)
    seen = {name: value for name, labels, value in service.metrics() if name.startswith("process_")}
    assert 0 < seen["process_resident_memory_bytes"] < seen["process_virtual_memory_bytes"]
    assert abs(seen["process_open_fds"] - len(os.listdir(f"/proc/{service.pid}/fd"))) <= 2
    assert seen["process_open_fds"] < seen["process_max_fds"]
    assert seen["process_cpu_seconds_total"] > 0
    assert abs(seen["process_start_time_seconds"] - os.stat(f"/proc/{service.pid}").st_ctime) < 10


def test_calls_to_the_vendor_are_counted_as_opentelemetry_names_them(bff, hostile):
    service = bff(hostile)
    assert service.client().post("/v1/biometrics/start", {"user_id": unique("user")}).status == 200
    found = [labels for name, labels, _ in service.metrics() if name == "http_client_request_duration_seconds_count"
             and labels["operation"] == "start"]
    assert found == [{"http_request_method": "POST", "server_address": found[0]["server_address"],
                      "server_port": service.settings["BFF_UPSTREAM_URL"].rpartition(":")[2], "operation": "start",
                      "http_response_status_code": "200", "error_type": ""}]
    assert found[0]["server_address"] in service.settings["BFF_UPSTREAM_URL"]
    assert 0 <= service.metric("bff_jwks_age_seconds") < 60
