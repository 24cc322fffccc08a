# SPDX-License-Identifier: Apache-2.0
"""nginx with TLS and HTTP/2 in front of an upstream that speaks plain HTTP/1.1: what a service meets
in production. Each request leaves a line that says over what it came."""
import collections
import os
import shutil
import urllib.parse

from .listening import Listener
from .tls import Authority

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

_CONFIG = """
{user}
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    log_format line '$connection $server_protocol $request_method $uri $status';
    access_log {directory}/access.log line;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    keepalive_requests {keepalive_requests};
    http2_max_concurrent_streams {streams};
    server {{
        listen 127.0.0.1:{port} ssl http2;
        location / {{
            proxy_pass http://127.0.0.1:{upstream_port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""

Line = collections.namedtuple("Line", "connection protocol method path status")


class Front(Listener):
    """upstream: an Emulator without TLS. keepalive_requests: after so many a connection gets GOAWAY."""

    def __init__(self, directory, upstream, keepalive_requests=10000, streams=128):
        self.upstream = upstream
        self.directory = directory
        authority = Authority(directory)
        certificate, key = authority.issue()
        self.ca_file = authority.ca_file
        values = {"user": "user root;" if os.geteuid() == 0 else "", "directory": directory, "key": key,
                  "certificate": certificate, "keepalive_requests": keepalive_requests, "streams": streams,
                  "upstream_port": urllib.parse.urlsplit(upstream.url).port}
        config = directory / "nginx.conf"

        def command(port):
            config.write_text(_CONFIG.format(port=port, **values))
            return [NGINX, "-p", directory, "-c", config]

        self.listen(directory, command)

    def config(self):
        """The settings with which a service reaches the upstream through this."""
        settings = {**self.upstream.config(), "BFF_UPSTREAM_URL": f"https://127.0.0.1:{self.port}",
                    "BFF_UPSTREAM_CA_FILE": self.ca_file, "BFF_UPSTREAM_HTTP2": "on"}
        settings.pop("BFF_ALLOW_INSECURE_UPSTREAM", None)
        return settings

    def requests(self, path_end=""):
        """What came so far, answered."""
        text = (self.directory / "access.log").read_text()
        lines = [Line(*line.split()) for line in text.splitlines()]
        return [line for line in lines if line.path.endswith(path_end)]
