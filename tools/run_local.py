# SPDX-License-Identifier: Apache-2.0
"""Runs the service with the emulator as its identity API until Ctrl-C.

BFF_* variables of the environment win over what is set here, so any setting can be tried:
    BFF_LOG_LEVEL=debug BFF_RATE_PER_USER=5/min ./dev run
"""
import json
import os
import pathlib
import signal
import subprocess
import sys

DEFAULTS = {"BFF_LISTEN": "127.0.0.1:8080", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:9464", "BFF_DRAIN_DELAY_S": "0"}


def start_emulator(build):
    """(process, its ready line). It ends when our end of its standard input closes."""
    process = subprocess.Popen([build / "emulator" / "mosaic-emulator", "--listen", "127.0.0.1:0", "--tls",
                                "--exit-with-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    for line in process.stdout:
        if '"ready"' in line:
            return process, json.loads(line)
    sys.exit("the emulator did not start")


def environment(ready):
    wanted = {
        **DEFAULTS,
        "BFF_UPSTREAM_URL": ready["url"], "BFF_UPSTREAM_CA_FILE": ready["ca_file"],
        "BFF_ISSUERS": ready["issuer"], "BFF_TENANT_ID": ready["tenant_id"],
        "BFF_CLIENT_ID": ready["client_id"], "BFF_CLIENT_SECRET": ready["client_secret"],
    }
    return {**wanted, **os.environ}


def greeting(build, ready, env):
    public, management = env["BFF_LISTEN"], env["BFF_MANAGEMENT_LISTEN"]
    return f"""
service      http://{public}         the app API; http://{public}/openapi.yaml describes it
management   http://{management}         /readyz?verbose  /metrics  /version
emulator     {ready["url"]}   in the place of the identity API

  curl -si http://{public}/v1/biometrics/start -H 'Content-Type: application/json' -d '{{"user_id": "u-1"}}'
  {os.path.relpath(build)}/phone/virtual-phone --bff http://{public} --emulator {ready["url"]} \\
      --emulator-ca {ready["ca_file"]} enroll

Ctrl-C stops both.
"""


def main():
    build = pathlib.Path(sys.argv[1])
    emulator, ready = start_emulator(build)
    env = environment(ready)
    service = subprocess.Popen([build / "src" / "biometrics-bff", "serve"], env=env, stdin=subprocess.DEVNULL,
                               start_new_session=True)
    stop = lambda *_: service.send_signal(signal.SIGTERM)  # noqa: E731
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    print(greeting(build, ready, env), file=sys.stderr, flush=True)
    try:
        return service.wait()
    finally:
        emulator.stdin.close()
        emulator.wait()


if __name__ == "__main__":
    sys.exit(main())
