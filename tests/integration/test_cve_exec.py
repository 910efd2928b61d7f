# SPDX-License-Identifier: Apache-2.0
"""Advisories about what a process carries with it: its own program, descriptors, working directory, rights, users."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess

import cve
from harness import check, check_equal, check_in, read, test, vacuous

# ---- V01 -------------------------------------------------------------------------------------------------------------


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def own_copy(w):
    """The programs in the test's own folder: an attack that gets through must not spoil the real ones."""
    shutil.copytree(w.bin, w.tmp / "bin")
    w.bin = w.tmp / "bin"
    return w.bin / "bothy-oci"


def overwrite(w, edit):
    """The container looks for foreign programs and writes to them after they ended; the host execs into it meanwhile."""
    runtime = own_copy(w)
    before = digest(runtime)
    root = cve.image(w)
    (root / "script").write_text("#!/proc/self/exe\n")
    (root / "script").chmod(0o755)

    def config(c):
        edit(c)
        c["root"]["path"] = str(root)
    with w.container(["/probe", "overwrite", "4"], config) as c:
        while "held" not in w.log(c):
            if w.state(c)["status"] == "stopped":
                break
            w.oci("exec", c, "/proc/self/exe", "--version")
            w.oci("exec", c, "/script")
        w.wait_for(lambda: "written" in w.log(c) and w.state(c)["status"] == "stopped", "the probe", 150)
        said = w.log(c)
    check_equal(digest(runtime), before, "the runtime's file")
    check_equal(cve.facts(said)["written"], "0", "files written")
    return said


@test(root=True)
def cve_2019_5736_runtime_overwrite_by_exec(w):
    said = overwrite(w, cve.all_caps)
    check(int(cve.facts(said)["held"]) > 0, f"the probe never held the runtime: {said}")
    check("refused EROFS" in said or "refused EPERM" in said, said)


@test(root=True)
def cve_2019_5736_runtime_overwrite_in_user_namespace(w):
    said = overwrite(w, cve.user_namespace)
    check(int(cve.facts(said)["held"]) > 0, f"the probe never held the runtime: {said}")


@test(root=True)
def cve_2019_5736_runtime_overwrite_by_entry_point(w):
    runtime = own_copy(w)
    before = digest(runtime)
    root = cve.image(w)

    def edit(config):
        cve.all_caps(config)
        config["root"]["path"] = str(root)
    (root / "script").write_text("#!/proc/self/exe\n")
    (root / "script").chmod(0o755)
    for args in (["/proc/self/exe", "--version"], ["/proc/self/exe", "run", "x"], ["/script"]):
        w.run_bundle(args, edit)
    check_equal(digest(runtime), before, "the runtime's file")
    # The control: an ordinary program does not run from a read-only mount or a sealed copy.
    check_equal(w.run_bundle(["/probe", "exe-flags", "/proc/self/exe"], edit).out, "flags rw\n", "an ordinary program")


@test(root=True)
def cve_2019_5736_clone_cannot_be_made_writable(w):
    """With every right inside, the read-only clone stays what it is: neither remounted nor cloned writable."""
    runtime = own_copy(w)
    before = digest(runtime)
    root = cve.image(w)
    script = ("while :; do for p in /proc/[0-9]*; do "
              "case $(readlink $p/exe) in */busybox|'') ;; *) /probe remount $p/exe; exit;; esac; done; done")

    def edit(config):
        cve.all_caps(config)
        config["root"]["path"] = str(root)
    with w.container(["sh", "-c", script], edit) as c:
        def joins(config):
            cve.namespaces(config, "pid")
            config["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{w.state(c)['pid']}/ns/pid"})
        # One who joins its pid namespace, and waits there for `start`, is still the runtime.
        beside = w.id()
        check_equal(w.run([runtime, "--root", w.tmp / "state", "create", "--bundle", w.bundle(["true"], joins), beside]).code, 0, "create")
        w.wait_for(lambda: w.state(c)["status"] == "stopped", "the probe", 120)
        said = w.log(c)
        check_equal(w.oci("delete", "--force", beside).code, 0, "delete")
    check_equal(digest(runtime), before, "the runtime's file")
    got = cve.facts(said)
    check(got["setattr"] != "ok" and "clone-setattr" not in got, said)
    check(got["write"] in ("EROFS", "EPERM", "ETXTBSY"), said)
    # The file that runs is busy, which comes before all other reasons: that it is read-only is seen by the mount's flags.
    check("flags ro" in said or "seals write" in said, said)


