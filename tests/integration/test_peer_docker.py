# SPDX-License-Identifier: Apache-2.0
"""bothy-oci as a runtime of Debian's docker.io, next to runc under the same daemon: what users see must be the same."""

import os
import re
import signal
import threading
import time

import peers
from harness import SLOW, check, check_equal, check_in, test
from peers import RUNTIMES, Docker, engine, pty_run, same


@test(root=True)
def exit_codes(w):
    cases = (
        (("true",), 0), (("sh", "-c", "exit 7"), 7), (("sh", "-c", "exit 255"), 255), (("sh", "-c", "exit 300"), 300 & 255),
        (("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), 137), (("sh", "-c", "sh -c 'kill $$'; exit $?"), 143), (("nope",), 127), (("/bin/nope",), 127),
        (("/etc/passwd",), 126),
        (("/etc",), 126),
    )
    with engine(w, Docker) as d:
        for command, code in cases:
            same(f"docker run {command}", {r: d.once(r, (), *command) for r in RUNTIMES})
            check_equal(d.once("bothy", (), *command).code, code, f"docker run {command}")
        for options in (("--user", "nobody-here"), ("--workdir", "/etc/passwd/x"), ("--device", "/dev/no-such-device")):
            codes = {r: d.once(r, options, "true").code for r in RUNTIMES}
            check(codes["runc"] == codes["bothy"] != 0, f"{options}: {codes}")


@test(root=True)
def run_streams(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            done = d.once(runtime, ("-i",), "sh", "-c", "cat; echo bad >&2; exit 3", stdin="some words\n")
            check_equal((done.code, done.out, done.err), (3, "some words\n", "bad\n"), runtime)
            many = d.once(runtime, ("-i",), "cat", stdin="0123456789abcde\n" * 20000)
            check_equal(len(many.out), 320000, "bytes through cat")


@test(root=True)
def detached_and_logs(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, (), ("sh", "-c", "echo out; echo err >&2; exit 5")) as c:
                check_equal(d.ok("wait", c), "5\n")
                logs = d.docker("logs", c)
                check_equal((logs.out, logs.err), ("out\n", "err\n"), runtime)
                check_equal(d.inspect(c, "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}"), "exited 5 false")


@test(root=True)
def everything_seen_inside(w):
    """The whole view of a process: environment, limits, capabilities, devices, mounts, masks, groups."""
    forms = (
        (), ("--privileged",), ("--user", "1000:1000", "--group-add", "2000"), ("--read-only", "--tmpfs", "/scratch:size=1m,mode=700"),
        ("--cap-add", "SYS_ADMIN", "--cap-drop", "CHOWN"), ("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges"),
        ("--security-opt", "seccomp=unconfined"), ("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--oom-score-adj", "300"),
        ("--device", "/dev/null:/dev/mine:r", "--device", "/dev/net/tun" if os.path.exists("/dev/net/tun") else "/dev/zero:/dev/z"),
        ("--hostname", "named", "--domainname", "example.org", "--env", "A=b c", "--workdir", "/made/here"),
        ("--sysctl", "kernel.shmmax=123456", "--shm-size", "3m", "--ipc", "private"), ("--network", "host"),
        ("--security-opt", "systempaths=unconfined"), ("--cgroupns", "host"), ("--pid", "host"), ("--uts", "host"), ("--ipc", "host"),
        ("--ipc", "none"), ("--cpuset-cpus", "0", "--cpu-shares", "100"),
    )
    with engine(w, Docker) as d:
        for options in forms:
            results = {r: d.once(r, options, "sh", "-c", peers.view_script()) for r in RUNTIMES}
            check_in("== link", results["bothy"].out)
            if "unable to apply caps" not in results["runc"].err:  # where the host lacks one, runc can't do --privileged
                same(f"docker run {' '.join(options)}", results)


@test(root=True)
def volumes(w):
    with engine(w, Docker) as d:
        host = w.tmp / "shared"
        (host / "sub").mkdir(parents=True)
        (host / "file").write_text("host\n")
        os.chmod(host, 0o777)
        forms = (("-v", f"{host}:/v"), ("-v", f"{host}:/v:ro"), ("-v", f"{host}/file:/v:ro"), ("-v", f"{host}:/new/deep/place"),
                 ("-v", f"{host}:/v:rslave"), ("-v", f"{host}:/v:rshared"), ("--mount", f"type=bind,src={host},dst=/v,readonly"),
                 ("--mount", "type=tmpfs,dst=/v,tmpfs-size=2m,tmpfs-mode=1700"), ("-v", "/v"), ("-v", f"{host}:/v:nocopy")[:1] + ("/data",),
                 ("--tmpfs", "/v:ro,noexec,size=64k"), ("-v", f"{host}:/v", "--tmpfs", "/v/sub"))
        script = r"""exec 2>&1; grep -E ' (/v|/new|/data)' /proc/self/mountinfo | sed -E 's/^[0-9]+ [0-9]+ [0-9:]+ //; s/(shared|master):[0-9]+/\1/g; s/tmpfs r[ow]\b(,mode=755)?/tmpfs/'
            touch /v/made; echo $?; ls -n /v /data | grep -v total | awk '{print $1, $3, $4, $NF}'; cat /v/file; rm -f /v/made"""
        for options in forms:
            same(f"docker run {options}", {r: d.once(r, options, "sh", "-c", script) for r in RUNTIMES})
        d.once("bothy", ("-v", f"{host}:/v"), "sh", "-c", "echo inside > /v/out")
        check_equal((host / "out").read_text(), "inside\n")
        d.ok("volume", "prune", "-f")


@test(root=True)
def exec_forms(w):
    forms = (
        ((), ("sh", "-c", "exit 3")), ((), ("nope",)), ((), ("/etc",)), ((), ("/etc/passwd",)), (("-u", "1000:2000"), ("id",)), (("-u", "user"), ("id",)),
        (("-w", "/tmp"), ("pwd",)), (("-w", "/nowhere"), ("pwd",)), (("-e", "A=b"), ("sh", "-c", "echo $A $HOME $PATH")),
        (("--privileged",), ("grep", "Cap", "/proc/self/status")), (("-d",), ("true",)),
        ((), ("sh", "-c", "grep -Ev 'freezer|cpuset|^0:' /proc/self/cgroup; ls /proc/self/fd; cat /proc/self/limits /proc/self/oom_score_adj")),
        ((), ("grep", "-E", "Cap|NoNew|Seccomp:|Sig(Ign|Blk)", "/proc/self/status")),
    )
    with engine(w, Docker) as d, d.container("runc", ("--env", "X=y", "--ulimit", "nofile=99:99")) as theirs, \
            d.container("bothy", ("--env", "X=y", "--ulimit", "nofile=99:99")) as ours:
        both = {"runc": theirs, "bothy": ours}
        for options, command in forms:
            done = {r: d.docker("exec", *options, c, *command) for r, c in both.items()}
            if "unable to apply caps" in done["runc"].out + done["runc"].err:
                continue
            if done["runc"].code in (126, 127):
                done = {r: peers.Result(one.code, "", one.out + one.err) for r, one in done.items()}
            same(f"docker exec {options} {command}", done)
        for c in both.values():
            check_equal(d.docker("exec", "-i", c, "cat", stdin="words\n").out, "words\n")
        steps = (("# ", b"tty; stty size; exit 4\r"),)
        done = {r: pty_run(["docker", "exec", "-it", c, "sh", "-c", "PS1='# ' exec sh"], d.env, steps, (33, 77)) for r, c in both.items()}
        # What is typed comes back in pieces; from the answer on all is the same.
        done = {r: peers.Result(one.code, one.out[one.out.index("\n/dev/pts"):], one.err) for r, one in done.items()}
        seen = same("docker exec -it", done)
        check_equal(seen.code, 4)
        check_in("33 77", seen.out)
        check_in("/dev/pts/", seen.out)


@test(root=True)
def terminal(w):
    with engine(w, Docker) as d:
        def resized(master, child):
            import fcntl
            import struct
            import termios
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 99, 0, 0))
            child.send_signal(signal.SIGWINCH)
            # The new size takes its way through client, daemon and shim.
            os.write(master, b"until stty size | grep -q 44; do usleep 50000; done; stty size; ls -l /dev/console | cut -c1-10; exit 6\r")
        results = {}
        for runtime in RUNTIMES:
            command = ["docker", "run", "--rm", "-it", "--network=none", "--runtime", runtime, "-e", "PS1=# ", "busy", "sh"]
            results[runtime] = pty_run(command, d.env, (("# ", b"tty; stty size\r"), ("31 71", resized)), (31, 71))
        for runtime, seen in results.items():  # not compared: the shell's echo comes in pieces
            check_equal(seen.code, 6, runtime)
            for words in ("/dev/pts/0", "44 99", "crw--w----"):
                check_in(words, seen.out, runtime)


@test(root=True)
def attach_and_detach(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, ("-i",), ("sh", "-c", "read a; echo got $a; exit 2")) as c:
                check_equal(d.docker("attach", c, stdin="hello\n").code, 2, f"{runtime}: attach")
                check_equal(d.ok("logs", c), "got hello\n", f"{runtime}: attach")
            with d.container(runtime, ("-it", "-e", "PS1=# "), ("sh",)) as c:
                gone = pty_run(["docker", "attach", c], d.env, (("", b"echo one$((1+1))\r"), ("one2", b"\x10"), ("", b"\x11")))
                check_in("one2", gone.out, f"{runtime}: detach")
                check_equal(d.inspect(c, "{{.State.Status}}"), "running")
                again = pty_run(["docker", "attach", c], d.env, (("", b"echo two$((1+1)); exit 9\r"), ("two2", b"")))
                check_equal(again.code, 9, f"{runtime}: attached again")
                check_in("one2", d.ok("logs", c))


@test(root=True)
def signals(w):
    script = "for s in HUP INT USR1 USR2 TERM WINCH QUIT; do trap \"echo $s\" $s; done; trap 'echo CONT; exit 4' CONT; echo ready; while :; do usleep 20000; done"
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, (), ("sh", "-c", script)) as c:
                wait_log(d, c, "ready")
                for name in ("HUP", "SIGUSR1", "12", "TERM", "INT"):
                    count = d.ok("logs", c).count("\n")
                    d.ok("kill", "-s", name, c)
                    w.wait_for(lambda n=count: d.ok("logs", c).count("\n") > n, f"signal {name}")
                check_equal(d.ok("logs", c).split(), ["ready", "HUP", "USR1", "USR2", "TERM", "INT"], runtime)
                d.ok("kill", "-s", "CONT", c)
                check_equal(d.ok("wait", c), "4\n", runtime)
                done = d.docker("kill", c)
                check(done.code == 1 and "is not running" in done.err, repr(done))


