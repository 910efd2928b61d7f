# SPDX-License-Identifier: Apache-2.0
"""Images between bothy and the tools that people build them with, in both directions, file by file.

Each tool builds an image of what layers find hard: removed and replaced folders, hard links across layers, owners, modes that
change later, fifos, long and odd names. bothy loads it in every form the tool writes, and must show the tree that the tool
itself shows; then the tool loads what bothy saved, and must show that tree again.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess

from harness import check, check_equal, test
from peers import Docker, Podman, engine, need

LONG = "l" * 120
DOCKERFILE = f"""FROM busy
COPY tree /srv/
RUN set -e; rm /etc/group; rm -rf /data; mkdir /data; echo new > /data/new; mv /home /house; \\
    ln /etc/passwd /etc/hard; ln -s ../etc/passwd /srv/link; mkfifo /srv/fifo; mkdir -m 1777 /srv/sticky; \\
    chown 1000:2000 /srv/owned; chmod 4755 /srv/suid; chown 7:7 /srv/empty
RUN rm -r /srv/gone; chmod 700 /srv/{LONG}; echo more >> /etc/passwd; ln -s /nowhere /srv/gone
ENV WORD="with 'quotes' and spaces"
WORKDIR /srv
CMD ["/bin/cat", "/srv/odd name"]
"""
# What docker puts into a container's own root.
MADE_BY_ENGINES = {".dockerenv", "dev", "proc", "sys", "run", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}


def context(folder):
    """The folder to build in."""
    tree = folder / "tree"
    for name in (f"{LONG}/{LONG}/{LONG}", "gone/below", "empty"):
        (tree / name).mkdir(parents=True)
    for name, text in ((f"{LONG}/{LONG}/{LONG}/file", "deep"), ("gone/below/file", "x"), ("odd name", "odd\n"), ("ünï\ncode", "u"),
                       ("owned", "o"), ("suid", "s"), ("zero", ""), (".wh", "no whiteout"), ("big", "0123456789" * 50000)):
        (tree / name).write_text(text)
    os.utime(tree / "owned", (1000000000, 1000000000))
    (folder / "Dockerfile").write_text(DOCKERFILE)


def describe(root):
    """What is in a tree: path → type, mode, owner, and what each type has. Times of files alone: engines touch folders."""
    found, names_of = {}, {}
    for path, folders, files in os.walk(root):
        for name in folders + files:
            full = os.path.join(path, name)
            relative = os.path.relpath(full, root)
            if relative in MADE_BY_ENGINES or relative.split("/")[0] in MADE_BY_ENGINES:
                continue
            s = os.lstat(full)
            what = [stat.filemode(s.st_mode), s.st_uid, s.st_gid]
            if stat.S_ISLNK(s.st_mode):
                what.append(os.readlink(full))
            if stat.S_ISREG(s.st_mode):
                with open(full, "rb") as f:
                    what += [s.st_size, hashlib.sha256(f.read()).hexdigest()[:12], int(s.st_mtime)]
                names_of.setdefault(s.st_ino, []).append(relative)
                what += [(n, os.getxattr(full, n)) for n in sorted(os.listxattr(full)) if n.startswith(("security.capability", "user."))]
            found[relative] = what
    for names in names_of.values():
        for name in names:
            found[name].append(sorted(names))
    return found


def whole_seconds(root):
    """Some writers of archives round times up, others down."""
    for path, _, files in os.walk(root):
        for name in files:
            full = os.path.join(path, name)
            at = int(os.lstat(full).st_mtime)
            os.utime(full, (at, at), follow_symlinks=False)


def check_same(ours, theirs, what):
    wrong = [f"{name}: {ours.get(name)} in place of {theirs.get(name)}" for name in sorted(set(ours) | set(theirs))
             if ours.get(name) != theirs.get(name)]
    check(not wrong, f"{what}: " + "\n  ".join(wrong[:20]))
    check(len(ours) > 10, f"{what}: only {len(ours)} names were compared")


def ok(w, *args, **kwargs):
    done = w.bothy(*args, **kwargs)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


def unpacked(w, tar, name):
    """The tree in the archive @tar, by GNU tar."""
    folder = w.tmp / name
    folder.mkdir()
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", folder, "-xpf", tar], check=True)
    return folder


def loaded_view(w, archive):
    """Load @archive into a store of its own; gives its one image's id and tree, and the store."""
    root = w.tmp / f"store-{archive.name}"
    store = ("--root", root)
    command = [w.bin / "bothy", *store]
    done = w.run([*command, "load", "-i", archive])
    check_equal(done.code, 0, f"load {archive.name}: {done!r}")
    image = w.run([*command, "images", "-q", "--no-trunc"]).out.split()
    check_equal(len(set(image)), 1, f"images of {archive.name}: {image}")
    place = w.run([*command, "image", "mount", image[0]])
    check_equal(place.code, 0, f"image mount: {place!r}")
    try:
        return image[0], describe(place.out.split()[-1]), command
    finally:
        check_equal(w.run([*command, "image", "unmount", image[0]]).code, 0, "image unmount")


