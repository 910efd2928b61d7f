# SPDX-License-Identifier: Apache-2.0
"""What a registry can make a pull cost: documents, promised bytes, endless lists (V30)."""

import json
import os
import re
import subprocess

import hostile_tar as hostile
from fault_proxy import Server
from harness import SLOW, check, check_equal, check_in, read, test
from registries import INDEX, MANIFEST, Image, descriptor_of, index_of, tar_of
from test_registry import driver


def serve(server, image, repository="team/app", tag="1"):
    server.blobs.update(image.blobs)
    server.add_manifest(repository, tag, image.manifest, MANIFEST)


def serve_index(server, entries):
    server.add_manifest("team/app", "1", index_of(entries), INDEX)
    return f"{server.host}/team/app:1"


def foreign(server, size, number=0):
    """The entry of an image for another machine with a layer that is said to have @size bytes."""
    other = Image([tar_of({"a": str(number).encode()})], platform=("linux", "s390x"))
    document = json.loads(other.manifest)
    document["layers"][0]["size"] = size
    other.manifest = json.dumps(document).encode()
    serve(server, other, tag=descriptor_of(other.manifest, MANIFEST)["digest"])
    return {**descriptor_of(other.manifest, MANIFEST), "platform": other.platform}


@test
def the_documents_of_all_platforms_together(w):
    """Twelve manifests of 4 MB each: none is too large, together they are."""
    with Server() as server:
        entries = []
        for number in range(12):
            other = Image([tar_of({"a": b"x"})], platform=("linux", "s390x"), annotations={"padding": f"{number}" + "x" * 4_000_000})
            serve(server, other, tag=f"{number}")
            entries.append(other.entry(**other.platform))
        native = Image([tar_of({"a": b"native"})])
        serve(server, native, tag="native")
        name = serve_index(server, [native.entry(**native.platform), *entries])
        peak = []

        def fault(_method, path, _headers):
            if "/manifests/" in path:
                peak.append(int(re.search(r"VmHWM:\s+(\d+)", read(f"/proc/{process.pid}/status", "VmHWM: 0")).group(1)))

        server.fault = fault
        process = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "pull", "--all-platforms", name],
                          stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=120 * SLOW)
        check_equal(process.returncode, 125)
        check_in("documents have more than 16777216 bytes together", err)
        check(max(peak) > 0, "nobody was measured")
        w.check_memory(max(peak), 64 << 10)
        server.fault = None
        check_equal(w.bothy("pull", "-q", name).code, 0, "this machine's alone")


@test
def what_other_platforms_promise(w):
    """A blob that nobody unpacks is bounded by nothing but its descriptor: that is looked at before a byte of it moves."""
    disk = os.statvfs(w.tmp)
    free = disk.f_bfree * disk.f_frsize
    rows = [([1 << 50], "at most 274877906944 are accepted"), ([200 << 30] * 3, "together have more than 549755813888 bytes")]
    if free < 200 << 30:
        rows.append(([free + (1 << 30)], "the disk has room for"))
    with Server() as server:
        native = Image([tar_of({"a": b"native"})])
        serve(server, native, tag="native")
        for sizes, why in rows:
            name = serve_index(server, [native.entry(**native.platform)] + [foreign(server, size, n) for n, size in enumerate(sizes)])
            server.log.clear()
            done = w.bothy("pull", "--all-platforms", name)
            check_equal(done.code, 125, repr(done))
            check_in(why, done.err)
            check(not any(layer in path for _, path, _ in server.log for layer in promised(server)), "such a layer was asked for")
        check_equal(w.bothy("pull", "-q", name).code, 0, "this machine's alone")


def promised(server):
    """The digests of layers that are said to be large."""
    documents = [json.loads(text) for (_, _), (text, kind) in server.manifests.items() if kind == MANIFEST]
    return {layer["digest"] for document in documents for layer in document["layers"] if layer["size"] > 1 << 30}


@test
def a_layer_larger_than_the_disk(w):
    disk = os.statvfs(w.tmp)
    with Server() as server:
        image = Image([tar_of({"a": b"x"})])
        document = json.loads(image.manifest)
        document["layers"][0]["size"] = min(disk.f_bfree * disk.f_frsize + (1 << 30), 1 << 50)
        image.manifest = json.dumps(document).encode()
        serve(server, image)
        done = w.bothy("pull", f"{server.host}/team/app:1")
        check_equal(done.code, 125)
        check("the disk has room for" in done.err and "bothy system prune" in done.err or "are accepted" in done.err, done.err)


