# SPDX-License-Identifier: Apache-2.0
"""`bothy run` and ids: whose files are whose, with a range of the container's own, keep-id, tables, and with a single id."""

import os
import subprocess

from harness import check, check_equal, check_in, read, skip, test

MANY = 4294967295


def out(w, *args, **kwargs):
    done = w.bothy("run", *args, **kwargs)
    check_equal(done.code, 0, f"bothy run {' '.join(map(str, args))}: {done!r}")
    return done.out


def table(text):
    return [tuple(map(int, line.split())) for line in text.splitlines() if line.split()]


def maps(w, *args, which="uid"):
    return table(out(w, *args, "embedded", "cat", f"/proc/self/{which}_map"))


def owner(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid


@test(root=True)
def each_container_has_a_range_of_its_own(w):
    command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "embedded", "sh", "-c",
               "cat /proc/self/uid_map; cat"]
    first = [w.spawn([*command[:6], "-i", *command[6:]], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE) for _ in range(4)]
    ranges = [table(child.stdout.readline())[0] for child in first]
    for child in first:
        child.stdin.close()
        child.wait()
    check_equal(len({r[1] for r in ranges}), 4, f"four containers at once: {ranges}")
    for inside, outside, count in ranges:
        check_equal((inside, count), (0, 65536))
        check(outside >= 0x70000000 and outside % 65536 == 0, f"{outside}")


def killed_run(w, *args):
    """A `bothy run` in the foreground that was killed as hard as can be; its container has ended with it."""
    child = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", *args, "embedded", "sh", "-c",
                     "echo up; exec sleep 1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    check_equal(child.stdout.readline(), "up\n")
    inside = read(f"/proc/{child.pid}/task/{child.pid}/children").split()
    check(inside, "it has no child")
    child.kill()
    child.wait()
    w.wait_for(lambda: not any("sleep" in read(f"/proc/{pid}/cmdline") for pid in inside), "the container to end with its owner")


@test
def killed_with_its_container(w):
    """kill -9 of a foreground run ends its container; its name, its range, its folder and its group are free for the next."""
    for args in ((), ("-u", "1000"), ("--init",)):
        killed_run(w, "--name", "hut", *args)
        out(w, "--name", "hut", "embedded", "true")
        for folder in ("run/bothy/names", "run/bothy/ids", "run/bothy/containers", "lib/containers"):
            if (w.tmp / folder).is_dir():
                check_equal(os.listdir(w.tmp / folder), [], f"{folder} after the next run")
    # Without a name somebody comes by: each run looks at one other.
    for _ in range(3):
        killed_run(w)
    for _ in range(3):
        out(w, "embedded", "true")
    check_equal(os.listdir(w.tmp / "lib/containers"), [], "three dead ones, looked at by three runs")


@test
def other_containers_by_name(w):
    """container:NAME means a name, an id, or the beginning of one; the living are never taken for dead."""
    command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--name", "hut", "--init", "embedded",
               "sh", "-c", "echo up; exec sleep 1000"]
    child = w.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    check_equal(child.stdout.readline(), "up\n")
    identity = os.readlink(w.tmp / "run/bothy/names/hut")
    pid = read(f"/proc/{child.pid}/task/{child.pid}/children").split()[0]
    for name in ("hut", identity, identity[:12]):
        for option, kind in (("--ipc", "ipc"), ("--network", "net"), ("--pid", "pid")):
            if w.root: # a plain user's namespaces belong to the other's user namespace
                seen = out(w, option, f"container:{name}", "--userns", "host", "embedded", "readlink", f"/proc/self/ns/{kind}")
                check_equal(seen.strip(), os.readlink(f"/proc/{pid}/ns/{kind}"), f"{option} container:{name}")
    done = w.bothy("run", "--ipc", "container:nobody", "embedded", "true")
    check(done.code == 125 and "no container 'nobody'" in done.err, repr(done))
    done = w.bothy("run", "--name", "hut", "embedded", "true")
    check(done.code == 125 and "exists already" in done.err, repr(done))
    check_equal(child.poll(), None, "it still runs")
    child.terminate()
    check_equal(child.wait(60), 143)
    done = w.bothy("run", "--ipc", "container:hut", "embedded", "true")
    check(done.code == 125 and "no container 'hut'" in done.err, repr(done))


