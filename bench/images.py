# SPDX-License-Identifier: Apache-2.0
"""The workloads of images: pull, pull again, push, images, save, load; beside podman, docker and the floor.

All stores lie on one fresh ext4 with a journal, in a file of its own that is mounted for the run: what else happens on the
disk's file system, and what was removed there a moment ago, is nobody's advantage. A time is that of the command and of
making its file system durable afterwards, which every engine leaves to the system in part.
"""

import glob
import http.client
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

from measuring import in_turns, quiet

WORKLOADS = ("pull", "again", "push", "list", "archive")
DISK = Path("/mnt/work/disk")
TITLES = {"gzip": "four layers, 280 MB of gzip, 790 MB of files", "zstd": "the same in zstd",
          "small": "40,000 small files in one layer"}


def program(name, variable):
    return os.environ[variable] if variable in os.environ else shutil.which(name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def proportional_kib(names):
    """The memory of all programs of these names together (proportional: what is shared counts once)."""
    total = 0
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if Path(folder, "comm").read_text(encoding="utf-8").strip() in names:
                total += int(re.search(r"^Pss:\s+(\d+)", Path(folder, "smaps_rollup").read_text(encoding="utf-8"), re.M)[1])
        except (OSError, TypeError):
            pass  # it ended
    return total


class Registry:
    """Debian's docker-registry on loopback."""

    def __init__(self, binary, folder):
        self.port, self.log = free_port(), folder / "registry.log"
        self.host = f"localhost:{self.port}"
        config = folder / "registry.yml"
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/registry}}\n"
                          f"http: {{addr: '127.0.0.1:{self.port}'}}\n", encoding="utf-8")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([binary, "serve", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.request("GET", "/v2/")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("docker-registry does not answer")

    def request(self, method, path, body=None, kind="application/octet-stream"):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": kind}
        if body is not None:
            headers["Content-Length"] = str(os.fstat(body.fileno()).st_size if hasattr(body, "fileno") else len(body))
        line.request(method, path, body=body, headers=headers)
        answer = line.getresponse()
        answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"registry: {method} {path}: {answer.status}")
        return answer

    def upload(self, layout, repository, tag):
        """Push an image of a layout folder by hand, so that no engine is needed for it."""
        blobs = layout / "blobs" / "sha256"
        manifest = (blobs / json.loads((layout / "index.json").read_text())["manifests"][0]["digest"][7:]).read_bytes()
        doc = json.loads(manifest)
        for blob in [doc["config"], *doc["layers"]]:
            place = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"").getheader("Location")
            place = place[place.index("/v2/"):]
            with open(blobs / blob["digest"][7:], "rb") as data:
                self.request("PUT", f"{place}&digest={blob['digest']}", data)
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, doc["mediaType"])

    def requests(self):
        return len(re.findall(r'"(?:GET|HEAD|POST|PUT|PATCH) /v2/', self.log.read_text(encoding="utf-8", errors="replace")))

    def close(self):
        self.process.terminate()
        self.process.wait()


