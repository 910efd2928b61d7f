# SPDX-License-Identifier: Apache-2.0
"""images, history, inspect, tag, untag, exists, rmi, system df, info and version: columns, fields, filters, formats, bad input."""

import json
import os
import pty
import subprocess

import hostile_tar as hostile
from harness import check, check_equal, check_in, test


def image(w, folder, reference, labels=None, created="2024-01-02T03:04:05Z", content=b"x", history=None):
    """An OCI layout of two layers, of which the lower one is the same in all."""
    layers = [hostile.directory("etc/") + hostile.entry("etc/base", b"b" * 1000) + hostile.END,
              hostile.entry("etc/own", content) + hostile.END]
    steps = history or [{"created": created, "created_by": "ADD base /"}, {"created": created, "created_by": "ENV A=1", "empty_layer": True},
                        {"created": created, "created_by": "COPY own /etc/own", "comment": "by hand"}]
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": created, "author": "someone", "history": steps,
        "config": {"Cmd": ["sh"], "Env": ["A=1"], "Labels": labels, "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [hostile.sha(layer) for layer in layers]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": hostile.sha(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": hostile.sha(layer), "size": len(layer)}
                   for layer in layers]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": hostile.sha(manifest), "size": len(manifest),
        "annotations": {"org.opencontainers.image.ref.name": reference}}]}).encode()
    for data in (config, manifest, *layers):
        path = w.tmp / folder / "blobs/sha256" / hostile.sha(data)[7:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (w.tmp / folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (w.tmp / folder / "index.json").write_bytes(index)
    ok(w, "load", "-q", "-i", w.tmp / folder)
    return hostile.sha(config)[7:], hostile.sha(manifest)


def ok(w, *args):
    done = w.bothy(*args)
    check_equal(done.code, 0, f"bothy {' '.join(map(str, args))}: {done!r}")
    return done.out


def fails(w, message, *args, code=125):
    done = w.bothy(*args)
    check_equal(done.code, code, f"{args}: {done!r}")
    check_in(message, done.err, str(args))
    return done


def two(w):
    old = image(w, "old", "team/app:1.5", {"team": "core", "v": "1"}, created="2023-05-06T07:08:09Z")
    new = image(w, "new", "debian:12", created="2024-05-06T07:08:09.5Z", content=b"y" * 100)
    return old, new


@test
def columns_and_fields_of_images(w):
    (old, old_manifest), (new, _) = two(w)
    ok(w, "tag", "team/app:1.5", "reg.example.com:5000/other:2")
    lines = ok(w, "images").splitlines()
    check_equal(lines[0].split("  ")[0], "REPOSITORY")
    check_equal([line.split()[:3] for line in lines[1:]],
                [["debian", "12", new[:12]], ["team/app", "1.5", old[:12]], ["reg.example.com:5000/other", "2", old[:12]]])
    check_equal(lines[0].index("IMAGE ID"), lines[1].index(new[:12]), "columns")
    check_equal(ok(w, "image", "ls", "-q"), f"{new[:12]}\n{old[:12]}\n", "each id once")
    check_equal(ok(w, "images", "-a", "-q", "--no-trunc"), f"sha256:{new}\nsha256:{old}\n")
    check_in(old_manifest, ok(w, "images", "--digests", "team/app"))
    rows = [json.loads(line) for line in ok(w, "images", "--format", "json").splitlines()]
    check_equal(sorted(rows[0]), ["Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository", "SharedSize", "Size", "Tag",
                                  "UniqueSize", "VirtualSize"])
    check_equal(rows[1]["CreatedAt"], "2023-05-06 07:08:09 +0000 UTC")
    check_equal(ok(w, "images", "--format", "{{.Repository}}:{{.Tag}}\\t{{.Size}}", "debian"), "debian:12\t1.1kB\n")
    check_equal(ok(w, "images", "--format", "table {{.Tag}}\\t{{upper .ID}}", "debian").split(), ["TAG", "IMAGE", "ID", "12", new[:12].upper()])


@test
def filters(w):
    two(w)
    ok(w, "tag", "debian:12", "debian:stable")

    def names(*words):
        return ok(w, "images", "--format", "{{.Repository}}:{{.Tag}}", *words).split()

    everything = ["debian:12", "debian:stable", "team/app:1.5"]
    for words, want in (
            (["debian"], everything[:2]), (["debian:12"], ["debian:12"]), (["deb*"], everything[:2]), (["*/*"], ["team/app:1.5"]),
            (["docker.io/library/debian"], everything[:2]), (["nope"], []),
            (["-f", "reference=*:12"], ["debian:12"]), (["-f", "reference=debian", "-f", "reference=team/*"], everything),
            (["-f", "reference!=debian"], ["team/app:1.5"]), (["-f", "reference=debian", "-f", "reference!=*:12"], ["debian:stable"]),
            (["-f", "label=team"], ["team/app:1.5"]), (["-f", "label=team=core"], ["team/app:1.5"]), (["-f", "label=team=x"], []),
            (["-f", "label=team", "-f", "label=v=2"], []), (["-f", "label!=team"], everything[:2]),
            (["-f", "before=debian:12"], ["team/app:1.5"]), (["-f", "since=team/app:1.5"], everything[:2]),
            (["-f", "until=2024-01-01"], ["team/app:1.5"]), (["-f", "until=1h"], everything), (["-f", "until=1683400000"], ["team/app:1.5"]),
            (["-f", "dangling=false"], everything), (["-f", "dangling=true"], []), (["-f", "containers=true"], []),
            (["-f", "containers=false"], everything), (["-f", "readonly=true"], [])):
        check_equal(names(*words), want, str(words))
    ident = ok(w, "images", "-q", "team/app").strip()
    check_equal(names("-f", f"id={ident[:6]}"), ["team/app:1.5"])
    ok(w, "untag", "team/app:1.5")
    check_equal(names("-f", "dangling=true"), ["<none>:<none>"])
    fails(w, "did you mean label?", "images", "-f", "labl=x")
    fails(w, "there are: dangling", "images", "-f", "xxxxxxx=x")
    fails(w, "expected key=value", "images", "-f", "dangling")
    fails(w, "expected true or false", "images", "-f", "dangling=maybe")
    fails(w, "expected a moment", "images", "-f", "until=tomorrow")
    fails(w, "no image 'nope'", "images", "-f", "before=nope")


@test
def wrong_formats(w):
    two(w)
    fails(w, "did you mean .Repository?", "images", "--format", "{{.Repo}}")
    fails(w, "--format: column 5: the action has no end", "images", "--format", "{{.I")
    fails(w, "there is no function \"uper\"", "images", "--format", "{{uper .ID}}")
    done = fails(w, "can't evaluate field Nope", "inspect", "-f", "{{.Nope}}", "debian:12")
    check_equal(done.out, "")


@test
def history_of_an_image(w):
    old, _ = image(w, "old", "team/app:1.5", history=[
        {"created": "2024-01-02T03:04:05.6Z", "created_by": "/bin/sh -c #(nop) ADD file in /\tand more words than a table should hold"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created": "2024-01-02T03:04:05.6Z", "created_by": "COPY", "comment": "with \x1b[31mcolour"}])
    lines = ok(w, "history", "team/app:1.5").splitlines()
    check_equal(lines[0].split("  ")[0], "IMAGE")
    check_equal([lines[1].split()[0], lines[2].split()[0]], [old[:12], "<missing>"])
    check_in("/bin/sh -c #(nop) ADD file in / and more wor…", lines[3])
    check_in("with ?[31mcolour", lines[1], "nothing reaches a terminal that it obeys")
    check_in("1kB", lines[3])
    check_in("should hold", ok(w, "history", "--no-trunc", "team/app:1.5"))
    check_equal(ok(w, "history", "-q", "team/app:1.5"), f"{old[:12]}\n<missing>\n<missing>\n")
    check_equal(ok(w, "image", "history", "-H=false", "--format", "{{.CreatedAt}} {{.Size}}", "team/app:1.5"),
                "2024-01-02T03:04:05Z 1\nN/A 0\n2024-01-02T03:04:05Z 1000\n")
    row = json.loads(ok(w, "history", "--format", "json", "team/app:1.5").splitlines()[0])
    check_equal(sorted(row), ["Comment", "CreatedAt", "CreatedBy", "CreatedSince", "ID", "Size"])
    fails(w, "no image", "history", "nope")


@test
def inspecting(w):
    (old, manifest), (new, _) = two(w)
    ok(w, "tag", "team/app:1.5", "team/app:stable")
    one = json.loads(ok(w, "inspect", "team/app:1.5"))[0]
    for field, want in (("Id", f"sha256:{old}"), ("RepoTags", ["team/app:1.5", "team/app:stable"]), ("Digest", manifest), ("Os", "linux"),
                        ("Architecture", "amd64"), ("Created", "2023-05-06T07:08:09Z"), ("Author", "someone"), ("Comment", "by hand"),
                        ("Size", 1001), ("Parent", "")):
        check_equal(one[field], want, field)
    check_equal(one["Config"]["Labels"], {"team": "core", "v": "1"})
    check_equal(one["Config"]["ExposedPorts"], {"80/tcp": {}})
    check_equal(one["Config"]["Entrypoint"], None)
    check_equal(len(one["RootFS"]["Layers"]), 2)
    check(os.path.isdir(one["GraphDriver"]["Data"]["UpperDir"]), one["GraphDriver"])
    both = json.loads(ok(w, "image", "inspect", old[:8], "debian:12"))
    check_equal([i["Id"][7:] for i in both], [old, new])
    check_equal(ok(w, "inspect", "--type", "image", "-f", '{{index .Config.Labels "team"}} {{join .RepoTags ","}}', "team/app:1.5"),
                "core team/app:1.5,team/app:stable\n")
    check_equal(ok(w, "inspect", "-f", "{{.Config.Healthcheck}}{{if .Config.Healthcheck}}x{{end}}", "debian:12"), "<no value>\n")
    check_equal(json.loads(ok(w, "inspect", "-f", "json", "debian:12"))[0]["Id"], f"sha256:{new}")
    done = fails(w, "Error: no image 'nope'", "inspect", "nope", code=1)
    check_equal(done.out, "[]\n")
    done = fails(w, "Error: no image 'nope'", "inspect", "nope", "debian:12", code=1)
    check_equal(json.loads(done.out)[0]["Id"], f"sha256:{new}", "what is found is printed")
    fails(w, "expected image", "inspect", "--type", "volume", "x")


@test
def names_come_and_go(w):
    two(w)
    ok(w, "image", "tag", "team/app:1.5", "one", "two:x")
    check_equal(sorted(ok(w, "images", "--format", "{{.Repository}}:{{.Tag}}").split()), ["debian:12", "one:latest", "team/app:1.5", "two:x"])
    ok(w, "tag", "debian:12", "one")
    check_equal(ok(w, "inspect", "-f", "{{.RepoTags}}", "debian:12"), "[debian:12 one:latest]\n", "the name moves")
    ok(w, "untag", "two:x", "two:x")
    ok(w, "image", "exists", "team/app:1.5")
    check_equal(w.bothy("image", "exists", "two:x").code, 1)
    check_equal(w.bothy("image", "exists", "two:x").err, "")
    check_equal(w.bothy("image", "exists", "Bad Name").code, 125)
    fails(w, "no image", "tag", "nope", "x")
    fails(w, "requires a minimum of 2", "tag", "debian:12")
    fails(w, "", "tag", "debian:12", "UPPER")
    out = ok(w, "rmi", "--no-prune", "one")
    check_equal(out, "Untagged: one:latest\n")
    done = fails(w, "no image 'nope'", "rmi", "nope", "team/app:1.5")
    check_in("Untagged: team/app:1.5\nDeleted: sha256:", done.out)
    ok(w, "rmi", "-f", "nope")
    fails(w, "no image was named", "rmi")
    fails(w, "--all and names", "rmi", "--all", "x")
    check_in("Deleted: ", ok(w, "image", "rm", "--all"))
    check_equal(ok(w, "images", "-q"), "")


@test
def room(w):
    (_, _), (new, _) = two(w)
    rows = {row["Type"]: row for row in map(json.loads, ok(w, "system", "df", "--format", "json").splitlines())}
    check_equal(rows["Images"], {"Active": "0", "Reclaimable": "1.1kB (100%)", "Size": "1.1kB", "TotalCount": "2", "Type": "Images"})
    check_equal(rows["Containers"]["TotalCount"], "0")
    check_equal(rows["Compressed layers"]["TotalCount"], "7", "two configs, two manifests, three layers")
    check_equal(ok(w, "system", "df").splitlines()[0].split(), ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"])
    text = ok(w, "system", "df", "-v")
    check_in("SHARED SIZE", text)
    line = next(line for line in text.splitlines() if new[:12] in line)
    check_in("1.1kB", line)
    check_in("1kB", line.split("1.1kB")[1], "shared")
    check_in("100B", line, "unique")
    check_equal(ok(w, "system", "df", "-v", "--format", "{{range .Images}}{{.Repository}}={{.UniqueSize}} {{end}}"), "debian=100B team/app=1B \n")


@test
def about(w):
    check_in("bothy version ", ok(w, "version"))
    version = ok(w, "version", "--format", "{{.Server.Version}}").strip()
    check_in(version, ok(w, "version"))
    check_equal(json.loads(ok(w, "version", "--format", "json"))["Client"]["Os"], "linux")
    info = json.loads(ok(w, "info", "--format", "json"))
    check_equal((info["Images"], info["Containers"], info["OSType"], info["DockerRootDir"]), (0, 0, "linux", str(w.tmp / "lib")))
    check_in("Storage Driver: overlay", ok(w, "system", "info"))


@test
def tables_fit_the_terminal(w):
    image(w, "long", "registry.example.com/a/very/long/path/with/many/parts/app:1.5")
    image(w, "evil", "team/evil:1", history=[{"created_by": "a"}, {"created_by": "\x1b]0;owned\x07"}])

    def on_terminal(columns, *args):
        pid, fd = pty.fork()
        if pid == 0:
            subprocess.run(["stty", "cols", str(columns)], check=False)
            os.execv(w.bin / "bothy", ["bothy", "--root", str(w.tmp / "lib"), "--state", str(w.tmp / "run/bothy"), *args])
        out = b""
        try:
            while part := os.read(fd, 65536):
                out += part
        except OSError:
            pass
        os.close(fd)
        check_equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, f"{args}: {out!r}")
        return out.decode().replace("\r\n", "\n")

    narrow = on_terminal(80, "images")
    check(max(map(len, narrow.splitlines())) <= 80, narrow)
    check_in("…", narrow)
    check_in("a/very/long/path/with/many/parts/app", on_terminal(200, "images"))
    check("\x1b" not in on_terminal(100, "history", "--no-trunc", "--format", "{{.CreatedBy}}", "team/evil:1"), "escapes on a terminal")
    check("\x1b" in ok(w, "history", "--no-trunc", "--format", "{{.CreatedBy}}", "team/evil:1"), "a pipe gets the bytes")