def wait_log(d, c, words, seconds=90 * SLOW):
    deadline = time.monotonic() + seconds
    while words not in d.ok("logs", c):
        check(time.monotonic() < deadline, f"{words!r} never came in the log of {c}")
        time.sleep(0.05)


@test(root=True)
def stop_kill_restart(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, (), ("sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do usleep 20000; done")) as c:
                wait_log(d, c, "ready")
                d.ok("stop", c)
                check_equal(d.inspect(c, "{{.State.ExitCode}}"), "8", f"{runtime}: stop")
                d.ok("start", c)
                check_equal(d.inspect(c, "{{.State.Status}}"), "running")
                d.ok("restart", "-t", "1", c)
                d.ok("kill", c)
                d.wait_status(c, "exited")
                check_equal(d.inspect(c, "{{.State.ExitCode}}"), "137", f"{runtime}: kill")
            with d.container(runtime, ("--stop-signal", "USR1"), ("sh", "-c", "trap 'exit 11' USR1; echo ready; while :; do usleep 20000; done")) as c:
                wait_log(d, c, "ready")
                d.ok("stop", c)
                check_equal(d.inspect(c, "{{.State.ExitCode}}"), "11", f"{runtime}: stop signal")
            with d.container(runtime) as c:
                start = time.monotonic()
                d.ok("stop", "-t", "1", c)
                check(time.monotonic() - start < 8, "stop took its time")
                check_equal(d.inspect(c, "{{.State.ExitCode}}"), "137", f"{runtime}: stop -t 1")
            with d.container(runtime, ("--restart", "on-failure:2"), ("sh", "-c", "echo x; exit 3")) as c:
                w.wait_for(lambda: d.inspect(c, "{{.RestartCount}} {{.State.Status}}") == "2 exited", "two restarts")
                check_equal(d.ok("logs", c), "x\nx\nx\n", f"{runtime}: restarts")
            with d.container(runtime) as c:
                os.kill(int(d.inspect(c, "{{.State.Pid}}")), signal.SIGKILL)
                d.wait_status(c, "exited")
                check_equal(d.inspect(c, "{{.State.ExitCode}} {{.State.OOMKilled}}"), "137 false", f"{runtime}: killed from the host")


