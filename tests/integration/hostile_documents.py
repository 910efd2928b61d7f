# SPDX-License-Identifier: Apache-2.0
"""Hostile documents: manifests, indexes, configs, Docker's manifest.json and the outer archive (SECURITY.md V16, V18, V30, V31).
See hostile_images.py."""

import copy
import json

from hostile_tar import END, directory, entry, hardlink, header, oci_files, outer, pax, sha, symlink

LAYER = entry("f", b"fine") + END
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
TAG = "hostile.example/x:1"
WRONG = [None, True, 0, -1, 1.5, 1e300, 2 ** 64, "", "x", "\u0000", "\u001b[2J\n", [], {}, [[]], [None], [1, "x"], {"a": 1}, {"": ""}, "y" * 70000]


class Raw(str):
    """Text that goes into the JSON as it is."""


def dump(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + dump(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def put(document, path, value):
    """A copy of @document with the member at @path (names and positions) replaced; Ellipsis takes it away."""
    out = copy.deepcopy(document)
    at = out
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return out


def good_config():
    return {"architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z", "author": "a", "variant": "", "os.version": "1", "os.features": ["x"],
            "config": {"User": "0", "ExposedPorts": {"80/tcp": {}}, "Env": ["A=b"], "Entrypoint": ["/x"], "Cmd": ["y"], "Volumes": {"/v": {}}, "WorkingDir": "/w", "Labels": {"l": "m"},
                       "StopSignal": "SIGTERM", "ArgsEscaped": False, "Healthcheck": {"Test": ["NONE"], "Interval": 1, "Timeout": 1, "StartPeriod": 1, "Retries": 1},
                       "OnBuild": ["x"], "Shell": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [sha(LAYER)]},
            "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "x", "author": "y", "comment": "z", "empty_layer": False}]}


def good_manifest(config_text):
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, "digest": sha(config_text), "size": len(config_text)},
            "layers": [{"mediaType": TAR, "digest": sha(LAYER), "size": len(LAYER)}], "annotations": {"a": "b"}}


def good_index(manifest_text):
    return {"schemaVersion": 2, "mediaType": INDEX, "annotations": {"x": "y"},
            "manifests": [{"mediaType": MANIFEST, "digest": sha(manifest_text), "size": len(manifest_text), "platform": {"os": "linux", "architecture": "amd64", "variant": ""},
                           "annotations": {"org.opencontainers.image.ref.name": TAG}}]}


def layout(config=None, manifest=None, index=None, more=None):
    """An archive whose digests are right, each document as given: an object, or bytes. @manifest and @index may be functions of what they point to."""
    def text(value):
        return value if isinstance(value, bytes) else dump(value).encode()

    c = text(config if config is not None else good_config())
    m = text((manifest or good_manifest)(c))
    i = text((index or good_index)(m))
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": i}
    for data in (LAYER, c, m):
        files["blobs/sha256/" + sha(data)[7:]] = data
    files.update(more or {})
    return outer(files)


def each_member(document, path=()):
    """The path of each member at any depth."""
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from each_member(value, (*path, key))


def label(path):
    return ".".join(map(str, path)).replace("/", "+").replace(":", "-")[-60:]


def wrong_types(add):
    for path in each_member(good_config()):
        for i, value in enumerate([..., *WRONG]):
            add(f"v18-config-{label(path)}-{i}", "safe", archive=lambda p=path, v=value: layout(config=put(good_config(), p, v)))
    for path in each_member(good_manifest(b"")):
        for i, value in enumerate([..., *WRONG]):
            add(f"v31-manifest-{label(path)}-{i}", "safe", archive=lambda p=path, v=value: layout(manifest=lambda c: put(good_manifest(c), p, v)))
    for path in each_member(good_index(b"")):
        for i, value in enumerate([..., *WRONG]):
            add(f"v31-index-{label(path)}-{i}", "safe", archive=lambda p=path, v=value: layout(index=lambda m: put(good_index(m), p, v)))
    for kind in ("config", "manifest", "index"):
        for i, value in enumerate(WRONG):
            text = dump(value).encode()
            add(f"v31-{kind}-whole-{i}", "refused", archive=lambda k=kind, t=text: layout(**{k: t if k == "config" else lambda _: t}))


DIGESTS = ["", "sha256", "sha256:", ":", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "A" * 64, "SHA256:" + "0" * 64, "sha256:" + "g" * 64, "sha256:../../../../etc/passwd", "sha256:" + "0" * 60 + "/../",
           "sha256:" + "0" * 64 + "\n", "sha256:" + "0" * 64 + "/x", "sha256:" + "0" * 64 + ":x", " sha256:" + "0" * 64, "sha256: " + "0" * 63, "sha512:" + "0" * 128, "sha384:" + "0" * 96, "md5:" + "0" * 32,
           "sha256+b64u:" + "0" * 43, "x:" + "y" * 70000, "/etc/passwd", "../../../etc/passwd", "\u0000", "sha256:" + "0" * 32 + "\u0000" + "0" * 31, "sha256:" + "0" * 64, "0" * 64, "sha256:%2e%2e", "..:..", ".:."]
SIZES = [-1, 0, 1, 2 ** 31, 2 ** 32, 2 ** 53 + 1, 2 ** 63 - 1, Raw("9223372036854775808"), Raw("1e2"), Raw("1.0"), Raw("-0"), Raw("0x10"), Raw("01"), "4", None, ...]


def digests_and_sizes(add):
    places = {"layer": lambda v: {"manifest": lambda c: put(good_manifest(c), ("layers", 0, "digest"), v)}, "config": lambda v: {"manifest": lambda c: put(good_manifest(c), ("config", "digest"), v)},
              "manifest": lambda v: {"index": lambda m: put(good_index(m), ("manifests", 0, "digest"), v)}, "diff-id": lambda v: {"config": put(good_config(), ("rootfs", "diff_ids", 0), v)}}
    for place, make in places.items():
        for i, digest in enumerate(DIGESTS):
            add(f"v31-digest-{place}-{i}", "refused", archive=lambda k=make, d=digest: layout(**k(d)), says="digest|diff_id|diff_ids|expected|no '|\\\\u0000|U\\+0000")
    sizes = {"layer": ("layers", 0, "size"), "config": ("config", "size")}
    for i, size in enumerate(SIZES):
        for place, path in sizes.items():
            add(f"v31-size-{place}-{i}", "refused", archive=lambda p=path, v=size: layout(manifest=lambda c: put(good_manifest(c), p, v)), says="size|bytes|JSON|required|missing|number|character|expected")
        add(f"v31-size-manifest-{i}", "refused", archive=lambda v=size: layout(index=lambda m: put(good_index(m), ("manifests", 0, "size"), v)), says="size|bytes|JSON|required|missing|number|character|expected")
    for delta in (-1, 1):
        for place, path in sizes.items():
            def make(p=path, d=delta):
                def manifest(c):
                    m = good_manifest(c)
                    at = m[p[0]][0] if len(p) == 3 else m[p[0]]
                    at["size"] += d
                    return m
                return layout(manifest=manifest)
            add(f"v31-size-off-{place}-{delta}", "refused", archive=make, says="bytes|size")


def confusion(add):
    """One document that can be read as two (CVE-2021-41190, CVE-2024-3727)."""
    both = {"manifests": [{"mediaType": MANIFEST, "digest": sha(b"x"), "size": 1}]}
    add("v31-manifest-with-manifests", "refused", archive=lambda: layout(manifest=lambda c: dict(good_manifest(c), **both)), says="manifests")
    add("v31-manifest-with-empty-manifests", "refused", archive=lambda: layout(manifest=lambda c: dict(good_manifest(c), manifests=[])), says="manifests")
    add("v31-index-with-layers", "refused", archive=lambda: layout(index=lambda m: dict(good_index(m), layers=[])), says="layers")
    add("v31-index-with-config", "refused", archive=lambda: layout(index=lambda m: dict(good_index(m), config={"mediaType": CONFIG, "digest": sha(b"x"), "size": 1})), says="config|layers")
    add("v31-manifest-with-fslayers", "safe", archive=lambda: layout(manifest=lambda c: dict(good_manifest(c), fsLayers=[{"blobSum": sha(LAYER)}], signatures=[])))
    add("v31-schema-1", "refused", archive=lambda: layout(manifest=lambda c: {"schemaVersion": 1, "fsLayers": [{"blobSum": sha(LAYER)}], "history": []}))
    types = [MANIFEST, INDEX, CONFIG, TAR, "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
             "application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json", "text/plain", "", MANIFEST + ";charset=utf-8", MANIFEST.upper(), MANIFEST + " ", "application/vnd.oci.artifact.manifest.v1+json"]
    for i, word in enumerate(types):
        add(f"v31-type-said-by-manifest-{i}", "safe" if word in (MANIFEST, "", types[4]) else "refused", archive=lambda t=word: layout(manifest=lambda c: dict(good_manifest(c), mediaType=t)))
        add(f"v31-type-said-of-manifest-{i}", "safe" if word in (MANIFEST, types[4]) else "refused", archive=lambda t=word: layout(index=lambda m: put(good_index(m), ("manifests", 0, "mediaType"), t)))
        add(f"v31-type-said-of-config-{i}", "safe" if word == CONFIG else "refused", archive=lambda t=word: layout(manifest=lambda c: put(good_manifest(c), ("config", "mediaType"), t)))
        add(f"v31-type-said-of-layer-{i}", "safe" if word == TAR else "refused", archive=lambda t=word: layout(manifest=lambda c: put(good_manifest(c), ("layers", 0, "mediaType"), t)))
        add(f"v31-type-said-by-index-{i}", "safe" if word in (INDEX, "", types[5]) else "refused", archive=lambda t=word: layout(index=lambda m: dict(good_index(m), mediaType=t)))
    for packing in ("+gzip", "+zstd", "+encrypted", "+gzip+encrypted", ".gzip"):
        add(f"v31-layer-type{packing}", "safe", archive=lambda p=packing: layout(manifest=lambda c: put(good_manifest(c), ("layers", 0, "mediaType"), TAR + p)))
    twice = {"config": ["config", "rootfs", "architecture"], "manifest": ["layers", "config", "mediaType", "schemaVersion"], "index": ["manifests", "mediaType", "schemaVersion"]}
    for kind, keys in twice.items():
        for key in keys:
            for order in (0, 1):
                def make(kind=kind, key=key, order=order):
                    def text(document):
                        other = json.dumps(key) + ":" + dump([] if isinstance(document[key], list) else {} if isinstance(document[key], dict) else "other")
                        body = dump(document)
                        return (("{" + other + "," + body[1:]) if order else (body[:-1] + "," + other + "}")).encode()
                    return layout(config=text(good_config())) if kind == "config" else layout(**{kind: lambda below: text((good_manifest if kind == "manifest" else good_index)(below))})
                add(f"v31-key-twice-{kind}-{key}-{order}", "safe", archive=make)
            add(f"v31-key-case-{kind}-{key}", "safe", archive=lambda kind=kind, key=key: layout(config=dict(good_config(), **{key.upper(): []})) if kind == "config" else
                layout(**{kind: lambda below: dict((good_manifest if kind == "manifest" else good_index)(below), **{key.upper(): []})}))
    # Entries of one index that are each other's, or all the same.
    for count in (2, 100, 4000, 5000, 100000):
        add(f"v30-index-same-{count}", "safe", archive=lambda n=count: layout(index=lambda m: put(good_index(m), ("manifests",), good_index(m)["manifests"] * n)))
    big = json.dumps(dict(good_config(), author="x" * (7 << 20))).encode()
    for count in (100, 4000):
        def make(n=count):
            def index(m):
                i = good_index(m)
                one = i["manifests"][0]
                i["manifests"] = [dict(one, annotations={"org.opencontainers.image.ref.name": f"hostile.example/x:{k}"}, platform={"os": "linux", "architecture": "amd64"}) for k in range(n)]
                return i
            return layout(config=big, index=index)
        add(f"v30-index-same-big-{count}", "safe", archive=make)
    for depth in (1, 3, 4, 5, 50):
        def make(depth=depth):
            c = dump(good_config()).encode()
            inner = dump(good_manifest(c)).encode()
            files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
            blobs = [LAYER, c, inner]
            type_ = MANIFEST
            for _ in range(depth):
                inner_index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": type_, "digest": sha(inner), "size": len(inner), "platform": {"os": "linux", "architecture": "amd64"},
                                                                                     "annotations": {"org.opencontainers.image.ref.name": TAG}}]}
                inner, type_ = dump(inner_index).encode(), INDEX
                blobs.append(inner)
            files["index.json"] = blobs.pop()
            files.update({"blobs/sha256/" + sha(b)[7:]: b for b in blobs})
            return outer(files)
        add(f"v30-index-depth-{depth}", "safe" if depth < 6 else "refused", archive=make, says=None if depth < 6 else "deep")
    for platform in ({"os": "windows", "architecture": "amd64"}, {"os": "linux", "architecture": "s390x"}, {"os": "linux", "architecture": ""}, {"os": "unknown", "architecture": "unknown"}):
        add(f"v31-platform-{platform['os']}-{platform['architecture']}", "safe", archive=lambda p=platform: layout(index=lambda m: put(good_index(m), ("manifests", 0, "platform"), p)))
    for i, name in enumerate(["", "x", "X", "../x", "../../x:1", "/x:1", "x:", ":1", "x:1:2", "--privileged", "x y:1", "x\n:1", "\u001b[31mx:1", "x@sha256:" + "0" * 64, "x:1@sha256:" + "0" * 64, "a/" * 300 + "b:1", "x:" + "1" * 300, "@", "localhost", "[::1]:5000/x:1",
                              "docker.io", "scratch", "sha256:" + "0" * 64, "0" * 64, "h:99999999/x:1", "a..b/x:1", "-x/y:1", "x:..", "x:.hidden"]):
        add(f"v31-name-{i}", "safe", archive=lambda n=name: layout(index=lambda m: put(good_index(m), ("manifests", 0, "annotations"), {"org.opencontainers.image.ref.name": n})), renames=True)
        add(f"v31-name-containerd-{i}", "safe", archive=lambda n=name: layout(index=lambda m: put(good_index(m), ("manifests", 0, "annotations"), {"io.containerd.image.name": n})), renames=True)


