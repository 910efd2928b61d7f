# SPDX-License-Identifier: Apache-2.0
"""Advisories about paths in trees that the attacker writes to: links in the image, and names that change meanwhile."""

import contextlib
import os
import shutil
import socket

import cve
from harness import check, check_equal, check_in, read, test, vacuous
from test_oci_lifecycle import receive_fd


def tree(folder):
    """All that is in a folder of the host, with what files hold: nothing may change it."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            full = os.path.join(path, name)
            found[os.path.relpath(full, folder)] = os.readlink(full) if os.path.islink(full) else \
                open(full, encoding="latin-1").read() if os.path.isfile(full) else os.lstat(full).st_mode
    return found


@contextlib.contextmanager
def real_folder(*names):
    """That of the exchanged names which is the folder and not the link, as a descriptor: we must not lose the race either."""
    while True:
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    yield fd
                finally:
                    os.close(fd)
                return


def outside(w, *names):
    """A folder of the host that nothing may touch."""
    folder = w.tmp / "outside"
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("the host's\n")
    return folder


# ---- V03: /proc is not what it seems -----------------------------------------------------------------------------------


@test
def cve_2019_19921_proc_is_a_symlink(w):
    root = cve.image(w)
    fake = outside(w, "self/attr/exec", "sys/net/ipv4/ip_default_ttl")
    before = tree(fake)
    for make in (lambda: (root / "proc").symlink_to(fake), lambda: (root / "proc").symlink_to("tmp"),
                 lambda: (root / "proc").write_text("a file")):
        shutil.rmtree(root / "proc", ignore_errors=True)
        if os.path.lexists(root / "proc"):
            (root / "proc").unlink()
        make()
        done = w.run_bundle(["true"], lambda c: c["root"].update(path=str(root)))
        check(done.code != 0, f"a container with such a /proc was started: {done!r}")
        check_equal(tree(fake), before, "the host's folder")
    (root / "proc").unlink()
    (root / "proc").symlink_to("../outside")  # the naive one follows it as text, on the host
    done = cve.naive(w, "enter", root, "noproc", "--", "/bin/ls", "/proc")
    check(done.code == 0 or "proc" in done.err, repr(done))
    # With the image's own folder in the way, its label write lands in the attacker's file.
    (root / "proc").unlink()
    shutil.copytree(fake, root / "proc")
    cve.naive(w, "enter", root, "noproc", "label=a label", "--", "/bin/true")
    check_equal((root / "proc/self/attr/exec").read_text()[:7], "a label", "a naive runtime writes to the fake")


@test
def cve_2019_16884_volume_on_proc(w):
    """A volume at /proc: what the runtime writes there must not land in the volume."""
    root = cve.image(w)
    fake = outside(w, "self/attr/exec", "self/oom_score_adj", "self/setgroups", "sys/net/ipv4/ip_default_ttl",
                   "thread-self/attr/exec")
    before = tree(fake)

    def edit(config):
        config["root"]["path"] = str(root)
        config["mounts"].append({"destination": "/proc", "type": "bind", "source": str(fake), "options": ["rbind", "rw"]})
        cve.with_sysctl(config)
        config["process"]["oomScoreAdj"] = 500
        config["linux"].pop("maskedPaths", None)
        config["linux"].pop("readonlyPaths", None)

    def only_volume(config):
        edit(config)
        config["mounts"] = [m for m in config["mounts"] if m["type"] != "proc"]
    for e in (edit, only_volume):
        done = w.run_bundle(["cat", "/proc/sys/net/ipv4/ip_default_ttl"], e)
        check(done.code != 0 or done.out == "the host's\n", repr(done))
        check_equal(tree(fake), before, "the volume")
    root2 = w.rootfs("plain")
    shutil.rmtree(root2 / "proc")
    shutil.copytree(fake, root2 / "proc")
    cve.naive(w, "enter", root2, "noproc", "sysctl=net.ipv4.ip_default_ttl=77", "--", "/bin/true")
    check_in("77", (root2 / "proc/sys/net/ipv4/ip_default_ttl").read_text(), "a naive runtime writes to the fake")


@test
def cve_2023_27561_proc_swapped_in_a_shared_root(w):
    """Two containers share a root; one exchanges /proc for a link while the other starts."""
    root = cve.image(w)
    fake = outside(w, "self/attr/exec", "sys/net/ipv4/ip_default_ttl")
    (root / "link").symlink_to("/fake")
    shutil.copytree(fake, root / "fake")
    before = tree(fake), tree(root / "fake")
    bundle = w.bundle(["true"], cve.with_sysctl, rootfs=root)
    started = refused = 0
    with cve.swapping(w, root / "proc", root / "link"):
        for _ in cve.rounds(8, enough=lambda: started and refused and started + refused >= 20):
            # The names go on changing while the program looks at them: only the files can tell where a write went.
            done = w.oci("run", "--bundle", bundle, w.id())
            started += done.code == 0
            refused += done.code != 0
            if (tree(fake), tree(root / "fake")) != before:
                break
    check_equal((tree(fake), tree(root / "fake")), before, "the fake files")
    check(started + refused >= 20, f"only {started + refused} rounds")
    check(started and refused, f"{started} started, {refused} refused: the race did not meet both cases")


# ---- V04: writes into procfs that land elsewhere ------------------------------------------------------------------------


@test
def cve_2025_52881_procfs_write_redirect(w):
    """Mounts of the document lie over the very file that the runtime writes a sysctl to."""
    canary = w.tmp / "canary"
    plain = w.run_bundle(["cat", "/proc/sys/net/ipv4/ip_default_ttl"], cve.with_sysctl)
    check_equal(plain.out, "77\n", f"the sysctl without an attack: {plain!r}")
    for place in ("/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/net/ipv4", "/proc/sys/net", "/proc/sys"):
        folder = w.tmp / "over"
        shutil.rmtree(folder, ignore_errors=True)
        depth = "/proc/sys/net/ipv4/ip_default_ttl".removeprefix(place).strip("/")
        canary.write_text("the host's\n")
        if depth:
            (folder / depth).parent.mkdir(parents=True, exist_ok=True)
            (folder / depth).write_text("the host's\n")
        else:
            folder.mkdir()
        source = folder if depth else canary
        before = canary.read_text(), tree(folder)

        def edit(config, place=place, source=source):
            config["mounts"].append({"destination": place, "type": "bind", "source": str(source), "options": ["rbind", "rw"]})
            cve.with_sysctl(config)
            config["linux"]["readonlyPaths"] = []
        done = w.run_bundle(["cat", "/proc/sys/net/ipv4/ip_default_ttl"], edit)
        check(done.code != 0 or done.out == "the host's\n", f"{place}: {done!r}")
        check_equal((canary.read_text(), tree(folder)), before, f"with a mount on {place}")
    # The redirect itself: the same write by path goes to the file on top.
    root = w.rootfs("plain")
    shutil.rmtree(root / "proc")
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "canary").write_text("the host's\n")
    (root / "proc/sys/net/ipv4/ip_default_ttl").symlink_to("/canary")
    cve.naive(w, "enter", root, "noproc", "sysctl=net.ipv4.ip_default_ttl=77", "--", "/bin/true")
    check_in("77", (root / "canary").read_text(), "a naive runtime")


@test
def cve_2025_52881_image_with_its_own_procfs_tree(w):
    """The image ships /proc/sys/... as links to other files; with and without a procfs mount over it."""
    root = cve.image(w)
    canary = outside(w, "canary") / "canary"
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "proc/sys/net/ipv4/ip_default_ttl").symlink_to(canary)
    for mounts in (True, False):
        def edit(config, mounts=mounts):
            config["root"]["path"] = str(root)
            cve.with_sysctl(config)
            if not mounts:
                cve.without(config, "/proc")
                config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
        done = w.run_bundle(["cat", "/proc/sys/net/ipv4/ip_default_ttl"], edit)
        check(done.code != 0 or done.out == "77\n", repr(done))
        check_equal(canary.read_text(), "the host's\n")


# ---- V05: the mount's target is exchanged ----------------------------------------------------------------------------------

MOUNTS = 64


@test
def cve_2021_30465_mount_target_race(w):
    root = cve.image(w)
    out = outside(w, "untouched")
    # Every third place exists on the host: there a mount that goes astray makes nothing, but it is missing inside.
    for i in range(0, MOUNTS, 3):
        (out / str(i)).mkdir()
    before = tree(out)
    (root / "swap").mkdir()
    (root / "link").symlink_to(out)
    (w.tmp / "volume").mkdir()
    (w.tmp / "volume/here").write_text("")

    def edit(config):
        for i in range(MOUNTS):
            config["mounts"].append({"destination": f"/swap/{i}", "type": "bind" if i % 2 else "tmpfs",
                                     "source": str(w.tmp / "volume") if i % 2 else "tmpfs",
                                     "options": ["rbind"] if i % 2 else []})
    count = ["sh", "-c", "wc -l </proc/self/mountinfo"]
    bundle = w.bundle(count, edit, rootfs=root)
    want = int(w.run_bundle(count).out) + MOUNTS
    runs = started = 0
    with cve.swapping(w, root / "swap", root / "link"):
        for runs in cve.rounds(12, enough=lambda: runs * MOUNTS >= 1000 and started):
            done = w.oci("run", "--bundle", bundle, w.id())
            if done.code == 0:
                started += 1
                check_equal(int(done.out), want, "mounts inside")
            if set(os.listdir(out)) != {name for name in before if "/" not in name}:
                break
    check_equal(tree(out), before, f"the host's folder after {runs} runs of {MOUNTS} mounts")
    check(runs * MOUNTS >= 1000 and started, f"{runs} runs, {started} started")
    # The same with names as text.
    with cve.swapping(w, root / "swap", root / "link"):
        for _ in cve.rounds(30, 20):
            done = cve.naive(w, "mounts", root, "swap", "2000", out)
            if not done.out.startswith("escaped 0 "):
                return
    vacuous(f"the naive runtime did not lose the race either: {done!r}")


@test
def cve_2015_3629_mount_target_is_a_symlink(w):
    """Without a race: links of every kind at and above the mount's place, for folders and files."""
    root = cve.image(w)
    out = outside(w, "sub/untouched")
    before = tree(out)
    (root / "abs").symlink_to(out)
    (root / "up").symlink_to("../" * 20 + str(out)[1:])
    (root / "self").symlink_to("/proc/self/root" + str(out))
    (root / "cwd").symlink_to("/proc/1/root/" + str(out))
    (root / "dangling").symlink_to(out / "new")
    (w.tmp / "volume").mkdir()
    (w.tmp / "file").write_text("a file")
    count = ["sh", "-c", "wc -l </proc/self/mountinfo"]
    want = int(w.run_bundle(count).out) + 1
    for place in ("abs", "abs/sub", "up/sub", "abs/new", "up", "up/new/deep", "self/sub", "self/new", "cwd/new", "dangling", "dangling/deep",
                  "abs/../../../../../../../../../.." + str(out) + "/new2"):
        for kind, source in (("bind", w.tmp / "volume"), ("bind", w.tmp / "file"), ("tmpfs", "tmpfs")):
            def edit(config, place=place, kind=kind, source=source):
                config["root"]["path"] = str(root)
                config["mounts"].append({"destination": "/" + place, "type": kind, "source": str(source),
                                         "options": ["rbind"] if kind == "bind" else []})
            done = w.run_bundle(count, edit)
            check_equal(tree(out), before, f"the host's folder after a {kind} mount of {source} on {place}")
            check(done.code != 0 or int(done.out) == want, f"a {kind} mount of {source} on {place} is not inside: {done!r}")
    cve.naive(w, "workdir", root, "abs/new")
    check("new" in os.listdir(out), "a naive runtime makes nothing outside: this test shows nothing")


