# SPDX-License-Identifier: Apache-2.0
"""An identity API that is slow, in nginx with its echo module: start answers after a delay."""
import base64
import json
import os
import pathlib

from .processes import Child, Failed, answers_on, free_port, template
from .upstream import jose, tls

ECHO_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
DESCRIPTORS_BESIDE = 256


class SlowUpstream(Child):
    """plain_port speaks HTTP/1.1; tls_port HTTP/1.1 or HTTP/2, as the client asks. ca_file is to be
    trusted; `connections` bounds both."""

    def __init__(self, directory, core, delay_s, streams, connections):
        self.plain_port, self.tls_port = free_port(), free_port()
        authority = tls.Authority(directory)
        self.ca_file = authority.ca_file
        certificate, key = authority.issue()
        config = template(
            "slow.conf", directory, dir=directory, plain=self.plain_port, tls=self.tls_port, streams=streams,
            descriptors=connections + DESCRIPTORS_BESIDE, echo_module=ECHO_MODULE, delay_s=delay_s,
            certificate=certificate, key=key, keys=json.dumps(jose.jwks(jose.SigningKey("bench-key-1"))),
            token=json.dumps({"access_token": "bench-token", "token_type": "Bearer", "expires_in": 3600}),
            start=json.dumps({"challenge": base64.urlsafe_b64encode(os.urandom(48)).decode()}))
        super().__init__("nginx", ["nginx", "-p", directory, "-e", "stderr", "-c", config], core, directory)
        self.wait_until(lambda: answers_on(self.plain_port) and answers_on(self.tls_port), "listener")


def check_module():
    if not ECHO_MODULE.exists():
        raise Failed(f"{ECHO_MODULE} is missing: ./dev deps bench")