def is_protected(pid):
    """Does the process run from a read-only mount or a sealed copy?"""
    fd = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
    try:
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            return True
        with contextlib.suppress(OSError):
            return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)
        return False
    finally:
        os.close(fd)


@test(root=True)
def cve_2019_5736_starter_runs_from_a_protected_copy(w):
    """Who starts a container whose root is the host's root runs from what nobody can write, with bothy and bothy-oci."""
    root = w.rootfs()
    name = w.id()
    bothy = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--rm", "--network", "none"]
    for command in ([w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", w.bundle(["sleep", "1000"]), name],
                    [*bothy, "--userns", "host", "--rootfs", root, "/bin/sleep", "1000"],
                    [*bothy, "--privileged", "--userns", "host", "--rootfs", root, "/bin/sleep", "1000"]):
        child = w.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        children = f"/proc/{child.pid}/task/{child.pid}/children"
        w.wait_for(lambda path=children: any("sleep" in read(f"/proc/{pid}/cmdline") and "bothy" not in read(f"/proc/{pid}/cmdline")
                                             for pid in read(path).split()), "the program to run")
        protected = is_protected(child.pid)
        for pid in read(children).split():
            os.kill(int(pid), 9)
        child.wait(60)
        check(protected, f"{command[0]} {command[5:]} runs from a file that root inside may write")
    check(not is_protected(os.getpid()), "an ordinary program counts as protected: this test shows nothing")


@test(root=True)
def cve_2019_5736_works_on_a_naive_runtime(w):
    victim = w.tmp / "naive"
    shutil.copy(cve.program("naive"), victim)
    before = digest(victim)
    done = w.run([victim, "self", cve.image(w), "200", "2"])
    check(int(cve.facts(done.out)["held"]) > 0, repr(done))
    check(digest(victim) != before, f"the attack did not work: {done!r}")


# ---- V02 -------------------------------------------------------------------------------------------------------------


def marked_image(w):
    """A file that only the host has, three folders above everything that the runtime may have open."""
    (w.tmp / "host-marker").write_text("the host's\n")
    return cve.image(w)


def shell_with_open_folders(w, *command):
    """Run @command with folders of the host open and not marked close-on-exec, as shims and shells do."""
    text = f"exec 7<{w.tmp} 9<{w.tmp} 11</; exec \"$@\""
    return w.run(["bash", "-c", text, "bash", *command])


@test
def cve_2016_9962_fd_leak(w):
    root = marked_image(w)
    bundle = w.bundle(["ls", "-l", "/proc/self/fd"], rootfs=root)
    done = shell_with_open_folders(w, w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle, w.id())
    check_equal(done.code, 0, repr(done))
    # 0, 1, 2; the folder that ls read is closed when it looks at the link
    check_equal(len([line for line in done.out.splitlines() if "->" in line]), 3, f"descriptors inside: {done!r}")
    check(str(w.tmp) not in done.out, done.out)
    with w.container() as c:
        inside = shell_with_open_folders(w, w.bin / "bothy-oci", "--root", w.tmp / "state", "exec", c, "ls", "-l", "/proc/self/fd")
        check_equal(len([line for line in inside.out.splitlines() if "->" in line]), 3, f"descriptors inside: {inside!r}")
    text = naive_leak(w, root, "ls", "-l", "/proc/self/fd")
    check_in(f"9 -> {w.tmp}", text, "a naive runtime leaks")


def naive_leak(w, root, *command, cwd=None):
    if not w.root and not os.path.exists("/proc/self/ns/user"):
        vacuous("no user namespaces")
    return cve.naive(w, "enter", root, f"leak={w.tmp}", *([f"cwd={cwd}"] if cwd else []), "--", *command).out


@test
def cve_2016_9962_exec_is_not_seen_before_it_is_ready(w):
    """While the host execs into it, the container looks through each newcomer's descriptors, folders and root."""
    watch_execs(w, lambda config: None)


@test(root=True)
def cve_2016_9962_exec_with_ptrace_sees_nothing_either(w):
    """CAP_SYS_PTRACE on the host's own user namespace looks into processes that are not dumpable: nothing may be there."""
    watch_execs(w, cve.all_caps)


def until_stolen(w, c, root, step):
    """Repeat @step until the probe in @c has looked long enough and at enough of them: (successful steps, what it said)."""
    count = 0
    while "seen" not in w.log(c):
        count += step().code == 0
        if count == 20:
            (root / "stop").touch()
    return count, cve.facts(w.log(c))


def watch_execs(w, more):
    root = marked_image(w)

    def edit(config):
        config["root"]["path"] = str(root)
        more(config)
    with w.container(["/probe", "steal", "6"], edit) as c:
        count, said = until_stolen(w, c, root, lambda: shell_with_open_folders(
            w, w.bin / "bothy-oci", "--root", w.tmp / "state", "exec", c, "true"))
    check(count >= 20 and int(said["seen"]) >= 20, f"{count} execs, {said}")
    check_equal(said["out"], "0", f"ways out found, of {said} in {count} execs")


@test(root=True)
def cve_2016_9962_start_in_a_shared_pid_namespace(w):
    """A container that shares its pid namespace with others, as in a pod, watches them start."""
    root = marked_image(w)

    def watcher(config):
        config["root"]["path"] = str(root)
    with w.container(["/probe", "steal", "6"], watcher) as c:
        def edit(config):
            cve.namespaces(config, "pid")
            config["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{w.state(c)['pid']}/ns/pid"})
        bundle = w.bundle(["true"], edit)
        count, said = until_stolen(w, c, root, lambda: shell_with_open_folders(
            w, w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle, w.id()))
    check(count >= 20 and int(said["seen"]) >= 20, f"{count} starts, {said}")
    check_equal(said["out"], "0", f"ways out found, of {said} in {count} starts")