# ---- V06: what masks is exchanged ----------------------------------------------------------------------------------------


def dev_of_the_image(config):
    """No tmpfs on /dev: the image's own folder is used."""
    cve.without(config, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")


@test
def cve_2025_31133_mask_source_is_a_symlink(w):
    root = cve.image(w)
    (root / "secret").write_text("what is masked\n")
    (root / "target").write_text("what the link leads to\n")
    for link in ("/target", str(outside(w, "canary") / "canary")):
        shutil.rmtree(root / "dev")
        (root / "dev").mkdir()
        (root / "dev/null").symlink_to(link)

        def edit(config):
            config["root"]["path"] = str(root)
            dev_of_the_image(config)
            config["linux"]["maskedPaths"] = ["/secret"]
        done = w.run_bundle(["sh", "-c", "cat /secret; echo more >/secret; stat -c %F:%t:%T /secret"], edit)
        check_equal(done.out, "character special file:1:3\n", repr(done))
        check_equal((root / "target").read_text(), "what the link leads to\n")
        check_equal((w.tmp / "outside/canary").read_text() if "outside" in link else "the host's\n", "the host's\n")
    root2 = w.rootfs("plain")
    (root2 / "secret").write_text("what is masked\n")
    (root2 / "dev/null").symlink_to(outside(w, "canary") / "canary")
    done = cve.naive(w, "mask", root2, "secret")
    check_in("written", (w.tmp / "outside/canary").read_text(), f"a naive runtime: {done!r}")


@test
def cve_2025_31133_mask_source_swapped(w):
    """The image's /dev/null is a file and a link in turns while containers start."""
    root = cve.image(w)
    (root / "secret").write_text("what is masked\n")
    (root / "target").write_text("what the link leads to\n")
    (root / "dev/null").write_text("")
    (root / "dev/link").symlink_to("/target")

    def edit(config):
        dev_of_the_image(config)
        config["linux"]["maskedPaths"] = ["/secret"] * 20
        config["linux"].pop("devices", None)
    bundle = w.bundle(["sh", "-c", "cat /secret; stat -c %F:%t:%T /secret"], edit, rootfs=root)
    runs = started = 0
    with cve.swapping(w, root / "dev/null", root / "dev/link"):
        for runs in cve.rounds(5, enough=lambda: runs >= 20 and started):
            done = w.oci("run", "--bundle", bundle, w.id())
            if done.code == 0:
                started += 1
                check_equal(done.out, "character special file:1:3\n", repr(done))
            check("masked" not in done.out, repr(done))
    check_equal((root / "target").read_text(), "what the link leads to\n")
    check(runs >= 20 and started, f"{runs} runs, {started} started")


# ---- V07: the console ------------------------------------------------------------------------------------------------------


def with_terminal(w, root, args, edit):
    """Run with a terminal; (exit code of create, what the terminal showed)."""
    path = str(w.tmp / "tty.sock")
    name = w.id()

    def config(c):
        c["root"]["path"] = str(root)
        c["process"]["terminal"] = True
        edit(c)
    bundle = w.bundle(args, config)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(20)
        done = w.oci("create", "--bundle", bundle, "--console-socket", path, name)
        seen = b""
        if done.code == 0:
            _, fds = receive_fd(listener)
            w.ok("start", name)
            try:
                while b"end" not in seen:
                    seen += os.read(fds[0], 1000)
            except OSError:
                pass
            os.close(fds[0])
        w.oci("delete", "--force", name)
    os.unlink(path)
    return done, seen.decode(errors="replace")


@test
def cve_2025_52565_console_symlink(w):
    out = outside(w, "canary")
    before = tree(out)
    ask = ["sh", "-c", "stat -L -c 'is %F' /dev/console; tty; echo end"]
    forms = {
        "console to a file": lambda dev: (dev / "console").symlink_to(out / "canary"),
        "console to nothing": lambda dev: (dev / "console").symlink_to(out / "new"),
        "console to a file inside": lambda dev: (dev / "console").symlink_to("/etc/passwd"),
        "console is a folder": lambda dev: (dev / "console").mkdir(),
        "console to procfs": lambda dev: (dev / "console").symlink_to("/proc/sys/kernel/core_pattern"),
        "pts is a link": lambda dev: (dev / "pts").symlink_to(out),
        "pts/0 is a link": lambda dev: ((dev / "pts").mkdir(), (dev / "pts/0").symlink_to(out / "canary")),
        "ptmx is a link": lambda dev: (dev / "ptmx").symlink_to(out / "canary"),
    }
    worked = 0
    for name, make in forms.items():
        root = cve.image(w, name.replace(" ", "-").replace("/", ""))
        passwd = read(root / "etc/passwd")
        make(root / "dev")
        for keep_pts in (True, False):
            def edit(config, keep_pts=keep_pts):
                cve.without(config, "/dev", "/dev/shm", "/dev/mqueue", *([] if keep_pts else ["/dev/pts"]))
            done, seen = with_terminal(w, root, ask, edit)
            check_equal(tree(out), before, f"the host's folder after: {name}")
            check_equal(read(root / "etc/passwd"), passwd, f"the image's passwd after: {name}")
            if done.code == 0:
                worked += 1
                check_in("is character special file", seen, name)
    check(worked >= 2, f"only {worked} forms started: the attack was hardly met")
    root = w.rootfs("plain")
    (root / "dev/console").symlink_to(out / "made")
    cve.naive(w, "console", root)
    check("made" in os.listdir(out), "a naive runtime makes nothing outside: this test shows nothing")


# ---- V08: /dev is a link ---------------------------------------------------------------------------------------------------


@test
def cve_2026_41579_dev_is_a_symlink(w):
    out = outside(w, "untouched", "pts/untouched")
    before = tree(out)
    for link in (str(out), "../" * 20 + str(out)[1:], "/proc/self/root" + str(out), "/proc/1/cwd"):
        root = cve.image(w, f"image{len(link)}")
        shutil.rmtree(root / "dev")
        (root / "dev").symlink_to(link)
        for edit in (dev_of_the_image, lambda c: cve.without(c, "/dev/pts", "/dev/shm", "/dev/mqueue"), lambda c: None):
            def config(c, edit=edit, root=root):
                edit(c)
                c["root"]["path"] = str(root)
            w.run_bundle(["true"], config)
            check_equal(tree(out), before, f"the host's folder with /dev -> {link}")
    root = w.rootfs("plain")
    shutil.rmtree(root / "dev")
    (root / "dev").symlink_to(out)
    cve.naive(w, "dev", root)
    check("fd" in os.listdir(out), "a naive runtime makes nothing outside: this test shows nothing")


@test
def cve_2026_41579_links_in_dev(w):
    """The image's own /dev/fd, stdin, ptmx, null, ... are links to files of the host."""
    out = outside(w, "canary")
    before = tree(out)
    for target in (out / "canary", out / "new"):
        root = cve.image(w, f"image-{target.name}")
        for name in ("fd", "stdin", "stdout", "stderr", "ptmx", "null", "zero", "full", "random", "urandom", "tty", "console",
                     "core", "shm", "mqueue", "pts"):
            (root / "dev" / name).symlink_to(target)

        def edit(config, root=root):
            config["root"]["path"] = str(root)
            dev_of_the_image(config)
        for more in ((), ("/dev/pts",), ("/dev/shm",)):
            def config(c, more=more, edit=edit):
                mounts = [m for m in c["mounts"] if m["destination"] in more]
                edit(c)
                c["mounts"] += mounts
            w.run_bundle(["sh", "-c", "echo x >/dev/null; echo x >/dev/full; true"], config)
            check_equal(tree(out), before, f"the host's folder with links to {target}, {more}")


@test
def cve_2026_41579_dev_swapped(w):
    """/dev of the image is a folder and a link in turns while containers start."""
    out = outside(w, "untouched")
    before = tree(out)
    root = cve.image(w)
    (root / "link").symlink_to(out)
    bundle = w.bundle(["true"], dev_of_the_image, rootfs=root)
    runs = 0
    with cve.swapping(w, root / "dev", root / "link"):
        for runs in cve.rounds(8, enough=lambda: runs * 11 >= 500):
            w.oci("run", "--bundle", bundle, w.id())
            # Six nodes and five links each time, made anew.
            with real_folder(root / "dev", root / "link") as fd:
                for name in os.listdir(fd):
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=fd)
            if os.listdir(out) != ["untouched"]:
                break
    check_equal(tree(out), before, f"the host's folder after {runs} runs")
    check(runs * 11 >= 500, f"only {runs} runs")
    with cve.swapping(w, root / "dev", root / "link"):
        for _ in cve.rounds(60):
            cve.naive(w, "dev", root)
            if os.listdir(out) != ["untouched"]:
                return
    raise AssertionError("the naive runtime made nothing outside: this test shows nothing")