def bad_json(add):
    texts = {"empty": b"", "space": b"   ", "nul": b"\0", "bom": b"\xef\xbb\xbf{}", "utf16": "{}".encode("utf-16"), "open": b"{", "close": b"}", "two": b"{}{}", "behind": b"{} x", "comment": b"/**/{}", "trailing-comma": b'{"a":1,}',
             "nan": b'{"a":NaN}', "infinity": b'{"a":Infinity}', "hex": b'{"a":0x1}', "single": b"{'a':1}", "bare": b"{a:1}", "control": b'{"a":"\1"}', "bad-escape": b'{"a":"\\q"}', "surrogate": b'{"a":"\\ud800"}', "utf8": b'{"a":"\xff"}',
             "overlong": b'{"a":"\xc0\xaf"}', "deep-array": b"[" * 100000, "deep-object": b'{"a":' * 100000, "deep-closed": b"[" * 5000 + b"]" * 5000, "long-number": b'{"a":' + b"9" * 100000 + b"}", "exponent": b'{"a":1e999999999}',
             "many-keys": b"{" + b",".join(b'"k%d":1' % i for i in range(150000)) + b"}", "many-values": b"[" + b"1," * 1000000 + b"1]", "long-string": b'{"a":"' + b"x" * 3000000 + b'"}', "html": b"<html>not found</html>",
             "colliding": b"{" + b",".join(b'"%s":1' % (b"a" * i) for i in range(1500)) + b"}"}
    for kind in ("config", "manifest", "index"):
        for name, text in texts.items():
            add(f"v31-json-{kind}-{name}", "refused", archive=lambda k=kind, t=text: layout(**{k: t if k == "config" else lambda _: t}))
    for size in (4 << 20, (4 << 20) + 1, 32 << 20):
        pad = b" " * (size - 2)
        for kind in ("config", "manifest", "index"):
            add(f"v30-json-{kind}-{size}", "refused", archive=lambda k=kind, t=b"{" + pad + b"}": layout(**{k: t if k == "config" else lambda _: t}), slow=size > 5 << 20)
    inside = {"labels": ("config", "Labels"), "env": ("config", "Env"), "volumes": ("config", "Volumes"), "ports": ("config", "ExposedPorts"), "cmd": ("config", "Cmd")}
    for name, path in inside.items():
        value = {f"k{i}": "v" for i in range(100000)} if name == "labels" else {f"/v{i}": {} for i in range(100000)} if name in ("volumes", "ports") else [f"A{i}=b" for i in range(100000)]
        add(f"v30-config-many-{name}", "safe", archive=lambda p=path, v=value: layout(config=put(good_config(), p, v)))
        add(f"v30-config-long-{name}", "safe", archive=lambda p=path, n=name: layout(config=put(good_config(), p, {"/" + "x" * 3000000: {} if n != "labels" else ""} if n in ("labels", "volumes", "ports") else ["A=" + "x" * 3000000])))
    for count in (500, 501, 5000):
        def make(n=count):
            manifest = lambda c: put(good_manifest(c), ("layers",), good_manifest(c)["layers"] * n)  # noqa: E731
            return layout(config=put(good_config(), ("rootfs", "diff_ids"), [sha(LAYER)] * n), manifest=manifest)
        add(f"v30-layers-{count}", "harmless" if count == 500 else "refused", archive=make, says=None if count == 500 else "layers|500|elements", slow=count == 500)
    for i, version in enumerate((None, 2, "2.0.0", "", "1.0.1", [], {"a": 1})):
        add(f"v31-oci-layout-{i}", "safe", archive=lambda v=version: layout(more={"oci-layout": json.dumps({"imageLayoutVersion": v}).encode()}))


