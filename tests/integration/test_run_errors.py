# SPDX-License-Identifier: Apache-2.0
"""`bothy run`: exit codes, and why a program did not start."""

import os
import platform
import struct

from harness import check, check_equal, check_in, test


def root_with(w, name, data, mode=0o755):
    root = w.rootfs()
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.chmod(path, mode)
    return root


def elf(machine, loader=None):
    """The head of a program of another machine, or one that wants @loader."""
    name = (loader or "").encode() + b"\0"
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 3, 4, 120, 0x400078, 0x400078, len(name), len(name), 1) + name


@test
def exit_codes(w):
    for code in (0, 1, 42, 125, 126, 127, 255):
        check_equal(w.bothy("run", "embedded", "sh", "-c", f"exit {code}").code, code)
    # Process 1 can't kill itself: a child of it does, and the shell tells.
    for number in (6, 9, 15):
        check_equal(w.bothy("run", "--init", "embedded", "sh", "-c", f"kill -{number} $$").code, 128 + number)


@test
def why_it_did_not_start(w):
    ours = {"x86_64": 62, "aarch64": 183}.get(platform.machine(), 62)
    other = 183 if ours == 62 else 62
    cases = [
        # file, content, mode, program, exit code, words of the error, words of the hint
        (None, None, 0, "shx", 127, ["shx", "not found in $PATH"], ["'sh'"]),
        (None, None, 0, "/bin/shh", 127, ["/bin/shh", "no such file or directory"], ["'/bin/sh'"]),
        (None, None, 0, "/no/such/place", 127, ["/no/such/place", "no such file"], []),
        ("app", b"#!/bin/sh\n", 0o644, "/app", 126, ["/app", "permission denied"], ["chmod +x"]),
        ("app", b"#!/bin/bash\n", 0o755, "/app", 127, ["/app", "interpreter '/bin/bash'", "not in the image"], ["/bin/bash"]),
        ("app", b"#!/bin/sh\r\necho\r\n", 0o755, "/app", 127, ["/app", "CRLF", "'/bin/sh\\r'"], ["sed -i"]),
        ("app", elf(ours, "/lib/ld-musl-x86_64.so.1"), 0o755, "/app", 127, ["/app", "loader '/lib/ld-musl-x86_64.so.1'"], ["musl"]),
        ("app", elf(ours, "/lib64/ld-linux-x86-64.so.2"), 0o755, "/app", 127, ["/app", "loader '/lib64/ld-linux-x86-64.so.2'"], ["glibc"]),
        ("app", elf(other), 0o755, "/app", 126, ["/app", "exec format error", "built for"], ["qemu-user-static"]),
        ("app", b"", 0o755, "/app", 126, ["/app", "exec format error", "empty"], []),
        ("app", b"just words\n", 0o755, "/app", 126, ["/app", "exec format error"], ["#!/bin/sh"]),
        ("app/x", b"", 0o644, "/app", 126, ["/app", "directory"], []),
    ]
    failed = []
    for number, (file, data, mode, program, code, words, hints) in enumerate(cases):
        root = w.rootfs(f"r{number}")
        if file:
            (root / file).parent.mkdir(exist_ok=True)
            (root / file).write_bytes(data)
            os.chmod(root / file, mode)
        done = w.bothy("run", "--rootfs", root, program)
        lines = done.err.splitlines()
        if done.code != code or not lines or not lines[0].startswith("Error: ") or len(lines) > 2 or done.out:
            failed.append(f"{program} (case {number}): wanted {code}: {done!r}")
        failed += [f"case {number}: no {word!r} in {lines[0]}" for word in words if lines and word not in lines[0]]
        failed += [f"case {number}: no hint {hint!r} in {done.err}" for hint in hints if len(lines) < 2 or hint not in lines[1]]
    check(not failed, "\n".join(failed))


@test
def the_working_directory_must_be_one(w):
    done = w.bothy("run", "-w", "/etc/passwd", "embedded", "true")
    check(done.code in (125, 126, 127), f"{done!r}")
    check_in("/etc/passwd", done.err)


@test
def an_image_that_is_not_there(w):
    done = w.bothy("run", "--pull", "never", "nosuchimage:1")
    check_equal(done.code, 125)
    check_in("nosuchimage:1", done.err)
    check_in("bothy load", done.err)
    done = w.bothy("run", "--pull=never", "id")
    check_in("bothy run embedded id", done.err, "a program's name in place of the image's")
    done = w.bothy("run", "--pull=never", "UPPER/case")
    check_equal(done.code, 125)
    check_in("UPPER/case", done.err)
