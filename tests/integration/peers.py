# SPDX-License-Identifier: Apache-2.0
"""Engines to try bothy-oci under: private daemons, a small image, and the comparison with runc in the same place.

A daemon lives in a mount namespace of its own (made by unshare), gets its own folders, socket and parent control group, is
started by the first test that asks for it and ended with the program. Every test that uses an engine ends with a look at what
is left: containers, state folders, mounts in the daemon's namespace, and groups below its parent.
"""

import atexit
import contextlib
import ctypes
import difflib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import harness
from harness import SLOW, Result, check_equal, skip

PR_SET_PDEATHSIG = 1
RUNTIMES = ("runc", "bothy")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def end_with_parent():
    """A daemon must not outlive a test program that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def image_tar(folder):
    """A tar of a root file system of the static busybox."""
    busybox = shutil.which("busybox")
    if not busybox:
        skip("busybox-static is not installed")
    root = folder / "image"
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp", "root", "usr/bin", "home/user", "data"):
        (root / name).mkdir(parents=True)
    os.chmod(root / "tmp", 0o1777)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:2000:user\n")
    (root / "data/file").write_text("from the image\n")
    tar = folder / "image.tar"
    subprocess.run(["tar", "--owner=0", "--group=0", "-C", root, "-cf", tar, "."], check=True)
    shutil.rmtree(root)
    return tar


def pty_run(command, env, steps=(), size=(24, 80), timeout=120 * SLOW):
    """Run @command on a terminal. Each step is (text to wait for, bytes to send). Returns a Result; out is the screen."""
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))
    child = subprocess.Popen([str(c) for c in command], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    seen, waited, deadline = b"", 0, time.monotonic() + timeout
    steps = list(steps)
    try:
        while True:
            while steps and steps[0][0].encode() in seen[waited:]:
                words, send = steps.pop(0)
                waited = seen.index(words.encode(), waited) + len(words)
                if callable(send):
                    send(master, child)
                else:
                    os.write(master, send)
            ready = select.select([master], [], [], 0.1)[0]
            if ready:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
            elif child.poll() is not None:
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"{' '.join(map(str, command))}: no end after {timeout} s; seen {seen!r}, to come {steps!r}")
        code = child.wait(10)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(master)
    if steps:
        raise AssertionError(f"{' '.join(map(str, command))}: {steps[0][0]!r} never came; exit {code}, seen {seen!r}")
    return Result(code, seen.decode(errors="replace").replace("\r\n", "\n"), "")


def groups_below(parent):
    """The control groups below @parent in every hierarchy, deepest first."""
    found = []
    for line in harness.read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            for path, _, _ in os.walk(fields[4] + parent, topdown=False):
                found.append(path)
    return found


class Engine:
    """What a client program and a daemon have in common: folders, an environment, running, what is left."""

    def __init__(self, w, name):
        self.name = name
        self.dir = Path(tempfile.mkdtemp(prefix=f"bothy-peer-{name}-"))
        os.chmod(self.dir, 0o711)  # root of a container is not root of the host everywhere
        self.runtime = w.bin / "bothy-oci"
        self.parent = f"/peer-{name}-{os.getpid()}"
        self.env = dict(os.environ, PODMAN_IGNORE_CGROUPSV1_WARNING="1", TERM="xterm")
        self.daemon = None
        self.baseline = set()
        atexit.register(self.end)

    def spawn_daemon(self, command, ready, seconds=180 * SLOW):
        log = open(self.dir / "daemon.log", "wb")  # pylint: disable=consider-using-with  # lives as long as the daemon
        script = 'mount --make-rshared / && exec "$@"'
        self.daemon = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", *map(str, command)],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                       preexec_fn=end_with_parent)
        deadline = time.monotonic() + seconds
        while not ready():
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command[0]} did not start: {self.daemon_log()}")
            time.sleep(0.1)

    def daemon_log(self):
        return harness.read(self.dir / "daemon.log")[-3000:]

    def mounts(self):
        """Mount points below our folder as the daemon sees them."""
        pid = self.daemon.pid if self.daemon else "self"
        points = [line.split()[4] for line in harness.read(f"/proc/{pid}/mountinfo").splitlines()]
        return {point for point in points if point.startswith(str(self.dir))}

    def run(self, command, stdin=None, timeout=180 * SLOW):
        done = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL if stdin is None else None, timeout=timeout, env=self.env, text=True,
                              errors="replace", check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def leftovers(self):
        """What must be gone after each test, as a list of texts; engines add to it."""
        left = [f"mount {point}" for point in sorted(self.mounts() - self.baseline)]
        left += [f"control group {path}" for path in groups_below(self.parent) if not path.endswith(self.parent)]
        return left

    def check_left(self, seconds=60 * SLOW):
        deadline = time.monotonic() + seconds
        while left := self.leftovers():
            if time.monotonic() > deadline:
                raise AssertionError("left behind:\n  " + "\n  ".join(left))
            time.sleep(0.1)

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(60)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        for path in groups_below(self.parent):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        for point in sorted(self.mounts(), reverse=True) if not self.daemon else ():
            subprocess.run(["umount", point], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Docker(Engine):
    """dockerd with its own containerd; `docker run` with --network none unless told."""

    def __init__(self, w, name="docker", options=(), runtimes=None):
        need("dockerd", "docker", "containerd", "runc", "unshare")
        super().__init__(w, name)
        socket = f"unix://{self.dir}/socket"
        self.env.update(DOCKER_HOST=socket, DOCKER_CONFIG=str(self.dir / "config"))
        (self.dir / "daemon.json").write_text("{}")
        command = ["dockerd", "--config-file", self.dir / "daemon.json", "--data-root", self.dir / "data",
                   "--exec-root", self.dir / "exec", "-H", socket, "--pidfile", self.dir / "pid", "--bridge", "none",
                   "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--cgroup-parent", self.parent, *options]
        for runtime, path in {"bothy": self.runtime, **(runtimes or {})}.items():
            command += ["--add-runtime", f"{runtime}={path}"]
        self.spawn_daemon(command, lambda: self.run(["docker", "version"]).code == 0)
        done = self.run(["docker", "import", image_tar(self.dir), "busy"])
        check_equal(done.code, 0, f"docker import: {done!r}")
        # The daemon keeps one mount for itself: the host's network namespace, from its first use on.
        self.baseline = self.mounts() | {f"{self.dir}/exec/netns/default"}
        self.count = 0

    def docker(self, *args, **kwargs):
        return self.run(["docker", *args], **kwargs)

    def ok(self, *args, **kwargs):
        done = self.docker(*args, **kwargs)
        check_equal(done.code, 0, f"docker {' '.join(map(str, args))}: {done!r}: exit code")
        return done.out

    def once(self, runtime, options, *command, **kwargs):
        """docker run --rm"""
        network = [] if any(str(o).startswith("--network") for o in options) else ["--network=none"]
        return self.docker("run", "--rm", "--runtime", runtime, *network, *options, "busy", *command, **kwargs)

    def new_name(self):
        self.count += 1
        return f"c{self.count}"

    @contextlib.contextmanager
    def container(self, runtime, options=(), command=("sleep", "1000")):
        """docker run -d, removed at the end. sleep as pid 1 has no handler: stop would take its full time."""
        name = self.new_name()
        network = [] if any(str(o).startswith("--network") for o in options) else ["--network=none"]
        self.ok("run", "-d", "--name", name, "--runtime", runtime, *network, *options, "busy", *command)
        try:
            yield name
        finally:
            self.docker("rm", "-f", name)

    def inspect(self, name, form):
        return self.ok("inspect", "--format", form, name).strip()

    def wait_status(self, name, status, seconds=90 * SLOW):
        deadline = time.monotonic() + seconds
        while self.inspect(name, "{{.State.Status}}") != status:
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is {self.inspect(name, '{{json .State}}')}, not {status}")
            time.sleep(0.05)

    def leftovers(self):
        left = super().leftovers()
        left += [f"container {name}" for name in self.ok("ps", "-aq").split()]
        for folder in (*(self.dir / "exec").glob("runtime-*/moby"), *(self.dir / "exec/containerd/daemon").glob("*.task/moby")):
            left += [f"file {folder}/{name}" for name in os.listdir(folder)]
        return left


ENGINES = {}


@contextlib.contextmanager
def engine(w, kind):
    """The one engine of its kind for this run of tests; the check of what is left comes at the end of the block."""
    if kind not in ENGINES:
        ENGINES[kind] = kind(w)
    yield ENGINES[kind]
    ENGINES[kind].check_left()


def normal(text):
    """Without what differs between any two runs: ids, pids in paths, times, mount ids, questions to the terminal."""
    text = re.sub(r"\b[0-9a-f]{12}([0-9a-f]{52})?\b", "ID", text)
    text = re.sub(r"/c\d+\b", "/NAME", text)
    text = re.sub(r"container_uuid=\w+", "container_uuid", text)
    text = re.sub(r"/[A-Z0-9]{26}\b", "/LAYER", text)
    text = text.replace("\x1b[6n", "")  # a shell asks the terminal where the cursor is when nothing was typed yet
    return text


def same(what, results):
    """Both runtimes gave the same; the results are compared as (code, out)."""
    (first, one), *rest = results.items()
    for name, other in rest:
        for part in ("code", "out"):
            a, b = normal(str(getattr(one, part))), normal(str(getattr(other, part)))
            if a != b:
                lines = "\n".join(difflib.unified_diff(a.splitlines(), b.splitlines(), first, name, n=1, lineterm=""))
                raise AssertionError(f"{what}: {part} differs\n{lines}\nstderr of {first}: {one.err}\nstderr of {name}: {other.err}")
    return one


def view_script():
    """What a process can see of its container, in a form that can be compared line by line. Left out, as the runtimes do it
    differently by choice (docs/engines.md): what masks a path, the primary group among the others, the freezer and cpuset groups (bothy-oci makes them when they are needed) and
    the order of mounts."""
    return r"""