def steering(add):
    """Words of an image that would steer the engine (V16, V18)."""
    def config(name, expect, path, value, says=None):
        add(name, expect, archive=lambda: layout(config=put(good_config(), path, value)), says=says)

    for i, env in enumerate(("PATH", "=x", "", "A", "A\u0000=b", "A=b\nC=d", "A=\u001b[2J", "\n", " =x", "LD_PRELOAD=/x", "A=\r", "\u007f=1")):
        config(f"v18-env-{i}", "safe", ("config", "Env"), [env])
    for i, env in enumerate(("A\u0000=b", "A=b\nC=d", "A=\u001b[2J", "A=\r")):
        config(f"v18-env-control-{i}", "refused", ("config", "Env"), [env], says="control|NUL")
    for i, volume in enumerate(("..", "/..", "/../../etc", "/a/../../etc", "../etc", "/a/..", "a/../../b", "/a\u0000b", "/a\nb", "/\u001b[2J")):
        config(f"v16-volume-{i}", "refused", ("config", "Volumes"), {volume: {}}, says="Volumes|NUL")
    for i, volume in enumerate(("/", "/proc", "/sys/fs/cgroup", "/dev", "relative", "/etc/passwd", "//x", "/" + "v" * 5000)):
        config(f"v16-volume-odd-{i}", "safe", ("config", "Volumes"), {volume: {}})
    for i, user in enumerate(("0\n0", "root\u0000", "x:y:z", "4294967296", "4294967295", "18446744073709551616", "-1", "+0", "0x0", "\u001b[2J", "0 ", " 0", "root:0\nroot::0:0::/:/bin/sh", ":", "::", "a" * 5000)):
        config(f"v18-user-{i}", "safe", ("config", "User"), user)
    for i, folder in enumerate(("..", "../../..", "/proc/self/fd/7", "/proc/self/root", "relative", "/a\nb", "/a\u0000b", "//", "/" + "w" * 5000, "/a/../../b", "~", "$HOME")):
        config(f"v18-workdir-{i}", "safe", ("config", "WorkingDir"), folder)
    for i, signal in enumerate(("SIGKILL", "9", "-9", "SIGNOPE", "99999999999", "SIG\n", "", "KILL;id", "0")):
        config(f"v18-signal-{i}", "safe", ("config", "StopSignal"), signal)
    labels = ["io.bothy.command", "io.bothy.privileged", "bothy.run", "io.containerd.runc.v2.group", "com.docker.compose.project", "io.podman.annotations.privileged", "org.opencontainers.runtime.start", "io.kubernetes.cri.container-type",
              "run.oci.keep_original_groups", "run.oci.handler", "org.systemd.property.ExecStart", "\u001b[2J", "a\nb", "", "../../x", "=", "a=b"]
    for i, key in enumerate(labels):
        config(f"v18-label-{i}", "safe", ("config", "Labels"), {key: "/bin/sh -c 'touch /hostile-x'"})
    for i, command in enumerate(([], [""], ["\u0000"], ["-c", "x"], ["../../../bin/sh"], ["/proc/self/exe"], ["x" * 200000], ["a"] * 70000)):
        config(f"v18-command-{i}", "safe", ("config", "Entrypoint"), command)