class Images:
    def __init__(self, programs, work, short, report):
        self.bin, self.work, self.short, self.report = programs, work, short, report
        self.images = Path("/mnt/images")
        self.dockerd = self.registry = None
        self.report.data.setdefault("host", {"kernel": platform.release(), "cpus": os.cpu_count(),
                                             "machine": platform.machine(), "load": os.getloadavg()[0], "short": short})
        self.versions = self.report.data.setdefault("versions", {})
        os.environ["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1"
        self.mount()
        self.peers = self.find_peers()
        self.turn = 0

    # What is there

    def mount(self):
        DISK.mkdir()
        loop = quiet(["losetup", "--find", "--show", "--direct-io=on", "/mnt/work/disk.img"]).strip()
        try:
            quiet(["mount", loop, str(DISK)])
        finally:
            quiet(["losetup", "--detach", loop])  # when the mount goes
        self.loop = loop

    def find_peers(self):
        found = {}
        podman = program("podman", "BENCH_PODMAN")
        if podman:
            found["podman"] = [podman, "--root", f"{DISK}/podman", "--runroot", "/run/bench-images-podman", "--cgroup-manager",
                               "cgroupfs", "--events-backend", "file", "--storage-driver", "overlay"]
        if self.start_docker():
            found["docker"] = [program("docker", "BENCH_DOCKER"), "-H", f"unix://{self.work}/images.sock"]
        for name, argv in list(found.items()):
            try:
                self.versions[name] = quiet([*argv, "--version"]).strip()
            except (RuntimeError, OSError) as error:
                self.report.note(f"{name} left out: {error}")
                del found[name]
        print("  " + ", ".join(self.versions.values()), flush=True)
        return found

    def start_docker(self):
        daemon = program("dockerd", "BENCH_DOCKERD")
        if not daemon or not program("docker", "BENCH_DOCKER"):
            return False
        with open(self.work / "dockerd-images.log", "w", encoding="utf-8") as log:
            self.dockerd = subprocess.Popen(
                [daemon, "--data-root", f"{DISK}/docker", "--exec-root", "/run/bench-images-docker", "--bridge", "none", "-H",
                 f"unix://{self.work}/images.sock", "-p", "/run/bench-images-docker.pid", "--iptables=false", "--ip6tables=false"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 40
        ask = [program("docker", "BENCH_DOCKER"), "-H", f"unix://{self.work}/images.sock", "info"]
        while time.monotonic() < end and self.dockerd.poll() is None:
            if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
                return True
            time.sleep(0.3)
        self.report.note("docker left out: its daemon does not start: " +
                         (self.work / "dockerd-images.log").read_text(encoding="utf-8")[-200:].strip())
        return False

    def serve(self, *names):
        """The registry, with the images @names that were made; returns those."""
        if not self.registry:
            binary = program("docker-registry", "BENCH_REGISTRY")
            if not binary:
                raise RuntimeError("docker-registry is not here")
            self.registry = Registry(binary, self.work)
            self.uploaded = set()
        there = [n for n in names if (self.images / n / "index.json").exists()]
        for name in there:
            if name not in self.uploaded:
                self.registry.upload(self.images / name, "bench/" + name, "1")
                self.uploaded.add(name)
        return there

    def close(self):
        if self.registry:
            self.registry.close()
        if self.dockerd and self.dockerd.poll() is None:
            self.dockerd.terminate()
            try:
                self.dockerd.wait(30)
            except subprocess.TimeoutExpired:
                self.dockerd.kill()
                self.dockerd.wait()
        quiet(["umount", "--recursive", "--lazy", str(DISK)], check=False)

    def bothy(self, *words):
        return [str(self.bin / "bothy"), "--root", f"{DISK}/bothy", "--state", "/run/bench-images-bothy", *words]

    # Taking times

    def once(self, argv, watch=None):
        """One command and a sync behind it: (wall ms, CPU ms or None, peak of the programs @watch in KiB)."""
        disk = os.open(DISK, os.O_RDONLY)
        quiet(["sync", "-f", str(DISK)])
        before, peak = os.times(), 0
        begin = time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            while watch and child.poll() is None:
                peak = max(peak, proportional_kib(watch))
                time.sleep(0.02)
            words = child.communicate()[1]
        quiet(["sync", "-f", str(DISK)])
        wall = (time.monotonic() - begin) * 1e3
        after = os.times()
        os.close(disk)
        if child.returncode:
            raise RuntimeError(f"{' '.join(argv[:8])}: exit {child.returncode}: {words.decode(errors='replace').strip()[-300:]}")
        return wall, (after.children_user + after.children_system - before.children_user - before.children_system) * 1e3, peak

    def take_turns(self, key, title, commands, clean, bases, rounds=None):
        """@commands: {name: argv}; @clean: {name: function that puts things back}."""
        got = {name: [] for name in commands}
        for _ in range(rounds or (1 if self.short else 3)):
            for name, argv in list(commands.items()):
                clean[name]()
                try:
                    got[name].append(self.once(argv))
                except RuntimeError as error:
                    self.report.note(f"{name} left out of '{key}': {error}")
                    del commands[name], got[name]
        figures = {}
        for name, runs in got.items():
            walls, cpus = sorted(r[0] for r in runs), [r[1] for r in runs]
            figures[name] = {"runs": len(runs), "median_ms": round(statistics.median(walls), 1), "min_ms": round(walls[0], 1),
                             "max_ms": round(walls[-1], 1), "cpu_median_ms": round(statistics.median(cpus), 1), "peak_kib": 0}
        self.report.times(key, title, figures, bases)
        return figures

    def forget(self, name):
        """Take every image out of an engine."""
        if name == "bothy":
            shutil.rmtree(DISK / "bothy", ignore_errors=True)
        elif name == "podman":
            quiet([*self.peers["podman"], "rmi", "-fa"], check=False, timeout=300)
        elif name == "docker":
            ids = quiet([*self.peers["docker"], "images", "-aq", "--no-trunc"]).split()
            if ids:
                quiet([*self.peers["docker"], "rmi", "-f", *sorted(set(ids))], check=False, timeout=300)
        else:
            shutil.rmtree(DISK / "floor", ignore_errors=True)
            (DISK / "floor").mkdir()

    def puller(self, name, image):
        reference = f"{self.registry.host}/bench/{image}:1"
        return {"bothy": lambda: self.bothy("pull", "-q", "--tls-verify=false", reference),
                "podman": lambda: [*self.peers["podman"], "pull", "-q", "--tls-verify=false", reference],
                "docker": lambda: [*self.peers["docker"], "pull", "-q", reference]}[name]()

    # Workloads

    def pull_workload(self):
        wanted = ("gzip", "small") if self.short else ("gzip", "zstd", "small")
        there = self.serve(*wanted)
        for missing in set(wanted) - set(there):
            self.report.note(f"image {missing} is not here: bench/make-pull-image {self.images} {missing}")
        for image in there:
            commands = {name: self.puller(name, image) for name in ("bothy", *self.peers)}
            layout = self.images / image
            doc = json.loads((layout / "index.json").read_text())
            doc = json.loads((layout / "blobs/sha256" / doc["manifests"][0]["digest"][7:]).read_text())
            if (self.work / "floor-pull").exists():
                to_floor = [f"{DISK}/floor", *(str(layout / "blobs/sha256" / each["digest"][7:]) for each in doc["layers"])]
                commands["floor"] = [str(self.work / "floor-pull"), *to_floor]
                commands["floor and digests"] = [str(self.work / "floor-pull"), "--digests", *to_floor]
            clean = {name: (lambda n=name: self.forget(n)) for name in commands}
            figures = self.take_turns(f"pull_{image}", f"pull from a registry on this machine, and sync: {TITLES[image]}, ms",
                                      commands, clean, {"podman": "podman", "docker": "docker", "floor": "floor"})
            ours = figures.get("bothy", {})
            for peer in ("podman", "docker"):
                self.report.goal(f"pull {image}: time, of {peer}'s", 0.25, ours.get(f"ratio_to_{peer}"))
            self.report.goal(f"pull {image}: time, of the floor's", 1.3, ours.get("ratio_to_floor"))
            for name in clean:
                self.forget(name)
            peak = self.once(self.puller("bothy", image), watch={"bothy", "bothy-unpack", "bothy-fetch"})[2]
            self.report.table(f"pull_{image}_memory", "Memory of all programs of bothy together during that, at most", ["KiB"],
                              {"bothy": [peak]})
            self.report.goal(f"pull {image}: memory, MiB", 64, round(peak / 1024, 1))
            self.forget("bothy")

    def again_workload(self):
        self.serve("small")
        rows, commands = {}, {}
        for name in ("bothy", *self.peers):
            argv = self.puller(name, "small")
            quiet(argv, timeout=300)
            before = self.registry.requests()
            quiet(argv)
            time.sleep(0.2)
            rows[name] = [self.registry.requests() - before]
            commands[name] = argv
        self.report.table("again_requests", "pull of an image that is there: requests", ["requests"], rows)
        self.report.goal("pull again: requests", 1, rows["bothy"][0])
        figures = in_turns(str(self.work / "spawn"), commands, 3 if self.short else 9)
        self.report.times("again", "pull of an image that is there, ms", figures, {"podman": "podman", "docker": "docker"})

    def push_workload(self):
        if subprocess.run(self.bothy("push", "--help"), capture_output=True, check=False).returncode:
            self.report.note("push is not measured: this bothy has no such command")
            return
        image = "small" if self.short else "gzip"
        if not self.serve(image):
            self.report.note(f"push is not measured: image {image} is not here")
            return
        source = f"{self.registry.host}/bench/{image}:1"
        commands, clean, there = {}, {}, [None]
        for name in ("bothy", *self.peers):
            quiet(self.puller(name, image), timeout=300)

        def target(name):
            """A registry that has nothing: from another of its repositories blobs would be mounted, and none would move."""
            if there[0]:
                there[0].close()
            folder = self.work / "pushed"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            there[0] = Registry(program("docker-registry", "BENCH_REGISTRY"), folder)
            to = f"{there[0].host}/push/{name}:1"
            quiet([*(self.bothy() if name == "bothy" else self.peers[name]), "tag", source, to])
            options = [] if name == "docker" else ["--tls-verify=false"]
            commands[name][:] = [*(self.bothy() if name == "bothy" else self.peers[name]), "push", "-q", *options, to]

        for name in ("bothy", *self.peers):
            commands[name] = []
            clean[name] = lambda n=name: target(n)
        try:
            figures = self.take_turns("push", f"push of {TITLES[image]}, to a registry without any of it, ms", commands, clean,
                                      {"podman": "podman", "docker": "docker"})
        finally:
            if there[0]:
                there[0].close()
            shutil.rmtree(self.work / "pushed", ignore_errors=True)
        self.report.goal("push: time, of podman's", 0.5, figures.get("bothy", {}).get("ratio_to_podman"))
        for name in ("bothy", *self.peers):
            self.forget(name)

    def list_workload(self):
        if not (self.images / "tiny" / "index.json").exists():
            self.report.note("images is not measured: the tiny images are not here")
            return
        self.forget("bothy")
        quiet(self.bothy("load", "-q", "-i", str(self.images / "tiny")), timeout=300)
        count = len(quiet(self.bothy("images", "-q")).split())
        commands = {"bothy images": self.bothy("images"), "bothy images -q": self.bothy("images", "-q")}
        figures = in_turns(str(self.work / "spawn"), commands, 3 if self.short else 10, 4)
        self.report.times("list", f"images, with {count} of them, ms", figures, {})
        self.report.goal("images: time with 1,000 of them, ms", 30, figures["bothy images"]["median_ms"])
        self.forget("bothy")

    def archive_workload(self):
        image = "small" if self.short else "gzip"
        if not self.serve(image):
            self.report.note(f"save and load are not measured: image {image} is not here")
            return
        reference = f"{self.registry.host}/bench/{image}:1"
        for name in ("bothy", *self.peers):
            quiet(self.puller(name, image), timeout=300)
        files = {name: DISK / f"{name}.tar" for name in ("bothy", *self.peers)}
        words = {"bothy": self.bothy("save", "-q"), **{n: [*argv, "save"] for n, argv in self.peers.items()}}
        if "podman" in words:
            words["podman"] += ["-q", "--format", "oci-archive"]
        commands = {name: [*words[name], "-o", str(files[name]), reference] for name in files}
        clean = {name: (lambda f=file: f.unlink(missing_ok=True)) for name, file in files.items()}
        figures = self.take_turns("save", f"save of {TITLES[image]}, ms", commands, clean, {"podman": "podman", "docker": "docker"})
        self.report.goal("save: time, of podman's", 0.5, figures.get("bothy", {}).get("ratio_to_podman"))
        for name in files:
            self.forget(name)
        one = files["bothy"]  # it is in both forms, so that all can read it
        commands = {"bothy": self.bothy("load", "-q", "-i", str(one)),
                    **{n: [*argv, "load", "-q", "-i", str(one)] for n, argv in self.peers.items()}}
        clean = {name: (lambda n=name: self.forget(n)) for name in commands}
        figures = self.take_turns("load", f"load of what bothy saved: {TITLES[image]}, ms", commands, clean,
                                  {"podman": "podman", "docker": "docker"})
        self.report.goal("load: time, of podman's", 0.5, figures.get("bothy", {}).get("ratio_to_podman"))
        for name, file in files.items():
            self.forget(name)
            file.unlink(missing_ok=True)

    def run(self, only):
        for name in WORKLOADS:
            if only and name not in only:
                continue
            try:
                getattr(self, f"{name}_workload")()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                self.report.note(f"workload {name} broke off: {error}")
                self.report.data["broken"] = True
