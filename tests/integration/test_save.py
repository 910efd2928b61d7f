# SPDX-License-Identifier: Apache-2.0
"""save: every form, what other programs make of it, and what is left when it fails."""

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile

import hostile_tar as hostile
import test_images_cli as images
import test_store as forms
from harness import check, check_equal, check_in, skip, test
from registries import Registry, several_platforms


def ok(w, *args, **kwargs):
    done = w.bothy(*args, **kwargs)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


def packed(data):
    return gzip.compress(data, mtime=0)


def loaded(w, name="team/app:1", count=2):
    """An image of gzip layers under @name; gives its id and its files as a layout."""
    files = forms.oci_files(forms.simple_layers(count), packed, "+gzip")
    folder = forms.write_folder(w.tmp / f"in-{count}", files)
    ok(w, "load", "-i", folder, "--name", name)
    manifest = json.loads(files["index.json"])["manifests"][0]["digest"]
    return json.loads(files[f"blobs/sha256/{manifest[7:]}"])["config"]["digest"], manifest, files


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def check_layout(files, manifest, name):
    """A layout whose blobs are what their names say and which knows @manifest as @name."""
    for path, data in files.items():
        if path.startswith("blobs/"):
            check_equal(path, f"blobs/sha256/{hashlib.sha256(data).hexdigest()}")
    entry = [e for e in json.loads(files["index.json"])["manifests"]
             if e.get("annotations", {}).get("io.containerd.image.name") == name]
    check_equal([e["digest"] for e in entry], [manifest], "manifests of that name")
    check_equal(entry[0]["annotations"]["org.opencontainers.image.ref.name"], name.rsplit(":", 1)[1])


@test
def one_archive_in_both_forms(w):
    image, manifest, source = loaded(w)
    ok(w, "save", "-o", w.tmp / "a.tar", "team/app:1")
    files = members(w.tmp / "a.tar")
    check_layout(files, manifest, "docker.io/team/app:1")
    docker = json.loads(files["manifest.json"])
    check_equal([d["RepoTags"] for d in docker], [["docker.io/team/app:1"]])
    check_equal(docker[0]["Config"], f"blobs/sha256/{image[7:]}")
    check_equal([gzip.decompress(files[n]) for n in docker[0]["Layers"]], forms.simple_layers())
    for path, data in source.items():
        if path.startswith("blobs/"):
            check_equal(files[path], data, "a blob, byte for byte")
    ok(w, "save", "-o", w.tmp / "b.tar", image[7:19], "team/app:1")
    check_equal((w.tmp / "a.tar").read_bytes(), (w.tmp / "b.tar").read_bytes(), "the same image, the same archive")
    with open(w.tmp / "c.tar", "wb") as out:
        subprocess.run([w.bin / "bothy", "--root", w.tmp / "lib", "save", "team/app:1"], stdout=out, env=w.env, check=True)
    check_equal((w.tmp / "a.tar").read_bytes(), (w.tmp / "c.tar").read_bytes(), "by standard output")


@test
def every_form_is_loaded_again(w):
    image, _, _ = loaded(w)
    loaded(w, "team/base:1", 1)
    for form in ("docker-archive", "oci-archive", "oci-dir", "docker-oci-archive"):
        out = w.tmp / form
        ok(w, "save", "--format", form, "-o", out, "team/app:1", "team/base:1")
        root = w.tmp / f"store-{form}"
        done = forms.load(w, root, out)
        check_equal(done.code, 0, f"{form}: {done!r}")
        check_equal(sorted(done.out.splitlines()), ["Loaded image: team/app:1", "Loaded image: team/base:1"])
        check_in(image[7:19], forms.store(w, root, "images", "-q").out)
        forms.check_consistent(root, True)
        store = set(os.listdir(root / "layers"))
        check_equal(store, set(os.listdir(w.tmp / "lib/layers")), f"{form}: layers")
    ok(w, "save", "--format", "docker-dir", "-o", w.tmp / "flat", "team/app:1")
    check_in("skopeo copy dir:FOLDER", forms.load(w, w.tmp / "s", w.tmp / "flat").err)
    through = subprocess.run([w.bin / "bothy", "--root", w.tmp / "s", "load"], env=w.env, check=False, stdout=subprocess.PIPE,
                             input=subprocess.run([w.bin / "bothy", "--root", w.tmp / "lib", "save", "team/app:1"], env=w.env,
                                                  stdout=subprocess.PIPE, check=True).stdout)
    check_equal((through.returncode, through.stdout), (0, b"Loaded image: team/app:1\n"))


