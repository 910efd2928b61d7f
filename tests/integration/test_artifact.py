# SPDX-License-Identifier: Apache-2.0
"""artifact push and pull: files through a registry, and registries that give them bad names."""

import json
import os
import subprocess

import hostile_tar as hostile
from fault_proxy import Server, docker_registry
from harness import SLOW, check, check_equal, check_in, test
from test_registry import driver, registry_bothy


def ok(w, *words):
    done = registry_bothy(w, *words)
    check_equal(done.code, 0, f"{words}: {done!r}")
    return done.out


@test
def there_and_back(w):
    (w.tmp / "in").mkdir()
    (w.tmp / "in/notes.txt").write_text("notes\n")
    (w.tmp / "in/big.bin").write_bytes(os.urandom(3_000_000))
    with docker_registry(w) as host:
        name = f"{host}/team/notes:1"
        digest = ok(w, "artifact", "push", "--artifact-type", "application/x-notes", "-a", "a.b=c", name,
                    f"{w.tmp}/in/notes.txt:text/plain", w.tmp / "in/big.bin").strip()
        check_equal(sorted(ok(w, "artifact", "pull", "-o", w.tmp / "out", name).split()), ["big.bin", "notes.txt"])
        for file in ("notes.txt", "big.bin"):
            check_equal((w.tmp / "out" / file).read_bytes(), (w.tmp / "in" / file).read_bytes(), file)
        check_equal(sorted(os.listdir(w.tmp / "out")), ["big.bin", "notes.txt"], "nothing else")
        again = registry_bothy(w, "artifact", "pull", "-o", w.tmp / "out", name)
        check_equal(again.code, 125)
        check_in("is there already", again.err)
        ok(w, "artifact", "pull", "-q", "-o", w.tmp / "by-digest", f"{host}/team/notes@{digest}")
        code, out, err = driver(w, "manifest", name)
        check_equal(code, 0, err)
        m = json.loads(out)
        check_equal((m["artifactType"], m["annotations"]), ("application/x-notes", {"a.b": "c"}))
        check_equal(m["layers"][0]["mediaType"], "text/plain")
        sbom = ok(w, "artifact", "push", "--subject", "1", f"{host}/team/notes:sbom", f"{w.tmp}/in/notes.txt").strip()
        code, out, err = driver(w, "manifest", f"{host}/team/notes@{sbom}")
        check_equal(json.loads(out)["subject"]["digest"], digest, err)


