# SPDX-License-Identifier: Apache-2.0
"""bothy-oci as a runtime handler of Debian's containerd, spoken to in Kubernetes' words (CRI) by crictl, next to runc.

crictl is in no package of Debian's: it is looked for in PATH. Pods have the host's network: no CNI plugins.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess

import harness
import peers
from harness import check, check_equal, check_in, test
from peers import RUNTIMES, engine, need

NODE = {"network": 2}  # namespace mode NODE
IMAGE = "docker.io/library/busy:1"


def archive(folder):
    """The busybox image as `docker save` writes it; its program sleeps, so that it serves as the pause image too."""
    layer = peers.image_tar(folder)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "100000"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest()]}})
    (folder / "config.json").write_text(config)
    (folder / "manifest.json").write_text(json.dumps([{"Config": "config.json", "RepoTags": ["busy:1"], "Layers": [layer.name]}]))
    subprocess.run(["tar", "-C", folder, "-cf", folder / "busy.tar", "manifest.json", "config.json", layer.name], check=True)
    return folder / "busy.tar"


class Cri(peers.Engine):
    def __init__(self, w):
        need("containerd", "ctr", "runc", "unshare")
        self.crictl_path = shutil.which("crictl") or harness.skip("crictl is not installed")
        super().__init__(w, "cri")
        self.socket = self.dir / "socket"
        plugin = 'plugins."io.containerd.grpc.v1.cri"'
        text = (f'version = 2\n[plugins."io.containerd.internal.v1.opt"]\npath = "{self.dir}/opt"\n'
                f'[{plugin}]\nsandbox_image = "{IMAGE}"\nrestrict_oom_score_adj = true\n'
                f'disable_apparmor = {"false" if apparmor() else "true"}\n')
        for runtime, path in {"runc": shutil.which("runc"), "bothy": self.runtime}.items():
            text += (f'[{plugin}.containerd.runtimes.{runtime}]\nruntime_type = "io.containerd.runc.v2"\n'
                     f'[{plugin}.containerd.runtimes.{runtime}.options]\nBinaryName = "{path}"\n')
        (self.dir / "config.toml").write_text(text)
        self.spawn_daemon(["containerd", "--config", self.dir / "config.toml", "--root", self.dir / "root", "--state",
                           self.dir / "state", "--address", self.socket],
                          lambda: self.socket.exists() and self.crictl("version").code == 0)
        done = self.run(["ctr", "--address", self.socket, "-n", "k8s.io", "images", "import", archive(self.dir)])
        check_equal(done.code, 0, f"ctr images import: {done!r}")
        self.baseline = self.mounts()
        self.count = 0

    def crictl(self, *args, **kwargs):
        return self.run([self.crictl_path, "--runtime-endpoint", f"unix://{self.socket}", "--timeout", "60s", *args], **kwargs)

    def ok(self, *args):
        done = self.crictl(*args)
        check_equal(done.code, 0, f"crictl {' '.join(map(str, args))}: {done!r}\n{self.daemon_log()}")
        return done.out.strip()

    def file(self, name, content):
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps(content))
        return path

    @contextlib.contextmanager
    def pod(self, runtime, **security):
        """(pod id, pod's file), stopped and removed at the end."""
        self.count += 1
        name = f"pod{self.count}"
        path = self.file(name, {
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "attempt": 1}, "hostname": "",
            "log_directory": str(self.dir / "logs" / name),
            "linux": {"cgroup_parent": self.parent,
                      "security_context": {"namespace_options": {**NODE, **security.pop("namespaces", {})}, **security}}})
        pod = self.ok("runp", "--runtime", runtime, path)
        try:
            yield pod, path
        finally:
            self.crictl("stopp", pod)
            self.crictl("rmp", "-f", pod)

    def container(self, pod, path, command, **linux):
        self.count += 1
        spec = self.file(f"c{self.count}", {"metadata": {"name": f"c{self.count}"}, "image": {"image": IMAGE}, "command": list(command),
                                            "log_path": f"c{self.count}.log", "linux": linux})
        return self.ok("create", "--no-pull", pod, spec, path)

    def status(self, container):
        return json.loads(self.ok("inspect", container))["status"]


def apparmor():
    return harness.read("/sys/module/apparmor/parameters/enabled").strip() == "Y" and shutil.which("apparmor_parser")


