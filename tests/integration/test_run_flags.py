# SPDX-License-Identifier: Apache-2.0
"""`bothy run`: every flag does what its help says, seen from inside the container, as root and as a plain user."""

import contextlib
import json
import os
import stat

from harness import SLOW, check, check_equal, check_in, read, skip, test


def run(w, *args, **kwargs):
    return w.bothy("run", *args, **kwargs)


def out(w, *args, **kwargs):
    """The output of a run that must succeed."""
    done = run(w, *args, **kwargs)
    check_equal(done.code, 0, f"bothy run {' '.join(map(str, args))}: {done!r}")
    return done.out


def shell(w, *args):
    """Options, and last a script for the embedded image's shell."""
    return out(w, *args[:-1], "embedded", "sh", "-c", args[-1])


def group_file(w, name, args):
    """A file of the container's control group, read from outside while it runs."""
    child = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--init", *args, "embedded",
                     "sleep", "1000"])
    found = []

    def look():
        ids = tuple(os.listdir(w.tmp / "lib/containers")) if (w.tmp / "lib/containers").is_dir() else ()
        for top, _, files in os.walk("/sys/fs/cgroup"):
            if not ids or not top.endswith(ids) or name not in files:
                continue
            # Once the program runs, all limits are written.
            if "sleep\n" in (read(f"/proc/{pid}/comm") for pid in read(f"{top}/cgroup.procs").split()):
                found.append(f"{top}/{name}")
        return found or child.poll() is not None

    w.wait_for(look, f"{name} of the container")
    check(found, f"it ended before {name} was seen")
    text = read(found[0]).strip()
    child.terminate()
    child.wait()
    return text


# ---- what runs -----------------------------------------------------------------------------------------------------------


@test
def the_embedded_image_needs_no_argument(w):
    check_in("uid=0(root)", out(w, "embedded", "id"))
    check_in("uid=0(root)", out(w, "/bin/id"))
    check_equal(run(w).code, 0, "a shell with an empty input")
    check_equal(out(w, "-i", stdin="echo $((6*7))\n"), "42\n", "a script by -i")
    check_equal(out(w, "embedded", "cat", stdin="x"), "", "without -i the input is empty")


@test
def environment(w):
    w.env["FROM_HERE"] = "seen"
    w.env["SECRET"] = "x"
    (w.tmp / "env").write_text("# comment\n\nA=file\nB=b=c \nFROM_HERE\r\n")
    text = out(w, "-e", "A=1", "--env", "FROM_HERE", "-e", "GONE", "--env-file", w.tmp / "env", "embedded", "env")
    lines = text.splitlines()
    for line in ("A=1", "B=b=c ", "FROM_HERE=seen", "HOME=/root"):
        check(line in lines, f"{line} in {text}")
    check("SECRET" not in text and "GONE" not in text, text)
    check_in("PATH=/usr/local/sbin:/usr/local/bin", text)
    (w.tmp / "env").write_text("C = d\n")
    done = run(w, "--env-file", w.tmp / "env", "embedded", "true")
    check_equal(done.code, 125, "a name with a blank")
    check_in('"C = d"', done.err)


@test
def working_directory_user_and_groups(w):
    check_equal(out(w, "-w", "/tmp", "embedded", "pwd"), "/tmp\n")
    check_equal(out(w, "--workdir=/new/one", "embedded", "pwd"), "/new/one\n", "made when missing")
    check_equal(out(w, "-u", "nobody", "embedded", "id", "-un"), "nobody\n")
    check_equal(out(w, "-u", "1000:2000", "--group-add", "5", "embedded", "id", "-G"), "2000 5\n")
    check_equal(out(w, "-u", "1000:nogroup", "--group-add=nogroup", "embedded", "id", "-gn"), "nogroup\n")


@test
def entry_point(w):
    check_equal(out(w, "--entrypoint", "echo", "embedded", "a", "b"), "a b\n")
    check_equal(out(w, "--entrypoint=/bin/echo", "embedded"), "\n")


@test
def names(w):
    text = shell(w, "--hostname", "moor", "--domainname", "hut", "hostname; cat /proc/sys/kernel/domainname /etc/hostname /etc/hosts")
    check_equal(text.splitlines()[:3], ["moor", "hut", "moor"])
    check_in("127.0.0.1\tmoor", text)
    check_equal(len(out(w, "embedded", "hostname").strip()), 12, "the short id is the host name")
    check_equal(out(w, "--uts", "host", "embedded", "hostname").strip(), os.uname().nodename)