# ---- V17: the working directory --------------------------------------------------------------------------------------------


@test
def cve_2026_55686_workdir_symlink(w):
    out = outside(w, "untouched")
    before = tree(out)
    root = cve.image(w)
    (root / "work").symlink_to(out)
    (root / "up").symlink_to("../" * 20 + str(out)[1:])
    (root / "magic").symlink_to("/proc/1/cwd")
    for place in ("/work", "/work/new", "/up/new/deep", "/magic/new", "/work/../../../.." + str(out) + "/new"):
        def edit(config, place=place):
            config["root"]["path"] = str(root)
            config["process"]["cwd"] = place
        w.run_bundle(["pwd"], edit)
        check_equal(tree(out), before, f"the host's folder with cwd {place}")
        w.bothy("run", "--rm", "--network", "none", "--workdir", place, "--rootfs", root, "/bin/pwd")
        check_equal(tree(out), before, f"the host's folder with --workdir {place}")
    cve.naive(w, "workdir", root, "work/new")
    check("new" in os.listdir(out), "a naive runtime makes nothing outside: this test shows nothing")


@test
def cve_2026_55686_workdir_swapped(w):
    out = outside(w, "untouched")
    before = tree(out)
    root = cve.image(w)
    (root / "swap").mkdir()
    (root / "link").symlink_to(out)
    deep = "/".join(str(i) for i in range(40))
    bundle = w.bundle(["true"], lambda c: c["process"].update(cwd=f"/swap/{deep}"), rootfs=root)
    runs = 0
    with cve.swapping(w, root / "swap", root / "link"):
        for runs in cve.rounds(6, enough=lambda: runs * 40 >= 1000):
            w.oci("run", "--bundle", bundle, w.id())
            if os.listdir(out) != ["untouched"]:
                break
            with real_folder(root / "swap", root / "link") as fd, contextlib.suppress(FileNotFoundError):
                shutil.rmtree("0", dir_fd=fd)
    check_equal(tree(out), before, f"the host's folder after {runs} runs of 40 folders")
    check(runs * 40 >= 1000, f"only {runs} runs")
    with cve.swapping(w, root / "swap", root / "link"):
        for _ in cve.rounds(60):
            cve.naive(w, "workdir", root, f"swap/{deep}")
            if os.listdir(out) != ["untouched"]:
                return
    raise AssertionError("the naive runtime made nothing outside: this test shows nothing")
