# SPDX-License-Identifier: Apache-2.0
"""bothy system check: each kind of damage is found, mended where that is possible, and never makes matters worse (R1, R2, R4, R5)."""

import json
import os
import random
import shutil
import sqlite3
from pathlib import Path

from harness import check, check_equal, check_in, test
from registries import Image, Registry, tar_of

NAME = "damaged.example/app:1"


def big_image(seed=5):
    chance = random.Random(seed)
    one = tar_of({"etc": None, "etc/a": chance.randbytes(70000), "etc/b": b"", **{f"etc/f{i}": chance.randbytes(10 + i) for i in range(40)}})
    two = tar_of({"usr": None, "usr/c": chance.randbytes(300000), "etc/d": b"text\n" * 1000})
    return Image([one, two])


def archive(image, name=NAME):
    index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image.digest, "size": len(image.manifest),
                                               "annotations": {"io.containerd.image.name": name}}]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), f"blobs/sha256/{image.digest[7:]}": image.manifest}
    files.update({f"blobs/sha256/{d[7:]}": data for d, data in image.blobs.items()})
    return tar_of(files)


class Store:
    def __init__(self, w, image=None):
        self.w, self.root = w, w.tmp / "lib"
        self.image = image or big_image()
        self.file = w.tmp / "image.tar"
        self.file.write_bytes(archive(self.image))
        self.load()

    def load(self):
        done = self.w.bothy("load", "-i", self.file)
        check_equal(done.code, 0, repr(done))

    def check(self, *args, code=None):
        done = self.w.bothy("system", "check", "--format", "json", *args)
        check(done.code in (0, 1) and not done.err, repr(done))
        if code is not None:
            check_equal(done.code, code, repr(done))
        return json.loads(done.out)

    def kinds(self, *args):
        return sorted({p["Kind"] for p in self.check(*args)["Problems"]})

    def good(self, *args):
        check_equal(self.check(*args, code=0)["Problems"], [])

    def repair(self, *outcomes):
        """Repair, with these outcomes (mended when none is named); clean afterwards unless something had to stay."""
        found = self.check("--repair")["Problems"]
        check(found, "nothing was found")
        check_equal(sorted({p["Outcome"] for p in found}), sorted(outcomes or ("mended",)), str(found))
        if "left" not in outcomes:
            self.good()
        return found

    def blobs(self):
        return sorted((self.root / "blobs/sha256").iterdir())

    def layers(self):
        return sorted((self.root / "layers").iterdir())

    def trees(self):
        """Every file of the unpacked layers."""
        return [Path(folder) / n for layer in self.layers() for folder, _, names in os.walk(layer / "diff") for n in names]

    def content(self):
        return {str(p): p.read_bytes() for p in self.trees()}


def flip(path, chance):
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def flips(w, rounds):
    s = Store(w)
    s.good()
    chance = random.Random(7)
    before = s.content()
    for round_ in range(rounds):
        targets = [p for p in [*s.blobs(), *s.trees()] if p.stat().st_size]
        path = chance.choice(targets)
        flip(path, chance)
        found = s.check(code=1)["Problems"]
        check(any(part in p["Object"] for p in found for part in path.parts[-2:] if len(part) == 64) or
              any(path.parts[path.parts.index("layers") + 1] in p["Object"] for p in found if "layers" in path.parts), f"round {round_}: {path}: {found}")
        if "layers" in path.parts:
            s.repair()
            check_equal(s.content(), before, "the trees")
        else:
            s.check("--repair", code=1)
            s.load()
            s.good()
            check_equal(s.content(), before, "the trees")


@test
def r5_every_flipped_bit_is_found(w):
    flips(w, 12)


@test(long=True)
def r5_every_flipped_bit_is_found_long(w):
    flips(w, 300)


@test
def r1_files_of_a_power_cut_are_found_and_mended(w):
    """Names are there, contents are not: zero bytes, half, or nothing."""
    s = Store(w)
    before = s.content()
    for path in s.trees()[::7]:
        if path.stat().st_size:
            os.truncate(path, 0)
    check_equal(s.kinds(), ["layer"])
    s.repair()
    check_equal(s.content(), before)
    for layer in s.layers():
        shutil.rmtree(layer / "diff")
    check_equal(s.kinds("--quick"), ["layer"])
    s.repair()
    check_equal(s.content(), before)


