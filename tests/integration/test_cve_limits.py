# SPDX-License-Identifier: Apache-2.0
"""Advisories about what holds a container: groups, devices, filters, masks, and the handing over of configuration."""

import hashlib
import os

import cve
import hostile_tar as hostile
import test_images_cli
from harness import check, check_equal, check_in, read, test, vacuous

# ---- V10 ---------------------------------------------------------------------------------------------------------------

# Opening for appending writes nothing: only whether it would be allowed is asked.
WRITABLE = ("for f in $(find /sys/fs/cgroup -type f \\( -name cgroup.procs -o -name tasks -o -name release_agent -o "
            "-name notify_on_release -o -name '*.max' -o -name '*limit_in_bytes' -o -name devices.allow \\) | head -200); do "
            "echo looked; ( : >>$f ) 2>/dev/null && echo WRITABLE $f; done; "
            "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/bt-inside 2>/dev/null && rmdir $d/bt-inside && echo WRITABLE $d; done; true")


def cgroup_mount(config, own_namespace):
    for mount in config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount["options"] = ["nosuid", "noexec", "nodev", "rw"]
    cve.without(config, *([] if any(m["type"] == "cgroup" for m in config["mounts"]) else ["/sys/fs/cgroup"]))
    cve.namespaces(config, "cgroup")
    if own_namespace:
        config["linux"]["namespaces"].append({"type": "cgroup"})
    cve.all_caps(config)
    for caps in config["process"]["capabilities"].values():
        caps.remove("CAP_SYS_ADMIN")  # with it root of the host's own namespaces may remount what it likes


@test(root=True)
def cve_2023_25809_cgroup_rw_without_namespace(w):
    """A document that asks for a writable cgroup file system without a cgroup namespace does not get one."""
    done = w.run_bundle(["sh", "-c", WRITABLE], lambda c: cgroup_mount(c, False))
    check(done.code == 0 and "looked" in done.out, repr(done))
    check("WRITABLE" not in done.out, repr(done))
    with w.container(["sleep", "1000"], lambda c: cgroup_mount(c, False)) as c:
        done = w.oci("exec", c, "sh", "-c", WRITABLE)
        check("looked" in done.out and "WRITABLE" not in done.out, repr(done))
    # Inside a namespace of its own a writable one is given when it is asked for: the same look finds it.
    done = w.run_bundle(["sh", "-c", WRITABLE], lambda c: cgroup_mount(c, True))
    check_in("WRITABLE", done.out, "with a cgroup namespace")


@test(root=True)
def cve_2023_25809_bothy_run_gives_none(w):
    root = w.rootfs()
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    for options in ([], ["--cgroupns", "host"], ["--cgroupns", "private", "--cap-add", "SYS_ADMIN"]):
        done = w.bothy(*run, *options, "/bin/sh", "-c", WRITABLE)
        check("looked" in done.out and "WRITABLE" not in done.out, f"{options}: {done!r}")


@test
def cve_2022_0492_release_agent(w):
    """The way to a writable release_agent: a new user and cgroup namespace, and the hierarchy mounted once more."""
    root = w.rootfs()
    script = ("unshare -Urm sh -c 'echo UNSHARED; mkdir -p /tmp/cg; for c in memory pids rdma devices; do "
              "mount -t cgroup -o $c cgroup /tmp/cg && echo MOUNTED && ( : >>/tmp/cg/release_agent ) && echo AGENT; done'; true")
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    done = w.bothy(*run, "/bin/sh", "-c", script)
    check(done.code == 0 and "UNSHARED" not in done.out, repr(done))
    done = w.bothy(*run, "--security-opt", "seccomp=unconfined", "/bin/sh", "-c", script)
    check("AGENT" not in done.out, repr(done))
    if "UNSHARED" not in done.out:
        vacuous(f"no user namespaces inside user namespaces here: {done!r}")


# ---- V11 ---------------------------------------------------------------------------------------------------------------