def docker_archive(add):
    def docker(entry_, more=None, first=b""):
        files = {"c.json": dump(good_config()).encode(), "layer.tar": LAYER, "manifest.json": dump(entry_).encode() if not isinstance(entry_, bytes) else entry_}
        files.update(more or {})
        return first + outer({k: v for k, v in files.items() if v is not None})

    good = {"Config": "c.json", "RepoTags": [TAG], "Layers": ["layer.tar"]}
    add("v31-docker-good", "harmless", archive=lambda: docker([good]), present=["f"])
    for key in good:
        for i, value in enumerate([..., *WRONG]):
            add(f"v31-docker-{key}-{i}", "safe", archive=lambda k=key, v=value: docker([put(good, (k,), v)]), renames=True)
    for i, value in enumerate([*WRONG, [good] * 2, [good] * 1024, [good] * 1025, [[good]], [good, None]]):
        add(f"v31-docker-whole-{i}", "safe", archive=lambda v=value: docker(v))
    for i, name in enumerate(("../../etc/passwd", "/etc/passwd", "..", ".", "", "/", "layer.tar/", "layer.tar/x", "./layer.tar", "c.json", "manifest.json", "/layer.tar", "a/../layer.tar", "layer.tar\u0000", "LAYER.TAR", "l" * 5000, "m1", "m2", "../m1")):
        add(f"v31-docker-layer-name-{i}", "safe", archive=lambda n=name: docker([put(good, ("Layers",), [n])]))
        add(f"v31-docker-config-name-{i}", "safe", archive=lambda n=name: docker([put(good, ("Config",), n)]))
    for i, tag in enumerate(("../x:1", "--privileged", "", "x", "x@sha256:" + "0" * 64, "X:1", "x:\n", "\u001b]0;x\u0007:1", "x:1", "a" * 300 + ":1", "<none>:<none>", "x:" + "t" * 129)):
        add(f"v31-docker-tag-{i}", "safe", archive=lambda t=tag: docker([put(good, ("RepoTags",), [t])]), renames=True)
    add("v31-docker-many-tags", "safe", archive=lambda: docker([put(good, ("RepoTags",), [f"hostile.example/x:{i}" for i in range(3000)])]), renames=True)
    add("v30-docker-many-layers", "refused", archive=lambda: docker([put(good, ("Layers",), ["layer.tar"] * 501)]), says="500")
    big = dump(dict(good_config(), author="x" * (7 << 20))).encode()
    add("v30-docker-same-config", "safe", archive=lambda: docker([good] * 1000, {"c.json": big}))
    add("v31-docker-manifest-link", "safe", archive=lambda: docker([good], {"manifest.json": None}, first=symlink("manifest.json", "real.json") + entry("real.json", dump([good]).encode())))
    for i, target in enumerate(("/etc/passwd", "../../etc/passwd", "layer.tar", "./x", "x/..", "/", "", "/proc/self/fd/0")):
        if target:
            add(f"v31-docker-layer-symlink-{i}", "refused", archive=lambda t=target: docker([good], {"layer.tar": None}, first=symlink("layer.tar", t)))
            add(f"v31-docker-layer-hardlink-{i}", "refused", archive=lambda t=target: docker([good], {"layer.tar": None}, first=hardlink("layer.tar", t)))
            add(f"v31-docker-config-symlink-{i}", "refused", archive=lambda t=target: docker([good], {"c.json": None}, first=symlink("c.json", t)))