def check_config(w, command, image):
    form = "{{json .Config.Env}} {{.Config.WorkingDir}} {{json .Config.Cmd}}"
    said = w.run([*command, "inspect", "-f", form, image]).out
    check('"WORD=with \'quotes\' and spaces"' in said and '/srv ["/bin/cat","/srv/odd name"]' in said, f"configuration: {said}")
    done = w.run([*command, "run", "--rm", "--network", "none", image])
    check_equal((done.code, done.out), (0, "odd\n"), f"{done!r}: the command of the image")


def there_and_back(w, archives, view, load_and_view, saves=("docker-archive", "oci-archive", "docker-oci-archive")):
    """@archives by the tool, which shows @view; @load_and_view(archive) loads into the tool and gives what that shows."""
    ids = set()
    for archive in archives:
        image, ours, command = loaded_view(w, archive)
        check_same(ours, view, f"bothy's view of {archive.name}")
        check_config(w, command, image)
        ids.add(image)
        for form in saves if archive is archives[0] else ():
            out = w.tmp / f"ours-{form}.tar"
            saved = w.run([*command, "save", "--format", form, "-o", out, image])
            check_equal(saved.code, 0, f"save {form}: {saved!r}")
            check_same(load_and_view(out), view, f"the tool's view of our {form}")
    return ids


def container_tree(w, make, export, remove, name):
    """What an engine shows of an image: a container that never starts, exported."""
    made = make()
    try:
        tar = w.tmp / f"{name}.export"
        export(made, tar)
        return describe(unpacked(w, tar, f"{name}-tree"))
    finally:
        remove(made)


@test(root=True)
def docker_build(w):
    context(w.tmp)
    with engine(w, Docker) as d:
        d.env["DOCKER_BUILDKIT"] = "0"
        d.ok("build", "-q", "--network", "none", "-t", "team/built:1", w.tmp)
        known = {"team/built:1"}

        def view(name, label):
            return container_tree(w, lambda: d.ok("create", "--network", "none", name).strip(),
                                  lambda made, tar: d.ok("export", "-o", tar, made), lambda made: d.ok("rm", made), label)

        def load_and_view(archive):
            d.ok("rmi", *known)
            known.clear()
            name = d.ok("load", "-i", archive).strip().split()[-1]
            known.add(name)
            return view(name, archive.name)

        try:
            d.ok("save", "-o", w.tmp / "docker.tar", "team/built:1")
            # docker before 25 reads its own form alone
            there_and_back(w, [w.tmp / "docker.tar"], view("team/built:1", "docker"), load_and_view, ("docker-archive", "docker-oci-archive"))
        finally:
            d.ok("rmi", *known)


