# SPDX-License-Identifier: Apache-2.0
"""image prune and system prune: what goes, what stays, and that nothing in use ever goes, whatever happens at the same time."""

import fcntl
import os
import random
import re
import shutil
import subprocess
import time

import hostile_tar as hostile
from harness import SLOW, check, check_equal, check_in, test
from registries import Image, tar_of
from test_check import archive


def load_some(w, count, size=3000, **config):
    """Images team.example/a<i>:1, each with a layer of its own on a common one. Returns their ids."""
    common, ids = tar_of({"etc": None, "etc/common": b"c" * size}), []
    for i in range(count):
        image = Image([common, tar_of({f"f{i}": bytes([65 + i]) * size})], config={"Cmd": ["/x"], "Labels": {"number": str(i), **config}})
        (w.tmp / "a.tar").write_bytes(archive(image, f"team.example/a{i}:1"))
        done = w.bothy("load", "-i", w.tmp / "a.tar")
        check_equal(done.code, 0, repr(done))
        ids.append(image.id)
    return ids


def names(w):
    return sorted(re.findall(r"team.example/(a\d+)", w.bothy("images").out))


def prune(w, *args, code=0):
    done = w.bothy("image", "prune", *args)
    check_equal(done.code, code, repr(done))
    return done


def sound(w):
    done = w.bothy("system", "check")
    check_equal(done.code, 0, repr(done))


def use(w, image_id, age):
    """As if a container had started from it @age seconds ago."""
    when = time.time() - age
    os.utime(w.tmp / "lib/blobs/sha256" / image_id[7:], (when, when))


@test
def only_what_has_no_name(w):
    ids = load_some(w, 3)
    check_equal(w.bothy("untag", "team.example/a1:1").code, 0)
    would = prune(w, "--dry-run").out
    check_in(ids[1], would)
    check_equal(len(w.bothy("images", "-q").out.split()), 3)
    refused = prune(w, code=125)
    check_in("--force", refused.err)
    check_equal(len(w.bothy("images", "-q").out.split()), 3)
    done = prune(w, "-f").out
    check_in(f"deleted: {ids[1]}", done)
    check_equal(re.search(r"Space.*: (.*)", would).group(1), re.search(r"space: (.*)", done).group(1), "bytes")
    check_equal(names(w), ["a0", "a2"])
    check_in("Total reclaimed space: 0B", prune(w, "-f").out)
    sound(w)


@test
def all_but_what_a_container_stands_on(w):
    ids = load_some(w, 3)
    folder = w.tmp / "lib/containers/mine"
    folder.mkdir(mode=0o700)
    (folder / "image").symlink_to(ids[2])
    done = prune(w, "-af")
    check_in("1 image kept", done.err)
    check_equal(names(w), ["a2"])
    sound(w)
    shutil.rmtree(folder)
    prune(w, "-af")
    check_equal(names(w), [])
    for place in ("layers", "blobs/sha256", "staging"):
        check_equal(os.listdir(w.tmp / "lib" / place), [], place)


@test
def by_label_age_last_use_and_size(w):
    ids = load_some(w, 6, size=200000)
    prune(w, "-af", "--filter", "label=number=3")
    check_equal(names(w), ["a0", "a1", "a2", "a4", "a5"])
    prune(w, "-af", "--filter", "label!=number=4", "--filter", "until=2020-01-01")
    check_equal(len(names(w)), 5)
    for i in (0, 1, 2, 4, 5):
        use(w, ids[i], 0 if i == 1 else -(10 - i) * 60)  # a5 was used last
    # The mtime of a blob is its last use only when it is later than the load.
    prune(w, "-f", "--unused", "240h")
    check_equal(len(names(w)), 5)
    prune(w, "-f", "--keep", "3", "--max", "1")
    check_equal(len(names(w)), 3)
    before = names(w)
    prune(w, "-f", "--max", "10g")
    check_equal(names(w), before)
    prune(w, "-f", "--max", "450k")
    check_equal(len(names(w)), 1)
    done = w.bothy("image", "prune", "--filter", "colour=red")
    check_equal(done.code, 125, repr(done))
    sound(w)