@test
def cve_2021_43784_length_truncation(w):
    """Values longer than 16-bit lengths, page sizes and kernel names: each arrives whole, or nothing starts."""
    words = "x" * 100000 + "\\n0 0 4294967295"
    seen = w.run_bundle(["sh", "-c", "printf %s \"$LONG\" | sha256sum; printf %s \"$1\" | sha256sum", "sh", words],
                        lambda c: c["process"]["env"].append("LONG=" + words))
    want = hashlib.sha256(words.encode()).hexdigest()
    check_equal([line.split()[0] for line in seen.out.splitlines()], [want, want], repr(seen)[:500])
    bundle = w.bundle(["sleep", "100"], lambda c: c.update(annotations={"a": words, "b" * 70000: "c"}))
    name = w.id()
    w.run(["sh", "-c", f"exec {w.bin}/bothy-oci --root {w.tmp}/state create --bundle {bundle} {name} >/dev/null 2>&1"])
    notes = w.state(name)["annotations"]
    w.ok("delete", "--force", name)
    check(notes.get("a") == words and notes.get("b" * 70000) == "c", "annotations were cut")
    long = "y" * 70000
    refused = {
        "hostname": lambda c: c.update(hostname="h" * 65),
        "hostname of 64 KiB": lambda c: c.update(hostname=long),
        "domain name": lambda c: c.update(domainname=long),
        "mount option": lambda c: c["mounts"].append({"destination": "/tmp", "type": "tmpfs", "options": ["size=1k," + long]}),
        "mount destination": lambda c: c["mounts"].append({"destination": "/" + long, "type": "tmpfs"}),
        "mount source": lambda c: c["mounts"].append({"destination": "/tmp", "type": "bind", "source": "/" + long,
                                                      "options": ["bind"]}),
        "working directory": lambda c: c["process"].update(cwd="/" + long),
        "network device": lambda c: c["linux"].update(netDevices={long: {}}),
        "network device's new name": lambda c: c["linux"].update(netDevices={"lo": {"name": "n" * 16}}),
        "control group": lambda c: c["linux"].update(cgroupsPath="/bt-" + long),
        "device": lambda c: c["linux"].update(devices=[{"path": "/dev/" + long, "type": "c", "major": 1, "minor": 3}]),
        "sysctl's value": lambda c: cve.with_sysctl(c, value="7" * 70000),
        "sysctl's name": lambda c: cve.with_sysctl(c, key="net." + long),
        "personality": lambda c: c["linux"].update(personality={"domain": long}),
        "masked path": lambda c: c["linux"].update(maskedPaths=["/" + long + "/x"]),
        "hook": lambda c: c.update(hooks={"createRuntime": [{"path": "/" + long}]}),
    }
    for what, edit in refused.items():
        done = w.run_bundle(["echo", "started"], edit)
        if what == "masked path" and done.code == 0:
            continue  # such a path cannot exist
        if what == "control group" and not w.root and done.code == 0:
            continue  # a plain user's groups may be left out
        check(done.code != 0 and "started" not in done.out, f"{what}: {done!r}"[:600])
        check(len(done.err) < 5000, f"{what}: an error of {len(done.err)} bytes")
    check_equal(cve.naive(w, "attrs", "65540").out, "next attribute 99\n", "a length in 16 bits")
    check_equal(cve.naive(w, "attrs", "100").out, "next attribute 0\n", "a short value")


@test(root=True)
def cve_2021_43784_many_mappings(w):
    def mapped(count):
        def edit(config):
            config["linux"]["namespaces"].append({"type": "user"})
            for which in ("uidMappings", "gidMappings"):
                config["linux"][which] = [{"containerID": i, "hostID": 1000000 + i, "size": 1} for i in range(count)]
        return edit
    done = w.run_bundle(["sh", "-c", "wc -l </proc/self/uid_map; tail -1 /proc/self/gid_map"], mapped(200))
    check_equal(done.out.split(), ["200", "199", "1000199", "1"], repr(done))
    for count in (341, 5000):
        done = w.run_bundle(["cat", "/proc/self/uid_map"], mapped(count))
        check(done.code != 0 and not done.out, f"{count} mappings: {done!r}"[:600])


