# SPDX-License-Identifier: Apache-2.0
"""`bothy run` with bad input: exit 125, one line that names the flag and the value, and nothing left behind."""

import os
from pathlib import Path

from harness import check, check_equal, check_in, read, test

# arguments before "embedded true"; what the error must say; what the hint must say (None: no matter)
BAD = [
    (["--memory", "abc"], ['--memory', '"abc"'], None),
    (["-m", "3m"], ["--memory", "at least 6m"], None),
    (["-m", "-5"], ["--memory", '"-5"'], None),
    (["-m", "64m", "--memory-swap", "32m"], ["--memory-swap"], None),
    (["--memory-swap", "32m"], ["--memory-swap", "--memory"], None),
    (["-m", "64m", "--memory-reservation", "65m"], ["--memory-reservation"], None),
    (["--memory-swappiness", "101"], ["--memory-swappiness", "101"], None),
    (["--cpus", "0"], ["--cpus", '"0"'], None),
    (["--cpus", "1e3"], ["--cpus", '"1e3"'], None),
    (["--cpus", "100000"], ["--cpus", '"100000"'], None),
    (["--cpus", "1", "--cpu-quota", "1000"], ["--cpus", "--cpu-quota"], None),
    (["--cpu-shares", "x"], ["--cpu-shares", '"x"'], None),
    (["--cpuset-cpus", "a-b"], ["--cpuset-cpus", '"a-b"'], None),
    (["--cpuset-cpus", "999"], ["--cpuset-cpus", '"999"'], None),
    (["--cpuset-mems", "77"], ["--cpuset-mems", '"77"'], None),
    (["--pids-limit", "many"], ["--pids-limit", '"many"'], None),
    (["--blkio-weight", "5"], ["--blkio-weight", "5"], None),
    (["--blkio-weight-device", "/dev/null:100"], ["--blkio-weight-device", "/dev/null"], None),
    (["--device-read-bps", "/dev/null:1m"], ["--device-read-bps", "'/dev/null'", "block device"], None),
    (["--device-write-bps", "x"], ["--device-write-bps", '"x"'], None),
    (["--device-read-iops", "/nope:1"], ["--device-read-iops", "'/nope'"], None),
    (["--device-write-iops", "/dev/null"], ["--device-write-iops", '"/dev/null"'], None),
    (["--ulimit", "foo=1"], ["--ulimit", '"foo"'], "nofile"),
    (["--ulimit", "nofile"], ["--ulimit", '"nofile"'], None),
    (["--ulimit", "nofile=2:1"], ["--ulimit", '"nofile=2:1"'], None),
    (["--ulimit", "nofile=1:x"], ["--ulimit", '"nofile=1:x"'], None),
    (["--oom-score-adj", "1001"], ["--oom-score-adj", "1001"], None),
    (["--shm-size", "0"], ["--shm-size"], None),
    (["--shm-size", "-1"], ["--shm-size", '"-1"'], None),
    (["--cgroup-conf", "a/b=1"], ["--cgroup-conf", '"a/b=1"'], None),
    (["--cap-add", "foo"], ["--cap-add", '"foo"'], "NET_ADMIN"),
    (["--cap-drop", "CAP_"], ["--cap-drop", '"CAP_"'], None),
    (["--security-opt", "foo"], ["--security-opt", '"foo"'], "seccomp"),
    (["--security-opt", "seccomp=/nope"], ["--security-opt seccomp", "'/nope'"], None),
    (["--security-opt", "seccomp=/etc/passwd"], ["--security-opt seccomp", "/etc/passwd"], None),
    (["--profile", "x"], ["--profile", '"x"'], None),
    (["--profile", "restricted"], ["--profile restricted", "root"], "--user"),
    (["--profile", "restricted", "--user", "1", "--privileged"], ["--profile restricted"], None),
    (["--profile", "restricted", "--user", "1", "--network", "host"], ["--profile restricted"], None),
    (["--device", "/dev/nope"], ["--device", "'/dev/nope'"], None),
    (["--device", "/etc/passwd"], ["--device", "'/etc/passwd'"], None),
    (["--device", "null"], ["--device", '"null"'], None),
    (["--device", "/dev/null:/dev/x:q"], ["--device", '"q"'], None),
    (["--device-cgroup-rule", "c 1 rwm"], ["--device-cgroup-rule", '"c 1 rwm"'], None),
    (["--device-cgroup-rule", "x 1:1 rwm"], ["--device-cgroup-rule", '"x 1:1 rwm"'], None),
    (["--sysctl", "net.ipv4.ip_forward"], ["--sysctl", '"net.ipv4.ip_forward"'], None),
    (["--sysctl", "kernel.panic=1"], ["--sysctl", '"kernel.panic"'], "net."),
    (["--sysctl", "net.nope=1"], ["sysctl", "net.nope"], None),
    (["--stop-signal", "NOPE"], ["--stop-signal", '"NOPE"'], "SIGTERM"),
    (["--detach-keys", "ctrl-1"], ["--detach-keys", '"ctrl-1"'], "ctrl-p"),
    (["--name", "a/b"], ["--name", '"a/b"'], "letters"),
    (["--name", "-x"], ["--name", '"-x"'], None),
    (["--hostname", "a b"], ["--hostname", '"a b"'], None),
    (["--domainname", "x" * 65], ["--domainname"], None),
    (["--uts", "host", "--hostname", "x"], ["--hostname", "UTS"], None),
    (["-w", "rel"], ["--workdir", '"rel"'], None),
    (["-u", "nope"], ["--user", "'nope'"], None),
    (["-u", "-1"], ["--user"], None),
    (["-u", "0:4294967295"], ["--user"], None),
    (["--group-add", "nope"], ["--group-add", "'nope'"], None),
    (["-e", "=x"], ["--env", '"=x"'], None),
    (["--env-file", "/nope"], ["--env-file", "'/nope'"], None),
    (["--nmae", "x"], ["--nmae"], "--name"),
    (["--label", "=x"], ["--label", '"=x"'], None),
    (["--annotation", "=x"], ["--annotation", '"=x"'], None),
    (["-v", "/nope:/x"], ["--volume", "'/nope'"], ":create"),
    (["-v", "/tmp"], ["--volume", '"/tmp"'], "/data"),
    (["-v", "/tmp:rel"], ["--volume", "absolute"], None),
    (["-v", "/tmp:/"], ["--volume", "root"], None),
    (["-v", "/tmp:/x:foo"], ["--volume", '"foo"'], None),
    (["-v", "named:/x"], ["--volume", "named volumes"], "./named"),
    (["-v", ":/x"], ["--volume"], None),
    (["--mount", "type=volume,dst=/x"], ["--mount", '"volume"'], "type=bind"),
    (["--mount", "type=bind,dst=/x"], ["--mount", "source"], None),
    (["--mount", "type=tmpfs,dst=/x,tmpfs-size=x"], ["--mount", "tmpfs-size", '"x"'], None),
    (["--mount", "type=tmpfs,dst=/x,tmpfs-mode=8"], ["--mount", "tmpfs-mode", '"8"'], None),
    (["--mount", "what=x"], ["--mount", '"what"'], None),
    (["--mount", "type=bind,src=/nope,dst=/x"], ["--mount", "'/nope'"], None),
    (["--tmpfs", "rel"], ["--tmpfs", '"rel"'], None),
    (["--tmpfs", "/t:bogus"], ["--tmpfs", '"bogus"'], "size="),
    (["--tmpfs", "/t:size=x"], ["--tmpfs", '"x"'], None),
    (["--tmpfs", "/t:mode=9"], ["--tmpfs", '"9"'], None),
    (["--network", "blue"], ["--network blue"], "--network none"),
    (["--userns", "foo"], ["--userns", '"foo"'], "keep-id"),
    (["--userns", "auto:size=0"], ["--userns auto", "0"], None),
    (["--userns", "auto:foo=1"], ["--userns auto", '"foo"'], "size="),
    (["--userns", "auto:size=x"], ["--userns auto", '"x"'], None),
    (["--userns", "host", "--uidmap", "0:1:1"], ["--userns host", "--uidmap"], None),
    (["--uidmap", "0:a:4"], ["--uidmap", '"0:a:4"'], None),
    (["--gidmap", "0"], ["--gidmap", '"0"'], None),
    (["--uidmap", "0:1:0"], ["--uidmap", '"0:1:0"'], None),
    (["--pid", "x"], ["--pid", '"x"'], None),
    (["--pid", "container:nope"], ["--pid", "nope"], None),
    (["--ipc", "x"], ["--ipc", '"x"'], None),
    (["--uts", "x"], ["--uts", '"x"'], None),
    (["--cgroupns", "x"], ["--cgroupns", '"x"'], None),
    (["--time-offset", "boottime"], ["--time-offset", '"boottime"'], None),
    (["--time-offset", "wall=1s"], ["--time-offset", '"wall=1s"'], None),
    (["--time-offset", "boottime=soon"], ["--time-offset", '"boottime=soon"'], None),
    (["--explain=what"], ["--explain", '"what"'], None),
    (["-it"], ["not a TTY"], "-t"),
    (["--mem", "1"], ["--mem"], "--memory"),
    (["--netwrok", "host"], ["--netwrok"], "--network"),
    (["-Z"], ["-Z"], "--help"),
    (["-d"], ["--detach", "not supported yet"], "&"),
    (["-p", "80:80"], ["--publish", "not supported yet"], "--network host"),
    (["--restart=always"], ["--restart", "not supported yet"], None),
    (["--rootfs", "/nope"], ["--rootfs"], None),
    (["--init=maybe"], ["--init", '"maybe"'], None),
]