@test(root=True)
def pause(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, (), ("sh", "-c", "while :; do echo x; usleep 20000; done")) as c:
                d.ok("pause", c)
                check_equal(d.inspect(c, "{{.State.Status}}"), "paused")
                time.sleep(0.2)
                size = len(d.ok("logs", c))
                time.sleep(0.3)
                check_equal(len(d.ok("logs", c)), size, f"{runtime}: output of a paused container")
                refused = d.docker("exec", c, "true")
                check(refused.code == 1 and "is paused" in refused.err, repr(refused))
                check(d.docker("pause", c).code == 1)
                d.ok("unpause", c)
                w.wait_for(lambda s=size: len(d.ok("logs", c)) > s, "output after unpause")
                d.ok("pause", c)
            check("No such container" in d.docker("inspect", "--type", "container", c).err, "rm -f of a paused container")


# Without /dev/net/tun, which runc allowed everyone until 1.2.
LIMITS = r"""cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes \
    memory/memory.swappiness memory/memory.oom_control cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares pids/pids.max \
    memory.max memory.swap.max memory.low cpu.max pids.max; do [ -f $f ] && echo $f $(cat $f | sed 's/oom_kill [0-9]*//'); done;
    grep -E '(Cpus|Mems)_allowed_list' /proc/self/status; sort devices/devices.list | grep -v '^c 10:200 '; echo"""


