# SPDX-License-Identifier: Apache-2.0
"""bothy-oci as `ctr run --runc-binary` of Debian's containerd, next to runc."""

import time

import peers
from harness import check, check_equal, check_in, test
from peers import RUNTIMES, Containerd, engine, pty_run, same


@test(root=True)
def run_and_exit_codes(w):
    with engine(w, Containerd) as c:
        for command in (("true",), ("sh", "-c", "exit 7"), ("nope",), ("/etc/passwd",), ("/etc",), ("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), ("echo", "words")):
            same(f"ctr run {command}", {r: c.once(r, (), *command) for r in RUNTIMES})
        check_equal(c.once("bothy", (), "sh", "-c", "exit 7").code, 7)
        check_in("executable file not found in $PATH", c.once("bothy", (), "nope").err)


@test(root=True)
def everything_seen_inside(w):
    forms = ((), ("--read-only",), ("--cap-add", "CAP_SYS_ADMIN"), ("--cap-drop", "CAP_CHOWN"), ("--user", "1000:1000"), ("--cwd", "/tmp"), ("--env", "A=b"),
             ("--net-host",), ("--seccomp",), ("--memory-limit", "67108864"), ("--cpus", "0.5"), ("--no-pivot",), ("--device", "/dev/null"),
             ("--mount", "type=tmpfs,src=tmpfs,dst=/v,options=mode=700:size=1m"), ("--rootfs-propagation", "rslave"), ("--allow-new-privs",))
    with engine(w, Containerd) as c:
        known = c.ctr("run", "--help").out
        for options in forms:
            if options and options[0] not in known:
                continue
            results = {r: c.once(r, options, "sh", "-c", peers.view_script()) for r in RUNTIMES}
            check_in("== link", same(f"ctr run {options}", results).out)


@test(root=True)
def tasks(w):
    with engine(w, Containerd) as c:
        deleted = {}
        for runtime in RUNTIMES:
            with c.container(runtime, ("--memory-limit", "67108864"), ("sh", "-c", "trap 'exit 9' USR1; while :; do usleep 20000; done")) as name:
                check_in("RUNNING", c.ctr("tasks", "list").out)
                check_equal(c.ctr("tasks", "exec", "--exec-id", "e1", name, "sh", "-c", "exit 3").code, 3, runtime)
                check_equal(c.ctr("tasks", "exec", "--exec-id", "e2", "--cwd", "/tmp", "--user", "1000", name, "sh", "-c", "pwd; id -u").out, "/tmp\n1000\n")
                check_in("executable file not found", c.ctr("tasks", "exec", "--exec-id", "e3", name, "nope").err)
                check_in(" ", c.ctr("tasks", "ps", name).out)
                check_in("memory", c.ctr("tasks", "metrics", name).out)
                check_equal(c.ctr("tasks", "pause", name).code, 0)
                check_in("PAUSED", c.ctr("tasks", "list").out)
                check_equal(c.ctr("tasks", "resume", name).code, 0)
                c.ctr("tasks", "kill", "-s", "USR1", name)
                w.wait_for(lambda: "STOPPED" in c.ctr("tasks", "list").out, "the task to stop")
                deleted[runtime] = c.ctr("tasks", "delete", name)
        same("ctr tasks delete", deleted)


@test(root=True)
def terminal(w):
    with engine(w, Containerd) as c:
        for runtime in RUNTIMES:
            command = ["ctr", "--address", c.socket, *c.run_args(runtime, c.new_name(), ["--rm", "-t", "--env", "PS1=# "], ["sh"])]
            seen = pty_run(command, c.env, (("# ", b"tty; stty size\r"), ("31 71", b"exit 6\r")), (31, 71))
            check_equal(seen.code, 6, repr(seen))
            check_in("/dev/pts/0", seen.out)


@test(root=True)
def killed_and_forgotten(w):
    with engine(w, Containerd) as c:
        for runtime in RUNTIMES:
            with c.container(runtime, (), ("sh", "-c", "sleep 1000 & sleep 1001 & wait")) as name:
                start = time.monotonic()
                c.ctr("tasks", "kill", "-a", "-s", "KILL", name)
                w.wait_for(lambda: "STOPPED" in c.ctr("tasks", "list").out, "the task to stop")
                check(time.monotonic() - start < 8, f"{runtime}: kill -a took its time")
