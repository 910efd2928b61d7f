# SPDX-License-Identifier: Apache-2.0
"""What engines were seen to count on, shown here without an engine."""

import glob
import json
import os
import subprocess
import time

from harness import check_equal, test


@test
def tmpfs_takes_the_mode_of_the_directory(w):
    """A private directory stays private under a tmpfs; a mode in the document wins; a new directory gives tmpfs's own."""
    root = w.rootfs("modes")
    (root / "private").mkdir(mode=0o700)
    os.chmod(root / "private", 0o700)

    (root / "private2").mkdir(mode=0o700)
    (root / "private2/file").write_text("of the image\n")

    def mounts(config):
        for where, options in (("/private", []), ("/tmp", []), ("/etc", ["mode=711"]), ("/made", []), ("/root", ["mode=711", "tmpcopyup"]),
                               ("/new", ["mode=700", "tmpcopyup"]), ("/private2", ["tmpcopyup"])):
            config["mounts"].append({"destination": where, "type": "tmpfs", "source": "tmpfs", "options": options})
    places = ["/private", "/tmp", "/etc", "/made", "/root", "/new", "/private2", "/private2/file"]
    done = w.oci("run", "--bundle", w.bundle(["stat", "-c", "%a", *places], mounts, root), w.id())
    check_equal((done.code, done.out.split()), (0, ["700", "1777", "711", "1777", "711", "700", "700", "644"]), repr(done))


@test(root=True)
def killed_in_create(w):
    """Whenever create is killed, `delete --force` leaves no process, no control group and no folder."""
    parent = f"/bt-killed-{os.getpid()}"
    bundle = w.bundle(["sleep", "1000"], lambda c: c["linux"].update(cgroupsPath=f"{parent}/c", resources={"memory": {"limit": 64 << 20}}))
    try:
        for n in range(80):
            name = w.id()
            command = [w.bin / "bothy-oci", "--root", w.tmp / "state", "create", "--bundle", bundle, name]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=w.env) as child:
                time.sleep(n * 0.0001)
                child.kill()
            w.ok("delete", "--force", name)
            left = glob.glob(f"/sys/fs/cgroup/*{parent}/c") + glob.glob(f"/sys/fs/cgroup{parent}/c")
            check_equal(left, [], f"groups left when killed after {n / 10} ms")
            check_equal(json.loads(w.ok("list", "-f", "json").out), None, f"containers left when killed after {n / 10} ms")
    finally:
        for path in glob.glob(f"/sys/fs/cgroup/*{parent}") + glob.glob(f"/sys/fs/cgroup{parent}"):
            os.rmdir(path)