@test
def a_size_that_is_not_that_of_the_blob(w):
    """Who has the blob already does not take a manifest's word for its size either."""
    with Server() as server:
        good = Image([tar_of({"a": b"x"})])
        serve(server, good)
        check_equal(w.bothy("pull", "-q", f"{server.host}/team/app:1").code, 0)
        liar = json.loads(good.manifest)
        liar["layers"][0]["size"] += 1
        server.add_manifest("team/app", "2", json.dumps(liar).encode(), MANIFEST)
        done = w.bothy("pull", f"{server.host}/team/app:2")
        check_equal(done.code, 125, repr(done))
        check_in("were promised", done.err)
        liar["layers"].append(dict(liar["layers"][0], size=7))
        config = json.loads(good.blobs[good.id])
        config["rootfs"]["diff_ids"] *= 2
        liar["config"] = descriptor_of(json.dumps(config).encode(), liar["config"]["mediaType"])
        server.add(json.dumps(config).encode())
        server.add_manifest("team/app", "3", json.dumps(liar).encode(), MANIFEST)
        done = w.bothy("pull", f"{server.host}/team/app:3")
        check_equal(done.code, 125, repr(done))
        check_in("in one place", done.err)


def pages(server, count, tags, elsewhere=None):
    """tags/list in @count pages of @tags tags each."""
    def fault(_method, path, _headers):
        if "/tags/list" not in path:
            return None
        number = int(re.search(r"page=(\d+)", path).group(1)) if "page=" in path else 0
        text = json.dumps({"name": "team/app", "tags": [f"{number}-{n}-" + "x" * 100 for n in range(tags)]}).encode()
        link = f'<{elsewhere or ""}/v2/team/app/tags/list?page={number + 1}>; rel="next"'
        return {"status": 200, "headers": {"Link": link} if number + 1 < count else {}, "body": text}

    server.fault = fault


@test
def lists_are_whole_or_refused(w):
    with Server() as server:
        name = f"{server.host}/team/app"
        pages(server, 5, 100)
        code, out, err = driver(w, "tags", name)
        check_equal((code, len(json.loads(out)["tags"])), (0, 500), err)
        pages(server, 40, 1000)
        code, out, err = driver(w, "tags", name)
        check_equal((code, out), (1, b""))
        check_in("is longer than", err)
        done = w.bothy("pull", "--all-tags", name)
        check_equal(done.code, 125)
        check_in("is longer than", done.err)
        pages(server, 10 ** 9, 1)
        check_in("or 1000 pages", driver(w, "tags", name)[2])
        check(len(server.log) < 2100, f"{len(server.log)} requests")
        # What is no list of tags is not the list of none.
        for body, said in ((b"{}", "has no tags"), (b"[]", "has no list of tags"), (b'{"tags":"1"}', "has no list of tags"),
                           (b'{"tags":["1",2]}', "a tag that is no text"), (b'{"tags":["1\\u0000"]}', "a tag that is no text"),
                           (b'{"tags":["1@sha256:%s"]}' % (b"0" * 64), "is no tag"), (b'{"tags":["../x"]}', "no"),
                           (b'{"tags":null}', "has no tags"), (b'{"tags":[]}', "has no tags")):
            server.fault = lambda *_, body=body: {"status": 200, "body": body}
            done = w.bothy("pull", "--all-tags", name)
            check_equal((done.code, done.out), (125, ""), f"{body}: {done!r}")
            check_in(said, done.err, f"{body}")
        server.fault = lambda *_: {"status": 200, "body": b'{"results":{}}'}
        check_in("has no list of results", w.bothy("search", f"{server.host}/x").err)
        pages(server, 5, 100, elsewhere="http://127.0.0.2:9")
        check_in("goes on at another host", driver(w, "tags", name)[2])


@test
def hard_limits_of_the_caller_hold(w):
    """One below what the workers set for themselves is no reason to fail; what it forbids is said, and leaves nothing."""
    with Server() as server:
        server.add_image("team/app", "1", [hostile.entry("big", os.urandom(1_000_000)) + hostile.END])
        name = f"{server.host}/team/app:1"
        for limit, code in (("--nofile=128:128", 0), ("--as=300000000:300000000", 0), ("--fsize=900000:900000", 125)):
            if w.sanitized and "--as" in limit:
                continue
            done = w.run(["prlimit", limit, w.bin / "bothy", "--root", w.tmp / "lib", "pull", name])
            check_equal(done.code, code, f"{limit}: {done!r}")
            if code:
                check_in("File too large", done.err)
                check_equal(done.err.count("entry 'big'"), 1, f"the entry is named once: {done.err}")
            check_equal(w.bothy("system", "check").code, 0)
            w.bothy("rmi", "--force", name)
