# SPDX-License-Identifier: Apache-2.0
"""Looking into images: image verify, diff, tree, mount. No containers."""

import json
import os

import hostile_tar as hostile
from harness import check, check_equal, check_in, test
from image_layouts import Layout, tar

CAPABILITY = hostile.pax([("SCHILY.xattr.security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))])


def base_layer():
    return tar(hostile.directory("etc/"), hostile.entry("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
               hostile.entry("etc/hosts", b"127.0.0.1 localhost\n"), hostile.directory("bin/"),
               hostile.entry("bin/tool", b"#!/bin/sh\n", mode=0o4755), hostile.hardlink("bin/tool2", "bin/tool"),
               hostile.symlink("bin/sh", "tool"), hostile.directory("tmp/", mode=0o1777), hostile.directory("var/lib/"),
               hostile.entry("var/lib/a", b"a"), hostile.entry("var/lib/b", b"b"), hostile.directory("usr/", uid=3, gid=4, mode=0o750),
               hostile.directory("usr/lib/"), hostile.entry("usr/lib/big", bytes(100000) + b"end"))


def second_layer():
    return tar(hostile.entry("tmp/x", b"sticky"), hostile.entry("etc/.wh.hosts"), hostile.entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
               hostile.entry("var/lib/.wh..wh..opq"), hostile.entry("var/lib/c", b"c"), hostile.entry("usr/new", b"new"))


def third_layer():
    return tar(hostile.entry("etc/only\x1b[31mred", b"1"), hostile.entry("etc/other", b"2", uid=7, gid=8),
               hostile.header("etc/fifo", type=b"6"))


def loaded(w, compress=True):
    """An image of three layers, and one of the first two; the ids."""
    layout = Layout(w.tmp / "layout")
    whole, _ = layout.image([base_layer(), second_layer(), third_layer()], "team/app:1", compress=compress, history=[
        {"created": "2024-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:abc in / "},
        {"created": "2024-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop)  ENV X=1", "empty_layer": True},
        {"created": "2024-01-02T00:00:00Z", "created_by": "/bin/sh -c second"}, {"created_by": "COPY . /etc # buildkit\x1b[31m"}])
    part, _ = layout.image([base_layer(), second_layer()], "team/base:1", compress=compress)
    done = w.bothy("load", "-q", "-i", layout.folder)
    check_equal(done.code, 0, f"{done!r}")
    return whole, part


def ok(w, *args):
    done = w.bothy(*args)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


def find(w, path):
    """Where the (only) layer that has @path keeps it."""
    found = [layer / "diff" / path for layer in (w.tmp / "lib/layers").iterdir() if os.path.lexists(layer / "diff" / path)]
    check_equal(len(found), 1, f"layers with {path}")
    return found[0]


# ---- verify ----------------------------------------------------------------------------------------------------------


def findings(w, *names, code=1):
    done = w.bothy("image", "verify", "--format", "json", *names)
    check_equal(done.code, code, f"{done!r}")
    return [json.loads(line) for line in done.out.splitlines()]


@test
def verify_good_images(w):
    loaded(w)
    check_equal(sorted(ok(w, "image", "verify").splitlines()), ["docker.io/team/app:1: good", "docker.io/team/base:1: good"])
    check_equal(ok(w, "image", "verify", "team/app:1"), "team/app:1: good\n")
    check_equal(ok(w, "image", "verify", "-q", "team/app:1"), "")
    check_equal(findings(w, code=0), [])
    done = w.bothy("image", "verify", "team/nothing")
    check_equal(done.code, 125)
    check_in("no image 'team/nothing'", done.err)


@test
def verify_finds_what_was_changed(w):
    loaded(w)
    tool, link, passwd_of = find(w, "bin/tool"), find(w, "bin/sh"), find(w, "tmp/x").parent.parent / "etc/passwd"
    before = os.stat(tool)
    tool.chmod(0o755)
    with open(tool, "r+b") as file:
        file.write(b"!")
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))
    folder = os.stat(link.parent)
    link.unlink()
    link.symlink_to("/other")
    os.utime(link.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    passwd_of.unlink()
    (passwd_of.parent / "shadow").mkdir()
    got = {(f["Path"], f["Kind"]) for f in findings(w, "team/app:1")}
    for want in (("bin/sh", "link"), ("bin/sh", "time"), ("etc/passwd", "missing"), ("etc/shadow", "extra")):
        check(want in got, f"{want} in {got}")
    check({("bin/tool", "content"), ("bin/tool", "mode")} <= got or {("bin/tool2", "content"), ("bin/tool2", "mode")} <= got, got)
    check(not [f for f in got if f[0].startswith("usr") or f[0].startswith("var")], got)
    text = w.bothy("image", "verify", "team/app:1")
    check_equal(text.code, 1)
    check_in("/etc/shadow: a folder that the layer does not have", text.out)
    check_in(": leads to '/other', in the layer to 'tool'", text.out)


@test
def verify_finds_whiteouts_and_modes_of_folders(w):
    loaded(w)
    find(w, "var/lib/c").parent.chmod(0o700)
    removed = find(w, "tmp/x").parent.parent
    removed.joinpath("tmp").chmod(0o755)
    (removed / "etc/hosts").unlink()
    (removed / "etc/hosts").write_text("127.0.0.1 localhost\n")
    os.removexattr(removed / "var/lib", "user.overlay.opaque")
    got = {(f["Path"], f["Kind"]) for f in findings(w, "team/base:1")}
    check_equal(got, {("var/lib", "mode"), ("tmp", "mode"), ("etc/hosts", "type"), ("var/lib", "whiteout")})


@test(root=True)
def verify_finds_owners_and_capabilities(w):
    layout = Layout(w.tmp / "layout")
    layout.image([tar(CAPABILITY, hostile.entry("ping", b"ping", uid=5, gid=6, mode=0o755), hostile.entry("plain", b""))], "caps:1")
    ok(w, "load", "-q", "-i", layout.folder)
    check_equal(findings(w, code=0), [])
    value = os.getxattr(find(w, "ping"), "security.capability")
    os.chown(find(w, "ping"), 5, 7)
    os.setxattr(find(w, "plain"), "security.capability", value)
    got = {(f["Path"], f["Kind"], f["Text"]) for f in findings(w)}
    check(("ping", "owner", "owner 5:7, the layer has 5:6") in got, got)
    check(("ping", "xattr", "the attribute security.capability is missing") in got, got)
    check(("plain", "xattr", "the attribute security.capability is not the layer's") in got, got)


@test
def verify_finds_flipped_bits_in_blobs(w):
    for compress in (False, True):
        loaded(w, compress)
        blobs = sorted((w.tmp / "lib/blobs/sha256").iterdir(), key=lambda b: b.stat().st_size)
        for blob in (blobs[0], blobs[-1]):
            data = bytearray(blob.read_bytes())
            for at in (10, len(data) // 2, len(data) - 9):
                data[at] ^= 4
                blob.write_bytes(data)
                data[at] ^= 4
                got = findings(w)
                check(any(f.get("Blob") == f"sha256:{blob.name}" and f["Kind"] == "blob" for f in got), f"{blob} {at}: {got}")
            blob.write_bytes(data)
        check_equal(findings(w, code=0), [], "mended")
        blobs[-1].rename(w.tmp / "away")
        check(any(f.get("Blob") == f"sha256:{blobs[-1].name}" for f in findings(w)), "a missing blob")
        (w.tmp / "away").rename(blobs[-1])
        ok(w, "rmi", "-f", "team/app:1", "team/base:1")
        os.rename(w.tmp / "layout", w.tmp / f"layout-{compress}")


@test
def verify_of_many_files_is_bounded(w):
    layout = Layout(w.tmp / "layout")
    layout.image([tar(*[hostile.entry(f"d{i % 50}/f{i}", b"x") for i in range(700)])], "many:1")
    ok(w, "load", "-q", "-i", layout.folder)
    for path in find(w, "d0/f0").parent.parent.rglob("f*"):
        path.write_bytes(b"y")
    done = w.bothy("image", "verify", "many:1")
    check_equal(done.code, 1)
    check_in("many:1: 1400 findings", done.out)
    check_in("and 400 more", done.out)


# ---- diff ------------------------------------------------------------------------------------------------------------


@test
def diff_of_one_image_is_its_uppermost_layer(w):
    loaded(w)
    check_equal(ok(w, "image", "diff", "team/app:1"), "C /etc\nA /etc/fifo\nA /etc/only?[31mred\nA /etc/other\n")
    lines = ok(w, "image", "diff", "--stat", "team/base:1").splitlines()
    check_equal(lines, ["C /etc", "D /etc/hosts   20B", "C /etc/passwd   content -4B", "C /tmp", "A /tmp/x   6B",
                        # A plain user cannot give a folder that the layer does not list the owner of the one below.
                        "C /usr" if w.root else "C /usr   owner 3:4 to 0:0",
                        "A /usr/new   3B", "C /var", "C /var/lib", "D /var/lib/a   1B", "D /var/lib/b   1B", "A /var/lib/c   1B",
                        "3 added, 6 changed, 3 deleted, +10B -26B"])


@test
def diff_of_two_images(w):
    loaded(w)
    rows = [json.loads(line) for line in ok(w, "image", "diff", "--format", "json", "team/app:1", "team/base:1").splitlines()]
    check_equal([(r["Kind"], r["Path"]) for r in rows], [("C", "/etc"), ("D", "/etc/fifo"), ("D", "/etc/only\x1b[31mred"), ("D", "/etc/other")])
    check_equal(rows[0]["Changed"], ["below"])
    old = rows[3]["Old"]
    check_equal((old["Uid"], old["Gid"], old["Mode"], old["Size"], old["Type"]), (7, 8, "0644", 1, "file"))
    check_equal(ok(w, "image", "diff", "team/base:1", "team/base:1"), "")
    done = w.bothy("image", "diff", "team/base:1", "nothing")
    check_equal(done.code, 125)


@test
def diff_says_what_changed(w):
    layout = Layout(w.tmp / "layout")
    same = [hostile.directory("d/"), hostile.entry("d/same", b"same", mtime=5), hostile.entry("zero", bytes(70000))]
    layout.image([tar(*same, hostile.entry("mode", b"x"), hostile.entry("type", b"x"), hostile.entry("owner", b"x", uid=5),
                      hostile.symlink("link", "a"), hostile.entry("text", b"one"), hostile.directory("gone/"),
                      hostile.entry("gone/x", b"x"), hostile.directory("becomes/"), hostile.entry("becomes/x", b"1"),
                      hostile.pax([("SCHILY.xattr.user.k", b"1")]), hostile.entry("xattr", b""))], "old:1")
    same[1] = hostile.entry("d/same", b"same", mtime=99)
    layout.image([tar(*same, hostile.entry("mode", b"x", mode=0o600), hostile.directory("type/"), hostile.entry("type/in", b""),
                      hostile.entry("owner", b"x", uid=6), hostile.symlink("link", "b"), hostile.entry("text", b"two"),
                      hostile.entry("becomes", b"a file"), hostile.pax([("SCHILY.xattr.user.k", b"2")]), hostile.entry("xattr", b""))],
                 "new:1")
    ok(w, "load", "-q", "-i", layout.folder)
    want = ["C /becomes   type directory to file", "D /gone", "C /link   link", "C /mode   mode 0644 to 0600", "C /owner   owner 5:0 to 6:0",
            "C /text   content +0B", "C /type   type file to directory", "A /type/in   0B", "C /xattr   xattr"]
    check_equal(ok(w, "image", "diff", "--stat", "old:1", "new:1").splitlines()[:-1], want)


@test
def diff_follows_the_rules_of_overlayfs(w):
    """A file over a folder over a folder hides the lowest; whiteouts and opaque folders at every height; a hostile symlink on the way."""
    layout = Layout(w.tmp / "layout")
    one = tar(hostile.directory("a/"), hostile.entry("a/1", b"1"), hostile.directory("b/"), hostile.entry("b/1", b"1"), hostile.symlink("l", "/etc"))
    two = tar(hostile.entry("a", b"now a file"), hostile.entry(".wh.b"), hostile.entry(".wh.l"))
    three = tar(hostile.directory("a/"), hostile.entry("a/3", b"3"), hostile.directory("b/"), hostile.entry("b/3", b"3"), hostile.directory("l/"),
                hostile.entry("l/passwd", b"mine"))
    layout.image([one, two, three], "stack:1")
    layout.image([tar()], "empty:1")
    ok(w, "load", "-q", "-i", layout.folder)
    check_equal(ok(w, "image", "diff", "empty:1", "stack:1").split()[1::2], ["/a", "/a/3", "/b", "/b/3", "/l", "/l/passwd"])
    check_equal(ok(w, "image", "diff", "stack:1", "empty:1").split()[1::2], ["/a", "/b", "/l"])


# ---- tree ------------------------------------------------------------------------------------------------------------


@test
def tree_of_shared_layers(w):
    check_equal(ok(w, "image", "tree"), "")
    whole, part = loaded(w)
    lines = ok(w, "image", "tree").splitlines()
    check_equal(len(lines), 3)
    check_in("shared by 2   /bin/sh -c #(nop) ADD file:abc in /", lines[0])
    check(lines[0].startswith("└── ID: ") and lines[2].startswith("        └── ID: "), lines)
    check_in("Top Layer of: [docker.io/team/base:1]", lines[1])
    check_in("COPY . /etc # buildkit?[31m   Top Layer of: [docker.io/team/app:1]", lines[2])
    text = ok(w, "image", "tree", "team/base:1")
    check_in(f"Image ID: {part[:12]}\nTags:     [docker.io/team/base:1]\nSize:     100kB, 100kB shared, 0B its own\nImage Layers\n└── ", text)
    tree = json.loads(ok(w, "image", "tree", "--format", "json"))
    by_id = {image["ID"]: image for image in tree["Images"]}
    check_equal(sorted(by_id), sorted([f"sha256:{whole}", f"sha256:{part}"]))
    image = by_id[f"sha256:{whole}"]
    check_equal((len(image["Layers"]), image["UniqueSize"], image["Names"]), (3, 2, ["docker.io/team/app:1"]))
    layers = {layer["ID"]: layer for layer in tree["Layers"]}
    check_equal([layers[i].get("Parent") for i in image["Layers"]], [None, *image["Layers"][:-1]])
    check_equal(len(layers[image["Layers"][0]]["Images"]), 2)


@test
def tree_tells_why(w):
    whole, _ = loaded(w)
    text = ok(w, "image", "tree", "--why", "team/base:1")
    check_in("  name       docker.io/team/base:1\nremoving it frees 0B and 0B of packed layers; its other layers belong to other images as well:\n", text)
    check_equal(text.count("docker.io/team/app:1"), 2)
    (w.tmp / "lib/containers/c1").mkdir()
    os.symlink(f"sha256:{whole}", w.tmp / "lib/containers/c1/image")
    check_in("  container  c1\n", ok(w, "image", "tree", "--why", whole[:12]))
    os.unlink(w.tmp / "lib/containers/c1/image")
    os.rmdir(w.tmp / "lib/containers/c1")
    layer = json.loads(ok(w, "image", "tree", "--format", "json", "team/base:1"))["Layers"][0]
    text = ok(w, "image", "tree", "--why", layer["ID"][7:19])
    check_in("is kept by\n", text)
    check_in("  image      docker.io/team/app:1\n", text)
    check_equal(w.bothy("image", "tree", "--why", "zzzz").code, 125)
    ok(w, "rmi", "team/app:1")
    text = ok(w, "image", "tree", "--why", "team/base:1")
    check_in("removing it frees 100kB and ", text)
    check(text.endswith(" of packed layers\n"), text)


# ---- mount -----------------------------------------------------------------------------------------------------------


def tree_of(path):
    """Everything below @path: type, mode, owner, content or target."""
    found = {}
    for folder, names, files in os.walk(path):
        for name in names + files:
            full = os.path.join(folder, name)
            st = os.lstat(full)
            kind = oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns
            if os.path.islink(full):
                kind += (os.readlink(full),)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    kind += (hostile.sha(file.read()),)
            found[os.path.relpath(full, path)] = kind
    return found


@test(root=True)
def mount_and_unmount(w):
    whole, _ = loaded(w)
    place = ok(w, "image", "mount", "team/app:1").strip()
    try:
        check_equal(place, str(w.tmp / "run/bothy/mounts" / whole))
        seen = tree_of(place)
        check_equal(seen["etc/passwd"][4], hostile.sha(b"root:x:0:0::/:/bin/sh\n"))
        check("etc/hosts" not in seen and "var/lib/a" not in seen and "var/lib/c" in seen, seen)
        check_equal(seen["usr"][:3], (oct(0o40750), 3, 4))
        check_equal(ok(w, "image", "mount", "team/app:1").strip(), place, "once more")
        check_equal(ok(w, "image", "mount"), f"docker.io/team/app:1 {place}\n")
        check_equal(json.loads(ok(w, "image", "mount", "--format", "json"))[0]["mountpoint"], place)
        ok(w, "tag", "team/app:1", "team/app:also")
        both = ["docker.io/team/app:1", "docker.io/team/app:also"]
        for words in ((), ("team/app:1",), ("-a",)):
            shown = json.loads(ok(w, "image", "mount", "--format", "json", *words))
            check_in((whole, both, place), [(m["id"], m["Repositories"], m["mountpoint"]) for m in shown], f"{words}")
            check_in(f"{whole} {place}", ok(w, "image", "mount", "--format", "{{.ID}} {{.Mountpoint}}", *words).splitlines(), f"{words}")
        check_in("did you mean .Mountpoint", w.bothy("image", "mount", "--format", "{{.MountPoint}}", "team/app:1").err)
        done = w.bothy("image", "mount", "--format", "json", "team/app:1", "team/none")
        check_equal((done.code, [m["mountpoint"] for m in json.loads(done.out)]), (125, [place]), "what was mounted before a failure is told")
        ok(w, "rmi", "team/app:also")
        ok(w, "image", "unmount", "team/base:1")
        check_in("1 image kept: in use by containers, or mounted", w.bothy("image", "prune", "-a", "--dry-run").err)
        check_in(f"  mount      {place}\n", ok(w, "image", "tree", "--why", "team/app:1"))
        done = w.run(["touch", f"{place}/x"])
        check_in("Read-only file system", done.err)
        done = w.bothy("rmi", "team/app:1")
        check_equal(done.code, 125)
        check_in(f"is mounted at {place}", done.err)
        check_in("bothy image unmount", done.err)
        with open(f"{place}/etc/passwd", encoding="utf-8") as held:
            done = w.bothy("image", "unmount", "team/app:1")
            check_equal(done.code, 125)
            check_in("somebody uses it", done.err)
            check_equal(ok(w, "image", "unmount", "-f", "team/app:1"), f"{whole}\n")
            check_in("root", held.read(), "what is open stays so")
        check_equal(ok(w, "image", "mount"), "")
        check_equal(w.bothy("image", "unmount", "team/app:1").code, 125)
        ok(w, "image", "mount", "--all")
        check_equal(len(ok(w, "image", "mount").splitlines()), 2)
        # Gone behind our back, as after a restart: no note keeps the image.
        w.run(["umount", place])
        ok(w, "rmi", "team/app:1")
    finally:
        w.bothy("image", "unmount", "--all", "-f")
    check_equal(ok(w, "image", "mount"), "")


@test(root=True)
def mount_of_few_and_many_layers(w):
    layout = Layout(w.tmp / "layout")
    many = [tar(hostile.entry(f"f{i}", str(i).encode()), *([hostile.entry(f".wh.f{i - 1}")] if i % 2 else [])) for i in range(130)]
    layout.image([], "none:1")
    layout.image([tar(hostile.entry("one", b"1"), hostile.entry(".wh.nothing"))], "one:1")
    layout.image(many, "many:1")
    ok(w, "load", "-q", "-i", layout.folder)
    try:
        places = dict(line.split() for line in ok(w, "image", "mount", "none:1", "one:1", "many:1").splitlines())
        check_equal(tree_of(places["none:1"]), {})
        check_equal(sorted(tree_of(places["one:1"])), ["one"])
        check_equal(len(tree_of(places["many:1"])), 65)
    finally:
        ok(w, "image", "unmount", "--all")


@test(root=True)
def mount_survives_being_killed(w):
    loaded(w)
    try:
        for after_ms in range(0, 24, 2):
            w.run(["timeout", "-s", "KILL", f"{after_ms / 1000 + 0.001}", w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy",
                   "image", "mount" if after_ms % 4 == 0 else "unmount", "team/app:1"])
        place = ok(w, "image", "mount", "team/app:1").strip()
        check(os.path.exists(f"{place}/etc/passwd"), "mounted once more")
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            check_equal(mounts.read().count(f" {place} "), 1, "mounts at the place")
    finally:
        w.bothy("image", "unmount", "--all", "-f")


@test(root=False)
def mount_as_a_plain_user(w):
    loaded(w)
    done = w.bothy("image", "mount", "team/app:1")
    check_equal(done.code, 125)
    check_in("unshare --map-root-user --map-auto --mount", done.err)
    script = f"b='{w.bin}/bothy --root {w.tmp}/lib --state {w.tmp}/inner'; p=$($b image mount team/app:1) && cat $p/etc/passwd && $b image unmount --all"
    done = w.run(["unshare", "--map-root-user", "--map-auto", "--mount", "sh", "-c", script])
    if "unshare" in done.err:
        done = w.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script])
    check_equal(done.code, 0, f"{done!r}")
    check_in("root:x:0:0::/:/bin/sh", done.out)


# ---- the same image on two hosts -----------------------------------------------------------------------------------------


@test(root=True)
def the_same_digest_gives_the_same_files_in_two_stores(w):
    """FEATURES A4: each store unpacks by itself, in another order and compression; the trees are equal to the last byte and time."""
    loaded(w)
    archive = w.tmp / "archive.tar"
    ok(w, "save", "-o", archive, "team/app:1")

    def there(*args):
        done = w.run([w.bin / "bothy", "--root", w.tmp / "there", "--state", w.tmp / "run/there", *args])
        check_equal(done.code, 0, f"{done!r}")
        return done.out

    there("load", "-q", "-i", archive)
    trees = []
    for run in (lambda *a: ok(w, *a), there):
        place = run("image", "mount", "team/app:1").strip()
        try:
            trees.append(tree_of(place))
        finally:
            run("image", "unmount", "--all", "-f")
        run("image", "verify", "team/app:1")
    check_equal(trees[0], trees[1])
    check(len(trees[0]) > 15, "files")
    ids = [json.loads(run("image", "tree", "--format", "json", "team/app:1"))["Images"][0]["ID"] for run in (lambda *a: ok(w, *a), there)]
    check_equal(ids[0], ids[1])


@test
def formats_of_views(w):
    """--format is the same everywhere: a template, a table of one's own, or what is wrong with it."""
    for n, files in enumerate(({"a": b"1", "same": b"x"}, {"b": b"22", "same": b"x"})):
        (w.tmp / f"{n}.tar").write_bytes(b"".join(hostile.entry(name, data) for name, data in files.items()) + hostile.END)
        ok(w, "import", w.tmp / f"{n}.tar", f"team/v{n}:1")
    pair = ("team/v0:1", "team/v1:1")
    check_equal(ok(w, "image", "diff", "--format", "{{.Kind}}={{.Path}}", *pair), "D=/a\nA=/b\n")
    check_equal(ok(w, "image", "diff", "--format", "table {{.Path}}\t{{.Kind}}", *pair), "PATH      KIND\n/a        D\n/b        A\n")
    check_equal(ok(w, "image", "diff", "--format", "{{if .New}}{{.New.Size}}{{end}}", *pair), "\n2\n")
    check_equal(ok(w, "image", "diff", "--format", "table", *pair), ok(w, "image", "diff", *pair))
    tree = json.loads(ok(w, "image", "tree", "--format", "json"))
    check_equal(ok(w, "image", "tree", "--format", "{{len .Images}} {{(index .Layers 0).ID}}"), f"2 {tree['Layers'][0]['ID']}\n")
    check_equal(ok(w, "image", "verify", "--format", "{{.Path}}"), "")
    for words in (("diff", *pair), ("tree",), ("verify",)):
        done = w.bothy("image", words[0], "--format", "{{.Path", *words[1:])
        check_equal((done.code, done.out), (125, ""))
        check_in("--format: column", done.err)
    done = w.bothy("image", "tree", "--format", "{{.None}}")
    check_in("can't evaluate field None", done.err)
    folder = next((w.tmp / "lib/layers").glob("*/diff/b")).parent
    (folder / "b").write_text("other")
    done = w.bothy("image", "verify", "--format", "{{.Kind}} {{.Path}} {{.Blob}}")
    check_equal(done.code, 1)
    check_in("content b", done.out)
