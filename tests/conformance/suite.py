# SPDX-License-Identifier: Apache-2.0
"""Fetch and build the pinned validation suite, outside the repository.

The version stands in go.mod and the checksums in go.sum; both go into the name of the cache folder, so a new pin
never meets an old build. A build is put together in a temporary folder and renamed into place when it is whole.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULE = "github.com/opencontainers/runtime-tools"


class SuiteError(Exception):
    """The suite can't be had; the text says why and what to do."""


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "bothy-oci-suite"


def _pin() -> str:
    pin = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        pin.update((HERE / name).read_bytes())
    return pin.hexdigest()[:16]


def _go_environment(cache: Path) -> dict[str, str]:
    # A GOPATH of our own: nothing of the user's is touched, and removing the cache removes everything.
    return dict(
        os.environ,
        GOPATH=str(cache / "go"),
        GOMODCACHE=str(cache / "go" / "mod"),
        GOCACHE=str(cache / "go-build"),
        GOFLAGS="-mod=readonly -modcacherw -trimpath",
        GOTOOLCHAIN="local",
        GOWORK="off",
        CGO_ENABLED="0",
    )


def _go(cache: Path, *arguments: str) -> str:
    command = ["go", *arguments]
    try:
        done = subprocess.run(
            command, cwd=HERE, env=_go_environment(cache), text=True, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise SuiteError("the validation suite is written in Go, and there is no 'go' here: "
                         "apt-get install golang-go") from None
    if done.returncode:
        raise SuiteError(f"'{' '.join(command[:2])} ...' failed ({done.returncode}):\n{done.stderr.strip()}")
    return done.stdout


def _programs(cache: Path) -> list[str]:
    packages = _go(cache, "list", "-f", "{{if eq .Name \"main\"}}{{.ImportPath}}{{end}}",
                   f"{MODULE}/validation/...")
    return [line for line in packages.splitlines() if line]


def _fill(cache: Path, folder: Path) -> None:
    into = folder / "programs"
    into.mkdir()
    _go(cache, "build", "-o", f"{into}/", *_programs(cache))
    _go(cache, "build", "-o", f"{folder}/runtimetest", f"{MODULE}/cmd/runtimetest")
    source = Path(_go(cache, "list", "-m", "-f", "{{.Dir}}", MODULE).strip())
    archives = sorted(source.glob("rootfs-*.tar.gz"))
    if not archives:
        raise SuiteError(f"no rootfs archive in {source}")
    for archive in archives:
        shutil.copy(archive, folder / archive.name)


def prepare(cache: Path) -> Path:
    """The folder with programs/, runtimetest and the root file systems; built when it is not there."""
    folder = cache / _pin()
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
        building = Path(scratch) / "suite"
        building.mkdir()
        _fill(cache, building)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster, and its build is as good
                raise
    return folder


def programs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "programs").iterdir())
