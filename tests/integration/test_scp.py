# SPDX-License-Identifier: Apache-2.0
"""image scp: over a command that stands for ssh and counts what goes through; bothy, docker and podman at the far end."""

import json
import os
import shutil

import hostile_tar as hostile
import test_images_cli as images
import test_store as forms
from harness import check, check_equal, check_in, test
from peers import Docker, Podman, engine
from test_save import ok

SSH = """#!/bin/sh
printf '%s\\n' "$@" >{dir}/args
[ "$1" = -p ] && shift 2
shift
export PATH={path}
echo 'Welcome to this host'
# As with ssh, all is over when the far command has ended, whether or not more could be sent to it.
exec 3<&0
/usr/bin/mkfifo {dir}/in.$$
tee {dir}/sent <&3 >{dir}/in.$$ &
sh -c "$*" <{dir}/in.$$ 3<&- | tee {dir}/came 3<&-
kill $! 2>/dev/null
/bin/rm {dir}/in.$$
"""


class Far:
    """Another host: a store of its own and what moved."""

    def __init__(self, w, path="/usr/bin:/bin", bothy=True):
        self.w, self.dir = w, w.tmp / "far"
        (self.dir / "bin").mkdir(parents=True)
        self.root = self.dir / "lib"
        if bothy:
            self.program("bothy", f'exec {w.bin}/bothy --root {self.root} --state {self.dir}/state "$@"')
        (self.dir / "ssh").write_text(SSH.format(dir=self.dir, path=f"{self.dir}/bin:{path}"))
        os.chmod(self.dir / "ssh", 0o755)
        w.env["BOTHY_SSH"] = str(self.dir / "ssh")

    def program(self, name, body):
        (self.dir / f"bin/{name}").write_text(f"#!/bin/sh\n{body}\n")
        os.chmod(self.dir / f"bin/{name}", 0o755)

    def images(self):
        return forms.store(self.w, self.root, "images").out

    def sent(self):
        return (self.dir / "sent").stat().st_size

    def came(self):
        return (self.dir / "came").stat().st_size


def two_versions(w):
    """An app of a large base, and the same with another top."""
    base = hostile.entry("base", os.urandom(300_000)) + hostile.END
    for n in (1, 2):
        files = forms.oci_files([base, hostile.entry("app", b"version %d" % n) + hostile.END])
        ok(w, "load", "-i", forms.write_folder(w.tmp / f"v{n}", files), "--name", f"team/app:{n}")


@test
def only_what_is_missing_moves(w):
    far = Far(w)
    two_versions(w)
    check_equal(ok(w, "image", "scp", "team/app:1", "me@far::"), "Loaded image: team/app:1\n")
    check(far.sent() > 300_000, "the first time all of it")
    done = w.bothy("image", "scp", "team/app:2", "ssh://me@far:2222/team/app:tested")
    check_equal((done.code, done.out), (0, "Loaded image: team/app:tested\n"))
    check_in("1 of 2 layers moved", done.err)
    check(far.sent() < 20_000, f"the second time the top layer: {far.sent()} bytes")
    check_equal((far.dir / "args").read_text().split("\n")[:3], ["-p", "2222", "me@far"])
    ok(w, "image", "scp", "-q", "team/app:2", "far::")
    check(far.sent() < 10_000, "the third time nothing but documents")
    check_equal(sorted(line.split()[1] for line in far.images().splitlines()[1:]), ["1", "2", "tested"])
    forms.check_consistent(far.root, True)


@test
def pulls_from_a_host(w):
    far = Far(w)
    two_versions(w)
    for n in (1, 2):
        forms.load(w, far.root, w.tmp / f"v{n}", "--name", f"team/app:{n}")
    ok(w, "rmi", "team/app:2")
    check_equal(ok(w, "image", "scp", "far::team/app:2", "team/app:back"), "Loaded image: team/app:back\n")
    check(far.came() < 20_000, f"{far.came()} bytes came")
    ok(w, "rmi", "team/app:1", "team/app:back")
    check_equal(ok(w, "image", "scp", "ssh://far/team/app:1"), "Loaded image: team/app:1\n")
    check(far.came() > 300_000)
    forms.check_consistent(w.tmp / "lib", True)


@test
def what_the_configuration_keeps(w):
    """gc of bothy.toml holds at the end where an image came in, and there alone."""
    far = Far(w)
    two_versions(w)
    config = w.tmp / "bothy.toml"
    config.write_text('[gc]\nmax = "1k"\n')
    gc = {"BOTHY_CONFIG": str(config)}
    ok(w, "image", "scp", "team/app:1", "far::")
    done = w.bothy("image", "scp", "-q", "team/app:2", "far::", env=gc)
    check_in("Removed, as gc is configured: docker.io/team/app:1", done.err)
    check_equal([line.split()[1] for line in far.images().splitlines()[1:]], ["2"])
    check_equal(len(ok(w, "images", "-q").split()), 2, "the sender keeps his own")
    done = w.bothy("image", "scp", "far::team/app:2", "team/app:back", env=gc)
    check_in("Removed, as gc is configured: docker.io/team/app:1", done.err)
    check_equal(len(ok(w, "images", "-q").split()), 1)