def check_error(args, done):
    lines = done.err.splitlines()
    check_equal(done.code, 125, f"{args}: {done!r}")
    check(lines and lines[0].startswith("Error: "), f"{args}: {done!r}")
    check(len(lines) <= 2 and (len(lines) < 2 or lines[1].startswith("Hint: ")), f"{args}: {done!r}")
    check_equal(done.out, "", f"{args}: nothing on standard output")
    return lines[0], lines[1] if len(lines) > 1 else ""


@test
def every_bad_value_is_named(w):
    failed = []
    for args, words, hint in BAD:
        try:
            error, hints = check_error(args, w.bothy("run", *args, "embedded", "true") if "--rootfs" not in args
                                       else w.bothy("run", *args, "true"))
            for word in words:
                check_in(word, error, f"{args}: error")
            if hint:
                check_in(hint, hints, f"{args}: hint")
        except AssertionError as problem:
            failed.append(str(problem))
        for folder in ("lib/containers", "run/bothy/containers", "run/bothy/ids", "run/bothy/names"):
            path = w.tmp / folder
            left = [n for n in os.listdir(path) if not n.startswith(".")] if path.is_dir() else []
            if left:
                failed.append(f"{args} left {folder}/{left}")
                for name in left:
                    (path / name).unlink() if (path / name).is_file() else None
    check(not failed, "\n".join(failed))


