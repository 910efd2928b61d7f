# SPDX-License-Identifier: Apache-2.0
"""Images on disk: every archive form, hostile archives (V27-V31), crashes and crowds."""

import contextlib
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import time

import hostile_tar as hostile
from harness import SLOW, check, check_equal, check_in, skip, test

TAG = "hostile.example/x:1"


def store(w, root, *args, **kwargs):
    return w.run([w.bin / "bothy", "--root", root, "--state", w.tmp / "run/bothy", *args], **kwargs)


def load(w, root, path, *args):
    return store(w, root, "load", "-i", path, *args)


def names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def check_empty(root):
    for folder in ("layers", "blobs/sha256", "staging"):
        check_equal(names(root / folder), [], folder)


def check_consistent(root, clean):
    """No record without its data; with @clean no data without its record either."""
    if not (root / "index.db").exists():
        return
    db = sqlite3.connect(f"file:{root}/index.db", uri=True, timeout=20)
    with contextlib.closing(db):
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            return
        layers = {row[0][7:] for row in db.execute("SELECT chain FROM layers")}
        blobs = {row[0][7:] for row in db.execute("SELECT digest FROM blobs")}
        broken = db.execute("SELECT count(*) FROM names WHERE image NOT IN (SELECT id FROM images)").fetchone()[0]
    check_equal(broken, 0, "names without an image")
    there_layers, there_blobs = set(names(root / "layers")), set(names(root / "blobs/sha256"))
    check(layers <= there_layers, f"layers recorded and missing: {layers - there_layers}")
    check(blobs <= there_blobs, f"blobs recorded and missing: {blobs - there_blobs}")
    if clean:
        check_equal(there_layers, layers, "layers")
        check_equal(there_blobs, blobs, "blobs")
        check_equal(names(root / "staging"), [], "staging")


def simple_layers(count=2):
    out = []
    for i in range(count):
        parts = [hostile.directory("d/"), hostile.entry(f"d/f{i}", b"x" * 3000 * (i + 1), uid=1000 * i)]
        if i:
            parts.append(hostile.entry(f"d/.wh.f{i - 1}"))
        out.append(b"".join(parts) + hostile.END)
    return out


