# SPDX-License-Identifier: Apache-2.0
"""The table of expectations: what each program says about runc, about crun, and what bothy has to reach.

A cell is one word: "pass"; "none": the program ends well, asserts nothing and has nothing to say; "complains": it
asserts nothing, but writes an error as a diagnostic; "fail(K/N)": K of N assertions hold ("fail(0/0)" gives up before
its first). Worse than its cell is a regress; better is reported, so that the table can follow.
"""

import re
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("runc", "crun", "bothy")
CONDITIONS = ("v2", "apparmor")
_CELL = re.compile(r"^(pass|none|complains|fail\((\d+)/(\d+)\))$")


class TableError(Exception):
    """The table itself is wrong; the text names the line."""


@dataclass
class Row:
    cells: dict[str, str]
    reason: str


def load(path: Path, conditions: set[str]) -> dict[str, Row]:
    """The rows of this host: a line "program@condition" replaces "program" where the condition holds."""
    rows: dict[str, Row] = {}
    special: dict[str, Row] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 1 + len(COLUMNS))
        if len(words) < 1 + len(COLUMNS):
            raise TableError(f"{path}:{number}: expected: program {' '.join(COLUMNS)} [reason]")
        cells = dict(zip(COLUMNS, words[1:]))
        for cell in cells.values():
            if not _CELL.match(cell):
                raise TableError(f"{path}:{number}: '{cell}' is none of pass, none, complains, fail(K/N)")
        name, _, condition = words[0].partition("@")
        if condition and condition not in CONDITIONS:
            raise TableError(f"{path}:{number}: '{condition}' is none of {', '.join(CONDITIONS)}")
        reason = words[1 + len(COLUMNS)] if len(words) > 1 + len(COLUMNS) else ""
        if cells["bothy"] != "pass" and not reason:
            raise TableError(f"{path}:{number}: '{name}' is not expected to pass: say why")
        into = special if condition else rows
        if not condition or condition in conditions:
            if name in into:
                raise TableError(f"{path}:{number}: '{name}' stands there twice")
            into[name] = Row(cells, reason)
    return {**rows, **special}


def _rank(cell: str) -> tuple[int, int]:
    """Cells in order of merit: any pass beats any "none", that beats "complains", and that any failure."""
    match = _CELL.match(cell)
    assert match, cell
    words = ("complains", "none", "pass")
    return (1 + words.index(cell), 0) if cell in words else (0, int(match.group(2)))


def _total(cell: str) -> int:
    match = _CELL.match(cell)
    return int(match.group(3)) if match and match.group(3) else 0


def compare(expected: str, found: str) -> int:
    """Negative: a regress. 0: as expected. Positive: better."""
    if found == expected:
        return 0
    want, have = _rank(expected), _rank(found)
    # A program that no longer asserts what it asserted is worse, also when nothing fails in what is left.
    if _total(found) < _total(expected) and found != "pass":
        return -1
    return (have > want) - (have < want)
