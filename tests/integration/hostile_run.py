# SPDX-License-Identifier: Apache-2.0
"""Runs the hostile corpus against a store and watches: files outside, memory, time, what is said, what is left behind.

Three witnesses look for an effect outside the store: inotify on a tree of decoys that the attacks aim at (merely opening one of them
shows), a snapshot of the scratch folder around the store, and the store's own folders, in which only names of its own may be.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

from harness import SLOW, check, check_equal

import hostile_images
import hostile_tar

GOOD = "good.example/fine:1"
SECONDS_MAX = 10 * SLOW
BOMB_BYTES = 3 << 30
RSS_MAX_KIB = 64 << 10
# A frame may ask for a window of up to 128 MiB, which is a bound of docs/store.md and has to be kept in memory.
RSS_WINDOW_KIB = RSS_MAX_KIB + (128 << 10)
# So may a document of as many values as are accepted.
RSS_VALUES_KIB = 128 << 10

# A small process that starts the programs: what wait4 tells of a child's memory begins with that of whoever forked it.
STARTER = """
import json, os, sys, time
for line in sys.stdin:
    job = json.loads(line)
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        err = os.open(job["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0); os.dup2(out, 1); os.dup2(err, 2)
        try:
            os.execve(job["argv"][0], job["argv"], job["env"])
        finally:
            os._exit(99)
    _, status, usage = os.wait4(pid, 0)
    print(json.dumps([status, usage.ru_maxrss, time.monotonic() - start]), flush=True)
"""


class Starter:
    def __init__(self, tmp, env):
        self.tmp, self.env = tmp, dict(env)
        self.child = subprocess.Popen([sys.executable, "-S", "-E", "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *argv):
        """Returns the exit code (negative: a signal), both outputs, KiB and seconds."""
        job = {"argv": [str(a) for a in argv], "env": self.env, "out": str(self.tmp / "out"), "err": str(self.tmp / "err")}
        self.child.stdin.write(json.dumps(job) + "\n")
        self.child.stdin.flush()
        status, rss, seconds = json.loads(self.child.stdout.readline())
        return os.waitstatus_to_exitcode(status), (self.tmp / "out").read_bytes(), (self.tmp / "err").read_bytes(), rss, seconds

    def end(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


class Decoys:
    """A tree that nobody has any business with; every event in it is an attack that got through."""

    ALL = 0xfff

    def __init__(self, top):
        self.libc = ctypes.CDLL(None, use_errno=True)
        (top / "sub/deeper").mkdir(parents=True)
        for name in ("secret", "sub/secret", "sub/deeper/secret"):
            (top / name).write_text("do not touch\n")
            os.chmod(top / name, 0o600)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder, _, _ in os.walk(top):
            check(self.libc.inotify_add_watch(self.fd, folder.encode(), self.ALL) >= 0, "inotify")
        self.events()

    def events(self):
        found = []
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                found.append((hex(mask), data[at + 16:at + 16 + length].rstrip(b"\0").decode(errors="replace")))
                at += 16 + length

    def end(self):
        os.close(self.fd)


def surroundings(tmp, leave_out):
    """Everything around the store."""
    found = {}
    for folder, dirs, files in os.walk(tmp):
        dirs[:] = [d for d in dirs if os.path.join(folder, d) not in leave_out]
        for name in [*dirs, *files]:
            path = os.path.join(folder, name)
            if path not in leave_out:
                st = os.lstat(path)
                found[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_size, st.st_mtime_ns, st.st_nlink)
    for path in ("/", "/etc", "/etc/passwd", "/etc/shadow", "/root"):
        with contextlib.suppress(OSError):
            st = os.lstat(path)
            found[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_nlink if path == "/" else st.st_mtime_ns)
    for folder in ("/", "/tmp", "/etc", "/root", "/usr", "/var", str(tmp), str(tmp.parent)):
        with contextlib.suppress(OSError):
            found["marked " + folder] = [n for n in os.listdir(folder) if n.startswith("hostile-")]
    return found


STORE_NAMES = re.compile(r"oci-layout|blobs|layers|index\.db(-wal|-shm)?|containers|staging|partial|lock|use\.lock|trash")


def store_oddities(root):
    """What is in the store and should not be."""
    odd = [str(p) for p in root.iterdir() if not STORE_NAMES.fullmatch(p.name)]
    for folder in ("blobs/sha256", "partial/sha256", "layers"):
        if (root / folder).is_dir():
            odd += [f"{folder}/{n}" for n in os.listdir(root / folder) if not re.fullmatch("[0-9a-f]{64}", n)]
    for layer in os.listdir(root / "layers"):
        odd += [f"layers/{layer}/{n}" for n in os.listdir(root / "layers" / layer) if n != "diff"]
    return odd


def contents(root):
    return {folder: sorted(os.listdir(root / folder)) if (root / folder).is_dir() else [] for folder in ("layers", "blobs/sha256", "staging", "containers")}


class Run:
    verb = "load"
    seconds_max = SECONDS_MAX
    reasons = None  # that are as good as the one that the case names

    def __init__(self, w):
        self.w, self.root, self.file = w, w.tmp / "s", w.tmp / "x.tar"
        self.victim = w.tmp / "victim"
        self.starter = Starter(w.tmp, w.env)
        self.decoys = Decoys(self.victim)
        self.wrong = []
        self.numbers = {"refused": 0, "loaded": 0, "slowest": (0, ""), "largest": (0, "")}
        good = hostile_tar.oci_files(hostile_tar.entry("f", b"fine") + hostile_tar.directory("dir") + hostile_tar.END)
        good["index.json"] = good["index.json"].replace(b"hostile.example/x:1", GOOD.encode())
        self.good = hostile_tar.outer(good)
        self.load_good()
        self.baseline = contents(self.root)
        self.around = self.surroundings()

    def bothy(self, *args):
        return self.starter.run(self.w.bin / "bothy", "--root", self.root, "--state", self.w.tmp / "run/bothy", *args)

    def surroundings(self):
        found = surroundings(self.w.tmp, {str(self.root), str(self.file), str(self.w.tmp / "out"), str(self.w.tmp / "err"), str(self.w.tmp / "run")})
        self.decoys.events()  # our own looking around
        return found

    def load_good(self):
        self.file.write_bytes(self.good)
        code, _, err, _, _ = self.bothy("load", "-i", self.file)
        check_equal(code, 0, f"the good image: {err}")

    def images(self):
        code, out, err, _, _ = self.bothy("images", "--format", "json")
        if code:
            return None, err
        return [json.loads(line) for line in out.splitlines()], err

    def look(self, case, complain):
        """What a loaded image consists of."""
        diffs = [self.root / "layers" / n / "diff" for n in contents(self.root)["layers"] if n not in self.baseline["layers"]]
        for path in case.present:
            if not any(os.path.lexists(os.path.join(os.fsencode(d), os.fsencode(path))) for d in diffs):
                complain(f"{path!r} is missing")
        for path in case.absent:
            if any(os.path.lexists(d / path) for d in diffs):
                complain(f"there is {path}")
        for diff in diffs:
            for name in [".", *os.listdir(diff)]:
                with contextlib.suppress(OSError):
                    found = os.listxattr(diff / name, follow_symlinks=False)
                    if any(x.startswith(("trusted.", "system.", "security.selinux", "security.ima")) or (".overlay." in x and x != "user.overlay.opaque") for x in found) or (case.no_xattrs and found):
                        complain(f"{name} has {found}")

    def remove(self, complain):
        """Everything but the good image."""
        images, err = self.images()
        if images is None:
            complain(f"images fails: {err}")
            return
        if not any(i["Repository"] == GOOD.rsplit(":", 1)[0] for i in images):
            complain(f"the good image is gone: {images}")
        ids = {i["ID"] for i in images if i["Repository"] != GOOD.rsplit(":", 1)[0]}
        for start in range(0, len(ids), 100):
            code, _, err, _, _ = self.bothy("rmi", "-f", *sorted(ids)[start:start + 100])
            if code:
                complain(f"it cannot be removed: {err}")

    def bring(self, case):
        """Bring the case into the store: what Starter.run returns; None: it cannot be brought this way."""
        self.file.write_bytes(case.archive())
        return self.bothy("load", "-i", self.file)

    def one(self, case):
        def complain(text):
            self.wrong.append(f"{case.number} {case.name}: {text}")

        # A bomb is to end at its bound, not at the end of the disk.
        if case.says == "bomb" and shutil.disk_usage(self.file.parent).free < BOMB_BYTES:
            return
        done = self.bring(case)
        if done is None:
            return
        code, out, err, rss, seconds = done
        said = err.decode(errors="replace")
        if code not in (0, 125):
            complain(f"exit {code}: {said[:300]}")
        if code == 0 and case.expect == "refused":
            complain("loaded")
        if code and case.expect == "harmless":
            complain(f"refused: {said[:300]}")
        lines = said.splitlines()
        if code and (not lines or len(lines) > 2 or not lines[0].startswith(f"Error: {self.verb} ") or len(said) > 4096):
            complain(f"an error of {len(lines)} lines: {said[:600]!r}")
        if code and case.says and not re.search(case.says, said, re.IGNORECASE) and not (self.reasons and re.search(self.reasons, said)):
            complain(f"the reason is another than /{case.says}/: {said[:400]}")
        if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", out + err):
            complain(f"control characters reach the terminal: {out + err!r}")
        if re.search("signal|AddressSanitizer|runtime error|no report|makes no sense|out of memory|assert|INTERNAL", said):
            complain(f"fell over: {said[:300]}")
        limit = RSS_WINDOW_KIB if "window" in case.name else RSS_VALUES_KIB if "many" in case.name else RSS_MAX_KIB
        if rss > limit and not self.w.sanitized:
            complain(f"{rss >> 10} MiB of memory")
        if seconds > self.seconds_max * (6 if self.w.sanitized else 1):
            complain(f"{seconds:.1f} seconds")
        self.numbers["refused" if code else "loaded"] += 1
        self.numbers["slowest"] = max(self.numbers["slowest"], (round(seconds, 2), case.name))
        self.numbers["largest"] = max(self.numbers["largest"], (rss, case.name))
        events = self.decoys.events()
        if events:
            complain(f"a decoy was touched: {events[:4]}")
        odd = store_oddities(self.root)
        if odd:
            complain(f"strange names in the store: {odd[:4]}")
        if code == 0:
            self.look(case, complain)
        self.remove(complain)
        left = {k: sorted(set(v) - set(self.baseline[k])) for k, v in contents(self.root).items() if v != self.baseline[k]}
        if left:
            complain(f"left or gone: {str(left)[:300]}")
            self.baseline = contents(self.root)

    def around_unchanged(self, what):
        now = self.surroundings()
        if now != self.around:
            self.wrong.append(f"{what}: outside changed: {sorted(k for k in {*now, *self.around} if now.get(k) != self.around.get(k))[:5]}")
            self.around = now

    def all(self, cases):
        start = time.monotonic()
        for count, case in enumerate(cases):
            self.one(case)
            if count % 20 == 19:
                self.around_unchanged(f"up to {case.number} {case.name}")
        self.around_unchanged("at the end")
        self.bothy("rmi", "-f", GOOD)
        self.load_good()
        self.numbers["seconds"] = round(time.monotonic() - start)

    def end(self):
        self.starter.end()
        self.decoys.end()


def attack(w, choose):
    """Runs the cases that @choose(case) takes."""
    run = Run(w)
    try:
        run.all([c for c in hostile_images.cases(str(run.victim)) if choose(c)])
    finally:
        run.end()
    print(f"    {run.numbers}", flush=True)
    check(not run.wrong, f"{len(run.wrong)} findings:\n" + "\n".join(run.wrong[:60]))
    return run