@test
def cve_2021_43784_huge_document(w):
    """A document without end is refused before it fills memory."""
    bundle = w.bundle(["echo", "started"])
    document = (bundle / "config.json").read_text()
    with open(bundle / "config.json", "w", encoding="ascii") as f:
        f.write(document)
        f.truncate(8 << 30)
    command = ["prlimit", f"--as={512 << 20}", w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle]
    code, out, took = cve.measured(w, [*command, w.id()])
    check(code == 1 and "started" not in out and took < 10, f"exit {code} after {took:.1f} s of work: {out}")
    (bundle / "config.json").write_text("[" * 10000000)
    code, out, took = cve.measured(w, [*command, w.id()])
    check(code == 1 and took < 10, f"exit {code} after {took:.1f} s of work: {out}")


# ---- V12 ---------------------------------------------------------------------------------------------------------------

FORBIDDEN = (("c", 1, 11), ("c", 1, 1), ("c", 10, 237), ("b", 7, 0))  # kmsg, mem, loop-control, loop0


def host_disks():
    """The host's block devices that can be opened at all."""
    return [("b", *map(int, read(f"/sys/class/block/{name}/dev").split(":"))) for name in os.listdir("/sys/class/block")][:3]


@test(root=True)
def ghsa_g54h_m393_cpwq_device_default_allow(w):
    """What no rule of the document allows is denied: with rules, without rules, with a rule for something else."""
    root = cve.image(w)

    def config(rules):
        def edit(c):
            c["root"]["path"] = str(root)
            cve.all_caps(c)
            if rules is None:
                c["linux"].pop("resources", None)
            else:
                c["linux"]["resources"] = {"devices": rules} if rules else {}
        return edit
    devices = [*FORBIDDEN, *host_disks()]
    opened = 0
    other = {"allow": True, "type": "c", "major": 4, "minor": 64, "access": "rwm"}
    for rules in (None, [], [other], [{"allow": False, "access": "rwm"}], [{"allow": False, "access": "rwm"}, other]):
        with w.container(["sleep", "1000"], config(rules)) as c:
            for device in devices:
                done = cve.facts(w.ok("exec", c, "/probe", "device", *map(str, device)).out)
                check("EPERM" in (done["mknod"], done.get("open")), f"rules {rules}, device {device}: {done}")
            done = cve.facts(w.ok("exec", c, "/probe", "device", "c", "1", "3").out)
            check_equal(done, {"mknod": "ok", "open": "ok"}, f"/dev/null with rules {rules}")
            check_equal(w.ok("exec", c, "sh", "-c", "echo x >/dev/null; head -c 3 /dev/zero | wc -c").out, "3\n")
    with w.container(["sleep", "1000"], config([{"allow": True, "access": "rwm"}])) as c:
        for device in devices:
            opened += cve.facts(w.ok("exec", c, "/probe", "device", *map(str, device)).out).get("open") == "ok"
    if not opened:
        vacuous("none of the devices opens even when all are allowed")


@test(root=True)
def ghsa_g54h_m393_cpwq_devices_in_bothy_run(w):
    root = cve.image(w)
    for options in ([], ["--cap-add", "MKNOD"], ["--userns", "host", "--cap-add", "MKNOD"],
                    ["--userns", "host", "--cap-add", "MKNOD", "--device-cgroup-rule", "c 4:64 rwm"]):
        for device in FORBIDDEN:
            done = w.bothy("run", "--rm", "--network", "none", *options, "--rootfs", root, "/probe", "device", *map(str, device))
            check(done.code == 0, repr(done))
            said = cve.facts(done.out)
            check("EPERM" in (said["mknod"], said.get("open")), f"{options} {device}: {said}")
    free = [w.bothy("run", "--rm", "--network", "none", "--userns", "host", "--cap-add", "MKNOD", "--device-cgroup-rule",
                    "a *:* rwm", "--rootfs", root, "/probe", "device", *map(str, device)) for device in [*FORBIDDEN, *host_disks()]]
    if not any("open ok" in done.out for done in free):
        vacuous(f"none of the devices opens even when all are allowed: {free!r}")


# ---- V20 ---------------------------------------------------------------------------------------------------------------