def may_trace(config):
    """The usual rights and CAP_SYS_PTRACE, over the host's own user namespace."""
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_SYS_PTRACE")


def with_filter(config):
    """One that needs CAP_SYS_ADMIN to be put on, and lets everything through that the runtime does."""
    config["process"]["noNewPrivileges"] = False
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                  "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}


def watch_starts(w, edit):
    """A neighbour who may trace looks at each container that is created in his pid namespace, waits, and is started."""
    root = marked_image(w)
    (root / "stop").unlink(missing_ok=True)

    def watcher(config):
        config["root"]["path"] = str(root)
        may_trace(config)
    with w.container(["/probe", "steal", "6"], watcher) as c:
        def joins(config):
            cve.namespaces(config, "pid")
            config["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{w.state(c)['pid']}/ns/pid"})
            edit(config)

        def step():
            # The last one may find the neighbour, and with him the namespace, gone.
            with contextlib.suppress(AssertionError), w.container(["true"], joins) as other:
                return w.oci("state", other)
            return w.run(["false"])
        count, said = until_stolen(w, c, root, step)
    check(count >= 20 and int(said["seen"]) >= 20, f"{count} starts, {said}")
    return said


@test(root=True)
def cve_2016_9962_start_beside_one_who_may_trace(w):
    """Neither the host's folders nor rights that only the runtime has, whether it is setting up or waits for `start`."""
    for edit in (lambda config: None, with_filter):
        said = watch_starts(w, edit)
        check_equal((said["out"], said["taken"]), ("0", "0"), f"ways out found, of {said}")