@test
def kept_in_the_store(w):
    """Podman's way: add, ls, inspect, push, pull, extract, rm; what goes leaves nothing behind."""
    (w.tmp / "in").mkdir()
    (w.tmp / "in/notes.txt").write_text("notes\n")
    (w.tmp / "in/big.bin").write_bytes(os.urandom(3_000_000))
    files = [f"{w.tmp}/in/notes.txt:text/plain", w.tmp / "in/big.bin"]
    with docker_registry(w) as host:
        name = f"{host}/team/notes:1"
        done = registry_bothy(w, "artifact", "push", name)
        check_equal((done.code, done.out), (125, ""))
        check_in("there is no artifact", done.err)
        check_in("artifact push NAME FILE...", done.err)
        digest = ok(w, "artifact", "add", "--artifact-type", "application/x-notes", "--annotation", "a.b=c", name, *files).strip()
        check_equal(ok(w, "artifact", "ls", "--no-trunc", "--format", "{{.Repository}} {{.Tag}} {{.Digest}} {{.Type}}"),
                    f"{host}/team/notes 1 {digest} application/x-notes\n")
        shown = json.loads(ok(w, "artifact", "inspect", name))
        check_equal((shown["Name"], shown["Digest"], shown["Manifest"]["annotations"]), (name, digest, {"a.b": "c"}))
        check_equal(ok(w, "artifact", "inspect", "--format", "{{(index .Manifest.layers 0).mediaType}}", digest[7:19]), "text/plain\n")
        check_equal(ok(w, "artifact", "push", name).strip(), digest)
        check_equal(ok(w, "artifact", "rm", name), f"Deleted: {digest}\n")
        check_equal(os.listdir(w.tmp / "lib/blobs/sha256"), [], "its blobs went along")
        check_equal(ok(w, "artifact", "pull", name).strip(), digest)
        check_equal(sorted(ok(w, "artifact", "extract", name, w.tmp / "out").split()), ["big.bin", "notes.txt"])
        for file in ("notes.txt", "big.bin"):
            check_equal((w.tmp / "out" / file).read_bytes(), (w.tmp / "in" / file).read_bytes(), file)
        check_in("is there already", registry_bothy(w, "artifact", "extract", name, w.tmp / "out").err)
        ok(w, "artifact", "pull", "-q", f"{host}/team/notes@{digest}")
        check_equal(len(ok(w, "artifact", "ls", "-q").split()), 2)
        ok(w, "image", "prune", "-af")
        check_equal(len(ok(w, "artifact", "ls", "-q").split()), 2, "prune leaves artifacts alone")
        ok(w, "artifact", "rm", name)
        ok(w, "artifact", "inspect", f"{host}/team/notes@{digest}")
        # Another under the same name: what the first had goes.
        ok(w, "artifact", "rm", "--all")
        ok(w, "artifact", "add", name, *files)
        taken = registry_bothy(w, "artifact", "add", name, files[0])
        check_equal((taken.code, taken.out), (125, ""))
        check_in("--append adds files to it, --replace", taken.err)
        second = ok(w, "artifact", "add", "--replace", name, files[0]).strip()
        check_equal(ok(w, "artifact", "ls", "-q"), second + "\n")
        check_equal(len(os.listdir(w.tmp / "lib/blobs/sha256")), 3)
        check_in("good", ok(w, "system", "check"))
        for words, said in ((["rm", "team/none"], "no artifact"), (["rm"], "no artifact was named"), (["rm", "--all", name], "at once"),
                            (["inspect", "team/none"], "no artifact"), (["extract", "team/none", w.tmp / "x"], "no artifact"),
                            (["add", name, w.tmp / "in"], "in"), (["add", name, files[0], files[0]], "two files"),
                            (["add", "--append", "team/none", files[1]], "no artifact"), (["add", "--append", name, files[0]], "a file 'notes.txt' already"),
                            (["add", "--append", "--replace", name, files[1]], "together"), (["add", "--append", "--type", "a/b", name, files[1]], "together"),
                            (["add", f"a@{digest}", files[0]], "digest"), (["push", "--subject", "1", name], "files"),
                            (["pull", f"{host}/team/none:1"], "404"), (["pull", f"{host}/team/notes@sha256:{'0' * 64}"], "404")):
            done = registry_bothy(w, "artifact", *words)
            check_equal((done.code, done.out), (125, ""), f"{words}: {done!r}")
            check_in(said, done.err, f"{words}")
        ok(w, "artifact", "rm", "--ignore", "team/none")
        # An image is none, and the other way round.
        for words in (["inspect", name], ["rmi", name], ["save", "-o", w.tmp / "x", name], ["tag", name, "x"]):
            check_in("it is an artifact", registry_bothy(w, *words).err, f"{words}")
        check("it is an artifact" not in registry_bothy(w, "inspect", "team/none").err)
        served = registry_bothy(w, "pull", name)
        check_in("artifact pull", served.err)