@test
def names_and_repositories(w):
    image, manifest, _ = loaded(w)
    ok(w, "load", "-i", w.tmp / "in-2", "--name", "team/app:2")
    ok(w, "save", "-o", w.tmp / "all.tar", "team/app")
    files = members(w.tmp / "all.tar")
    for tag in "12":
        check_layout(files, manifest, f"docker.io/team/app:{tag}")
    check_equal(json.loads(files["manifest.json"])[0]["RepoTags"], ["docker.io/team/app:1", "docker.io/team/app:2"])
    ok(w, "save", "-o", w.tmp / "none.tar", image)
    files = members(w.tmp / "none.tar")
    check_equal(json.loads(files["manifest.json"])[0]["RepoTags"], None)
    check("annotations" not in json.loads(files["index.json"])["manifests"][0])
    root = w.tmp / "s"
    check_equal(forms.load(w, root, w.tmp / "none.tar").out, f"Loaded image ID: {image}\n")


@test
def bad_words(w):
    loaded(w)
    for args, said in (
            (["save"], "requires"), (["save", "team/none", "-o", w.tmp / "x"], "no image 'team/none'"),
            (["save", "team/app:1", "--format", "zip"], 'got "zip"'),
            (["save", "team/app:1", "--format", "oci-dir"], "needs a name"),
            (["save", "team/app:1", "-o", w.tmp / "no/x"], "No such file"),
            (["save", "team/app:1", "-o", w.tmp], "Is a directory"),
            (["save", "team/app:1", "-o", "/dev/full"], "No space left"),
            (["save", "team/app:1", "--format", "oci-dir", "-o", w.tmp / "in-2"], "not empty"),
            (["save", "team/app:1", "@bad@"], "bad")):
        done = w.bothy(*args)
        check_equal((done.code, done.out), (125, ""), f"{args}")
        check_in(said, done.err.replace("Directory not empty", "not empty"))
    check_equal(sorted(n for n in os.listdir(w.tmp) if n.startswith(".") or n == "x"), [], "left behind")


@test
def refuses_a_terminal(w):
    import pty
    loaded(w)
    master, slave = pty.openpty()
    done = subprocess.run([w.bin / "bothy", "--root", w.tmp / "lib", "save", "team/app:1"], stdout=slave, stderr=subprocess.PIPE,
                          env=w.env, check=False, text=True)
    os.close(slave)
    os.close(master)
    check_equal(done.returncode, 125)
    check_in("-o FILE", done.stderr)


@test
def a_file_is_whole_or_not_there(w):
    """Killed while it writes, and on a full disk: the old file stays, and nothing else is left."""
    big = hostile.entry("big", os.urandom(40 << 20)) + hostile.END
    (w.tmp / "big.tar").write_bytes(hostile.outer(forms.docker_files([big])))
    ok(w, "load", "-i", w.tmp / "big.tar")
    out = w.tmp / "out"
    out.mkdir()
    (out / "a.tar").write_text("old")
    for delay in (0, 0.001, 0.003, 0.006, 0.01):
        child = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "save", "-o", out / "a.tar", "team/app:2"])
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
        child.wait()
        if child.returncode == 0:
            break
        check_equal(os.listdir(out), ["a.tar"])
        check_equal((out / "a.tar").read_text(), "old")
    limited = w.run(["sh", "-c", 'ulimit -f 1000; trap "" XFSZ; exec "$@"', "sh", w.bin / "bothy", "--root", w.tmp / "lib", "save",
                     "-o", out / "b.tar", "team/app:2"])
    check_equal(limited.code, 125, f"{limited!r}")
    check_in("cannot write the archive", limited.err)
    check_equal(os.listdir(out), ["a.tar"])


