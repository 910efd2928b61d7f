# SPDX-License-Identifier: Apache-2.0
"""bothy pull, from Debian's docker-registry and from servers that lie."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from harness import SLOW, check, check_equal, check_in, skip, test
from registries import CONFIG, Gate, INDEX, Image, Liar, MANIFEST, Registry, descriptor_of, digest_of, index_of, several_platforms, tar_of


def noise(seed, size):
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def pull(w, *args, code=0, **kwargs):
    done = w.bothy("pull", *args, **kwargs)
    check_equal(done.code, code, f"exit of pull {' '.join(map(str, args))}: {done!r}")
    return done


def names(w):
    return w.bothy("images", "--digests", "--format", "json").out


def blob_requests(registry):
    """Which blobs moved, each as often as it did."""
    return [path.rsplit("/", 1)[1] for method, path in registry.asked() if method == "GET" and "/blobs/" in path]


def verify(w, name):
    done = w.bothy("image", "verify", name)
    check_equal(done.code, 0, f"image verify: {done!r}")


@test
def layers_of_each_packing(w):
    registry = Registry(w)
    layers = [tar_of({"etc": None, "etc/a": noise(1, 200000)}), tar_of({"etc/b": b"b" * 500000, "new/c": b"c"})]
    for how in ("gzip", "zstd", "plain"):
        image = Image(layers, how, config={"Labels": {"packing": how}})
        name = registry.push(image, f"team/{how}:1")
        done = pull(w, name)
        check_equal(done.out, f"Digest: {image.digest}\nStatus: Downloaded newer image for {name}\n{name}\n", "output")
        check_equal(done.err, "", "nothing on standard error that is no terminal")
        verify(w, name)
        check_in(image.digest, names(w))
    # The second and third had the layers, but in another packing: a push needs those bytes.
    check_equal(len(os.listdir(w.tmp / "lib/layers")), 2)
    check_equal(os.listdir(w.tmp / "lib/partial/sha256"), [])


@test
def what_is_there_is_not_asked_for(w):
    registry = Registry(w)
    base = tar_of({"base": noise(2, 300000)})
    one, two = Image([base]), Image([base, tar_of({"two": b"2"})])
    first, second = registry.push(one, "team/one:1"), registry.push(two, "team/two:1")
    pull(w, first)
    registry.forget()
    done = pull(w, first)
    check_in("Status: Image is up to date for", done.out)
    check_equal(registry.asked(), [("HEAD", "/v2/team/one/manifests/1")])
    registry.forget()
    pull(w, second)
    check_equal(sorted(blob_requests(registry)), sorted([two.id, two.layers[1]]), "blobs of the second image")
    # By digest: the store knows all of it, nothing is asked at all.
    registry.forget()
    pull(w, f"{registry.host}/team/two@{two.digest}")
    check_equal(registry.asked(), [])
    # A tag that moves.
    registry.push(two, "team/one:1")
    registry.forget()
    check_in("Downloaded newer image", pull(w, first).out)
    check_equal(blob_requests(registry), [])
    check_equal(w.bothy("images", "-q", "--no-trunc").out.count("\n"), 2)


@test
def an_index_and_its_platforms(w):
    registry = Registry(w)
    native, other, older, _, top, name = several_platforms(registry)
    done = pull(w, name)
    check_in(f"Digest: {top}\n", done.out)
    check_equal(w.bothy("images", "-q", "--no-trunc").out, native.id + "\n")
    registry.forget()
    check_in("up to date", pull(w, name).out)
    check_equal(registry.asked(), [("HEAD", "/v2/team/multi/manifests/1")])
    for platform, image in (("linux/arm/v7", other), ("linux/arm/v6", older), ("linux/arm", other)):
        pull(w, "--platform", platform, name)
        check_in(image.id[7:19], w.bothy("images", "-q").out, platform)
    done = pull(w, "--platform", "linux/s390x", name, code=125)
    check_in("nothing for the platform linux/s390x", done.err)
    check_in("linux/arm/v7", done.err, "the hint")
    registry.put_manifest("team/multi", "3", registry.request("GET", f"/v2/team/multi/manifests/{top}", headers={"Accept": INDEX})[2], INDEX)
    done = w.bothy("run", "--rm", "--platform", "linux/s390x", name.replace(":1", ":3"))
    check_in("Hint: it has: linux/arm/v6", done.err, "a name that is near would not help")
    done = pull(w, name.replace(":1", ":2"), code=125)
    check_in(f"Hint: check the name and its tag; which there are: bothy search --list-tags {registry.host}/team/multi\n", done.err)


@test
def an_image_for_another_machine(w):
    """One that is no index is taken, and said to be for another; run refuses what was not wanted and what is for no Linux."""
    registry = Registry(w)
    layers = [tar_of({"bin": None, "bin/x": b"x"})]
    names = {tag: registry.push(Image(layers, platform=platform), f"team/app:{tag}")
             for tag, platform in (("other", ("linux", "riscv64")), ("win", ("windows", None)), ("own", ("linux", None)))}
    for tag, words, said in (("other", (), "is made for linux/riscv64, not for linux/"), ("own", ("--platform", "linux/s390x"), ", not for linux/s390x"),
                             ("win", ("-q",), "is made for windows/"), ("own", (), None), ("other", ("--platform", "linux/riscv64"), None)):
        for _ in range(2): # the second time it is there
            done = pull(w, *words, names[tag])
            check_equal(done.err.count("Warning"), 1 if said else 0, f"{tag} {words}: {done!r}")
            check_in(said or "", done.err)
    for tag, words, said in (("win", (), "kernel, which is Linux"), ("own", ("--platform", "linux/s390x"), "not for linux/s390x"),
                             ("other", ("--platform", "linux/ppc64le"), "made for linux/riscv64")):
        done = w.bothy("run", "--rm", *words, names[tag], "/bin/x")
        check_equal((done.code, done.out), (125, ""), f"{done!r}")
        check_in(said, done.err)
    done = w.bothy("run", "--rm", names["own"], "/bin/x")
    check("made for" not in done.err, f"{done!r}")
    check_equal(w.bothy("inspect", "--format", "{{.Os}}", names["win"]).out, "windows\n")
    # Podman's words for the same.
    check_equal(pull(w, "--arch", "riscv64", names["other"]).err, "")
    check_equal(pull(w, "--os", "windows", names["win"]).err, "")
    check_in("not for linux/arm64/v8", pull(w, "--arch", "arm64", "--variant", "v8", names["own"]).err)
    check_in("made for linux/riscv64", w.bothy("run", "--rm", "--arch", "ppc64le", names["other"], "/bin/x").err)
    for words, said in ((("--platform", "linux/arm64", "--arch", "arm64"), "--platform and --arch"), (("--variant", "v8"), "--arch is missing")):
        check_in(said, pull(w, *words, names["own"], code=125).err)


@test
def all_platforms_are_kept(w):
    registry = Registry(w)
    native, other, older, attestation, top, name = several_platforms(registry)
    pull(w, "--all-platforms", name)
    check_equal(w.bothy("images", "-q", "--no-trunc").out, native.id + "\n")
    blobs = set(os.listdir(w.tmp / "lib/blobs/sha256"))
    for image in (native, other, older, attestation):
        for digest in list(image.blobs) + [image.digest, top]:
            check(digest[7:] in blobs, f"{digest} is not kept")
    check_equal(len(os.listdir(w.tmp / "lib/layers")), 1, "unpacked layers")
    registry.forget()
    pull(w, "--all-platforms", name)
    check_equal(blob_requests(registry), [])
    # All of it goes with its name.
    check_equal(w.bothy("rmi", name).code, 0)
    check_equal(os.listdir(w.tmp / "lib/blobs/sha256"), [])


@test
def a_digest_is_what_it_says(w):
    registry = Registry(w)
    image, newer = Image([tar_of({"a": b"1"})]), Image([tar_of({"a": b"2"})])
    registry.push(image, "team/a:1")
    registry.push(newer, "team/a:1")
    name = f"{registry.host}/team/a@{image.digest}"
    done = pull(w, "-q", name)
    check_equal(done.out, name + "\n")
    check_in(image.id[7:19], w.bothy("images", "-q").out)
    check_equal(w.bothy("rmi", name).code, 0)
    check_equal(w.bothy("images", "-q").out, "")
    pull(w, f"{registry.host}/team/a@sha256:{'0' * 64}", code=125)


@test
def tags_and_policies(w):
    registry = Registry(w)
    for n in (1, 2, 3):
        registry.push(Image([tar_of({"n": b"%d" % n})]), f"team/tags:{n}")
    done = pull(w, "-a", "-q", f"{registry.host}/team/tags")
    check_equal(sorted(done.out.split()), [f"{registry.host}/team/tags:{n}" for n in (1, 2, 3)])
    pull(w, "-a", f"{registry.host}/team/tags:1", code=125)
    registry.forget()
    pull(w, "--policy", "missing", f"{registry.host}/team/tags:1")
    pull(w, "--policy", "never", f"{registry.host}/team/tags:1")
    check_equal(registry.asked(), [])
    pull(w, "--policy", "never", f"{registry.host}/team/tags:4", code=125)
    pull(w, "--policy", "sometimes", f"{registry.host}/team/tags:4", code=125)
    check_equal(registry.asked(), [])
    done = pull(w, f"{registry.host}/team/none:1", code=125)
    check_in("team/none:1", done.err)


# ---- what ends early ----


def partial(w, digest):
    return w.tmp / "lib/partial/sha256" / digest[7:]


@test
def a_beginning_is_used_and_a_damaged_one_is_not(w):
    registry = Registry(w)
    image = Image([tar_of({"big": noise(3, 3000000)})])
    name = registry.push(image, "team/big:1")
    data = image.blobs[image.layers[0]]
    half = len(data) // 2
    for what, kept, moved in (("half", data[:half], len(data) - half), ("all", data, 0), ("too much", data + b"x", len(data)),
                              ("noise", noise(4, half), len(data)), ("damaged near its end", data[:half - 9] + b"damaged!!", len(data)),
                              ("wrong to the end", noise(5, len(data)), len(data))):
        partial(w, image.layers[0]).parent.mkdir(parents=True, exist_ok=True)
        partial(w, image.layers[0]).write_bytes(kept)
        registry.forget()
        pull(w, name)
        verify(w, name)
        sizes = [int(n) for n in re.findall(rf'"GET \S+{image.layers[0]} HTTP/1.1" 20[06] (\d+)', registry.log_path.read_text())]
        # What was asked for behind a damaged beginning comes in vain; then the whole is asked for, once.
        check_equal(sizes[-1:], [moved] if moved else [], f"bytes moved, with a partial file that is {what}: {sizes}")
        check(len(sizes) <= 2, f"asked for {len(sizes)} times, with a partial file that is {what}")
        check_equal(os.listdir(w.tmp / "lib/partial/sha256"), [])
        check_equal(w.bothy("rmi", name).code, 0)


def start_pull(w, *args):
    return w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "pull", *args],
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def held_pull(w, registry, image, name, limit):
    """A pull that has got nearly @limit bytes of its last layer, all of which its worker has, and waits for more."""
    gate, file = Gate(registry, limit), partial(w, image.layers[-1])
    before = size_of(file)
    child = start_pull(w, f"{gate.host}/{name}")
    check(gate.held.wait(30), "the pull never came to the layer")
    # Large blobs are written in pieces of half a megabyte.
    w.wait_for(lambda: size_of(file) >= before + limit // 2, f"the partial file, which has {size_of(file)} bytes")
    w.wait_until_idle(child.pid)
    return gate, child


@test
def killed_and_interrupted(w):
    registry = Registry(w)
    image = Image([tar_of({"big": noise(6, 4000000)})])
    name = registry.push(image, "team/big:1")
    size, kept = len(image.blobs[image.layers[0]]), 0
    for sig, code, least in ((signal.SIGKILL, -signal.SIGKILL, 500000), (signal.SIGINT, 130, 990000), (signal.SIGTERM, 130, 990000)):
        gate, child = held_pull(w, registry, image, "team/big:1", 1000000)
        child.send_signal(sig)
        check_equal(child.wait(20), code, "exit status")
        gate.close()
        now = size_of(partial(w, image.layers[0]))
        check(now >= kept + least, f"signal {sig}: {now} bytes are kept, {kept} were, a million came")
        kept = now
        check_equal(w.bothy("images", "-q").out, "")
    registry.forget()
    pull(w, name)
    verify(w, name)
    check_in(f'{image.layers[0]} HTTP/1.1" 206 {size - kept}', registry.log_path.read_text())


@test
def readers_and_removers_beside_a_pull(w):
    registry = Registry(w)
    shared = tar_of({"shared": noise(7, 100000), "usr": None, "usr/bin": None})
    one = Image([shared])
    two = Image([shared, tar_of({"usr/bin/new": noise(8, 2000000)})])
    first = registry.push(one, "team/one:1")
    registry.push(two, "team/two:1")
    pull(w, first)
    gate, child = held_pull(w, registry, two, "team/two:1", 1000000)
    started = time.monotonic()
    check_equal(w.bothy("images", "-q").out.count("\n"), 1)
    check_equal(w.bothy("rmi", first).code, 0, "removing the image whose layer the pull has found")
    check(time.monotonic() - started < 5 * SLOW, "readers and removers waited")
    check_equal(os.listdir(w.tmp / "lib/layers"), [])
    gate.open.set()
    check_equal(child.wait(30), 0, "the pull")
    verify(w, f"{gate.host}/team/two:1")
    gate.close()


def everybody(w, registry, wanted, how_many):
    children = [start_pull(w, f"{registry.host}/{wanted[i % len(wanted)]}") for i in range(how_many)]
    outputs = [child.communicate(timeout=120) for child in children]
    for child, output in zip(children, outputs):
        check_equal(child.returncode, 0, f"a pull among many: {output}")


@test
def many_at_once_move_each_blob_once(w):
    registry = Registry(w)
    parts = [tar_of({f"part{n}": noise(10 + n, 400000), f"deep/er/{n}": b"x"}) for n in range(5)]
    images = [Image([parts[n] for n in order]) for order in ((0, 1, 2), (2, 1, 0), (3, 4), (0, 4, 3, 2), (1, 0, 3))]
    wanted = []
    for number, image in enumerate(images):
        registry.push(image, f"team/i{number}:1")
        wanted.append(f"team/i{number}:1")
    registry.forget()
    everybody(w, registry, wanted, 16)
    layers = [digest for digest in blob_requests(registry) if digest not in {image.id for image in images}]
    check_equal(sorted(layers), sorted({digest for image in images for digest in image.layers}), "layers that moved")
    for name in wanted:
        verify(w, f"{registry.host}/{name}")
    check_equal(os.listdir(w.tmp / "lib/partial/sha256"), [])


@test(long=True)
def many_at_once_with_removers(w):
    registry = Registry(w)
    parts = [tar_of({f"part{n}": noise(20 + n, 300000), f"deep/er/{n}": b"x"}) for n in range(4)]
    for number, order in enumerate(((0, 1, 2), (2, 1, 0), (3, 1))):
        registry.push(Image([parts[n] for n in order]), f"team/r{number}:1")
    stop = threading.Event()

    def remover():
        while not stop.is_set():
            for number in range(3):
                w.bothy("rmi", f"{registry.host}/team/r{number}:1")

    thread = threading.Thread(target=remover)
    thread.start()
    try:
        for _ in range(4):
            everybody(w, registry, [f"team/r{number}:1" for number in range(3)], 6)
    finally:
        stop.set()
        thread.join()
    pull(w, f"{registry.host}/team/r0:1")
    verify(w, f"{registry.host}/team/r0:1")


# ---- servers that lie ----


def manifest_of(layers, config, **more):
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}).encode()


def serve(text, media_type, blobs=()):
    answers = {"/v2/": (200, {}, b"{}"), "/v2/a/manifests/1": (200, {"Content-Type": media_type}, text),
               f"/v2/a/manifests/{digest_of(text)}": (200, {"Content-Type": media_type}, text)}
    for data in blobs:
        answers[f"/v2/a/blobs/{digest_of(data)}"] = (200, {"Content-Type": "application/octet-stream"}, data)
    return Liar(answers)


@test
def v31_media_types_and_shapes(w):
    image = Image([tar_of({"a": b"1"})])
    good = json.loads(image.manifest)
    index = json.loads(index_of([image.entry()]))
    schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    rows = [
        ("an index that says it is a manifest", json.dumps(good).encode(), INDEX, "says"),
        ("both kinds in one", json.dumps({**good, "manifests": index["manifests"]}).encode(), MANIFEST, "does not belong"),
        ("both kinds, as an index", json.dumps({**index, "layers": []}).encode(), INDEX, "does not belong"),
        ("schema 1", json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(), schema1, "schema 1"),
        ("no JSON", b"<html>", MANIFEST, "manifest"),
        ("another config", manifest_of([], descriptor_of(b"{}", "application/vnd.example+json")), MANIFEST, "no container image"),
        ("a huge config", manifest_of([], {**descriptor_of(b"{}", CONFIG), "size": 1 << 40}), MANIFEST, "at most"),
        ("other digests", manifest_of([], {**descriptor_of(b"{}", CONFIG), "digest": "sha512:" + "a" * 128}), MANIFEST, "sha256"),
        ("a bad digest", manifest_of([], {**descriptor_of(b"{}", CONFIG), "digest": "sha256:../../x"}), MANIFEST, "digest"),
        ("too many layers", manifest_of([descriptor_of(b"", CONFIG)] * 600, descriptor_of(b"{}", CONFIG)), MANIFEST, "500"),
    ]
    for what, text, media_type, why in rows:
        with contextlib.closing(serve(text, media_type, image.blobs.values())) as liar:
            done = pull(w, f"{liar.host}/a:1", code=125)
            check_in(why, done.err, what)
            check("\033" not in done.err, "escape codes reach the terminal")
    check_equal(w.bothy("images", "-q").out, "")


@test
def v16_every_byte_is_verified(w):
    image = Image([tar_of({"a": noise(9, 50000)})])
    layer, config = image.layers[0], image.id
    for what, digest, data in (("layer", layer, noise(1, len(image.blobs[layer]))), ("layer, longer", layer, image.blobs[layer] + b"x"),
                               ("config", config, b" " * len(image.blobs[config]))):
        with contextlib.closing(serve(image.manifest, MANIFEST, image.blobs.values())) as liar:
            liar.answers[f"/v2/a/blobs/{digest}"] = (200, {}, data)
            done = pull(w, f"{liar.host}/a:1", code=125)
            check_in(digest[7:19], done.err, what)
            check(len([1 for _, path in liar.asked if digest in path]) <= 8, f"asked again and again: {what}")
    # A manifest that is not what its digest says.
    with contextlib.closing(serve(image.manifest, MANIFEST)) as liar:
        liar.answers[f"/v2/a/manifests/{image.digest}"] = (200, {"Content-Type": MANIFEST}, image.manifest + b" ")
        pull(w, f"{liar.host}/a@{image.digest}", code=125)
    check_equal(w.bothy("images", "-q").out, "")
    check_equal(os.listdir(w.tmp / "lib/blobs/sha256"), [])


@test
def a_layer_that_breaks_rules(w):
    registry = Registry(w)
    good, bad = tar_of({"a": noise(1, 100000)}), tar_of({"x": b"x"}).replace(b"x\0", b"..", 1)
    image = Image([good, bad])
    name = registry.push(image, "team/bad:1")
    done = pull(w, name, code=125)
    check_in(image.layers[1][7:19], done.err)
    check_equal(w.bothy("images", "-q").out, "")
    # A config that lies about a layer's content.
    lie = Image([good])
    config = json.loads(lie.blobs[lie.id])
    config["rootfs"]["diff_ids"] = [digest_of(b"other")]
    manifest = json.loads(lie.manifest)
    manifest["config"] = lie.blob(json.dumps(config).encode(), CONFIG)
    lie.manifest = json.dumps(manifest).encode()
    done = pull(w, registry.push(lie, "team/lie:1"), code=125)
    check_in("diff_id", done.err)


# ---- how it looks ----


@test
def progress_in_each_form(w):
    registry = Registry(w)
    image = Image([tar_of({"a": noise(1, 2000000)}), tar_of({"b": b"b"})])
    name = registry.push(image, "team/form:1")
    for form in ("plain", "json", "quiet", "tty", "auto"):
        done = pull(w, "--progress", form, name)
        check_in(name, done.out)
        check("\033" not in done.out + done.err, f"{form}: escape codes, and no terminal")
        if form in ("plain", "tty"):
            check_in(f"{image.layers[0][7:19]}: Pull complete", done.err)
        elif form == "json":
            lines = [json.loads(line) for line in done.err.splitlines()]
            check_equal({line["id"] for line in lines}, set(image.layers))
            check(all(line["current"] <= line["total"] for line in lines), "more than all")
        else:
            check_equal(done.err, "", form)
        w.bothy("rmi", name)
    pull(w, "--progress", "loud", name, code=125)


@test
def bars_on_a_terminal(w):
    script = shutil.which("script") or skip("script(1) is not installed")
    registry = Registry(w)
    image = Image([tar_of({"a": noise(1, 2000000)}), tar_of({"b": b"b"})])
    name = registry.push(image, "team/bars:1")
    command = f"{w.bin}/bothy --root {w.tmp}/lib --state {w.tmp}/run/bothy pull {name} >/dev/null"
    for colour in (True, False):
        w.env.pop("NO_COLOR", None)
        if not colour:
            w.env["NO_COLOR"] = "1"
        w.env.update(TERM="xterm", LC_ALL="C")
        done = w.run([script, "-qec", command, "/dev/null"])
        check_equal(done.code, 0, f"{done!r}")
        check_in("2 of 2 layers", done.out)
        check_in("Pull complete", done.out)
        check(("\033[32m" in done.out) == colour, f"colours: {done.out!r}")
        check("\033[?25l" not in done.out, "the cursor is hidden")
        w.bothy("rmi", name)


@test
def run_pulls_what_is_missing(w):
    registry = Registry(w)
    busybox = shutil.which("busybox") or skip("busybox-static is not installed")
    with open(busybox, "rb") as program:
        base = tar_of({"bin": None, "bin/busybox": program.read(), "etc": None, "proc": None, "sys": None, "dev": None})
    base = base.replace(b"0000644", b"0000755")
    base = fix_checksums(base)
    command = {"Entrypoint": ["/bin/busybox"], "Cmd": ["echo", "one"]}
    name = registry.push(Image([base], config=command), "team/run:1")
    done = w.bothy("run", "--pull", "never", name)
    check_equal(done.code, 125)
    done = w.bothy("run", "--rm", name)
    check_equal((done.code, done.out), (0, "one\n"), f"{done!r}")
    registry.forget()
    check_equal(w.bothy("run", "--rm", name).out, "one\n")
    check_equal(registry.asked(), [])
    registry.push(Image([base], config={**command, "Cmd": ["echo", "two"]}), "team/run:1")
    check_equal(w.bothy("run", "--rm", name).out, "one\n")
    check_equal(w.bothy("run", "--rm", "--pull", "always", name).out, "two\n")
    registry.close()
    w.env["BOTHY_FETCH_STALL"] = "2s"  # short delays between its tries
    check_equal(w.bothy("run", "--rm", "--pull", "newer", name, timeout=120).out, "two\n")
    check_equal(w.bothy("run", "--pull", "often", name).code, 125)


def fix_checksums(archive):
    """The headers of a tar archive after its bytes were changed."""
    out = bytearray(archive)
    for at in range(0, len(out), 512):
        if out[at + 257:at + 262] == b"ustar":
            out[at + 148:at + 156] = b" " * 8
            out[at + 148:at + 156] = b"%06o\0 " % sum(out[at:at + 512])
    return bytes(out)
