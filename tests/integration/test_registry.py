# SPDX-License-Identifier: Apache-2.0
"""The registry client against servers: honest ones, cut links, liars, slow ones, and those that want our password."""

import base64
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import time

import hostile_tar as hostile
import test_images_cli as images
from fault_proxy import Proxy, Server, Tls, Tokens, docker_registry, sha
from harness import SLOW, check, check_equal, check_in, read, skip, test

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def driver(w, *words, env=None, timeout=60 * SLOW):
    """One request through the test driver. Returns (exit code, standard output, lines of standard error)."""
    program = w.bin / "../meson/tests/unit/registry/registry-driver"
    if not program.exists():
        skip("the test driver was not built")
    home = w.tmp / "home"
    home.mkdir(exist_ok=True)
    place = w.tmp / "driver"
    if not place.exists():  # programs are looked for beside each other
        place.mkdir()
        shutil.copy(program, place / "driver")
        (place / "bothy-fetch").symlink_to((w.bin / "bothy-fetch").resolve())
    done = subprocess.run([str(place / "driver"), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=timeout, env={
                              **w.env, "HOME": str(home), "XDG_RUNTIME_DIR": str(w.tmp / "run"),
                              "CONTAINERS_REGISTRIES_CONF": str(conf(w)), "BOTHY_FETCH_STALL": "2s", **(env or {})})
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def conf(w, text=None):
    """The registries.conf of this test."""
    path = w.tmp / "registries.conf"
    if text is not None or not path.exists():
        path.write_text(text or "")
    return path


def done_line(err):
    match = re.search(r"^(?:done|failed .*?) ?bytes=(\d+) moved=(\d+)", err, re.MULTILINE)
    check(match, f"no end in:\n{err}")
    return int(match.group(1)), int(match.group(2))


def blob(size=3_000_000):
    return hashlib.sha256(b"x").digest() * (size // 32)


@test
def blobs_and_manifests(w):
    with Server() as server:
        data = blob()
        digest = server.add(data)
        manifest = server.add_image("team/app", "1", [b"layer"])
        name = f"{server.host}/team/app:1"
        code, out, err = driver(w, "blob", name, digest, len(data))
        check_equal((code, sha(out)), (0, digest), err)
        code, out, err = driver(w, "blob", name, digest, len(data), 1_000_000)
        check_equal((code, out), (0, data[1_000_000:]), err)
        check_equal(done_line(err), (len(data), len(data) - 1_000_000), "a resumed blob moves the rest only")
        code, out, err = driver(w, "manifest", name)
        check_equal((code, sha(out)), (0, manifest), err)
        check_in(f"type={MANIFEST} digest={manifest}", err)
        code, out, err = driver(w, "head", name)
        check_equal((code, out), (0, b""))
        check_in(manifest, err)
        server.log.clear()
        driver(w, "manifest", name)
        check_equal(len(server.log), 1, "one request for a manifest")
        code, _, err = driver(w, "manifest", f"{server.host}/team/app:2")
        check_equal(code, 1)
        check_in("failed kind=not found", err)
        check("\x1b" not in err, "escape codes of a registry reach nobody")


@test
def a_cut_link_moves_nothing_twice(w):
    with Server() as server:
        data = blob(6_000_000)
        digest = server.add(data)
        cuts = []

        def fault(method, path, _headers):
            if method == "GET" and "/blobs/" in path and len(cuts) < 20:
                cuts.append(path)
                return {"cut": len(data) // 21}
            return None

        server.fault = fault
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal((code, sha(out), len(cuts)), (0, digest, 20), err)
        check_equal(err.count("retry "), 20)
        check(server.sent <= len(data) * 1.02, f"{server.sent} bytes of {len(data)} were sent")
        check_equal(done_line(err), (len(data), len(data)))


@test
def a_server_without_ranges(w):
    with Server() as server:
        data = blob()
        digest = server.add(data)
        cuts = []

        def fault(method, path, _headers):
            if method == "GET" and "/blobs/" in path and not cuts:
                cuts.append(path)
                return {"cut": 2_000_000}
            return {"no_ranges": True}

        server.fault = fault
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal((code, sha(out)), (0, digest), err)
        check_equal(done_line(err)[1], 2_000_000 + len(data))
        # One that never gets to the end is not asked without end.
        server.fault = lambda *_: {"no_ranges": True, "cut": 2_000_000}
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal(code, 1, err)
        check(len(out) <= 2_000_000 and server.sent < 20_000_000, "bounded")
        # Nor is one that gets a little further each time.
        answers = []

        def further(method, path, _headers):
            if method == "GET" and "/blobs/" in path:
                answers.append(path)
            return {"no_ranges": True, "cut": 100_000 * len(answers)}

        server.fault = further
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal((code, len(answers)), (1, 5), err)
        check_in(f"cannot go on in the middle of the blob {digest}, and was cut 4 times", err)


@test
def bodies_that_end_as_if_that_were_all(w):
    """Without a length nothing is cut, and yet something is missing."""
    with Server() as server:
        data = blob(400_000)
        digest = server.add(data)
        ends = [100_000, 150_000]
        server.fault = lambda method, path, _headers: {"chunked": ends.pop(0)} if ends and "/blobs/" in path else None
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal((code, sha(out)), (0, digest), err)
        check_in(f"ends the blob {digest} after 100000 of 400000 bytes", err)
        check_in(f"ends the blob {digest} after 250000 of 400000 bytes", err)
        check_equal(done_line(err), (len(data), len(data)))
        # All again, and it ends before what is there already.
        server.fault = lambda *_: {"no_ranges": True, "chunked": 100_000}
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data), 200_000)
        check_equal((code, out), (1, b""), err)
        # A range that nobody asked for, but all of it.
        server.fault = lambda *_: {"status": 206, "headers": {"Content-Range": "bytes 0-399999/400000"}, "body": data}
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check_equal((code, sha(out)), (0, digest), err)


@test
def liars(w):
    with Server() as server:
        data = blob(100_000)
        digest = server.add(data)
        cases = [
            ({"length": len(data) + 1}, "says that the blob"),
            ({"length": len(data) - 1}, "says that the blob"),
            ({"endless": True}, "says that the blob"),
        ]
        for fault, text in cases:
            server.fault = lambda *_, fault=fault: fault
            code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
            check_equal(code, 1, f"{fault} {err}")
            check_in(text, err, str(fault))
            check(len(out) <= len(data), "never more than the blob has")
        for answer in ("bytes 0-99999/100000", "bytes 50000-99998/99999", "bytes 50001-99999/100000", "bytes 50000-100000/100001",
                       "bytes 50000-100000/*", "nonsense"):
            server.fault = lambda *_, answer=answer: {"range": answer}
            code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data), 50_000)
            check_equal((code, out), (1, b""), f"{answer}: {err}")
        server.fault = lambda *_: {"flip": True}
        code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
        check(code == 0 and sha(out) != digest, "who asks for a digest hashes the bytes: that is the caller's part")