@test(root=True)
def cve_2016_9962_the_filter_that_cannot_be_put_on_early_still_holds(w):
    """One that refuses what the runtime itself calls after it: then it is put on just before the program, as everywhere."""
    with w.container() as c:
        def edit(config):
            cve.namespaces(config, "pid")
            config["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{w.state(c)['pid']}/ns/pid"})
            with_filter(config)
            config["linux"]["seccomp"]["syscalls"][0]["names"] = ["setsid", "accept4", "capset", "clone", "clone3"]
        done = w.run_bundle(["sh", "-c", "while read a b; do case $a in Seccomp:) echo $a $b;; esac; done </proc/self/status; cat /dev/null; :"], edit)
        check_in("Seccomp: 2", done.out, repr(done))
        check_in("fork", done.err, "the filter refuses clone")


@test(root=True)
def cve_2016_9962_exec_beside_one_who_may_trace(w):
    root = marked_image(w)

    def edit(config):
        config["root"]["path"] = str(root)
        may_trace(config)
        with_filter(config)
    with w.container(["/probe", "steal", "6"], edit) as c:
        count, said = until_stolen(w, c, root, lambda: w.oci("exec", c, "true"))
    check(count >= 20 and int(said["seen"]) >= 20, f"{count} execs, {said}")
    check_equal((said["out"], said["taken"]), ("0", "0"), f"ways out found, of {said} in {count} execs")


@test(root=True)
def shared_pid_namespace_is_what_proc_shows(w):
    """/proc of a container that shares its pid namespace is that of the namespace; the terminal, limits and hooks work there."""
    with w.container(["sh", "-c", "exec sleep 1000"]) as c:
        def edit(config):
            cve.namespaces(config, "pid")
            config["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{w.state(c)['pid']}/ns/pid"})
            config["process"]["oomScoreAdj"] = 321
            config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 77}]
        done = w.run_bundle(["sh", "-c", "cat /proc/1/cmdline; echo; cat /proc/self/oom_score_adj; ulimit -n; "
                             "cut -d' ' -f6 /proc/$$/stat; echo $$"], edit)
        lines = done.out.splitlines()
        check_equal(lines[0].replace("\0", " ").strip(), "sleep 1000", repr(done))
        check_equal(lines[1:3], ["321", "77"], repr(done))
        check_equal(lines[3], lines[4], f"a session of its own: {done!r}")


@test(root=True)
def cve_2016_9962_works_on_a_naive_runtime(w):
    root = marked_image(w)

    def edit(config):
        config["root"]["path"] = str(root)
        cve.all_caps(config)
    with w.container(["/probe", "steal", "3"], edit) as c:
        pid = w.state(c)["pid"]
        _, said = until_stolen(w, c, root, lambda: cve.naive(w, "exec-into", str(pid), w.tmp, "100"))
    check(int(said["out"]) > 0, f"the attack did not work: {said}")

    def tracer(config):
        config["root"]["path"] = str(root)
        may_trace(config)
    (root / "stop").unlink()
    with w.container(["/probe", "steal", "3"], tracer) as c:
        pid = w.state(c)["pid"]
        _, said = until_stolen(w, c, root, lambda: cve.naive(w, "exec-into", str(pid), w.tmp, "100"))
    check(int(said["taken"]) > 0, f"nobody with more rights was taken over: {said}")


@test
def cve_2024_21626_leaked_cwd(w):
    """process.cwd and exec --cwd as /proc/self/fd/N, with folders of the host open all around."""
    root = marked_image(w)
    reach = "pwd; for up in . .. ../.. ../../..; do cat $up/host-marker && echo REACHED; done; ls -d ../../../../*; exit 0"
    with w.container() as c:
        for n in range(3, 24):
            cwd = f"/proc/self/fd/{n}"

            def edit(config, cwd=cwd):
                config["process"]["cwd"] = cwd
            bundle = w.bundle(["sh", "-c", reach], edit, rootfs=root)
            base = [w.bin / "bothy-oci", "--root", w.tmp / "state"]
            for command in ([*base, "run", "--bundle", bundle, w.id()], [*base, "exec", "--cwd", cwd, c, "sh", "-c", reach]):
                done = shell_with_open_folders(w, *command)
                check("REACHED" not in done.out, f"{cwd}: {done!r}")
                if done.code == 0:
                    check_in("/", done.out.splitlines()[0], "a folder inside")
                    check("unreachable" not in done.out, repr(done))
    check_in("REACHED", naive_leak(w, root, "sh", "-c", reach, cwd="/proc/self/fd/9"), "on a naive runtime")