@test
def init_reaps_and_passes_on(w):
    check_in("bothy-init", out(w, "--init", "embedded", "cat", "/proc/1/comm"))
    check_equal(run(w, "--init", "embedded", "sh", "-c", "exit 7").code, 7)
    check_equal(run(w, "--init", "embedded", "sh", "-c", "kill -9 $$").code, 137)
    # An orphan is reaped: no zombie stays.
    check_equal(shell(w, "--init", "sh -c 'sleep 0.1 & echo $! >/pid'; while [ -d /proc/$(cat /pid) ]; do sleep 0.05; done; echo reaped"), "reaped\n")


@test
def labels_and_annotations_are_in_the_document(w):
    (w.tmp / "look").mkdir()
    child = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "-l", "a=b=c", "--label",
                     "bare", "--annotation", "org.x=1", "--name", "hut", "--stop-signal", "INT", "--init", "embedded", "sleep", "1000"])
    folder = w.tmp / "run/bothy/containers"

    def config():
        for name in os.listdir(folder) if folder.is_dir() else []:
            with contextlib.suppress(OSError, ValueError): # it may be half written
                return json.loads((folder / name / "config.json").read_text())
        return None

    w.wait_for(config, "the container's document")
    notes = config()["annotations"]
    check_equal(notes["org.x"], "1")
    check_in("b=c", json.dumps(notes))
    check("hut" in notes.values(), str(notes))
    again = run(w, "--name", "hut", "embedded", "true")
    check_equal(again.code, 125, "the name is taken")
    check_in("--name: a container called 'hut' exists already", again.err)
    w.wait_until_idle(child.pid)  # before that process 1 has no handlers yet, and the kernel keeps signals from it
    child.terminate()
    child.wait(timeout=60 * SLOW)
    out(w, "--name", "hut", "embedded", "true")


# ---- files -----------------------------------------------------------------------------------------------------------------


@test
def volumes(w):
    (w.tmp / "data").mkdir()
    (w.tmp / "data/f").write_text("x\n")
    check_equal(out(w, "-v", f"{w.tmp}/data:/data", "embedded", "cat", "/data/f"), "x\n")
    out(w, "-v", f"{w.tmp}/data:/data", "embedded", "touch", "/data/new")
    check_equal((w.tmp / "data/new").stat().st_uid, os.getuid(), "the owner of a new file")
    done = run(w, "-v", f"{w.tmp}/data:/data:ro", "embedded", "touch", "/data/no")
    check_in("Read-only file system", done.err)
    check_equal(out(w, "-v", f"{w.tmp}/data/f:/etc/one:ro,z", "embedded", "cat", "/etc/one"), "x\n", "a file")
    out(w, "-v", f"{w.tmp}/fresh/dir:/d:create", "embedded", "touch", "/d/x")
    check((w.tmp / "fresh/dir/x").exists(), "made by :create")
    here = w.bothy("run", "-v", "./data:/d", "embedded", "ls", "/d", cwd=w.tmp)
    check_in("new", here.out, "a relative source")
    out(w, "--mount", f"type=bind,source={w.tmp}/data,target=/m,readonly", "embedded", "cat", "/m/f")
    done = run(w, "--mount", f"type=bind,src={w.tmp}/data,dst=/m,ro=true,bind-propagation=rslave", "embedded", "touch", "/m/q")
    check_in("Read-only", done.err)
    check("q" not in os.listdir(w.tmp / "data"), "written through a read-only mount")


@test
def propagation(w):
    (w.tmp / "data").mkdir()
    for option, want in (("rprivate", ""), ("rslave", "master:"), ("rshared", "shared:")):
        if not w.root and option == "rshared":
            continue
        text = out(w, "-v", f"{w.tmp}/data:/data:{option}", "embedded", "grep", " /data ", "/proc/self/mountinfo")
        check(not want or want in text or "shared:" not in open("/proc/self/mountinfo", encoding="utf-8").read(), f"{option}: {text}")