INJECTED = {
    "kernel.core_pattern": "|/bin/true",
    "kernel.shm_rmid_forced=1+kernel.core_pattern": "|/bin/true",
    "kernel.shm_rmid_forced+kernel.core_pattern": "1",
    "kernel.shm_rmid_forced\nkernel.core_pattern": "1",
    "net/../kernel/core_pattern": "|/bin/true",
    "net.ipv4/../../kernel/core_pattern": "|/bin/true",
    "net.ipv4...kernel.core_pattern": "|/bin/true",
    "net.ipv4.//../../../kernel/core_pattern": "|/bin/true",
    "fs.mqueue.../suid_dumpable": "2",
    "/proc/sys/kernel/core_pattern": "|/bin/true",
    "../kernel/core_pattern": "|/bin/true",
    "kernel.sem/../core_pattern": "|/bin/true",
    "vm.overcommit_memory": "1",
    "": "1",
    ".": "1",
}


def host_values():
    return [read(f"/proc/sys/{name}") for name in ("kernel/core_pattern", "fs/suid_dumpable", "vm/overcommit_memory",
                                                  "net/ipv4/ip_default_ttl", "kernel/shm_rmid_forced", "kernel/hostname")]


@test
def cve_2022_0811_sysctl_injection(w):
    before = host_values()
    root = w.rootfs()
    for key, value in INJECTED.items():
        done = w.run_bundle(["echo", "started"], lambda c, key=key, value=value: cve.with_sysctl(c, key, value))
        check(done.code != 0 and "started" not in done.out, f"{key!r}: {done!r}")
        check_equal(done.err.count("\n"), 1, f"lines of the error for {key!r}: {done!r}")
        done = w.bothy("run", "--rm", "--network", "none", "--sysctl", f"{key}={value}", "--rootfs", root, "/bin/echo", "started")
        check(done.code != 0 and "started" not in done.out, f"--sysctl {key!r}: {done!r}")
        check_equal(host_values(), before, f"the host's parameters after {key!r}")
    # A value is one value, whatever is in it.
    for value in ("77\nkernel.core_pattern=|/bin/true", "77+kernel.core_pattern=|/bin/true", "77 kernel.core_pattern=x"):
        w.run_bundle(["true"], lambda c, value=value: cve.with_sysctl(c, value=value))
        w.bothy("run", "--rm", "--network", "none", "--sysctl", f"net.ipv4.ip_default_ttl={value}", "--rootfs", root, "/bin/true")
        check_equal(host_values(), before, f"the host's parameters after the value {value!r}")
    # What is a namespace's is refused without that namespace, since it would be the host's.
    for key, kind in (("net.ipv4.ip_default_ttl", "network"), ("kernel.shm_rmid_forced", "ipc"), ("kernel.domainname", "uts")):
        def edit(config, key=key, kind=kind):
            cve.with_sysctl(config, key, "1")
            cve.namespaces(config, kind)
            config.pop("hostname", None)
            config["mounts"] = [m for m in config["mounts"] if m["type"] != "mqueue"]
        done = w.run_bundle(["echo", "started"], edit)
        check(done.code != 0 and "started" not in done.out, f"{key} without {kind}: {done!r}")
        check_equal(host_values(), before, f"the host's parameters after {key}")
    # The injection on a writer that takes a key as a path, in a tree of the test's own.
    plain = w.rootfs("plain")
    (plain / "proc/sys/net/ipv4").mkdir(parents=True)
    (plain / "proc/sys/kernel").mkdir()
    (plain / "proc/sys/kernel/core_pattern").write_text("core\n")
    cve.naive(w, "enter", plain, "noproc", "sysctl=net/ipv4//../../kernel/core_pattern=|/bin/true", "--", "/bin/true")
    naive = (plain / "proc/sys/kernel/core_pattern").read_text()
    check_equal(naive, "core\n", "dots are folders to this one, so it is not reached this way")
    (plain / "proc/sys/net/ipv4/x").symlink_to("../../kernel/core_pattern")
    cve.naive(w, "enter", plain, "noproc", "sysctl=net.ipv4.x=|/bin/true", "--", "/bin/true")
    check_in("|/bin/true", (plain / "proc/sys/kernel/core_pattern").read_text(), "a naive runtime")


