# SPDX-License-Identifier: Apache-2.0
"""Run one validation program against a runtime, and leave nothing behind.

The programs know their runtime by a path only, so each gets a wrapper that adds a --root of its own; that keeps
parallel programs apart and lets us delete exactly the containers it left. A program gets a TMPDIR of its own for its
bundles, a time limit, and a session, so that it and its children end together.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import tap

_CLEANUP_LIMIT_S = 30
# Their config.json asks for a container that shares the mount namespace: what it mounts stays, for every runtime.
_IN_OUR_MOUNT_NAMESPACE = ("linux_ns_itype",)
_TEXT_MAX = 4000
# This program signals its container right after start, and the shell in there needs a moment to set its trap: the faster
# the runtime, the more often the signal came too early.
_SLOW_VERB = {"killsig": "kill"}
_CGROUP_DEPTH_MAX = 6
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass
class Result:
    program: str
    status: str = ""  # a cell as in the table of expectations
    failures: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stdout: str = ""
    stderr: str = ""


class Stop:
    """Ends what runs when the whole suite is told to end; each program is still cleaned up after."""

    def __init__(self):
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self.asked = False

    def ask(self, *_signal) -> None:
        # In the signal's frame, which may have interrupted add(): no lock here. A program that is just being started
        # is missed and ends by its time limit.
        self.asked = True
        for group in list(self._groups):
            os.killpg(group, signal.SIGKILL)

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)

    def remove(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)


def _wrapper(program: str, scratch: Path, runtime: Path) -> Path:
    path = scratch / "runtime"
    words = " ".join(shlex.quote(word) for word in (str(runtime), "--root", str(scratch / "state")))
    calls = shlex.quote(str(scratch / "calls"))
    pause = f'[ "$1" != {_SLOW_VERB[program]} ] || sleep 0.5\n' if program in _SLOW_VERB else ""
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{calls}\n{pause}exec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
    return path


def _run(command: list[str], limit_s: float, stop: Stop, **kwargs) -> tuple[int | None, str, str]:
    """Exit status (None: killed by the time limit), stdout, stderr."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Files, not pipes: a container left behind holds a pipe open, and reading it would never end.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, **kwargs
        )
        stop.add(process.pid)
        try:
            status: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        finally:
            stop.remove(process.pid)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return status, texts[0], texts[1]


def _verdict(result: Result, status: int | None, limit_s: float) -> None:
    assertions = tap.parse(result.stdout)
    good = sum(assertion.ok for assertion in assertions)
    for assertion in assertions:
        if not assertion.ok:
            result.failures.append("\n".join([assertion.text or "(an assertion without a name)",
                                              *assertion.detail]))
    if status is None:
        result.failures.append(f"no end within {limit_s:.0f} s")
    elif status != 0:
        said = result.stderr.strip()[-_TEXT_MAX:]
        result.failures.append(f"ended with status {status}" + (f":\n{said}" if said else ""))
    if result.failures:
        result.status = f"fail({good}/{len(assertions)})"
    elif all(assertion.skipped for assertion in assertions):
        result.failures = tap.complaints(result.stdout)
        result.status = "complains" if result.failures else "none"
    else:
        result.status = "pass"


def _mounts_below(folder: Path) -> list[str]:
    points = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == str(folder) or point.startswith(f"{folder}/"):
            points.append(point)
    return sorted(points, reverse=True)


def _cgroups_of(scratch: Path) -> list[Path]:
    """Groups named after a container of this program; the ids are UUIDs, so the name alone decides."""
    calls = scratch / "calls"
    ids = set(_UUID.findall(calls.read_text(encoding="utf-8", errors="replace"))) if calls.exists() else set()
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found += [Path(folder) / name for name in names if any(one in name for one in ids)]
        if folder.count("/") > _CGROUP_DEPTH_MAX:
            names.clear()
    return sorted(found, reverse=True)


def _clean(result: Result, wrapper: Path, scratch: Path) -> None:
    state = scratch / "state"
    folders = [path.name for path in state.iterdir() if path.is_dir()] if state.is_dir() else []
    left = sorted(name for name in folders if not name.startswith("."))  # crun keeps folders like .cache there
    for name in left:
        status, _, stderr = _run([str(wrapper), "delete", "--force", name], _CLEANUP_LIMIT_S, Stop())
        if status != 0:
            result.leaks.append(f"container {name} can't be deleted: {stderr.strip() or status}")
    for point in _mounts_below(scratch):
        if result.program not in _IN_OUR_MOUNT_NAMESPACE:
            result.leaks.append(f"mount {point}")
        subprocess.run(["umount", "-l", point], check=False)
    for group in _cgroups_of(scratch):
        result.leaks.append(f"cgroup {group}")
        try:
            group.rmdir()
        except OSError as error:
            result.leaks[-1] += f" ({error.strerror})"
    shutil.rmtree(scratch, ignore_errors=True)
    if scratch.exists():
        result.leaks.append(f"folder {scratch}")


def run(program: str, suite: Path, runtime: Path, limit_s: float, stop: Stop) -> Result:
    result = Result(program)
    scratch = Path(tempfile.mkdtemp(prefix=f"oci-{program}-"))
    scratch.chmod(0o711)  # bundles of containers with another root id lie below
    wrapper = _wrapper(program, scratch, runtime)
    bundles = scratch / "bundles"
    bundles.mkdir(mode=0o755)
    started = time.monotonic()
    status, result.stdout, result.stderr = _run(
        [str(suite / "programs" / program)],
        limit_s,
        stop,
        cwd=suite,
        env=dict(os.environ, RUNTIME=str(wrapper), TMPDIR=str(bundles)),
    )
    result.seconds = time.monotonic() - started
    _verdict(result, status, limit_s)
    _clean(result, wrapper, scratch)
    return result
