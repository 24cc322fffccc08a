# SPDX-License-Identifier: Apache-2.0
"""haproxy and nginx in front of the service. Each gives every request that it passes on an id of its
own, which the service takes for its access line: a request that the proxy did not know of shows."""
import os
import shutil
import signal

from .http import Client
from .listening import Listener

_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

# A log line: id, where it was sent ("-" or "<NOSRV>": nowhere), status.
_HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout connect 2s
    timeout client 2s
    timeout server 5s
    timeout http-request 1s
    log stdout format raw local0
    log-format "%ID %s %ST"
frontend front
    bind 127.0.0.1:{port}
    unique-id-format %[uuid()]
    http-request set-header X-Request-Id %[unique-id]
    default_backend service
backend service
    http-reuse always
    server service {upstream}
"""

_NGINX = """
{user}
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log /dev/null;
events {{ worker_connections 512; }}
http {{
    log_format line '$request_id $upstream_addr $status';
    access_log /dev/stdout line;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_header_timeout 1s;
    client_body_timeout 1s;
    upstream service {{ server {upstream}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Request-Id $request_id;
            proxy_next_upstream off;
        }}
    }}
}}
"""

# name: (configuration, command line before its file)
KINDS = {"haproxy": (_HAPROXY, ["-db", "-f"]), "nginx": (_NGINX, ["-c"])}


class Proxy(Listener):
    def __init__(self, kind, directory, service):
        self.kind = kind
        self.directory = directory
        host, port = service.address("public")
        self.upstream = f"{host}:{port}"
        self.listen(directory, self._command)

    def _command(self, port):
        template, arguments = KINDS[self.kind]
        config = self.directory / f"{self.kind}.conf"
        config.write_text(template.format(port=port, upstream=self.upstream, directory=self.directory,
                                          user="user root;" if os.geteuid() == 0 else ""))
        return [shutil.which(self.kind, path=_PATH), *arguments, config]

    def client(self):
        return Client("127.0.0.1", self.port)

    def raw(self):
        return self.client().raw()

    def passed_on(self):
        """[(id, status)] of the requests that it sent to the service, so far."""
        lines = [line.split() for line in self.lines]
        return [(words[0], words[2]) for words in lines if len(words) == 3 and words[1] not in ("-", "<NOSRV>")]

    def stop(self, timeout_s=20.0):
        if self.child.poll() is None:
            self.signal(signal.SIGUSR1 if self.kind == "haproxy" else signal.SIGTERM)  # each one's way to end well
        self.assert_clean(self.wait(timeout_s))