@test
def a_missing_blob_is_named(w):
    _, _, files = loaded(w)
    layer = hostile.sha(packed(forms.simple_layers()[0]))
    path = w.tmp / "lib/blobs/sha256" / layer[7:]
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    check_in("damaged", w.bothy("save", "team/app:1", "-o", w.tmp / "x").err)
    path.unlink()
    check_in(f"the blob {layer} is missing", w.bothy("save", "team/app:1", "-o", w.tmp / "x").err)
    path.write_bytes(data)
    check(not (w.tmp / "x").exists())
    check(files)


@test
def skopeo_and_umoci_read_it(w):
    if not shutil.which("skopeo"):
        skip("skopeo is not installed")
    _, manifest, _ = loaded(w)
    for form in ("docker-archive", "oci-archive", "oci-dir", "docker-oci-archive", "docker-dir"):
        ok(w, "save", "--format", form, "-o", w.tmp / form, "team/app:1")
    for source in ("docker-archive:docker-archive:team/app:1", "docker-archive:docker-oci-archive", "oci-archive:oci-archive:1",
                   "oci-archive:docker-oci-archive:1", "oci:oci-dir:1", "dir:docker-dir"):
        done = w.run(["skopeo", "inspect", source], cwd=w.tmp)
        check_equal(done.code, 0, f"{source}: {done!r}")
        if not source.startswith("docker-archive"):
            check_equal(json.loads(done.out)["Digest"], manifest, source)
        back = w.run(["skopeo", "copy", "-q", source, f"oci:back-{source.replace(':', '-').replace('/', '-')}:1"], cwd=w.tmp)
        check_equal(back.code, 0, f"{source}: {back!r}")
    if shutil.which("umoci"):
        done = w.run(["umoci", "unpack", *([] if w.root else ["--rootless"]), "--image", w.tmp / "oci-dir:1", w.tmp / "bundle"])
        check_equal(done.code, 0, f"umoci: {done!r}")
        check_equal(os.listdir(w.tmp / "bundle/rootfs/d"), ["f1"])


def multi(w):
    """An image for several platforms, pulled with all of them: the images, the digest of its index, its name."""
    native, other, older, attestation, top, name = several_platforms(Registry(w))
    ok(w, "pull", "-q", "--tls-verify=false", "--all-platforms", name)
    return (native, other, older, attestation), top, name