exec 2>&1
echo "== id"; id -u; id -g; for g in $(id -G | tr ' ' '\n' | sort -n); do [ $g = $(id -g) ] || echo $g; done; umask; pwd; env | grep -v ^HOSTNAME= | sort
echo "== limits"; cat /proc/self/limits /proc/self/oom_score_adj
echo "== status"; grep -E '^(Uid|Gid|Cap|NoNew|Seccomp:|Cpus_allowed_list|Mems_allowed_list|SigIgn|SigBlk)' /proc/self/status
# The host's own /dev/shm is everybody's.
own=$(grep -c ' /dev/shm .* - tmpfs shm ' /proc/self/mountinfo)
echo "== dev"; ls -lnR /dev | awk -v own=$own '/^\/dev.*:$/ {out = !own && /^\/dev\/shm/} !out' | grep -v '^total' | sed 's/[A-Z][a-z][a-z] *[0-9]* *[0-9:]* / /'
echo "== fd"; ls /proc/self/fd
echo "== mounts"; awk '{sub(/ - /, " @"); sub(/ (shared|master|propagate_from):[0-9]+/, ""); sub(/@/, ""); print $5, $6, $7}' /proc/self/mountinfo |
    grep -Ev '^(/sys/fs/cgroup|/proc/(acpi|keys|timer_list|kcore|scsi|asound|latency_stats|sched_debug|interrupts)|/sys/firmware|/sys/dev)' | sort
