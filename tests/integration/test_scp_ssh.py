# SPDX-License-Identifier: Apache-2.0
"""image scp through a real sshd: on loopback, with keys, configuration and a log of its own; as root in a mount namespace, because it
wants a folder in /run and a user for itself."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess

import test_store as forms
from fault_proxy import free_port
from harness import TOP, check, check_equal, check_in, program, skip, test
from peers import Docker, Podman, end_with_parent, engine
from registries import Registry, several_platforms
from test_save import ok
from test_scp import busybox_versions, tools, two_versions

IN_OWN_MOUNTS = """set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -m 755 /run/sshd
grep -q ^sshd: /etc/passwd || mount --bind {dir}/passwd /etc/passwd
exec {sshd} -D -e -f {dir}/sshd_config
"""


class Host:
    """Another host, as far as ssh can tell. `programs` is the first folder of its PATH."""

    def __init__(self, w, env=None, path="/usr/local/bin:/usr/bin:/bin"):
        self.w, self.dir, self.programs, self.root = w, w.tmp / "host", w.tmp / "host/bin", w.tmp / "host/lib"
        self.programs.mkdir(parents=True)
        self.port, self.user = free_port(), pwd.getpwuid(os.geteuid()).pw_name
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / key], check=True)
        public = (self.dir / "host.pub").read_text().split(" ")
        (self.dir / "known").write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        shutil.copy(self.dir / "user.pub", self.dir / "allowed")
        variables = {"PATH": f"{self.programs}:{path}", **(env or {})}
        config = [f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.dir}/host", f"AuthorizedKeysFile {self.dir}/allowed",
                  "PasswordAuthentication no", "KbdInteractiveAuthentication no", "UsePAM no", "StrictModes no", "PidFile none",
                  "PermitRootLogin prohibit-password", "SetEnv " + " ".join(f'"{k}={v}"' for k, v in variables.items())]
        for word, name in (("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")):  # Debian 13's, when it was only unpacked
            if (TOP / "build/unpacked/usr/lib/openssh" / name).exists():
                config.append(f"{word} {TOP}/build/unpacked/usr/lib/openssh/{name}")
        (self.dir / "sshd_config").write_text("\n".join(config) + "\n")
        (self.dir / "passwd").write_text(open("/etc/passwd", encoding="utf-8").read() + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
        w.env["BOTHY_SSH"] = (f"ssh -F none -i {self.dir}/user -o UserKnownHostsFile={self.dir}/known -o StrictHostKeyChecking=yes "
                              "-o BatchMode=yes -o IdentitiesOnly=yes")

    def place(self, name=""):
        return f"ssh://{self.user}@127.0.0.1:{self.port}" + (f"/{name}" if name else "")

    def bothy(self):
        self.program("bothy", f'exec {self.w.bin}/bothy --root {self.root} --state {self.dir}/state "$@"')

    def program(self, name, body):
        (self.programs / name).write_text(f"#!/bin/sh\n{body}\n")
        os.chmod(self.programs / name, 0o755)

    def command(self):
        sshd = program("sshd")
        if os.geteuid() != 0:
            return [sshd, "-D", "-e", "-f", self.dir / "sshd_config"]
        return ["unshare", "-m", "sh", "-c", IN_OWN_MOUNTS.format(dir=self.dir, sshd=sshd)]

    @contextlib.contextmanager
    def up(self):
        with open(self.dir / "log", "wb") as log:
            process = subprocess.Popen([str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=end_with_parent)
        try:
            self.w.wait_for(lambda: process.poll() is not None or self.answers(), "sshd listens")
            check(process.poll() is None, (self.dir / "log").read_text(errors="replace"))
            yield self
        finally:
            process.terminate()
            process.wait()

    def answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0


def need_sshd():
    sshd = program("sshd")
    if not sshd or not shutil.which("ssh"):
        skip("openssh is not installed")
    if subprocess.run([sshd, "-V"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 127:
        skip("sshd lacks a library")


@test
def there_and_back(w):
    need_sshd()
    host = Host(w)
    host.bothy()
    two_versions(w)
    with host.up():
        check_equal(ok(w, "image", "scp", "team/app:1", host.place()), "Loaded image: team/app:1\n")
        done = w.bothy("image", "scp", "team/app:2", host.place("team/app:tested"))
        check_equal((done.code, done.out), (0, "Loaded image: team/app:tested\n"), f"{done!r}")
        check_in("1 of 2 layers moved", done.err)
        ok(w, "rmi", "team/app:1", "team/app:2")
        check_equal(ok(w, "image", "scp", host.place("team/app:tested"), "team/app:back"), "Loaded image: team/app:back\n")
        check_equal(ok(w, "image", "scp", host.place("team/app:1")), "Loaded image: team/app:1\n")
        done = w.bothy("image", "scp", host.place("team/none:1"))
        check_equal(done.code, 125)
        check_in("the other host says: no image 'team/none:1'", done.err)
        # What goes wrong with ssh itself says how to try it, with the port.
        (host.dir / "allowed").write_text("")
        done = w.bothy("image", "scp", "team/app:1", host.place())
        check_equal(done.code, 125)
        check_in("cannot be reached by ssh", done.err)
        check_in(f"-p {host.port} {host.user}@127.0.0.1 true", done.err)
        shutil.copy(host.dir / "user.pub", host.dir / "allowed")
        os.unlink(host.programs / "bothy")
        host.program("docker", "exit 127")
        host.program("podman", "exit 127")
        done = w.bothy("image", "scp", "team/app:1", host.place())
        check_equal(done.code, 125, f"{done!r}")
        w.env["BOTHY_SSH"] = "no-such-ssh"
        done = w.bothy("image", "scp", "team/app:1", host.place())
        check_in("the program no-such-ssh is not installed", done.err)
    forms.check_consistent(host.root, True)
    forms.check_consistent(w.tmp / "lib", True)


@test
def all_platforms_or_one(w):
    """An index that is here whole arrives whole; --platform takes one; both ways."""
    need_sshd()
    host = Host(w)
    host.bothy()
    name = several_platforms(Registry(w))[-1]
    ok(w, "pull", "-q", "--all-platforms", name)
    with host.up():
        ok(w, "image", "scp", name, host.place())
        here, there = (forms.store(w, root, "manifest", "inspect", name).out for root in (w.tmp / "lib", host.root))
        check_equal(there, here, "the whole index")
        done = w.bothy("image", "scp", "--platform", "linux/arm/v7", name, host.place("team/arm:1"))
        check_equal(done.code, 0, f"{done!r}")
        check_in("0 of ", done.err)
        shown = forms.store(w, host.root, "image", "inspect", "--format", "{{.Architecture}}", "team/arm:1").out
        check_equal(shown, "arm\n")
        ok(w, "rmi", name)
        ok(w, "image", "scp", host.place(name))
        check_equal(forms.store(w, w.tmp / "lib", "manifest", "inspect", name).out, here)
        ok(w, "image", "scp", "--platform", "linux/arm/v7", host.place(name), "team/arm:back")
        check_equal(ok(w, "image", "inspect", "--format", "{{.Architecture}}", "team/arm:back"), "arm\n")
        for words, said in ((["--platform", "linux/mips64"], "linux/mips64"), (["--platform", "a b"], "platform"), (["--platform", "x;y"], "platform")):
            done = w.bothy("image", "scp", *words, host.place(name), "team/none:1")
            check_equal(done.code, 125, f"{words}: {done!r}")
            check_in(said, done.err)


@test(root=True)
def docker_behind_ssh(w):
    need_sshd()
    with engine(w, Docker) as docker:
        host = Host(w, {"DOCKER_HOST": docker.env["DOCKER_HOST"]})
        busybox_versions(w)
        with host.up():
            check_in("Loaded image: team/app:1", ok(w, "image", "scp", "team/app:1", host.place()))
            done = w.bothy("image", "scp", "team/app:2", host.place("team/app:two"))
            check_equal(done.code, 0, f"{done!r}")
            check_in("1 of 2 layers moved", done.err)
            check_equal(docker.ok("run", "--rm", "--network=none", "team/app:two", "/bin/busybox", "cat", "/etc/version"), "version 2\n")
            ok(w, "rmi", "team/app:1", "team/app:2")
            check_in("Loaded image: team/back:1", ok(w, "image", "scp", host.place("team/app:two"), "team/back:1"))
        docker.ok("rmi", "team/app:1", "team/app:two")


@test(root=True)
def podman_behind_ssh(w):
    need_sshd()
    with engine(w, Podman) as podman:
        host = Host(w)
        host.dir.joinpath("sshd_config").write_text(host.dir.joinpath("sshd_config").read_text().replace(
            "/usr/local/bin:/usr/bin:/bin", str(tools(host))))
        command = " ".join(shutil.which("podman") if word == "podman" else str(word) for word in podman.command("runc"))
        host.program("podman", f'exec {command} "$@"')
        busybox_versions(w)
        with host.up():
            check_in("docker.io/team/app:1", ok(w, "image", "scp", "team/app:1", host.place()))
            ok(w, "rmi", "team/app:1")
            check_in("team/back:1", ok(w, "image", "scp", host.place("team/app:1"), "team/back:1"))
        podman.ok("runc", "rmi", "docker.io/team/app:1")
