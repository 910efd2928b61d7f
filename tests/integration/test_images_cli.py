# SPDX-License-Identifier: Apache-2.0
"""load, images, rmi and `run NAME` with archives as others write them; help, manual pages and completion of every command."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import hostile_tar as hostile
from harness import TOP, check, check_equal, check_in, skip, test


def sha(data):
    return hostile.sha(data)


def busybox_layer():
    path = shutil.which("busybox")
    if not path:
        skip("busybox-static is not installed")
    with open(path, "rb") as file:
        data = file.read()
    return b"".join([hostile.directory("bin/"), hostile.entry("bin/busybox", data, mode=0o755),
                     hostile.directory("etc/"), hostile.entry("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:700:700::/home:/bin/sh\n"),
                     hostile.entry("etc/group", b"root:x:0:\napp:x:700:\n"),
                     *[hostile.directory(f"{d}/") for d in ("proc", "sys", "dev", "tmp")]]) + hostile.END


def layout(w, name="layout", reference="team/app:1.5", config=None, architecture="amd64", more=b""):
    """An OCI layout of busybox; its reference and configuration as given."""
    layer = more + busybox_layer()
    inner = {"Cmd": ["/bin/busybox", "echo", "from the image"], "Env": ["PATH=/bin", "GREETING=hello"], **(config or {})}
    image = json.dumps({"architecture": architecture, "os": "linux", "created": "2024-01-02T03:04:05Z", "config": inner,
                        "rootfs": {"type": "layers", "diff_ids": [sha(layer)]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha(image), "size": len(image)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha(layer), "size": len(layer)}]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha(manifest), "size": len(manifest),
         "annotations": {"org.opencontainers.image.ref.name": reference}}]}).encode()
    folder = w.tmp / name
    for path, data in {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, "blobs/sha256/" + sha(layer)[7:]: layer,
                       "blobs/sha256/" + sha(image)[7:]: image, "blobs/sha256/" + sha(manifest)[7:]: manifest}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder, sha(image)[7:]


def ok(w, *args, **kwargs):
    done = w.bothy(*args, **kwargs)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


@test
def run_by_name_tag_and_id(w):
    folder, image = layout(w)
    check_in("Loaded image: team/app:1.5", ok(w, "load", "-i", folder))
    for name in ("team/app:1.5", "docker.io/team/app:1.5", image[:12], image, f"sha256:{image}"):
        check_equal(ok(w, "run", name), "from the image\n", name)
    check_equal(ok(w, "run", "-e", "GREETING=hi", "team/app:1.5", "busybox", "env").count("GREETING=hi"), 1)
    check_in("uid=700(app)", ok(w, "run", "-u", "app", "team/app:1.5", "busybox", "id"))
    check_equal(ok(w, "run", "--entrypoint", "/bin/busybox", "team/app:1.5", "echo", "x"), "x\n")
    ok(w, "run", "team/app:1.5", "busybox", "touch", "/bin/new")
    check_equal(w.bothy("run", "team/app:1.5", "busybox", "ls", "/bin/new").code, 1, "the image is never written")
    for typed in ("team/ap:1.5", "app:1.5", "team/app", "team/app:1.6"):
        done = w.bothy("run", "--pull=never", typed)
        check_equal(done.code, 125, typed)
        check_in("did you mean 'team/app:1.5'?", done.err, typed)


@test
def the_images_configuration_counts(w):
    folder, _ = layout(w, config={"Entrypoint": ["/bin/busybox"], "Cmd": ["pwd"], "WorkingDir": "/srv/work", "User": "app",
                                  "StopSignal": "SIGUSR1"})
    ok(w, "load", "-i", folder)
    check_equal(ok(w, "run", "team/app:1.5"), "/srv/work\n")
    check_in("uid=700(app)", ok(w, "run", "team/app:1.5", "id"), "arguments go to the entry point")
    check_equal(ok(w, "run", "-w", "/tmp", "-u", "0", "team/app:1.5"), "/tmp\n")


@test
def the_table(w):
    folder, image = layout(w)
    check_equal(ok(w, "images").split(), ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"])
    ok(w, "load", "-i", folder)
    lines = ok(w, "images").splitlines()
    check_equal(len(lines), 2)
    check_equal(lines[1].split()[:3], ["team/app", "1.5", image[:12]])
    check_in("ago", lines[1])
    check_equal(lines[0].index("TAG"), lines[1].index("1.5"), "columns")
    check_equal(ok(w, "images", "-q"), image[:12] + "\n")
    check_equal(ok(w, "images", "-q", "--no-trunc"), f"sha256:{image}\n")
    row = json.loads(ok(w, "images", "--format", "json"))
    check_equal((row["Repository"], row["Tag"], row["ID"]), ("team/app", "1.5", image[:12]))
    check_in("sha256:", ok(w, "images", "--digests"))
    text = ok(w, "rmi", "team/app:1.5")
    check_in("Untagged: ", text)
    check_in(f"Deleted: sha256:{image}", text)
    check_equal(len(ok(w, "images").splitlines()), 1)
    done = w.bothy("rmi", "team/app:1.5")
    check(done.code != 0 and done.err.startswith("Error: "), f"{done!r}")
    ok(w, "rmi", "--ignore", "team/app:1.5")


@test
def as_skopeo_writes_them(w):
    if not shutil.which("skopeo"):
        skip("skopeo is not installed")
    folder, image = layout(w)
    for kind, name in (("oci-archive", "oci-archive:{}:team/app:1.5"), ("docker-archive", "docker-archive:{}:team/app:1.5"),
                       ("oci", "oci:{}:1.5")):
        path = w.tmp / f"from-skopeo-{kind}"
        done = w.run(["skopeo", "--insecure-policy", "--tmpdir", w.tmp, "copy", "-q", f"oci:{folder}:team/app:1.5", name.format(path)])
        check_equal(done.code, 0, done.err)
        ok(w, "load", "-q", "-i", path, "--name", f"{kind}/x:1")
        check_equal(ok(w, "run", f"{kind}/x:1"), "from the image\n", kind)
        with open(path, "rb") if path.is_file() else open(os.devnull, "rb") as file:
            if path.is_file():
                done = subprocess.run([w.bin / "bothy", "--root", w.tmp / "lib", "load", "--name", "by/stdin:1"], stdin=file, env=w.env,
                                      stdout=subprocess.PIPE, check=False)
                check_equal(done.returncode, 0, "from standard input")
    del image


@test
def as_umoci_writes_them(w):
    if not shutil.which("umoci"):
        skip("umoci is not installed")
    folder, _ = layout(w, reference="base")
    done = w.run(["umoci", "config", "--image", f"{folder}:base", "--tag", "new", "--config.cmd", "/bin/busybox", "--config.cmd", "echo",
                  "--config.cmd", "by umoci"])
    check_equal(done.code, 0, done.err)
    ok(w, "load", "-i", folder)
    text = ok(w, "images")
    check_in("new", text)


@test
def every_command_has_help_a_page_and_completion(w):
    def offered(*words):
        return [line.split("\t")[0] for line in w.run([w.bin / "bothy", "__complete", "--", *words]).out.splitlines()]

    def listed(text, heading=""):
        return [line.split()[0] for line in re.split(r"\n(?:Options|Examples):", text)[0].partition(heading or "\n")[2].splitlines() if line.startswith("  ")]

    pages = (TOP / "man/meson.build").read_text()
    todo = [[command] for command in listed(w.run([w.bin / "bothy", "--help"]).out)]
    check(["run"] in todo and ["images"] in todo and ["image"] in todo, todo)
    check_equal(sorted(offered("")), sorted(c[0] for c in todo), "completion of the first word")
    seen = 0
    while todo:
        words = todo.pop()
        command = " ".join(words)
        seen += 1
        text = w.run([w.bin / "bothy", "help", *words]).out
        check_in(f"Usage: bothy {command}", text)
        check(all(len(line) <= 120 for line in text.splitlines()), f"help of {command} has lines that are too long")
        check(len(text.splitlines()[2]) > 5, f"{command} has no summary")
        examples = [line for line in text.partition("\nExamples:\n")[2].splitlines() if line.strip() and not line.startswith("'")]
        check(examples and all(line.startswith("  ") and "bothy " in line for line in examples), f"help of {command} has no examples: {examples}")
        page = w.run([w.bin / "bothy", "help", "--man", *words]).out
        check_in(f".TH BOTHY-{command.upper().replace(' ', '-')} 1", page)
        check_in(f"'{command}'", pages, "man/meson.build")
        if len(words) == 1:
            check((TOP / f"man/bothy-{command}.man").exists(), f"man/bothy-{command}.man")
        if "\nCommands:\n" in text:
            below = listed(text, "\nCommands:\n")
            check_equal(sorted(offered(*words, "")), sorted(below), f"completion below {command}")
            todo += [words + [name] for name in below]
        options = [word.split()[0].rstrip(",") for line in text.splitlines() for word in [line.strip().split(", ")[-1]]
                   if word.startswith("--") and line.startswith("  ") and not line.startswith("   -    ")]
        known = offered(*words, "--") if options else []
        for option in options:
            escaped = option.replace("-", "\\-")
            check(f"{escaped}\\fR" in page, f"{option} of {command} is not in its page")
            check(option in known, f"{option} of {command} is not completed")
    check(seen > 8, f"{seen} commands")
    overview = w.run([w.bin / "bothy-oci", "--help"]).out
    headings = [line for line in overview.splitlines() if line.endswith(":") and not line.startswith(" ")]
    check_equal(len(headings), len(set(headings)), f"a heading stands twice: {headings}")
    for command in listed(overview):
        if command not in ("checkpoint", "restore"):
            check_in("\nExamples:\n  ", w.run([w.bin / "bothy-oci", command, "--help"]).out, f"help of bothy-oci {command}")
    oci = w.run([w.bin / "bothy-oci", "help", "--man"]).out
    for command in ("create", "run", "exec", "update", "events"):
        check_in(f".SS \\fBbothy\\-oci {command}", oci)


@test
def what_is_named_to_be_typed_exists(w):
    """Hints in the sources and commands in the documents speak of commands that there are."""
    if not (TOP / "src").is_dir():
        skip("the sources are not here")

    def below(*words):
        return {line.split("\t")[0] for line in w.run([w.bin / "bothy", "__complete", "--", *words, ""]).out.splitlines()}

    commands = below() | {"help"}
    groups = {name: below(name) for name in commands if "\nCommands:\n" in w.run([w.bin / "bothy", "help", name]).out}
    check(len(groups) >= 4 and len(commands) > 20, f"{groups} {commands}")
    named = [(file, text) for file in TOP.glob("src/**/*.c") for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', file.read_text())]
    named += [(file, text) for file in [*TOP.glob("docs/*.md"), *TOP.glob("*.md")] for text in re.findall(r"`([^`\n]*)`", file.read_text())]
    seen = 0
    for file, text in named:
        for command, word in re.findall(r"(?:^|[`'(|;=]|: |  |&& )bothy ([a-z]+)(?: ([a-z]+))?(?![a-z:/.])", text):
            known = command in commands and (command not in groups or not word or word in groups[command] or word in ("receive", "send"))
            check(known, f"{file.relative_to(TOP)} says 'bothy {command} {word}', which is no command: {text}")
            seen += 1
    check(seen > 60, f"only {seen} commands were found")


@test
def workers_started_by_hand_say_so(w):
    for name in ("bothy-fetch", "bothy-unpack"):
        done = w.run([w.bin / name, "--help"], timeout=10)
        check_equal(done.code, 125, name)
        check_in("is started by bothy, not by hand", done.err)


def in_shell(w, shell, script):
    if not shutil.which(shell):
        skip(f"{shell} is not installed")
    done = w.run([shell, *(["--norc"] if shell == "bash" else ["--no-config"]), "-c", script])
    check_equal(done.code, 0, f"{done!r}")
    return done.out.splitlines()


@test
def bash_completes(w):
    folder, _ = layout(w)
    ok(w, "load", "-i", folder)
    (w.tmp / "some-file").write_text("")
    root = f"--root {w.tmp}/lib"
    for typed, want in (("histo", ["history"]), ("image exi", ["exists"]), ("images --dig", ["--digests"]),
                        (f"{root} rmi t", ["team/app:1.5"]), (f"{root} rmi team/app:", ["1.5"]), ("load -i some-", ["some-file"]),
                        ("completion ", ["bash", "zsh", "fish"]), ("run --rm -v x:", [])):
        out = in_shell(w, "bash", f"""cd {w.tmp} && PATH={w.bin}:$PATH && source <(bothy completion bash) && compopt() {{ :; }}
            COMP_LINE='bothy {typed}' COMP_POINT=$((6 + {len(typed)})); _bothy; printf '%s\\n' "${{COMPREPLY[@]}}" """)
        check_equal([line for line in out if line], want, typed)


@test
def fish_completes(w):
    folder, _ = layout(w)
    ok(w, "load", "-i", folder)
    for typed, want in (("histo", ["history"]), ("image exi", ["exists"]), (f"--root {w.tmp}/lib rmi t", ["team/app:1.5"])):
        out = in_shell(w, "fish", f"set PATH {w.bin} $PATH; bothy completion fish | source; complete -C 'bothy {typed}'")
        check_equal(sorted(line.split("\t")[0] for line in out), want, typed)


@test
def zsh_completes(w):
    """On a terminal of its own, since zsh completes nowhere else."""
    if not shutil.which("zsh"):
        skip("zsh is not installed")
    folder, _ = layout(w)
    ok(w, "load", "-i", folder)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(w.tmp)
        os.execvpe("zsh", ["zsh", "-f", "-i"], dict(os.environ, TERM="dumb", PATH=f"{w.bin}:{os.environ['PATH']}", PS1="", HOME=str(w.tmp)))

    def expect(text, what, sent=None):
        if sent is not None:
            os.write(fd, sent)
        out = b""
        deadline = time.monotonic() + 20
        while text not in out:
            ready = select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]
            check(ready, f"{what}: {out!r}")
            out += os.read(fd, 65536)

    try:
        expect(b"ready-2", "zsh starts", b"autoload -Uz compinit; compinit -u -D; source <(bothy completion zsh); echo ready-$((1+1))\n")
        expect(b"--digests", "an option", b"bothy images --dig\t")
        expect(b"load images from an archive", "a summary", b"\x15bothy image \t")
        expect(b"team/app:1.5", "a name from the store", f"\x15bothy --root {w.tmp}/lib rmi t\t".encode())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


@test
def did_you_mean(w):
    """Every command that does not find an image names those that are nearly so."""
    (w.tmp / "root.tar").write_bytes(busybox_layer())
    ok(w, "import", w.tmp / "root.tar", "team/app:1.5")
    for words in (["rmi", "team/ap:1.5"], ["tag", "team/app:1.6", "x"], ["inspect", "team/apq"], ["save", "-o", w.tmp / "x", "app:2"], ["history", "team/app:2"],
                  ["push", "team/app:2"], ["image", "tree", "team/app:2"], ["run", "--pull", "never", "team/app:2"]):
        done = w.bothy(*words)
        check(done.code != 0, f"{words}: {done!r}")
        check_in("did you mean 'team/app:1.5'?", done.err, f"{words}")
    check_in("bothy images", w.bothy("rmi", "nothing/like:it").err)
    check_in("begin with http://", w.bothy("import", "ftp://example.com/x.tar").err)


@test
def sorted_images(w):
    for name, size in (("b/small:2", 10), ("a/large:1", 90_000), ("c/mid:3", 5_000)):
        (w.tmp / "root.tar").write_bytes(hostile.entry("f", os.urandom(size)) + hostile.END)
        ok(w, "import", w.tmp / "root.tar", name)
    ok(w, "tag", "a/large:1", "z/again:0")

    def order(*words):
        return [line.split()[0] for line in ok(w, "images", "-n", *words).splitlines()]

    check_equal(order("--sort", "repository"), ["a/large", "b/small", "c/mid", "z/again"])
    check_equal(order("--sort", "tag"), ["z/again", "a/large", "b/small", "c/mid"])
    check_equal(order("--sort", "size"), ["b/small", "c/mid", "a/large", "z/again"])
    check_equal(order("--sort", "created"), order())
    ids = order("--sort", "id", "--format", "table {{.ID}}")
    check_equal(ids, sorted(ids))
    check_equal(len(order("-q", "--sort", "tag")), 3, "an id is printed once")
    done = w.bothy("images", "--sort", "colour")
    check_equal(done.code, 125)
    check_in("created|id|repository|size|tag", done.err)