def layout_members(path):
    if path.is_file():
        return members(path)
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@test
def an_index_is_saved_with_all_platforms(w):
    images, top, name = multi(w)
    native, other = images[:2]
    for form in ("oci-archive", "oci-dir", "docker-oci-archive"):
        out = w.tmp / form
        ok(w, "save", "--format", form, "-o", out, name)
        files = layout_members(out)
        check_layout(files, top, name)
        for image in images:
            for digest in [*image.blobs, image.digest]:
                check(f"blobs/sha256/{digest[7:]}" in files, f"{form}: {digest}")
    docker = json.loads(files["manifest.json"])
    check_equal([d["Config"] for d in docker], [f"blobs/sha256/{native.id[7:]}"], "Docker's form has this machine's")
    if shutil.which("skopeo"):
        raw = subprocess.run(["skopeo", "inspect", "--raw", f"oci-archive:{w.tmp}/oci-archive:{name.rsplit(':', 1)[1]}"], check=True,
                             stdout=subprocess.PIPE).stdout
        check_equal(f"sha256:{hashlib.sha256(raw).hexdigest()}", top, "skopeo inspect --raw")
    if shutil.which("umoci"):
        said = subprocess.run(["umoci", "ls", "--layout", w.tmp / "oci-dir"], check=True, stdout=subprocess.PIPE).stdout
        check_equal(said.decode().split(), ["1"])
    ok(w, "save", "--format", "docker-archive", "-o", w.tmp / "d.tar", name)
    check_equal([d["Config"] for d in json.loads(members(w.tmp / "d.tar")["manifest.json"])], [f"{native.id[7:]}.json"])
    for form in ("docker-oci-archive", "docker-archive"):
        ok(w, "save", "--platform", "linux/arm/v7", "--format", form, "-o", w.tmp / "arm.tar", name)
        files = members(w.tmp / "arm.tar")
        check(not any(native.id[7:] in n for n in files), "another platform is in it")
        check(any(other.id[7:] in n for n in files), "the platform is not in it")
    check_equal(w.bothy("save", "--platform", "linux/s390x", "-o", w.tmp / "x", name).code, 125)
    check_in("linux/arm/v7", w.bothy("save", "--platform", "linux/arm/v7", "-o", w.tmp / "x", native.id).err)


@test
def an_index_is_loaded_with_all_platforms(w):
    images, top, name = multi(w)
    native, other = images[:2]
    for form in ("oci-archive", "oci-dir", "docker-oci-archive"):
        out, root = w.tmp / form, w.tmp / f"store-{form}"
        ok(w, "save", "--format", form, "-o", out, name)
        for _ in range(2):  # the second changes nothing
            done = forms.load(w, root, out, "--all-platforms")
            check_equal((done.code, done.out), (0, f"Loaded image: {name}\n"), f"{done!r}")
            check_equal(forms.store(w, root, "images", "-q", "--no-trunc").out, native.id + "\n")
            check_equal(set(os.listdir(root / "blobs/sha256")), {d[7:] for i in images for d in [*i.blobs, i.digest]} | {top[7:]})
        forms.check_consistent(root, True)
        again = w.tmp / f"again-{form}"
        check_equal(forms.store(w, root, "save", "--format", form, "-o", again, name).code, 0)
        check_equal(layout_members(again), layout_members(out), f"{form}: saved again")
        check_equal(forms.store(w, root, "system", "check").code, 0)
        check_equal(forms.store(w, root, "rmi", name).code, 0)
        check_equal(os.listdir(root / "blobs/sha256"), [], "goes with its name")
        # Without the word, this machine's.
        check_equal(forms.load(w, root, out).code, 0)
        check(other.digest[7:] not in os.listdir(root / "blobs/sha256"))
        # What is here already in one form becomes the index.
        check_equal(forms.load(w, root, out, "--all-platforms", "--name", "team/new:2").out, "Loaded image: team/new:2\n")
        check(other.digest[7:] in os.listdir(root / "blobs/sha256"))
        check_equal(forms.store(w, root, "rmi", name, "team/new:2").code, 0)
        check_equal(os.listdir(root / "blobs/sha256"), [])


@test
def an_index_that_lacks_something(w):
    images, top, name = multi(w)
    ok(w, "save", "--format", "oci-dir", "-o", w.tmp / "whole", name)
    root = w.tmp / "s"
    for what in (images[1].digest, images[1].id, images[1].layers[0], images[3].layers[0], top):
        for damage in (b"", None):
            folder = w.tmp / "broken"
            shutil.copytree(w.tmp / "whole", folder)
            path = folder / "blobs/sha256" / what[7:]
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            done = forms.load(w, root, folder, "--all-platforms")
            check_equal((done.code, done.out), (125, ""), f"{what} {damage}: {done!r}")
            if what != top:
                check_equal(forms.load(w, root, folder).code, 0, "this machine's is whole")
                forms.store(w, root, "rmi", name)
            forms.check_empty(root)
            shutil.rmtree(folder)
    done = forms.load(w, root, w.tmp / "whole", "--all-platforms", "--platform", "linux/arm")
    check_in("cannot be given together", done.err)


