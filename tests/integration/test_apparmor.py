# SPDX-License-Identifier: Apache-2.0
"""A profile of AppArmor is in force for the program and for exec, where the kernel runs AppArmor (in the virtual machine)."""

import contextlib
import shutil
import subprocess

import harness
from harness import check, check_equal, check_in, skip, test

LOOK = "cat /proc/self/attr/current; echo x >/tmp/kept || echo refused; echo x >/free && echo free"


@contextlib.contextmanager
def profile(w):
    """A profile that keeps its processes from writing to /tmp/kept; loaded for so long."""
    if harness.read("/sys/module/apparmor/parameters/enabled").strip() != "Y" or not shutil.which("apparmor_parser"):
        skip("AppArmor is not active here")
    name = f"bothy-test-{w.id()}"
    text = f"profile {name} flags=(attach_disconnected,mediate_deleted) {{\n  file,\n  capability,\n  signal,\n  deny /tmp/kept w,\n}}\n"
    path = w.tmp / "profile"
    path.write_text(text)
    subprocess.run(["apparmor_parser", "-Kr", path], check=True)
    try:
        yield name
    finally:
        subprocess.run(["apparmor_parser", "-KR", path], check=True)


@test(root=True)
def the_program_and_exec_are_confined(w):
    with profile(w) as name:
        def edit(config):
            config["process"]["apparmorProfile"] = name
            config["root"]["readonly"] = False
        free = w.run_bundle(["sh", "-c", LOOK])
        check("refused" not in free.out, f"without a profile: {free!r}")
        done = w.run_bundle(["sh", "-c", LOOK], edit)
        check_equal(done.out, f"{name} (enforce)\nrefused\nfree\n", repr(done))
        with w.container(["sleep", "1000"], edit) as c:
            check_equal(w.ok("exec", c, "sh", "-c", LOOK).out, f"{name} (enforce)\nrefused\nfree\n", "exec")
            check_equal(w.ok("exec", "--apparmor", "unconfined", c, "cat", "/proc/self/attr/current").out, "unconfined\n", "exec unconfined")
        with w.container(["sleep", "1000"]) as c:
            check_equal(w.ok("exec", "--apparmor", name, c, "cat", "/proc/self/attr/current").out, f"{name} (enforce)\n", "exec --apparmor")
        run = w.bothy("run", "--rm", "--security-opt", f"apparmor={name}", "--rootfs", w.rootfs("own"), "sh", "-c", LOOK)
        check_in(f"{name} (enforce)\nrefused\n", run.out, repr(run))


@test(root=True)
def a_profile_that_is_not_loaded_is_named(w):
    with profile(w):
        def edit(config):
            config["process"]["apparmorProfile"] = "bothy-test-nowhere"
        done = w.run_bundle(["true"], edit)
        check(done.code != 0, repr(done))
        check_in("bothy-test-nowhere", done.err)
