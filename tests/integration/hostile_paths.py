# SPDX-License-Identifier: Apache-2.0
"""Hostile layers, part 1: names, links, whiteouts, attributes and devices (SECURITY.md V27, V28). See hostile_images.py."""

import base64
import struct

from hostile_tar import END, directory, entry, hardlink, header, pad, pax, symlink

EVIL = b"evil"
UP = "../" * 14

# What must not be a path, whatever carries it.
LEAVING = ["..", "../hostile-x", "../../hostile-x", "a/../../hostile-x", "./../hostile-x", "a/b/../../../hostile-x", "..//hostile-x",
           "hostile-x/..", "a/./../hostile-x", "/../hostile-x", "//..//hostile-x", "a/..", UP + "{victim}/hostile-x"]
CARRIERS = ("name", "prefix", "pax", "longname", "sparse-name")
TYPES = {"file": b"0", "old-file": b"\0", "folder": b"5", "symlink": b"2", "hardlink": b"1", "fifo": b"6", "char": b"3", "block": b"4"}


def carry(carrier, path, kind, link="f", data=EVIL):
    """One entry whose name comes in the form that @carrier says. None: it cannot."""
    raw = path.encode() if isinstance(path, str) else path
    type_ = TYPES[kind]
    kw = {"type": type_}
    if kind in ("symlink", "hardlink"):
        kw["link"] = link
    if kind in ("char", "block"):
        kw.update(major=8, minor=1)
    body = data if kind in ("file", "old-file") else b""
    if carrier == "name":
        return entry(raw, body, **kw) if len(raw) <= 100 else None
    if carrier == "prefix":
        cut = raw.find(b"/")
        if cut <= 0 or len(raw) - cut - 1 > 100 or cut + 1 == len(raw):
            return None
        return entry(raw[cut + 1:], body, prefix=raw[:cut], **kw)
    if carrier == "pax":
        return pax([("path", raw)]) + entry("harmless", body, **kw)
    if carrier == "longname":
        return entry("././@LongLink", raw + b"\0", type=b"L") + entry("harmless", body, **kw)
    if kind != "file":
        return None
    return pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", raw), ("GNU.sparse.realsize", "4")]) + \
        entry("harmless", pad(b"1\n0\n4\n") + data)


def leaving_names(add, victim):
    for number, path in enumerate(LEAVING):
        for carrier in CARRIERS:
            for kind in TYPES:
                text = path.format(victim=victim[1:])
                part = carry(carrier, text, kind)
                if part:
                    add(f"v27-leave-{number}-{carrier}-{kind}", "refused", entry("f", EVIL) + part, says="'..'")
    for number, path in enumerate(LEAVING):
        text = path.format(victim=victim[1:])
        for form in ("field", "pax", "longlink"):
            if form == "field" and len(text) > 100:
                continue
            part = {"field": hardlink("h", text[:100]), "pax": pax([("linkpath", text)]) + hardlink("h", "f"),
                    "longlink": entry("././@LongLink", text.encode() + b"\0", type=b"K") + hardlink("h", "f")}[form]
            add(f"v27-link-target-{number}-{form}", "refused", entry("f", EVIL) + part, says="link")