@test
def the_longest_unused_go_first(w):
    ids = load_some(w, 4, size=200000)
    for i, age in enumerate((-400, -100, -300, -200)):
        use(w, ids[i], age)
    prune(w, "-f", "--keep", "2")
    check_equal(names(w), ["a0", "a2"])
    sound(w)


@test
def what_pulls_left(w):
    load_some(w, 1)
    partial = w.tmp / "lib/partial/sha256"
    partial.mkdir(parents=True, mode=0o700, exist_ok=True)
    os.chmod(partial.parent, 0o700)
    old, young, held = (partial / (c * 64) for c in "abc")
    for path in (old, young, held):
        path.write_bytes(b"x" * 10000)
    week = time.time() - 8 * 24 * 3600
    for path in (old, held):
        os.utime(path, (week, week))
    with open(held, "rb") as receiver:
        fcntl.flock(receiver, fcntl.LOCK_EX)
        prune(w, "-f")
        check_equal(sorted(p.name[0] for p in partial.iterdir()), ["b", "c"])
        done = w.bothy("system", "prune", "-f")
        check_equal(done.code, 0, repr(done))
        check_equal(sorted(p.name[0] for p in partial.iterdir()), ["c"])


@test
def in_a_crowd(w):
    """Loads, removals, prunes and starts of containers at once: each succeeds or says why, and everything fits together after."""
    common = tar_of({"etc": None, "etc/common": b"c" * 100000})
    files = []
    for i in range(4):
        image = Image([common, tar_of({f"f{i}": bytes([65 + i]) * 50000})])
        files.append(w.tmp / f"{i}.tar")
        files[-1].write_bytes(archive(image, f"team.example/a{i}:1"))
    chance = random.Random(2)
    base = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy"]
    children = []
    for _ in range(60):
        what = chance.choice((["load", "-i", chance.choice(files)], ["load", "-i", chance.choice(files)], ["image", "prune", "-af"], ["image", "prune", "-f"], ["images"],
                              ["rmi", "-f", f"team.example/a{chance.randrange(4)}:1"], ["system", "check", "--quick"]))
        children.append((what, w.spawn([*base, *what], stdout=subprocess.PIPE, stderr=subprocess.PIPE)))
        if len(children) % 12 == 0:
            reap(children[-12:])
    reap(children)
    sound(w)
    for i, file in enumerate(files):
        check_equal(w.bothy("load", "-i", file).code, 0, f"load {i}")
    check_equal(names(w), ["a0", "a1", "a2", "a3"])
    sound(w)
    prune(w, "-af")
    for place in ("layers", "blobs/sha256", "staging"):
        check_equal(os.listdir(w.tmp / "lib" / place), [], place)


def reap(children):
    for what, child in children:
        if child.returncode is not None:
            continue
        out, err = child.communicate(timeout=100 * SLOW)
        fine = child.returncode == 0 or (what[0] == "rmi" and "no image" in err)
        check(fine, f"{what}: exit {child.returncode}: {err} {out}")


