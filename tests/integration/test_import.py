# SPDX-License-Identifier: Apache-2.0
"""import: a root file system becomes an image; archives of every common writer; changes of the config."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess

import hostile_tar as hostile
import test_images_cli as images
import test_store as forms
from fault_proxy import Server, Tls
from harness import check, check_equal, check_in, skip, test
from test_save import members, ok


def config_of(w, name):
    """The config and the manifest of an image, out of what save writes."""
    ok(w, "save", "-o", w.tmp / "saved.tar", name)
    files = members(w.tmp / "saved.tar")
    os.unlink(w.tmp / "saved.tar")
    entry = json.loads(files["index.json"])["manifests"][0]
    manifest = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
    return json.loads(files[f"blobs/sha256/{manifest['config']['digest'][7:]}"]), manifest, files


@test
def runs_as_it_was_told(w):
    (w.tmp / "root.tar").write_bytes(images.busybox_layer())
    changes = ['CMD ["/bin/busybox", "sh", "-c", "echo $A $B; /bin/busybox pwd; /bin/busybox id -u"]', "ENV A=one B='two words'",
               "workdir /tmp", "USER app", "LABEL a.b=c d=\"e f\"", "EXPOSE 80 8000-8002/udp", "VOLUME /data", "STOPSIGNAL SIGQUIT",
               "HEALTHCHECK --interval=30s --retries=3 CMD /bin/true", "ONBUILD RUN echo", "ENV=PATH=/bin"]
    done = ok(w, "import", w.tmp / "root.tar", "team/imported", "-m", "by hand", "--platform", "linux/amd64",
              *[word for c in changes for word in ("-c", c)])
    check(done.startswith("sha256:") and len(done) == 72, done)
    config, manifest, files = config_of(w, "team/imported")
    layer = images.busybox_layer()
    check_equal(config["rootfs"], {"type": "layers", "diff_ids": [hostile.sha(layer)]})
    check_equal((config["architecture"], config["os"], config["history"][0]["comment"]), ("amd64", "linux", "by hand"))
    check_equal(files["blobs/sha256/" + manifest["layers"][0]["digest"][7:]], layer)
    inner = config["config"]
    check_equal(inner["Env"], ["A=one", "B=two words", "PATH=/bin"])
    check_equal(inner["Labels"], {"a.b": "c", "d": "e f"})
    check_equal(inner["ExposedPorts"], {p: {} for p in ("80/tcp", "8000/udp", "8001/udp", "8002/udp")})
    check_equal((inner["User"], inner["WorkingDir"], inner["StopSignal"], inner["Volumes"]), ("app", "/tmp", "SIGQUIT", {"/data": {}}))
    check_equal(inner["Healthcheck"], {"Test": ["CMD-SHELL", "/bin/true"], "Interval": 30 * 10**9, "Retries": 3})
    check_equal(inner["OnBuild"], ["RUN echo"])
    check_equal(ok(w, "run", "--rm", "team/imported"), "one two words\n/tmp\n700\n")


@test
def from_a_pipe_and_compressed(w):
    layer = b"".join([hostile.directory("d/"), hostile.entry("d/f", b"x" * 1000)]) + hostile.END
    forms_of_it = {"tar": layer, "tar+gzip": gzip.compress(layer), "tar+zstd": forms.zstd(layer)}
    for kind, data in forms_of_it.items():
        done = subprocess.run([w.bin / "bothy", "--root", w.tmp / "lib", "import", "-", "team/p:1"], input=data, env=w.env, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check_equal(done.returncode, 0, f"{kind}: {done.stderr}")
        config, manifest, files = config_of(w, "team/p:1")
        check_equal(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1." + kind)
        check_equal(files["blobs/sha256/" + manifest["layers"][0]["digest"][7:]], data, "kept as it came")
        check_equal(config["rootfs"]["diff_ids"], [hostile.sha(layer)])
    check_equal(len(os.listdir(w.tmp / "lib/layers")), 1, "one layer however it was packed")
    forms.check_consistent(w.tmp / "lib", True)


@test
def each_form_of_tar(w):
    """GNU tar's formats and bsdtar's: the same tree out of each."""
    tree = w.tmp / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/file").write_text("hello")
    os.link(tree / "etc/file", tree / "etc/hard")
    os.symlink("file", tree / "etc/link")
    long = "n" * 90
    (tree / long).mkdir()
    (tree / long / ("m" * 60)).write_text("long path")
    writers = [["tar", f"--format={f}", "-C", tree, "-cf", "-", "."] for f in ("gnu", "pax", "ustar", "oldgnu", "posix")]
    if shutil.which("bsdtar"):
        writers += [["bsdtar", "--format", f, "-C", tree, "-cf", "-", "."] for f in ("pax", "ustar", "gnutar")]
    for n, writer in enumerate(writers):
        root = w.tmp / f"s{n}"
        made = subprocess.run(list(map(str, writer)), stdout=subprocess.PIPE, check=True).stdout
        done = subprocess.run([w.bin / "bothy", "--root", root, "import", "-", "team/t"], input=made, env=w.env, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check_equal(done.returncode, 0, f"{writer[:3]}: {done.stderr}")
        top = root / "layers" / os.listdir(root / "layers")[0] / "diff"
        check_equal((top / "etc/hard").stat().st_nlink, 2, f"{writer[:3]}: links")
        check_equal(os.readlink(top / "etc/link"), "file")
        check_equal((top / long / ("m" * 60)).read_text(), "long path", f"{writer[:3]}")


@test
def bad_input_leaves_nothing(w):
    (w.tmp / "ok.tar").write_bytes(images.busybox_layer())
    (w.tmp / "up.tar").write_bytes(hostile.entry("../x", b"y") + hostile.END)
    (w.tmp / "cut.tar").write_bytes(images.busybox_layer()[:-5000])
    (w.tmp / "empty").write_bytes(b"")
    (w.tmp / "a.xz").write_bytes(b"\xfd7zXZ\0" + b"x" * 100)
    (w.tmp / "a.bz2").write_bytes(b"BZh91AY&SY" + b"x" * 100)
    for args, said in (
            (["up.tar"], ".."), (["cut.tar"], "ends"), (["empty"], "empty"), (["missing"], "No such file"), ([], "requires"),
            (["a.xz"], "`xz -dc FILE | bothy load`"), (["a.bz2"], "`bzip2 -dc FILE"), (["ok.tar", "Bad Name"], "lower"),
            (["ok.tar", "a/b@sha256:" + "0" * 64], "digest"), (["ok.tar", "-c", "RUN x"], "no instruction"),
            (["ok.tar", "-c", "ENV =x"], "KEY=VALUE"), (["ok.tar", "-c", "ENV A='x"], "quote"), (["ok.tar", "-c", "EXPOSE 70000"], "ports"),
            (["ok.tar", "-c", "EXPOSE 80/icmp"], "tcp"), (["ok.tar", "-c", "VOLUME x"], "absolute"), (["ok.tar", "-c", "VOLUME /a/../b"], ".."),
            (["ok.tar", "-c", "STOPSIGNAL SIGNO"], "signal"), (["ok.tar", "-c", "USER a b"], "USER"), (["ok.tar", "-c", "CMD"], "behind"),
            (["ok.tar", "-c", "HEALTHCHECK RUN"], "NONE"), (["ok.tar", "-c", "ONBUILD FROM x"], "FROM"), (["ok.tar", "-c", "ENV A=\x1b[2J"], "control"),
            (["ok.tar", "--platform", "a/b/c/d"], "platform")):
        done = w.run([w.bin / "bothy", "--root", w.tmp / "lib", "import", *args], cwd=w.tmp)
        check_equal((done.code, done.out), (125, ""), f"{args}: {done!r}")
        check_in(said.lower(), done.err.lower(), f"{args}")
    if (w.tmp / "lib/index.db").exists():
        check_equal(len(ok(w, "images", "-q")), 0)
    check_equal(forms.names(w.tmp / "lib/layers") + forms.names(w.tmp / "lib/blobs/sha256") + forms.names(w.tmp / "lib/staging"), [])


@test
def skopeo_reads_it(w):
    if not shutil.which("skopeo"):
        skip("skopeo is not installed")
    (w.tmp / "root.tar").write_bytes(images.busybox_layer())
    ok(w, "import", w.tmp / "root.tar", "team/i:1")
    ok(w, "save", "-o", w.tmp / "a.tar", "team/i:1")
    done = w.run(["skopeo", "copy", "-q", f"docker-archive:{w.tmp}/a.tar", f"dir:{w.tmp}/back"])
    check_equal(done.code, 0, f"{done!r}")


class Site:
    """What a web server has at one address. `cuts`: bytes after which each of the next answers is cut."""

    def __init__(self, server, data, mark='"one"', ranges=True):
        self.server, self.data, self.mark, self.ranges, self.cuts = server, data, mark, ranges, []
        server.fault = self.answer

    def answer(self, _method, path, headers):
        if not path.startswith("/root"):
            return {"status": 404, "body": b"nothing here"}
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        same = headers.get("If-Range") in (None, self.mark)
        answer = {"status": 200, "headers": {"ETag": self.mark} if self.mark else {}, "body": self.data}
        if found and same and self.ranges:
            start = int(found.group(1))
            answer.update(status=206, body=self.data[start:])
            answer["headers"]["Content-Range"] = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
        if self.cuts:
            answer["cut"] = self.cuts.pop(0)
        return answer


def fetch(w, url, *words, env=None):
    return w.run([w.bin / "bothy", "--root", w.tmp / "lib", "import", url, *words], env={"BOTHY_FETCH_STALL": "2s", **(env or {})})


def stored_layer(w, name):
    config, manifest, files = config_of(w, name)
    return config, files["blobs/sha256/" + manifest["layers"][0]["digest"][7:]]


def nothing_left(w):
    if (w.tmp / "lib/index.db").exists():
        check_equal(ok(w, "images", "-q"), "")
    check_equal(forms.names(w.tmp / "lib/layers") + forms.names(w.tmp / "lib/blobs/sha256") + forms.names(w.tmp / "lib/staging"), [])


@test
def from_an_address(w):
    data = gzip.compress(images.busybox_layer())
    with Server() as server:
        Site(server, data)
        url = f"http://{server.host}/root.tar.gz?x=1#fragment"
        done = fetch(w, url, "team/web", "-c", 'CMD ["/bin/busybox", "echo", "fetched"]')
        check_equal(done.code, 0, f"{done!r}")
        check_equal((done.out[:7], len(done.out), done.err), ("sha256:", 72, ""))
        config, layer = stored_layer(w, "team/web")
        check_equal(layer, data, "kept as it came")
        check_equal(config["history"][0]["comment"], "Imported from " + url)
        check_equal([path for _, path, _ in server.log], ["/root.tar.gz?x=1"])
        check_equal(ok(w, "run", "--rm", "team/web"), "fetched\n")
        done = fetch(w, url, "--progress", "plain")
        check_in("archive: Fetching", done.err)
        check_in("archive: Fetched", done.err)
        done = fetch(w, url, "--progress", "plain", "-q")
        check_equal(done.err, "")
        events = [json.loads(line) for line in fetch(w, url, "--progress", "json").err.splitlines()]
        check_equal(events[-1], {"id": "archive", "status": "Fetched", "current": len(data), "total": len(data)})
    forms.check_consistent(w.tmp / "lib", True)


@test
def an_address_that_is_cut(w):
    """Each byte moves once where the server says that it still has the same, and halves of two files never meet."""
    layer = b"".join([hostile.directory("d/"), hostile.entry("d/f", os.urandom(600_000))]) + hostile.END
    other = b"".join([hostile.directory("d/"), hostile.entry("d/g", os.urandom(600_000))]) + hostile.END
    with Server() as server:
        site = Site(server, layer)
        url = f"http://{server.host}/root.tar"
        site.cuts = [100_000, 100_000, 150_000]
        done = fetch(w, url, "team/cut:1", "--progress", "plain")
        check_equal(done.code, 0, f"{done!r}")
        check_equal(stored_layer(w, "team/cut:1")[1], layer)
        check_equal([headers.get("Range") for _, _, headers in server.log], [None, "bytes=100000-", "bytes=200000-", "bytes=350000-"])
        check_in("trying again", done.err)
        # No ranges: all again, and what was there is skipped.
        site = Site(server, layer, ranges=False)
        site.cuts = [100_000, 300_000]
        check_equal(fetch(w, url, "team/cut:2").code, 0)
        check_equal(stored_layer(w, "team/cut:2")[1], layer)
        # It changes in between: with ranges, and without.
        for ranges in (True, False):
            site = Site(server, layer, ranges=ranges)
            site.cuts = [100_000]
            honest = site.answer

            def swap(*args, site=site, honest=honest, other=other):
                answer = honest(*args)
                site.data, site.mark = other, '"two"'
                return answer

            server.fault = swap
            done = fetch(w, url, "team/bad")
            check_equal((done.code, done.out), (125, ""), f"{done!r}")
            check_in("changed while it was fetched", done.err)
        # A weak mark, or none: nobody can tell.
        for mark in ('W/"weak"', None):
            site = Site(server, layer, mark=mark)
            site.cuts = [100_000]
            done = fetch(w, url, "team/bad")
            check_equal((done.code, done.out), (125, ""), f"{done!r}")
            check_in("no mark by which to go on", done.err)
        # A range that nobody asked for: of how much?
        server.fault = lambda *_: {"status": 206, "headers": {"ETag": '"one"', "Content-Range": "bytes 0-9/10"}, "body": b"0123456789"}
        done = fetch(w, url, "team/bad")
        check_equal(done.code, 125)
        check_in("sends 'bytes 0-9/10'", done.err)
        # The wrong range.
        site = Site(server, layer)
        site.cuts = [100_000]
        honest = site.answer
        server.fault = lambda method, path, headers: {**honest(method, path, headers), **(
            {"status": 206, "headers": {"ETag": '"one"', "Content-Range": "bytes 5-9/10"}, "body": b"12345"} if "Range" in headers else {})}
        done = fetch(w, url, "team/bad")
        check_equal(done.code, 125)
        check_in("sends 'bytes 5-9/10'", done.err)
    check_equal(w.run([w.bin / "bothy", "--root", w.tmp / "lib", "image", "exists", "team/bad"]).code, 1)
    forms.check_consistent(w.tmp / "lib", True)


@test
def what_an_address_may_not_do(w):
    data = images.busybox_layer()
    with Server() as server, Server() as foreign:
        Site(server, data)
        url = f"http://{server.host}/root.tar"
        for address, said in ((f"http://{server.host}/missing", "answers 404"), ("http://", "no address"), ("http:///x", "no address"),
                              ("http://127.0.0.1:1/x", "Failed to connect"), ("http://nobody.invalid/x", "resolve"),
                              ("http://a b/", "no address"), ("http://127.0.0.1:99999/", "no address")):
            done = fetch(w, address, env={"BOTHY_FETCH_STALL": "100ms"})
            check_equal((done.code, done.out), (125, ""), f"{address}: {done!r}")
            check_in(said.lower(), done.err.lower(), address)
        check_in("import http://127.0.0.1:1/x", fetch(w, "http://127.0.0.1:1/x", env={"BOTHY_FETCH_STALL": "100ms"}).err)
        for location in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "http://u:p@127.0.0.1/", url):
            server.log.clear()
            server.fault = lambda *_, to=location: {"status": 302, "headers": {"Location": to}}
            done = fetch(w, url)
            check_equal((done.code, done.out), (125, ""), f"{location}: {done!r}")
            check(len(server.log) < 10, f"{location}: {len(server.log)} requests")
        # Too little, and nothing.
        server.fault = lambda *_: {"status": 200, "body": b""}
        check_in("the archive is empty", fetch(w, url).err)
        server.fault = lambda *_: {"status": 204}
        check_in("answers 204", fetch(w, url).err)
        # More than a layer may have, by its own words.
        server.fault = lambda *_: {"status": 200, "body": b"x", "length": 1 << 40}
        done = fetch(w, url)
        check_in("more than the 274877906944 that are allowed", done.err)
        nothing_left(w)
        # A login goes to the host of the address, when that asks, and nowhere else; not into the image, nor into messages.
        typed = f"http://me:se%20cret@{server.host}/root.tar"
        site = Site(server, data)
        server.basic = "me:se cret"
        given = "Basic " + base64.b64encode(b"me:se cret").decode()
        guarded = {"status": 401, "headers": {"WWW-Authenticate": 'Basic realm="x"'}}
        server.fault = lambda m, p, h: site.answer(m, p, h) if h.get("Authorization") == given else guarded
        server.log.clear()
        done = fetch(w, typed, "team/in")
        check_equal(done.code, 0, f"{done!r}")
        check_equal([headers.get("Authorization") for _, _, headers in server.log], [None, given])
        check_equal(stored_layer(w, "team/in")[0]["history"][0]["comment"], f"Imported from {url}")
        done = fetch(w, f"http://me:wrong@{server.host}/root.tar")
        check_equal(done.code, 125)
        check("wrong" not in done.err, done.err)
        check_in("USER:PASSWORD@", fetch(w, url).err)
        foreign.fault = lambda *_: guarded
        server.fault = lambda m, p, h: {"status": 302, "headers": {"Location": f"http://{foreign.host}/root.tar"}} if "Authorization" in h else guarded
        check_equal(fetch(w, typed).code, 125)
        check(foreign.log and not any("Authorization" in headers for _, _, headers in foreign.log), "a foreign host got our password")
        # A token service is of registries: it is not even asked.
        server.fault = lambda *_: {"status": 401, "headers": {"WWW-Authenticate": f'Bearer realm="http://{foreign.host}/token"'}}
        foreign.log.clear()
        check_equal((fetch(w, typed).code, foreign.log), (125, []))


@test
def an_address_with_tls(w):
    authority = Tls(w.tmp / "tls")
    data = images.busybox_layer()
    with Server(tls=authority) as server, Server() as plain:
        Site(server, data)
        url = f"https://{server.host}/root.tar"
        done = fetch(w, url)
        check_equal((done.code, server.log), (125, []), f"{done!r}")
        check_in("--cert-dir", done.err)
        check_equal(fetch(w, url, "--cert-dir", authority.certs_d()).code, 0)
        check_equal(fetch(w, url, "--tls-verify=false").code, 0)
        # From https nobody is sent back to http, and https never becomes http by itself.
        server.fault = lambda *_: {"status": 302, "headers": {"Location": f"http://{plain.host}/root.tar"}}
        Site(plain, data)
        done = fetch(w, url, "--tls-verify=false")
        check_equal((done.code, plain.log), (125, []))
        check_in("from https to", done.err)
        done = fetch(w, f"https://{plain.host}/root.tar", "--tls-verify=false", env={"BOTHY_FETCH_STALL": "100ms"})
        check_equal((done.code, plain.log), (125, []), f"{done!r}")