echo "== masked"; for f in /proc/kcore /proc/keys /proc/timer_list /proc/acpi /sys/firmware /proc/scsi; do ls -ld $f | cut -c1; head -c 1 $f 2>&1 | wc -c; done
echo "== proc"; touch /proc/sys/kernel/hostname; echo x > /proc/sysrq-trigger; ls /proc/self/ns; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
echo "== sysctl"; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmax
echo "== tree"; ls -la / /etc | grep -v ' hosts$' | sed 's/[A-Z][a-z][a-z] *[0-9]* *[0-9:]* / /' | sed -E 's/^(d.{10} +)[0-9]+/\1/'
echo "== cgroup"; ls /sys/fs/cgroup | grep -Ev "freezer|cpuset|unified"; grep -Ev "freezer|cpuset|^0:" /proc/self/cgroup
cat /proc/self/loginuid /proc/self/sessionid
cat /proc/self/personality /proc/self/timerslack_ns; cat /proc/self/attr/current
echo "== link"; ip addr | grep -v link/ | sed 's/^[0-9]*//'
"""


def to_json(text):
    try:
        return json.loads(text)
    except ValueError as e:
        raise AssertionError(f"not JSON: {text!r}") from e


class Podman(Engine):
    """podman as root, with storage of its own, in one mount namespace that a sleeping process keeps."""

    def __init__(self, w):
        need("podman", "conmon", "runc", "unshare", "nsenter")
        super().__init__(w, "podman")
        self.state_root = Path("/run/bothy-oci")  # podman's clean-up calls the runtime without --runtime-flag
        self.before = set(self.states())
        self.spawn_daemon(["sleep", "infinity"], lambda: harness.read(f"/proc/{self.daemon.pid}/comm") == "sleep\n")
        done = self.podman("runc", "import", image_tar(self.dir), "busy")
        check_equal(done.code, 0, f"podman import: {done!r}")
        self.baseline = self.mounts()
        self.count = 0

    def states(self):
        return os.listdir(self.state_root) if self.state_root.is_dir() else []

    def command(self, runtime, *args):
        path = self.runtime if runtime == "bothy" else shutil.which(runtime)
        return ["nsenter", "--mount", "--target", self.daemon.pid, "--", "podman", "--root", self.dir / "root",
                "--runroot", self.dir / "run", "--tmpdir", self.dir / "tmp", "--cgroup-manager", "cgroupfs",
                "--events-backend", "file", "--runtime", path, *args]

    def podman(self, runtime, *args, **kwargs):
        return self.run(self.command(runtime, *args), **kwargs)

    def ok(self, runtime, *args, **kwargs):
        done = self.podman(runtime, *args, **kwargs)
        check_equal(done.code, 0, f"podman {' '.join(map(str, args))}: {done!r}: exit code")
        return done.out

    def options(self, options):
        given = " ".join(map(str, options))
        network = [] if "--network" in given else ["--network=none"]
        # podman's own default asks for more files than a host without CAP_SYS_RESOURCE may give
        return ["--cgroup-parent", self.parent, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", *network, *options]

    def once(self, runtime, options, *command, **kwargs):
        return self.podman(runtime, "run", "--rm", *self.options(options), "busy", *command, **kwargs)

    @contextlib.contextmanager
    def container(self, runtime, options=(), command=("sleep", "1000")):
        self.count += 1
        name = f"c{self.count}"
        self.ok(runtime, "run", "-d", "--name", name, *self.options(options), "busy", *command)
        try:
            yield name
        finally:
            self.podman(runtime, "rm", "-f", "-t", "0", name)

    def inspect(self, name, form):
        return self.ok("bothy", "inspect", "--format", form, name).strip()

    def leftovers(self):
        left = [f"mount {point}" for point in sorted(self.mounts() - self.baseline)]
        left += [f"control group {path}" for path in groups_below(self.parent)
                 if not path.endswith((self.parent, self.parent + "/conmon"))]
        left += [f"container {name}" for name in self.ok("bothy", "ps", "-aq").split()]
        left += [f"file {self.state_root}/{name}" for name in set(self.states()) - self.before]
        return left

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            self.podman("bothy", "rm", "-f", "-a", "-t", "0")
        super().end()


class Containerd(Engine):
    """containerd and its own client, ctr."""

    def __init__(self, w):
        need("containerd", "ctr", "runc", "unshare")
        super().__init__(w, "containerd")
        self.socket = self.dir / "socket"
        (self.dir / "config.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                                              '[plugins."io.containerd.internal.v1.opt"]\n'
                                              f'path = "{self.dir}/opt"\n')
        self.spawn_daemon(["containerd", "--config", self.dir / "config.toml", "--root", self.dir / "root",
                           "--state", self.dir / "state", "--address", self.socket],
                          lambda: self.socket.exists() and self.ctr("version").code == 0)
        self.baseline = self.mounts()
        self.rootfs = self.dir / "rootfs"
        self.rootfs.mkdir()
        subprocess.run(["tar", "-C", self.rootfs, "-xf", image_tar(self.dir)], check=True)
        self.count = 0

    def ctr(self, *args, **kwargs):
        return self.run(["ctr", "--address", self.socket, *args], **kwargs)

    def new_name(self):
        self.count += 1
        return f"c{self.count}"

    def run_args(self, runtime, name, options, command):
        path = self.runtime if runtime == "bothy" else shutil.which(runtime)
        return ["run", "--runc-binary", path, "--runc-root", self.dir / f"runc-{runtime}", "--cgroup", f"{self.parent}/{name}",
                "--env", "PATH=/bin", *options, "--rootfs", self.rootfs, name, *command]

    def once(self, runtime, options, *command, **kwargs):
        return self.ctr(*self.run_args(runtime, self.new_name(), ["--rm", *options], command), **kwargs)

    @contextlib.contextmanager
    def container(self, runtime, options=(), command=("sleep", "1000")):
        name = self.new_name()
        done = self.ctr(*self.run_args(runtime, name, ["-d", *options], command))
        check_equal(done.code, 0, f"ctr run -d: {done!r}")
        try:
            yield name
        finally:
            self.ctr("tasks", "kill", "-s", "KILL", name)
            self.ctr("tasks", "delete", "-f", name)
            self.ctr("containers", "delete", name)

    def leftovers(self):
        left = super().leftovers()
        left += [f"container {name}" for name in self.ctr("containers", "list", "-q").out.split()]
        for folder in self.dir.glob("runc-*/default"):
            left += [f"file {folder}/{name}" for name in os.listdir(folder)]
        return left