@test
def cve_2024_21626_cwd_by_symlink_in_the_image(w):
    root = marked_image(w)
    for n in range(3, 16):
        (root / f"cwd{n}").symlink_to(f"/proc/self/fd/{n}")
    for n in range(3, 16):
        def edit(config, n=n):
            config["process"]["cwd"] = f"/cwd{n}"
        bundle = w.bundle(["sh", "-c", "cat host-marker ../host-marker ../../host-marker && echo REACHED; exit 0"], edit, rootfs=root)
        done = shell_with_open_folders(w, w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle, w.id())
        check("the host's" not in done.out, f"cwd{n}: {done!r}")
    check_in("the host's", naive_leak(w, root, "cat", "host-marker", cwd="/cwd9"), "on a naive runtime")


# ---- V09 -------------------------------------------------------------------------------------------------------------

STATUS = ["cat", "/proc/self/status"]


@test
def cve_2022_29162_inheritable_caps(w):
    """Neither run nor exec give inheritable or ambient capabilities that nobody asked for, whatever the caller has."""
    bundle = w.bundle(STATUS)
    callers = [[], [cve.program("naive"), "with-inh"]] if w.root else [[]]
    for caller in callers:
        done = w.run([*caller, w.bin / "bothy-oci", "--root", w.tmp / "state", "run", "--bundle", bundle, w.id()])
        caps = cve.capability_lines(done.out)
        check_equal((caps["CapInh"], caps["CapAmb"]), (0, 0), f"run: {done!r}")
        with w.container() as c:
            for extra in ([], ["--cap", "CAP_NET_ADMIN"]):
                done = w.run([*caller, w.bin / "bothy-oci", "--root", w.tmp / "state", "exec", *extra, c, *STATUS])
                caps = cve.capability_lines(done.out)
                check_equal((caps["CapInh"], caps["CapAmb"]), (0, 0), f"exec {extra}: {done!r}")
        done = w.run([*caller, w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--rm",
                      "--network", "none", "--rootfs", w.rootfs(), *STATUS])
        caps = cve.capability_lines(done.out)
        check_equal((caps["CapInh"], caps["CapAmb"]), (0, 0), f"bothy run: {done!r}")
    done = cve.naive(w, "enter", w.rootfs("plain"), "inh", "--", *STATUS)
    check(cve.capability_lines(done.out)["CapInh"] != 0, f"a naive runtime passes them on: {done!r}")


@test(root=True)
def cve_2022_24769_file_caps_stay_out_of_reach(w):
    """What inheritable sets were good for: a program with inheritable file capabilities, run by a plain user."""
    root = w.rootfs()
    (root / "capable").mkdir()
    shutil.copy(root / "bin/busybox", root / "capable/cat")
    # struct vfs_cap_data, revision 2: permitted none, inheritable all, effective bit
    value = (0x02000001).to_bytes(4, "little") + b"\0\0\0\0" + b"\xff\xff\xff\xff" + b"\0\0\0\0" + b"\xff\xff\xff\xff"
    try:
        os.setxattr(root / "capable/cat", "security.capability", value)
    except OSError as e:
        vacuous(f"file capabilities cannot be set here: {e}")
    command = ["/capable/cat", "/proc/self/status"]

    def edit(config):
        cve.all_caps(config)
        config["process"]["user"] = {"uid": 1000, "gid": 1000}
        config["root"]["path"] = str(root)
    done = w.run_bundle(command, edit)
    check_equal(done.code, 0, repr(done))
    check_equal(cve.capability_lines(done.out)["CapPrm"], 0, repr(done))
    with w.container(["sleep", "1000"], edit) as c:
        done = w.oci("exec", "--user", "1000", c, *command)
        check_equal(cve.capability_lines(done.out)["CapPrm"], 0, repr(done))
    done = cve.naive(w, "enter", root, "inh", "uid=1000", "gid=1000", "--", *command)
    check(cve.capability_lines(done.out)["CapPrm"] != 0, f"on a naive runtime: {done!r}")