@test
def endless_documents(w):
    with Server() as server:
        server.add_image("a/b", "1", [b"layer"])
        for fault in ({"endless": True}, {"status": 404, "endless": True}, {"status": 200, "headers": {f"X-{i}": "y" * 1000 for i in range(100)}}):
            server.fault = lambda *_, fault=fault: fault
            start = time.monotonic()
            code, _, err = driver(w, "manifest", f"{server.host}/a/b:1")
            check_equal(code, 1, err)
            check(time.monotonic() - start < 20 * SLOW, "cut short")


@test
def slow_servers(w):
    with Server() as server:
        data = blob(100_000)
        digest = server.add(data)
        server.add_image("a/b", "1", [b"layer"])
        # The first answer stops in the middle or trickles; the second is whole.
        for word in ("hang", "trickle"):
            asked = []

            def fault(method, path, _headers, word=word, asked=asked):
                asked.append(path)
                return {word: 50_000} if len(asked) == 1 else None

            server.fault = fault
            start = time.monotonic()
            code, out, err = driver(w, "blob", f"{server.host}/a/b:1", digest, len(data))
            check_equal((code, sha(out)), (0, digest), err)
            check(done_line(err)[1] <= len(data) + 50, err)
            check(time.monotonic() - start < 15 * SLOW, word)
        # One that never answers is given up.
        server.fault = lambda *_: {"hang": 0}
        start = time.monotonic()
        code, _, err = driver(w, "manifest", f"{server.host}/a/b:1", env={"BOTHY_FETCH_STALL": "300ms"})
        check_equal(code, 1)
        check_in("bytes in", err)
        check(time.monotonic() - start < 40 * SLOW, "not without end")


@test
def too_many_requests(w):
    with Server() as server:
        server.add_image("a/b", "1", [b"layer"])
        asked = []

        def fault(_method, path, _headers):
            asked.append(time.monotonic())
            return {"status": 429, "headers": {"Retry-After": "1"}} if len(asked) == 1 else {"status": 503} if len(asked) == 2 else None

        server.fault = fault
        code, _, err = driver(w, "manifest", f"{server.host}/a/b:1")
        check_equal((code, len(asked)), (0, 3), err)
        check(asked[1] - asked[0] >= 1, "Retry-After is kept")
        server.fault = lambda *_: {"status": 429, "headers": {"Retry-After": "100000"}}
        code, _, err = driver(w, "manifest", f"{server.host}/a/b:1")
        check_equal(code, 1)
        check_in("left alone for 100000 seconds", err)


