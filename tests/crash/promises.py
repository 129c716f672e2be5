"""What the harnesses of this folder share: running a load program, and holding it to its word.

A load program (README.md) acknowledges records with lines "ack RUN PARTITION COUNT OFFSET", and
reads everything back with lines "have RUN PARTITION COUNT LASTOFFSET". Promises keeps the first
and compares them with the second.
"""

import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
SECONDS = 120  # in which what does not hang has ended, also on a slow machine
HAVE = re.compile(r"have (\d+) (\d+) (\d+) (\d+)")


class Broken(Exception):
    """A promise that was not kept, as a sentence."""


class Promises:
    """What one directory has acknowledged."""

    def __init__(self):
        self.acked = {}  # (run, partition): (count, offset of the last)

    def take(self, line):
        """Takes a line of `write`. True when it acknowledges something."""
        if line == "open":
            return False
        words = line.split()
        if len(words) != 5 or words[0] != "ack" or not all(word.isdigit() for word in words[1:]):
            raise Broken(f"`write` printed {line!r}; expected an ack line")
        run, partition, count, offset = map(int, words[1:])
        before = self.acked.get((run, partition), (0, offset - count))
        if count < before[0] or offset - before[1] != count - before[0]:
            raise Broken(f"`write` printed {line!r} after count {before[0]}, offset {before[1]}; "
                         "offsets and counts must grow together")
        self.acked[run, partition] = count, offset
        return True

    def compare(self, haves):
        """Whether all that was acknowledged is there, at its offset, and offsets are dense."""
        for (run, partition), (count, offset) in sorted(self.acked.items()):
            have, last = haves.get((run, partition), (0, -1))
            if have < count:
                raise Broken(f"run {run} partition {partition}: {count} records were acknowledged "
                             f"and {have} are there")
            if last - (have - count) != offset:
                raise Broken(f"run {run} partition {partition}: record {count - 1} was "
                             f"acknowledged at offset {offset} and is at {last - (have - count)}")
        ends = {}
        for (run, partition), (have, last) in sorted(haves.items()):
            begin = ends.get(partition, 0)
            if last - have + 1 != begin:
                raise Broken(f"run {run} partition {partition}: its first record is at offset "
                             f"{last - have + 1}; the records before it end at {begin}")
            ends[partition] = last + 1


def read_haves(lines):
    """The report of `verify`, as {(run, partition): (count, last offset)}."""
    haves = {}
    for line in lines:
        found = HAVE.fullmatch(line)
        if found:
            run, partition, count, last = map(int, found.groups())
            haves[run, partition] = count, last
    return haves


def verify(load, directory):
    """What is in the directory. Broken when the load program finds that something is not well."""
    command = [load, "verify", directory]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Broken(f"`verify` has not ended in {SECONDS} s") from None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines or lines[-1] != "ok":
        said = " / ".join(lines[-1:] + done.stderr.split("\n")[:3])
        raise Broken(f"`verify` exits with {done.returncode}: {said}")
    return read_haves(lines)


def write_command(options, directory, run, seed, partitions, records=None):
    command = [options.load, "write", directory, "--run", str(run), "--seed", str(seed),
               "--partitions", str(partitions)]
    if records is not None:
        command += ["--records", str(records)]
    return command + options.arguments


def by_size(small, normal, full):
    return {"small": small, "full": full}.get(os.environ.get("WEIR_TEST_SIZE"), normal)


def parser_of(description):
    """A parser with the options that all harnesses have; positional arguments come afterwards."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="the seed of an earlier run; else a new one")
    parser.add_argument("--folder", help="where to put the directories; else the system's")
    return parser


def parse(parser):
    """The command line of a harness, with a seed, which is printed."""
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**9)
    print(f"seed: {options.seed}", flush=True)
    return options


def parse_load(description, add):
    """The command line of a harness over a load program; `add` adds what is its own."""
    parser = parser_of(description)
    parser.add_argument("load", type=os.path.abspath, metavar="LOAD", help="the load program")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER,
                        help="passed on to each `LOAD write`")
    add(parser)
    options = parse(parser)
    options.programs = [options.load, *options.arguments]
    return options


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def run(harness, options):
    """Calls `harness(folder)`, which returns the number of cases, in a new folder, and prints that.

    After a broken promise exits with 1, and the folder is kept, for who wants to look.
    """
    folder = tempfile.mkdtemp(prefix="weir-crash-", dir=options.folder)
    is_kept = False
    try:
        cases = harness(folder)
    except Broken as broken:
        is_kept = True
        print(f"broken: {broken}")
        print(f"kept: {folder}; again, at the same WEIR_TEST_SIZE: python3 "
              + shlex.join([sys.argv[0], "--seed", str(options.seed), *options.programs]))
        sys.exit(1)
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"cases: {cases}")