# ---- V13 -------------------------------------------------------------------------------------------------------------

WRAPPING = ("4294967296", "4294967295", "18446744073709551616", "-1", "0x0", "+0", " 0", "1e0", "00000000000000000000", "1000:4294967296",
            "1000:-1", "", ":", "0:0:0")


@test
def cve_2024_40635_uid_wraps_to_root(w):
    root = w.rootfs()
    with w.container() as c:
        for text in WRAPPING:
            if text in ("", ":", "00000000000000000000"):
                continue  # harmless words for root
            done = w.oci("exec", "--user", text, c, "id", "-u")
            check(done.code != 0 and "0\n" not in done.out, f"exec --user {text!r}: {done!r}")
    for text in WRAPPING:
        done = w.bothy("run", "--rm", "--network", "none", "--user", text, "--rootfs", root, "/bin/id", "-u")
        if text in ("", ":", "00000000000000000000"):
            check(done.code != 0 or done.out == "0\n", repr(done))
            continue
        check(done.code != 0 and not done.out, f"--user {text!r}: {done!r}")
    for number in (1 << 32, (1 << 32) - 1, -1, 1 << 64, 0.5, "0"):
        def edit(config, number=number):
            config["process"]["user"]["uid"] = number
        done = w.run_bundle(["id", "-u"], edit)
        check(done.code != 0 and not done.out, f"uid {number!r}: {done!r}")
        check_in("process.user.uid" if number != 1 << 64 else "integer", done.err)
    check_equal(cve.naive(w, "uid", "4294967296").out, "0\n", "a wrapping parser")


@test
def cve_2016_3697_number_is_not_a_name(w):
    """A user of the image that is called "1000" and is root: digits are never looked up as a name."""
    root = w.rootfs()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n1000:x:0:0::/root:/bin/sh\n77777:x:0:0::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n1000:x:0:\n")
    run = ["run", "--rm", "--network", "none", "--rootfs", root]
    plain = w.bothy(*run, "--user", "1000:1000", "/bin/sh", "-c", "id -u; id -g")
    if plain.code == 0:
        check_equal(plain.out, "1000\n1000\n", repr(plain))
    else:
        check("1000" in plain.err and not plain.out, repr(plain))
    out_of_range = w.bothy(*run, "--user", "99999999999", "/bin/id", "-u")
    check(out_of_range.code != 0 and not out_of_range.out, repr(out_of_range))
    with w.container(edit=lambda c: c["root"].update(path=str(root))) as c:
        done = w.oci("exec", "--user", "77777", c, "id", "-u")
        check(done.out != "0\n", repr(done))
    # The names are found when they are asked for as names: the file is read at all.
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nalias:x:0:0::/root:/bin/sh\n")
    check_equal(w.bothy(*run, "--user", "alias", "/bin/id", "-u").out, "0\n", "a name")


# ---- V14 -------------------------------------------------------------------------------------------------------------


@test(root=True)
def cve_2022_36109_supplementary_groups(w):
    """A file that is closed to one group and open to all others; a set-group-id program changes the primary group."""
    root = cve.image(w)
    shutil.copy(root / "probe", root / "setgid")
    os.chown(root / "setgid", 0, 3000)
    os.chmod(root / "setgid", 0o2755)
    (root / "closed").write_text("not for group 1000\n")
    os.chown(root / "closed", 0, 1000)
    os.chmod(root / "closed", 0o604)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:1001:1000::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\nother:x:2000:user\n")
    attack = ["/setgid", "read", "/closed"]
    for groups in ([], [2000]):
        def edit(config, groups=groups):
            config["root"]["path"] = str(root)
            config["process"]["user"] = {"uid": 1001, "gid": 1000, "additionalGids": groups}
        done = w.run_bundle(attack, edit)
        check_equal(done.out, "read EACCES\n", f"run with {groups}: {done!r}")
        with w.container(["sleep", "1000"], edit) as c:
            for options in ([], ["--user", "1001:1000"], ["--additional-gids", "2000"]):
                done = w.oci("exec", *options, c, *attack)
                check_equal(done.out, "read EACCES\n", f"exec {options}: {done!r}")
    for who in ("user", "1001:1000", "1001:1000"):
        done = w.bothy("run", "--rm", "--network", "none", "--userns", "host", "--user", who, "--rootfs", root, *attack)
        check_equal(done.out, "read EACCES\n", f"bothy run --user {who}: {done!r}")
    done = cve.naive(w, "enter", root, "nogroups", "uid=1001", "gid=1000", "--", *attack)
    check_equal(done.out, "read ok\n", f"on a naive runtime: {done!r}")