@test(root=True)
def limits_and_update(w):
    forms = (("-m", "64m"), ("-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m"), ("-m", "64m", "--memory-swap", "-1"),
             ("-m", "32m", "--memory-swappiness", "0"), ("-m", "32m", "--oom-kill-disable"), ("--cpus", "0.5"), ("--cpu-period", "50000", "--cpu-quota", "10000", "--cpu-shares", "77"),
             ("--pids-limit", "33"), ("--pids-limit", "-1"), ("--cpuset-cpus", "0", "--cpuset-mems", "0"),
             ("--device-cgroup-rule", "c 10:* rwm", "--device", "/dev/zero:/dev/z:r"), ("--device-read-bps", "/dev/vda:1mb"), ("--privileged",))
    updates = (("--cpus", "0.25"), ("-m", "48m", "--memory-swap", "64m"), ("-m", "96m", "--memory-swap", "-1"), ("--pids-limit", "22"), ("--cpu-shares", "55"),
               ("--cpuset-cpus", "0"), ("--memory-reservation", "16m"), ("--pids-limit", "-1"), ("-m", "4k"), ("--cpu-quota", "5"))
    with engine(w, Docker) as d:
        for options in forms:
            if not all(os.path.exists(o.split(":")[0]) for o in options if o.startswith("/dev/")):
                continue
            results = {r: d.once(r, options, "sh", "-c", LIMITS) for r in RUNTIMES}
            check_in("pids.max", results["bothy"].out)
            if "unable to apply caps" not in results["runc"].err:
                same(f"limits of {options}", results)
        with d.container("runc", ("-m", "64m")) as theirs, d.container("bothy", ("-m", "64m")) as ours:
            both = {"runc": theirs, "bothy": ours}
            for options in updates:
                codes = {r: d.docker("update", *options, c).code for r, c in both.items()}
                check_equal(codes["bothy"], codes["runc"], f"exit code of update {options}")
                same(f"limits after update {options}", {r: d.docker("exec", c, "sh", "-c", LIMITS) for r, c in both.items()})


@test(root=True)
def out_of_memory(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, ("-m", "16m", "--memory-swap", "16m"), ("tail", "/dev/zero")) as c:
                d.wait_status(c, "exited")
                check_equal(d.inspect(c, "{{.State.ExitCode}} {{.State.OOMKilled}}"), "137 true", f"{runtime}: out of memory")
            with d.container(runtime, ("-m", "16m", "--memory-swap", "16m"), ("sh", "-c", "tail /dev/zero; echo survived $?; sleep 1000")) as c:
                wait_log(d, c, "survived 137")