@test
def redirects_and_credentials(w):
    """Credentials never leave their host, whatever a server says (V32)."""
    creds = {"DRIVER_CREDS": "me:secret"}
    with Server(basic="me:secret") as server, Server(host="127.0.0.2") as foreign:
        data = blob(100_000)
        digest = server.add(data)
        foreign.add(data)
        name = f"{server.host}/a/b:1"

        def to(url):
            return lambda method, path, headers: {"status": 307, "headers": {"Location": url}} \
                if "/blobs/" in path and "Authorization" in headers else None

        server.fault = to(f"http://{foreign.host}/v2/a/b/blobs/{digest}")
        code, out, err = driver(w, "blob", name, digest, len(data), env=creds)
        check_equal((code, sha(out)), (0, digest), err)
        check(foreign.log, "the redirect was followed")
        check(not any("Authorization" in headers for _, _, headers in foreign.log), "a foreign host got our password")
        # It asks for it: it does not get it.
        foreign.fault = lambda *_: {"status": 401, "headers": {"WWW-Authenticate": 'Basic realm="x"'}}
        code, _, err = driver(w, "blob", name, digest, len(data), env=creds)
        check_equal(code, 1, err)
        check(not any("Authorization" in headers for _, _, headers in foreign.log), "a foreign host got our password by asking")
        # Loops, other schemes, rubbish.
        for location in (f"/v2/a/b/blobs/{digest}", "file:///etc/passwd", "gopher://x/", "http://user:pw@127.0.0.1/", "", "http://"):
            server.fault = to(location)
            server.log.clear()
            code, out, err = driver(w, "blob", name, digest, len(data), env=creds)
            check_equal((code, out), (1, b""), f"{location}: {err}")
            check(len(server.log) < 15, f"{location}: {len(server.log)} requests")