@test
def files_are_appended(w):
    """What was there stays, with its annotations; two at once lose nothing."""
    for number in range(6):
        (w.tmp / f"f{number}").write_text(f"file {number}\n")
    first = ok(w, "artifact", "add", "--type", "a/b", "--annotation", "a=1", "team/notes:1", w.tmp / "f0").strip()
    second = ok(w, "artifact", "add", "-a", "--annotation", "b=2", "--file-type", "text/plain", "team/notes:1", f"{w.tmp}/f1", f"{w.tmp}/f2:c/d").strip()
    check(first != second)
    shown = json.loads(ok(w, "artifact", "inspect", "team/notes:1"))
    check_equal(shown["Digest"], second)
    check_equal([(f["mediaType"], f["annotations"]["org.opencontainers.image.title"]) for f in shown["Manifest"]["layers"]],
                [("application/octet-stream", "f0"), ("text/plain", "f1"), ("c/d", "f2")])
    check_equal((shown["Manifest"]["artifactType"], shown["Manifest"]["annotations"]), ("a/b", {"a": "1", "b": "2"}))
    check_equal(ok(w, "artifact", "ls", "-q"), second + "\n")
    check_equal(len(os.listdir(w.tmp / "lib/blobs/sha256")), 5, "the first manifest went, its file stayed")
    ok(w, "artifact", "extract", "team/notes:1", w.tmp / "out")
    check_equal([(w.tmp / "out" / f"f{n}").read_text() for n in range(3)], [f"file {n}\n" for n in range(3)])
    # Each of these has its file in the end, or says that it has not.
    words = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "artifact", "add", "--append", "team/notes:1"]
    at_once = [w.spawn([*words, w.tmp / f"f{n}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for n in (3, 4, 5)]
    done = [(child.communicate(timeout=60 * SLOW)[1], child.returncode) for child in at_once]
    titles = ok(w, "artifact", "inspect", "--format", '{{range .Manifest.layers}}{{index .annotations "org.opencontainers.image.title"}} {{end}}', "team/notes:1").split()
    check_equal(sorted(titles), sorted(["f0", "f1", "f2", *(f"f{n}" for n, (_, code) in zip((3, 4, 5), done) if code == 0)]))
    check(any(code == 0 for _, code in done))
    for said, code in done:
        check(code == 0 or (code == 125 and "changed it meanwhile" in said), f"{code}: {said}")
    check_in("good", ok(w, "system", "check"))


@test
def some_files_are_extracted(w):
    for name in ("one", "two"):
        (w.tmp / name).write_text(name)
    digest = hostile.sha(b"two")
    ok(w, "artifact", "add", "team/pair", w.tmp / "one", w.tmp / "two")
    ok(w, "artifact", "add", "team/single", w.tmp / "one")
    (w.tmp / "there").mkdir()
    check_equal(ok(w, "artifact", "extract", "--title", "two", "team/pair", w.tmp / "there"), "two\n")
    check_equal(ok(w, "artifact", "extract", "--digest", digest, "team/pair", w.tmp / "there"), digest.replace(":", "-") + "\n")
    check_equal(sorted(os.listdir(w.tmp / "there")), [digest.replace(":", "-"), "two"])
    # One file becomes what is named; with '/' or as one of several it goes into a new folder.
    for words, file in ((["--title", "two", "team/pair", w.tmp / "a"], "a"), (["--digest", digest, "team/pair", w.tmp / "b"], "b"),
                        (["--title", "two", "team/pair", f"{w.tmp}/c/"], "c/two"), (["team/pair", w.tmp / "d"], "d/two")):
        ok(w, "artifact", "extract", "-q", *words)
        check_equal((w.tmp / file).read_text(), "two", f"{words}")
    ok(w, "artifact", "extract", "-q", "team/single", w.tmp / "e")
    check_equal((w.tmp / "e").read_text(), "one")
    w.run([w.bin / "bothy", "--root", w.tmp / "lib", "artifact", "extract", "-q", "team/single", "f"], cwd=w.tmp)
    check_equal((w.tmp / "f").read_text(), "one", "a path without a folder")
    for words, said in ((["--title", "three", "team/pair", w.tmp / "x"], "no file called 'three'"), (["--digest", "sha256:" + 64 * "0", "team/pair", w.tmp / "x"], "no file with the digest"),
                        (["--title", "one", "--digest", digest, "team/pair", w.tmp / "x"], "together"), (["team/pair", w.tmp / "a"], "no folder"),
                        (["team/single", w.tmp / "a"], "is there already"), (["team/single", w.tmp / "none/x"], "No such file")):
        done = registry_bothy(w, "artifact", "extract", *words)
        check_equal((done.code, done.out), (125, ""), f"{words}: {done!r}")
        check_in(said, done.err, f"{words}")
    check_equal((w.tmp / "a").read_text(), "two", "nothing was replaced")
    check(not (w.tmp / "x").exists())


@test
def blobs_without_a_name(w):
    """Other tools' artifacts: a chart, say. Podman's name for such a blob is its digest."""
    with Server() as server:
        config, blob = server.add(b"{}"), server.add(b"chart")
        text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config, "size": 2},
                           "layers": [{"mediaType": "a/b", "digest": blob, "size": 5}]}).encode()
        server.add_manifest("team/chart", "1", text, "application/vnd.oci.image.manifest.v1+json")
        ok(w, "artifact", "pull", "--tls-verify=false", f"{server.host}/team/chart:1")
        check_equal(ok(w, "artifact", "extract", f"{server.host}/team/chart:1", f"{w.tmp}/out/"), blob.replace(":", "-") + "\n")
        check_equal((w.tmp / "out" / blob.replace(":", "-")).read_bytes(), b"chart")
        done = registry_bothy(w, "artifact", "pull", "--tls-verify=false", "-o", w.tmp / "out2", f"{server.host}/team/chart:1")
        check_in("nothing in it has a file name", done.err)


