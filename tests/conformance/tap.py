# SPDX-License-Identifier: Apache-2.0
"""Read the Test Anything Protocol as the validation programs write it.

Only lines at column 0 count: the programs put free text (the container's own output among it) into indented
YAML blocks. Several programs print their plan at the end, some print "1..0" first and more assertions after it,
so a plan is kept for the report but does not decide anything.
"""

import re
from dataclasses import dataclass, field

_ASSERTION = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
_DIRECTIVE = re.compile(r"\s*#\s*(skip|todo)\b.*$", re.IGNORECASE)
_COMPLAINT = re.compile(r'^\s+"error": "(.*)",?$')
_DETAIL_LINES_MAX = 40


@dataclass
class Assertion:
    ok: bool
    text: str
    skipped: bool = False
    detail: list[str] = field(default_factory=list)


def parse(output: str) -> list[Assertion]:
    """The assertions of one program, in order, each with the indented lines that follow it."""
    found: list[Assertion] = []
    for line in output.splitlines():
        match = _ASSERTION.match(line)
        if match:
            text = match.group(3)
            directive = _DIRECTIVE.search(text)
            skipped = bool(directive and directive.group(1).lower() == "skip")
            todo = bool(directive and directive.group(1).lower() == "todo")
            ok = match.group(1) is None or todo
            found.append(Assertion(ok, _DIRECTIVE.sub("", text).strip(), skipped))
        elif found and line[:1] in (" ", "\t") and len(found[-1].detail) < _DETAIL_LINES_MAX:
            found[-1].detail.append(line)
    return found


def complaints(output: str) -> list[str]:
    """The "error" entries of diagnostics: how the programs that assert nothing say that they are not content."""
    matches = (_COMPLAINT.match(line) for line in output.splitlines())
    return [match.group(1) for match in matches if match]