@test
def cve_2022_0811_property_injection(w):
    """What other runtimes hand to a service manager or put into a command line is data here, and bounded."""
    before = host_values()
    script = w.tmp / "pwned"
    for notes in ({"org.systemd.property.ExecStartPre": f"['/bin/touch', '{script}']"},
                  {"org.systemd.property.TimeoutStopUSec": "uint64 123456789"},
                  {"run.oci.handler": "wasm", "run.oci.mount_context_type": "rootcontext"}):
        w.run_bundle(["true"], lambda c, notes=notes: c.update(annotations=notes))
        w.bothy("run", "--rm", "--network", "none", *[f"--annotation={k}={v}" for k, v in notes.items()],
                "--rootfs", w.rootfs(), "/bin/true")
        check(not script.exists(), "an annotation ran a program")
    for path in ("../../../bt-escape", "/../../bt-escape", "/bt-a/../../../../tmp/bt-escape", "bt-a\nbt-b", "--bt-option"):
        done = w.run_bundle(["cat", "/proc/self/cgroup"], lambda c, path=path: c["linux"].update(cgroupsPath=path))
        check(done.code != 0 or ".." not in done.out, f"{path!r}: {done!r}")
        check(not os.path.exists("/tmp/bt-escape") and not os.path.exists("/sys/bt-escape"), path)
    check_equal(host_values(), before)


# ---- V34 ---------------------------------------------------------------------------------------------------------------