@test
def a_list_for_other_machines_only(w):
    images, _, name = multi(w)
    other = images[1]
    ok(w, "pull", "-q", "--tls-verify=false", "--platform", "linux/arm/v7", name)
    ok(w, "manifest", "create", "team/list:1", other.id)
    ok(w, "save", "-o", w.tmp / "l.tar", "team/list:1")
    files = members(w.tmp / "l.tar")
    check("manifest.json" not in files, "Docker's form of nothing")
    check_in(f"blobs/sha256/{other.layers[0][7:]}", files)
    root = w.tmp / "s"
    check_equal(forms.load(w, root, w.tmp / "l.tar", "--all-platforms").out, "Loaded image: team/list:1\n")
    check_equal(forms.store(w, root, "manifest", "exists", "team/list:1").code, 0)
    check_equal(forms.store(w, root, "system", "check").code, 0)
    check_in("platform", w.bothy("save", "--format", "docker-archive", "-o", w.tmp / "x", "team/list:1").err)


@test
def several_archives(w):
    """Each is a load of its own: one that is none keeps nobody."""
    names = []
    for n in range(3):
        (w.tmp / f"{n}.tar").write_bytes(images.busybox_layer())
        names.append(f"team/n{n}:1")
        ok(w, "import", w.tmp / f"{n}.tar", names[-1], "-m", f"number {n}")
        ok(w, "save", "-o", w.tmp / f"s{n}.tar", names[-1])
    root = w.tmp / "other"
    load = [w.bin / "bothy", "--root", root, "load"]
    done = w.run([*load, "-i", w.tmp / "s0.tar", "-i", w.tmp / "1.tar", w.tmp / "missing", w.tmp / "s2.tar"])
    check_equal((done.code, done.out), (125, "Loaded image: team/n0:1\nLoaded image: team/n2:1\n"))
    check_in("1.tar: this is no image", done.err)
    check_in("missing: No such file", done.err.replace("'", ""))
    done = w.run([*load, w.tmp / "missing", w.tmp / "gone"])
    check_equal((done.code, done.out), (125, ""))
    check_equal([line.split(":")[0] for line in done.err.splitlines()], ["Error", "Error", "Hint"], "what is to be done is told once")
    check_in("bothy pull", done.err)
    done = w.run([*load, w.tmp / "s0.tar", "-"], stdin=None)
    check_in("standard input", done.err)
    with open(w.tmp / "s1.tar", "rb") as archive:
        done = subprocess.run([*load, w.tmp / "s0.tar", "-"], stdin=archive, stdout=subprocess.PIPE, env=w.env, check=True)
    check_equal(done.stdout, b"Loaded image: team/n0:1\nLoaded image: team/n1:1\n")
    for words, said in ((["-", "-i", "-"], "can be read once"), (["--name", "x", "a", "b"], "is for one archive"),
                        (["--progress", "loud", "a"], "--progress")):
        done = w.run([*load, *words])
        check_equal(done.code, 125)
        check_in(said, done.err)


def noise(seed, size):
    """A layer that no packing makes smaller."""
    return hostile.entry(f"file{seed}", random.Random(seed).randbytes(size)) + hostile.END


