#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hostile corpus: image archives and documents of every kind in SECURITY.md V16, V18 and V27-V31, each the same whenever it is made.

hostile_paths.py, hostile_readers.py and hostile_documents.py describe the cases; hostile_tar.py has the pieces they are made from.
As a module: cases(victim) lists them, without making the archives; Case.archive() makes one.
As a program: hostile_images.py OUTDIR [FIRST [LAST]] writes them as <number>-<name>.tar.

expect: "refused"  the load fails with a sentence that matches `says`
        "harmless" the load succeeds, with `present` and `absent` below its top layer
        "safe"     either; what counts is that nothing else happened
"""
import os
import sys

import hostile_documents
import hostile_paths
import hostile_readers
import hostile_tar

VICTIM = "/tmp/bothy-hostile-victim"


class Case:
    def __init__(self, number, name, expect, layer, archive, says, present, absent, no_xattrs, slow, renames, lies):
        self.number, self.name, self.expect, self.says = number, name, expect, says
        self.present, self.absent, self.no_xattrs, self.slow, self.renames = present, absent, no_xattrs, slow, renames
        self._layer, self._archive, self._lies = layer, archive, lies

    def archive(self):
        if self._archive:
            return self._archive()
        lies = {key: value() if callable(value) else value for key, value in self._lies.items()}
        return hostile_tar.oci_archive(self._layer() if callable(self._layer) else self._layer, **lies)


def cases(victim=VICTIM):
    out, names = [], {}

    def add(name, expect, layer=b"", archive=None, says=None, present=(), absent=(), no_xattrs=False, slow=False, renames=False, loose=False, end=hostile_tar.END, **lies):
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name += f"~{names[name]}"
        if "blob" not in lies and not callable(layer):
            layer += end
        out.append(Case(len(out), name, "safe" if loose and expect == "refused" and not says else expect, layer, archive, None if loose and expect == "safe" else says,
                        list(present), list(absent), no_xattrs, slow, renames, lies))

    for family in hostile_paths.FAMILIES:
        family(add, victim)
    for family in (*hostile_readers.FAMILIES, *hostile_documents.FAMILIES):
        family(add)
    return out


def main():
    folder = sys.argv[1]
    numbers = [int(n) for n in sys.argv[2:4]]
    os.makedirs(folder, exist_ok=True)
    chosen = cases()[numbers[0] if numbers else 0:numbers[-1] + 1 if numbers else None]
    for c in chosen:
        with open(os.path.join(folder, f"{c.number}-{c.name.replace('/', '+')[:100]}.tar"), "wb") as f:
            f.write(c.archive())
    print(f"{len(chosen)} hostile archives in {folder}")


if __name__ == "__main__":
    main()