# ---- V15 -------------------------------------------------------------------------------------------------------------


def endless_files(root):
    """Each makes etc/passwd something that no program should read to its end."""
    passwd = root / "etc/passwd"

    def fifo():
        os.mkfifo(passwd)

    def zero():
        passwd.symlink_to("/dev/zero")

    def zero_node():
        os.mknod(passwd, 0o666 | 0o020000, os.makedev(1, 5))

    def huge():
        with open(passwd, "wb") as f:
            f.truncate(64 << 30)

    def one_line():
        passwd.write_text("user:x:" + "1" * (8 << 20))

    def folder():
        passwd.mkdir()

    def outside():
        passwd.symlink_to("/../../../../../../proc/kmsg")

    def loop():
        passwd.symlink_to("passwd")
    return [fifo, zero, zero_node, huge, one_line, folder, outside, loop]


@test
def cve_2026_47262_endless_passwd(w):
    root = w.rootfs()
    base = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--rm", "--network", "none"]
    bundle = w.bundle(["sh", "-c", "echo HOME=$HOME"], lambda c: c["process"].update(
        env=["PATH=/bin"]), rootfs=root)
    for make in endless_files(root):
        passwd = root / "etc/passwd"
        if passwd.is_dir():
            passwd.rmdir()
        else:
            passwd.unlink(missing_ok=True)
        try:
            make()
        except PermissionError:
            continue  # a plain user makes no device nodes
        # Address space is the judge of memory: the programs are static and need little.
        code, out, took = cve.measured(w, ["prlimit", f"--as={512 << 20}", *base, "--user", "user", "--rootfs", root, "/bin/true"])
        check(code not in (0, 134, 137, 139) and took < 10, f"{make.__name__}: exit {code} after {took:.1f} s of work: {out}")
        check("Error" in out, f"{make.__name__}: {out}")
        code, out, took = cve.measured(w, ["prlimit", f"--as={512 << 20}", w.bin / "bothy-oci", "--root", w.tmp / "state", "run",
                                       "--bundle", bundle, w.id()])
        check(took < 10 and (code == 0 and "HOME=/" in out), f"{make.__name__}: exit {code} after {took:.1f} s: {out}")
    huge = w.tmp / "huge"
    with open(huge, "wb") as f:
        f.truncate(1 << 30)
    check_in("out of memory", cve.naive(w, "passwd", huge, "64").out, "a reader without a bound")
    check_in("out of memory", cve.naive(w, "passwd", "/dev/zero", "64").out, "a reader without a bound")


@test
def cve_2022_4318_passwd_injection(w):
    """No value of ours ever adds a line: bothy writes no passwd into the container, and refuses control characters."""
    root = w.rootfs()
    before = (root / "etc/passwd").read_text()
    evil = "/home\nevil:x:0:0::/root:/bin/sh"
    w.bothy("run", "--rm", "--network", "none", "--rootfs", root, "--env", f"HOME={evil}", "--user", "1000", "/bin/true")
    w.bothy("run", "--rm", "--network", "none", "--rootfs", root, "--workdir", evil, "/bin/true")
    done = w.bothy("run", "--rm", "--network", "none", "--rootfs", root, "--hostname", "a\n127.0.0.1 evil", "/bin/cat", "/etc/hosts")
    check(done.code != 0 or "evil" not in done.out, repr(done))
    check_equal((root / "etc/passwd").read_text(), before, "the image's passwd")
    # What a template would do with it:
    check_in("\nevil:x:0:0:", f"user:x:1000:1000::{evil}:/bin/sh\n", "a naive template")