@test
def challenges_without_end(w):
    with Server(basic="me:secret") as server:
        server.add_image("a/b", "1", [b"layer"])
        name = f"{server.host}/a/b:1"
        check_equal(driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret"})[0], 0)
        for env in ({"DRIVER_CREDS": "me:wrong"}, {}):
            server.log.clear()
            code, _, err = driver(w, "manifest", name, env=env)
            check_equal(code, 1)
            check_in("failed kind=denied", err)
            check_in("bothy login", err)
            check(len(server.log) <= 2, f"{len(server.log)} requests")
        for challenge in ('Bearer realm="', 'Bearer service="x"', "Negotiate", 'Bearer realm="http://127.0.0.1:1/"', 'Bearer realm="https://127.0.0.1:1/"'):
            server.fault = lambda *_, challenge=challenge: {"status": 401, "headers": {"WWW-Authenticate": challenge}}
            server.log.clear()
            code, _, err = driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret"}, timeout=90 * SLOW)
            check_equal(code, 1, f"{challenge}: {err}")
            check(len(server.log) <= 3, f"{challenge}: {len(server.log)} requests")


@test
def token_services(w):
    with Tokens(users=("me:secret",)) as tokens, Server(token=tokens) as server:
        server.add_image("a/b", "1", [b"layer"])
        name = f"{server.host}/a/b:1"
        code, _, err = driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret"})
        check_equal(code, 0, err)
        check_equal(list(tokens.issued.values()), ["repository:a/b:pull"], "the scope is what was needed")
        code, _, err = driver(w, "manifest", name)
        check_equal(code, 1)
        check_in("wants a login", err)
        tokens.anonymous = True
        check_equal(driver(w, "manifest", name)[0], 0, "an anonymous token")
        # The token is worth nothing: one more is fetched, no more.
        server.fault = lambda *_: {"status": 401, "headers": {"WWW-Authenticate": f'Bearer realm="{tokens.realm}",service="s"'}}
        server.log.clear()
        tokens.log.clear()
        code, _, err = driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret"})
        check_equal(code, 1)
        check(len(server.log) <= 3 and len(tokens.log) <= 2, f"{len(server.log)} requests, {len(tokens.log)} tokens")


@test
def a_foreign_token_service_gets_no_login(w):
    with Tokens(host="127.0.0.2", users=("me:secret",), anonymous=True) as tokens, Server(token=tokens) as server:
        server.add_image("a/b", "1", [b"layer"])
        name = f"{server.host}/a/b:1"
        code, _, err = driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret"})
        check_equal((code, tokens.log), (1, []), err)
        check_in("which is another's", err)
        check_in("BOTHY_TOKEN_REALMS=127.0.0.2", err)
        check_equal(driver(w, "manifest", name)[0], 0, "without a login there is nothing to lose")
        code, _, err = driver(w, "manifest", name, env={"DRIVER_CREDS": "me:secret", "BOTHY_TOKEN_REALMS": "127.0.0.2"})
        check_equal(code, 0, err)


@test
def tls_and_proxies(w):
    """A host that is not loopback: its certificate counts, http never does. A proxy gives the names."""
    authority = Tls(w.tmp / "tls")
    with Server(tls=authority, basic="me:secret") as server, Proxy(server.host) as proxy, Server() as plain, Proxy(plain.host) as to_plain:
        server.add_image("a/b", "1", [b"layer"])
        plain.add_image("a/b", "1", [b"layer"])
        env = {"https_proxy": proxy.url, "DRIVER_CREDS": "me:secret"}
        code, _, err = driver(w, "manifest", "registry.test/a/b:1", env=env)
        check_equal((code, server.log), (1, []), "a certificate of nobody we know")
        check_in("certs.d/registry.test", err)
        certs = {"DRIVER_CERTS": str(authority.certs_d())}
        code, _, err = driver(w, "manifest", "registry.test/a/b:1", env={**env, **certs})
        check_equal(code, 0, err)
        check_equal(proxy.log[-1], "CONNECT registry.test:443 HTTP/1.1")
        code, _, err = driver(w, "manifest", "other.test/a/b:1", env={**env, **certs})
        check_equal(code, 1, "the certificate is for another name")
        # certs.d of the user.
        folder = w.tmp / "home/.config/containers/certs.d/registry.test:5000"
        folder.mkdir(parents=True)
        shutil.copy(w.tmp / "tls/ca.crt", folder / "ca.crt")
        code, _, err = driver(w, "manifest", "registry.test:5000/a/b:1", env=env)
        check_equal(code, 0, err)
        # A server without TLS gets nothing at all, least of all a password, unless its registry is called insecure.
        code, _, err = driver(w, "manifest", "registry.test/a/b:1", env={**env, "https_proxy": to_plain.url, "http_proxy": to_plain.url})
        check_equal((code, plain.log), (1, []), err)
        conf(w, '[[registry]]\nlocation = "registry.test"\ninsecure = true\n')
        code, _, err = driver(w, "manifest", "registry.test/a/b:1", env=env)
        check_equal(code, 0, f"insecure: TLS that nobody verifies {err}")
        # NO_PROXY
        conf(w, "")
        used = len(proxy.log)
        code, _, err = driver(w, "manifest", "registry.test/a/b:1", env={**env, **certs, "no_proxy": "x.example,registry.test"})
        check_equal((code, len(proxy.log)), (1, used), err)


@test
def the_fetcher_is_locked_in(w):
    with Server() as server:
        server.add_image("a/b", "1", [b"layer"])
        server.fault = lambda *_: {"hang": 0}
        program = w.bin / "../meson/tests/unit/registry/registry-driver"
        if not program.exists():
            skip("the test driver was not built")
        driver(w, "manifest", f"{server.host}/a/b:1", env={"BOTHY_FETCH_STALL": "1ms"})
        child = w.spawn([w.tmp / "driver/driver", "manifest", f"{server.host}/a/b:1"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)

        def fetcher():
            for entry in os.listdir("/proc"):
                if entry.isdigit() and f"PPid:\t{child.pid}\n" in read(f"/proc/{entry}/status"):
                    return int(entry)
            return None

        w.wait_for(lambda: fetcher() and "Seccomp:\t2" in read(f"/proc/{fetcher()}/status"), "bothy-fetch, locked in")
        pid = fetcher()
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        check_equal(status["Name"], "bothy-fetch")
        check_equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb") + (("CapBnd",) if w.root else ()):
            check_equal(int(status[kind], 16), 0, kind)
        if w.root:
            check_equal(status["Uid"].split(), ["65534"] * 4)
            check_equal(status["Groups"].split(), [])
        child.kill()
        child.wait()
        w.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the fetcher to end with its parent")


@test
def mirrors(w):
    with Server() as good, Server() as bad, Server() as primary:
        data = blob(300_000)
        digest = good.add(data)
        bad.add(data)
        primary.add(data)
        manifest = primary.add_image("hub/x", "1", [b"layer"])
        good.add_image("proxy/hub/x", "1", [b"layer"])
        conf(w, f'[[registry]]\nprefix = "reg.example"\nlocation = "{primary.host}"\n[[registry.mirror]]\nlocation = "127.0.0.1:1"\n'
             f'[[registry.mirror]]\nlocation = "{bad.host}"\npull-from-mirror = "digest-only"\n'
             f'[[registry.mirror]]\nlocation = "{good.host}/proxy"\n[[registry]]\nlocation = "blocked.example"\nblocked = true\n')
        code, out, err = driver(w, "manifest", "reg.example/hub/x:1")
        check_equal((code, sha(out)), (0, manifest), err)
        check_in(f"endpoint={good.host}", err)
        check_equal((bad.log, primary.log), ([], []), "one that serves digests is not asked for a tag")
        # A mirror that breaks in the middle: the next goes on from there.
        bad.fault = lambda method, path, headers: {"cut": 100_000} if "Range" not in headers else {"status": 500}
        code, out, err = driver(w, "blob", "reg.example/hub/x:1", digest, len(data))
        check_equal((code, sha(out)), (0, digest), err)
        check(bad.sent == 100_000 and good.sent == 200_000, f"{bad.sent} {good.sent}")
        # What no mirror has comes from the registry itself; and so does what is asked of it alone.
        bad.blobs.clear()
        good.blobs.clear()
        for verb in ("blob", "primary"):
            code, out, err = driver(w, verb, "reg.example/hub/x:1", digest, len(data))
            check_equal((code, sha(out)), (0, digest), err)
            check_in(f"endpoint={primary.host}", err)
        code, _, err = driver(w, "manifest", "blocked.example/x:1")
        check_equal(code, 1)
        check_in("open kind=denied the registry of 'blocked.example/x' is blocked", err)


@test
def pushing_a_blob(w):
    with Server() as server:
        data = blob(9_000_000)
        path = w.tmp / "blob"
        path.write_bytes(data)
        digest = sha(data)
        name = f"{server.host}/a/b:1"
        cuts = []

        def fault(method, path, _headers):
            if method == "PATCH" and len(cuts) < 3:
                cuts.append(path)
                return {"cut_upload": 2_000_000}
            return None

        server.fault = fault
        code, _, err = driver(w, "push", name, digest, path)
        check_equal((code, server.blobs.get(digest) == data, len(cuts)), (0, True, 3), err)
        check_equal(len(server.requests("POST", "/uploads/")), 1, "one upload, taken up again where it was cut")
        code, _, err = driver(w, "push", name, digest, path)
        check_in("moved=0", err)
        check_in("existed=1", err)
        server.log.clear()
        server.fault = lambda method, path, headers: {"status": 404} if method == "HEAD" else None
        code, _, err = driver(w, "push", f"{server.host}/c/d:1", digest, path, "a/b")
        check_in("mounted=1", err)
        # The registry's word on what came is the last.
        path.write_bytes(data[:-1] + b"!")
        server.blobs.clear()
        code, _, err = driver(w, "push", name, digest, path)
        check_equal(code, 1)
        check_in("digest is wrong", err)


@test
def referrers_tags_delete(w):
    with docker_registry(w) as host:
        folder, _ = images.layout(w, reference=f"{host}/team/app:1")
        check_equal(w.bothy("load", "-i", folder).code, 0)
        done = registry_bothy(w, "push", f"{host}/team/app:1")
        digest = re.search(r"digest: (\S+)", done.out).group(1)
        code, out, err = driver(w, "tags", f"{host}/team/app")
        check_equal((code, json.loads(out)), (0, {"tags": ["1"]}), err)
        code, out, err = driver(w, "referrers", f"{host}/team/app", digest)
        check_equal((code, json.loads(out)["manifests"]), (0, []), err)
        code, _, err = driver(w, "delete", f"{host}/team/app", digest)
        check_equal(code, 0, err)
        check_equal(driver(w, "manifest", f"{host}/team/app:1")[0], 1)


# ---- the commands ------------------------------------------------------------------------------------------------------


def registry_bothy(w, *words, env=None, stdin=None):
    """bothy with logins and configuration of this test's own."""
    home = w.tmp / "home"
    home.mkdir(exist_ok=True)
    saved = w.env
    w.env = {**w.env, "HOME": str(home), "CONTAINERS_REGISTRIES_CONF": str(conf(w)), "BOTHY_FETCH_STALL": "2s", **(env or {})}
    try:
        return w.bothy(*words, stdin=stdin)
    finally:
        w.env = saved


@test
def push_and_read_it_with_another_program(w):
    with docker_registry(w) as host:
        folder, image = images.layout(w, reference=f"{host}/team/app:1.5")
        check_equal(w.bothy("load", "-q", "-i", folder).code, 0)
        digestfile = w.tmp / "digest"
        done = registry_bothy(w, "push", "--progress", "plain", "--digestfile", digestfile, f"{host}/team/app:1.5")
        check_equal(done.code, 0, done.err)
        match = re.fullmatch(r"1\.5: digest: (sha256:[0-9a-f]{64}) size: \d+\n", done.out)
        check(match, done.out)
        check_equal(digestfile.read_text(), match.group(1))
        check_equal(done.err.count(": Pushed\n"), 2, done.err)
        check_in(f"1.5: Pushing to {host}/team/app", done.err)
        done = registry_bothy(w, "push", "--progress=plain", "--disable-content-trust", "--all-tags", f"{host}/team/app")
        check_in("1.5: digest: ", done.out, "not quiet by that")
        check_equal(done.err.count("Already exists"), 2, done.err)
        check_equal(registry_bothy(w, "image", "push", "-q", f"{host}/team/app:1.5").out, f"{host}/team/app:1.5\n")
        done = registry_bothy(w, "search", f"{host}/app")
        check_equal(done.out.split(), ["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "team/app", "0"], done.err)
        for words, text in (((f"{host}/team/app:2",), "no image"), ((f"{host}/team/app@{match.group(1)}",), "has a digest"),
                            (("--all-tags", f"{host}/none"), "there is no image named"), (("--all-tags", f"{host}/a:1"), "exclude each other")):
            done = registry_bothy(w, "push", *words)
            check(done.code == 125 and text in done.err, f"{words}: {done!r}")
        if not shutil.which("skopeo"):
            skip("skopeo is not installed: nobody else has read it")
        copied = subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{host}/team/app:1.5",
                                 f"dir:{w.tmp}/copy"], check=False, stderr=subprocess.PIPE, text=True)
        check_equal(copied.returncode, 0, copied.stderr)
        check_equal(sha((w.tmp / "copy/manifest.json").read_bytes()), match.group(1))
        check((w.tmp / f"copy/{image}").exists(), "the config")


@test
def login_logout(w):
    if not shutil.which("htpasswd"):
        skip("htpasswd is not installed")
    (w.tmp / "htpasswd").write_text(subprocess.run(["htpasswd", "-Bbn", "me", "secret"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    file = w.tmp / "home/.docker/config.json"
    with docker_registry(w, htpasswd=w.tmp / "htpasswd") as host:
        done = registry_bothy(w, "login", "-u", "me", "--password-stdin", host, stdin="wrong\n")
        check_equal(done.code, 125)
        check_in("the user name or the password is wrong", done.err)
        check(not file.exists(), "a login that does not work is not kept")
        done = registry_bothy(w, "login", "-u", "me", "--password-stdin", host, stdin="secret\n")
        check_equal((done.code, done.out), (0, "Login Succeeded\n"), done.err)
        check_in("unencrypted", done.err)
        check_equal(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        check_equal(json.loads(file.read_text()), {"auths": {host: {"auth": base64.b64encode(b"me:secret").decode()}}})
        check_equal(registry_bothy(w, "login", "--get-login", host).out, "me\n")
        folder, _ = images.layout(w, reference=f"{host}/team/app:1")
        check_equal(w.bothy("load", "-q", "-i", folder).code, 0)
        check_equal(registry_bothy(w, "push", f"{host}/team/app:1").code, 0)
        # What we do not know in the file stays; others' logins, too.
        text = json.loads(file.read_text())
        text.update(HttpHeaders={"X": "y"})
        text["auths"]["other.example"] = {"auth": "YTpi"}
        file.write_text(json.dumps(text))
        check_equal(registry_bothy(w, "logout", host).code, 0)
        check_equal(json.loads(file.read_text()), {"auths": {"other.example": {"auth": "YTpi"}}, "HttpHeaders": {"X": "y"}})
        done = registry_bothy(w, "push", f"{host}/team/app:1")
        check_equal(done.code, 125)
        check_in(f"bothy login {host}", done.err)
        check_equal(registry_bothy(w, "logout", host).code, 125)
        check_equal(registry_bothy(w, "push", "--creds", "me:secret", f"{host}/team/app:1").code, 0)
        # Podman's file, by repository.
        auth = w.tmp / "run/containers/auth.json"
        auth.parent.mkdir()
        auth.write_text(json.dumps({"auths": {f"{host}/team": {"auth": base64.b64encode(b"me:secret").decode()}}}))
        check_equal(registry_bothy(w, "push", f"{host}/team/app:1").code, 0)
        auth.write_text("{")
        done = registry_bothy(w, "push", f"{host}/team/app:1")
        check(done.code == 125 and "auth.json: line 1" in done.err, repr(done))


@test
def credential_helpers(w):
    tools = w.tmp / "tools"
    tools.mkdir()
    helper = tools / "docker-credential-test"
    helper.write_text(f"""#!/bin/sh
echo "$1" >> {w.tmp}/verbs
env > {w.tmp}/env
case $1 in
get) read -r key; [ -f {w.tmp}/kept ] || {{ echo "credentials not found in native keychain"; exit 1; }}; cat {w.tmp}/kept ;;
store) sed 's/.*"Username":"\\([^"]*\\)".*"Secret":"\\([^"]*\\)".*/{{"Username":"\\1","Secret":"\\2"}}/' > {w.tmp}/kept ;;
erase) rm -f {w.tmp}/kept ;;
esac
""")
    helper.chmod(0o755)
    file = w.tmp / "home/.docker/config.json"
    file.parent.mkdir(parents=True)
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "SECRET_OF_OURS": "x"}
    with Server(basic="me:secret") as server:
        file.write_text(json.dumps({"credsStore": "test"}))
        done = registry_bothy(w, "login", "-u", "me", "--password-stdin", server.host, stdin="secret", env=env)
        check_equal(done.code, 0, done.err)
        check("unencrypted" not in done.err and "auth" not in json.loads(file.read_text())["auths"][server.host], file.read_text())
        check_equal(json.loads((w.tmp / "kept").read_text()), {"Username": "me", "Secret": "secret"})
        check("SECRET_OF_OURS" not in (w.tmp / "env").read_text(), "a clean environment")
        server.add_image("a/b", "1", [b"layer"])
        check_equal(registry_bothy(w, "login", "--get-login", server.host, env=env).out, "me\n")
        check_equal(registry_bothy(w, "logout", server.host, env=env).code, 0)
        check(not (w.tmp / "kept").exists(), "erased")
        for name, text in (("none", "is not installed"), ("../x", "is no name")):
            file.write_text(json.dumps({"credHelpers": {server.host: name}}))
            done = registry_bothy(w, "login", "--get-login", server.host, env=env)
            check(done.code == 125 and text in done.err, repr(done))
        file.write_text(json.dumps({"credsStore": "test"}))
        helper.write_text("#!/bin/sh\nyes\n")
        done = registry_bothy(w, "login", "--get-login", server.host, env=env)
        check(done.code == 125 and "answers more than" in done.err, repr(done))


@test
def search_words(w):
    with Server() as server:
        results = {"results": [{"name": "team/app\x1b[2J", "description": "what\x1b[31m it\nis " + "é" * 60, "star_count": 7, "is_official": True},
                               {"name": "team/other", "description": "", "star_count": 1}]}
        server.fault = lambda method, path, headers: {"status": 200, "body": json.dumps(results).encode()} if "/v1/search" in path else None
        done = registry_bothy(w, "search", f"{server.host}/app")
        check_equal(done.code, 0, done.err)
        check("\x1b" not in done.out and len(done.out.splitlines()) == 3, done.out)
        check_in("…", done.out)
        check_equal([line.split()[0] for line in registry_bothy(w, "search", "--filter", "stars=3", f"{server.host}/app").out.splitlines()],
                    ["NAME", "team/app?[2J"])
        check_equal(json.loads(registry_bothy(w, "search", "--format", "json", "-f", "is-official=false", f"{server.host}/app").out)["Name"],
                    "team/other")
        check_in("q=app&n=5", str([registry_bothy(w, "search", "--limit", "5", f"{server.host}/app"), server.log[-1][1]]))
        for words in (("--limit", "0"), ("--limit", "101"), ("--filter", "x=1"), ("--filter", "stars=x"), ("--format", "{{.X}}"), ("--filter", "stars")):
            check_equal(registry_bothy(w, "search", *words, f"{server.host}/app").code, 125, str(words))


@test
def tags_of_a_repository(w):
    with docker_registry(w) as host:
        name = f"{host}/team/app"
        folder, _ = images.layout(w, reference=f"{name}:1")
        for words in (("load", "-q", "-i", folder), ("tag", f"{name}:1", f"{name}:2", f"{name}:latest"), ("push", "--all-tags", name)):
            check_equal(registry_bothy(w, *words).code, 0)
        done = registry_bothy(w, "search", "--list-tags", name)
        lines = [line.split() for line in done.out.splitlines()]
        check_equal((done.code, lines[0], sorted(lines[1:])), (0, ["NAME", "TAG"], [[name, "1"], [name, "2"], [name, "latest"]]), done.err)
        check_equal(len(registry_bothy(w, "search", "--list-tags", "--limit", "2", "--format", "{{.Tag}}", name).out.split()), 2)
        one = json.loads(registry_bothy(w, "search", "--list-tags", "--format", "json", "--limit=1", name).out)
        check_equal(one, {"Name": name, "Tag": lines[1][1]}, "in the registry's order")
        for words, said in (((f"{name}:1",), "expected a repository"), (("--limit", "0", name), "--limit"), (("-f", "stars=1", name), "--filter"),
                            (("--format", "{{.Stars}}", name), "field Stars"), (("Bad",), "lower case"), ((f"{host}/team/none",), "list the tags of")):
            done = registry_bothy(w, "search", "--list-tags", *words)
            check_equal((done.code, done.out), (125, ""), f"{words}: {done!r}")
            check_in(said, done.err, f"{words}")


@test
def files_that_are_named_must_be_there(w):
    """--authfile and --cert-dir: without a word the registry would be asked as nobody, and which certificates count would be a guess."""
    with Server() as server:
        server.add_image("team/app", "1", [hostile.entry("f", b"x") + hostile.END])
        for words, said in ((("--authfile", w.tmp / "none"), "--authfile: there is no file"), (("--cert-dir", w.tmp / "none"), "--cert-dir: there is no folder"),
                            (("--cert-dir", "/dev/null"), "--cert-dir: there is no folder")):
            for command in (("pull", f"{server.host}/team/app:1"), ("search", f"{server.host}/app"), ("artifact", "pull", f"{server.host}/team/app:1")):
                done = registry_bothy(w, *command[:-1], *words, command[-1])
                check_equal(done.code, 125, f"{command} {words}: {done!r}")
                check_in(said, done.err, f"{command} {words}")
        (w.tmp / "logins").write_text("{}")
        (w.tmp / "certificates").mkdir()
        done = registry_bothy(w, "pull", "--authfile", w.tmp / "logins", "--cert-dir", w.tmp / "certificates", f"{server.host}/team/app:1")
        check_equal(done.code, 0, f"{done!r}")


# ---- with the store ------------------------------------------------------------------------------------------------------


def noisy_layer(seed, size):
    """An uncompressed layer of one file that nobody can compress."""
    data = b"".join(hashlib.sha256(f"{seed}.{i}".encode()).digest() for i in range(size // 32))
    return hostile.entry(f"file{seed}", data) + hostile.END


@test
def twenty_cuts_in_one_pull(w):
    layers = [noisy_layer(i, 1_500_000) for i in range(4)]
    with Server() as server:
        server.add_image("a/b", "1", layers)
        total = sum(len(data) for data in server.blobs.values())
        cuts = []

        def fault(method, path, _headers):
            if method == "GET" and "/blobs/" in path and len(cuts) < 20:
                cuts.append(path)
                return {"cut": 200_000}
            return None

        server.fault = fault
        done = registry_bothy(w, "pull", f"{server.host}/a/b:1")
        check_equal((done.code, len(cuts)), (0, 20), done.err)
        check(server.sent <= total * 1.02, f"{server.sent} bytes of {total} were sent")
        check_equal(registry_bothy(w, "image", "verify", f"{server.host}/a/b:1").code, 0)


@test
def a_mirror_with_wrong_bytes_costs_time_only(w):
    with Server() as mirror, Server() as primary:
        for server in (mirror, primary):
            server.add_image("x", "1", [noisy_layer(1, 100_000), noisy_layer(2, 100_000)])
        mirror.fault = lambda method, path, headers: {"flip": True} if "/blobs/" in path else None
        conf(w, f'[[registry]]\nprefix = "reg.example"\nlocation = "{primary.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}"\n'
             '[aliases]\n"short" = "reg.example/x"\n')
        done = registry_bothy(w, "pull", "short:1")
        check_equal(done.code, 0, done.err)
        check(mirror.sent > 0 and primary.sent > 0, "both were asked")
        check_in("reg.example/x", registry_bothy(w, "images").out)


@test
def a_damaged_beginning_and_a_mirror_with_wrong_bytes(w):
    """Neither is the last word: the beginning is thrown away, then the mirror is left for the registry itself."""
    with Server() as mirror, Server() as primary:
        for server in (mirror, primary):
            server.add_image("x", "1", [noisy_layer(1, 100_000)])
        data = noisy_layer(1, 100_000)
        layer = sha(data)
        mirror.fault = lambda method, path, headers: {"flip": True} if "/blobs/" in path else None
        conf(w, f'[[registry]]\nprefix = "reg.example"\nlocation = "{primary.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}"\n')
        registry_bothy(w, "pull", "reg.example/y:1")  # a store
        (w.tmp / "lib/partial/sha256").mkdir(parents=True, exist_ok=True)
        (w.tmp / "lib/partial/sha256" / layer[7:]).write_bytes(data[:20_000] + b"wrong" + data[20_005:35_000])
        mirror.log.clear()
        done = registry_bothy(w, "pull", "reg.example/x:1")
        check_equal(done.code, 0, done.err)
        asked = [headers.get("Range") for _, path, headers in mirror.log if layer in path]
        check_equal(asked, ["bytes=35000-", None], "of the mirror: the rest, then all")
        check_equal(len(primary.requests("GET", layer)), 1)


@test
def there_and_back(w):
    """load, push to docker-registry, remove, pull. (Behind TLS, passwords and tokens: test_real_registry.py.)"""
    with docker_registry(w) as host:
        folder, image = images.layout(w, reference=f"{host}/team/app:1")
        check_equal(w.bothy("load", "-q", "-i", folder).code, 0)
        check_equal(registry_bothy(w, "push", f"{host}/team/app:1").code, 0)
        done = registry_bothy(w, "rmi", f"{host}/team/app:1")
        check_equal(done.code, 0, done.err)
        done = registry_bothy(w, "pull", f"{host}/team/app:1")
        check_equal(done.code, 0, done.err)
        check_equal(registry_bothy(w, "images", "-q", "--no-trunc").out, f"sha256:{image}\n")


@test
def all_tags_are_not_held_in_memory(w):
    """Images with configs of 4 MB: one at a time is in memory."""
    layer, count, peak = noisy_layer(1, 1000), 16, []
    with Server() as server:
        for number in range(count):
            config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "history": [{"created_by": f"{number}" + "x" * 4_000_000}],
                                 "rootfs": {"type": "layers", "diff_ids": [sha(layer)]}}).encode()
            manifest = json.dumps({
                "schemaVersion": 2, "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": server.add(config), "size": len(config)},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": server.add(layer), "size": len(layer)}]}).encode()
            server.add_manifest("team/tags", str(number), manifest, MANIFEST)
        tags = json.dumps({"name": "team/tags", "tags": [str(number) for number in range(count)]}).encode()

        def fault(_method, path, _headers):
            if path.endswith(f"/manifests/{count - 1}"):
                status = read(f"/proc/{process.pid}/status")
                peak.append(int(re.search(r"VmHWM:\s+(\d+)", status).group(1)))
            return {"status": 200, "body": tags} if "/tags/list" in path else None

        server.fault = fault
        process = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "pull", "-a", "-q",
                           f"{server.host}/team/tags"], stdout=subprocess.DEVNULL)
        check_equal(process.wait(), 0)
        check(peak, "nobody was measured")
        w.check_memory(peak[0], 55_000)


@test(long=True)
def an_image_of_many_blobs_is_pushed(w):
    """As many as there may be: more than bothy-fetch may have open files."""
    with Server() as server:
        server.add_image("team/many", "1", [noisy_layer(number, 10) for number in range(500)])
        done = registry_bothy(w, "pull", "-q", f"{server.host}/team/many:1")
        check_equal(done.code, 0, done.err)
        registry_bothy(w, "tag", f"{server.host}/team/many:1", f"{server.host}/team/again:1")
        done = registry_bothy(w, "push", "-q", f"{server.host}/team/again:1")
        check_equal(done.code, 0, done.err)
        check(("team/again", "1") in server.manifests)
