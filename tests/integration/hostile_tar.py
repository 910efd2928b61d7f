#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile image layers and image archives (SECURITY.md V27-V31), made from scratch, byte by byte.

As a module: layer_cases() and archive_cases() give Case objects; Case.archive() is a complete OCI archive, whose digests
and diff_ids are right unless that is the attack.
As a program: hostile_tar.py OUTDIR writes <name>.tar for each case and cases.json with what must happen.

expect: "refused"  the load fails with a sentence and leaves nothing behind
        "harmless" the load succeeds; whatever the attack wanted did not happen (checks: see Case.absent and Case.present,
                   paths below the layer's diff folder)
"""
import gzip
import hashlib
import json
import os
import struct
import sys
import zlib

BLOCK = 512


def octal(value, length):
    return ("%0*o" % (length - 1, value)).encode() + b"\0"


def header(name, type=b"0", size=0, mode=0o644, uid=0, gid=0, mtime=1, link=b"", magic=b"ustar\0" + b"00",
           prefix=b"", major=0, minor=0, size_field=None, tail=None):
    """One header block with a right checksum."""
    name = name.encode() if isinstance(name, str) else name
    link = link.encode() if isinstance(link, str) else link
    b = bytearray(BLOCK)
    b[0:len(name[:100])] = name[:100]
    b[100:108] = octal(mode, 8)
    b[108:116] = octal(uid, 8)
    b[116:124] = octal(gid, 8)
    b[124:136] = size_field if size_field is not None else octal(size, 12)
    b[136:148] = octal(mtime, 12)
    b[148:156] = b" " * 8
    b[156:157] = type
    b[157:157 + len(link[:100])] = link[:100]
    b[257:265] = magic
    b[329:337] = octal(major, 8)
    b[337:345] = octal(minor, 8)
    b[345:345 + len(prefix[:155])] = prefix[:155]
    if tail:
        at, data = tail
        b[at:at + len(data)] = data
    b[148:156] = b"%06o\0 " % sum(b)
    return bytes(b)


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def entry(name, data=b"", **kw):
    kw.setdefault("size", len(data))
    return header(name, **kw) + pad(data)


def directory(name, mode=0o755, **kw):
    return header(name, type=b"5", mode=mode, **kw)


def symlink(name, target, **kw):
    return header(name, type=b"2", link=target, mode=0o777, **kw)


def hardlink(name, target, **kw):
    return header(name, type=b"1", link=target, **kw)


def record(key, value):
    key = key.encode() if isinstance(key, str) else key
    value = value.encode() if isinstance(value, str) else value
    body = b" " + key + b"=" + value + b"\n"
    size = len(body)
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


def pax(records, type=b"x", raw=None):
    text = raw if raw is not None else b"".join(record(k, v) for k, v in records)
    return header("PaxHeaders/x", type=type, size=len(text)) + pad(text)


END = b"\0" * (2 * BLOCK)


class Case:
    def __init__(self, name, expect, layer=None, absent=(), present=(), compress="plain", archive=None, **lies):
        self.name, self.expect, self.layer = name, expect, layer
        self.absent, self.present, self.compress = list(absent), list(present), compress
        self._archive, self.lies = archive, lies

    def archive(self):
        return self._archive if self._archive is not None else oci_archive(self.layer, self.compress, **self.lies)


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def oci_files(layer, compress="plain", diff_id=None, config=None, manifest=None, index=None, layer_size=None,
              layer_digest=None, layer_type=None, config_bytes=None, blob=None):
    """The files of an OCI layout for one image of one layer; the keyword arguments are lies or additions."""
    if blob is None:
        blob = gzip.compress(layer, 6, mtime=0) if compress == "gzip" else layer
    c = {"architecture": os.environ.get("HOSTILE_ARCH", "amd64"), "os": "linux", "config": {"Cmd": ["/x"]},
         "rootfs": {"type": "layers", "diff_ids": [diff_id or sha(layer)]}}
    c.update(config or {})
    cb = config_bytes if config_bytes is not None else json.dumps(c).encode()
    m = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha(cb), "size": len(cb)},
         "layers": [{"mediaType": layer_type or "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if compress == "gzip" else ""),
                     "digest": layer_digest or sha(blob), "size": len(blob) if layer_size is None else layer_size}]}
    m.update(manifest or {})
    mb = json.dumps(m).encode()
    i = {"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha(mb), "size": len(mb),
         "annotations": {"org.opencontainers.image.ref.name": "hostile.example/x:1"}}]}
    i.update(index or {})
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(i).encode()}
    for data in (blob, cb, mb):
        files["blobs/sha256/" + sha(data)[7:]] = data
    return files


def outer(files):
    return b"".join(entry(name, data) for name, data in files.items()) + END


def oci_archive(layer, compress="plain", **lies):
    return outer(oci_files(layer, compress, **lies))


def layer_cases():
    """Attacks inside a layer."""
    out = []

    def case(name, expect, *parts, **kw):
        out.append(Case(name, expect, b"".join(parts) + kw.pop("end", END), **kw))

    evil = dict(data=b"evil")
    # --- V27: leaving the folder
    case("dotdot", "refused", entry("../escaped", **evil))
    case("dotdot-deep", "refused", entry("a/b/../../../escaped", **evil))
    case("dotdot-inside", "refused", entry("a/../b", **evil))
    case("dotdot-dir", "refused", directory("../escaped-dir"))
    case("dotdot-symlink", "refused", symlink("../escaped", "x"))
    case("dotdot-pax", "refused", pax([("path", "x/../../escaped")]), entry("x", **evil))
    case("dotdot-longname", "refused", entry("././@LongLink", b"../" * 40 + b"escaped\0", type=b"L"), entry("x", **evil))
    case("dotdot-prefix", "refused", header("escaped", prefix=b"..", size=4) + pad(b"evil"))
    case("absolute", "harmless", entry("/tmp/hostile-escaped", **evil), present=["tmp/hostile-escaped"])
    case("absolute-dir", "harmless", directory("//etc//hostile-dir/"), present=["etc/hostile-dir"])
    case("via-symlink-dangling", "refused", symlink("out", "/tmp"), entry("out/hostile-escaped", **evil))
    case("via-symlink", "harmless", directory("tmp"), symlink("out", "/tmp"), entry("out/hostile-escaped", **evil), present=["tmp/hostile-escaped"])
    case("via-symlink-up", "harmless", directory("tmp"), symlink("out", "../../../../../../tmp"), entry("out/hostile-escaped", **evil),
         present=["tmp/hostile-escaped"])
    case("via-symlink-chain", "harmless", symlink("a", "b"), symlink("b", "/"), entry("a/hostile-escaped", **evil),
         present=["hostile-escaped"])
    case("via-symlink-loop", "refused", symlink("a", "b"), symlink("b", "a"), entry("a/x", **evil))
    case("via-symlink-dir", "harmless", symlink("out", "/tmp"), directory("out"), entry("out/x", **evil), present=["out/x"], absent=["tmp"])
    case("over-symlink", "harmless", symlink("f", "/tmp/hostile-escaped"), entry("f", **evil), present=["f"])
    case("via-hardlink", "refused", hardlink("h", "/etc/passwd"), entry("h", **evil))
    case("hardlink-dotdot", "refused", hardlink("h", "../../../../etc/passwd"))
    case("hardlink-via-symlink", "refused", symlink("e", "/etc"), hardlink("h", "e/shadow"))
    case("hardlink-to-symlink", "harmless", symlink("s", "/etc/passwd"), hardlink("h", "s"), entry("h", **evil), present=["h"])
    case("hardlink-to-itself", "refused", entry("f", **evil), hardlink("f", "f"))
    case("hardlink-to-dir", "refused", directory("d"), hardlink("h", "d"))
    case("hardlink-to-root", "refused", hardlink("h", "/"))
    case("hardlink-to-whiteout", "refused", entry(".wh.w"), hardlink("h", "w"))
    case("chmod-through-symlink", "harmless", symlink("s", "/etc/passwd"), header("s", type=b"5", mode=0o4777), present=["s"])
    case("chmod-through-hardlink", "harmless", entry("f", b"x", mode=0o600), hardlink("h", "f", mode=0o4777, uid=1234), present=["h"])
    case("symlink-parent-loop-self", "refused", symlink("a", "a"), entry("a/b/c", **evil))
    case("proc-self-fd", "harmless", symlink("p", "/proc/self/fd/0"), entry("p", **evil), present=["p"])
    case("proc-magic-parent", "refused", symlink("p", "/proc/self/root"), entry("p/hostile-escaped", **evil))
    case("root-as-file", "refused", entry(".", **evil))
    case("root-as-symlink", "refused", symlink("./", "/tmp"))
    case("parent-is-file", "refused", entry("f", **evil), entry("f/x", **evil))
    case("dir-replaced", "harmless", directory("tmp"), directory("d"), entry("d/x", **evil), symlink("d", "/tmp"), entry("d/hostile-escaped", **evil),
         present=["tmp/hostile-escaped"])
    # --- V28: whiteouts and overlay attributes
    case("whiteout-dot", "refused", entry(".wh.."))
    case("whiteout-dotdot", "refused", entry("a/.wh..."))
    case("whiteout-empty", "refused", entry("a/.wh."))
    case("whiteout-as-parent", "refused", entry(".wh.a/x", **evil))
    case("whiteout-as-parent-deep", "refused", entry("d/.wh.a/x", **evil))
    case("whiteout-via-symlink", "harmless", symlink("out", "/"), entry("out/.wh.etc"), present=["etc"])
    case("whiteout-then-child", "harmless", entry(".wh.d"), entry("d/x", **evil), present=["d/x"])
    case("whiteout-over-file", "harmless", entry("f", **evil), entry(".wh.f"), present=["f"])
    case("opaque-root", "harmless", entry(".wh..wh..opq"))
    case("aufs-plink", "refused", directory(".wh..wh.plnk"), entry(".wh..wh.plnk/1.2", **evil))
    case("aufs-file", "harmless", entry(".wh..wh.aufs", **evil), absent=[".wh..wh.aufs"])
    case("char-0-0", "refused", header("w", type=b"3", major=0, minor=0))
    for a in ("trusted.overlay.redirect", "user.overlay.redirect", "trusted.overlay.opaque", "user.overlay.metacopy",
              "user.overlay.origin", "trusted.overlay.metacopy"):
        case("xattr-" + a, "harmless", pax([("SCHILY.xattr." + a, "/etc")]), entry("f", **evil), present=["f"])
    case("xattr-selinux", "harmless", pax([("SCHILY.xattr.security.selinux", "system_u:object_r:bin_t:s0\0")]), entry("f", **evil),
         present=["f"])
    case("xattr-acl", "harmless", pax([("SCHILY.xattr.system.posix_acl_access", b"\x02\0\0\0")]), entry("f", **evil), present=["f"])
    case("xattr-bad-capability", "refused", pax([("SCHILY.xattr.security.capability", "rubbish")]), entry("f", **evil))
    case("device-block", "harmless", header("sda", type=b"4", major=8, minor=0), absent=["sda"])
    case("device-mem", "harmless", header("mem", type=b"3", major=1, minor=1, mode=0o666), absent=["mem"])
    # --- V29: two readers, two archives
    hidden = entry("hidden", **evil)
    case("pax-size-desync", "refused", pax([("size", str(len(hidden)))]), header("f", size=0), hidden)
    case("pax-size-smaller", "refused", pax([("size", "0")]), entry("f", hidden))
    case("pax-size-huge", "refused", pax([("size", str(1 << 62))]), header("f", size=4), pad(b"evil"))
    case("pax-size-negative", "refused", pax([("size", "-1")]), entry("f", **evil))
    case("pax-size-junk", "refused", pax([("size", "4 ")]), entry("f", **evil))
    case("pax-global-size", "refused", pax([("size", "1024")], type=b"g"), entry("f", **evil))
    case("pax-global-path", "refused", pax([("path", "../escaped")], type=b"g"), entry("f", **evil))
    case("pax-twice", "refused", pax([("path", "a")]), pax([("path", "b")]), entry("f", **evil))
    case("pax-path-twice", "refused", pax([("path", "a"), ("path", "b")]), entry("f", **evil))
    case("pax-and-longname", "refused", pax([("path", "a")]), entry("././@LongLink", b"b\0", type=b"L"), entry("f", **evil))
    case("pax-before-global", "refused", pax([("path", "a")]), pax([("comment", "b")], type=b"g"), entry("f", **evil))
    case("pax-at-end", "refused", pax([("path", "a")]))
    case("pax-bad-length", "refused", pax(None, raw=b"99 path=a\n"), entry("f", **evil))
    case("pax-no-newline", "refused", pax(None, raw=b"10 path=abc"), entry("f", **evil))
    case("pax-leading-zero", "refused", pax(None, raw=b"010 path=a\n"), entry("f", **evil))
    case("pax-nul-path", "refused", pax([("path", b"a\0b")]), entry("f", **evil))
    case("pax-empty-path", "refused", pax([("path", "")]), entry("f", **evil))
    case("pax-uid-wrap", "refused", pax([("uid", "4294967296")]), entry("f", **evil))
    case("pax-uid-minus-one", "refused", pax([("uid", "4294967295")]), entry("f", **evil))
    case("longname-two-strings", "refused", entry("././@LongLink", b"a\0b\0", type=b"L"), entry("f", **evil))
    case("longname-twice", "refused", entry("././@LongLink", b"a\0", type=b"L"), entry("././@LongLink", b"b\0", type=b"L"),
         entry("f", **evil))
    case("link-with-data", "refused", header("l", type=b"2", link=b"x", size=len(hidden)), hidden)
    case("dir-with-data", "refused", header("d/", type=b"5", size=len(hidden)), hidden)
    case("hardlink-with-data", "refused", entry("f", **evil), header("h", type=b"1", link=b"f", size=len(hidden)), hidden)
    case("behind-end", "refused", entry("f", **evil), end=END + hidden + END)
    case("one-zero-block", "refused", entry("f", **evil), end=b"\0" * BLOCK + hidden + END)
    case("bad-checksum", "refused", header("f", tail=None)[:148] + b"000000\0 " + header("f")[156:])
    case("bad-magic", "refused", entry("f", b"evil", magic=b"ustar\1\1\1"))
    case("unknown-type", "refused", entry("f", b"evil", type=b"Z"))
    case("multivolume", "refused", entry("f", b"evil", type=b"M"))
    case("size-binary-negative", "refused", header("f", size_field=b"\xff" * 12) + pad(b"evil"))
    case("size-binary-huge", "refused", header("f", size_field=b"\x80" + b"\x7f" * 11) + pad(b"evil"))
    case("size-junk", "refused", header("f", size_field=b"0000x000000\0") + pad(b"evil"))
    for label, m in (("overlap", b"2\n0\n4\n2\n4\n"), ("endless", b"9" * 600), ("beyond", b"1\n100\n8\n"),
                     ("no-number", b"x\n"), ("many", b"99999999\n")):
        case("sparse-" + label, "refused", pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"),
                                               ("GNU.sparse.realsize", "64")]), entry("f", pad(m) + b"eviledat"))
    case("sparse-exabyte", "refused", pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"),
                                          ("GNU.sparse.realsize", str(1 << 60))]), entry("f", pad(b"0\n")))
    case("sparse-two-forms", "refused", pax([("GNU.sparse.map", "0,4"), ("GNU.sparse.size", "4")]), entry("f", b"evil", type=b"S"))
    case("sparse-dir", "refused", pax([("GNU.sparse.map", "0,0"), ("GNU.sparse.size", "4")]), directory("d"))
    # --- V30: bombs and giants
    case("name-component-300", "refused", pax([("path", "n" * 300)]), entry("f", **evil))
    case("name-5000", "refused", pax([("path", "d/" * 2500 + "f")]), entry("f", **evil))
    case("longname-huge", "refused", header("././@LongLink", type=b"L", size=1 << 30))
    case("pax-huge", "refused", header("x", type=b"x", size=1 << 32))
    case("xattrs-many", "refused", pax([("SCHILY.xattr.user.a%d" % i, "x") for i in range(200)]), entry("f", **evil))
    case("xattr-value-huge", "refused", pax([("SCHILY.xattr.user.a", "x" * 70000)]), entry("f", **evil))
    case("nesting-200", "harmless", pax([("path", "/".join(["d"] * 200))]), entry("f", **evil), present=["/".join(["d"] * 200)])
    case("nesting-600", "harmless", pax([("path", "/".join(["d"] * 600))]), entry("f", **evil), present=["/".join(["d"] * 600)])
    case("nesting-2000", "harmless", pax([("path", "/".join(["d"] * 2000))]), entry("f", **evil))
    case("truncated-data", "refused", header("f", size=100000) + b"evil" * 128, end=b"")
    case("truncated-header", "refused", entry("f", **evil), end=b"x" * 100)
    case("truncated-pax", "refused", pax([("path", "a" * 2000)])[:1024], end=b"")
    case("declared-terabyte", "refused", header("f", size_field=b"\x80" + struct.pack(">Q", 1 << 41).rjust(11, b"\0")))
    # A block of zeros a gigabyte long: a thousandth of that in the archive.
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    big = [z.compress(header("zeros", size_field=octal(1 << 30, 12)))]
    chunk = b"\0" * (1 << 20)
    digest = hashlib.sha256(header("zeros", size_field=octal(1 << 30, 12)))
    for _ in range(1 << 10):
        big.append(z.compress(chunk))
        digest.update(chunk)
    big.append(z.compress(END) + z.flush())
    digest.update(END)
    out.append(Case("bomb-limits", "refused", b"", blob=b"".join(big), diff_id="sha256:" + digest.hexdigest(),
                    layer_type="application/vnd.oci.image.layer.v1.tar+gzip"))
    out.append(Case("gzip-truncated", "refused", b"", blob=gzip.compress(entry("f", b"evil") + END, mtime=0)[:-10],
                    diff_id=sha(entry("f", b"evil") + END), layer_type="application/vnd.oci.image.layer.v1.tar+gzip"))
    out.append(Case("gzip-garbage-behind", "refused", b"", blob=gzip.compress(entry("f", b"evil") + END, mtime=0) + b"garbage!",
                    diff_id=sha(entry("f", b"evil") + END), layer_type="application/vnd.oci.image.layer.v1.tar+gzip"))
    out.append(Case("not-a-tar", "refused", os.urandom(4096)))
    return out


def archive_cases():
    """Attacks in the documents and the outer archive (V31)."""
    good = entry("f", b"fine") + END
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    out = [
        Case("control", "harmless", good, present=["f"]),
        Case("control-gzip", "harmless", good, compress="gzip", present=["f"]),
        Case("diff-id-wrong", "refused", good, diff_id="sha256:" + "0" * 64),
        Case("diff-id-path", "refused", good, diff_id="sha256:../../../../etc/passwd"),
        Case("layer-size-wrong", "refused", good, layer_size=7),
        Case("layer-digest-missing", "refused", good, layer_digest="sha256:" + "1" * 64),
        Case("layer-digest-path", "refused", good, layer_digest="sha256:../../../etc/passwd"),
        Case("layer-digest-upper", "refused", good, layer_digest="sha256:" + "A" * 64),
        Case("layer-digest-md5", "refused", good, layer_digest="md5:" + "0" * 32),
        Case("layer-type-foreign", "refused", good, layer_type="text/html"),
        Case("manifest-and-index", "refused", good, manifest={"manifests": []}),
        Case("manifest-type-lies", "refused", good, manifest={"mediaType": "application/vnd.oci.image.index.v1+json"}),
        Case("config-no-layers", "refused", good, config={"rootfs": {"type": "layers", "diff_ids": []}}),
        Case("config-more-layers", "refused", good, config={"rootfs": {"type": "layers", "diff_ids": [sha(good)] * 2}}),
        Case("config-not-json", "refused", good, config_bytes=b"{"),
        Case("config-env-control", "refused", good, config={"config": {"Env": ["A=\u001b[2J"]}}),
        Case("index-itself", "refused", good, index={"manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
                                                                   "digest": "sha256:" + "2" * 64, "size": 10}]}),
        Case("index-empty", "refused", good, index={"manifests": []}),
        Case("index-digest-path", "refused", good, index={"manifests": [{"mediaType": manifest_type, "size": 2,
                                                                        "digest": "sha256:../../../../../../etc/passwd"}]}),
        Case("index-deep", "refused", good, index={"manifests": [{"mediaType": manifest_type, "digest": "sha256:" + "3" * 64, "size": 2}] * 5000}),
        Case("index-not-json", "refused", archive=outer({"oci-layout": b"{}", "index.json": b"[" * 100000})),
        Case("index-huge", "refused", archive=outer({"oci-layout": b"{}", "index.json": b" " * (5 << 20)})),
        Case("empty", "refused", archive=END),
        Case("no-documents", "refused", archive=outer({"hello": b"x"})),
        Case("outer-dotdot", "refused", archive=outer({"../../escaped": b"evil"})),
        Case("outer-device", "refused", archive=header("index.json", type=b"4", major=8) + END),
        Case("outer-fifo", "refused", archive=header("index.json", type=b"6") + END),
    ]
    files = oci_files(good)
    # A blob that is a link out of the archive, and a loop of links.
    blob = [n for n, d in files.items() if d == good][0]
    rest = {n: d for n, d in files.items() if n != blob}
    out.append(Case("blob-symlink-out", "refused", archive=symlink(blob, "/etc/passwd") + outer(rest)))
    out.append(Case("blob-symlink-loop", "refused", archive=symlink(blob, blob.split("/")[-1]) + outer(rest)))
    out.append(Case("blob-hardlink-out", "refused", archive=hardlink(blob, "/etc/passwd") + outer(rest)))
    out.append(Case("blob-wrong-content", "refused", archive=outer(dict(rest, **{blob: b"X" * len(good)}))))

    def docker(manifest, extra=None):
        cfg = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha(good)]}}).encode()
        f = {"c.json": cfg, "layer.tar": good, "manifest.json": json.dumps(manifest).encode()}
        f.update(extra or {})
        return outer(f)

    out += [
        Case("docker-control", "harmless", archive=docker([{"Config": "c.json", "RepoTags": ["hostile.example/x:1"], "Layers": ["layer.tar"]}]),
             present=["f"]),
        Case("docker-config-path", "refused", archive=docker([{"Config": "../../../etc/passwd", "Layers": ["layer.tar"]}])),
        Case("docker-config-absolute", "refused", archive=docker([{"Config": "/etc/passwd", "Layers": ["layer.tar"]}])),
        Case("docker-layer-path", "refused", archive=docker([{"Config": "c.json", "Layers": ["../../etc/passwd"]}])),
        Case("docker-layer-missing", "refused", archive=docker([{"Config": "c.json", "Layers": ["nope"]}])),
        Case("docker-too-few", "refused", archive=docker([{"Config": "c.json", "Layers": []}])),
        Case("docker-no-list", "refused", archive=docker({"Config": "c.json"})),
        Case("docker-bad-tag", "refused", archive=docker([{"Config": "c.json", "RepoTags": ["../x:1"], "Layers": ["layer.tar"]}])),
        Case("docker-tag-option", "refused", archive=docker([{"Config": "c.json", "RepoTags": ["--privileged"], "Layers": ["layer.tar"]}])),
    ]
    return out


def cases():
    return layer_cases() + archive_cases()


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    listing = []
    for c in cases():
        with open(os.path.join(folder, c.name + ".tar"), "wb") as f:
            f.write(c.archive())
        listing.append({"name": c.name, "expect": c.expect, "present": c.present, "absent": c.absent})
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump(listing, f, indent=1)
    print("%d hostile archives in %s" % (len(listing), folder))


if __name__ == "__main__":
    main()