@test(root=True)
def as_root(w):
    for args, words in ((["--userns", "keep-id"], ["--userns keep-id", "root"]), (["--userns", "nomap"], ["--userns"]),
                        (["--uidmap", "0:2000:4", "--uidmap", "2:3000:4"], ["--uidmap", "overlap"]),
                        (["--uidmap", "5:2000:4"], ["--user", "user 0"]), (["-u", "70000"], ["--user", "70000"])):
        error, _ = check_error(args, w.bothy("run", *args, "embedded", "true"))
        for word in words:
            check_in(word, error)


def delegated(*controllers):
    """Whether the user may limit what runs below his own control group (cgroup v2)."""
    own = next((line[3:].strip() for line in read("/proc/self/cgroup").splitlines() if line.startswith("0::")), "")
    group = Path("/sys/fs/cgroup" + own)
    return (os.access(group / "cgroup.subtree_control", os.W_OK) and
            set(controllers) <= set(read(group / "cgroup.controllers").split()))


@test(root=False)
def as_a_plain_user(w):
    limits = ((["-m", "64m"], ["--memory", "delegated"], "systemd-run --user", "memory.max", "67108864"),
              (["--cpus", "0.5"], ["--cpus", "delegated"], "root", "cpu.max", "50000 100000"))
    if delegated("memory", "cpu"):
        for args, _, _, file, value in limits:
            check_equal(w.bothy("run", *args, "embedded", "cat", f"/sys/fs/cgroup/{file}").out, value + "\n", args)
        limits = ()
    for args, words, hint in (*(limit[:3] for limit in limits),
                              (["--uidmap", "0:0:1"], ["--uidmap", "0-0", "not yours"], "/etc/subuid"),
                              (["--cgroup-parent", "/x"], ["--cgroup-parent"], None)):
        error, hints = check_error(args, w.bothy("run", *args, "embedded", "true"))
        for word in words:
            check_in(word, error)
        if hint:
            check_in(hint, hints)


@test
def commands_and_arguments(w):
    for args, error, hint in ((["runx"], "'runx' is not a command", "run"), (["imagess"], "'imagess' is not a command", "images"),
                              (["version", "x"], '"version" requires', "usage: bothy version"), (["import", "x", "y", "z"], '"import" requires', "usage: bothy import"),
                              (["--rot", "x", "run"], "unknown option: --rot", "--root"), (["run", "--name"], "--name needs a value", "--help"),
                              (["completion", "tcsh"], "tcsh", ""), (["completion"], "exactly 1", "usage: bothy completion bash|zsh|fish"),
                              (["search", "--limit", "many", "x"], "a number from 1 to 100", ""),
                              (["images", "--filter", "jd=x"], "no filter 'jd'", "did you mean id?"),
                              (["images", "--filter", "yz=x"], "no filter 'yz'", "there are: dangling"),
                              (["images", "--filter", "labl=x"], "no filter 'labl'", "did you mean label?")):
        done = w.bothy(*args)
        got, hints = check_error(args, done)
        check_in(error, got)
        check_in(hint, hints)
    for args in (["--help"], ["images"], ["images", "--help"]):
        done = w.run(["sh", "-c", '"$@" >/dev/full', "sh", w.bin / "bothy", "--root", w.tmp / "full", *args])
        check_equal((done.code, done.err), (125, "Error: write standard output: No space left on device\n"), args)
    for args in (["--help"], ["--version"], ["list"], ["features"]):
        done = w.run(["sh", "-c", '"$@" >/dev/full', "sh", w.bin / "bothy-oci", "--root", w.tmp / "state", *args])
        check_equal(done.code, 1, args)
        check_in("standard output: ", done.err)  # the C library may have lost the reason on the way
    # Without standard streams: what is opened is never taken for one.
    (w.tmp / "one").write_bytes(b"not an archive")
    done = w.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", w.bin / "bothy", "--root", w.tmp / "closed", "import", w.tmp / "one"])
    check_equal((done.code, done.err), (125, ""))
    check_equal((w.tmp / "one").read_bytes(), b"not an archive")
    check_in("Usage: bothy", w.bothy("--help").out)
    check_in("Usage: bothy run", w.bothy("help", "run").out)
    check_in("Usage: bothy run", w.bothy("run", "--help").out)