def outer_archive(add):
    files = oci_files(LAYER)
    blob = next(n for n, d in files.items() if d == LAYER)
    rest = {n: d for n, d in files.items() if n != blob}
    for i, name in enumerate(("../hostile-x", "/../x", "a/../../x", "..", "blobs/../../hostile-x", "/hostile-x", "//hostile-x", "a\nb", "\u001b[2Jx", ".", "", "x/", "blobs", "blobs/sha256")):
        add(f"v27-outer-name-{i}", "safe", archive=lambda n=name: outer(files)[:-len(END)] + (entry(n, b"evil") if n else header("", size=0)) + END)
        add(f"v27-outer-name-first-{i}", "safe", archive=lambda n=name: (entry(n, b"evil") if n else header("", size=0)) + outer(files))
    for kind, part in {"char": header("index.json", type=b"3", major=1, minor=5), "block": header("index.json", type=b"4", major=8), "fifo": header("index.json", type=b"6"), "folder": directory("index.json"),
                       "symlink": symlink("index.json", "/etc/passwd"), "hardlink": hardlink("index.json", "/etc/passwd"), "loop": symlink("index.json", "index.json"), "empty": entry("index.json", b"")}.items():
        add(f"v27-outer-index-{kind}", "refused", archive=lambda p=part: outer({n: d for n, d in files.items() if n != "index.json"})[:-len(END)] + p + END)
        add(f"v27-outer-blob-{kind}", "refused", archive=lambda p=part: outer(rest)[:-len(END)] + p.replace(b"index.json" + b"\0" * 90, blob.encode().ljust(100, b"\0"))[:0] + _renamed(kind, blob) + END)
    for i, target in enumerate(("/etc/passwd", "../../../../../etc/passwd", "../../index.json", "x", "../sha256/" + blob.split("/")[-1], "/" + blob, "..", "/")):
        add(f"v27-outer-symlink-{i}", "refused", archive=lambda t=target: symlink(blob, t) + outer(rest))
        add(f"v27-outer-hardlink-{i}", "refused", archive=lambda t=target: hardlink(blob, t) + outer(rest))
    for hops in (15, 17, 200):
        def make(hops=hops):
            links = b"".join(symlink(f"l{i}", f"l{i + 1}") for i in range(hops))
            return links + entry(f"l{hops}", LAYER) + symlink(blob, "../../l0") + outer(rest)
        add(f"v27-outer-hops-{hops}", "safe", archive=make)
    add("v31-outer-blob-twice-good-last", "safe", archive=lambda: entry(blob, b"X" * len(LAYER)) + outer(files))
    add("v31-outer-blob-twice-bad-last", "refused", archive=lambda: entry(blob, LAYER) + outer(rest)[:-len(END)] + entry(blob, b"X" * len(LAYER)) + END, says="digest|content")
    add("v31-outer-index-twice", "safe", archive=lambda: entry("index.json", b"{}") + outer(files))
    add("v31-outer-both-forms", "safe", archive=lambda: outer(dict(files, **{"manifest.json": dump([{"Config": "x", "Layers": []}]).encode()})))
    add("v31-outer-no-layer", "refused", archive=lambda: outer(rest))
    add("v31-outer-swapped", "refused", archive=lambda: outer(dict(rest, **{blob: b"X" * len(LAYER)})), says="digest|content|diff_id")
    add("v30-outer-many", "safe", archive=lambda: b"".join(entry(f"x{i}", b"") for i in range(20000)) + outer(files))
    add("v30-outer-too-many", "refused", archive=lambda: header("x") * 100001 + outer(files), says="members|100000|more than", slow=True)
    add("v30-outer-long-names", "safe", archive=lambda: b"".join(pax([("path", f"{i}/" + "n/" * 1900)]) + header("x") for i in range(9000)) + outer(files), slow=True)
    add("v29-outer-size", "refused", archive=lambda: pax([("size", "1024")]) + outer(files), says="PAX header says")
    add("v29-outer-behind", "refused", archive=lambda: outer(files) + outer(files), says="end mark")
    add("v29-outer-cut", "refused", archive=lambda: outer(files)[:3000], says="ends")
    add("v27-outer-empty", "refused", archive=lambda: END)
    add("v27-outer-nothing", "refused", archive=lambda: b"")
    add("v27-outer-zeros", "refused", archive=lambda: b"\0" * 100000)
    add("v27-outer-noise", "refused", archive=lambda: bytes((i * 7919 + 13) % 251 for i in range(20000)))


def _renamed(kind, name):
    return {"char": header(name, type=b"3", major=1, minor=5), "block": header(name, type=b"4", major=8), "fifo": header(name, type=b"6"), "folder": directory(name), "symlink": symlink(name, "/etc/passwd"),
            "hardlink": hardlink(name, "/etc/passwd"), "loop": symlink(name, name.split("/")[-1]), "empty": entry(name, b"")}[kind]


FAMILIES = (wrong_types, digests_and_sizes, confusion, bad_json, steering, docker_archive, outer_archive)
