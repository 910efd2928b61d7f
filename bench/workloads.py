# SPDX-License-Identifier: Apache-2.0
"""The workloads: what is measured, beside whom, and what each goal is."""

import copy
import hashlib
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import tarfile
import time

from measuring import GETPPID, count_calls, filter_steps, in_turns, quiet, ratio

OURS = "bothy-oci"
LIMITS = {"memory": {"limit": 134217728}, "pids": {"limit": 100}, "cpu": {"shares": 512}}
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def program(name, variable):
    return os.environ[variable] if variable in os.environ else shutil.which(name)


def remove_groups(name):
    """The engines leave the parent of their containers' groups behind; this one is ours, by name."""
    for top in sorted({"/sys/fs/cgroup", *(e.path for e in os.scandir("/sys/fs/cgroup") if e.is_dir())}):
        for folder, _, _ in os.walk(os.path.join(top, name), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # busy for a moment longer, or not of cgroup's


def write_image(rootfs, file):
    """A docker-archive, which every engine loads: one layer, the tag bench:latest."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine), "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["bench:latest"], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(file, "w") as tar:
        for member, data in ((name, config), ("layer.tar", layer.getvalue()), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


class Bench:
    def __init__(self, programs, work, short, report):
        self.bin, self.work, self.short = programs, work, short
        self.report = report
        self.spawn = str(work / "spawn")
        self.floor = str(work / "floor")
        self.rootfs = str(work / "rootfs")
        self.dockerd = None
        self.docker_ready = None
        self.seccomp_from = None
        self.podman_made_groups = False
        self.report.data["host"] = {"kernel": platform.release(), "cpus": os.cpu_count(), "machine": platform.machine(),
                                    "load": os.getloadavg()[0], "short": short}
        self.make_bundle("plain")
        self.runtimes = self.find_runtimes()

    # What is there

    def make_bundle(self, name, **linux):
        """A bundle of the container that `spec` describes, with limits, and what @linux adds."""
        folder = self.work / f"bundle-{name}"
        folder.mkdir()
        quiet([str(self.bin / OURS), "spec", "--bundle", str(folder)])
        doc = json.loads((folder / "config.json").read_text())
        doc["ociVersion"] = "1.0.2"  # older peers refuse newer ones
        doc["process"].update(terminal=False, args=["/bin/true"])
        doc["process"].pop("rlimits", None)
        doc["root"]["path"] = self.rootfs
        doc["linux"]["resources"] = copy.deepcopy(LIMITS)
        doc["linux"].update(linux)
        if "uidMappings" in linux:
            doc["linux"]["namespaces"].append({"type": "user"})
        (folder / "config.json").write_text(json.dumps(doc))
        return folder

    def find_runtimes(self):
        found = {OURS: [str(self.bin / OURS)]}
        for name in ("crun", "runc"):
            path = program(name, f"BENCH_{name.upper()}")
            if path:
                found[name] = [path]
        versions = {}
        for name, argv in list(found.items()):
            try:
                quiet([*argv, "run", "bench-try"], cwd=self.work / "bundle-plain")
                versions[name] = quiet([*argv, "--version"]).splitlines()[0]
            except (RuntimeError, OSError) as error:
                if name == OURS:
                    raise
                self.report.note(f"{name} left out: {error}")
                del found[name]
        self.report.data["versions"] = versions
        print("  " + ", ".join(versions.values()), flush=True)
        return found

    def docker(self, *words, timeout=120):
        return [program("docker", "BENCH_DOCKER"), "-H", f"unix://{self.work}/docker.sock", *words] if timeout else []

    def start_docker(self):
        """A daemon of our own, with nothing of the network's; False where there is none."""
        if self.docker_ready is not None:
            return self.docker_ready
        self.docker_ready = False
        daemon = program("dockerd", "BENCH_DOCKERD")
        if not daemon or not program("docker", "BENCH_DOCKER"):
            return False
        with open(self.work / "dockerd.log", "w", encoding="utf-8") as log:
            self.dockerd = subprocess.Popen(
                [daemon, "--data-root", str(self.work / "docker"), "--exec-root", "/run/bench-docker", "--bridge", "none",
                 "-H", f"unix://{self.work}/docker.sock", "-p", "/run/bench-docker.pid", "--iptables=false", "--ip6tables=false",
                 "--cgroup-parent", f"/bothy-bench-{os.getpid()}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 40
        while time.monotonic() < end and self.dockerd.poll() is None:
            if subprocess.run(self.docker("info"), capture_output=True).returncode == 0:
                quiet(self.docker("load", "-i", str(self.image())))
                self.docker_ready = True
                self.report.data["versions"]["docker"] = quiet(self.docker("version", "--format", "{{.Server.Version}}")).strip()
                return True
            time.sleep(0.3)
        self.report.note("docker left out: its daemon does not start: " +
                         (self.work / "dockerd.log").read_text(encoding="utf-8")[-200:].strip())
        return False

    def image(self):
        file = self.work / "image.tar"
        if not file.exists():
            write_image(self.rootfs, file)
        return file

    def close(self):
        if self.dockerd and self.dockerd.poll() is None:
            self.dockerd.terminate()
            try:
                self.dockerd.wait(30)
            except subprocess.TimeoutExpired:
                self.dockerd.kill()
                self.dockerd.wait()
        remove_groups(f"bothy-bench-{os.getpid()}")
        if self.podman_made_groups:
            remove_groups("libpod_parent")  # where podman puts its monitors, whatever the parent

    def docker_seccomp(self):
        """What docker gives a container, taken from the document that it hands to its runtime."""
        if not self.start_docker():
            return None
        ident = quiet(self.docker("run", "-d", "--network", "none", "bench", "sleep", "100")).strip()
        found = None
        for folder, _, files in os.walk("/run/bench-docker"):
            if ident in folder and "config.json" in files:
                with open(os.path.join(folder, "config.json"), encoding="utf-8") as text:
                    found = json.load(text).get("linux", {}).get("seccomp")
                break
        quiet(self.docker("rm", "-f", ident))
        return found

    def bothy(self, *words):
        return [str(self.bin / "bothy"), "--root", str(self.work / "store"), "--state", "/run/bench-bothy", *words]

    def bothy_seccomp(self):
        with subprocess.Popen(self.bothy("run", "--rm", "--network", "none", "/bin/sleep", "100"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as child:
            try:
                end = time.monotonic() + 10
                while time.monotonic() < end:
                    for folder, _, files in os.walk("/run/bench-bothy"):
                        if "config.json" in files and "state.json" in files:
                            with open(os.path.join(folder, "config.json"), encoding="utf-8") as text:
                                return json.load(text)["linux"]["seccomp"]
                    time.sleep(0.05)
            finally:
                child.terminate()
                try:
                    child.wait(5)
                except subprocess.TimeoutExpired:
                    child.kill()
        return None

    def seccomp(self):
        """The filter's document, once; the bundle "seccomp" is made with it."""
        folder = self.work / "bundle-seccomp"
        if folder.exists():
            return folder
        given = self.work / "seccomp.json"
        if given.exists():
            doc, self.seccomp_from = json.loads(given.read_text()), "BENCH_SECCOMP"
        else:
            doc, self.seccomp_from = self.docker_seccomp(), "docker's default profile"
        if not doc:
            doc, self.seccomp_from = self.bothy_seccomp(), "bothy's own profile (docker is not here)"
        self.report.data["seccomp"] = self.seccomp_from
        return self.make_bundle("seccomp", seccomp=doc)

    # Workloads

    def started(self, runtime, name, bundle, args):
        """A container that stays; returns its id."""
        folder = self.work / f"stay-{name}"
        if not folder.exists():
            folder.mkdir()
        doc = json.loads((bundle / "config.json").read_text())
        doc["process"]["args"] = args
        (folder / "config.json").write_text(json.dumps(doc))
        ident = f"bench-stay-{name}"
        subprocess.run([*runtime, "run", "-d", ident], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=30)
        return ident

    def stopped(self, runtime, ident):
        quiet([*runtime, "delete", "--force", ident], check=False)

    def dump_filters(self, runtime, name):
        """The filters in force in a container of this runtime: raw programs."""
        ident = self.started(runtime, name, self.seccomp(), ["/bin/inside", "pause"])
        try:
            pid = json.loads(quiet([*runtime, "state", ident]))["pid"]
            count = int(quiet([str(self.work / "filter"), str(pid), str(self.work / f"filter-{name}")]))
            return [(self.work / f"filter-{name}.{i}").read_bytes() for i in range(count)]
        finally:
            self.stopped(runtime, ident)

    def floor_argv(self, *words):
        return [self.floor, *words, self.rootfs]

    def one_run(self, key, title, bundle, floor_words):
        commands = {name: [*argv, "run", "bench-%"] for name, argv in self.runtimes.items()}
        commands["floor"] = self.floor_argv(*floor_words)
        figures = in_turns(self.spawn, commands, 6 if self.short else 12, 4 if self.short else 10, cwd=bundle)
        self.report.times(key, title, figures, {"crun": "crun", "runc": "runc", "floor": "floor"})
        return figures

    def run_workload(self):
        plain = self.one_run("run", "OCI run of /bin/true with memory, cpu and pids limits, ms", self.work / "bundle-plain", [])
        self.report.goal("run: time, of crun's", 0.5, plain[OURS].get("ratio_to_crun"))
        self.report.goal("run: time, of the floor's", 1.5, plain[OURS].get("ratio_to_floor"))
        self.report.goal("run: CPU time, of crun's", 0.5, plain[OURS].get("cpu_ratio_to_crun"))
        self.report.goal("run: CPU time, of the floor's", 1.5, plain[OURS].get("cpu_ratio_to_floor"))
        if "crun" in plain:
            self.report.goal("run: peak memory, of crun's", 1.0, ratio(plain[OURS]["peak_kib"], plain["crun"]["peak_kib"]))
        bundle = self.seccomp()
        try:
            self.dump_filters(self.runtimes[OURS], OURS)
            words = ["--filter", str(self.work / f"filter-{OURS}.0")]
        except (RuntimeError, OSError) as error:
            self.report.note(f"the floor runs without a filter: {error}")
            words = []
        figures = self.one_run("run_seccomp", f"The same with {self.seccomp_from}, ms", bundle, words)
        self.report.goal("run with seccomp: time, of crun's", 0.5, figures[OURS].get("ratio_to_crun"))
        bundle = self.make_bundle("userns", uidMappings=MAPS, gidMappings=MAPS)
        self.one_run("run_userns", "The same with a user namespace, without seccomp, ms", bundle, ["--userns"])

    def floor_workload(self):
        """What each part of the container costs the kernel, and the steps of the whole."""
        count = "20" if self.short else "100"
        forms = {"as runc spec": [], "no net": ["--no-net"], "no cgroup": ["--no-cgroup"], "no cgroup, no net": ["--no-cgroup", "--no-net"],
                 "join by cgroup.procs": ["--procs"], "no devices": ["--no-devices"], "no masks": ["--no-masks"],
                 "user namespace": ["--userns"], "overlay on tmpfs": ["--overlay", "/run"],
                 "idmapped overlay, userns": ["--idmap", "--overlay", "/run"]}
        rows = {}
        for name, words in forms.items():
            each = [float(quiet(self.floor_argv(*words, "--count", count)).split()[-3]) for _ in range(2 if self.short else 5)]
            rows[name] = [round(statistics.median(each)), round(min(each))]
        self.report.table("floor", "The floor in a loop, us per container", ["median", "min"], rows)
        steps = {}
        for line in quiet(self.floor_argv("--steps", "--count", count)).splitlines():
            if line.endswith(" us"):
                steps[line[:40].strip()] = [float(line.split()[-2])]
        self.report.table("floor_steps", "Its steps, us", ["us"], steps)

    def engine_workload(self):
        commands = {}
        quiet(self.bothy("load", "-i", str(self.image())))
        commands["bothy"] = self.bothy("run", "--rm", "--network", "none", "bench", "true")
        podman = program("podman", "BENCH_PODMAN")
        os.environ["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1"
        self.podman_made_groups = podman and not os.path.exists("/sys/fs/cgroup/cpu/libpod_parent")
        if podman:
            base = [podman, "--root", str(self.work / "podman"), "--runroot", "/run/bench-podman", "--cgroup-manager", "cgroupfs",
                    "--events-backend", "file"]
            run = [*base, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
                   "--ulimit", "nproc=1024:1024", "--cgroup-parent", f"/bothy-bench-{os.getpid()}", "bench", "true"]
            try:
                quiet([*base, "load", "-i", str(self.image())])
                quiet(run)
                commands["podman"] = run
                self.report.data["versions"]["podman"] = quiet([podman, "--version"]).strip()
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                self.report.note(f"podman left out: {error}")
        if self.start_docker():
            commands["docker"] = self.docker("run", "--rm", "--network", "none", "bench", "true")
        (self.work / "overlay").mkdir()
        commands["floor"] = self.floor_argv("--idmap", "--overlay", str(self.work / "overlay"))
        figures = in_turns(self.spawn, commands, 5 if self.short else 15, 1, cwd="/")
        self.report.times("engine", "run --rm --network none of a loaded image, ms", figures,
                          {"podman": "podman", "docker": "docker", "floor": "floor"})
        self.report.goal("bothy run: time, of podman's (1/15)", 1 / 15, figures["bothy"].get("ratio_to_podman"))
        self.report.goal("bothy run: time, of docker's (1/20)", 1 / 20, figures["bothy"].get("ratio_to_docker"))

    def exec_workload(self):
        stay = {name: self.started(argv, name, self.work / "bundle-plain", ["/bin/inside", "pause"])
                for name, argv in self.runtimes.items()}
        try:
            commands = {name: [*argv, "exec", stay[name], "/bin/true"] for name, argv in self.runtimes.items()}
            figures = in_turns(self.spawn, commands, 6 if self.short else 12, 4 if self.short else 10)
        finally:
            for name, argv in self.runtimes.items():
                self.stopped(argv, stay[name])
        self.report.times("exec", "exec of /bin/true in a running container, ms", figures, {"crun": "crun", "runc": "runc"})
        self.report.goal("exec: time, of crun's", 0.5, figures[OURS].get("ratio_to_crun"))

    def crowd_workload(self):
        """64 at once: the whole's time, and how much faster that is than one after the other."""
        commands = {name: [*argv, "run", "bench-%"] for name, argv in self.runtimes.items()}
        commands["floor"] = self.floor_argv()
        rows, walls = {}, {name: [] for name in commands}
        for _ in range(2 if self.short else 4):
            for name, argv in commands.items():
                single = quiet([self.spawn, "12", *argv], cwd=self.work / "bundle-plain").splitlines()
                crowd = quiet([self.spawn, "--parallel", "64", *argv], cwd=self.work / "bundle-plain", timeout=300).splitlines()
                walls[name].append((int(crowd[-1]) / 1e6, statistics.mean(int(line.split()[0]) for line in single) / 1e6))
        for name, pairs in walls.items():
            whole, single = min(p[0] for p in pairs), min(p[1] for p in pairs)
            rows[name] = [round(whole), round(whole / 64, 2), round(single, 2), round(64 * single / whole, 2)]
        self.report.table("crowd", f"64 at once, on {os.cpu_count()} CPUs", ["all ms", "each ms", "alone ms", "speed-up"], rows)
        counts = count_calls([*self.runtimes[OURS], "run", "bench-locks"], self.work / "bundle-plain", str(self.work / "locks"))
        locks = {k: counts.get(k, 0) for k in ("futex", "flock", "fcntl", "nanosleep", "clock_nanosleep")}
        self.report.data["workloads"]["locks"] = {"title": "calls that could wait for others", "figures": locks}
        print("  bothy-oci's calls that could wait for others: " + ", ".join(f"{k} {v}" for k, v in locks.items()))
        self.report.goal("64 at once: calls that lock or sleep", 0, sum(v for k, v in locks.items() if k != "fcntl"))
        self.report.goal("64 at once: time each, of the floor's", 1.5, ratio(rows[OURS][0], rows["floor"][0]))

    def in_container(self, runtime, name, bundle, *words):
        """What `inside` says in a container; the work folder's `data` is mounted at /data."""
        folder = self.work / f"inside-{name}-{bundle.name}"
        if not folder.exists():
            folder.mkdir()
            doc = json.loads((bundle / "config.json").read_text())
            del doc["linux"]["resources"]["cpu"]  # a share, which on a busy machine is less
            doc["mounts"].append({"destination": "/tmp", "type": "bind", "source": str(self.work / "data"), "options": ["rbind", "rw"]})
            (folder / "config.json").write_text(json.dumps(doc))
        doc = json.loads((folder / "config.json").read_text())
        doc["process"]["args"] = ["/bin/inside", *words]
        (folder / "config.json").write_text(json.dumps(doc))
        return float(quiet([*runtime, "run", f"bench-in-{name}"], cwd=folder))

    def filter_workload(self):
        """Cost of the filter per call: nothing, each runtime's own compilation of the same document."""
        (self.work / "data").mkdir(exist_ok=True)
        bundle, rows = self.seccomp(), {}
        best = {}
        for _ in range(2 if self.short else 5):
            for call in ("getppid", "personality"):
                best.setdefault(("no filter", call), []).append(
                    self.in_container(self.runtimes[OURS], "none", self.work / "bundle-plain", call))
                for name, argv in self.runtimes.items():
                    best.setdefault((name, call), []).append(self.in_container(argv, name, bundle, call))
        for name in ("no filter", *self.runtimes):
            rows[name] = [min(best[name, "getppid"]), min(best[name, "personality"]), 0, 0]
        for name, argv in self.runtimes.items():
            try:
                raw = self.dump_filters(argv, name)
                rows[name][2:] = [sum(filter_steps(one, GETPPID) for one in raw), sum(len(one) // 8 for one in raw)]
            except (RuntimeError, OSError) as error:
                rows[name][2:] = [None, None]
                self.report.note(f"filter of {name}: {error}")
        self.report.table("filter", f"A call under {self.seccomp_from}: ns, best of all turns",
                          ["getppid ns", "personality ns", "steps getppid", "instructions"], rows)
        if "runc" in rows and rows["runc"][2]:
            self.report.goal("filter: steps for getppid, of libseccomp's level 2 (runc)", 1.0, ratio(rows[OURS][2], rows["runc"][2]))
            self.report.goal("filter: ns per getppid, of libseccomp's level 2 (runc), noise 0.05", 1.05,
                             ratio(rows[OURS][0], rows["runc"][0]))

    def inside_workload(self):
        """CPU, memory and files inside and outside; outside twice, whose difference is the noise."""
        data = self.work / "data"
        data.mkdir(exist_ok=True)
        bundle, rows = self.seccomp(), {}
        for work in ("cpu", "memory", "file"):
            got = {"outside": [], "outside again": [], "inside": []}
            for _ in range(3 if self.short else 7):
                got["outside"].append(float(quiet([str(self.work / "inside"), work, str(data)])))
                got["inside"].append(self.in_container(self.runtimes[OURS], "work", bundle, work, "/tmp"))
                got["outside again"].append(float(quiet([str(self.work / "inside"), work, str(data)])))
            out = sorted(got["outside"] + got["outside again"])
            noise = (out[3 * len(out) // 4] - out[len(out) // 4]) / statistics.median(out)
            middle = {k: statistics.median(v) for k, v in got.items()}
            rows[work] = [*(round(middle[k]) for k in ("outside", "outside again", "inside")),
                          ratio(middle["inside"], statistics.median(out)), round(noise, 3)]
            self.report.goal(f"inside: {work}, of outside (noise of this run {noise:.2f}, allowed 0.03 at least)",
                             1 + max(0.03, noise), rows[work][3])
        self.report.table("inside", "Work inside and outside, ns of CPU time (medians; noise: the middle half of those outside)",
                          ["outside", "outside again", "inside", "in / out", "noise"], rows)

    def count_workload(self):
        if not shutil.which("strace"):
            self.report.note("system calls are not counted: strace is not here")
            return
        rows = {}
        for bundle in (self.work / "bundle-plain", self.seccomp()):
            for name, argv in self.runtimes.items():
                key = name + (" with seccomp" if bundle.name == "bundle-seccomp" else "")
                counts = count_calls([*argv, "run", "bench-count"], bundle, str(self.work / "calls"))
                rows[key] = [sum(counts.values())]
        counts = count_calls(self.floor_argv(), "/", str(self.work / "calls"))
        rows["floor"] = [sum(counts.values())]
        for row in rows.values():
            row.append(ratio(row[0], rows.get("crun", [0])[0]))
        self.report.table("calls", "System calls of a whole run, the container's program included", ["calls", "x crun"], rows)
        instructions = {}
        for name, argv in self.runtimes.items():
            done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", *argv, "run", "bench-perf"], text=True, check=False,
                                  cwd=self.work / "bundle-plain", capture_output=True) if shutil.which("perf") else None
            text = done.stderr.split(",")[0].strip() if done else ""
            instructions[name] = int(text) if text.isdigit() else None
        if any(instructions.values()):
            self.report.table("instructions", "Instructions in user space of a whole run", ["instructions", "x crun"],
                              {n: [v, ratio(v, instructions.get("crun"))] for n, v in instructions.items()})
        else:
            self.report.note("instructions are not counted: perf is not here, or the machine has no counter for them")
        self.report.goal("run: system calls, of crun's", 0.5, rows[OURS][1])
        self.report.goal("run: system calls, half of 967", 483, rows[OURS][0])

    def run(self, only):
        names = ("run", "floor", "exec", "crowd", "filter", "inside", "count", "engine")
        for name in names:
            if only and name not in only:
                continue
            try:
                getattr(self, f"{name}_workload")()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                self.report.note(f"workload {name} broke off: {error}")
                self.report.data["broken"] = True