@test(root=True)
def life_of_a_pod(w):
    with engine(w, Cri) as c:
        for runtime in RUNTIMES:
            with c.pod(runtime) as (pod, path):
                check_equal(json.loads(c.ok("inspectp", pod))["status"]["state"], "SANDBOX_READY", runtime)
                one = c.container(pod, path, ["sh", "-c", "echo said; trap 'exit 9' TERM; while :; do usleep 20000; done"])
                check_equal(c.status(one)["state"], "CONTAINER_CREATED")
                c.ok("start", one)
                w.wait_for(lambda one=one: "said" in c.ok("logs", one), "the log")
                check_equal(c.ok("exec", "-s", one, "sh", "-c", "echo $((6*7)); hostname"), "42\n" + os.uname().nodename)
                check_equal(c.crictl("exec", "-s", one, "sh", "-c", "exit 3").code != 0, True, "exec's failure")
                check_in("not found", c.crictl("exec", "-s", one, "nope").err)
                check_in(one[:13], c.ok("stats", one))
                c.ok("stop", "--timeout", "20", one)
                check_equal((c.status(one)["state"], c.status(one)["exitCode"]), ("CONTAINER_EXITED", 9), runtime)
                c.ok("rm", one)


@test(root=True)
def limits_update_and_out_of_memory(w):
    with engine(w, Cri) as c:
        for runtime in RUNTIMES:
            with c.pod(runtime) as (pod, path):
                limits = {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000}
                one = c.container(pod, path, ["sleep", "1000"], resources=limits)
                c.ok("start", one)
                pid = json.loads(c.ok("inspect", one))["info"]["pid"]
                check_equal(limit_of(pid), str(64 << 20), runtime)
                c.ok("update", "--memory", str(96 << 20), one)
                check_equal(limit_of(pid), str(96 << 20), runtime)
                hog = c.container(pod, path, ["sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}"], resources={"memory_limit_in_bytes": 16 << 20})
                c.ok("start", hog)
                w.wait_for(lambda hog=hog: c.status(hog)["state"] == "CONTAINER_EXITED", "the kill")
                ended = c.status(hog)
                check(ended["exitCode"] in (2, 137) and (ended["reason"] == "OOMKilled"), f"{runtime}: {ended['exitCode']} {ended['reason']}")


def limit_of(pid):
    """The memory limit of a process's group, on either version of control groups."""
    for line in harness.read(f"/proc/{pid}/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        for folder, name, wanted in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory" in controllers.split(",")),
                                     ("/sys/fs/cgroup", "memory.max", number == "0")):
            text = harness.read(f"{folder}{path}/{name}").strip() if wanted else ""
            if text:
                return text
    return None


@test(root=True)
def one_pid_namespace_for_the_pod(w):
    """Kubernetes' shareProcessNamespace: the containers of a pod see each other, and each shows them in its /proc."""
    with engine(w, Cri) as c:
        for runtime in RUNTIMES:
            with c.pod(runtime, namespaces={"pid": 0}) as (pod, path):
                shared = {"namespace_options": {**NODE, "pid": 0}}
                one = c.container(pod, path, ["sleep", "4321"], security_context={**shared, "capabilities": {"add_capabilities": ["SYS_PTRACE"]}})
                two = c.container(pod, path, ["sleep", "1000"], security_context=shared)
                c.ok("start", one)
                c.ok("start", two)
                seen = c.ok("exec", "-s", two, "ps")
                check_in("sleep 4321", seen, runtime)
                check_in("sleep 100000", seen, f"{runtime}: the pod's own process")
                # The neighbour who may trace looks at the other's root.
                check_in("from the image", c.ok("exec", "-s", one, "sh", "-c", "set -- $(pidof sleep); cat /proc/$1/root/data/file"))


@test(root=True)
def what_kubernetes_asks_for(w):
    """The security context of a restricted pod, and what a process sees of it: the same under both runtimes."""
    with engine(w, Cri) as c:
        seen = {}
        for runtime in RUNTIMES:
            with c.pod(runtime) as (pod, path):
                context = {"namespace_options": {**NODE, "pid": 1}, "run_as_user": {"value": 1000}, "run_as_group": {"value": 1000},
                           "supplemental_groups": [2000], "readonly_rootfs": True, "no_new_privs": True,
                           "capabilities": {"drop_capabilities": ["ALL"]}, "seccomp": {"profile_type": 0},
                           "masked_paths": ["/proc/kcore"], "readonly_paths": ["/proc/sys"]}
                one = c.container(pod, path, ["sleep", "1000"], security_context=context)
                c.ok("start", one)
                seen[runtime] = c.ok("exec", "-s", one, "sh", "-c", "id -u; id -g; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; "
                                     "touch /x 2>&1; wc -c </proc/kcore; echo 1 >/proc/sys/vm/swappiness; echo 1 2>&1 >/dev/null; hostname")
        check_equal(seen["bothy"], seen["runc"], "what is seen inside")
        check_in("NoNewPrivs:\t1", seen["bothy"])
