# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: bundles, running the programs, worlds, and the leak check.

A test is a function decorated with @test in a file test_*.py. It gets a World, works in world.tmp, and fails by raising.
It says `skip(reason)` when the host can't show what it is about, and `vacuous(reason)` when an attack cannot exist here:
neither counts as passed. After every test the leak check compares mounts, control groups, network links, processes and
files of the test's own with what was there before.

The host may be busy and others may use it: a test waits for what it needs (wait_for, a line of output), never for a time
after which it should be there. The limits of waiting are only there so that a test ends.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
TESTS = []
# How many times slower than a usual host this one is: bounds of time that only a fault reaches are longer by so much.
SLOW = int(os.environ.get("BOTHY_TEST_SLOW", "1"))


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


def program(name):
    """Where the program is, or None: installed, or unpacked by tools/setup because its package would start a service."""
    unpacked = TOP / "build/unpacked/usr"
    return shutil.which(name) or shutil.which(name, path=f"{unpacked}/bin:{unpacked}/sbin:/usr/sbin")


# ---- the leak check --------------------------------------------------------------------------------------------------


def read(path, default=""):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return default


# Where other programs of the host mount things meanwhile: there only what is in a folder of this test counts.
OTHERS_MOUNTS = ("/tmp/", "/var/", "/run/", "/mnt/", "/media/", "/srv/", "/opt/", "/home/", "/root/", "/work/")
# Groups that `bothy run` makes: they are named after the container's id.
ENGINES_GROUP = re.compile(r"/bothy-[0-9a-f]{64}(/|$)")
# Links that container engines and virtual machines of others make and remove as they like.
OTHERS_LINKS = ("veth", "docker", "br-", "podman", "cni", "virbr", "vnet", "tap", "tun")


class Surroundings:
    """What the host has that a test could leave: mounts, groups, links, processes. Others work on the same host meanwhile,
    so only what belongs to this test counts: what names its scratch folder or its containers, or runs its programs."""

    def __init__(self, w):
        self.mark = w.tmp.name
        self.files = {(s.st_dev, s.st_ino) for s in (os.stat(path) for path in w.bin.iterdir())}
        self.namespace = os.readlink("/proc/self/ns/mnt")
        self.before = {}
        self.before = self.look()

    def mounts(self):
        """Mount points with their numbers, so that a second mount on the same place is seen."""
        found = set()
        for line in read("/proc/self/mountinfo").splitlines():
            fields = line.split(" ")
            if self.mark in fields[4] or not fields[4].startswith(OTHERS_MOUNTS):
                found.add(f"{fields[4]} (number {fields[0]})")
        return found

    def links(self):
        return {name for name in os.listdir("/sys/class/net") if not name.startswith(OTHERS_LINKS)}

    def is_ours(self, pid):
        """Does the process run a program of ours, or see our scratch folder as anything?"""
        entry = f"/proc/{pid}"
        with contextlib.suppress(OSError):
            exe = os.stat(f"{entry}/exe")
            if (exe.st_dev, exe.st_ino) in self.files:
                return True
        for link in ("exe", "cwd", "root"):
            with contextlib.suppress(OSError):
                if self.mark in os.readlink(f"{entry}/{link}"):
                    return True
        if any(self.mark in read(f"{entry}/{file}") for file in ("cmdline", "environ")):
            return True
        # A container's program has neither our environment nor our folders, but mounts that come from there.
        with contextlib.suppress(OSError):
            return os.readlink(f"{entry}/ns/mnt") != self.namespace and self.mark in read(f"{entry}/mountinfo")
        return False

    def processes(self):
        known = self.before.get("process", set())
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            name = f"{pid} {read(f'/proc/{pid}/comm').strip()}"
            if int(pid) != os.getpid() and (name in known or self.is_ours(pid)):
                found.add(name)
        return found

    def groups(self):
        """Groups with a name of our tests, and of `bothy run`: the latter when they are empty, or a process of ours is inside."""
        found = set()
        for line in read("/proc/self/mountinfo").splitlines():
            fields = line.split()
            if fields[fields.index("-") + 1] not in ("cgroup", "cgroup2"):
                continue
            for path, _, _ in os.walk(fields[4]):
                if f"/bt-{os.getpid()}-" in path or f"-{os.getpid()}/" in path + "/" and "/bt-" in path:
                    found.add(path)
                elif ENGINES_GROUP.search(path):
                    inside = read(f"{path}/cgroup.procs").split()
                    if path in self.before.get("control group", ()) or not inside or any(map(self.is_ours, inside)):
                        found.add(path)
        return found

    def look(self):
        return {"mount": self.mounts(), "control group": self.groups(), "network link": self.links(), "process": self.processes()}

    def leaks(self, tmp):
        """What the test left. Dying processes and their groups get time: the kernel ends them asynchronously."""
        deadline = time.monotonic() + 20 * SLOW
        while True:
            found = [f"{kind}: {item}" for kind, items in self.look().items() for item in sorted(items - self.before[kind])]
            for state in ("state", "run/bothy/containers", "run/bothy/ids", "run/bothy/names", "lib/containers", "lib/staging"):
                path = Path(tmp) / state
                if path.is_dir():
                    found += [f"file: {state}/{name}" for name in sorted(os.listdir(path)) if not name.startswith(".")]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


# ---- the world a test runs in --------------------------------------------------------------------------------------------


def descendants(pid):
    """The processes below @pid, as the kernel lists its threads' children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in read(task).split():
            found += [child, *descendants(child)]
    return found


def activity(pid):
    """The state of a process, and how often it stopped running."""
    fields = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines())
    switches = [fields.get(f"{kind}_ctxt_switches", "").strip() for kind in ("voluntary", "nonvoluntary")]
    return fields.get("State", "").strip()[:1], switches


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
        # Programs with AddressSanitizer (tools/test-sanitized) take several times the memory.
        self.sanitized = b"__asan_init" in (self.bin / "bothy").read_bytes()
        self.tmp = Path(tempfile.mkdtemp(prefix="bothy-test-"))
        os.chmod(self.tmp, 0o755)
        self.name = name
        self.count = 0
        self.children = []
        self.services = []  # to be closed before anybody looks for leftovers
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

    def check_memory(self, kib, most, what="memory"):
        check(kib <= most * (16 if self.sanitized else 1), f"{what}: {kib} KiB, at most {most} are accepted")

    def run(self, command, stdin=None, timeout=180 * SLOW, env=None, **kwargs):
        """@env: on top of the test's own."""
        done = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL if stdin is None else None, timeout=timeout, text=True,
                              env={**self.env, **(env or {})}, errors="replace", **kwargs)
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
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, check=False, timeout=180 * SLOW)
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

    def wait_for(self, condition, what, seconds=60 * SLOW):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"still waiting for {what} after {seconds} s")
            time.sleep(0.02)

    def wait_until_idle(self, pid):
        """Until every process below @pid sleeps, and none of them has run between two looks."""
        last = []

        def idle():
            now = [activity(child) for child in descendants(pid)]
            same, last[:] = now == last, now
            return same and all(state == "S" for state, _ in now)

        self.wait_for(idle, f"the processes below {pid} to have nothing to do")

    def close_services(self):
        for service in reversed(self.services):
            service.close()
        self.services.clear()

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
        shutil.rmtree(self.tmp, ignore_errors=True)
        if self.tmp.exists() and not self.root:
            # Files of the user's subordinate ids: root of a user namespace that has these may remove them.
            subprocess.run(["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", self.tmp], check=False, stderr=subprocess.DEVNULL)
        return not self.tmp.exists()