@test
def what_they_take(w):
    """system df: a row, and with -v one for each; what images have as well counts as theirs."""
    (w.tmp / "f").write_bytes(os.urandom(5000))
    before = ok(w, "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}").splitlines()
    check_in("Artifacts 0 0B", "\n".join(before))
    ok(w, "artifact", "add", "team/notes:1", w.tmp / "f")
    lines = ok(w, "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}} {{.Reclaimable}}").splitlines()
    row = next(line for line in lines if line.startswith("Artifacts"))
    check_in("Artifacts 1 5.", row)
    check_in("Compressed layers 0 0B", "\n".join(lines))
    shown = json.loads(ok(w, "system", "df", "-v", "--format", "json"))
    check_equal([(a["Repository"], a["Tag"]) for a in shown["Artifacts"]], [("docker.io/team/notes", "1")])
    check_in("Artifacts space usage:", ok(w, "system", "df", "-v"))


@test
def blobs_that_lie(w):
    """A registry that sends other bytes than the manifest says: nothing of it is kept."""
    with Server() as server:
        served(server, ["fine"], digest=hostile.sha(b"else"))
        server.blobs[hostile.sha(b"else")] = b"evil"
        done = registry_bothy(w, "artifact", "pull", "--tls-verify=false", f"{server.host}/team/a:1")
        check_equal((done.code, done.out), (125, ""), f"{done!r}")
        check_equal(ok(w, "artifact", "ls", "-q"), "")
        served(server, ["../up"], data=b"fine")
        ok(w, "artifact", "pull", "--tls-verify=false", f"{server.host}/team/a:1")
        done = registry_bothy(w, "artifact", "extract", f"{server.host}/team/a:1", f"{w.tmp}/out/folder/")
        check_equal(done.code, 125)
        check_equal((os.listdir(w.tmp / "out/folder"), os.listdir(w.tmp / "out")), ([], ["folder"]))


def served(server, title, digest=None, data=b"data"):
    """An artifact whose one file is called @title."""
    config, blob = server.add(b"{}"), server.add(data)
    text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "a/b",
                       "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                       "layers": [{"mediaType": "a/b", "digest": digest or blob, "size": len(data),
                                   "annotations": {"org.opencontainers.image.title": t}} for t in title]}).encode()
    server.add_manifest("team/a", "1", text, "application/vnd.oci.image.manifest.v1+json")