@test(root=True)
def remove_running(w):
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            script = "(trap '' TERM; sleep 1000) & (while :; do sleep 0.01; done) & wait"
            with d.container(runtime, (), ("sh", "-c", script)) as c:
                check(d.docker("rm", c).code != 0, "rm without -f")
                start = time.monotonic()
                d.ok("rm", "-f", c)
                check(time.monotonic() - start < 8, f"{runtime}: rm -f took {time.monotonic() - start:.1f} s")
        d.check_left()


@test(root=True)
def top_and_stats(w):
    with engine(w, Docker) as d:
        tops, stats = {}, {}
        for runtime in RUNTIMES:
            with d.container(runtime, ("-m", "64m", "--pids-limit", "20"), ("sh", "-c", "sleep 999 & sleep 1000")) as c:
                w.wait_for(lambda name=c: "sleep 999" in d.ok("top", name) and "sleep 1000" in d.ok("top", name), "both processes")
                tops[runtime] = d.docker("top", c, "-o", "user,args")
                # Its columns are as wide as those of ps, which looks at all processes of the host.
                tops[runtime].out = "\n".join(" ".join(line.split()) for line in tops[runtime].out.splitlines())
                stats[runtime] = d.docker("stats", "--no-stream", "--format", "{{.PIDs}} {{.NetIO}} {{.MemUsage}}", c)
                stats[runtime].out = re.sub(r"[\d.]+[KM]?i?B / 64MiB", "x / 64MiB", stats[runtime].out)
        same("docker top", tops)
        check_in("/ 64MiB", same("docker stats", stats).out)


@test(root=True)
def init_process(w):
    with engine(w, Docker) as d:
        peers.need("docker-init")
        for runtime in RUNTIMES:
            done = d.once(runtime, ("--init",), "sh", "-c", "cat /proc/1/comm; exit 5")
            check_equal((done.code, done.out), (5, "docker-init\n"), runtime)
            with d.container(runtime, ("--init",)) as c:
                d.ok("stop", "-t", "20", c)
                check_equal(d.inspect(c, "{{.State.ExitCode}}"), "143", f"{runtime}: --init passes TERM on")


@test(root=True)
def shared_namespaces(w):
    ns = "for n in net ipc pid uts mnt; do readlink /proc/self/ns/$n; done"
    with engine(w, Docker) as d:
        for runtime in RUNTIMES:
            with d.container(runtime, ("--ipc", "shareable")) as c:
                base = d.ok("exec", c, "sh", "-c", ns).split()
                options = (f"--network=container:{c}", "--pid", f"container:{c}", "--ipc", f"container:{c}")
                done = d.once(runtime, options, "sh", "-c", ns + "; ps")
                check_equal(done.code, 0, repr(done))
                check_equal([a == b for a, b in zip(done.out.split(), base)], [True, True, True, False, False], runtime)
                check_in("sleep 1000", done.out)
                with d.container(runtime, options) as joined:
                    d.ok("kill", joined)
                    d.wait_status(joined, "exited")
                check_equal(d.inspect(c, "{{.State.Status}}"), "running", f"{runtime}: its neighbour was killed")


@test(root=True)
def seccomp(w):
    (w.tmp / "profile.json").write_text('{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],'
                                        '"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":40}]}')
    script = "mkdir /x 2>&1; unshare -U true 2>&1; grep Seccomp: /proc/self/status; sh -c 'mount -t tmpfs x /tmp' 2>&1"
    with engine(w, Docker) as d:
        for options in ((), ("--security-opt", "seccomp=unconfined"), ("--security-opt", f"seccomp={w.tmp}/profile.json"),
                        ("--cap-add", "SYS_ADMIN"), ("--privileged",)):
            results = {r: d.once(r, options, "sh", "-c", script) for r in RUNTIMES}
            if "unable to apply caps" not in results["runc"].err:
                same(f"seccomp with {options}", results)
            if "json" in "".join(options):
                check_in("symbolic links", results["bothy"].out)  # errno 40, ELOOP


@test(root=True)
def healthcheck(w):
    with engine(w, Docker) as d, \
            d.container("bothy", ("--health-cmd", "test -e /ok", "--health-interval", "300ms", "--health-retries", "1")) as c:
        w.wait_for(lambda: d.inspect(c, "{{.State.Health.Status}}") == "unhealthy", "unhealthy")
        d.ok("exec", c, "touch", "/ok")
        w.wait_for(lambda: d.inspect(c, "{{.State.Health.Status}}") == "healthy", "healthy")


