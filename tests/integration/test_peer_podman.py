# SPDX-License-Identifier: Apache-2.0
"""bothy-oci as podman's --runtime, next to runc: what users see must be the same."""

import os
import time

import peers
from harness import check, check_equal, check_in, test
from peers import RUNTIMES, Podman, engine, pty_run, same


@test(root=True)
def exit_codes(w):
    cases = ((("true",), 0), (("sh", "-c", "exit 7"), 7), (("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), 137), (("nope",), 127),
             (("/bin/nope",), 127), (("/etc/passwd",), 126), (("/etc",), 126))
    with engine(w, Podman) as p:
        for command, code in cases:
            same(f"podman run {command}", {r: p.once(r, (), *command) for r in RUNTIMES})
            check_equal(p.once("bothy", (), *command).code, code, f"podman run {command}")
        for runtime in RUNTIMES:
            done = p.once(runtime, ("-i",), "sh", "-c", "cat; echo bad >&2; exit 3", stdin="some words\n")
            check_equal((done.code, done.out, done.err), (3, "some words\n", "bad\n"), runtime)


@test(root=True)
def everything_seen_inside(w):
    forms = (
        (), ("--user", "1000:1000", "--group-add", "2000"), ("--read-only", "--tmpfs", "/scratch:size=1m,mode=700"),
        ("--cap-add", "SYS_PTRACE", "--cap-drop", "CHOWN"), ("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        ("--security-opt", "seccomp=unconfined"), ("--oom-score-adj", "300"), ("--device", "/dev/null:/dev/mine:r"),
        ("--hostname", "named", "--env", "A=b c", "--workdir", "/tmp"), ("--shm-size", "3m", "--umask", "027"), ("--network", "host"),
        ("--security-opt", "unmask=all"), ("--pid", "host"), ("--uts", "host"), ("--ipc", "host"),
        ("--cgroupns", "private"), ("--cpuset-cpus", "0", "--cpu-shares", "100"),
        ("--read-only", "--read-only-tmpfs=true"), ("--systemd", "always"), ("--timeout", "60"), ("--env", "HOME=/x", "--user", "user"),
    )
    with engine(w, Podman) as p:
        for options in forms:
            results = {r: p.once(r, options, "sh", "-c", peers.view_script()) for r in RUNTIMES}
            if "unmask=all" in options and "operation not permitted" in results["runc"].err:
                continue
            check_in("== link", same(f"podman run {' '.join(options)}", results).out)


@test(root=True)
def user_namespaces(w):
    auto = any(line.startswith("containers:") for line in open("/etc/subuid", encoding="ascii"))
    script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /made; ls -n /made | awk '{print $1, $3, $4}'; grep Cap /proc/self/status; echo > /dev/null; hostname"
    with engine(w, Podman) as p:
        for options in (("--uidmap", "0:200000:65536"), ("--uidmap", "0:200000:1000", "--uidmap", "1000:300000:10", "--user", "1000"),
                        *((("--userns", "auto:size=2000"),) if auto else ()), ("--userns", "host")):
            same(f"podman run {options}", {r: p.once(r, ("--hostname", "h", *options), "sh", "-c", script) for r in RUNTIMES})


@test(root=True)
def privileged(w):
    with engine(w, Podman) as p:
        done = p.once("bothy", ("--security-opt", "mask=/etc/group"), "wc", "-c", "/etc/group", "/etc/passwd")
        check_in("0 /etc/group", done.out)
        done = p.once("bothy", ("--privileged",), "sh", "-c", "grep -E 'CapEff|Seccomp:' /proc/self/status; ls /dev | wc -l; touch /proc/sys/kernel/hostname")
        check_equal(done.code, 0, repr(done))
        check_in("Seccomp:\t0", done.out)
        check(int(done.out.split()[-1]) > 15, "devices of the host")


@test(root=True)
def volumes(w):
    with engine(w, Podman) as p:
        host = w.tmp / "shared"
        host.mkdir()
        (host / "file").write_text("host\n")
        script = "touch /v/made 2>&1; echo $?; ls -n /v | grep -v total | awk '{print $1, $3, $4, $NF}'; cat /v/file /v 2>/dev/null; rm -f /v/made; grep ' /v' /proc/self/mountinfo | awk '{print $5, $6}'"
        for options in (("-v", f"{host}:/v"), ("-v", f"{host}:/v:ro"), ("-v", f"{host}/file:/v:ro"), ("-v", f"{host}:/v:noexec,nosuid,nodev"),
                        ("-v", f"{host}:/v:rslave"), ("--mount", f"type=bind,src={host},dst=/v,ro=true"), ("--mount", "type=tmpfs,dst=/v,tmpfs-size=2m"),
                        ("--tmpfs", "/v:ro,size=64k"), ("-v", f"{host}:/v:O"), ("--tmpfs", "/data:size=1m,notmpcopyup"), ("--tmpfs", "/data:size=1m")):
            same(f"podman run {options}", {r: p.once(r, options, "sh", "-c", script + "; ls /data") for r in RUNTIMES})


@test(root=True)
def exec_forms(w):
    forms = ((("sh", "-c", "exit 3"), ()), (("nope",), ()), (("/etc/passwd",), ()), (("sh", "-c", "id -u; id -g"), ("-u", "1000:2000")), (("sh", "-c", "id -u; id -g"), ("-u", "user")),
             (("pwd",), ("-w", "/tmp")), (("pwd",), ("-w", "/nowhere")), (("sh", "-c", "echo $A $HOME $PATH"), ("-e", "A=b")),
             (("grep", "-E", "Cap|NoNew|Seccomp:|Sig(Ign|Blk)", "/proc/self/status"), ()), (("sh", "-c", "ls /proc/self/fd; cat /proc/self/limits"), ()))
    with engine(w, Podman) as p, p.container("runc") as theirs, p.container("bothy") as ours:
        both = {"runc": theirs, "bothy": ours}
        for command, options in forms:
            same(f"podman exec {options} {command}", {r: p.podman(r, "exec", *options, c, *command) for r, c in both.items()})
        for runtime, c in both.items():
            check_equal(p.ok(runtime, "exec", "-i", c, "cat", stdin="words\n"), "words\n")
            seen = pty_run(p.command(runtime, "exec", "-it", c, "sh", "-c", "PS1='# ' exec sh"), p.env,
                           (("# ", b"tty; stty size\r"), ("/dev/pts", b"exit 4\r")), (33, 77))
            check_equal(seen.code, 4, repr(seen))
            check_in("33 77", seen.out)
            check_equal(p.podman(runtime, "exec", "-d", c, "touch", "/made").code, 0)
            w.wait_for(lambda r=runtime, n=c: p.podman(r, "exec", n, "ls", "/made").code == 0, "exec -d")


@test(root=True)
def terminal_attach_logs(w):
    with engine(w, Podman) as p:
        for runtime in RUNTIMES:
            seen = pty_run(p.command(runtime, "run", "--rm", "-it", *p.options(("-e", "PS1=# ")), "busy", "sh"), p.env,
                           (("# ", b"tty; stty size\r"), ("31 71", b"exit 6\r")), (31, 71))
            check_equal(seen.code, 6, repr(seen))
            check_in("/dev/pts/0", seen.out)
            with p.container(runtime, ("-i",), ("sh", "-c", "read a; echo got $a; exit 2")) as c:
                p.podman(runtime, "attach", c, stdin="hello\n")
                check_equal(p.ok(runtime, "logs", c), "got hello\n")
                check_equal(p.ok(runtime, "wait", c), "2\n")


@test(root=True)
def signals_stop_pause(w):
    script = "for s in HUP USR1 TERM; do trap \"echo $s\" $s; done; trap 'exit 4' INT; echo ready; while :; do usleep 20000; done"
    with engine(w, Podman) as p:
        for runtime in RUNTIMES:
            with p.container(runtime, (), ("sh", "-c", script)) as c:
                def lines(r=runtime, name=c):
                    return p.ok(r, "logs", name).split()
                w.wait_for(lambda: lines() == ["ready"], "the start")
                for count, name in enumerate(("HUP", "USR1", "15"), 2):
                    p.ok(runtime, "kill", "-s", name, c)
                    w.wait_for(lambda n=count: len(lines()) == n, f"signal {name}")
                check_equal(lines(), ["ready", "HUP", "USR1", "TERM"], runtime)
                p.ok(runtime, "pause", c)
                check_equal(p.inspect(c, "{{.State.Status}}"), "paused")
                check(p.podman(runtime, "exec", c, "true").code != 0, "exec in a paused container")
                p.ok(runtime, "unpause", c)
                p.ok(runtime, "kill", "-s", "INT", c)
                check_equal(p.ok(runtime, "wait", c), "4\n")
            with p.container(runtime) as c:
                p.ok(runtime, "stop", "-t", "1", c)
                check_equal(p.inspect(c, "{{.State.ExitCode}}"), "137", f"{runtime}: stop")
                p.ok(runtime, "start", c)
                p.ok(runtime, "restart", "-t", "0", c)
                check_equal(p.inspect(c, "{{.State.Status}}"), "running")
                start = time.monotonic()
                p.ok(runtime, "rm", "-f", "-t", "0", c)
                check(time.monotonic() - start < 8, "rm -f took its time")


@test(root=True)
def limits(w):
    script = r"""cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max \
        memory.max memory.swap.max cpu.max pids.max; do [ -f $f ] && echo $f $(cat $f); done; grep -E '(Cpus|Mems)_allowed_list' /proc/self/status"""
    with engine(w, Podman) as p:
        for options in (("-m", "64m"), ("-m", "64m", "--memory-swap", "96m"), ("--cpus", "0.5"), ("--pids-limit", "33"), ("--cpuset-cpus", "0"), ("--cpu-shares", "77")):
            same(f"limits of {options}", {r: p.once(r, options, "sh", "-c", script) for r in RUNTIMES})
        killed = {}
        for runtime in RUNTIMES:
            with p.container(runtime, ("-m", "16m", "--memory-swap", "16m"), ("sh", "-c", "sleep 0.3; exec tail /dev/zero")) as c:
                check_equal(p.ok(runtime, "wait", c), "137\n", f"{runtime}: out of memory")
                killed[runtime] = p.inspect(c, "{{.State.OOMKilled}}")  # this conmon sees none on v1, whatever the runtime
            with p.container(runtime, ("-m", "64m",)) as c:
                check_in("sleep 1000", p.ok(runtime, "top", c))
                check_equal(p.ok(runtime, "stats", "--no-stream", "--format", "{{.PIDs}}", c), "1\n")
                if runtime == "bothy":
                    check_equal(killed["bothy"], killed["runc"], "OOMKilled")
                if p.podman(runtime, "update", "--help").code == 0:  # from podman 4.4 on
                    p.ok(runtime, "update", "--memory", "96m", c)


@test(root=True)
def pods_and_shared_namespaces(w):
    with engine(w, Podman) as p:
        for runtime in RUNTIMES:
            ns = "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done"
            with p.container(runtime) as c:
                base = p.ok(runtime, "exec", c, "sh", "-c", ns).split()
                done = p.once(runtime, ("--network", f"container:{c}", "--ipc", f"container:{c}", "--pid", f"container:{c}"), "sh", "-c", ns)
                check_equal([a == b for a, b in zip(done.out.split(), base)], [True, True, False, True], f"{runtime}: {done!r}")


@test(root=True)
def killed_from_outside(w):
    with engine(w, Podman) as p, p.container("bothy") as c:
        os.kill(int(p.inspect(c, "{{.State.Pid}}")), 9)
        check_equal(p.ok("bothy", "wait", c), "137\n")


@test(root=True)
def saved_image_runs_in_bothy(w):
    """What `podman save` writes in each of its forms, `bothy load` takes."""
    with engine(w, Podman) as p:
        for form in ("oci-archive", "docker-archive"):
            name = f"localhost/{form}:1"
            p.ok("runc", "tag", "busy", name)
            p.ok("runc", "save", "--format", form, "-o", w.tmp / form, name)
            p.ok("runc", "untag", "busy", name)
            check_in(name, w.bothy("load", w.tmp / form).out)
            done = w.bothy("run", "--rm", name, "cat", "/data/file")
            check_equal((done.code, done.out), (0, "from the image\n"), repr(done))


@test(root=False)
def plain_user(w):
    """podman of a user without rights, with both runtimes."""
    peers.need("podman", "conmon", "runc", "newuidmap")
    env = dict(w.env, PODMAN_IGNORE_CGROUPSV1_WARNING="1")
    w.env.update(env)
    store = ["podman", "--root", w.tmp / "root", "--runroot", w.tmp / "runroot", "--tmpdir", w.tmp / "podtmp", "--cgroup-manager", "cgroupfs",
             "--events-backend", "file", "--storage-driver", "vfs"]
    run = ["run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    runtime = {"runc": peers.shutil.which("runc"), "bothy": w.bin / "bothy-oci"}
    try:
        check_equal(w.run([*store, "import", peers.image_tar(w.tmp), "busy"]).code, 0)
        for options, command in (((), ("sh", "-c", "exit 7")), ((), ("nope",)), ((), ("/etc/passwd",)), ((), ("cat", "/proc/self/uid_map")),
                                 (("--userns", "keep-id"), ("id", "-u")), (("--user", "1000"), ("id", "-u")), (("--read-only",), ("touch", "/x")),
                                 (("-v", f"{w.tmp}/run:/v"), ("sh", "-c", "touch /v/made && ls -n /v/made | awk '{print $3, $4}'"))):
            same(f"podman run {options} {command}",
                 {r: w.run([*store, "--runtime", path, *run, *options, "busy", *command]) for r, path in runtime.items()})
        own = [*store, "--runtime", runtime["bothy"]]
        check_equal(w.run([*own, "run", "-d", "--name", "c", *run[2:], "busy", "sleep", "1000"]).code, 0)
        check_equal(w.run([*own, "exec", "c", "sh", "-c", "exit 3"]).code, 3)
        check_equal(w.run([*own, "rm", "-f", "-t", "0", "c"]).code, 0)
        check_equal(os.listdir(w.tmp / "run/bothy-oci"), [])
    finally:
        w.run([*store, "system", "migrate"])  # ends podman's own waiting process
        w.run([*store, "unshare", "rm", "-rf", w.tmp / "root"])
        w.run([*store, "system", "migrate"])
