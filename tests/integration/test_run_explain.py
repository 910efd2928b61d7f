# SPDX-License-Identifier: Apache-2.0
"""`bothy run --explain`: the seven steps in order, readable in a terminal, with nothing started; --explain=time with times."""

import os
import re

from harness import check, check_equal, check_in, test

STEPS = ["1. User namespace", "2. PID, UTS, IPC and time", "3. Mount namespace", "4. The image", "5. Network", "6. Bridge", "7. Rules",
         "Beside them: limits", "And then: the program"]


@test
def the_recipe_in_its_order(w):
    done = w.bothy("run", "--explain", "-v", f"{w.tmp}:/some/where", "--tmpfs", "/t", "embedded", "touch", "/x")
    check_equal(done.code, 0, done.err)
    places = [done.out.find(step) for step in STEPS]
    check(-1 not in places and places == sorted(places), f"{places}\n{done.out}")
    check_equal([line for line in done.out.splitlines() if len(line) > 100], [], "lines that do not fit")
    for word in ("clone3", "pivot_root", "mount_setattr(MOUNT_ATTR_IDMAP)" if w.root else "uid_map", "/some/where", "/t", "execve",
                 "seccomp", "ioctl(SIOCSIFFLAGS)", "lo"):
        check_in(word, done.out)
    check_equal(os.listdir(w.tmp / "lib/containers"), [], "nothing was started")
    check_equal(w.bothy("run", "--explain=plan", "-it", "embedded").code, 0, "no terminal is needed for a plan")


@test
def with_times(w):
    done = w.bothy("run", "--explain=time", "embedded", "echo", "ran")
    check_equal((done.code, done.out), (0, "ran\n"))
    times = re.findall(r"(\d+\.\d+) ms", done.err)
    check(len(times) > 15, f"{len(times)} times:\n{done.err}")
    check(sum(map(float, times)) > 0.1, "they say something")
    check_equal([line for line in done.err.splitlines() if len(line) > 108], [], "lines that do not fit")
    check_equal(w.bothy("run", "--explain=time", "embedded", "sh", "-c", "exit 4").code, 4)


@test
def what_is_shared_is_said(w):
    done = w.bothy("run", "--explain", "--network", "host", "--pid", "host", "embedded", "true")
    check(re.search(r"the host's: .*pid.*network|the host's: .*network.*pid", done.out), done.out[:300])
