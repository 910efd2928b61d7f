# SPDX-License-Identifier: Apache-2.0
"""What the servers of the tests have in common: they listen on loopback only, on a port that the kernel chose, and give every request
to one function."""

import base64
import contextlib
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HttpServer:
    """Each request comes to `answer(h)`, of which h is http.server's handler. @tls: a fault_proxy.Tls."""

    def __init__(self, host="127.0.0.1", tls=None):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "test"
            disable_nagle_algorithm = True  # head and body are two writes

            def log_message(self, *args):
                pass

            def handle(self):
                with contextlib.suppress(OSError, ssl.SSLError):
                    super().handle()

            def any(self):
                server.answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = any

        self.httpd = ThreadingHTTPServer((host, 0), Handler)
        self.httpd.daemon_threads = True
        if tls:
            self.httpd.socket = tls.server_context().wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"{host}:{self.httpd.server_address[1]}"
        self.scheme = "https" if tls else "http"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self.close()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def answer(self, h):
        raise NotImplementedError


def reply(h, status, headers, body=b""):
    """The whole of an answer. @headers may say another length."""
    h.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        h.send_header(name, value)
    h.end_headers()
    if h.command != "HEAD":
        h.wfile.write(body)


def login_of(h):
    """ "user:password" of a request, None without. """
    given = h.headers.get("Authorization", "")
    return base64.b64decode(given.removeprefix("Basic ")).decode() if given.startswith("Basic ") else None


def query_of(h):
    """What stands behind the "?": {name: [values]}."""
    return urllib.parse.parse_qs(urllib.parse.urlsplit(h.path).query)
