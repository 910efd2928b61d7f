# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete, list, exec, and what engines rely on."""

import array
import json
import os
import shutil
import socket
import subprocess
import time

import cve
from harness import check, check_equal, check_in, read, test


@test
def run_gives_exit_code(w):
    check_equal(w.run_bundle(["sh", "-c", "exit 7"]).code, 7, "exit code")
    check_equal(w.run_bundle(["true"]).code, 0, "exit code of true")


@test
def killed_is_137(w):
    name = w.id()
    child = w.spawn([w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", w.bundle(["sleep", "1000"]), name])
    w.wait_for(lambda: '"running"' in w.oci("state", name).out, "the container to run")
    w.ok("kill", name, "KILL")
    check_equal(child.wait(60), 137)


@test
def signals_are_passed_on(w):
    child = w.spawn([w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle",
                     w.bundle(["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"]), w.id()], stdout=subprocess.PIPE)
    check_equal(child.stdout.readline(), "up\n")
    child.terminate()
    check_equal(child.wait(60), 9)


@test
def stdio_is_inherited(w):
    done = w.run_bundle(["cat"], stdin="words\n")
    check_equal((done.code, done.out), (0, "words\n"))


@test
def life_of_a_container(w):
    with w.container(["sleep", "1000"], start=False) as c:
        state = w.state(c)
        check_equal(state["status"], "created")
        check(state["pid"] > 0 and os.path.isdir(f"/proc/{state['pid']}"))
        check_equal(list(state)[:7], ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created"])
        w.ok("start", c)
        check_equal(w.state(c)["status"], "running")
        again = w.oci("start", c)
        check(again.code == 1 and "already running" in again.err, repr(again))
        refused = w.oci("delete", c)
        check(refused.code == 1 and "not stopped" in refused.err, repr(refused))
        w.ok("kill", c, "KILL")
        w.wait_for(lambda: w.state(c)["status"] == "stopped", "the container to stop")
        check_equal(w.state(c)["pid"], 0)
        gone = w.oci("kill", c, "TERM")
        check(gone.code == 1 and "container not running" in gone.err, repr(gone))
        w.ok("delete", c)
        missing = w.oci("state", c)
        check(missing.code == 1 and "does not exist" in missing.err, repr(missing))
        check_equal(w.oci("delete", "--force", c).code, 0)


@test
def list_and_ps(w):
    with w.container() as c:
        rows = json.loads(w.ok("list", "--format", "json").out)
        check_equal([r["id"] for r in rows], [c])
        check_in(c, w.ok("list").out)
        check_equal(w.ok("list", "-q").out, c + "\n")
        check_in("sleep", w.ok("ps", c).out)
        pids = json.loads(w.ok("ps", "--format", "json", c).out)
        check(w.state(c)["pid"] in pids)
    check_equal(w.ok("list", "-f", "json").out, "null\n")


@test
def same_id_is_refused(w):
    with w.container() as c:
        again = w.oci("create", "--bundle", w.bundle(), c)
        check(again.code == 1 and "already exists" in again.err, repr(again))
        check_equal(w.state(c)["status"], "running")


@test
def bad_ids(w):
    for bad in ("", ".", "..", "a/b", "a b", "x" * 256, "ü"):
        done = w.oci("run", "--bundle", w.bundle(), bad)
        check(done.code == 1 and done.err.count("\n") == 1, f"{bad!r}: {done!r}")


@test
def pid_file_and_detach(w):
    pid_file = w.tmp / "pid"
    name = w.id()
    with open(os.devnull, "r+b") as null:
        subprocess.run([w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "-d", "--pid-file", pid_file, "--bundle",
                        w.bundle(["sleep", "1000"]), name], check=True, stdin=null, stdout=null, stderr=null, env=w.env)
    check_equal(int(pid_file.read_text()), w.state(name)["pid"])
    w.ok("delete", "--force", name)


@test
def errors_name_the_program(w):
    missing = w.run_bundle(["nope"])
    check(missing.code == 1, repr(missing))
    check_in('exec: "nope": executable file not found in $PATH', missing.err)
    check_in("no such file or directory", w.run_bundle(["/bin/nope"]).err)
    check_in("permission denied", w.run_bundle(["/etc/passwd"]).err)
    check_in("is a directory", w.run_bundle(["/etc"]).err)
    typo = w.run_bundle(["slepe"])
    check_in("did you mean 'sleep'", typo.err)


@test
def why_a_program_does_not_start(w):
    root = w.rootfs("broken")
    cases = {
        "crlf": (b"#!/bin/sh\r\necho\r\n", "CRLF"),
        "nointerp": (b"#!/usr/bin/nothing\n", "'/usr/bin/nothing' is not in the image"),
        "empty": (b"", "the file is empty"),
        "text": (b"hello there\n", "neither a program"),
    }
    elf = bytearray(open(root / "bin/busybox", "rb").read(4096))
    elf[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    cases["foreign"] = (bytes(elf), "riscv64")
    for name, (content, words) in cases.items():
        path = root / "bin" / name
        path.write_bytes(content)
        path.chmod(0o755)
        done = w.oci("run", "--bundle", w.bundle([f"/bin/{name}"], rootfs=root), w.id())
        check(done.code == 1, repr(done))
        check_in(words, done.err, name)


@test
def exec_in_a_container(w):
    with w.container() as c:
        check_equal(w.ok("exec", c, "echo", "hi").out, "hi\n")
        check_equal(w.oci("exec", c, "sh", "-c", "exit 3").code, 3)
        check_equal(w.ok("exec", "--cwd", "/tmp", c, "pwd").out, "/tmp\n")
        check_equal(w.ok("exec", "--env", "A=b", c, "sh", "-c", "echo $A").out, "b\n")
        missing = w.oci("exec", c, "nope")
        check_equal(missing.code, 255)
        check_in("executable file not found in $PATH", missing.err)
        ns = [os.readlink(f"/proc/{w.state(c)['pid']}/ns/{n}") for n in ("mnt", "pid", "uts", "ipc")]
        check_equal(w.ok("exec", c, "sh", "-c", "for n in mnt pid uts ipc; do readlink /proc/self/ns/$n; done").out.split(), ns)
        process = {"args": ["sh", "-c", "echo $X; pwd"], "cwd": "/tmp", "env": ["PATH=/bin", "X=y"],
                   "user": {"uid": 0, "gid": 0}}
        (w.tmp / "p.json").write_text(json.dumps(process))
        check_equal(w.ok("exec", "--process", w.tmp / "p.json", c).out, "y\n/tmp\n")
    check_in("does not exist", w.oci("exec", c, "true").err)


@test
def exec_has_the_limits_of_the_container(w):
    """As under runc: rlimits and the OOM score of config.json hold for exec too, unless a process.json says otherwise."""
    def edit(config):
        config["process"].update(oomScoreAdj=500, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}])

    look = ["sh", "-c", "cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn"]
    with w.container(edit=edit) as c:
        check_equal(w.ok("exec", c, *look).out, "500\n100\n200\n")
        for more, want in (({}, "500\n100\n200\n"),
                           ({"oomScoreAdj": 600, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]}, "600\n50\n60\n")):
            (w.tmp / "p.json").write_text(json.dumps({"args": look, "cwd": "/", "env": ["PATH=/bin"], **more}))
            check_equal(w.ok("exec", "--process", w.tmp / "p.json", c).out, want)


@test
def exec_words_are_checked(w):
    with w.container() as c:
        for words, expected in ((["--env", "NAME"], 'expected NAME=value, got "NAME"'), (["--env", "=x"], "expected NAME=value"),
                                (["--cwd", "tmp"], "expected an absolute path"), (["--user", "root"], "expected a number"),
                                (["--user", ":5"], "expected a number"), (["--user", "4294967296"], "expected a number")):
            done = w.oci("exec", *words, c, "true")
            check_equal((done.code, done.out), (255, ""), f"{words}")
            check_in(expected, done.err)
        check_equal(w.ok("exec", "--cwd", "", "--env", "A=", c, "pwd").out, "/\n")
        done = w.oci("exec", c, "")
        check("did you mean" not in done.err, done.err)


@test(root=True)
def exec_is_placed_in_the_cgroup(w):
    with w.container() as c:
        inside = w.ok("exec", c, "cat", "/proc/self/cgroup").out
        want = open(f"/proc/{w.state(c)['pid']}/cgroup", encoding="ascii").read()
        check_equal(inside, want)


@test(root=True)
def pause_and_resume(w):
    with w.container(["sh", "-c", "while :; do echo x; usleep 20000; done"]) as c:
        w.ok("pause", c)
        check_equal(w.state(c)["status"], "paused")
        size = len(w.log(c))
        time.sleep(0.3)
        check(len(w.log(c)) - size <= 2, "it went on while paused")
        refused = w.oci("exec", c, "true")
        check(refused.code == 255 and "paused" in refused.err, repr(refused))
        w.ok("resume", c)
        w.wait_for(lambda: len(w.log(c)) > size, "output after resume")
        check_in("not paused", w.oci("resume", c).err)


@test(root=True)
def update_limits(w):
    with w.container() as c:
        w.ok("update", "--pids-limit", "77", "--memory", "64m", c)
        seen = w.ok("exec", c, "sh", "-c", "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max 2>/dev/null || "
                    "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes").out.split()
        check_equal(seen, ["77", str(64 << 20)])
        w.ok("update", "-r", "-", c, stdin=json.dumps({"pids": {"limit": 55}}))
        w.ok("update", "--cpuset-cpus", "0", c)
        check_in("Cpus_allowed_list:\t0\n", open(f"/proc/{w.state(c)['pid']}/status", encoding="ascii").read())
        check_in("Cpus_allowed_list:\t0\n", w.ok("exec", c, "cat", "/proc/self/status").out)
        bad = w.oci("update", "-r", "-", c, stdin='{"pids": {"limit": "x"}}')
        check(bad.code == 1 and "pids.limit" in bad.err, repr(bad))


@test(root=True)
def events_stats(w):
    with w.container() as c:
        event = json.loads(w.ok("events", "--stats", c).out)
        check_equal((event["type"], event["id"]), ("stats", c))
        check(event["data"]["memory"]["usage"]["usage"] > 0)
        check(event["data"]["pids"]["current"] >= 1)


@test(root=True)
def memory_limit_kills(w):
    def edit(config):
        config["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    done = w.run_bundle(["sh", "-c", "head -c 100m /dev/zero | tail -c 90m >/dev/null; echo survived $?"], edit)
    check("survived 0" not in done.out, repr(done))


@test(root=True)
def pids_limit_holds(w):
    def edit(config):
        config["linux"]["resources"] = {"pids": {"limit": 10}}
    done = w.run_bundle(["sh", "-c", "for i in $(seq 50); do sleep 5 & done; echo done"], edit)
    check("can't fork" in done.err or "Resource temporarily" in done.err, repr(done))


def receive_fd(listener):
    connection, _ = listener.accept()
    fds = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(4 * 4))
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % 4])
    connection.close()
    return data, list(fds)