@test
def memory_file_systems(w):
    text = shell(w, "--tmpfs", "/t:size=1m,mode=700,exec", "--shm-size", "2m", "--mount", "type=tmpfs,dst=/u,tmpfs-size=3m,tmpfs-mode=1770",
                 "df /t /dev/shm /u; stat -c %a /t /u; grep ' /t ' /proc/mounts")
    for want in ("1024 ", "2048 ", "3072 ", "700\n", "1770\n"):
        check_in(want, text)
    check("noexec" not in text, text)
    check_in("noexec", shell(w, "--tmpfs", "/t", "grep ' /t ' /proc/mounts"), "Docker's defaults")
    check_in("65536", shell(w, "df /dev/shm"), "64 MiB unless asked otherwise")


@test
def read_only_root(w):
    done = run(w, "--read-only", "--tmpfs", "/run", "embedded", "sh", "-c", "touch /run/x && touch /x")
    check_equal(done.code, 1)
    check_in("/x: Read-only file system", done.err)


@test
def a_folder_as_root(w):
    root = w.rootfs()
    check_equal(out(w, "--rootfs", root, "cat", "/etc/group").splitlines()[0], "root:x:0:")
    out(w, "--rootfs", root, "touch", "/made")
    check((root / "made").exists(), "a folder is used as it is")
    check_equal((root / "made").stat().st_uid, os.getuid(), "owner")


# ---- limits ------------------------------------------------------------------------------------------------------------------


@test(root=True)
def memory_limits(w):
    args = ["-m", "64m", "--memory-swap", "100m", "--memory-reservation", "32m", "--pids-limit", "17"]
    if os.path.exists("/sys/fs/cgroup/memory"):
        check_equal(group_file(w, "memory.limit_in_bytes", args), str(64 << 20))
        check_equal(group_file(w, "memory.soft_limit_in_bytes", args), str(32 << 20))
        check_equal(group_file(w, "pids.max", args), "17")
        check_equal(group_file(w, "memory.swappiness", ["--memory-swappiness", "10"]), "10")
    else:
        check_equal(group_file(w, "memory.max", args), str(64 << 20))
        check_equal(group_file(w, "memory.swap.max", args), str(36 << 20))
        check_equal(group_file(w, "memory.low", args), str(32 << 20))
    done = run(w, "-m", "20m", "embedded", "sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=80M count=1")
    check_equal(done.code, 137, f"out of memory: {done!r}")


@test(root=True)
def cpu_limits(w):
    args = ["--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0"]
    if os.path.exists("/sys/fs/cgroup/cpu"):
        check_equal(group_file(w, "cpu.cfs_quota_us", args), "50000")
        check_equal(group_file(w, "cpu.shares", args), "512")
        check_equal(group_file(w, "cpuset.cpus", args), "0")
        check_equal(group_file(w, "cpu.cfs_period_us", ["--cpu-period", "50000", "--cpu-quota", "10000"]), "50000")
    else:
        check_equal(group_file(w, "cpu.max", args), "50000 100000")
        check_equal(group_file(w, "cpuset.cpus", args), "0")
    check_equal(shell(w, *args, "grep Cpus_allowed_list /proc/self/status").split()[-1], "0")