def oci_files(layers, pack=lambda b: b, suffix=""):
    """An OCI layout with several layers, named by a mere tag."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
                         "rootfs": {"type": "layers", "diff_ids": [hostile.sha(b) for b in layers]}}).encode()
    packed = [pack(b) for b in layers]
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": hostile.sha(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar" + suffix, "digest": hostile.sha(b), "size": len(b)}
                   for b in packed]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": hostile.sha(manifest), "size": len(manifest),
         "annotations": {"org.opencontainers.image.ref.name": "tag1"}}]}).encode()
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    for data in [config, manifest, *packed]:
        files["blobs/sha256/" + hostile.sha(data)[7:]] = data
    return files


def docker_files(layers):
    config = json.dumps({"architecture": "amd64", "os": "linux",
                         "rootfs": {"type": "layers", "diff_ids": [hostile.sha(b) for b in layers]}}).encode()
    files = {f"{i}/layer.tar": data for i, data in enumerate(layers)}
    files["config.json"] = config
    files["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": ["team/app:2", "team/app:latest"],
                                          "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}]).encode()
    return files


def write_folder(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zstd(data):
    if not shutil.which("zstd"):
        skip("zstd is not installed")
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


# ---- forms -----------------------------------------------------------------------------------------------------------


@test
def each_form_gives_the_same_layers(w):
    layers = simple_layers()
    plain, docker = oci_files(layers), docker_files(layers)
    forms = {
        "layout": write_folder(w.tmp / "layout", plain),
        "oci.tar": hostile.outer(plain),
        "docker.tar": hostile.outer(docker),
        "docker.tar.gz": gzip.compress(hostile.outer(docker)),
        "oci.tar.zst": zstd(hostile.outer(plain)),
        "layers-gzip.tar": hostile.outer(oci_files(layers, lambda b: gzip.compress(b, mtime=0), "+gzip")),
        "layers-zstd.tar": hostile.outer(oci_files(layers, zstd, "+zstd")),
        "members-gzip.tar": hostile.outer(oci_files(layers, lambda b: gzip.compress(b[:512]) + gzip.compress(b[512:]), "+gzip")),
    }
    seen = set()
    for name, data in forms.items():
        path = w.tmp / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        root = w.tmp / f"store-{name}"
        done = load(w, root, path)
        check_equal(done.code, 0, f"{name}: {done!r}")
        seen.add(tuple(names(root / "layers")))
        top = [n for n in names(root / "layers") if (root / f"layers/{n}/diff/d/f1").exists()]
        check_equal(len(top), 1, "layers with f1")
        check_equal((root / f"layers/{top[0]}/diff/d/f1").stat().st_size, 6000)
        check((root / f"layers/{top[0]}/diff/d/f0").is_char_device(), "the whiteout")
        check_consistent(root, True)
        store(w, root, "rmi", "-f", *[line.split()[2] for line in store(w, root, "images").out.splitlines()[1:2]])
        check_empty(root)
    check_equal(len(seen), 1, "sets of chain ids")


@test
def from_a_pipe(w):
    data = hostile.outer(docker_files(simple_layers()))
    child = subprocess.run([str(w.bin / "bothy"), "--root", str(w.tmp / "s"), "load"], input=data, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=w.env, check=False, timeout=60 * SLOW)
    check_equal(child.returncode, 0, child.stderr.decode())
    check_in("team/app:2", child.stdout.decode())
    check_in("team/app:latest", child.stdout.decode())


@test
def a_shared_layer_is_there_once(w):
    one, two = simple_layers(2)
    root = w.tmp / "s"
    for i, layers in enumerate(([one], [one, two])):
        files = docker_files(layers)
        files["manifest.json"] = files["manifest.json"].replace(b"team/app:2", b"team/app%d:2" % i).replace(b"team/app:latest", b"team/b%d:1" % i)
        (w.tmp / "a.tar").write_bytes(hostile.outer(files))
        check_equal(load(w, root, w.tmp / "a.tar").code, 0)
    check_equal(len(names(root / "layers")), 2)
    check_equal(store(w, root, "rmi", "team/app1:2", "team/b1:1").code, 0)
    check_equal(len(names(root / "layers")), 1)
    check_consistent(root, True)
    check_equal(store(w, root, "rmi", "team/app0:2", "team/b0:1").code, 0)
    check_empty(root)


@test
def folders_without_an_entry_look_as_below(w):
    """A layer with only tmp/x must not turn the /tmp of the layers below into 0755."""
    low = hostile.directory("tmp/", mode=0o1777, uid=3, gid=4) + hostile.END
    high = hostile.entry("tmp/x", b"y") + hostile.END
    (w.tmp / "a.tar").write_bytes(hostile.outer(docker_files([low, high])))
    root = w.tmp / "s"
    check_equal(load(w, root, w.tmp / "a.tar").code, 0)
    top = [n for n in names(root / "layers") if (root / f"layers/{n}/diff/tmp/x").exists()][0]
    st = (root / f"layers/{top}/diff/tmp").stat()
    check_equal(st.st_mode & 0o7777, 0o1777, "mode of /tmp")
    if os.geteuid() == 0:
        check_equal((st.st_uid, st.st_gid), (3, 4), "owner of /tmp")
    store(w, root, "rmi", "team/app:2", "team/app:latest")


@test
def folders_that_get_an_entry_later_or_go(w):
    """What counts is the folder that is there in the end, and whether it has an entry of its own, wherever that stands."""
    low = hostile.directory("late", mode=0o1777, uid=3, gid=4) + hostile.directory("l", mode=0o1777, uid=3, gid=4) + hostile.END
    high = (hostile.entry("late/x", b"y") + hostile.directory("late", mode=0o750, mtime=7)
            + hostile.directory("x", mode=0o750, mtime=7) + hostile.entry("l/f", b"f") + hostile.symlink("l", "x") + hostile.END)
    (w.tmp / "a.tar").write_bytes(hostile.outer(docker_files([low, high])))
    root = w.tmp / "s"
    check_equal(load(w, root, w.tmp / "a.tar").code, 0)
    top = [n for n in names(root / "layers") if (root / f"layers/{n}/diff/late/x").exists()][0]
    for name in ("late", "x"):
        st = (root / f"layers/{top}/diff/{name}").stat()
        check_equal((oct(st.st_mode & 0o7777), st.st_uid - os.geteuid(), st.st_mtime), (oct(0o750), 0, 7), name)
    done = store(w, root, "image", "verify", "team/app:2")
    check_equal(done.code, 0, repr(done))
    store(w, root, "rmi", "team/app:2", "team/app:latest")


@test
def folders_reached_through_symlinks(w):
    """They take after the folder of the layers below that they are, not after the path by which an entry came; what becomes of the
    symlink later is no matter."""
    low = hostile.directory("real/sub", mode=0o1777, uid=3, gid=4) + hostile.directory("l/sub", mode=0o700) + hostile.END
    for i, last in enumerate((b"", hostile.entry("l", b"a file now"), hostile.symlink("l", "other"), hostile.directory("l"))):
        high = (hostile.directory("real") + hostile.directory("other/sub", mtime=7) + hostile.symlink("l", "real")
                + hostile.entry("l/sub/f", b"f") + last + hostile.END)
        (w.tmp / "a.tar").write_bytes(hostile.outer(docker_files([low, high])))
        root = w.tmp / f"s{i}"
        check_equal(load(w, root, w.tmp / "a.tar").code, 0)
        top = [n for n in names(root / "layers") if (root / f"layers/{n}/diff/real/sub/f").exists()][0]
        st = (root / f"layers/{top}/diff/real/sub").stat()
        check_equal(oct(st.st_mode & 0o7777), oct(0o1777), "mode of real/sub")
        check_equal((root / f"layers/{top}/diff/other/sub").stat().st_mtime, 7)
        if os.geteuid() == 0:
            check_equal((st.st_uid, st.st_gid), (3, 4), "owner of real/sub")
        done = store(w, root, "image", "verify", "team/app:2")
        check_equal(done.code, 0, repr(done))
        store(w, root, "rmi", "team/app:2", "team/app:latest")


@test
def real_writers(w):
    """What skopeo, umoci and GNU tar write, where they are installed."""
    tree = w.tmp / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir/file").write_text("hello")
    os.link(tree / "dir/file", tree / "dir/hard")
    (tree / ("n" * 200)).write_text("long name")
    with open(tree / "sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"end")
    tried = 0
    for form in ("gnu", "pax", "ustar", "v7"):
        for extra in ([], ["--sparse"]):
            if form in ("ustar", "v7") and extra:
                continue
            members = ["dir", "sparse"] if form == "v7" else ["."]
            layer = subprocess.run(["tar", "-C", tree, "--format", form, *extra, "-cf", "-", *members], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, check=False)
            if layer.returncode:
                continue
            (w.tmp / "a.tar").write_bytes(hostile.outer(docker_files([layer.stdout])))
            root = w.tmp / f"s-{form}{len(extra)}"
            done = load(w, root, w.tmp / "a.tar")
            check_equal(done.code, 0, f"{form} {extra}: {done!r}")
            diff = root / "layers" / names(root / "layers")[0] / "diff"
            check_equal((diff / "sparse").read_bytes(), (tree / "sparse").read_bytes(), form)
            check_equal((diff / "dir/file").stat().st_ino, (diff / "dir/hard").stat().st_ino, "hard link")
            tried += 1
    check(tried >= 4, f"only {tried} forms of GNU tar")
    if not shutil.which("skopeo"):
        skip("skopeo is not installed (GNU tar's forms passed)")
    layout = write_folder(w.tmp / "layout", oci_files(simple_layers()))
    for target in ("oci-archive:{}/o.tar:team/sk:1", "docker-archive:{}/d.tar:team/sk:2", "oci:{}/o:team/sk:3"):
        target = target.format(w.tmp)
        done = w.run(["skopeo", "--insecure-policy", "--tmpdir", w.tmp, "copy", "-q", f"oci:{layout}:tag1", target])
        check_equal(done.code, 0, repr(done))
        done = load(w, w.tmp / "sk", target.split(":")[1])
        check_equal(done.code, 0, repr(done))
        check_in("team/sk:", done.out)


# ---- hostile archives ----------------------------------------------------------------------------------------------------


def naive_extract(data, folder):
    """What an unpacker without a defence does: join the names and write."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = os.path.join(folder, member.name)
            with contextlib.suppress(OSError):
                if member.issym():
                    os.symlink(member.linkname, path)
                elif member.isdir():
                    os.makedirs(path, exist_ok=True)
                elif member.isreg():
                    with open(path, "wb") as f:
                        f.write(archive.extractfile(member).read())