@test
def console_socket(w):
    path = str(w.tmp / "tty.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(60)

        def edit(config):
            config["process"]["terminal"] = True
            config["process"]["consoleSize"] = {"height": 33, "width": 111}
        name = w.id()
        bundle = w.bundle(["sh", "-c", "stty size; tty; echo end"], edit)
        w.ok("create", "--bundle", bundle, "--console-socket", path, name)
        data, fds = receive_fd(listener)
        check_equal(data, b"/dev/pts/0")
        w.ok("start", name)
        seen = b""
        while b"end" not in seen:
            seen += os.read(fds[0], 1000)
        check(b"33 111" in seen and b"/dev/pts/0" in seen or b"/dev/console" in seen, repr(seen))
        os.close(fds[0])
        w.oci("delete", "--force", name)


@test
def preserved_fds(w):
    name = w.id()
    bundle = w.bundle(["sh", "-c", "echo preserved >&3; ls /proc/self/fd"])
    line = f"exec 3>{w.tmp}/three 9>{w.tmp}/nine; exec {w.bin}/bothy-oci --root {w.tmp}/state run --preserve-fds 1 --bundle {bundle} {name}"
    done = w.run(["sh", "-c", line])
    check_equal((w.tmp / "three").read_text(), "preserved\n")
    # 0-2, the preserved one, and the folder that ls reads: nothing else lives on (V02)
    check_equal(done.out.split(), ["0", "1", "2", "3", "4"])
    missing = w.oci("run", "--preserve-fds", "5", "--bundle", w.bundle(), w.id())
    check(missing.code == 1 and "preserved-fd" in missing.err, repr(missing))


def notify_manager(w, text, start):
    """A service manager: its socket, a container that says @text when it is asked to, and what came in.
    @start(environment with the socket, bundle, name) starts the container and returns what to wait for."""
    root = cve.image(w)
    path = w.tmp / "manager.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        os.chmod(path, 0o777)
        manager.settimeout(60)
        w.env["NOTIFY_SOCKET"] = str(path)
        script = f"while [ ! -e /now ]; do sleep 0.02; done; /probe notify '{text}' || exit 9; exec sleep 1000"
        bundle = w.bundle(["sh", "-c", script], lambda c: c["root"].update(path=str(root)))
        name = w.id()
        waiting = start(bundle, name)
        w.wait_for(lambda: '"running"' in w.oci("state", name).out, "the container to run")
        check_equal(waiting.poll(), None, "it waits for the program to be ready")
        (root / "now").touch()
        said = [manager.recv(4096).decode() for _ in range(2)]
        barrier, fds, _, _ = socket.recv_fds(manager, 100, 1)
        pid = w.state(name)["pid"]
        check_equal((said, barrier), (["READY=1\n", f"MAINPID={pid}\n"], b"BARRIER=1"), "what the manager was told")
        os.close(fds[0])
        del w.env["NOTIFY_SOCKET"]
        return waiting, name


@test
def notify_socket_is_relayed(w):
    """Type=notify: readiness comes out, with the number of the process on the host; nothing else of what a container says does."""
    oci = [w.bin / "bothy-oci", "--root", w.tmp / "state"]
    null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def create_and_start(bundle, name):
        check_equal(w.spawn([*oci, "create", "--bundle", bundle, name], **null).wait(60), 0, "create")
        return w.spawn([*oci, "start", name], **null)
    for start, code in ((create_and_start, 0),
                        (lambda bundle, name: w.spawn([*oci, "run", "-d", "--bundle", bundle, name], **null), 0),
                        (lambda bundle, name: w.spawn([*oci, "run", "--keep", "--bundle", bundle, name], **null), 137)):
        waiting, name = notify_manager(w, "STATUS=x\nREADY=1\nMAINPID=1\nEXTEND_TIMEOUT_USEC=1", start)
        if code:
            check_equal(waiting.poll(), None, "a foreground run goes on")
            w.ok("kill", name, "KILL")
        check_equal(waiting.wait(60), code)
        w.ok("delete", "--force", name)
        shutil.rmtree(w.tmp / "image")
        (w.tmp / "manager.sock").unlink()


@test
def a_program_that_ends_is_ready_for_nothing(w):
    """NOTIFY_SOCKET without a word from the program: `start` ends with it, whether or not there is a manager."""
    w.env["NOTIFY_SOCKET"] = str(w.tmp / "nobody")
    done = w.run_bundle(["sh", "-c", "echo $NOTIFY_SOCKET; ls -l $NOTIFY_SOCKET | cut -c1-10; touch /run/notify/x"])
    check_equal(done.out, "/run/notify/notify.sock\nsrwxrwxrwx\n", repr(done))
    check_in("Read-only", done.err)
    w.env["NOTIFY_SOCKET"] = "relative"
    done = w.run_bundle(["true"])
    check(done.code == 1 and "NOTIFY_SOCKET" in done.err, repr(done))


def processes_with(word):
    """Pids of those who have @word in their command line."""
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if word in read(f"/proc/{pid}/cmdline")]


