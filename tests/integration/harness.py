# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: bundles, running the programs, worlds, and the leak check.

A test is a function decorated with @test in a file test_*.py. It gets a World, works in world.tmp, and fails by raising.
It says `skip(reason)` when the host can't show what it is about, and `vacuous(reason)` when an attack cannot exist here:
neither counts as passed. After every test the leak check compares mounts, control groups, network links, namespaces,
processes and files of ours with what was there before.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
TESTS = []


class Skip(Exception):
    """The host lacks what the test needs."""


class Vacuous(Exception):
    """The attack cannot exist on this host."""


def skip(reason):
    raise Skip(reason)


def vacuous(reason):
    raise Vacuous(reason)


def test(function=None, *, root=None, long=False, worlds=None):
    """Register a test. root: True needs root, False needs a plain user, None runs as either."""
    def register(f):
        TESTS.append({"name": f"{f.__module__.removeprefix('test_')}.{f.__name__}", "run": f, "root": root, "long": long,
                      "worlds": worlds})
        return f
    return register(function) if function else register


def check(condition, message="condition does not hold"):
    if not condition:
        raise AssertionError(message)


def check_equal(got, want, what="value"):
    if got != want:
        raise AssertionError(f"{what}: expected {want!r}, got {got!r}")


def check_in(part, text, what="text"):
    if part not in text:
        raise AssertionError(f"{what}: expected {part!r} in:\n{text}")


# ---- the leak check --------------------------------------------------------------------------------------------------


def read(path, default=""):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return default


def cgroup_dirs():
    found = set()
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        kind = fields[fields.index("-") + 1]
        if kind in ("cgroup", "cgroup2"):
            for path, _, _ in os.walk(fields[4]):
                # Others may test on the same host at the same time: only groups with names of ours count.
                if f"/bt-{os.getpid()}-" in path or "/bothy" in path:
                    found.add(path)
    return found


def our_mounts():
    """Mount points, but for those that others make in scratch folders of their own meanwhile."""
    points = (line.split(" ", 5)[4] for line in read("/proc/self/mountinfo").splitlines())
    return {p for p in points if not p.startswith("/tmp/") or "bothy" in p}


def our_processes():
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            exe = os.readlink(f"/proc/{entry}/exe")
            if "bothy" in os.path.basename(exe) or "/bothy-test-" in exe:
                found[int(entry)] = exe
    return found


def snapshot():
    return {
        "mount": our_mounts(),
        "control group": cgroup_dirs(),
        "network link": set(os.listdir("/sys/class/net")),
        "process": set(our_processes()),
    }


def leaks(before, tmp):
    """What a test left. Dying processes and their groups get a moment: the kernel ends them asynchronously."""
    deadline = time.monotonic() + 5
    while True:
        after = snapshot()
        found = [f"{kind}: {item}" for kind, items in after.items() for item in sorted(map(str, items - before[kind]))]
        for state in ("state", "run/bothy/containers", "run/bothy/ids", "run/bothy/names", "lib/containers", "lib/staging"):
            path = Path(tmp) / state
            if path.is_dir():
                found += [f"file: {state}/{name}" for name in sorted(os.listdir(path)) if not name.startswith(".")]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


# ---- the world a test runs in --------------------------------------------------------------------------------------------


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out}--- err\n{self.err}---"


class World:
    """One test's surroundings: programs, a scratch folder, a state root."""

    def __init__(self, bin_dir, name, world="host"):
        self.bin = Path(bin_dir)
        self.world = world
        self.root = os.geteuid() == 0
        self.tmp = Path(tempfile.mkdtemp(prefix="bothy-test-"))
        os.chmod(self.tmp, 0o755)
        self.name = name
        self.count = 0
        self.children = []
        self.env = dict(os.environ, XDG_RUNTIME_DIR=str(self.tmp / "run"), XDG_DATA_HOME=str(self.tmp / "data"))
        (self.tmp / "run").mkdir(mode=0o700)

    # -- bundles

    def rootfs(self, name="rootfs"):
        """A root file system of the static busybox."""
        root = self.tmp / name
        busybox = shutil.which("busybox")
        if not busybox:
            skip("busybox-static is not installed")
        for folder in ("bin", "proc", "sys", "dev", "etc", "tmp", "root", "usr/bin"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        os.chmod(root / "tmp", 0o1777)
        shutil.copy(busybox, root / "bin/busybox")
        for applet in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
            link = root / "bin" / applet
            if not link.exists() and applet != "busybox":
                link.symlink_to("busybox")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:2000:user\n")
        return root

    def bundle(self, args=("true",), edit=None, rootfs=None, name=None):
        """A bundle whose config.json is what `spec` writes, with @args, no terminal, then @edit(config)."""
        self.count += 1
        folder = self.tmp / (name or f"bundle{self.count}")
        folder.mkdir()
        root = rootfs or self.rootfs(f"{folder.name}/rootfs")
        command = [self.bin / "bothy-oci", "spec", "--bundle", folder]
        subprocess.run(command + ([] if self.root else ["--rootless"]), check=True, env=self.env)
        config = json.loads((folder / "config.json").read_text())
        config["process"].update(terminal=False, args=list(args))
        config["root"] = {"path": str(root), "readonly": False}
        if edit:
            edit(config)
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def id(self):
        self.count += 1
        return f"bt-{os.getpid()}-{self.count}"

    # -- running

    def run(self, command, stdin=None, timeout=60, **kwargs):
        done = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL if stdin is None else None, timeout=timeout, env=self.env, text=True,
                              errors="replace", **kwargs)
        return Result(done.returncode, done.stdout, done.stderr)

    def oci(self, *args, **kwargs):
        return self.run([self.bin / "bothy-oci", "--root", self.tmp / "state", *args], **kwargs)

    def ok(self, *args, **kwargs):
        result = self.oci(*args, **kwargs)
        if result.code != 0:
            raise AssertionError(f"bothy-oci {' '.join(map(str, args))}: {result!r}")
        return result

    def run_bundle(self, args, edit=None, **kwargs):
        """Run a fresh bundle in the foreground."""
        return self.oci("run", "--bundle", self.bundle(args, edit), self.id(), **kwargs)

    def bothy(self, *args, **kwargs):
        """The engine, with a store and state of this test's own."""
        return self.run([self.bin / "bothy", "--root", self.tmp / "lib", "--state", self.tmp / "run/bothy", *args], **kwargs)

    def spawn(self, command, **kwargs):
        child = subprocess.Popen([str(c) for c in command], env=self.env, text=True, **kwargs)
        self.children.append(child)
        return child

    @contextlib.contextmanager
    def container(self, args=("sleep", "1000"), edit=None, start=True):
        """A created (and started) container, deleted at the end."""
        name = self.id()
        bundle = self.bundle(args, edit)
        with open(self.tmp / f"{name}.log", "wb") as log:
            made = subprocess.run([self.bin / "bothy-oci", "--root", self.tmp / "state", "create", "--bundle", bundle, name],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, check=False, timeout=60)
        if made.returncode:
            raise AssertionError(f"create: {(self.tmp / f'{name}.log').read_text()}")
        try:
            if start:
                self.ok("start", name)
            yield name
        finally:
            self.oci("delete", "--force", name)

    def state(self, name):
        return json.loads(self.ok("state", name).out)

    def log(self, name):
        return (self.tmp / f"{name}.log").read_text(errors="replace")

    def wait_for(self, condition, what, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"still waiting for {what} after {seconds} s")
            time.sleep(0.02)

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
        shutil.rmtree(self.tmp, ignore_errors=True)