@test
def a_hostile_host_gives_no_names(w):
    """What comes has the name that was asked for, whatever the archive says; garbage is refused and leaves nothing."""
    far = Far(w, bothy=False)
    files = forms.oci_files(forms.simple_layers())
    files["index.json"] = files["index.json"].replace(b'"tag1"', b'"docker.io/library/debian:latest"')
    (w.tmp / "evil.tar").write_bytes(hostile.outer(files))
    blobs = json.dumps([{"digest": hostile.sha(b), "size": len(b)} for b in forms.simple_layers()])
    far.program("bothy", f'printf \'{{"bothy":1,"kind":"offer","blobs":{blobs}}}\\n\'; read -r want; cat {w.tmp}/evil.tar')
    check_equal(ok(w, "image", "scp", "far::team/app:1"), "Loaded image: team/app:1\n")
    check("debian" not in ok(w, "images"), "a name of the other host's choice")
    ok(w, "rmi", "team/app:1")
    for body, said in (
            ("echo '{\"bothy\":1,\"kind\":\"offer\",\"blobs\":[{\"digest\":\"sha256:x\",\"size\":1}]}'", "digest"),
            ("echo '{\"bothy\":1,\"kind\":\"done\"}'", "order"), ("echo '{\"bothy\":2,\"kind\":\"offer\"}'", "form 2"),
            ("echo '{\"bothy\":1,\"kind\":\"error\",\"text\":\"\\u001b[31mred\"}'", "red"), ("echo '{\"bothy\":1'", "no JSON"),
            ("yes", "talks without end"), ("tr '\\0' x </dev/zero", "without end"), ("exit 3", "ends the connection"),
            (f'printf \'{{"bothy":1,"kind":"offer","blobs":{blobs}}}\\n\'; read -r want; head -c 5000 {w.tmp}/evil.tar', "ends")):
        far.program("bothy", body)
        done = w.bothy("image", "scp", "far::team/app:1")
        check_equal((done.code, done.out), (125, ""), f"{body}: {done!r}")
        check_in(said, done.err)
        check("\x1b" not in done.err, "an escape reached the terminal")
    check_equal(ok(w, "images", "-q"), "")
    forms.check_empty(w.tmp / "lib")


@test
def bad_places(w):
    Far(w)
    two_versions(w)
    for args, said in (
            (["team/app:1"], "both ends are this host"), (["a::x", "b::y"], "other hosts"), (["team/app:1", "-oProxyCommand=x::"], "unknown"),
            (["team/app:1", "--", "-oProxyCommand=x::"], "names no other host"), (["team/app:1", "ssh://-x/"], "names no other host"),
            (["team/app:1", "a;b::"], "names no other host"), (["team/app:1", "ssh://h:99999"], "names no other host"),
            (["team/app:1", "ssh://@h"], "names no other host"), (["ssh://h"], "names no image"), (["h::$(x)"], "h::$(x)"),
            (["team/nix:1", "h::"], "no image"), (["h::team/nix:1"], "the other host says: no image"), (["team/app:1", "h::BAD"], "lower")):
        done = w.bothy("image", "scp", *args)
        check_equal(done.code, 125, f"{args}: {done!r}")
        check_in(said, done.err, f"{args}")
    w.env["BOTHY_SSH"] = "false"
    check_equal(w.bothy("image", "scp", "team/app:1", "h::").code, 125)
    w.env["BOTHY_SSH"] = "sh -c 'exit 255'"
    check_equal(w.bothy("image", "scp", "team/app:1", "h::").code, 125)


def busybox_versions(w):
    """As two_versions, of gzip layers, to be run by docker."""
    base = images.busybox_layer()
    for n in (1, 2):
        top = hostile.entry("etc/version", b"version %d\n" % n) + hostile.END
        files = forms.oci_files([base, top])
        ok(w, "load", "-i", forms.write_folder(w.tmp / f"b{n}", files), "--name", f"team/app:{n}")


@test(root=True)
def docker_at_the_far_end(w):
    with engine(w, Docker) as docker:
        far = Far(w, path="/usr/local/bin:/usr/bin:/bin", bothy=False)
        w.env["DOCKER_HOST"] = docker.env["DOCKER_HOST"]
        busybox_versions(w)
        check_in("Loaded image: team/app:1", ok(w, "image", "scp", "team/app:1", "far::"))
        check(far.sent() > 1_000_000)
        done = w.bothy("image", "scp", "team/app:2", "far::team/app:two")
        check_equal(done.code, 0, f"{done!r}")
        check_in("1 of 2 layers moved", done.err)
        check(far.sent() < 20_000, f"{far.sent()} bytes went")
        check_in("two", docker.ok("images", "team/app"))
        check_equal(docker.ok("run", "--rm", "--network=none", "team/app:two", "/bin/busybox", "cat", "/etc/version"), "version 2\n")
        ok(w, "rmi", "team/app:1", "team/app:2")
        check_in("Loaded image: team/back:1", ok(w, "image", "scp", "far::team/app:two", "team/back:1"))
        docker.ok("rmi", "team/app:1", "team/app:two")


@test(root=True)
def podman_at_the_far_end(w):
    with engine(w, Podman) as podman:
        far = Far(w, bothy=False)
        command = " ".join(shutil.which("podman") if word == "podman" else str(word) for word in podman.command("runc"))
        far.program("podman", f'exec {command} "$@"')
        busybox_versions(w)
        # docker, where it is installed as well, would come first
        (far.dir / "ssh").write_text((far.dir / "ssh").read_text().replace(":/usr/bin:/bin", f":{tools(far)}"))
        check_in("docker.io/team/app:1", ok(w, "image", "scp", "team/app:1", "far::", timeout=60))
        check_in("docker.io/team/app", podman.ok("runc", "images"))
        ok(w, "rmi", "team/app:1")
        check_in("team/back:1", ok(w, "image", "scp", "far::team/app:1", "team/back:1"))
        podman.ok("runc", "rmi", "docker.io/team/app:1")


def tools(far):
    """A folder with what the far side's shell needs, and no docker."""
    folder = far.dir / "tools"
    folder.mkdir()
    for name in ("sh", "tee", "grep", "sort", "xargs", "nsenter"):
        (folder / name).symlink_to(shutil.which(name))
    return folder
