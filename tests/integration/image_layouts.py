# SPDX-License-Identifier: Apache-2.0
"""OCI layouts of several layers and images, made from tar bytes."""

import gzip
import json

import hostile_tar as hostile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"


class Layout:
    """A folder to which images are added; `bothy load -i` takes it."""

    def __init__(self, folder):
        self.folder = folder
        self.manifests = []
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, media_type):
        digest = hostile.sha(data)
        (self.folder / "blobs/sha256" / digest[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, layers, reference=None, config=None, history=None, compress=False, platform=("linux", "amd64"), annotations=None):
        """Add an image of these tar archives; returns its id and the manifest's descriptor."""
        document = {"architecture": platform[1], "os": platform[0], "created": "2024-01-02T03:04:05Z", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": [hostile.sha(layer) for layer in layers]}}
        if history:
            document["history"] = history
        described = [self.blob(gzip.compress(layer, 6, mtime=0), LAYER + "+gzip") if compress else self.blob(layer, LAYER)
                     for layer in layers]
        config_descriptor = self.blob(json.dumps(document).encode(), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config_descriptor, "layers": described}
        descriptor = self.blob(json.dumps(manifest).encode(), MANIFEST)
        named = {"org.opencontainers.image.ref.name": reference} if reference else {}
        self.manifests.append({**descriptor, "annotations": {**named, **(annotations or {})}})
        self.write()
        return config_descriptor["digest"][7:], descriptor

    def write(self):
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests}))


def tar(*entries):
    return b"".join(entries) + hostile.END
