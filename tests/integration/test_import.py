# SPDX-License-Identifier: Apache-2.0
"""import: a root file system becomes an image; archives of every common writer; changes of the config."""

import gzip
import json
import os
import shutil
import subprocess

import hostile_tar as hostile
import test_images_cli as images
import test_store as forms
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
