# SPDX-License-Identifier: Apache-2.0
"""The hostile corpus (hostile_images.py) against the store: V16, V18, V27-V31. A part of it in each run, all of it with --long."""

import hostile_images
import hostile_pull
import hostile_tar
from harness import check, check_equal, test
from hostile_run import GOOD, Decoys, attack

STEP = 41  # prime, so that each family and each row of its tables is met


@test
def v27_v31_some_of_the_corpus(w):
    run = attack(w, lambda c: c.number % STEP == 7 and not c.slow)
    check(sum(run.numbers[k] for k in ("refused", "loaded")) >= 100, "too few cases")


@test(long=True)
def v27_v31_the_whole_corpus(w):
    run = attack(w, lambda c: True)
    check(sum(run.numbers[k] for k in ("refused", "loaded")) >= 1000, "too few cases")


@test
def v27_v31_some_of_the_corpus_from_a_registry(w):
    run = hostile_pull.attack(w, lambda c: c.number % STEP == 7 and not c.slow, both=False)
    check(sum(run.numbers[k] for k in ("refused", "loaded")) >= 80, "too few cases")


@test(long=True)
def v27_v31_the_whole_corpus_from_a_registry(w):
    run = hostile_pull.attack(w, lambda c: True, both=True)
    check(sum(run.numbers[k] for k in ("refused", "loaded")) >= 6000, "too few cases")


@test
def the_corpus_is_the_same_each_time(_w):
    one, two = hostile_images.cases(), hostile_images.cases()
    check(len(one) >= 1000, f"{len(one)} cases")
    check_equal([c.name for c in one], [c.name for c in two], "names")
    for a, b in list(zip(one, two))[::97]:
        check(a.slow or a.archive() == b.archive(), a.name)


@test
def the_decoys_notice(w):
    """Merely opening one shows."""
    decoys = Decoys(w.tmp / "victim")
    check_equal(decoys.events(), [])
    (w.tmp / "victim/sub/secret").read_bytes()
    check(decoys.events(), "an open was not seen")
    (w.tmp / "victim/sub/deeper/new").write_text("x")
    check(any(name == "new" for _, name in decoys.events()), "a new file was not seen")
    decoys.end()


@test(root=True)
def afterwards_a_good_image_runs(w):
    """The same store that has just refused hostile images."""
    w.tmp.joinpath("lib").mkdir()
    for c in [c for c in hostile_images.cases(str(w.tmp / "victim")) if c.number % 601 == 5 and not c.slow]:
        (w.tmp / "x.tar").write_bytes(c.archive())
        w.bothy("load", "-i", w.tmp / "x.tar")
    root = w.rootfs("good")
    layer = w.run(["tar", "-C", root, "-cf", w.tmp / "layer.tar", "."])
    check_equal(layer.code, 0, layer.err)
    import_good(w, (w.tmp / "layer.tar").read_bytes())
    done = w.bothy("run", "--rm", GOOD, "/bin/busybox", "echo", "fine")
    check_equal((done.code, done.out), (0, "fine\n"), repr(done))


def import_good(w, layer):
    files = hostile_tar.oci_files(layer)
    files["index.json"] = files["index.json"].replace(b"hostile.example/x:1", GOOD.encode())
    (w.tmp / "good.tar").write_bytes(hostile_tar.outer(files))
    done = w.bothy("load", "-i", w.tmp / "good.tar")
    check_equal(done.code, 0, repr(done))