@test
def hostile_names(w):
    (w.tmp / "out").mkdir()
    (w.tmp / "outside").write_text("mine")
    (w.tmp / "out/link").symlink_to(w.tmp / "outside")
    with Server() as server:
        for titles in (["../outside"], ["/etc/x"], [".."], ["a/b"], [""], ["link"], ["x" * 300], ["twin", "twin"], ["-rf"], ["\x1b[2J"]):
            served(server, titles)
            done = registry_bothy(w, "artifact", "pull", "--tls-verify=false", "-o", w.tmp / "out", f"{server.host}/team/a:1")
            check_equal((done.code, done.out), (125, ""), f"{titles}: {done!r}")
            check("\x1b" not in done.err)
        check_equal((w.tmp / "outside").read_text(), "mine")
        check_equal(os.listdir(w.tmp / "out"), ["link"])
        served(server, ["fine"], digest=hostile.sha(b"else"))
        server.blobs[hostile.sha(b"else")] = b"evil"
        done = registry_bothy(w, "artifact", "pull", "--tls-verify=false", "-o", w.tmp / "out", f"{server.host}/team/a:1")
        check_equal(done.code, 125)
        check_in("its content has digest", done.err)
        check_equal(os.listdir(w.tmp / "out"), ["link"], "no file with the wrong content")


@test
def two_pulls_into_one_folder(w):
    """One that hangs, and one that is done: none takes the other's file for its own, nor the user's."""
    half = os.urandom(300_000)
    (w.tmp / "out").mkdir()
    (w.tmp / "out/.bothy-artifact").write_text("the user's own")
    with Server() as slow, Server() as quick:
        served(slow, ["slow"], data=half)
        served(quick, ["quick"], data=b"whole")
        slow.fault = lambda _method, path, _headers: {"hang": 100_000} if path.endswith(hostile.sha(half)) else None
        words = [w.bin / "bothy", "artifact", "pull", "--tls-verify=false", "-o", w.tmp / "out", f"{slow.host}/team/a:1"]
        first = w.spawn(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        w.wait_for(lambda: [n for n in os.listdir(w.tmp / "out") if (w.tmp / "out" / n).stat().st_size == 100_000], "the first half")
        ok(w, "artifact", "pull", "--tls-verify=false", "-o", w.tmp / "out", f"{quick.host}/team/a:1")
        check_equal((w.tmp / "out/quick").read_bytes(), b"whole")
        left = set(os.listdir(w.tmp / "out")) - {"quick", ".bothy-artifact"}
        check_equal([(w.tmp / "out" / n).stat().st_size for n in left], [100_000], "the other's file")
        # The fetcher must not be able to change what has been checked. (Its descriptors are for root to see.)
        fetchers = [] if not w.root else subprocess.run(["pgrep", "-P", str(first.pid)], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        open_files = [os.readlink(f"/proc/{pid}/fd/{fd}") for pid in fetchers for fd in os.listdir(f"/proc/{pid}/fd")]
        check(not any(str(w.tmp / "out") in file for file in open_files), f"{open_files}")
        first.kill()
        first.wait()
        check_equal((w.tmp / "out/.bothy-artifact").read_text(), "the user's own")


@test
def a_subject_is_what_it_contains(w):
    (w.tmp / "f").write_text("x")
    with Server() as server:
        digest = server.add_image("team/a", "1", [b"layer"])
        size = len(server.manifests["team/a", "1"][0])
        server.fault = lambda method, path, _headers: ({"status": 200, "headers": {
            "Docker-Content-Digest": hostile.sha(b"a lie"), "Content-Type": "application/vnd.oci.image.manifest.v1+json"}}
            if method == "HEAD" and path.endswith("manifests/1") else None)
        ok(w, "artifact", "push", "--tls-verify=false", "--subject", "1", f"{server.host}/team/a:sig", w.tmp / "f")
        subject = json.loads(server.manifests["team/a", "sig"][0])["subject"]
        check_equal((subject["digest"], subject["size"]), (digest, size))


@test
def bad_words(w):
    (w.tmp / "f").write_text("x")
    for words, said in ((["push", "Bad"], "lower"), (["push", "h.example/a", w.tmp / "none"], "No such file"), (["push", "h.example/a", "/"], "does not name"),
                        (["push", "h.example/a", w.tmp], "no regular file"), (["push", "h.example/a", w.tmp / "f", w.tmp / "f"], "two files"),
                        (["pull"], "requires"), (["push"], "requires")):
        done = registry_bothy(w, "artifact", *words)
        check_equal(done.code, 125, f"{words}")
        check_in(said, done.err)