@contextlib.contextmanager
def built_by_podman(w, p, build):
    build()
    try:
        yield
    finally:
        p.ok("runc", "rmi", "-f", "team/built:1")


def podman_there_and_back(w, p):
    known = {"team/built:1"}

    def view(name, label):
        return container_tree(w, lambda: p.ok("runc", "create", *p.options(()), name).strip(),
                              lambda made, tar: p.ok("runc", "export", "-o", tar, made), lambda made: p.ok("runc", "rm", made), label)

    def load_and_view(archive):
        name = p.ok("runc", "load", "-i", archive).strip().split()[-1]
        try:
            return view(name, archive.name)
        finally:
            if name.split(":", 1)[0] == "sha256":
                known.add(name)

    archives = []
    for form in ("oci-archive", "docker-archive", "oci-dir"):
        archives.append(w.tmp / f"podman-{form}")
        p.ok("runc", "save", "-q", "--format", form, "-o", archives[-1], "team/built:1")
    there_and_back(w, archives, view("team/built:1", "podman"), load_and_view)


@test(root=True)
def podman_build(w):
    context(w.tmp)
    with engine(w, Podman) as p:
        # the folder of the build must be in podman's mount namespace: it is, /tmp is the same there
        with built_by_podman(w, p, lambda: p.ok("runc", "build", "-q", "--isolation", "chroot", "--pull-never",
                                                "--ulimit", "nofile=1024:1024", "-t", "team/built:1", w.tmp)):
            podman_there_and_back(w, p)


@test(root=True)
def buildah_commit(w):
    need("buildah")
    context(w.tmp)
    with engine(w, Podman) as p:
        driver = p.ok("runc", "info", "--format", "{{.Store.GraphDriverName}}").strip()

        def buildah(*args):
            done = p.run(["nsenter", "--mount", "--target", p.daemon.pid, "--", "buildah", "--root", p.dir / "root", "--runroot", p.dir / "run",
                          "--storage-driver", driver, *args])
            check_equal(done.code, 0, f"buildah {' '.join(map(str, args))}: {done!r}")
            return done.out.strip()

        def build():
            work = buildah("from", "--pull-never", "--ulimit", "nofile=1024:1024", "busy")
            buildah("copy", work, w.tmp / "tree", "/srv/")
            for line in DOCKERFILE.replace("\\\n", "").splitlines():
                if line.startswith("RUN "):
                    buildah("run", "--isolation", "chroot", work, "--", "/bin/sh", "-c", line[4:])
                    buildah("commit", "-q", work, "team/built:0")
                    buildah("rm", work)
                    work = buildah("from", "--pull-never", "--ulimit", "nofile=1024:1024", "team/built:0")
            buildah("config", "--env", "WORD=with 'quotes' and spaces", "--workingdir", "/srv", "--cmd", '["/bin/cat", "/srv/odd name"]', work)
            buildah("commit", "-q", "--rm", work, "team/built:1")

        try:
            with built_by_podman(w, p, build):
                podman_there_and_back(w, p)
        finally:
            p.ok("runc", "rmi", "-f", "team/built:0")