def inhabitants(namespace):
    """{pid: groups} of the processes in a pid namespace, as the host sees them."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                groups = read(f"/proc/{pid}/cgroup")
                # The number may be somebody else's by now.
                if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                    found[int(pid)] = groups
        except OSError:
            pass
    return found


def strays(groups, own, namespace):
    """Those whose groups are not the container's. An ending process is in the root of v1 hierarchies for a moment, and the
    runtime's own code enters them one by one (on v2 it is born inside) before it becomes the container's program."""
    bad = {}
    for pid, text in groups.items():
        if text == own or read(f"/proc/{pid}/cgroup") in (own, ""):
            continue
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace and "bothy-oci" not in exe:
                bad[pid] = (exe, text)
        except OSError:
            continue  # it has ended
    return bad


@test(root=True)
def cve_2023_6476_processes_are_in_the_group_at_once(w):
    """The first thing that each program does is to ask where it is."""
    with w.container() as c:
        own = read(f"/proc/{w.state(c)['pid']}/cgroup")
        check("bt-" in own or c in own, f"the container has no group of its own: {own}")
        for _ in range(100):
            check_equal(w.ok("exec", c, "cat", "/proc/self/cgroup").out, own, "the group of an exec")
        # Its first child, too: nothing may be forked before the process is where it belongs.
        done = w.ok("exec", c, "sh", "-c", "cat /proc/self/cgroup & cat /proc/$$/cgroup; wait")
        check_equal(done.out, own + own)
    for _ in range(30):
        done = w.run_bundle(["cat", "/proc/self/cgroup"])
        check(done.code == 0 and all(line.split(":")[2] != "/" for line in done.out.splitlines()
                                     if line.split(":")[1] in ("pids", "memory", "devices", "cpu")), repr(done))


@test(root=True)
def cve_2025_47291_fork_storm_stays_in_the_group(w):
    """Processes that fork all the time, from the first one and from execs, with a limit: none is ever outside."""
    limit = 60
    storm = "while :; do (sleep 0.01 &) ; (sleep 0.02 &) ; done 2>/dev/null"

    def edit(config):
        config["linux"]["resources"] = {"pids": {"limit": limit}}
        config["process"]["rlimits"] = []
    most = seen = execs = 0
    # A shell that may not fork ends, and the container with it: then the next one is started.
    for _ in cve.rounds(8, enough=lambda: seen >= 200):
        with w.container(["sh", "-c", storm], edit) as c:
            pid = w.state(c)["pid"]
            # Held open: the namespace's number must not become another's.
            with open(f"/proc/{pid}/ns/pid", "rb") as held:
                namespace = f"pid:[{os.fstat(held.fileno()).st_ino}]"
                own = read(f"/proc/{pid}/cgroup")
                for _ in range(20):
                    execs += w.oci("exec", "-d", c, "sh", "-c", "for i in 1 2 3; do (sleep 0.01 &) ; done").code == 0
                    groups = inhabitants(namespace)
                    seen += len(groups)
                    most = max(most, len(groups))
                    check_equal(strays(groups, own, namespace), {}, "processes outside the group")
                    if not groups:
                        break
    check(most <= limit + 25, f"{most} processes with a limit of {limit} and up to 20 execs")
    check(seen >= 200, f"only {seen} processes looked at, {execs} execs")


@test(root=True)
def cve_2023_6476_works_on_a_naive_runtime(w):
    """Placed after the start, what the program forked before is outside."""
    top = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    group = f"{top}/bt-cve-{os.getpid()}"
    os.mkdir(group)
    try:
        out = cve.naive(w, "late", group, "sh", "-c", "(sleep 0.6; cat /proc/self/cgroup) & sleep 0.5; wait").out
        check(os.path.basename(group) not in out, f"the child was caught, too: {out}")
        check(out.strip(), "nothing was said")
    finally:
        os.rmdir(group)


# ---- V35 ---------------------------------------------------------------------------------------------------------------

# Answers that come from a filter (or from a kernel that has no such call), and those that mean that the call was made.
REFUSED = ("EPERM", "ENOSYS", "EACCES", "EAFNOSUPPORT", "signal-31", "signal-11")
HARMLESS = ("AF_UNIX", "getpid", "i386:getpid", "i386:socket-AF_UNIX")


@test
def cve_2026_31431_dangerous_system_calls(w):
    """bothy run's default profile: AF_ALG, AF_VSOCK, io_uring, keyrings, userfaultfd, bpf, perf and the mount interface."""
    root = cve.image(w)
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    free = cve.facts(w.bothy(*run, "--security-opt", "seccomp=unconfined", "/probe", "syscalls").out)
    check(len(free) >= 19, f"without a filter: {free}")
    there = [name for name, answer in free.items() if name not in HARMLESS and answer not in REFUSED]
    for options in ([], ["--user", "1000"], ["--security-opt", "no-new-privileges"], ["--profile", "restricted", "--user", "1000"]):
        got = cve.facts(w.bothy(*run, *options, "/probe", "syscalls").out)
        check_equal(sorted(got), sorted(free), f"calls tried with {options}")
        open_ones = {name: answer for name, answer in got.items() if name not in HARMLESS and answer not in REFUSED and
                     name not in ("i386:socketcall-AF_UNIX", "x32:getpid")}
        check_equal(open_ones, {}, f"calls that came through with {options}")
        for name in ("AF_UNIX", "getpid"):
            check_equal(got[name], "ok", name)
        # EAFNOSUPPORT is the kernel's own word: with the filter it must be the filter's.
        for name in ("AF_ALG", "AF_VSOCK"):
            check(got[name] in ("EPERM", "EACCES"), f"{name}: {got[name]} is not the filter's answer")
        if free.get("i386:getpid") == "ok":
            check_equal(got["i386:getpid"], "ok", "32-bit programs run")
            check_equal(got["i386:socket-AF_UNIX"], free["i386:socket-AF_UNIX"], "32-bit programs have sockets")
    if len(there) < 8:
        vacuous(f"without the filter only {there} are there on this host")


@test
def cve_2026_31431_sockets_of_32_bit_images(w):
    """An image for linux/386 gets socketcall, without which its programs have no sockets; no other image does."""
    probe = hostile.entry("probe", cve.program("probe").read_bytes(), mode=0o755)
    for architecture, want in (("386", "ok"), ("amd64", "EPERM")):
        name = f"team/{architecture}:1"
        folder, _ = test_images_cli.layout(w, architecture, name, architecture=architecture, more=probe)
        done = w.bothy("load", "--platform", f"linux/{architecture}", "-i", folder)
        check_equal(done.code, 0, repr(done))
        got = cve.facts(w.bothy("run", "--rm", "--network", "none", name, "/probe", "syscalls").out)
        check_equal(got["AF_UNIX"], "ok", f"{architecture}: a socket of 64-bit programs")
        check_equal(got["AF_ALG"], "EPERM", f"{architecture}: AF_ALG of 64-bit programs")
        if got.get("i386:getpid") != "ok":
            vacuous(f"no 32-bit programs on this host: {got.get('i386:getpid')}")
        check_equal(got["i386:socketcall-AF_UNIX"], want, f"{architecture}: a socket of 32-bit programs")
        check_equal(got["i386:socket-AF_ALG"], "EPERM", f"{architecture}: by the call of its own AF_ALG stays closed")