# ---- V38 -------------------------------------------------------------------------------------------------------------


@test
def cve_2025_23266_hooks_get_nothing_of_the_image(w):
    """The image's environment (LD_PRELOAD) and its root as working directory must not reach programs of the host."""
    root = w.rootfs()
    source = w.tmp / "evil.c"
    source.write_text('#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void evil(void)\n'
                      '{ close(open("' + str(w.tmp / "pwned") + '", O_CREAT | O_WRONLY, 0600)); }\n')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", root / "evil.so", source], check=True)
    record = w.tmp / "hooks.txt"
    script = w.tmp / "hook.sh"
    # The shell is the host's dynamic one: it would load the library before its first line.
    script.write_text(f'#!/bin/sh\n{{ echo "== $1"; pwd; env; ls -l /proc/self/fd | grep -c -- "->"; }} >>{record}\nexit 0\n')
    script.chmod(0o755)

    def edit(config):
        config["root"]["path"] = str(root)
        config["process"]["env"] = ["PATH=/bin", "LD_PRELOAD=./evil.so", "LD_LIBRARY_PATH=.", "SECRET=image"]
        config["hooks"] = {point: [{"path": str(script), "args": ["hook.sh", point], "env": ["OWN=hook"]}] for point in
                           ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    w.env.update(SECRET_OF_THE_CALLER="yes")
    done = w.run_bundle(["/bin/true"], edit, cwd=root)
    check_equal(done.code, 0, repr(done))
    said = record.read_text()
    check_equal(said.count("== "), 5, said)
    check_equal(said.count("OWN=hook"), 5, said)
    for word in ("LD_PRELOAD", "LD_LIBRARY_PATH", "SECRET"):
        check(word not in said, f"{word} reached a hook:\n{said}")
    check(not (w.tmp / "pwned").exists(), "the image's library ran on the host")
    folders = [block.splitlines()[1] for block in said.split("== ")[1:]]
    check(str(root) not in folders, f"a hook stands in the image: {folders}")
    # 0, 1, 2 and the folder that ls reads: the hook holds nothing of the runtime's
    counts = [block.splitlines()[-1] for block in said.split("== ")[1:]]
    check_equal(counts, ["4"] * 5, "descriptors of hooks")
    # With the image's environment and folder the library runs.
    subprocess.run(["/bin/sh", "-c", "true"], cwd=root, env={"LD_PRELOAD": "./evil.so"}, check=True)
    check((w.tmp / "pwned").exists(), "the library does not work at all: this test shows nothing")


# ---- V41 -------------------------------------------------------------------------------------------------------------


@test
def cve_2018_10856_caps_dropped_for_non_root(w):
    user = {"uid": 1000, "gid": 1000} if w.root else {"uid": 0, "gid": 0}
    if w.root:
        for edit in (lambda c: None, cve.all_caps, lambda c: c["process"].pop("capabilities")):
            def config(c, edit=edit):
                edit(c)
                c["process"]["user"] = user
            done = w.run_bundle(STATUS, config)
            caps = cve.capability_lines(done.out)
            check_equal([caps[k] for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")], [0, 0, 0, 0], repr(done))
            with w.container(["sleep", "1000"], config) as c:
                for options in ([], ["--user", "1000"], ["--user", "1000:1000"]):
                    caps = cve.capability_lines(w.ok("exec", *options, c, *STATUS).out)
                    check_equal([caps[k] for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")], [0, 0, 0, 0], f"exec {options}")
    root = w.rootfs()
    done = w.bothy("run", "--rm", "--network", "none", "--user", "1000", "--rootfs", root, *["/bin/cat", STATUS[1]])
    if done.code == 0 or w.root:
        caps = cve.capability_lines(done.out)
        check_equal([caps[k] for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")], [0, 0, 0, 0], repr(done))
    if w.root:
        done = cve.naive(w, "enter", root, "inh", "uid=1000", "gid=1000", "--", *STATUS)
        check(cve.capability_lines(done.out)["CapEff"] != 0, f"on a naive runtime: {done!r}")