def through_links(add, victim):
    """Something is done through, onto or with a symlink that points out."""
    targets = ["/", "/etc", victim, UP + victim[1:], "/proc/self/root", "/proc/self/root" + victim, "/proc/self/cwd", "/proc/1/root",
               "/proc/self/fd/0", "/dev/fd/3", ".", "..", "//", "/./" + victim]
    acts = {
        "file": lambda: entry("out/hostile-x", EVIL),
        "folder": lambda: directory("out/hostile-x"),
        "symlink": lambda: symlink("out/hostile-x", "f"),
        "link-from": lambda: hardlink("h", "out/secret"),
        "link-into": lambda: entry("f", EVIL) + hardlink("out/hostile-x", "f"),
        "fifo": lambda: header("out/hostile-x", type=b"6"),
        "whiteout": lambda: entry("out/.wh.secret"),
        "opaque": lambda: entry("out/.wh..wh..opq"),
        "replace-secret": lambda: entry("out/secret", EVIL),
        "chmod-secret": lambda: header("out/secret", type=b"5", mode=0o4777, uid=4242),
        "chmod-link": lambda: header("out", type=b"5", mode=0o4777, uid=4242),
        "over-link": lambda: entry("out", EVIL),
        "device": lambda: header("out/hostile-x", type=b"3", major=1, minor=3),
        "write-twice": lambda: entry("out/hostile-x", EVIL) + entry("out/hostile-x", EVIL * 2),
        "mtime": lambda: directory("out", mtime=77) + directory("out/", mtime=78),
    }
    for i, target in enumerate(targets):
        for label, act in acts.items():
            add(f"v27-through-{i}-{label}", "safe", symlink("out", target[:100]) + act())
    # The link is put in the way of a folder that was there, before and after something is in it.
    for i, target in enumerate((victim, UP + victim[1:], "/")):
        add(f"v27-swap-{i}", "safe", directory("d") + entry("d/a", EVIL) + symlink("d", target[:100]) + entry("d/hostile-x", EVIL))
        add(f"v27-swap-back-{i}", "safe", symlink("d", target[:100]) + directory("d") + entry("d/hostile-x", EVIL))
        add(f"v27-swap-deep-{i}", "safe", directory("a/b/c") + symlink("a/b", target[:100]) + entry("a/b/c/hostile-x", EVIL))
        add(f"v27-swap-times-{i}", "safe", directory("d", mtime=1) + symlink("d", target[:100]) + directory("e", mtime=2))
        add(f"v27-hardlink-then-write-{i}", "safe", symlink("s", target[:100]) + hardlink("h", "s") + entry("h/hostile-x", EVIL))
    for length in (2, 8, 39, 41, 64, 200):
        chain = b"".join(symlink(f"l{i}", f"l{i + 1}") for i in range(length))
        add(f"v27-chain-{length}", "safe", chain + symlink(f"l{length}", victim) + entry("l0/hostile-x", EVIL))
        nest = b"".join(symlink(f"n{i}", f"n{i + 1}/..") for i in range(length))
        add(f"v27-chain-up-{length}", "safe", nest + directory(f"n{length}/x") + entry("n0/hostile-x", EVIL))


