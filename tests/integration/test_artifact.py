# SPDX-License-Identifier: Apache-2.0
"""artifact push and pull: files through a registry, and registries that give them bad names."""

import json
import os

import hostile_tar as hostile
from fault_proxy import Server, docker_registry
from harness import check, check_equal, check_in, test
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
def bad_words(w):
    (w.tmp / "f").write_text("x")
    for words, said in ((["push", "Bad"], "lower"), (["push", "h.example/a", w.tmp / "none"], "No such file"), (["push", "h.example/a", "/"], "does not name"),
                        (["push", "h.example/a", w.tmp], "no regular file"), (["push", "h.example/a", w.tmp / "f", w.tmp / "f"], "two files"),
                        (["pull"], "requires"), (["push"], "requires")):
        done = registry_bothy(w, "artifact", *words)
        check_equal(done.code, 125, f"{words}")
        check_in(said, done.err)