@test
def v27_the_attack_works_without_a_defence(w):
    outside, inside = w.tmp / "outside", w.tmp / "a/b"
    outside.mkdir()
    inside.mkdir(parents=True)
    naive_extract(hostile.entry("../escaped", b"evil") + hostile.END, inside)
    check((w.tmp / "a/escaped").exists(), "'..' does not lead out")
    layer = hostile.symlink("out", str(outside)) + hostile.entry("out/escaped", b"evil") + hostile.END
    naive_extract(layer, inside)
    check((outside / "escaped").exists(), "the symlink does not lead out")
    (outside / "escaped").unlink()
    (w.tmp / "x.tar").write_bytes(hostile.oci_archive(layer))
    check(load(w, w.tmp / "s", w.tmp / "x.tar").code != 0, "loaded")
    check(not (outside / "escaped").exists(), "written outside")


def marks():
    """What attacks aim at."""
    found = {name: os.stat(name).st_mtime_ns for name in ("/etc/passwd", "/etc", "/usr", "/")}
    found["passwd mode"] = os.stat("/etc/passwd").st_mode
    found["escaped"] = [p for p in ("/tmp/hostile-escaped", "/hostile-escaped", "/tmp/escaped", "/etc/hostile-dir") if os.path.lexists(p)]
    return found


