# SPDX-License-Identifier: Apache-2.0
"""The hostile corpus out of a registry: what an archive holds is served, and pulled instead of loaded.

Two ways: the archive's index.json under the tag, as an index; or the manifest that it names. What is hostile about the archive
around them (its own names, links, members) has no counterpart in a registry: such cases are left out, as are those of
`docker save`, whose documents a registry does not know.
"""

import contextlib
import io
import json
import re
import tarfile

import hostile_images
import hostile_run
from fault_proxy import Server
from harness import check

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NAME = "hostile/x"
# Cases about how an archive is read.
OF_ARCHIVES = re.compile(r"outer|docker")
# Cases about what an index says: who asks for the manifest does not see them.
OF_INDEXES = re.compile(r"index|said-of|(size|digest)-manifest")


def files_of(archive):
    """The regular files of an archive by name, or None when it is no tar that a simple reader reads to its end."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                if not member.isreg():
                    return None
                found[member.name] = tar.extractfile(member).read()
    except (tarfile.TarError, ValueError, OSError, EOFError):
        return None
    return found


class PullRun(hostile_run.Run):
    verb = "pull"
    seconds_max = 60  # 500 layers are 500 transactions
    reasons = r"answers 404|its content has digest|that a pull does not follow"

    def __init__(self, w):
        self.server = Server()
        w.env["BOTHY_FETCH_STALL"] = "2s"
        super().__init__(w)
        self.numbers["left out"] = 0
        self.as_manifest = False

    def bring(self, case):
        """Serve the case and pull it; None: it is none for a registry."""
        files = None if OF_ARCHIVES.search(case.name) else files_of(case.archive())
        top = self.serve(files) if files and "index.json" in files else None
        if top is None or (self.as_manifest and OF_INDEXES.search(case.name)):
            self.numbers["left out"] += 1
            return None
        return self.bothy("pull", "--progress", "quiet", f"{self.server.host}/{NAME}:{top}")

    def serve(self, files):
        """Returns the tag."""
        self.server.blobs.clear()
        self.server.manifests.clear()
        self.server.log.clear()
        for name, data in files.items():
            if name.startswith("blobs/sha256/"):
                digest = "sha256:" + name.rsplit("/", 1)[1]
                self.server.blobs[digest] = data
                self.server.manifests[NAME, digest] = (data, MANIFEST)
        self.server.manifests[NAME, "index"] = (files["index.json"], INDEX)
        if not self.as_manifest:
            return "index"
        with contextlib.suppress(ValueError, KeyError, TypeError, IndexError, RecursionError):
            digest = json.loads(files["index.json"])["manifests"][0]["digest"]
            self.server.manifests[NAME, "manifest"] = self.server.manifests[NAME, digest]
            return "manifest"
        return None

    def end(self):
        super().end()
        self.server.__exit__()


def attack(w, choose, both):
    """Pulls the cases that @choose(case) takes, each in @both ways, or in one of them."""
    run = PullRun(w)
    try:
        cases = [c for c in hostile_images.cases(str(run.victim)) if choose(c)]
        for run.as_manifest in (False, True):
            run.all([c for n, c in enumerate(cases) if both or n % 2 == run.as_manifest])
    finally:
        run.end()
    print(f"    {run.numbers}", flush=True)
    check(not run.wrong, f"{len(run.wrong)} findings:\n" + "\n".join(run.wrong[:60]))
    return run