def odd_names(add, victim):
    for number, path in enumerate((victim + "/hostile-x", "//" + victim + "//hostile-x", "/./" + victim[1:] + "/./hostile-x", "///hostile-x")):
        for carrier in CARRIERS:
            for kind in ("file", "folder", "fifo"):
                part = carry(carrier, path, kind)
                if part:
                    add(f"v27-absolute-{number}-{carrier}-{kind}", "harmless", part)
    odd = ["...", "....", ". .", " ", "-rf", "~", "~root", "\\..\\x", "C:\\x", "$(id)", "`id`", "a;b", "%2e%2e/x", "x:y", "a\u202eb", "\u2025/x", "lost+found", ".git"]
    for number, name in enumerate(odd):
        add(f"v27-odd-{number}", "harmless", entry(name, EVIL), present=[name])
    for name, says in ((".", "root"), ("./", "root"), ("/", "root"), ("././.", "root"), ("", "no name")):
        for kind in ("file", "symlink", "hardlink", "fifo"):
            add(f"v27-root-{len(name)}-{kind}", "refused", entry("f", EVIL) + carry("name", name, kind), says=says if kind != "file" or name[-1:] != "/" else None,
                loose=True)
    for c in [*range(1, 32), 127]:
        add(f"v27-control-{c:02x}", "harmless", entry(b"a" + bytes([c]) + b"b", EVIL), present=[b"a" + bytes([c]) + b"b"])
        add(f"v27-control-refused-{c:02x}", "refused", entry(b"a" + bytes([c]) + b"[31m/../hostile-x", EVIL), says="'..'")
    for number, raw in enumerate((b"\x80", b"\xff\xfe", b"\xc0\xae\xc0\xae", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80")):
        add(f"v27-utf8-{number}", "harmless", entry(b"u" + raw, EVIL), present=[b"u" + raw])
        add(f"v27-utf8-slash-{number}", "safe", entry(raw + b"/" + raw + b"/hostile-x", EVIL))
    for length in (254, 255):
        add(f"v27-component-{length}", "harmless", pax([("path", "n" * length)]) + entry("f", EVIL), present=["n" * length])
    for length in (256, 257, 1000, 4000):
        add(f"v27-component-{length}", "refused", pax([("path", "n" * length)]) + entry("f", EVIL), says="longer than")
    for length in (4094, 4095):
        add(f"v27-length-{length}", "harmless", pax([("path", ("d/" * 2100)[:length - 1] + "x")]) + entry("f", EVIL))
    for length in (4096, 4097, 5000, 60000):
        add(f"v27-length-{length}", "refused", pax([("path", ("d/" * 40000)[:length - 1] + "x")]) + entry("f", EVIL), says="PAX|longer")
    for number, nul in enumerate((b"\0", b"a\0", b"a\0b", b"\0a", b"../\0", b"f\0/../../hostile-x")):
        add(f"v27-nul-pax-{number}", "refused", pax([("path", nul)]) + entry("f", EVIL), says="PAX header")
        add(f"v27-nul-link-{number}", "refused", pax([("linkpath", nul)]) + symlink("f", "x"), says="PAX header")
        add(f"v27-nul-long-{number}", "refused", entry("././@LongLink", nul + b"\0", type=b"L") + entry("f", EVIL), says="long name")
    add("v27-parent-is-file", "refused", entry("f", EVIL) + entry("f/x", EVIL), says="f/x")
    add("v27-parent-is-fifo", "refused", header("f", type=b"6") + entry("f/x", EVIL), says="f/x")
    add("v27-parent-is-device", "safe", header("f", type=b"3", major=1, minor=3) + entry("f/x", EVIL))
    add("v27-link-to-itself", "refused", entry("f", EVIL) + hardlink("f", "./f"), says="itself")
    add("v27-link-forward", "refused", hardlink("h", "later") + entry("later", EVIL), says="not in this layer")
    add("v27-link-to-fifo", "safe", header("p", type=b"6") + hardlink("h", "p"))
    add("v27-many-links", "harmless", entry("f", EVIL) + b"".join(hardlink(f"h{i}", "f") for i in range(2000)), present=["h1999"])


def whiteouts(add, _victim):
    bad = ["", ".", ".."]
    for place in ("", "d/", "d/e/", "./"):
        for name in bad:
            for kind in TYPES:
                add(f"v28-whiteout-of-{len(name)}-{place.count('/')}{place[:1]}-{kind}", "refused",
                    entry("f", EVIL) + carry("name", f"{place}.wh.{name}", kind, data=b""), says="whiteout|no name|hid", loose=True)
        for name in ("x", "...", "x.wh.", " ", "-", "x\ty"):
            for kind in TYPES:
                add(f"v28-hide-{name.strip()}-{len(name)}-{place.count('/')}{place[:1]}-{kind}", "safe", entry("f", EVIL) + carry("name", f"{place}.wh.{name}", kind, data=b""))
    for inner in (".wh.a/x", "d/.wh.a/x", ".wh..wh..opq/x", "d/.wh..wh..opq/x", ".wh..wh.plnk/x", ".wh.a/.wh.b", "d/.wh.a/b/c"):
        add(f"v28-below-{inner.replace('/', '+')}", "refused", entry(inner, EVIL), says="below a whiteout")
    for special in (".wh..wh..opq", ".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk", ".wh..wh.", ".wh..wh..wh."):
        for kind in TYPES:
            add(f"v28-special-{special}-{kind}", "safe", entry("f", EVIL) + carry("name", "d/" + special, kind, data=b""))
            add(f"v28-special-data-{special}-{kind}", "safe", entry("f", EVIL) + carry("name", special, kind, data=EVIL))
    add("v28-link-to-whiteout", "refused", entry(".wh.w") + hardlink("h", "w"), says="no file")
    add("v28-link-to-whiteout-name", "refused", entry(".wh.w") + hardlink("h", ".wh.w"), says="not in this layer")
    add("v28-symlink-over-whiteout", "harmless", entry(".wh.w") + symlink("w", "/etc"), present=["w"])
    add("v28-whiteout-hides-own", "harmless", directory("d") + entry("d/x", EVIL) + entry(".wh.d"), present=["d/x"])
    add("v28-write-into-whiteout", "refused", entry(".wh.w") + entry("w", EVIL) + entry("w/x", EVIL), says="w/x")


def attributes(add, _victim):
    words = ["opaque", "redirect", "metacopy", "origin", "impure", "nlink", "upper", "uuid", "xwhiteouts", "whiteout", "protattr", "verity",
             "overlay.opaque", "", "x" * 40]
    bodies = {"file": entry("f", EVIL), "folder": directory("f"), "root": directory("./"), "symlink": symlink("f", "x")}
    for prefix in ("trusted.overlay.", "user.overlay."):
        for word in words:
            for label, body in bodies.items():
                add(f"v28-xattr-{prefix}{word[:16] or 'empty'}-{label}", "safe", pax([("SCHILY.xattr." + prefix + word, "/etc")]) + body, no_xattrs=True)
            add(f"v28-xattr-bsd-{prefix}{word[:16] or 'empty'}", "safe",
                pax([("LIBARCHIVE.xattr." + prefix + word, base64.b64encode(b"y"))]) + bodies["folder"], no_xattrs=True)
    others = ["security.selinux", "security.ima", "security.evm", "security.SMACK64", "security.apparmor", "system.posix_acl_access",
              "system.posix_acl_default", "system.nfs4_acl", "trusted.x", "btrfs.compression", "os2.x", "nothing", "user", "USER.x"]
    for name in others:
        for label, body in bodies.items():
            add(f"v28-xattr-{name}-{label}", "safe", pax([("SCHILY.xattr." + name, b"\2\0\0\0")]) + body, no_xattrs=True)
    for key in ("SCHILY.acl.access", "SCHILY.acl.default", "RHT.security.selinux", "SCHILY.fflags", "MSWINDOWS.rawsd", "LIBARCHIVE.symlinktype"):
        add(f"v28-key-{key}", "harmless", pax([(key, "user::rwx")]) + entry("f", EVIL), no_xattrs=True)
    for size in (0, 1, 4, 11, 12, 19, 21, 23, 25, 200):
        add(f"v28-capability-{size}", "refused" if size else "safe", pax([("SCHILY.xattr.security.capability", bytes([1, 0, 0, 2] * 50)[:size])]) + entry("f", EVIL),
            says="security.capability" if size else None)
    # A capability of a user namespace's root elsewhere (version 3): kept or refused, never turned into one of ours (version 2).
    for rootid in (0, 1, 1000, 0xfffffffe, 0xffffffff):
        add(f"v28-capability-v3-{rootid}", "safe",
            pax([("SCHILY.xattr.security.capability", struct.pack("<IIIIII", 0x03000001, 0xffffffff, 0, 0xff, 0, rootid))]) + entry("f", EVIL))
    for size, says in ((65536, None), (65537, "PAX header"), (200000, "PAX header")):
        add(f"v28-xattr-value-{size}", "safe" if says is None else "refused", pax([("SCHILY.xattr.user.a", "x" * size)]) + entry("f", EVIL), says=says)
    for length in (200, 250, 251, 255, 256, 300):
        add(f"v28-xattr-name-{length}", "safe", pax([("SCHILY.xattr.user." + "n" * (length - 5), "x")]) + entry("f", EVIL))


def devices(add, _victim):
    numbers = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 11), (8, 0), (7, 0), (10, 200), (10, 232), (259, 0), (0xfff, 0xfffff), (0o7777777, 0)]
    for kind in ("char", "block"):
        for major, minor in numbers:
            for name in ("dev/hostile", "hostile"):
                add(f"v28-device-{kind}-{major}-{minor}-{name.count('/')}", "harmless",
                    header(name, type=TYPES[kind], major=major, minor=minor, mode=0o6777), absent=[name])
        add(f"v28-device-{kind}-data", "refused", header("x", type=TYPES[kind], major=8, size=512) + b"x" * 512, says="claims")
        add(f"v28-device-{kind}-binary", "harmless", header("x", type=TYPES[kind], tail=(329, b"\x80" + b"\0" * 6 + b"\1" + b"\x80" + b"\0" * 6 + b"\1")), absent=["x"])
        add(f"v28-device-{kind}-negative", "refused", header("x", type=TYPES[kind], tail=(329, b"\xff" * 8)), says="device number")
        add(f"v28-device-{kind}-rubbish", "refused", header("x", type=TYPES[kind], tail=(329, b"rubbish!")), says="device number")
    zero = {"octal": b"0000000\0" * 2, "empty": b"\0" * 16, "blank": b"       \0" * 2, "binary": (b"\x80" + b"\0" * 7) * 2}
    for label, field in zero.items():
        add(f"v28-forged-whiteout-{label}", "refused", header("w", type=b"3", tail=(329, field)), says="0:0")
    add("v28-forged-whiteout-pax", "safe", pax([("SCHILY.devmajor", "0"), ("SCHILY.devminor", "0")]) + header("w", type=b"3", major=1, minor=3), absent=["w"])
    add("v28-forged-whiteout-link", "refused", header("w", type=b"3", major=0, minor=0) + hardlink("h", "w"), says="0:0")


FAMILIES = (leaving_names, through_links, odd_names, whiteouts, attributes, devices)
__all__ = ["FAMILIES", "EVIL", "END"]
