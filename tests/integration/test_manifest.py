# SPDX-License-Identifier: Apache-2.0
"""bothy manifest: lists of images of several platforms, made here, pushed, and read back."""

import json

import hostile_tar as hostile
from harness import check, check_equal, check_in, test
from image_layouts import INDEX, Layout, tar
from registries import Registry


def ok(w, *args):
    done = w.bothy(*args)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


def two_images(w, prefix=""):
    """One image each for amd64 and arm64 in the store."""
    digests = []
    for arch in ("amd64", "arm64"):
        layout = Layout(w.tmp / f"layout-{arch}")
        _, descriptor = layout.image([tar(hostile.entry("arch", arch.encode()))], f"{prefix}app:{arch}", platform=("linux", arch), compress=True)
        digests.append(descriptor["digest"])
        done = w.bothy("load", "-q", "-i", layout.folder, *(["--platform", "linux/arm64"] if arch == "arm64" else []))
        check_equal(done.code, 0, f"{done!r}")
    return digests


def inspect(w, name):
    return json.loads(ok(w, "manifest", "inspect", name))


@test
def a_list_is_made_and_edited(w):
    amd, arm = two_images(w)
    empty = ok(w, "manifest", "create", "lists/app:1").strip()
    check(empty.startswith("sha256:"), empty)
    check_equal(inspect(w, "lists/app:1"), {"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    check_equal(w.bothy("manifest", "exists", "lists/app:1").code, 0)
    check_equal(w.bothy("manifest", "exists", "lists/app:2").code, 1)
    check_equal(w.bothy("manifest", "exists", "app:amd64").code, 1, "an image is no list")
    ok(w, "manifest", "add", "lists/app:1", "app:amd64")
    digest = ok(w, "manifest", "add", "--annotation", "k=v", "--os-version", "7", "lists/app:1", "app:arm64").strip()
    got = inspect(w, "lists/app:1")
    check_equal([(m["digest"], m["platform"]) for m in got["manifests"]], [
        (amd, {"architecture": "amd64", "os": "linux"}), (arm, {"architecture": "arm64", "os": "linux", "os.version": "7"})])
    check_equal(got["manifests"][1]["annotations"], {"k": "v"})
    text = (w.tmp / "lib/blobs/sha256" / digest[7:]).read_bytes()
    check_equal(hostile.sha(text), digest)
    ok(w, "manifest", "add", "lists/app:1", "app:amd64")
    check_equal(len(inspect(w, "lists/app:1")["manifests"]), 2, "once more is no second entry")
    ok(w, "manifest", "annotate", "--variant", "v8", "--features", "sve", "lists/app:1", arm)
    platform = {m["digest"]: m["platform"] for m in inspect(w, "lists/app:1")["manifests"]}[arm]
    check_equal((platform["variant"], platform["features"], platform["os.version"]), ("v8", ["sve"], "7"))
    ok(w, "manifest", "remove", "lists/app:1", arm)
    check_equal([m["digest"] for m in inspect(w, "lists/app:1")["manifests"]], [amd])
    check_in("Untagged: lists/app:1\n", ok(w, "manifest", "rm", "lists/app:1"))
    check_equal(w.bothy("manifest", "exists", "lists/app:1").code, 1)
    ok(w, "image", "verify", "app:amd64", "app:arm64")


@test
def what_cannot_be_done_is_said(w):
    _, arm = two_images(w)
    ok(w, "manifest", "create", "l:1", "app:amd64")
    for args, want in ((("create", "l:1"), "--amend"), (("create", "app:amd64"), "is taken"), (("add", "none:1", "app:amd64"), "no manifest list"),
                       (("remove", "l:1", arm), "has no sha256:"), (("annotate", "--arch", "x", "l:1", arm), "has no sha256:"),
                       (("rm", "app:amd64"), "is an image and no manifest list"), (("add", "app:arm64", "app:amd64"), "no manifest list"),
                       (("annotate", "--annotation", "novalue", "l:1", "app:amd64"), "expected KEY=VALUE"),
                       (("push", "-f", "v2s2", "l:1"), "not as v2s2")):
        done = w.bothy("manifest", *args)
        check_equal(done.code, 125, f"{args}: {done!r}")
        check_in(want, done.err, args)
    ok(w, "manifest", "create", "--amend", "l:1", "app:arm64")
    check_equal(len(inspect(w, "l:1")["manifests"]), 2)


@test
def a_list_keeps_what_it_names(w):
    amd, arm = two_images(w)
    ok(w, "manifest", "create", "l:1", "app:amd64", "app:arm64")
    check_in("  index      docker.io/library/l:1", ok(w, "image", "tree", "--why", "app:arm64"))
    ok(w, "rmi", "app:arm64")
    rows = [json.loads(line) for line in ok(w, "manifest", "inspect", "l:1").splitlines() if not line]
    check_equal(rows, [])
    check((w.tmp / "lib/blobs/sha256" / arm[7:]).exists(), "the manifest of the image that was removed")
    verbose = json.loads(ok(w, "manifest", "inspect", "-v", "l:1"))
    check_equal([v["Descriptor"]["digest"] for v in verbose], [amd, arm])
    check_equal(verbose[1]["OCIManifest"]["schemaVersion"], 2)
    ok(w, "manifest", "rm", "l:1")
    check(not (w.tmp / "lib/blobs/sha256" / arm[7:]).exists(), "goes with the list")


@test
def a_list_is_pushed_and_comes_back(w):
    host = Registry(w).host
    amd, arm = two_images(w, f"{host}/")
    name = f"{host}/team/app:1"
    ok(w, "manifest", "create", "l:1", f"{host}/app:amd64", f"{host}/app:arm64")
    ok(w, "rmi", f"{host}/app:arm64")
    digest = ok(w, "manifest", "push", "--tls-verify=false", "l:1", f"docker://{name}").strip().splitlines()[-1]
    check_equal(w.bothy("manifest", "exists", "l:1").code, 0)

    def there(*args):
        done = w.run([w.bin / "bothy", "--root", w.tmp / "there", "--state", w.tmp / "run/there", *args])
        check_equal(done.code, 0, f"{done!r}")
        return done.out

    remote = json.loads(there("manifest", "inspect", "--insecure", name))
    check_equal([m["digest"] for m in remote["manifests"]], [amd, arm])
    for platform in ("linux/amd64", "linux/arm64"):
        there("pull", "-q", "--tls-verify=false", "--platform", platform, name)
        there("image", "verify", name)
    # From the registry into a list: every platform.
    there("manifest", "create", "--tls-verify=false", "--all", "again:1", f"docker://{name}")
    check_equal([m["digest"] for m in json.loads(there("manifest", "inspect", "again:1"))["manifests"]], [amd, arm])
    again = there("manifest", "push", "--purge", "--tls-verify=false", "again:1", f"{host}/other/app:2").strip().splitlines()[-1]
    check_equal(w.run([w.bin / "bothy", "--root", w.tmp / "there", "manifest", "exists", "again:1"]).code, 1)
    check(again.startswith("sha256:") and digest.startswith("sha256:"), again)