@test(root=True)
def many_at_once(w):
    with engine(w, Docker) as d:
        codes = []
        threads = [threading.Thread(target=lambda n=n: codes.append((n, d.once("bothy", (), "sh", "-c", f"exit {n}").code)))
                   for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_equal(sorted(codes), [(n, n) for n in range(8)])


@test(root=True)
def copy_and_commit(w):
    with engine(w, Docker) as d, d.container("bothy", (), ("sh", "-c", "echo made > /made; exec sleep 1000")) as c:
        (w.tmp / "in").write_text("in\n")
        d.ok("cp", w.tmp / "in", f"{c}:/tmp/in")
        check_equal(d.ok("exec", c, "cat", "/tmp/in"), "in\n")
        d.ok("cp", f"{c}:/made", w.tmp / "out")
        check_equal((w.tmp / "out").read_text(), "made\n")
        check_in("A /made", d.ok("diff", c))


@test(root=True)
def saved_image_runs_in_bothy(w):
    """What `docker save` writes, `bothy load` takes."""
    with engine(w, Docker) as d:
        d.ok("tag", "busy", "busy:saved")
        d.ok("save", "-o", w.tmp / "saved.tar", "busy:saved")
        d.ok("rmi", "busy:saved")
    check_in("busy:saved", w.bothy("load", w.tmp / "saved.tar").out)
    done = w.bothy("run", "--rm", "busy:saved", "cat", "/data/file")
    check_equal((done.code, done.out), (0, "from the image\n"), repr(done))


# A runtime that dies in the middle of create, after so many milliseconds.
DYING = """#!/bin/sh
for word; do [ "$word" = create ] && dying=1; done
[ "$dying" ] || exec {runtime} "$@"
{runtime} "$@" & child=$!
busybox usleep {microseconds}
kill -KILL $child
wait $child
exit 1
"""


@test(root=True)
def runtime_killed_in_create(w):
    """Whatever the moment: no process stays, and what the engine does not clear away, `delete --force` does."""
    runtimes = {}
    for n, microseconds in enumerate((500, 2000, 4000, 9000)):
        path = w.tmp / f"dying{n}"
        path.write_text(DYING.format(runtime=w.bin / "bothy-oci", microseconds=microseconds))
        path.chmod(0o755)
        runtimes[f"dying{n}"] = path
    d = Docker(w, "docker-dying", runtimes=runtimes)
    try:
        for name in runtimes:
            for _ in range(3):
                done = d.once(name, (), "sleep", "1000")
                check(done.code in (125, 126, 127, 128), f"{name}: {done!r}")
        time.sleep(0.5)
        for root in (d.dir / "exec").glob("runtime-*/moby"):
            for left in os.listdir(root):
                print(f"    the engine left {left} to `delete --force`")
                check_equal(w.run([w.bin / "bothy-oci", "--root", root, "delete", "--force", left]).code, 0)
        d.check_left()
        check_equal(d.once("bothy", (), "echo", "still well").out, "still well\n")
    finally:
        d.end()


@test(root=True, long=True)
def userns_remap(w):
    lines = [line.split(":") for line in open("/etc/subuid", encoding="ascii")]
    if not lines:
        peers.skip("no subordinate ids in /etc/subuid")
    d = Docker(w, "docker-userns", options=["--userns-remap", lines[0][0]])
    try:
        script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /made; ls -n /made | awk '{print $1, $3, $4}'; " \
                 "grep Cap /proc/self/status; echo > /dev/null; mount -t tmpfs x /tmp 2>&1; ls /data"
        seen = same("userns-remap", {r: d.once(r, (), "sh", "-c", script) for r in RUNTIMES})
        check_in(lines[0][1], seen.out)
        check_equal(seen.code, 0)
        same("--userns host", {r: d.once(r, ("--userns", "host"), "sh", "-c", peers.view_script()) for r in RUNTIMES})
        with d.container("bothy") as c:
            check_equal(d.docker("exec", c, "sh", "-c", "id -u; exit 2").code, 2)
            check_in("sleep 1000", d.ok("top", c))
        d.check_left()
    finally:
        d.end()
