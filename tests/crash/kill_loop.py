"""Kills the writer with SIGKILL at random moments, again and again on one directory.

    python3 kill_loop.py [--seed S] [--kills N] LOAD [ARGUMENT...]

Three kills of four come 5 to 400 ms after the start, one 0 to 20 ms after it, which is most often
in recovery. Every tenth kill, and the last of a directory, is followed by a verification of all
that the directory ever acknowledged. Two chains of kills, each on its own directory, run side by
side.
"""

import concurrent.futures
import os
import random
import select
import shutil
import subprocess
import threading
import time

import promises
from promises import Broken

CHAIN = 250  # kills of one directory
VERIFY_EACH = 10
AT_ONCE = 2


class Chain:
    """One directory and what has been done to it."""

    def __init__(self, options, folder, number):
        self.options = options
        self.directory = os.path.join(folder, f"chain-{number}")
        self.random = random.Random(f"{options.seed} {number}")
        self.partitions = self.random.choice([1, 2, 3, 4])
        self.promises = promises.Promises()
        self.stderr = open(self.directory + ".stderr", "w+")
        self.kills = self.kills_before_open = self.acks = self.records = self.verifications = 0

    def take(self, lines):
        for line in lines:
            self.acks += self.promises.take(line)

    def read_until(self, process, deadline):
        """What the writer prints until then. Broken when it ends before."""
        text = b""
        while True:
            left = deadline - time.monotonic()
            if not select.select([process.stdout], [], [], max(left, 0))[0]:
                return text
            more = os.read(process.stdout.fileno(), 1 << 16)
            if not more:
                self.stderr.seek(0)
                raise Broken(f"`write` ended by itself with {process.wait()}: "
                             f"{self.stderr.read(500).strip()}")
            text += more
            if left <= 0:
                return text

    def kill_one(self):
        is_early = self.random.random() < 0.25
        delay = self.random.uniform(0, 0.02) if is_early else self.random.uniform(0.005, 0.4)
        self.stderr.seek(0)
        self.stderr.truncate()
        command = promises.write_command(
            self.options, self.directory, self.kills, self.random.randrange(2**32), self.partitions)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr) as process:
            try:
                text = self.read_until(process, time.monotonic() + delay)
            finally:
                process.kill()
            text += process.stdout.read()
        self.kills += 1
        self.kills_before_open += not text.startswith(b"open\n")
        # A line that the kill cut short says nothing.
        self.take(text.decode().split("\n")[:-1])

    def verify(self):
        if not os.path.isdir(self.directory):
            haves = {}  # killed before it was made
        else:
            haves = promises.verify(self.options.load, self.directory)
        self.promises.compare(haves)
        self.records = sum(count for count, _ in haves.values())
        self.verifications += 1

    def run(self, kills, has_failed):
        try:
            while self.kills < kills and not has_failed.is_set():
                self.kill_one()
                if self.kills % VERIFY_EACH == 0 or self.kills == kills:
                    self.verify()
            if kills > VERIFY_EACH and self.acks == 0 and not has_failed.is_set():
                raise Broken("nothing was ever acknowledged")
        except Broken as broken:
            has_failed.set()
            raise Broken(f"{self.directory}, after kill {self.kills}: {broken}") from None
        finally:
            self.stderr.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return self


def lengths(kills):
    """Splits the kills into chains of about CHAIN, at least two."""
    count = max(AT_ONCE, kills // CHAIN)
    return [kills // count + (number < kills % count) for number in range(count)]


def main():
    def add(parser):
        parser.add_argument("--kills", type=int, default=promises.by_size(60, 1000, 10000))
    options = promises.parse_load(__doc__, add)

    def harness(folder):
        has_failed = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(Chain(options, folder, number).run, kills, has_failed)
                       for number, kills in enumerate(lengths(options.kills))]
        failures = [future.exception() for future in futures if future.exception()]
        if failures:
            raise failures[0]
        chains = [future.result() for future in futures]
        total = {name: sum(getattr(chain, name) for chain in chains)
                 for name in ("kills", "kills_before_open", "acks", "records", "verifications")}
        print("{kills} kills, {kills_before_open} of them before the directory was open, "
              "{acks} acks, {records} records there, {verifications} verifications".format(**total))
        return options.kills

    promises.run(harness, options)


if __name__ == "__main__":
    main()