@test(root=True)
def files_in_volumes_have_dockers_owners(w):
    data = w.tmp / "data"
    data.mkdir()
    data.chmod(0o777)
    for args in ((), ("--userns", "host"), ("--userns", "auto:size=2000"), ("--mount",)):
        name = "-".join(a.replace(":", "-") for a in args) or "default"
        give = ["--mount", f"type=bind,src={data},dst=/d"] if args == ("--mount",) else [*args, "-v", f"{data}:/d"]
        out(w, *give, "embedded", "sh", "-c", f"touch /d/root-{name}; mkdir /d/dir-{name}; chown 33:44 /d/dir-{name}")
        out(w, *give, "-u", "1000:100", "embedded", "touch", f"/d/user-{name}")
        check_equal(owner(data / f"root-{name}"), (0, 0), name)
        check_equal(owner(data / f"dir-{name}"), (33, 44), name)
        check_equal(owner(data / f"user-{name}"), (1000, 100), name)
    os.chown(data / "root-default", 1234, 1234)
    check_equal(out(w, "-v", f"{data}:/d", "embedded", "stat", "-c", "%u:%g", "/d/root-default"), "1234:1234\n", "seen inside")


@test(root=True)
def without_idmap_the_owner_is_the_range(w):
    data = w.tmp / "data"
    data.mkdir()
    data.chmod(0o777)
    out(w, "-v", f"{data}:/d:noidmap", "embedded", "touch", "/d/x")
    check(owner(data / "x")[0] >= 0x70000000, f"{owner(data / 'x')}")


@test(root=True)
def a_table_is_reproduced(w):
    args = ["--uidmap", "0:2000:4", "--uidmap", "100:3000:10", "--gidmap", "0:5000:200"]
    check_equal(maps(w, *args), [(0, 2000, 4), (100, 3000, 10)])
    check_equal(maps(w, *args, which="gid"), [(0, 5000, 200)])
    check_equal(maps(w, "--uidmap", "0:2000:4", which="gid"), [(0, 2000, 4)], "one list serves for both")
    check_equal(sum(c for _, _, c in maps(w, "--userns", "auto:size=100")), 100)
    mixed = maps(w, "--userns", "auto:size=1000,uidmapping=5:7777:1")
    check_in((5, 7777, 1), mixed)
    check_equal(sum(c for _, _, c in mixed), 1000)
    check_equal(maps(w, "--userns", "host"), [(0, 0, MANY)])
    # The deck's example: ids 0-3 inside are 2000-2003 outside, and a process shows it.
    data = w.tmp / "data"
    data.mkdir()
    data.chmod(0o777)
    out(w, "--uidmap", "0:2000:4", "-v", f"{data}:/d:noidmap", "-u", "3", "embedded", "touch", "/d/three")
    check_equal(owner(data / "three")[0], 2003)


@test(root=True)
def the_image_keeps_its_owners(w):
    text = out(w, "embedded", "sh", "-c", "stat -c %u:%g / /bin/busybox /etc/passwd; touch /etc/new; chown 7:8 /etc/new; stat -c %u:%g /etc/new")
    check_equal(text.split(), ["0:0", "0:0", "0:0", "7:8"])


@test(root=True)
def what_cannot_be_idmapped_says_what_works(w):
    for source in ("/proc/sys", "/sys/kernel"):
        done = w.bothy("run", "-v", f"{source}:/x", "embedded", "true")
        check_equal(done.code, 125, f"{source}: {done!r}")
        check_in(source, done.err)
        check_in(":noidmap", done.err)
        check_equal(len(done.err.splitlines()), 2, done.err)
    check_equal(w.bothy("run", "-v", "/sys/kernel:/x:ro,noidmap", "embedded", "ls", "/x").code, 0)