@test
def r2_a_load_heals_what_a_look_can_see(w):
    """Blobs that are gone or short, layers that are gone: the same load that did nothing before brings them."""
    s = Store(w)
    before = s.content()
    for blob in s.blobs():
        os.truncate(blob, blob.stat().st_size // 2)
    check_equal(s.kinds("--quick"), ["blob", "record"] if "record" in s.kinds("--quick") else ["blob"])
    s.load()
    s.good()
    for blob in s.blobs()[::2]:
        blob.unlink()
    shutil.rmtree(s.layers()[0])
    s.load()
    s.good()
    check_equal(s.content(), before)


@test
def what_cannot_be_mended_is_said(w):
    s = Store(w)
    config = s.root / "blobs/sha256" / s.image.id[7:]
    config.write_bytes(b"{}")
    found = s.repair("dropped")
    check(any(NAME in p["Done"] for p in found), str(found))
    check_equal(w.bothy("images", "-q").out, "")
    s.load()
    s.good()
    layer = s.root / "blobs/sha256" / s.image.layers[0][7:]
    layer.write_bytes(b"x")
    found = s.repair("left")
    check_in("can still be run", found[0]["Done"])
    check(w.bothy("images", "-q").out != "", "the image is gone")
    check_equal(s.kinds(), ["blob"])
    s.load()
    s.good()


@test
def what_a_container_stands_on_stays(w):
    s = Store(w)
    folder = s.root / "containers/some"
    folder.mkdir(mode=0o700)
    (folder / "image").symlink_to(s.image.id)
    (s.root / "blobs/sha256" / s.image.id[7:]).write_bytes(b"{}")
    found = s.repair("left")
    check_in("container some stands on", found[0]["Done"])
    check(w.bothy("images", "-q").out != "", "the image is gone")
    s.load()
    s.good()
    shutil.rmtree(folder)


@test
def strangers_leftovers_and_access(w):
    s = Store(w)
    (s.root / "layers" / ("0" * 64)).mkdir()
    (s.root / "blobs/sha256" / ("1" * 64)).write_bytes(b"x")
    (s.root / "staging/abc").mkdir()
    (s.root / "staging/abc/x").write_bytes(b"x")
    os.chmod(s.root / "layers", 0o755)
    os.chmod(s.root / "index.db", 0o644)
    check_equal(s.kinds("--quick"), ["access", "leftover", "orphan"])
    s.repair()
    check_equal((s.root / "layers").stat().st_mode & 0o777, 0o700)
    check_equal((s.root / "index.db").stat().st_mode & 0o777, 0o600)


@test
def records_that_mean_nothing(w):
    s = Store(w)
    gone = "sha256:" + "5" * 64
    rows = (  # (statement, the kind of problem, what is said of it)
        (f"INSERT INTO names(name, image) VALUES('x.example/image:1', '{gone}')", "name", "an image that is not there"),
        (f"INSERT INTO names(name, image, target) VALUES('x.example/index:1', '', '{gone}')", "name", "an index that is not there"),
        (f"INSERT INTO digests VALUES('x.example/digest', '{gone}', '{gone}')", "name", "an image that is not there"),
        (f"INSERT INTO artifacts VALUES('x.example/artifact:1', '{gone}', '', 0)", "name", "an artifact whose manifest is not there"),
        ("INSERT INTO image_layers VALUES('sha256:nothing', 0, 'sha256:nothing')", "record", "layers are recorded for an image"),
        ("INSERT INTO image_blobs VALUES('sha256:nothing', 'sha256:nothing')", "record", "blobs are recorded for something"),
    )
    for statement, kind, text in rows:
        with sqlite3.connect(s.root / "index.db") as db:
            db.execute(statement)
        db.close()
        found = s.check("--quick")["Problems"]
        check_equal([p["Kind"] for p in found], [kind], statement)
        check_in(text, found[0]["Text"], statement)
        s.repair("dropped")
    with sqlite3.connect(s.root / "index.db") as db:
        db.execute("UPDATE images SET config = '{'")
    db.close()
    check_in("record", s.kinds("--quick"))
    s.repair()
    check_in("damaged.example/app", w.bothy("images").out)


@test
def r4_a_database_is_made_anew(w):
    s = Store(w)
    w.bothy("tag", NAME, "other.example/b:2")
    database = s.root / "index.db"
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    whole = database.read_bytes()
    chance = random.Random(3)
    names = 0
    for round_ in range(12):
        for ending in ("-wal", "-shm"):
            (s.root / f"index.db{ending}").unlink(missing_ok=True)
        data = bytearray(whole)
        if round_ == 0:
            data = bytearray()
        elif round_ == 1:
            data = bytearray(4096)
        elif round_ == 2:
            data = data[:len(data) // 2]
        else:
            for _ in range((300, 30, 8)[round_ % 3]):
                data[chance.randrange(len(data))] ^= 0xff
        database.write_bytes(data)
        if round_ < 2:
            # A load that took it for a new store would remove everything as orphans.
            done = w.bothy("load", "-i", s.file)
            check_equal(done.code, 125, repr(done))
            check_in("system check --repair", done.err)
        s.check("--repair")
        s.good()
        check_equal(len(w.bothy("images", "-q", "--no-trunc").out.split()) > 0, True, f"round {round_}: images")
        names += "damaged.example/app" in w.bothy("images").out
        s.load()
        check_in("damaged.example/app", w.bothy("images").out)
    check(names > 0, "no name was ever saved")


@test
def a_blob_is_pulled_again(w):
    registry, image = Registry(w), big_image()
    name = registry.push(image, "team/app:1")
    s = Store(w)
    check_equal(w.bothy("rmi", NAME).code, 0)
    done = w.bothy("pull", "-q", name)
    check_equal(done.code, 0, repr(done))
    before = s.content()
    chance = random.Random(1)
    for blob in s.blobs():
        flip(blob, chance)
    for path in s.trees()[::9]:
        if path.stat().st_size:
            flip(path, chance)
    found = s.repair()
    check(any("pulled again" in (p["Done"] or "") for p in found), str(found))
    check_equal(s.content(), before)
    check_equal(len(w.bothy("images", "-q").out.split()), 1)