def hard_tree(folder):
    """What tar formats differ in: capabilities, attributes, holes, large owners, times before 1970."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/ping").write_text("#!/bin/sh\n")
    os.setxattr(folder / "bin/ping", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    (folder / "user").write_text("u")
    os.setxattr(folder / "user", "user.note", b"\x00\xff binary")
    with open(folder / "sparse", "wb") as f:
        for at in (1 << 20, 5 << 20, 9 << 20):
            f.seek(at)
            f.write(b"data")
        f.truncate(12 << 20)
    os.link(folder / "sparse", folder / "hard")
    os.symlink("a" * 200, folder / "longlink")
    (folder / ("d" * 100)).mkdir()
    (folder / ("d" * 100) / ("f" * 140)).write_text("long")
    (folder / "owned").write_text("x")
    os.chown(folder / "owned", 60000, 60001)
    os.chmod(folder / "owned", 0o6751)
    os.mkfifo(folder / "fifo")
    (folder / "old").write_text("before")
    os.utime(folder / "old", (86400, 86400))


@test(root=True)
def layers_of_each_tar(w):
    """Layers by GNU tar and bsdtar in each of their forms, put into images by umoci."""
    need("umoci")
    tree = w.tmp / "hard"
    hard_tree(tree)
    want = describe(tree)
    writers = {"gnu": ["tar", "--format=gnu"], "gnu-sparse": ["tar", "--format=gnu", "--sparse"], "pax": ["tar", "--format=pax"],
               "pax-full": ["tar", "--format=pax", "--sparse", "--xattrs", "--xattrs-include=*"],
               "pax-0.0": ["tar", "--format=pax", "--sparse", "--sparse-version=0.0"],
               "pax-0.1": ["tar", "--format=pax", "--sparse", "--sparse-version=0.1"],
               "oldgnu": ["tar", "--format=oldgnu", "--sparse"]}
    if shutil.which("bsdtar"):
        writers.update({"bsd-pax": ["bsdtar", "--format", "pax"], "bsd-gnutar": ["bsdtar", "--format", "gnutar"]})
    layout = w.tmp / "layout"
    subprocess.run(["umoci", "init", "--layout", layout], check=True)
    for name, writer in writers.items():
        layer = w.tmp / f"{name}.layer"
        subprocess.run([*writer, "-C", tree, "-cf", layer, "."], check=True)
        for command in (["new", "--image", f"{layout}:{name}"], ["raw", "add-layer", "--image", f"{layout}:{name}", layer]):
            subprocess.run(["umoci", *command], check=True)
    ok(w, "load", "-i", layout)
    for name in writers:
        place = ok(w, "image", "mount", f"layout:{name}").split()[-1]
        try:
            ours = describe(place)
        finally:
            ok(w, "image", "unmount", f"layout:{name}")
        keeps = name in ("pax-full", "bsd-pax")
        theirs = {path: [part for part in what if keeps or not (isinstance(part, tuple) and isinstance(part[1], bytes))]
                  for path, what in want.items()}
        check_same(ours, theirs, f"a layer of {name}")


@test(root=True)
def umoci_repack(w):
    """umoci's own layers, made from what changed in an unpacked image, and what umoci makes of ours."""
    need("umoci")
    context(w.tmp)
    layout, bundle = w.tmp / "layout", w.tmp / "bundle"

    def umoci(*args):
        done = w.run(["umoci", *args])
        check_equal(done.code, 0, f"umoci {' '.join(map(str, args))}: {done!r}")

    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:one")
    umoci("unpack", "--image", f"{layout}:one", bundle)
    root = bundle / "rootfs"
    shutil.copytree(w.tmp / "tree", root / "srv")
    hard_tree(root / "hard")
    whole_seconds(root)
    umoci("repack", "--image", f"{layout}:one", bundle)
    for change in (lambda: shutil.rmtree(root / "srv/gone"), lambda: (root / "srv/gone").mkdir(), lambda: (root / "srv/gone/new").write_text("n"),
                   lambda: os.link(root / "srv/owned", root / "srv/owned2"), lambda: os.chmod(root / "srv/zero", 0o600),
                   lambda: (root / "hard/old").unlink()):
        change()
    whole_seconds(root)
    umoci("repack", "--image", f"{layout}:one", "--refresh-bundle", bundle)
    want = describe(root)
    _, ours, command = loaded_view(w, layout)
    check_same(ours, want, "bothy's view of what umoci packed")
    saved = w.run([*command, "save", "--format", "oci-dir", "-o", w.tmp / "ours", "layout:one"])
    check_equal(saved.code, 0, f"{saved!r}")
    umoci("unpack", "--image", f"{w.tmp}/ours:one", w.tmp / "again")
    check_same(describe(w.tmp / "again/rootfs"), want, "umoci's view of what bothy saved")
