# SPDX-License-Identifier: Apache-2.0
"""Run one validation program against a runtime, and leave nothing behind.

The programs know their runtime by a path only, so each gets a wrapper that adds a --root of its own; that keeps
parallel programs apart and lets us delete exactly the containers it left. A program gets a TMPDIR of its own for its
bundles, a time limit, and a session, so that it and its children end together.
"""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import tap

_CLEANUP_LIMIT_S = 30
# Their config.json asks for a container that shares the mount namespace: what it mounts stays, for every runtime.
_IN_OUR_MOUNT_NAMESPACE = ("linux_ns_itype",)
_TEXT_MAX = 4000


@dataclass
class Result:
    program: str
    status: str = ""  # a cell as in the table of expectations
    failures: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stdout: str = ""
    stderr: str = ""


def _wrapper(scratch: Path, runtime: Path) -> Path:
    path = scratch / "runtime"
    words = " ".join(shlex.quote(word) for word in (str(runtime), "--root", str(scratch / "state")))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
    return path


def _run(command: list[str], limit_s: float, **kwargs) -> tuple[int | None, str, str]:
    """Exit status (None: killed by the time limit), stdout, stderr."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Files, not pipes: a container left behind holds a pipe open, and reading it would never end.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, **kwargs
        )
        try:
            status: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
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


def _clean(result: Result, wrapper: Path, scratch: Path) -> None:
    state = scratch / "state"
    folders = [path.name for path in state.iterdir() if path.is_dir()] if state.is_dir() else []
    left = sorted(name for name in folders if not name.startswith("."))  # crun keeps folders like .cache there
    for name in left:
        status, _, stderr = _run([str(wrapper), "delete", "--force", name], _CLEANUP_LIMIT_S)
        if status != 0:
            result.leaks.append(f"container {name} can't be deleted: {stderr.strip() or status}")
    for point in _mounts_below(scratch):
        if result.program not in _IN_OUR_MOUNT_NAMESPACE:
            result.leaks.append(f"mount {point}")
        subprocess.run(["umount", "-l", point], check=False)
    shutil.rmtree(scratch, ignore_errors=True)
    if scratch.exists():
        result.leaks.append(f"folder {scratch}")


def run(program: str, suite: Path, runtime: Path, limit_s: float) -> Result:
    result = Result(program)
    scratch = Path(tempfile.mkdtemp(prefix=f"oci-{program}-"))
    scratch.chmod(0o711)  # bundles of containers with another root id lie below
    wrapper = _wrapper(scratch, runtime)
    bundles = scratch / "bundles"
    bundles.mkdir(mode=0o755)
    started = time.monotonic()
    status, result.stdout, result.stderr = _run(
        [str(suite / "programs" / program)],
        limit_s,
        cwd=suite,
        env=dict(os.environ, RUNTIME=str(wrapper), TMPDIR=str(bundles)),
    )
    result.seconds = time.monotonic() - started
    _verdict(result, status, limit_s)
    _clean(result, wrapper, scratch)
    return result
