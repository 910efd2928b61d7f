# SPDX-License-Identifier: Apache-2.0
"""Taking times in turns, counting calls and instructions of filters, and laying out what came of it."""

import os
import re
import statistics
import struct
import subprocess


class Sample:
    """Runs of one program in one workload: wall time and CPU time in ms, peak memory in KiB."""

    def __init__(self):
        self.wall, self.cpu, self.peak = [], [], []

    def add(self, line):
        wall, cpu, peak = line.split()
        self.wall.append(int(wall) / 1e6)
        self.cpu.append(int(cpu) / 1e6)
        self.peak.append(int(peak))

    def figures(self):
        ordered = sorted(self.wall)
        return {
            "runs": len(ordered),
            "median_ms": round(statistics.median(ordered), 3),
            "min_ms": round(ordered[0], 3),
            "max_ms": round(ordered[-1], 3),
            "quarter_ms": round(ordered[len(ordered) // 4], 3),
            "cpu_median_ms": round(statistics.median(self.cpu), 3),
            "peak_kib": int(statistics.median(self.peak)),
        }


def quiet(argv, cwd=None, timeout=120, check=True):
    """The output of a program; its errors are the exception's text."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv[:6])}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def in_turns(spawn, commands, rounds, block=1, cwd=None):
    """Measure {name: argv} in blocks that take turns, so that what disturbs the machine disturbs all. The first round warms
    up and does not count."""
    samples = {name: Sample() for name in commands}
    for turn in range(rounds + 1):
        for name, argv in commands.items():
            folder = cwd[name] if isinstance(cwd, dict) else cwd
            for line in quiet([spawn, str(block), *argv], cwd=folder, timeout=300).splitlines():
                if turn:
                    samples[name].add(line)
    return {name: sample.figures() for name, sample in samples.items()}


def count_calls(argv, cwd, log):
    """System calls of a program and all that it starts, the container's own program included: {name: count}."""
    quiet(["strace", "-f", "-qq", "-c", "-o", log, *argv], cwd=cwd)
    counts = {}
    with open(log, encoding="utf-8") as text:
        for line in text:
            found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if found and found.group(2) != "total":
                counts[found.group(2)] = int(found.group(1))
    return counts


ARCH_NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(os.uname().machine, 0)
GETPPID = {"x86_64": 110, "aarch64": 173}.get(os.uname().machine, 0)


def filter_steps(raw, number):
    """Instructions that the classic BPF program executes for a system call without arguments."""
    program = [struct.unpack_from("=HBBI", raw, at) for at in range(0, len(raw), 8)]
    data = struct.pack("=IIQ6Q", number, ARCH_NATIVE, 0, 0, 0, 0, 0, 0, 0)
    acc, index, at, steps = 0, 0, 0, 0
    memory = [0] * 16
    while at < len(program):
        code, yes, no, k = program[at]
        kind, steps, at = code & 7, steps + 1, at + 1
        if kind == 6:  # return
            return steps
        if kind == 0:  # load
            acc = {0x20: lambda: struct.unpack_from("=I", data, k)[0], 0x00: lambda: k, 0x60: lambda: memory[k],
                   0x80: lambda: len(data)}[code & 0xE0]()
        elif kind == 1:
            index = memory[k] if code & 0xE0 == 0x60 else k
        elif kind == 2:
            memory[k] = acc
        elif kind == 4:
            value = index if code & 8 else k
            acc = {0x00: acc + value, 0x10: acc - value, 0x40: acc | value, 0x50: acc & value, 0x60: acc << value,
                   0x70: acc >> value, 0xA0: acc ^ value}[code & 0xF0] & 0xFFFFFFFF
        elif kind == 5:
            value = index if code & 8 else k
            how = code & 0xF0
            if how == 0:
                at += k
                continue
            taken = {0x10: acc == value, 0x20: acc > value, 0x30: acc >= value, 0x40: bool(acc & value)}[how]
            at += yes if taken else no
        elif kind == 7:
            if code & 0x80:
                acc = index
            else:
                index = acc
    raise ValueError("the filter runs off its end")


def ratio(a, b):
    return round(a / b, 3) if a and b else None


class Report:
    """Tables as text, and the same as data."""

    def __init__(self):
        self.data = {"workloads": {}, "goals": [], "notes": []}

    def note(self, text):
        self.data["notes"].append(text)
        print(f"  note: {text}", flush=True)

    def times(self, key, title, figures, bases):
        """@bases: {label of a ratio: name of the line that it is to}."""
        for row in figures.values():
            for label, base in bases.items():
                if base in figures:
                    row[f"ratio_to_{label}"] = ratio(row["median_ms"], figures[base]["median_ms"])
                    row[f"min_ratio_to_{label}"] = ratio(row["min_ms"], figures[base]["min_ms"])
                    row[f"cpu_ratio_to_{label}"] = ratio(row["cpu_median_ms"], figures[base]["cpu_median_ms"])
        self.data["workloads"][key] = {"title": title, "figures": figures}
        labels = [label for label, base in bases.items() if base in figures]
        print(f"\n{title}")
        head = f"  {'':28s} {'median':>9s} {'min':>9s} {'max':>9s} {'CPU':>9s} {'peak KiB':>9s}"
        print(head + "".join(f" {'x ' + label:>9s}" for label in labels) + "   (of CPU time)")
        for name, row in figures.items():
            line = f"  {name:28s}" + "".join(f" {row[k]:9.2f}" for k in ("median_ms", "min_ms", "max_ms", "cpu_median_ms"))
            line += f" {row['peak_kib']:9d}"
            line += "".join(f" {row[f'ratio_to_{label}'] or 0:9.2f}" for label in labels)
            print(line + "   (" + " ".join(f"{row[f'cpu_ratio_to_{label}'] or 0:.2f}" for label in labels) + ")", flush=True)

    def table(self, key, title, columns, rows):
        """@rows: {name: [values in the order of columns]}."""
        self.data["workloads"][key] = {"title": title, "figures": {n: dict(zip(columns, v)) for n, v in rows.items()}}
        print(f"\n{title}\n  {'':28s} " + " ".join(f"{c:>14s}" for c in columns))
        for name, values in rows.items():
            print(f"  {name:28s} " + " ".join(f"{'-' if v is None else v:>14}" for v in values), flush=True)

    def goal(self, text, limit, reached):
        self.data["goals"].append({"goal": text, "at_most": limit, "reached": reached,
                                   "met": None if reached is None else reached <= limit})

    def goals(self):
        print(f"\nGoals\n  {'':66s} {'at most':>9s} {'reached':>9s}")
        for g in self.data["goals"]:
            word = {True: "yes", False: "no", None: "not measured"}[g["met"]]
            reached = "-" if g["reached"] is None else f"{g['reached']:.2f}"
            print(f"  {g['goal']:66s} {g['at_most']:9.2f} {reached:>9s}  {word}")