@test
def the_largest_layer_first(w):
    """As in a pull: whatever is alone at the end cannot keep all processors busy."""
    sizes = [1, 5, 2, 4, 3, 6]
    forms.write_folder(w.tmp / "folder", forms.oci_files([noise(n, n * 100_000) for n in sizes]))
    done = w.run([w.bin / "bothy", "--root", w.tmp / "lib", "load", "--progress", "json", "--name", "team/a", w.tmp / "folder"])
    check_equal(done.code, 0, f"{done!r}")
    events = [json.loads(line) for line in done.err.splitlines()]
    begun = list(dict.fromkeys(e["total"] // 100_000 for e in events if e["status"] == "Loading"))
    check_equal(begun, sorted(sizes, reverse=True))
    check_equal(sorted(e["total"] // 100_000 for e in events if e["status"] == "Loaded"), sorted(sizes))
    forms.check_consistent(w.tmp / "lib", True)


@test
def how_far_it_is(w):
    """Nothing without a terminal; lines, JSON and bars on request, for files, pipes and folders."""
    (w.tmp / "root.tar").write_bytes(images.busybox_layer())
    ok(w, "import", w.tmp / "root.tar", "team/p:1")
    size = len(images.busybox_layer())
    bothy = [w.bin / "bothy", "--root", w.tmp / "lib"]
    done = w.run([*bothy, "save", "-o", w.tmp / "s.tar", "team/p:1"])
    check_equal((done.code, done.out, done.err), (0, "", ""))
    done = w.run([*bothy, "save", "-o", w.tmp / "s.tar", "--progress", "json", "team/p:1"])
    events = [json.loads(line) for line in done.err.splitlines()]
    check_equal([events[0]["status"], events[-1]["status"], events[-1]["current"], events[-1]["total"]], ["Saving", "Saved", size, size])
    done = w.run([*bothy, "save", "-q", "-o", w.tmp / "s.tar", "--progress", "json", "team/p:1"])
    check_equal((done.code, done.err), (0, ""))
    ok(w, "save", "--format", "oci-dir", "-o", w.tmp / "folder", "team/p:1")
    for n, source in enumerate((w.tmp / "s.tar", w.tmp / "folder")):
        done = w.run([w.bin / "bothy", "--root", w.tmp / f"lib{n}", "load", "--progress", "plain", source])
        lines = [line.split(": ")[1].split(" ")[0] for line in done.err.splitlines()]
        check_equal(lines, ["Reading", "Read", "Loading", "Loaded"], f"{source}: {done!r}")
    done = w.run(["sh", "-c", f"cat {w.tmp}/s.tar | {w.bin}/bothy --root {w.tmp}/lib2 load --progress json"])
    check(all(line.startswith("{") for line in done.err.splitlines()), f"{done!r}")
    events = [json.loads(line) for line in done.err.splitlines()]
    read = [e for e in events if e["status"] == "Read"]
    check(len(read) == 1 and read[0]["current"] > size and read[0]["total"] == 0, f"{events}")
    check_equal(events[-1], {"id": events[-1]["id"], "status": "Loaded", "current": size, "total": size})
    # Of a folder what is copied, each blob once; what is here already is not.
    layers = [noise(n, 3_000_000) for n in range(2)]
    forms.write_folder(w.tmp / "two", forms.oci_files([*layers, layers[0]]))
    forms.write_folder(w.tmp / "three", forms.oci_files([*layers, noise(2, 2_000_000)]))
    copied = []
    for source in ("two", "three", "three"):
        done = w.run([*bothy[:2], w.tmp / "lib4", "load", "--progress", "json", "--name", f"team/{source}", w.tmp / source])
        check_equal(done.code, 0, f"{done!r}")
        copied.append([(e["status"], e["current"], e["total"]) for e in map(json.loads, done.err.splitlines()) if e["id"] == "folder"])
    for events, amount in zip(copied, (sum(map(len, layers)), len(noise(2, 2_000_000)))):
        check(events[0][0] == "Reading" and all(total == amount for _, _, total in events), f"{events}")
        check_equal(events[-1], ("Read", amount, amount))
    check_equal(copied[2], [], "nothing to copy")
    done = w.run(["script", "-qec", f"{w.bin}/bothy --root {w.tmp}/lib3 load {w.tmp}/s.tar", "/dev/null"])
    for part in ("Reading", "Loaded\x1b[0m\x1b[K", "Loaded image: team/p:1"):
        check_in(part, done.out)
