# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback (Debian's docker-registry) and images to put into it, made from bytes."""

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading

from harness import check, program, skip
from http_server import HttpServer, reply

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    """A layer: a dict of name to bytes, or to None for a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.mtime = 1700000000
            if data is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def pack(data, how):
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how == "zstd":
        if not shutil.which("zstd"):
            skip("zstd is not installed")
        return subprocess.run(["zstd", "-3", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def descriptor_of(data, media_type, **more):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


class Image:
    """An image of these layers (tar bytes): its documents and blobs."""

    def __init__(self, layers, how="gzip", config=None, platform=("linux", None), annotations=None):
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        self.platform = {"os": platform[0], "architecture": platform[1] or machine}
        self.blobs = {}
        ending = {"gzip": "+gzip", "zstd": "+zstd", "plain": ""}[how]
        described = [self.blob(pack(layer, how), LAYER + ending) for layer in layers]
        document = {**self.platform, "created": "2024-01-02T03:04:05Z", "config": config or {"Cmd": ["/bin/sh"]},
                    "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}}
        described_config = self.blob(json.dumps(document).encode(), CONFIG)
        self.id = described_config["digest"]
        self.layers = [d["digest"] for d in described]
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described_config, "layers": described,
                                    **({"annotations": annotations} if annotations else {})}).encode()
        self.digest = digest_of(self.manifest)

    def blob(self, data, media_type):
        self.blobs[digest_of(data)] = data
        return descriptor_of(data, media_type)

    def entry(self, **platform):
        return {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest),
                "platform": {**self.platform, **platform}}


def index_of(entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


class Registry:
    """docker-registry in a folder of the test's. Its access log tells what was asked of it."""

    def __init__(self, world, name="registry"):
        registry = program("docker-registry")
        if not registry:
            skip("docker-registry is not installed")
        self.folder = world.tmp / name
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        (self.folder / "config.yml").write_text(json.dumps({
            "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host}}))
        self.log_path = self.folder / "log"
        with open(self.log_path, "wb") as log:
            self.process = world.spawn([registry, "serve", self.folder / "config.yml"], stdout=log, stderr=log)
        world.services.append(self)
        world.wait_for(self.answers, "the registry")

    def close(self):
        self.process.kill()
        self.process.wait()

    def answers(self):
        with contextlib.suppress(OSError):
            return self.request("GET", "/v2/")[0] == 200
        return False

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        result = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return result

    def put_blob(self, repository, data):
        status, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        check(status == 202, f"upload: {status}")
        where = headers["Location"].split(self.host, 1)[-1]
        where += ("&" if "?" in where else "?") + "digest=" + digest_of(data)
        status, _, text = self.request("PUT", where, data, {"Content-Type": "application/octet-stream"})
        check(status == 201, f"upload: {status} {text!r}")

    def put_manifest(self, repository, reference, text, media_type=MANIFEST):
        status, _, answer = self.request("PUT", f"/v2/{repository}/manifests/{reference}", text, {"Content-Type": media_type})
        check(status == 201, f"manifest: {status} {answer!r}")

    def push(self, image, name):
        """Put the image there as repository:tag; returns the name that bothy pulls."""
        repository, tag = name.split(":")
        for data in image.blobs.values():
            self.put_blob(repository, data)
        self.put_manifest(repository, tag, image.manifest)
        return f"{self.host}/{name}"

    def asked(self):
        """The requests so far: (method, path) each."""
        return re.findall(r'"(GET|HEAD|PUT|POST) (\S+) HTTP', self.log_path.read_text(errors="replace"))

    def forget(self):
        """What was asked up to now does not count."""
        os.truncate(self.log_path, 0)


def send(sink, data):
    """sendall without the signal: the other end may have been killed."""
    while data:
        data = data[sink.send(data, socket.MSG_NOSIGNAL):]


class Gate:
    """In front of a registry: lets at most so many bytes of each answer through until it is opened."""

    def __init__(self, registry, limit):
        self.target = ("127.0.0.1", registry.port)
        self.limit = limit
        self.open = threading.Event()
        self.held = threading.Event()  # somebody was stopped
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                # Else the last piece waits up to 40 ms for an acknowledgement, with everybody asleep.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server = socket.create_connection(self.target)
                threading.Thread(target=self.forward, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self.forward, args=(server, client, self.limit), daemon=True).start()

    def forward(self, source, sink, limit):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if limit is not None and passed + len(data) > limit and not self.open.is_set():
                    send(sink, data[:max(0, limit - passed)])
                    data = data[max(0, limit - passed):]
                    self.held.set()
                    self.open.wait(60)
                send(sink, data)
                passed += len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.open.set()
        self.listener.close()


class Liar(HttpServer):
    """A registry that answers what it is told: {path: (status, headers, body)}."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        super().__init__()

    def answer(self, h):
        self.asked.append((h.command, h.path))
        reply(h, *self.answers.get(h.path, (404, {}, b"{}")))


def index_in(registry, repository, tag, entries, images):
    for image in images:
        for data in image.blobs.values():
            registry.put_blob(repository, data)
        registry.put_manifest(repository, image.digest, image.manifest)
    text = index_of(entries)
    registry.put_manifest(repository, tag, text, INDEX)
    return digest_of(text)


def several_platforms(registry):
    native = Image([tar_of({"who": b"native"})])
    other = Image([tar_of({"who": b"arm v7"})], platform=("linux", "arm"))
    older = Image([tar_of({"who": b"arm v6"})], platform=("linux", "arm"))
    attestation = Image([tar_of({"proof": b"x"})], platform=("unknown", "unknown"))
    entries = [attestation.entry(), older.entry(variant="v6"), other.entry(variant="v7"), native.entry()]
    top = index_in(registry, "team/multi", "1", entries, [native, other, older, attestation])
    return native, other, older, attestation, top, f"{registry.host}/team/multi:1"
