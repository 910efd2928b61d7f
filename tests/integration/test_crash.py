# SPDX-License-Identifier: Apache-2.0
"""Killed at any instant, cut from power, out of space: what is left is whole or heals by itself (R1-R3, R10, R12)."""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time

from harness import SLOW, check, check_equal, skip, test
from registries import Image, Registry, tar_of
from test_check import archive

EXT4_IOC_SHUTDOWN = 0x8004587d
NOLOGFLUSH = 2


def images(count=3, size=400000, seed=9):
    """Images that share a layer."""
    chance = random.Random(seed)
    common = tar_of({"etc": None, **{f"etc/f{i}": chance.randbytes(size // 40) for i in range(40)}})
    return [Image([common, tar_of({f"g{i}": chance.randbytes(size)})]) for i in range(count)]


class Commands:
    """Loads, pulls, removals and prunes on one store."""

    def __init__(self, w, root, registry=None):
        self.w, self.root, self.files, self.names = w, root, [], []
        for i, image in enumerate(images()):
            self.files.append(w.tmp / f"image{i}.tar")
            self.files[-1].write_bytes(archive(image, f"team.example/a{i}:1"))
            if registry:
                self.names.append(registry.push(image, f"team/a{i}:1"))

    def argv(self, *args):
        return [self.w.bin / "bothy", "--root", self.root, "--state", self.w.tmp / "run/bothy", *args]

    def some(self, chance):
        i = chance.randrange(3)
        kinds = [["load", "-i", self.files[i]]] * 3 + [["rmi", "-f", f"team.example/a{i}:1"], ["image", "prune", "-af"]]
        if self.names:
            kinds += [["pull", "-q", self.names[i]]] * 3
        return chance.choice(kinds)

    def run(self, *args):
        return self.w.run(self.argv(*args), timeout=100 * SLOW)

    def heals(self, what):
        """The next load and pull succeed, and then everything fits together."""
        done = self.run("load", "-i", self.files[0])
        check_equal(done.code, 0, f"{what}: {done!r}")
        if self.names:
            done = self.run("pull", "-q", self.names[1])
            check_equal(done.code, 0, f"{what}: {done!r}")

    def no_record_without_data(self, what):
        """A killed command may leave work in progress and data without a record, never the other way round."""
        done = self.run("system", "check", "--format", "json")
        check(done.code in (0, 1) and not done.err, f"{what}: {done!r}")
        wrong = [p for p in json.loads(done.out)["Problems"] if p["Kind"] not in ("leftover", "orphan")]
        check(not wrong, f"{what}: {wrong}")

    def good(self, what):
        def clean():
            self.run("load", "-i", self.files[0])
            return self.run("system", "check").code == 0
        # A killed command's worker may hold its folder a moment longer.
        self.w.wait_for(clean, f"{what}: a clean store")


def killed(w, rounds):
    try:
        registry = Registry(w)
    except Exception:  # pylint: disable=broad-except  # without one the rest is still worth it
        registry = None
    c = Commands(w, w.tmp / "lib", registry)
    chance = random.Random(13)
    usual = {}
    for round_ in range(rounds):
        argv = c.some(chance)
        limit = usual.get(argv[0], 0.1)
        start = time.monotonic()
        child = w.spawn(c.argv(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(chance.random() * limit * 1.2)
            usual[argv[0]] = max(time.monotonic() - start, 0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        if round_ % 4 == 3:
            c.no_record_without_data(f"round {round_}: {argv}")
        if round_ % 10 == 9:
            c.heals(f"round {round_}: {argv}")
    c.good("at the end")


@test
def r3_killed_at_any_instant(w):
    killed(w, 60)


@test(long=True)
def r3_killed_at_a_thousand_instants(w):
    killed(w, 1000)


# ---- file systems in a file ----------------------------------------------------------------------------------------------


class Loop:
    """A file system of our own on a loop device, in a mount namespace of our own, so that nobody else sees it."""

    def __init__(self, w, kind="ext4", size_mb=128, options=()):
        maker = shutil.which(f"mkfs.{kind}") or shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin")
        if not maker:
            skip(f"mkfs.{kind} is not installed")
        self.w, self.kind, self.file, self.point = w, kind, w.tmp / f"disk-{kind}", w.tmp / f"mnt-{kind}"
        self.point.mkdir()
        with open(self.file, "wb") as f:
            f.truncate(size_mb << 20)
        made = w.run([maker, *options, self.file])
        check_equal(made.code, 0, repr(made))
        found = w.run(["losetup", "--find", "--show", self.file])
        if found.code:
            skip(f"no loop devices: {found.err}")
        self.device = found.out.strip()
        self.mounted = False

    def mount(self):
        done = self.w.run(["mount", "-t", self.kind, self.device, self.point])
        if done.code:
            self.end()
            skip(f"{self.kind} cannot be mounted here: {done.err.strip()}")
        self.mounted = True
        return self.point

    def umount(self):
        if self.mounted:
            self.w.wait_for(lambda: self.w.run(["umount", self.point]).code == 0, "unmounting")
        self.mounted = False

    def cut(self):
        """The power goes: what is not on the disk yet never will be."""
        fd = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def fsck(self, what):
        """The device stays busy as long as the mounts of a worker that was killed with its bothy are not gone."""
        program = shutil.which("fsck.ext4", path="/usr/sbin:/sbin:" + os.environ["PATH"])
        done = []

        def ended():
            done.append(self.w.run([program, "-fp", self.device]))
            return "in use" not in done[-1].out
        self.w.wait_for(ended, f"{what}: the device")
        check(done[-1].code in (0, 1), f"{what}: fsck: {done[-1]!r}")

    def end(self):
        self.umount()
        if self.device:
            self.w.run(["losetup", "--detach", self.device])
        self.device = None
        self.file.unlink(missing_ok=True)


def own_mounts():
    """The rest of this process sees its mounts alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None):
        skip(f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}")


def apart(w, work):
    """Run @work in a child process with mounts of its own; what it raises is raised here."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = ""
        w.children = []  # the parent's are its own business
        try:
            own_mounts()
            work()
        except BaseException as e:  # pylint: disable=broad-except  # it must reach the parent, whatever it is
            text = f"{type(e).__name__}: {e}"
        for child in w.children:
            child.kill()
            child.wait()
        os.write(write_end, text.encode()[:60000])
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as f:
        said = f.read()
    os.waitpid(pid, 0)
    if said.startswith("Skip:"):
        skip(said[6:])
    check(not said, said)


def power_cuts(w, rounds):
    disk = Loop(w)
    try:
        c = Commands(w, disk.point / "lib", None)
        with contextlib.suppress(Exception):
            registry = Registry(w)
            c.names = [registry.push(image, f"team/a{i}:1") for i, image in enumerate(images())]
        chance = random.Random(17)
        told = set()
        for round_ in range(rounds):
            disk.mount()
            argv = chance.choice([["load", "-i", c.files[round_ % 3]]] + ([["pull", "-q", c.names[round_ % 3]]] if c.names else []))
            child = w.spawn(c.argv(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Every third cut comes right behind the command's success.
                if child.wait(60 if round_ % 3 == 2 else chance.random() * 0.3) == 0:
                    told.add(argv[-1])  # from now on it may not be lost
            disk.cut()
            child.send_signal(signal.SIGKILL)
            child.wait()
            disk.umount()
            disk.fsck(f"cut {round_}")
            disk.mount()
            c.no_record_without_data(f"cut {round_}: {argv}")
            there = c.run("images").out
            for name in told:
                short = f"a{str(name).rsplit('image', 1)[1][0]}" if "image" in str(name) else str(name).rsplit("/", 1)[1].split(":")[0]
                check(short in there, f"cut {round_}: {name} was said to be there and is lost:\n{there}")
            if round_ % 5 == 4:
                c.heals(f"cut {round_}: {argv}")
                c.good(f"cut {round_}")
                c.run("image", "prune", "-af")
                told = set()
            disk.umount()
    finally:
        disk.end()


@test(root=True)
def r1_cut_from_power(w):
    apart(w, lambda: power_cuts(w, 6))


@test(root=True, long=True)
def r1_cut_from_power_a_hundred_times(w):
    apart(w, lambda: power_cuts(w, 100))


def full(w, kind, inodes, registry=None):
    """Ever more room, until it is enough: each failure is a sentence, leaves the store usable and gives back what it took."""
    c = Commands(w, w.tmp / "mnt/lib", registry)
    bring = ["pull", "-q", c.names[0]] if registry else ["load", "-i", c.files[0]]
    (w.tmp / "mnt").mkdir()
    failed = 0
    for step in range(40):
        size = f"nr_inodes={12 + step * 3},size=64m" if inodes else f"size={120 + step * 60}k"
        done = w.run(["mount", "-t", kind, "-o", size, "none", w.tmp / "mnt"])
        check_equal(done.code, 0, repr(done))
        try:
            done = c.run(*bring)
            if done.code == 0:
                c.good("with room enough")
                check(failed >= 3, f"only {failed} failures")
                return
            failed += 1
            check(done.code == 125 and len(done.err.splitlines()) in (1, 2), repr(done))
            check(any(word in done.err for word in ("No space left", "full", "has room for")), repr(done))
            left = [p for p in ("staging", "layers", "blobs/sha256") if (w.tmp / "mnt/lib" / p).is_dir() and os.listdir(w.tmp / "mnt/lib" / p)]
            # Layers that were complete before the disk was full are of use to the next pull.
            check(not left or registry, f"left in {left} at {size}")
            check_equal(sum(p.stat().st_blocks for p in (w.tmp / "mnt/lib/partial").rglob("*") if p.is_file()), 0, f"partial blobs at {size}")
            done = w.run(["mount", "-o", "remount,size=64m,nr_inodes=10000", w.tmp / "mnt"])
            check_equal(done.code, 0, repr(done))
            done = c.run(*bring)
            check_equal(done.code, 0, f"after {size}: {done!r}")
        finally:
            w.run(["umount", w.tmp / "mnt"])
    raise AssertionError("never enough")


@test(root=True)
def r10_disk_full_at_every_size(w):
    apart(w, lambda: full(w, "tmpfs", False))


@test(root=True)
def r10_disk_full_at_every_size_of_a_pull(w):
    registry = Registry(w)
    apart(w, lambda: full(w, "tmpfs", False, registry))


@test(root=True)
def r12_out_of_inodes(w):
    apart(w, lambda: full(w, "tmpfs", True))


def on_file_system(w, kind, size_mb, options=()):
    disk = Loop(w, kind, size_mb, options)
    try:
        c = Commands(w, disk.mount() / "lib")
        for file in c.files:
            done = c.run("load", "-i", file)
            check_equal(done.code, 0, repr(done))
        c.good(kind)
        done = c.run("rmi", "-f", "team.example/a1:1")
        check_equal(done.code, 0, repr(done))
        c.good(kind)
        check_equal(c.run("image", "prune", "-af").code, 0)
        check_equal(os.listdir(disk.point / "lib/layers"), [])
    finally:
        disk.end()


@test(root=True)
def on_ext4(w):
    apart(w, lambda: on_file_system(w, "ext4", 64))


@test(root=True)
def on_xfs(w):
    apart(w, lambda: on_file_system(w, "xfs", 320))


@test(root=True)
def on_btrfs(w):
    apart(w, lambda: on_file_system(w, "btrfs", 160))