def worked():
    """Seconds that our children worked; the clock on the wall says how busy the host is."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def attack(w, cases):
    before = marks()
    wrong = []
    for number, c in enumerate(cases):
        root = w.tmp / f"s{number}"
        (w.tmp / "x.tar").write_bytes(c.archive())
        start = worked()
        done = load(w, root, w.tmp / "x.tar")
        took = (worked() - start) / SLOW
        got = "harmless" if done.code == 0 else "refused" if done.code in (1, 125) and done.err.strip() else f"crash: {done!r}"
        if got != c.expect:
            wrong.append(f"{c.name}: expected {c.expect}, got {got}: {done!r}")
        if "signal" in done.err or "no report" in done.err:
            wrong.append(f"{c.name}: the unpacker fell over: {done.err}")
        if took > 30:
            wrong.append(f"{c.name}: took {took:.0f} s of work")
        diffs = [root / "layers" / n / "diff" for n in names(root / "layers")]
        for path in c.present:
            if got == "harmless" and not os.path.lexists(diffs[0] / path):
                wrong.append(f"{c.name}: {path} is missing")
        for path in c.absent:
            if got == "harmless" and os.path.lexists(diffs[0] / path):
                wrong.append(f"{c.name}: there is {path}")
        for diff in diffs:
            for folder, dirs, files in os.walk(diff):
                if folder.count("/") > 60: # deep trees are about depth alone, and os.walk is recursive
                    dirs.clear()
                for name in [*dirs, *files]:
                    try:
                        found = os.listxattr(os.path.join(folder, name), follow_symlinks=False)
                    except OSError:
                        continue
                    if any(".overlay." in x and x != "user.overlay.opaque" or "selinux" in x or "posix_acl" in x for x in found):
                        wrong.append(f"{c.name}: {name} has {found}")
        if got == "harmless":
            gone = store(w, root, "rmi", TAG)
            if gone.code:
                wrong.append(f"{c.name}: cannot be removed: {gone!r}")
        with contextlib.suppress(AssertionError):
            check_empty(root)
            continue
        wrong.append(f"{c.name}: left {names(root / 'layers')} {names(root / 'blobs/sha256')} {names(root / 'staging')}")
    if marks() != before:
        wrong.append(f"something outside changed: {before} -> {marks()}")
    check(not wrong, "\n".join(wrong))


def some(*prefixes, without=False):
    return [c for c in hostile.layer_cases() if c.name.startswith(prefixes) != without]


WHITEOUTS = ("whiteout", "opaque", "aufs", "char", "xattr-", "device")
READERS = ("pax", "longname", "link-with", "dir-with", "hardlink-with", "behind", "one-zero", "bad-", "unknown", "multi", "size", "sparse")
BOMBS = ("name-", "xattrs", "nesting", "truncated", "declared", "bomb", "gzip", "not-a")


@test
def v27_nothing_leaves_the_folder(w):
    attack(w, some(*WHITEOUTS, *READERS, *BOMBS, without=True))


@test
def v28_whiteouts_and_overlay_attributes(w):
    attack(w, some(*WHITEOUTS))


@test
def v29_no_two_readings(w):
    attack(w, some(*READERS))


@test
def v30_bombs_and_giants(w):
    attack(w, some(*BOMBS))


@test
def v31_documents(w):
    attack(w, hostile.archive_cases())


# ---- crashes and crowds ------------------------------------------------------------------------------------------------------


def archives(w):
    one, two, three = simple_layers(3)
    out = []
    for i, layers in enumerate(([one], [one, two], [one, two, three])):
        files = docker_files(layers)
        files["manifest.json"] = files["manifest.json"].replace(b"team/app:2", b"team/app:v%d" % i)
        path = w.tmp / f"archive{i}.tar"
        path.write_bytes(hostile.outer(files))
        out.append(path)
    return out


@test
def r3_killed_at_any_moment(w):
    root, files = w.tmp / "s", archives(w)
    chance = random.Random(11)
    for round_ in range(60):
        command = chance.choice([["load", "-i", chance.choice(files)]] * 3 + [["rmi", "-f", "team/app:latest"], ["rmi", "team/app:v1"]])
        child = w.spawn([w.bin / "bothy", "--root", root, "--state", w.tmp / "run/bothy", *command],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.random() * (0.1 if command[0] == "load" else 0.02))
        child.send_signal(signal.SIGKILL)
        child.wait()
        check_consistent(root, False)
        if round_ % 10 == 9:
            done = load(w, root, chance.choice(files))
            check_equal(done.code, 0, repr(done))
            # The killed one's worker may have held its folder a moment longer than we looked.
            w.wait_for(lambda: load(w, root, files[0]).code == 0 and not names(root / "staging"), "clean staging")
            check_consistent(root, True)


@test
def many_at_once(w):
    root, files = w.tmp / "s", archives(w)
    children = [w.spawn([w.bin / "bothy", "--root", root, "--state", w.tmp / "run/bothy", "load", "-i", files[i % 3]],
                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for i in range(16)]
    for child in children:
        text = child.communicate(timeout=100 * SLOW)[1]
        check_equal(child.returncode, 0, text)
    check_consistent(root, True)
    check_equal(len(names(root / "layers")), 3)


@test
def an_archive_of_old_docker_says_what_to_do(w):
    old = w.tmp / "old.tar"
    with tarfile.open(old, "w") as tar:
        info = tarfile.TarInfo("repositories")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"{}"))
    done = load(w, w.tmp / "lib", old)
    check_equal(done.code, 125, repr(done))
    check_in("before 1.10", done.err)
    check_empty(w.tmp / "lib")
