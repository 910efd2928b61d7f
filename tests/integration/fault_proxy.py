# SPDX-License-Identifier: Apache-2.0
"""Servers for the tests of the registry client: a registry of our own in memory that can misbehave on request, a token service,
and Debian's docker-registry.

The registry here is small and honest unless a *fault* says otherwise: a function that gets the request (method, path, headers)
and returns None or a dictionary of what to do to the answer:

    cut          close the connection after this many bytes of the body
    trickle      send this many bytes, then a byte each 0.2 s
    hang         send this many bytes, then nothing
    status       answer this status instead, with `headers` and `body`
    length       lie about the length: Content-Length is this
    range        lie about the range: Content-Range is this
    chunked      end the body after this many bytes as if that were all: sent in a chunk, without a length
    endless      send a body without end
    flip         one byte of the body is wrong
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from harness import program, skip
from http_server import HttpServer, login_of, query_of, reply


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Server(HttpServer):
    """A registry in memory. `log` has (method, path, headers) of every request, `sent` the body bytes of blobs sent."""

    def __init__(self, host="127.0.0.1", tls=None, basic=None, token=None):
        self.blobs, self.manifests, self.uploads = {}, {}, {}
        self.log, self.fault, self.sent = [], None, 0
        self.basic, self.token = basic, token
        self.lock = threading.Lock()
        super().__init__(host, tls)

    # -- content

    def add(self, data):
        self.blobs[sha(data)] = data
        return sha(data)

    def add_image(self, repository, tag, layers, arch="amd64", layer_type="application/vnd.oci.image.layer.v1.tar"):
        """Layers are uncompressed tars. Returns the manifest's digest."""
        config = json.dumps({"architecture": arch, "os": "linux", "config": {"Cmd": ["/bin/busybox", "echo", "pulled"]},
                             "rootfs": {"type": "layers", "diff_ids": [sha(layer) for layer in layers]}}).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": self.add(config), "size": len(config)},
            "layers": [{"mediaType": layer_type, "digest": self.add(layer), "size": len(layer)} for layer in layers]}).encode()
        return self.add_manifest(repository, tag, manifest, "application/vnd.oci.image.manifest.v1+json")

    def add_manifest(self, repository, tag, text, media_type):
        for name in (tag, sha(text)):
            self.manifests[repository, name] = (text, media_type)
        return sha(text)

    # -- answering

    def answer(self, h):
        length = int(h.headers.get("Content-Length") or 0)
        with self.lock:
            self.log.append((h.command, h.path, dict(h.headers)))
            fault = self.fault(h.command, h.path, h.headers) if self.fault else None
        fault = fault or {}
        if "cut_upload" in fault and length:
            data = h.rfile.read(min(length, fault["cut_upload"]))
            self.take_upload(h, data)
            h.connection.shutdown(socket.SHUT_RDWR)
            h.close_connection = True
            return
        data = h.rfile.read(length) if length else b""
        if "status" in fault:
            self.send(h, fault["status"], fault.get("headers", {}), fault.get("body", b""), fault)
            return
        if not self.allowed(h):
            return
        self.route(h, data, fault)

    def allowed(self, h):
        given = h.headers.get("Authorization", "")
        if self.basic and login_of(h) != self.basic:
            self.send(h, 401, {"WWW-Authenticate": 'Basic realm="test"'}, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
            return False
        if self.token:
            scope = self.token.scope_of(given.removeprefix("Bearer "))
            if scope is None or (h.path.startswith("/v2/") and len(h.path) > 4 and not scope):
                self.send(h, 401, {"WWW-Authenticate": f'Bearer realm="{self.token.realm}",service="test"'},
                          b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')
                return False
        return True

    def route(self, h, data, fault):
        path = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(path.query))
        if path.path == "/v2/":
            return self.send(h, 200, {}, b"{}", fault)
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags|referrers)/([^/]*(?:/[^/]*)?)", path.path)
        if not match:
            return self.send(h, 404, {}, b"404")
        repository, kind, name = match.groups()
        if kind == "blobs" and name.startswith("uploads/"):
            return self.upload(h, repository, name[8:], query, data, fault)
        if kind == "manifests" and h.command == "PUT":
            self.add_manifest(repository, name, data, h.headers["Content-Type"])
            return self.send(h, 201, {"Docker-Content-Digest": sha(data)}, b"", fault)
        if kind == "manifests":
            if (repository, name) not in self.manifests:
                return self.send(h, 404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest \x1b[31munknown"}]}')
            text, media_type = self.manifests[repository, name]
            return self.send(h, 200, {"Content-Type": media_type, "Docker-Content-Digest": sha(text)}, text, fault)
        if kind == "blobs" and name in self.blobs:
            return self.send_blob(h, self.blobs[name], fault)
        return self.send(h, 404, {}, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]}')

    def send_blob(self, h, data, fault):
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", h.headers.get("Range", ""))
        if match and not fault.get("no_ranges"):
            start = int(match.group(1))
        headers = {"Content-Type": "application/octet-stream"}
        status = 200
        if start:
            status = 206
            headers["Content-Range"] = fault.get("range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send(h, status, headers, data[start:], {**fault, "count": True})

    def take_upload(self, h, data):
        name = urllib.parse.urlsplit(h.path).path.rsplit("/", 1)[-1]
        if name in self.uploads:
            self.uploads[name] += data

    def upload(self, h, repository, name, query, data, fault):
        location = f"/v2/{repository}/blobs/uploads/"
        if h.command == "POST":
            if query.get("mount") in self.blobs:
                return self.send(h, 201, {}, b"")
            name = f"u{len(self.uploads)}"
            self.uploads[name] = b""
            return self.send(h, 202, {"Location": location + name + "?state=x", "Range": "0-0"}, b"", fault)
        if name not in self.uploads:
            return self.send(h, 404, {}, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
        have = len(self.uploads[name])
        if h.command == "GET":
            return self.send(h, 204, {"Location": location + name + "?state=y", "Range": f"0-{max(have - 1, 0)}"}, b"", fault)
        asked = h.headers.get("Content-Range")
        if asked and int(asked.split("-")[0]) != have:
            return self.send(h, 416, {}, b"")
        self.uploads[name] += data
        if h.command == "PATCH":
            return self.send(h, 202, {"Location": location + name + "?state=z"}, b"", fault)
        if sha(self.uploads[name]) != query.get("digest"):
            return self.send(h, 400, {}, b'{"errors":[{"code":"DIGEST_INVALID","message":"digest is wrong"}]}')
        self.add(self.uploads.pop(name))
        return self.send(h, 201, {"Docker-Content-Digest": query["digest"]}, b"", fault)

    def send(self, h, status, headers, body, fault=None):
        fault = fault or {}
        if fault.get("flip") and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        h.send_response(status)
        for name, value in headers.items():
            h.send_header(name, value)
        if "chunked" in fault:
            h.send_header("Transfer-Encoding", "chunked")
        elif status != 204:
            h.send_header("Content-Length", str(fault.get("length", 10 ** 15 if fault.get("endless") else len(body))))
        h.end_headers()
        if h.command == "HEAD":
            return
        self.send_body(h, body, fault)

    def send_body(self, h, body, fault):
        if "chunked" in fault:
            body = body[:fault["chunked"]]
            self.count(fault, body)
            h.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            return
        if fault.get("endless"):
            with contextlib.suppress(OSError):
                while True:
                    h.wfile.write(b" " * 65536)
        for word, pause in (("cut", None), ("trickle", 0.2), ("hang", 3600)):
            if word not in fault:
                continue
            self.count(fault, body[:fault[word]])
            h.wfile.write(body[:fault[word]])
            h.wfile.flush()
            rest = body[fault[word]:]
            h.connection.settimeout(0.01)
            while pause and rest:
                # The other side may go away meanwhile: then its end of the connection can be read.
                h.connection.settimeout(pause)
                try:
                    if h.connection.recv(1) == b"":
                        break
                except (TimeoutError, socket.timeout):
                    pass
                h.wfile.write(rest[:1])
                h.wfile.flush()
                rest = rest[1:]
            h.close_connection = True
            with contextlib.suppress(OSError):
                h.connection.shutdown(socket.SHUT_RDWR)
            return
        self.count(fault, body)
        h.wfile.write(body)
        if fault.get("length") is not None and fault["length"] != len(body):
            h.close_connection = True

    def count(self, fault, data):
        if fault.get("count"):
            with self.lock:
                self.sent += len(data)

    def requests(self, method, part):
        return [entry for entry in self.log if entry[0] == method and part in entry[1]]


class Tokens(HttpServer):
    """A token service. Users are "name:password"; a token carries the scopes that were asked for."""

    def __init__(self, host="127.0.0.1", users=(), anonymous=False, tls=None):
        self.users, self.anonymous, self.issued, self.log = users, anonymous, {}, []
        super().__init__(host, tls)
        self.realm = f"{self.scheme}://{self.host}/token"

    def answer(self, h):
        user = login_of(h)
        self.log.append((h.path, h.headers.get("Authorization", "")))
        if user not in self.users and not (self.anonymous and user is None):
            reply(h, 401, {})
            return
        name = f"token{len(self.issued)}." + hashlib.sha256(os.urandom(8)).hexdigest()
        self.issued[name] = " ".join(query_of(h).get("scope", []))
        reply(h, 200, {}, json.dumps({"token": name, "expires_in": 300}).encode())

    def scope_of(self, token):
        return self.issued.get(token)


class Tls:
    """A certificate authority of this test's own and a certificate for loopback, made with the openssl program."""

    def __init__(self, folder):
        if not shutil.which("openssl"):
            skip("openssl is not installed")
        self.folder = folder
        folder.mkdir()
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
                 "-subj", "/CN=test CA", "-days", "2")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key", "-out", "server.csr",
                 "-subj", "/CN=localhost")
        (folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,DNS:registry.test,DNS:*.registry.test\n")
        self.run("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt", "-days", "2",
                 "-extfile", "ext")

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        return context

    def certs_d(self, name="certs"):
        """A folder for --cert-dir."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        shutil.copy(self.folder / "ca.crt", folder / "ca.crt")
        return folder


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def docker_registry(w, tls=None, htpasswd=None, token=None, client_ca=None):
    """Debian's docker-registry. Yields its host:port."""
    registry = program("docker-registry")
    if not registry:
        skip("docker-registry is not installed")
    port = free_port()
    config = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(w.tmp / f"registry{port}")}, "delete": {"enabled": True}},
              "http": {"addr": f"127.0.0.1:{port}"}, "log": {"level": "warn"}}
    if tls:
        config["http"]["tls"] = {"certificate": str(tls.folder / "server.crt"), "key": str(tls.folder / "server.key")}
    if client_ca:
        config["http"]["tls"]["clientcas"] = [str(client_ca)]
    if htpasswd:
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(htpasswd)}}
    if token:
        config["auth"] = {"token": token}
    path = w.tmp / f"registry{port}.json"
    path.write_text(json.dumps(config))  # YAML knows JSON
    with open(w.tmp / f"registry{port}.log", "wb") as log:
        process = subprocess.Popen([registry, "serve", str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > deadline or process.poll() is not None:
                raise AssertionError("docker-registry does not answer: " + (w.tmp / f"registry{port}.log").read_text())
            time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


class Proxy:
    """A proxy that knows CONNECT and sends every name to one place, or each to its own ({"name:port": "host:port"}), so that servers on
    loopback can have names."""

    def __init__(self, target):
        self.target, self.log = target, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.log.append(head.split(b"\r\n")[0].decode())
            target = self.target if isinstance(self.target, str) else self.target[head.split(b" ")[1].decode()]
            host, port = target.split(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
                self.pump(client, server)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