@test
def killed_at_each_step(w):
    """Whichever side of a `create` is killed before whichever step: no process stays that nobody can name, whoever ran it."""
    bundle = w.bundle(["sleep", "1000"])
    killed = 0
    for side in ("host", "inside"):
        for step in range(200):
            name = w.id()
            w.env["BOTHY_FAIL_STEP"] = f"{side}:{step}!"
            code = w.spawn([w.bin / "bothy-oci", "--root", w.tmp / "state", "create", "--bundle", bundle, name],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(60)
            if side == "host" and code:
                recorded = w.oci("state", name)
                if recorded.code or '"creating"' in recorded.out:
                    w.wait_for(lambda n=name: not processes_with(n), f"the process of a create killed before step {step}")
            w.ok("delete", "--force", name)
            w.wait_for(lambda n=name: not processes_with(n), f"the process of a create killed before step {side}:{step}")
            if code == 0:
                break
            killed += 1
    del w.env["BOTHY_FAIL_STEP"]
    check(killed > 20, f"only {killed} were killed: is the injection working?")


@test
def hooks_run_in_order(w):
    record = w.tmp / "hooks.txt"
    script = w.tmp / "hook.sh"
    script.write_text(f"#!/bin/sh\nread -r line\necho \"$1 $(echo \"$line\" | grep -o '\"status\":\"[a-z]*\"')\" >>{record}\n")
    script.chmod(0o755)

    def edit(config):
        config["hooks"] = {point: [{"path": str(script), "args": ["hook.sh", point]}] for point in
                           ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    check_equal(w.run_bundle(["true"], edit).code, 0)
    check_equal(record.read_text().splitlines(), [
        'prestart "status":"created"', 'createRuntime "status":"created"', 'createContainer "status":"created"',
        'poststart "status":"running"', 'poststop "status":"stopped"'])


@test
def hooks_that_do_not_read_their_input(w):
    """The state is written to a hook that has ended: no run may end by SIGPIPE for it."""
    def edit(config):
        config["hooks"] = {point: [{"path": "/bin/true"}] for point in ("createRuntime", "poststart", "poststop")}
        config["annotations"] = {"long": "x" * 200000}  # more than the pipe takes

    for _ in range(5):
        check_equal(w.run_bundle(["true"], edit).code, 0)


@test
def failing_hook_leaves_nothing(w):
    def edit(config):
        config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    done = w.run_bundle(["true"], edit)
    check(done.code == 1 and "createRuntime" in done.err and "exit status 1" in done.err, repr(done))


@test
def hook_timeout(w):
    def edit(config):
        config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}
    start = time.monotonic()
    done = w.run_bundle(["true"], edit)
    check(done.code == 1 and "timeout" in done.err and time.monotonic() - start < 90, repr(done))


@test
def damaged_records(w):
    """What a crash or a foreign hand left in the state folder: no verb acts on it, and delete --force takes it away."""
    states = w.tmp / "state"
    with w.container(start=False) as c:
        good = dict(json.loads(read(states / c / "state.json")), id="odd", pid=os.getpid())
    odd = [[], {}, {"pid": os.getpid()}, dict(good, schema=99), dict(good, id="other"), dict(good, startTime=0),
           dict(good, cgroup=5), dict(good, cgroup={"mode": "v1"}), dict(good, pid=-1), dict(good, pid="1"), dict(good, pid=2**40)]
    verbs = [["state"], ["kill"], ["start"], ["pause"], ["resume"], ["ps"], ["update"], ["events", "--stats"], ["delete"]]
    for text in [json.dumps(record) for record in odd] + ["", "{", None]:
        for verb in verbs:
            home = states / "odd"
            home.mkdir(exist_ok=True)
            if text is None:
                (home / "state.json").mkdir(exist_ok=True)
            else:
                (home / "state.json").write_text(text)
            done = w.oci(*verb, "odd")
            check_equal((done.code, done.out), (1, ""), f"{verb} of {text!r}")
            check_equal(w.ok("list", "-q").out, "", f"the list with {text!r}")
        w.ok("delete", "--force", "odd")
        check(not home.exists(), f"{text!r} is still there")
    # What is no folder is no container.
    (states / "notes").write_text("")
    check_equal(w.ok("list").err, "")
    check_equal(w.oci("state", "notes").code, 1)
    (states / "notes").unlink()


@test
def log_json(w):
    log = w.tmp / "log.json"
    done = w.oci("--log", log, "--log-format", "json", "state", "nothing")
    check_equal(done.code, 1)
    line = json.loads(log.read_text())
    check_equal(sorted(line), ["level", "msg", "time"])
    check_equal(line["level"], "error")
    check_in("does not exist", line["msg"])
    check_in("does not exist", done.err)


@test
def every_failing_step_leaves_nothing(w):
    """Each step of the plan is made to fail in turn; afterwards nothing of the container is there."""
    fail_each_step(w, w.bundle(["true"], rootfs=None))


@test(root=True)
def every_failing_step_in_a_shared_pid_namespace_leaves_nothing(w):
    with w.container() as c:
        pid = w.state(c)["pid"]

        def joins(config):
            others = [n for n in config["linux"]["namespaces"] if n["type"] != "pid"]
            config["linux"]["namespaces"] = [*others, {"type": "pid", "path": f"/proc/{pid}/ns/pid"}]
        fail_each_step(w, w.bundle(["true"], joins), c)


def fail_each_step(w, bundle, *others):
    failed = 0
    for side in ("host", "inside"):
        for step in range(200):
            w.env["BOTHY_FAIL_STEP"] = f"{side}:{step}"
            done = w.oci("run", "--bundle", bundle, w.id())
            if done.code == 0:
                break
            failed += 1
            check_in("failure injected", done.err, f"{side}:{step}")
            check_equal(os.listdir(w.tmp / "state"), [*others], f"state after {side}:{step}")
    del w.env["BOTHY_FAIL_STEP"]
    check(failed > 20, f"only {failed} steps failed: is the injection working?")


@test(root=True)
def caller_whose_root_is_mounted_over(w):
    """The caller's root lies beneath what was mounted on "/". Both must go, for from the new root ".." leads to what lies on it."""
    (w.tmp / "marker").write_text("the host")
    bundle = w.bundle(["sh", "-c", f"cat /..{w.tmp}/marker; cat /proc/self/mountinfo"])
    done = w.run(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs hides-it / && exec "$@"', "sh",
                  w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle, w.id()])
    check_equal(done.code, 0, repr(done))
    roots = [line for line in done.out.splitlines() if line.split()[4] == "/"]
    check("the host" not in done.out and "hides-it" not in done.out and len(roots) == 1, repr(done))


