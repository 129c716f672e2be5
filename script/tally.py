"""Counts what ran, from meson's logs, and prints one table and one closing line.

usage: tally.py ROOT [--broken FOLDER]... [FOLDER]...
"""

import collections
import json
import pathlib
import re
import sys

CRITERION = re.compile(
    r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)"
)
CRITERION_SKIPPED = re.compile(r"\[SKIP\]")
LEAK = re.compile(r"detected memory leaks")
CASES = re.compile(r"^cases: (\d+)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def count_program(entry):
    """How many tests one program of meson's log stands for, and how they went."""
    count = Count()
    output = COLOUR.sub("", entry.get("stdout", "") + "\n" + entry.get("stderr", ""))
    if entry["result"] in ("SKIP", "IGNORED"):
        count.skipped = 1
        return count

    criterion = CRITERION.findall(output)
    cases = CASES.findall(output)
    if criterion:
        for tested, passing, failing, crashing in criterion:
            count.passed += int(passing)
            count.failed += int(tested) - int(passing)
        # Criterion lets a test pass whose process leaked.
        leaking = len(LEAK.findall(output))
        count.passed -= leaking
        count.failed += leaking
        count.skipped = len(CRITERION_SKIPPED.findall(output))
    elif entry["result"] == "OK":
        count.passed = sum(map(int, cases)) if cases else 1

    # What meson calls a failure is one, whatever the program printed.
    if entry["result"] not in ("OK", "EXPECTEDFAIL") and count.failed == 0:
        count.failed = 1
    return count


def suite_of(entry):
    """`weir:unit / base/status` is of suite unit."""
    head = entry["name"].split(" / ")[0]
    return head.split(":")[-1].split("+")[0]


def tail_of(entry, lines=12):
    """The end of what a program printed, where its seed and its sentence are, indented."""
    output = COLOUR.sub("", entry.get("stdout", "") + "\n" + entry.get("stderr", ""))
    seeds = [line for line in output.splitlines() if line.startswith("seed: ")]
    last = [line for line in output.splitlines() if line.strip()][-lines:]
    return "\n".join("    " + line[:500] for line in seeds[:1] + last)


def main(arguments):
    root = pathlib.Path(arguments.pop(0))
    total = Count()
    folders = []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--broken":
            total.failed += 1
            print(f"{arguments.pop(0)}: did not build", flush=True)
        else:
            folders.append(argument)

    for folder in folders:
        log = root / folder / "meson-logs" / "testlog.json"
        suites = collections.defaultdict(Count)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        for line in lines:
            entry = json.loads(line)
            count = count_program(entry)
            suites[suite_of(entry)].add(count)
            if count.failed:
                print(f"{folder}: failed: {entry['name']} ({entry['result']})")
                print(tail_of(entry))
        for suite in sorted(suites):
            print(f"{folder:<12} {suite:<12} {suites[suite]}")
            total.add(suites[suite])

    if total.passed + total.failed + total.skipped == 0:
        print("no test ran")
        total.failed = 1
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