@test
def what_the_configuration_keeps(w):
    """gc in bothy.toml: after each import, load and pull the store is within it; what just came and what is in use stays."""
    config = w.tmp / "bothy.toml"
    env = {"BOTHY_CONFIG": str(config)}

    def bothy(*words):
        return w.run([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", *words], env=env)

    def names():
        return sorted(bothy("images", "--format", "{{.Repository}}").out.split())

    def bring(n, size=200_000):
        (w.tmp / "root.tar").write_bytes(hostile.entry(f"f{n}", os.urandom(size)) + hostile.END)
        done = bothy("import", w.tmp / "root.tar", f"team/n{n}:1")
        check_equal(done.code, 0, f"{done!r}")
        return done

    # 200 kB packed and as much unpacked each: three fit into 1300 kB.
    config.write_text('[gc]\nmax = "1300k"\n')
    for n in range(3):
        check_equal(bring(n).err, "")
    check_equal(names(), ["team/n0", "team/n1", "team/n2"])
    done = bring(3)
    check_in("Removed, as gc is configured: docker.io/team/n0:1", done.err)
    check_equal(names(), ["team/n1", "team/n2", "team/n3"], "the longest unused went")
    # One that is mounted stays, and the next oldest goes; a plain user cannot mount without more ado.
    if w.root:
        check_equal(bothy("image", "mount", "team/n1:1").code, 0)
        bring(4)
        check_equal(names(), ["team/n1", "team/n3", "team/n4"])
        bothy("image", "unmount", "team/n1:1")
    # What just came stays, larger than all that is allowed.
    bring(5, 2_000_000)
    check_equal(names(), ["team/n5"])
    # keep: the last ones whatever the size is.
    config.write_text('[gc]\nmax = "1k"\nkeep = 2\n')
    bring(6)
    bring(7)
    check_equal(len(names()), 2)
    check_in("team/n7", names())
    # unused: nothing is a year old; and all is a nanosecond.
    config.write_text('[gc]\nunused = "8760h"\n')
    bring(8)
    check_equal(len(names()), 3)
    config.write_text('[gc]\nunused = "1ns"\n')
    ok_load = bothy("save", "-o", w.tmp / "s.tar", "team/n8:1")
    check_equal(ok_load.code, 0)
    done = bothy("load", "-i", w.tmp / "s.tar")
    check_equal((done.code, names()), (0, ["team/n8"]), f"{done!r}")
    # A bad file is a warning for what came, and says where.
    for text, said in (('[gc]\nmaximum = "1g"\n', "'gc.maximum' is no key"), ("[gc]\nmax = 5\n", 'expected a size like "20g"'), ("[gcc]\n", "'gcc' is no key"),
                       ("[gc\n", "line 1"), ('[gc]\nkeep = -1\n', "expected a number of images"), ('[gc]\nunused = "soon"\n', "expected a duration"), ('gc = 1\n', "'gc' is no key")):
        config.write_text(text)
        done = bring(9)
        check_in("Warning: ", done.err)
        check_in(said, done.err)
    config.unlink()
    check_in("Warning: the configuration", bring(9).err)
    # So it is for whoever looks after the store; each does its work nevertheless.
    config.write_text("[gc\n")
    for words in (["image", "prune", "-f"], ["image", "prune", "-a", "--dry-run"], ["system", "prune", "-f"], ["system", "df"], ["system", "df", "-v"],
                  ["system", "check", "--quick"], ["artifact", "add", "-q", "team/file", config]):
        done = bothy(*words)
        check_equal((done.code, done.err.count("Warning: ")), (0, 1), f"{words}: {done!r}")
        check_in("line 1", done.err, f"{words}")
    check_in("WARNING: ", bothy("info").err)
    check_in("line 1", bothy("info", "--format", "{{json .Warnings}}").out)
    config.write_text("[gc]\nkeep = 1\n")
    for words in (["image", "prune", "-f"], ["system", "df"], ["system", "check"], ["info"]):
        check("arning" not in bothy(*words).err, f"{words}")
    # What comes in as files counts, too.
    config.write_text('[gc]\nmax = "1k"\n')
    bring(9)
    check_equal(names(), ["team/n9"])
    check_in("Removed, as gc is configured: docker.io/team/n9:1", bothy("artifact", "add", "team/other", config).err)
    config.write_text("[gc]\n")
    bring(8)
    env["BOTHY_CONFIG"] = ""
    env["XDG_CONFIG_HOME"] = str(w.tmp / "config")
    (w.tmp / "config/bothy").mkdir(parents=True)
    (w.tmp / "config/bothy/bothy.toml").write_text('[gc]\nmax = "1k"\n')
    bring(10)
    check_equal(len(names()) > 1, w.root, "a plain user's own file; root's is the machine's")