@test
def cve_2022_0185_mount_interface_with_admin_rights(w):
    """The rights of a new user namespace must not bring the file system context calls back."""
    root = cve.image(w)
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    script = "unshare -Ur /probe syscalls || /probe syscalls"
    got = cve.facts(w.bothy(*run, "/bin/sh", "-c", script).out)
    for name in ("fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr"):
        check(got[name] in ("EPERM", "ENOSYS"), f"{name}: {got[name]}")
    free = cve.facts(w.bothy(*run, "--security-opt", "seccomp=unconfined", "/bin/sh", "-c", script).out)
    if free["fsconfig"] in ("EPERM", "ENOSYS"):
        vacuous(f"without the filter fsconfig says {free['fsconfig']}, too")


# ---- V36 ---------------------------------------------------------------------------------------------------------------

SIDE_CHANNELS = ("/proc/interrupts", "/proc/keys", "/proc/kcore", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats",
                 "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/acpi", "/proc/asound", "/proc/scsi")
LOOK = "for f in {}; do if [ -d $f ]; then n=$(ls $f | wc -l); else n=$(head -c 64 $f 2>/dev/null | wc -c); fi; echo $f $n; done"


@test
def ghsa_6fw5_f8r9_fgfm_side_channel_files(w):
    root = w.rootfs()
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    look = LOOK.format(" ".join(SIDE_CHANNELS))
    masked = cve.facts(w.bothy(*run, "/bin/sh", "-c", look).out)
    check_equal({name: n for name, n in masked.items() if n != "0"}, {}, "side channels that can be read")
    # Throttle counters of each CPU, where there are any.
    counters = w.bothy(*run, "/bin/sh", "-c", "cat /sys/devices/system/cpu/cpu*/thermal_throttle/* 2>/dev/null; true").out
    check_equal(counters, "", "thermal_throttle")
    bare = cve.facts(w.bothy(*run, "--security-opt", "unmask=ALL", "/bin/sh", "-c", look).out)
    if not any(n != "0" for n in bare.values()):
        vacuous("nothing of it can be read without masks either")


@test
def ghsa_6fw5_f8r9_fgfm_one_superblock_for_all_masks(w):
    """Hundreds of masked folders (one for each CPU) cost mounts, but one file system; none can be written or made visible."""
    root = w.rootfs()
    for i in range(200):
        (root / f"secret/{i}").mkdir(parents=True)
        (root / f"secret/{i}/file").write_text("secret")
        (root / f"secret/f{i}").write_text("secret")

    def edit(config):
        config["root"]["path"] = str(root)
        config["linux"]["maskedPaths"] = [f"/secret/{i}" for i in range(200)] + [f"/secret/f{i}" for i in range(200)]
    done = w.run_bundle(["sh", "-c", "cat /proc/self/mountinfo; cat /secret/*/file /secret/f*; for i in 0 99 199; do "
                         "touch /secret/$i/x; umount /secret/$i; umount /secret/f$i; cat /secret/f$i; done"], edit)
    mounts = [line.split() for line in done.out.splitlines() if " /secret/" in line]
    check_equal(len(mounts), 400, "masks")
    check_equal(len({m[2] for m in mounts if m[4].split("/")[2].isdigit()}), 1, "file systems of masked folders")
    check("secret\n" not in done.out and not done.out.endswith("secret"), "a masked file was read")
    check("Read-only" in done.err or "not permitted" in done.err, done.err)
    done = w.run_bundle(["sh", "-c", "cat /secret/7/file"], lambda c: (edit(c), c["linux"].update(maskedPaths=[])))
    check_equal(done.out, "secret", "without masks")