@test(root=False)
def a_plain_user_is_root_inside(w):
    uid, gid = os.getuid(), os.getgid()
    check_equal(maps(w)[0], (0, uid, 1))
    check(len(maps(w)) > 1 or not w.env.get("HOME"), "subordinate ids behind it")
    data = w.tmp / "data"
    data.mkdir()
    out(w, "-v", f"{data}:/d", "embedded", "touch", "/d/root")
    check_equal(owner(data / "root"), (uid, gid), "container root is the user")
    out(w, "-v", f"{data}:/d", "embedded", "sh", "-c", "touch /d/a; chown 1000:1000 /d/a")
    check(owner(data / "a")[0] >= 100000, "others are subordinate ids")
    check_equal(maps(w, "--userns", "auto:size=10")[-1][0] + maps(w, "--userns", "auto:size=10")[-1][2], 10)
    check_equal(maps(w, "--userns", "host")[0], (0, uid, 1))
    check_equal(maps(w, "--uidmap", f"0:{uid}:1", "--gidmap", f"0:{gid}:1"), [(0, uid, 1)])


@test(root=False)
def keep_id(w):
    uid, gid = os.getuid(), os.getgid()
    data = w.tmp / "data"
    data.mkdir()
    check_equal(out(w, "--userns", "keep-id", "embedded", "id", "-u"), f"{uid}\n")
    out(w, "--userns", "keep-id", "-v", f"{data}:/d", "embedded", "touch", "/d/mine")
    check_equal(owner(data / "mine"), (uid, gid))
    check_in((uid, uid, 1), maps(w, "--userns", "keep-id"))
    check_equal(out(w, "--userns", "keep-id:uid=33,gid=34", "-v", f"{data}:/d", "embedded", "sh", "-c", "id -u; id -g; touch /d/33"),
                "33\n34\n")
    check_equal(owner(data / "33"), (uid, gid))
    check_equal(out(w, "--userns", "keep-id", "-u", "0", "embedded", "id", "-u"), "0\n")


@test(root=True)
def with_a_single_id(w):
    """A user without subordinate ids: it works as root inside, and what can't is answered with the command that helps."""
    uid = 54321
    home = w.tmp / "home"
    home.mkdir()
    (home / "run").mkdir(mode=0o700)
    os.chown(home, uid, uid)
    os.chown(home / "run", uid, uid)
    env = dict(w.env, HOME=str(home), XDG_RUNTIME_DIR=str(home / "run"), XDG_DATA_HOME=str(home / "data"), USER="guest")

    def bothy(*args):
        return subprocess.run([w.bin / "bothy", "run", *args], user=uid, group=uid, extra_groups=[], env=env, text=True, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)

    done = bothy("embedded", "sh", "-c", "id -u; cat /proc/self/uid_map; touch /x /home/y; stat -c %u:%g /bin/busybox")
    if "Permission denied" in done.stderr and w.bin.stat().st_mode & 5 != 5:
        skip("the programs are not for others")
    check_equal(done.returncode, 0, done.stderr)
    check_equal(done.stdout.split(), ["0", "0", str(uid), "1", "0:0"])
    for args, words in ((["-u", "1000", "embedded"], ("--user", "usermod --add-subuids")),
                        (["--userns", "keep-id", "embedded"], ("keep-id", "usermod --add-subuids", "guest")),
                        (["--group-add", "5", "embedded"], ("--group-add", "usermod"))):
        done = bothy(*args)
        check_equal(done.returncode, 125, done.stderr)
        for word in words:
            check_in(word, done.stderr)


@test(root=False)
def a_missing_newuidmap_is_named(w):
    if not os.path.exists("/usr/bin/newuidmap"):
        done = w.bothy("run", "embedded", "true")
        check_in("apt-get install uidmap", done.err)
        return
    skip("newuidmap is installed")