@test
def a_mount_on_the_root_itself_is_refused(w):
    """It would be the root of those who enter the mount namespace later, and of nobody who was there before."""
    for place in ("/", "/.", "/proc/.."):
        done = w.run_bundle(["true"], lambda c, place=place: c["mounts"].append({"destination": place, "type": "tmpfs", "source": "tmpfs"}))
        check(done.code != 0 and "on the new root directory" in done.err and "root.path" in done.err, f"{place}: {done!r}")


@test
def bad_configs_name_the_field(w):
    cases = [
        (lambda c: c["process"].update(args="x"), "process.args"),
        (lambda c: c["process"].update(cwd="relative"), "process.cwd"),
        (lambda c: c["process"]["user"].update(uid=-1), "process.user.uid"),
        (lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_X", "hard": 1, "soft": 1}]), "process.rlimits[0].type"),
        (lambda c: c.update(ociVersion="7.0.0"), "ociVersion"),
        (lambda c: c["mounts"].append({"type": "tmpfs"}), "destination"),
        (lambda c: c["linux"].update(namespaces=[{"type": "bogus"}]), "linux.namespaces[0].type"),
        (lambda c: c["linux"].update(sysctl={"kernel.core_pattern": "|/x"}), "kernel.core_pattern"),
    ]
    for edit, words in cases:
        done = w.run_bundle(["true"], edit)
        check(done.code == 1 and done.err.count("\n") == 1, repr(done))
        check_in(words, done.err)


@test
def unsupported_is_said(w):
    done = w.oci("--systemd-cgroup", "run", "--bundle", w.bundle(), w.id())
    check(done.code == 1 and "not supported" in done.err, repr(done))
    check_in("not supported", w.oci("checkpoint", "x").err)
    check_in("not supported", w.run_bundle(["true"], lambda c: c["linux"].update(intelRdt={"closID": "x"})).err)
