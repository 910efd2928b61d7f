# SPDX-License-Identifier: Apache-2.0
"""Hostile layers, part 2: what two readers would read differently, sparse maps, bombs (SECURITY.md V29, V30). See hostile_images.py."""

import gzip
import struct
import zlib

from hostile_tar import BLOCK, END, directory, entry, hardlink, header, octal, pad, pax, record, sha, symlink

EVIL = b"evil"
HIDDEN = entry("hidden", EVIL)
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
NUMBERS = ["", " 4", "4 ", "+4", "-1", "-0", "0x4", "4\0", "4.0", "1e3", "\u0664", "18446744073709551616", "9223372036854775808", "4,4", "4\n", "NaN"]


def sizes(add):
    """A PAX size that contradicts the header (CVE-2025-62518), with an archive as the data in dispute."""
    for said in (0, 4, 512, 1024, 1536):
        for real in (0, 4, 512, 1024, 1536):
            if said == real:
                continue
            body = header("f", size=real) + (pad(HIDDEN * 2)[:(max(said, real) + 511) // 512 * 512])
            x = pax([("size", str(said))])
            add(f"v29-size-{said}-{real}", "refused", x + body, says="PAX header says")
            add(f"v29-size-long-{said}-{real}", "refused", x + entry("././@LongLink", b"g\0", type=b"L") + body, says="PAX header says")
            add(f"v29-size-longlink-{said}-{real}", "refused", entry("././@LongLink", b"g\0", type=b"K") + x + body, says="PAX header says")
    for size in (1 << 33, 1 << 40, 1 << 62, (1 << 63) - 1):
        add(f"v29-size-above-{size}", "refused", pax([("size", str(size))]) + header("f", size_field=b"77777777777\0") + EVIL * 128, says="ends|files of more", end=b"")
        add(f"v29-size-header-smaller-{size}", "refused", pax([("size", str(size))]) + entry("f", EVIL), says="PAX header says")
    for kind, label in ((b"1", "hardlink"), (b"2", "symlink"), (b"3", "char"), (b"4", "block"), (b"5", "folder"), (b"6", "fifo")):
        for size in (1, 511, 512, 513, 1024, 1 << 32):
            body = header("l", type=kind, link=b"f" if kind in b"12" else b"", size=size) if size < 1 << 32 else \
                header("l", type=kind, link=b"f" if kind in b"12" else b"", size_field=b"\x80" + b"\0" * 3 + struct.pack(">Q", size))
            add(f"v29-data-on-{label}-{size}", "refused", entry("f", EVIL) + body + HIDDEN, says="claims")
        add(f"v29-data-on-{label}-pax", "refused", entry("f", EVIL) + pax([("size", "512")]) + header("l", type=kind, link=b"f", major=1) + HIDDEN, says="PAX header says")


def records(add):
    for key in ("size", "uid", "gid"):
        for i, value in enumerate(NUMBERS):
            add(f"v29-pax-{key}-{i}", "refused", pax([(key, value)]) + entry("f", EVIL), says=f"PAX header: the value of '{key}'")
    for value in ("4294967295", "4294967296", "9223372036854775807"):
        for key in ("uid", "gid"):
            add(f"v29-pax-{key}-{value}", "refused", pax([(key, value)]) + entry("f", EVIL), says="value of")
    for i, value in enumerate(("", "x", "1.", ".1", "1.x", "1.2.3", "--1", "9223372036854775808", "1\0", "1" * 70, "1,5", "0x1")):
        add(f"v29-pax-mtime-{i}", "safe", pax([("mtime", value)]) + entry("f", EVIL))
    for key, value in (("path", "a"), ("linkpath", "a"), ("size", "4"), ("uid", "0"), ("gid", "0"), ("mtime", "1"), ("SCHILY.xattr.user.a", "b")):
        for second in (value, "1"):
            add(f"v29-twice-{key}-{second}", "refused", pax([(key, value), (key, second)]) + entry("f", EVIL), says="twice")
        add(f"v29-two-headers-{key}", "refused", pax([(key, value)]) * 2 + entry("f", EVIL), says="two PAX headers")
        add(f"v29-at-end-{key}", "refused", entry("f", EVIL) + pax([(key, value)]), says="belongs to no entry")
        add(f"v29-before-global-{key}", "refused", pax([(key, value)]) + pax([("comment", "x")], type=b"g") + entry("f", EVIL), says="global header")
    framing = {
        "zero": b"0 path=a\n", "minus": b"-1 path=a\n", "plus": b"+9 path=a\n", "space": b" 9 path=a\n", "tab": b"9\tpath=a\n", "padded": b"009 path=a\n",
        "short": b"8 path=a\n", "long": b"11 path=a\n", "beyond": b"99 path=a\n", "huge": b"99999999999999999999 path=a\n", "no-equals": b"8 patha\n",
        "no-newline": b"9 path=ab", "empty-key": b"5 =a\n", "nul-key": b"11 pa\0th=a\n", "garbage": record("path", "a") + b"x", "zeros": record("path", "a") + b"\0\0\0",
        "crlf": b"10 path=a\r", "hex": b"0x9 path=a\n", "only-length": b"3 \n", "two-newlines": record("path", "a") + b"\n", "empty-record": b"2 ",
        "wraps": b"18446744073709551625 path=a\n", "letters": b"nine path=a\n", "key-newline": b"10 pa\nth=a\n"[:10],
    }
    for label, raw in framing.items():
        for flag in (b"x", b"g"):
            add(f"v29-framing-{label}-{flag.decode()}", "refused", pax(None, raw=raw, type=flag) + entry("f", EVIL), says="PAX header|no valid")
    for key in ("path", "linkpath", "size", "GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.name", "GNU.sparse.size", "SCHILY.realsize"):
        for place, make in (("first", lambda g: g + entry("f", EVIL)), ("middle", lambda g: entry("e", EVIL) + g + entry("f", EVIL)), ("last", lambda g: entry("e", EVIL) + g)):
            add(f"v29-global-{key}-{place}", "refused", make(pax([(key, "1")], type=b"g")), says="for all entries")
    for key in ("GNU.sparse.x", "SCHILY.realsize", "GNU.sparse.major.x"):
        add(f"v29-unknown-{key}", "refused", pax([(key, "1")]) + entry("f", EVIL), says="PAX header")
    names = {"empty": b"", "none": b"\0", "two": b"a\0b\0", "tail": b"a\0\0", "junk": b"a\0x", "huge": b"n/" * 2050 + b"\0"}
    for flag in (b"L", b"K"):
        body = entry("f", EVIL) if flag == b"L" else symlink("f", "x")
        for label, raw in names.items():
            add(f"v29-long-{flag.decode()}-{label}", "refused", entry("././@LongLink", raw, type=flag) + body, says="long name|extended header")
        good = entry("././@LongLink", b"a\0", type=flag)
        add(f"v29-long-{flag.decode()}-twice", "refused", good * 2 + body, says="two long names")
        add(f"v29-long-{flag.decode()}-end", "refused", good, says="belongs to no entry")
        add(f"v29-long-{flag.decode()}-global", "refused", good + pax([("comment", "x")], type=b"g") + body, says="global header")
        add(f"v29-long-{flag.decode()}-and-pax", "refused", good + pax([("path" if flag == b"L" else "linkpath", "b")]) + body, says="twice|two")
        add(f"v29-pax-and-long-{flag.decode()}", "refused", pax([("path" if flag == b"L" else "linkpath", "b")]) + good + body, says="twice|two")
        for size in (1 << 20, 1 << 30):
            add(f"v30-long-{flag.decode()}-{size}", "refused", header("././@LongLink", type=flag, size=size), says="extended header")
    for flag in (b"x", b"g"):
        for size in ((1 << 20) + 1, 1 << 26, 1 << 32):
            add(f"v30-pax-size-{flag.decode()}-{size}", "refused", header("x", type=flag, size_field=b"\x80" + b"\0" * 3 + struct.pack(">Q", size)), says="extended header")


def fields(add):
    places = {"mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "mtime": (136, 12)}
    for name, (at, length) in places.items():
        junk = {"eight": b"0000008", "nine": b"9", "minus": b"-0000001", "hex": b"0x10", "letter": b"000a", "comma": b"0,1", "nul-inside": b"01\0001", "space-inside": b"01 01",
                "plus": b"+1", "dot": b"1.0"}
        for label, text in junk.items():
            add(f"v29-field-{name}-{label}", "refused", header("f", tail=(at, (text + b"\0" * length)[:length])), says="not a valid number")
        binary = {"minus-one": b"\xff" * length, "huge": b"\x80" + b"\x7f" * (length - 1), "high": b"\xbf" + b"\xff" * (length - 1), "sign": b"\x80" + b"\xff" * (length - 1)}
        for label, raw in binary.items():
            expect = "safe" if name == "mtime" or (name == "mode" and label != "minus-one") else "refused"
            add(f"v29-field-{name}-binary-{label}", expect, header("f", tail=(at, raw)), says=None if expect == "safe" else "number|range|ends|files of more")
    for label, text in {"off": None, "zero": b"000000\0 ", "empty": b"\0" * 8, "blank": b" " * 8, "binary": b"\x80" + b"\0" * 7, "letters": b"abcdefg\0", "minus": b"-1\0\0\0\0\0\0"}.items():
        good = bytearray(header("f"))
        good[148:156] = text if text else b"%06o\0 " % (int(bytes(good[148:154]), 8) + 1)
        add(f"v29-checksum-{label}", "refused", bytes(good), says="checksum")
    high = bytearray(header(b"\xff" * 90))
    signed = sum(c - 256 if c > 127 else c for c in high[:148] + b" " * 8 + high[156:])
    high[148:156] = b"%06o\0 " % signed
    add("v29-checksum-signed", "refused", bytes(high), says="checksum")
    for i, magic in enumerate((b"ustar\0" + b"01", b"ustar\0" + b"  ", b"ustar\0\0\0", b"ustar   ", b"ustar00\0", b"ustar\1\1\1", b"ustarxyz", b"ustar  \1")):
        add(f"v29-magic-{i}", "refused", header("f", magic=magic), says="dialect")
    for i, magic in enumerate((b"USTAR\0" + b"00", b"\0" * 8, b"GNUtar \0", b"tar\0\0\0\0\0", b"\xff" * 8)):
        add(f"v29-magic-old-{i}", "safe", entry("f", EVIL, magic=magic, prefix=b"../../x"))
    known = b"\0" + b"01234567xgLKS"
    for c in range(1, 256):
        if bytes([c]) not in [known[i:i + 1] for i in range(len(known))] and (32 < c < 127 or c % 16 == 0):
            add(f"v29-type-{c:02x}", "refused", entry("f", EVIL, type=bytes([c])), says="entry type")
    # GNU's own forms under POSIX' magic: the prefix field lies where the sparse map would be.
    add("v29-old-sparse-posix-magic", "refused", header("s", type=b"S", size=4, tail=(386, octal(0, 12) + octal(4, 12))) + pad(EVIL), says="sparse|GNU")
    ends = {"half-block": b"\0" * 100, "one-then-entry": b"\0" * BLOCK + HIDDEN + END, "two-then-entry": END + HIDDEN + END, "many-then-byte": b"\0" * 10240 + b"x" + b"\0" * 511,
            "second-archive": END + entry("f", b"other") + END, "far-entry": b"\0" * (1 << 20) + HIDDEN + END, "gzip-behind": END + gzip.compress(HIDDEN + END, mtime=0),
            "junk": b"junk" * 128, "short-header": HIDDEN[:300]}
    for label, tail in ends.items():
        add(f"v29-end-{label}", "safe" if label == "half-block" else "refused", entry("f", EVIL), end=tail, says=None if label == "half-block" else "end|checksum|header")
    for cut in (1, 100, 511, 512, 513, 600, 1023):
        add(f"v29-cut-{cut}", "refused" if cut != 512 else "refused", entry("f", b"x" * 600)[:cut], end=b"", says="ends")
    add("v29-none", "safe", b"", end=b"")


def piece(offset, length):
    return octal(offset, 12) + octal(length, 12)


def old_sparse(pieces, real, data, extended=(), more=0, size=None):
    h = header("s", type=b"S", size=len(data) if size is None else size, magic=b"ustar  \0",
               tail=(386, b"".join(pieces).ljust(96, b"\0")[:96] + bytes([1 if extended or more else 0]) + (real if isinstance(real, bytes) else octal(real, 12))))
    for i, block in enumerate(extended):
        h += b"".join(block).ljust(504, b"\0") + bytes([1 if i + 1 < len(extended) or more else 0]) + b"\0" * 7
    return h + pad(data)


def sparse_forms(pairs, real, data, size_key=True):
    """One map in the four forms."""
    maps = ",".join(f"{o},{n}" for o, n in pairs)
    size = [("GNU.sparse.size", str(real))] if size_key else []
    yield "0.0", pax([*size, ("GNU.sparse.numblocks", str(len(pairs))), *[kv for o, n in pairs for kv in (("GNU.sparse.offset", str(o)), ("GNU.sparse.numbytes", str(n)))]]) + entry("s", data)
    yield "0.1", pax([*size, ("GNU.sparse.numblocks", str(len(pairs))), ("GNU.sparse.map", maps)]) + entry("s", data)
    lines = pad("".join([f"{len(pairs)}\n", *[f"{o}\n{n}\n" for o, n in pairs]]).encode())
    yield "1.0", pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"), *([("GNU.sparse.realsize", str(real))] if size_key else [])]) + entry("s", lines + data)
    if all(0 <= o < 8 ** 11 and 0 <= n < 8 ** 11 for o, n in pairs) and 0 <= real < 8 ** 11 and len(pairs) <= 4 and size_key:
        yield "old", old_sparse([piece(o, n) for o, n in pairs], real, data)


def sparse(add):
    wrong = {
        "overlap": ([(0, 4), (2, 4)], 8, b"x" * 8), "backwards": ([(100, 4), (0, 4)], 200, b"x" * 8), "beyond": ([(100, 8)], 104, b"x" * 8), "sum-less": ([(0, 4)], 8, b"x" * 8),
        "sum-more": ([(0, 9)], 9, b"x" * 8), "wraps": ([(1 << 63, 8)], 8, b"x" * 8), "wraps-sum": ([((1 << 63) - 4, 8)], 8, b"x" * 8), "negative": ([(-1, 8)], 8, b"x" * 8),
        "negative-length": ([(0, -8)], 8, b"x" * 8), "exabyte": ([(0, 8)], 1 << 60, b"x" * 8), "max": ([(0, 8)], (1 << 63) - 1, b"x" * 8), "data-without-map": ([], 8, b"x" * 8),
        "twice": ([(0, 4), (0, 4)], 8, b"x" * 8),
    }
    for label, (pairs, real, data) in wrong.items():
        for form, part in sparse_forms(pairs, real, data):
            add(f"v29-sparse-{label}-{form}", "refused", part, says="sparse|PAX header|files of more")
    for form, part in sparse_forms([(0, 4)], 4, EVIL, size_key=False):
        add(f"v29-sparse-no-size-{form}", "refused", part, says="size")
    for form, part in sparse_forms([(0, 4), (100, 4), (108, 0)], 108, EVIL * 2):
        add(f"v29-sparse-right-{form}", "harmless", part, present=["s"])
    many = [(i * 2, 0) for i in range(70000)]
    for form, part in sparse_forms(many, 1 << 20, b""):
        add(f"v30-sparse-many-{form}", "refused", part, says="pieces|extended header")
    base = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"), ("GNU.sparse.realsize", "64")]
    for label, text in {"blank": b"1\n\n4\n", "cr": b"1\r\n0\r\n4\r\n", "plus": b"1\n+0\n4\n", "space": b"1\n 0\n4\n", "endless": b"9" * 512, "hex": b"0x1\n0\n4\n", "nul": b"1\n0\0\n4\n",
                        "no-end": b"4\n0\n1\n", "too-few": b"2\n0\n4\n", "huge-count": b"99999999\n", "19-digits": b"1\n1111111111111111111\n4\n", "empty": b""}.items():
        add(f"v29-sparse-lines-{label}", "refused", pax(base) + entry("s", pad(text) + EVIL if text else b""), says="sparse")
    for key, values in {"GNU.sparse.major": ("2", "0x1", "99"), "GNU.sparse.minor": ("1", "7"), "GNU.sparse.realsize": NUMBERS, "GNU.sparse.name": ("", "../../hostile-x", "a\0b")}.items():
        for i, value in enumerate(values):
            add(f"v29-sparse-{key[11:]}-{i}", "refused", pax([(k, value if k == key else v) for k, v in base]) + entry("s", pad(b"1\n0\n4\n") + EVIL), says="PAX header|'..'")
        if key != "GNU.sparse.name":
            add(f"v29-sparse-{key[11:]}-twice", "refused", pax([*base, (key, "9")]) + entry("s", pad(b"1\n0\n4\n") + EVIL), says="twice|sparse")
    for label, text in {"odd": "0,4,5", "blank": "0, 4", "empty": "", "comma": "0,4,", "minus": "0,-4", "letters": "a,b", "nul": "0,4\0"}.items():
        add(f"v29-sparse-map-{label}", "refused", pax([("GNU.sparse.size", "4"), ("GNU.sparse.map", text)]) + entry("s", EVIL), says="PAX header|sparse")
    for blocks in ("0", "2", "99999999999"):
        add(f"v29-sparse-numblocks-{blocks}", "refused", pax([("GNU.sparse.size", "4"), ("GNU.sparse.numblocks", blocks), ("GNU.sparse.map", "0,4")]) + entry("s", EVIL), says="sparse|PAX")
    add("v29-sparse-only-size", "refused", pax([("GNU.sparse.size", "4096")]) + entry("s", b""), says="sparse")
    add("v29-sparse-offset-alone", "refused", pax([("GNU.sparse.size", "4"), ("GNU.sparse.offset", "0")]) + entry("s", EVIL), says="PAX")
    add("v29-sparse-numbytes-first", "refused", pax([("GNU.sparse.size", "4"), ("GNU.sparse.numbytes", "4"), ("GNU.sparse.offset", "0")]) + entry("s", EVIL), says="PAX")
    for kind, body in {"folder": directory("s"), "symlink": symlink("s", "x"), "hardlink": entry("f", EVIL) + hardlink("s", "f"), "fifo": header("s", type=b"6"),
                       "device": header("s", type=b"3", major=1, minor=3)}.items():
        add(f"v29-sparse-on-{kind}", "refused", body[:-BLOCK] + pax([("GNU.sparse.size", "4"), ("GNU.sparse.map", "0,0")]) + body[-BLOCK:], says="sparse")
    add("v29-sparse-two-forms", "refused", pax([("GNU.sparse.size", "4"), ("GNU.sparse.map", "0,4")]) + old_sparse([piece(0, 4)], 4, EVIL), says="two forms")
    add("v29-sparse-map-and-lines", "refused", pax([*base, ("GNU.sparse.map", "0,4")]) + entry("s", pad(b"1\n0\n4\n") + EVIL), says="two forms|sparse")
    add("v29-sparse-old-endless", "refused", old_sparse([], 4, b"", extended=[[]] * 2000, more=1), says="sparse|ends", end=b"")
    add("v29-sparse-old-chain", "harmless", old_sparse([piece(0, 1)] + [piece(2 * i, 1) for i in range(1, 4)], 200, b"x" * 46, extended=[[piece(8 + 2 * i, 1) for i in range(21)], [piece(50 + 2 * i, 1) for i in range(21)]]),
        present=["s"])
    add("v29-sparse-old-real-junk", "refused", old_sparse([piece(0, 4)], b"9" * 12, EVIL), says="sparse")
    add("v29-sparse-old-map-junk", "refused", old_sparse([b"x" * 24], 4, EVIL), says="sparse")


def packed(data):
    return gzip.compress(data, 6, mtime=0)


def zeros(name, size, mode=31):
    """A file of zeros in as little as deflate can, with its diff_id never reached."""
    z = zlib.compressobj(9, zlib.DEFLATED, mode)
    out = [z.compress(header(name, size_field=b"\x80" + b"\0" * 3 + struct.pack(">Q", size)))]
    chunk = b"\0" * (1 << 20)
    for _ in range(size >> 20):
        out.append(z.compress(chunk))
    return b"".join(out) + z.compress(END) + z.flush()


def zstd_frame(window, blocks=b"\1\0\0", content=b""):
    """A zstd frame by hand: @window is the descriptor byte."""
    return struct.pack("<I", 0xfd2fb528) + b"\0" + bytes([window]) + content + blocks


def bombs(add):
    layer = entry("f", EVIL) + END
    right = sha(layer)

    def blob(name, data, says=None, type_=GZIP, diff=right, expect="refused", **kw):
        add(name, expect, b"", blob=data, diff_id=diff, layer_type=type_, says=says, **kw)

    z = packed(layer)
    for cut in (1, 5, 10, 18, len(z) - 9, len(z) - 8, len(z) - 4, len(z) - 1):
        blob(f"v30-gzip-cut-{cut}", z[:cut], says="early|header|tar|ends|no image|damaged")
    for at in (2, 3, 12, 20, len(z) - 8, len(z) - 4, len(z) - 1):
        blob(f"v30-gzip-flip-{at}", z[:at] + bytes([z[at] ^ 0x55]) + z[at + 1:], says=None)
    blob("v30-gzip-behind", z + b"garbage!", says="gzip|damaged")
    blob("v30-gzip-in-gzip", packed(z), says="tar|checksum|header|ends")
    blob("v30-gzip-nested-9", packed(packed(packed(packed(packed(packed(packed(packed(z)))))))), says="tar|checksum|header|ends")
    blob("v30-gzip-empty-members", packed(b"") * 20000 + z, expect="harmless", says=None)
    blob("v30-gzip-only-empty", packed(b"") * 20000, says="diff_id|ends|tar")
    blob("v30-gzip-long-name", b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"n" * 1000000 + b"\0" + z[10:], expect="safe")
    blob("v30-gzip-long-extra", b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + b"\xff\xff" + b"n" * 65535 + z[10:], expect="safe")
    blob("v30-gzip-endless-name", b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"n" * 1000000, says="early|damaged")
    blob("v30-gzip-wrong-method", b"\x1f\x8b\x07" + z[3:])
    blob("v30-gzip-far-back", b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\x4b\x04\x62\xff\xff", says="gzip|damaged|early")
    for label, magic in {"bzip2": b"BZh91AY&SY", "xz": b"\xfd7zXZ\0", "lzma": b"\x5d\0\0\x80\0", "lz4": b"\x04\x22\x4d\x18", "zip": b"PK\3\4", "7z": b"7z\xbc\xaf\x27\x1c", "ar": b"!<arch>\n", "cpio": b"070701",
                         "elf": b"\x7fELF", "script": b"#!/bin/sh\n"}.items():
        blob(f"v30-other-{label}", magic + b"\0" * 600, type_="application/vnd.oci.image.layer.v1.tar", says="tar|checksum|compress")
    for window in range(0x88, 0x100, 8):
        blob(f"v30-zstd-window-{window:02x}", zstd_frame(window), type_=ZSTD, says="zstd|tar|diff_id|ends|window")
    blob("v30-zstd-skippable", struct.pack("<II", 0x184d2a50, 0xffffffff) + b"x" * 1000, type_=ZSTD, says="zstd|early|checksum|tar")
    blob("v30-zstd-skippable-many", struct.pack("<II", 0x184d2a50, 0) * 50000, type_=ZSTD)
    blob("v30-zstd-empty-frames", zstd_frame(0x38) * 20000, type_=ZSTD)
    # A block of one byte repeated 128 KiB times is four bytes: the densest bomb there is.
    rle = struct.pack("<I", (128 << 10) << 3 | 2)[:3] + b"\0"
    blob("v30-zstd-rle", zstd_frame(0x58, rle * 12000 + b"\1\0\0"), type_=ZSTD, says="bomb|tar|diff_id|end")
    blob("v30-zstd-dictionary", struct.pack("<I", 0xfd2fb528) + b"\3" + b"\0\1\2\3\4\5" + b"\1\0\0", type_=ZSTD)
    blob("v30-bomb-file", lambda: zeros("zeros", 2 << 30), says="bomb")
    blob("v30-bomb-declared", lambda: zeros("zeros", 300 << 20), says="diff_id", slow=True)
    blob("v30-bomb-end", lambda: packed(layer) + zlib_zeros(1200 << 20), says="bomb")
    add("v30-globals", "safe", b"".join(pax([("comment", "x" * 900000)], type=b"g") for _ in range(40)) + entry("f", EVIL), compress="gzip")
    many = pax([("comment", "x" * 900000)], type=b"g")
    add("v30-globals-many", "safe", lambda: many * 300 + entry("f", EVIL) + END, compress="gzip")
    add("v30-records-many", "safe", pax(None, raw=record("c", "") * 150000) + entry("f", EVIL), compress="gzip")
    add("v30-records-distinct", "safe", pax(None, raw=b"".join(record(f"VENDOR.{i}", "") for i in range(40000))) + entry("f", EVIL), compress="gzip")
    add("v30-entries-same", "harmless", entry("f", EVIL) * 20000, compress="gzip", present=["f"])
    add("v30-entries-folders", "harmless", b"".join(directory(f"d{i}") for i in range(8000)), compress="gzip")
    add("v30-entries-replaced", "harmless", (directory("d") + entry("d/x", EVIL) + symlink("d", "/")) * 3000, compress="gzip")
    for depth in (100, 500, 1000, 2000):
        add(f"v30-deep-{depth}", "harmless", pax([("path", "/".join("d" * depth))]) + entry("f", EVIL))
        add(f"v30-deep-whiteout-{depth}", "safe", pax([("path", "d/" * depth + ".wh.x")]) + entry("f", b""))
        add(f"v30-deep-replaced-{depth}", "harmless", pax([("path", "/".join("d" * depth))]) + entry("f", EVIL) + entry("d", EVIL), present=["d"])
    step = b"".join(pax([("path", "/".join(["e" * 10] * n))]) + directory("x") for n in range(1, 300))
    add("v30-deep-steps", "harmless", step, compress="gzip")
    implied = b"".join(pax([("path", f"i{n}/" + "p" * 200 + "/" + "q" * 200 + "/f")]) + entry("f", b"") for n in range(4000))
    add("v30-implied-folders", "harmless", implied, compress="gzip")
    add("v30-xattrs-128", "safe", pax([("SCHILY.xattr.user.a%d" % i, "x") for i in range(128)]) + entry("f", EVIL))
    for count in (129, 200, 5000):
        add(f"v30-xattrs-{count}", "refused", pax([("SCHILY.xattr.user.a%d" % i, "x") for i in range(count)]) + entry("f", EVIL), says="attributes")
    for exponent in (38, 40, 50, 62):
        add(f"v30-declared-{exponent}", "refused", header("f", size_field=b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << exponent)) + EVIL * 128, end=b"", says="files of more|ends")
    hole = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"), ("GNU.sparse.realsize", str(1 << 37))]
    add("v30-holes", "safe", b"".join(pax([(k, f"s{i}" if k == "GNU.sparse.name" else v) for k, v in hole]) + entry("s", pad(b"0\n")) for i in range(4)))


def zlib_zeros(size):
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = b"\0" * (1 << 20)
    return b"".join([z.compress(chunk) for _ in range(size >> 20)]) + z.flush()


FAMILIES = (sizes, records, fields, sparse, bombs)