@test(root=True)
def the_pids_limit_stops_a_fork_bomb(w):
    done = run(w, "--pids-limit", "10", "embedded", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 3 & done; wait")
    check_in("can't fork", done.err)


@test(root=True)
def block_io_limits(w):
    disks = [n for n in os.listdir("/dev") if stat.S_ISBLK(os.stat(f"/dev/{n}").st_mode) and n.startswith(("vd", "sd", "nvme"))]
    if not disks or not os.path.exists("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device"):
        skip("no disk, or no blkio controller of v1")
    disk = f"/dev/{disks[0]}"
    args = ["--device-read-bps", f"{disk}:10m", "--device-write-bps", f"{disk}:20m", "--device-read-iops", f"{disk}:100",
            "--device-write-iops", f"{disk}:200"]
    for name, want in (("read_bps", 10 << 20), ("write_bps", 20 << 20), ("read_iops", 100), ("write_iops", 200)):
        check_in(f" {want}", group_file(w, f"blkio.throttle.{name}_device", args))


@test
def ulimits_and_oom_score(w):
    text = shell(w, "--ulimit", "nofile=100:200", "--ulimit", "core=0", "ulimit -n; ulimit -Hn; ulimit -c")
    check_equal(text.split(), ["100", "200", "0"])
    for _ in range(6):  # it is written from outside, to a process that goes on meanwhile
        check_equal(out(w, "--oom-score-adj", "500", "embedded", "cat", "/proc/self/oom_score_adj"), "500\n")


@test(root=True)
def parent_group(w):
    text = shell(w, "--cgroup-parent", "/bothy-parent-test", "--cgroupns", "host", "cat /proc/self/cgroup")
    check_in(":/bothy-parent-test/", text)
    check_in(":/\n", out(w, "embedded", "cat", "/proc/self/cgroup"), "its own group is the root of its view")


# ---- security --------------------------------------------------------------------------------------------------------------------


def caps(text):
    return {line.split(":")[0][3:].lower(): int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


@test
def too_few_descriptors_are_said(w):
    """A limit that leaves no room for the start itself: the error names that, and nothing that is not so."""
    done = w.bothy("run", "--ulimit", "nofile=8", "embedded", "true")
    check_equal(done.code, 125)
    check_in("Too many open files", done.err)


@test
def capabilities(w):
    default = caps(shell(w, "cat /proc/self/status"))
    check_equal(default["eff"], 0x800405fb, "the default set")
    check_equal(default["inh"], 0)
    more = caps(shell(w, "--cap-add", "NET_ADMIN", "--cap-add", "cap_sys_ptrace", "--cap-drop", "CHOWN", "cat /proc/self/status"))
    check_equal(more["eff"], (0x800405fb | 1 << 12 | 1 << 19) & ~1)
    check_equal(caps(shell(w, "--cap-drop", "ALL", "--cap-add", "KILL", "cat /proc/self/status"))["bnd"], 1 << 5)
    user = caps(shell(w, "-u", "1000", "--cap-add", "NET_RAW", "cat /proc/self/status"))
    check_equal((user["eff"], user["amb"]), (1 << 13, 1 << 13), "a user that is not root gets what was asked by name")
    full = caps(shell(w, "--cap-add", "ALL", "cat /proc/self/status"))["eff"]
    check(full > 0x1ffffffffff or full & 1 << 21, "all")


@test
def security_options(w):
    check_in("NoNewPrivs:\t1", shell(w, "--security-opt", "no-new-privileges", "cat /proc/self/status"))
    check_in("NoNewPrivs:\t1", shell(w, "--security-opt=no-new-privileges:true", "cat /proc/self/status"))
    check_in("Seccomp:\t2", shell(w, "cat /proc/self/status"))
    check_in("Seccomp:\t0", shell(w, "--security-opt", "seccomp=unconfined", "cat /proc/self/status"))
    profile = w.tmp / "seccomp.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}))
    done = run(w, "--security-opt", f"seccomp={profile}", "embedded", "mkdir", "/x")
    check_in("No space left", done.err, "a profile of one's own")
    check_equal(out(w, "--security-opt", "mask=/etc/passwd", "embedded", "cat", "/etc/passwd"), "")
    check_in("ro,", shell(w, "grep ' /proc/sys ' /proc/mounts"))
    check_equal(shell(w, "--security-opt", "unmask=ALL", "grep -c -E ' /proc/(sys|keys) ' /proc/mounts || true").strip(), "0")
    check_equal(shell(w, "--security-opt", "unmask=/proc/sys", "grep -c ' /proc/sys ' /proc/mounts || true").strip(), "0")
    out(w, "--security-opt", "label=disable", "--security-opt", "apparmor=unconfined", "embedded", "true")


@test
def the_restricted_profile(w):
    text = shell(w, "--profile", "restricted", "--user", "1000:1000", "cat /proc/self/status")
    check_in("NoNewPrivs:\t1", text)
    check_equal(caps(text)["bnd"], 0)


@test
def devices(w):
    text = shell(w, "ls /dev").split()
    check_equal([n for n in text if n in ("kmsg", "mem", "kvm", "fuse", "vda", "sda", "loop0")], [], "no device of the host")
    check_equal(shell(w, "--device", "/dev/zero:/dev/nought", "head -c 3 /dev/nought | wc -c").strip(), "3", "another name")
    if w.root:
        if not os.path.exists("/dev/fuse"):
            skip("no /dev/fuse")
        check_equal(shell(w, "--device", "/dev/fuse", "stat -c '%u %t:%T' /dev/fuse; exec 3<>/dev/fuse && echo open").split(),
                    ["0", "a:e5", "open"], "a node that belongs to root inside")
        done = run(w, "--device", "/dev/fuse:/dev/fuse:r", "embedded", "sh", "-c", "exec 3>/dev/fuse")
        check_in("Operation not permitted", done.err, "the access asked for is all there is")


@test(root=True)
def device_rules_and_privilege(w):
    script = "mknod /tmp/z c 1 5 && head -c 2 /tmp/z | wc -c"
    args = ["--userns", "host", "--cap-add", "MKNOD"]
    check_equal(shell(w, *args, "--device-cgroup-rule", "c 1:5 rwm", script).strip(), "2")
    done = run(w, *args, "embedded", "sh", "-c", "mknod /tmp/k c 1 11 && head -c 1 /tmp/k")
    check_in("Operation not permitted", done.err, "what no rule allows")
    text = shell(w, "--privileged", "ls /dev; grep CapEff /proc/self/status; cat /proc/self/uid_map; ls -d /proc/acpi >/dev/null; grep Seccomp: /proc/self/status")
    check("kmsg" in text.split(), text)
    check_in("Seccomp:\t0", text)
    check_in("4294967295", text)


@test
def sysctls(w):
    check_equal(out(w, "--sysctl", "net.ipv4.ip_forward=1", "embedded", "cat", "/proc/sys/net/ipv4/ip_forward"), "1\n")
    check_equal(out(w, "--sysctl", "kernel.shmmax=4096", "embedded", "cat", "/proc/sys/kernel/shmmax"), "4096\n")
    check_equal(out(w, "embedded", "cat", "/proc/sys/net/ipv4/ping_group_range").split()[0], "0", "ping without NET_RAW")
    check_equal(out(w, "embedded", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n", "ports for everybody")


# ---- namespaces --------------------------------------------------------------------------------------------------------------


def namespaces(folder):
    return {n: os.readlink(f"{folder}/{n}") for n in ("net", "pid", "ipc", "uts", "cgroup", "user", "mnt", "time")}


@test
def namespaces_are_own_unless_asked_otherwise(w):
    script = "for n in net pid ipc uts cgroup user mnt time; do echo $n $(readlink /proc/self/ns/$n); done"

    def inside(*args):
        return dict(line.split() for line in shell(w, *args, script).splitlines())

    host = namespaces("/proc/self/ns")
    own = inside()
    check_equal({n for n in own if own[n] == host[n]}, {"time"}, "shared by default")
    for option, name in (("--network", "net"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup"), ("--pid", "pid")):
        got = inside(option, "host")
        check_equal({n for n in got if got[n] == host[n]}, {"time", name}, f"{option} host")
    check(inside("--ipc", "shareable")["ipc"] != host["ipc"], "shareable")
    check_equal(shell(w, "--ipc", "none", "grep -c ' /dev/shm ' /proc/mounts || true").strip(), "0")
    check_equal(shell(w, "--network", "none", "ls /sys/class/net").strip(), "lo")
    check_equal(sorted(shell(w, "--network", "host", "ls /sys/class/net").split()),
                sorted(n for n in os.listdir("/sys/class/net") if os.path.isdir(f"/sys/class/net/{n}")))


@test
def clocks(w):
    up = float(open("/proc/uptime", encoding="ascii").read().split()[0])
    inside = float(shell(w, "--time-offset", "boottime=+3d", "cat /proc/uptime").split()[0])
    check(abs(inside - up - 3 * 86400) < 60, f"{inside} against {up}")
    check(shell(w, "--time-offset", "monotonic=1h30m", "--time-offset", "boottime=-1s", "readlink /proc/self/ns/time").strip()
          != os.readlink("/proc/self/ns/time"), "a time namespace of its own")


@test
def syntax(w):
    check_equal(out(w, "-ie", "A=1", "embedded", "sh", "-c", "echo $A", stdin=""), "1\n", "letters together")
    check_equal(out(w, "--init=false", "--read-only=false", "embedded", "touch", "/x"), "")
    check_equal(out(w, "-eA=1", "-w=/tmp", "embedded", "sh", "-c", "echo $A $PWD"), "1 /tmp\n")
    check_equal(out(w, "embedded", "echo", "--rm", "-x"), "--rm -x\n", "the program's own options")
