# SPDX-License-Identifier: Apache-2.0
"""What the tests named after advisories share: the attacker's programs, races, and reading what they say.

Each test has two halves. One attacks bothy and fails when the attack gets through. The other lets the same attack loose on
attack/naive.c (or on bothy with the defence switched off) and fails, or says vacuous(), when it does not get through:
a test whose attack cannot succeed anywhere shows nothing. docs/security-tests.md has the list.
"""

import atexit
import contextlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

LONG = "--long" in sys.argv
PATIENCE = 120 * harness.SLOW  # nothing waits longer for what should come
ATTACK = Path(__file__).resolve().parent / "attack"
built = {}


def program(name):
    """attack/@name.c as a static program."""
    if name not in built:
        if not shutil.which("cc"):
            harness.skip("no C compiler")
        folder = Path(tempfile.mkdtemp(prefix="bothy-attack-"))
        folder.chmod(0o755)
        atexit.register(shutil.rmtree, folder, True)
        subprocess.run(["cc", "-O2", "-Wall", "-D_GNU_SOURCE", f"-DPATIENCE_S={PATIENCE}", "-static", "-o", folder / name,
                        ATTACK / f"{name}.c"], check=True)
        built[name] = folder / name
    return built[name]


def image(w, name="image"):
    """A root file system with the attacker's probe in it."""
    root = w.rootfs(name)
    shutil.copy(program("probe"), root / "probe")
    return root


def naive(w, *args, **kwargs):
    """Run the naive runtime."""
    return w.run([program("naive"), *args], **kwargs)


def facts(text):
    """"word rest" lines as a dict; the last word counts."""
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@contextlib.contextmanager
def swapping(w, a, b):
    """While this lasts, the names @a and @b are exchanged without pause."""
    child = w.spawn([program("probe"), "swap", a, b])
    try:
        yield child
        harness.check(child.poll() is None, "the swapping program has ended early")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def rounds(seconds=8, at_most=100000, enough=lambda: True):
    """Count upwards for so long, and longer on a slow or busy host until @enough() holds (for a race that must have been met
    so and so often), but not for ever; ten times as long with --long."""
    begin = time.monotonic()
    end = begin + seconds * (10 if LONG else 1)
    for i in range(at_most):
        now = time.monotonic()
        if now > end and (enough() or now > end + PATIENCE):
            return
        yield i


def measured(w, command, seconds=20):
    """(exit code, output, seconds of work): what the command and those that it waited for took, on a host that is not slow. Not
    what the clock on the wall says: the host may be busy with others."""
    def worked():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = worked()
    limit = seconds * harness.SLOW
    child = subprocess.Popen(["/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", *map(str, command)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True, env=w.env,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)))
    w.children.append(child)
    try:
        out, _ = child.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{command} still runs after {PATIENCE} s") from None
    return child.returncode, out, (worked() - before) / harness.SLOW


def without(config, *destinations):
    """Take mounts out of a configuration."""
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in destinations]


def namespaces(config, *types):
    """Take namespaces out of a configuration."""
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in types]


def user_namespace(config, size=65536, host=1000000):
    """Root inside is nobody on the host (needs real root)."""
    config["linux"]["namespaces"].append({"type": "user"})
    for which in ("uidMappings", "gidMappings"):
        config["linux"][which] = [{"containerID": 0, "hostID": host, "size": size}]


def all_caps(config):
    """Everything that a host's root has."""
    last = int(harness.read("/proc/sys/kernel/cap_last_cap", "40"))
    names = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
             "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
             "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
             "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF "
             "CHECKPOINT_RESTORE").split()[: last + 1]
    config["process"]["capabilities"] = {s: ["CAP_" + n for n in names] for s in ("bounding", "effective", "permitted")}


def capability_lines(text):
    """CapInh etc. of a /proc/PID/status, as numbers."""
    return {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


def with_sysctl(config, key="net.ipv4.ip_default_ttl", value="77"):
    """A kernel parameter of the container's own network namespace (which a plain user's default does not have)."""
    if not any(n["type"] == "network" for n in config["linux"]["namespaces"]):
        config["linux"]["namespaces"].append({"type": "network"})
    config["linux"]["sysctl"] = {key: value}
