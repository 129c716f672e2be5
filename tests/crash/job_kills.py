"""Kills the payments job with SIGKILL at random moments, from log to log, again and again on one
directory of checkpoints, and starts it again with other numbers of workers, until it ends: its
topics are what the oracle says, nothing lost, nothing twice. In a third of its lives it is told to
go on with another number of workers (weir job rescale), and killed up to 400 ms after that.

    python3 job_kills.py [--seed S] [--kills N] PAYMENTS EXPORT_LOG WEIR

Three kills of four come 20 to 400 ms after the start, one 0 to 40 ms after it, which is most often
in recovery. When a chain has had its kills the job runs to its end, and all its views, its late
events, dead letters and its summary are compared with the oracle (../end_to_end). Two chains run
side by side.
"""

import argparse
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "end_to_end"))

import compare  # noqa: E402
import promises  # noqa: E402
import through_log  # noqa: E402
from promises import Broken  # noqa: E402

AT_ONCE = 2
CHAIN = 60       # kills of one job, at most
EVENTS = 12000
SECONDS = 3      # that a job takes when nobody kills it


class Chain:
    """One job and what has been done to it."""

    def __init__(self, options, folder, number):
        self.options = options
        self.home = os.path.join(folder, f"chain-{number}")
        self.random = random.Random(f"{options.seed} {number}")
        self.partitions = self.random.choice([1, 2, 3, 4])
        self.log = os.path.join(self.home, "log")
        self.views = os.path.join(self.home, "views")
        self.checkpoints = os.path.join(self.home, "checkpoints")
        self.kills = self.lives = self.rescales = 0

    def prepare(self):
        os.makedirs(self.home)
        path = os.path.join(self.home, "input.jsonl")
        seed = self.random.randrange(1, 10**6)
        through_log.run([self.options.payments, "generate", "--events", str(EVENTS), "--seed",
                         str(seed), "--cards", "200", "--late-per-mille", "5",
                         "--broken-per-mille", "5", "--output", path])
        through_log.run([self.options.payments, "produce", "--log", self.log, "--input", path,
                         "--partitions", str(self.partitions), "--workers", "1"])
        appended = through_log.partitions_as_files(
            self.options.export_log, self.log, self.partitions, os.path.join(self.home, "parts"))
        return through_log.expected_of(appended)

    def command(self, rate):
        command = [self.options.payments, "run", "--log", self.log, "--output-log", self.views,
                   "--checkpoints", self.checkpoints,
                   "--checkpoint-interval", str(self.random.randint(5, 100)),
                   "--workers", str(self.random.randint(1, 4)), "--quiet"]
        return command + (["--rate", str(EVENTS // SECONDS)] if rate else [])

    def rescale(self, process):
        """Asks the job for it as soon as it listens, and waits for the answer in half of all cases:
        in the others the kill may come in the middle.
        """
        asks = [self.options.weir, "job"]
        while process.poll() is None and subprocess.run(
                [*asks, "status", self.checkpoints], capture_output=True, check=False).returncode:
            time.sleep(0.01)
        asking = subprocess.Popen([*asks, "rescale", self.checkpoints, "--timeout", "300",
                                   str(self.random.randint(1, 4))], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        if self.random.random() < 0.5:
            asking.wait()
        return asking

    def see_rescaled(self, asking):
        said = asking.communicate()[0]
        self.rescales += asking.returncode == 0
        # Or the job was killed (3), was gone (4), or was at its end (5).
        if asking.returncode not in (0, 3, 4, 5):
            raise Broken(f"weir job rescale ended with {asking.returncode}: {said.strip()}")

    def live(self, delay):
        """Starts the job and kills it after so many seconds. True if it had ended by then."""
        self.lives += 1
        with open(os.path.join(self.home, "stderr"), "w+", encoding="utf-8") as stderr:
            with subprocess.Popen(self.command(True), stdout=subprocess.PIPE,
                                  stderr=stderr) as process:
                asking = self.rescale(process) if self.random.random() < 1 / 3 else None
                try:
                    self.summary = process.communicate(timeout=delay)[0]
                except subprocess.TimeoutExpired:
                    process.kill()
                    self.kills += 1
                    return False
                finally:
                    if asking is not None:
                        self.see_rescaled(asking)
            stderr.seek(0)
            if process.returncode != 0:
                raise Broken(f"the job ended by itself with {process.returncode}: "
                             f"{stderr.read(800).strip()}")
        return True

    def run(self, most, has_failed):
        try:
            expected = self.prepare()
            has_ended = False
            while not has_ended and self.kills < most and not has_failed.is_set():
                is_early = self.random.random() < 0.25
                delay = self.random.uniform(0, 0.04) if is_early else self.random.uniform(0.02, 0.4)
                has_ended = self.live(delay)
            if not has_ended and not has_failed.is_set():
                self.summary = through_log.run(self.command(False))
            output = os.path.join(self.home, "output")
            through_log.views_as_files(
                self.options.export_log, self.views, compare.VIEWS, self.summary, output)
            differences = compare.compare(expected, output)
            if differences:
                raise Broken("; ".join(differences[:3]))
        except (Broken, through_log.Fails, compare.Differs) as broken:
            has_failed.set()
            raise Broken(f"{self.home}, after kill {self.kills}: {broken}") from None
        shutil.rmtree(self.home, ignore_errors=True)
        return self


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("payments", type=os.path.abspath, metavar="PAYMENTS")
    parser.add_argument("export_log", type=os.path.abspath, metavar="EXPORT_LOG")
    parser.add_argument("weir", type=os.path.abspath, metavar="WEIR")
    parser.add_argument("--seed", type=int, help="the seed of an earlier run; else a new one")
    parser.add_argument("--kills", type=int, default=promises.by_size(20, 1000, 10000))
    parser.add_argument("--folder", help="where to put the directories; else the system's")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**9)
    print(f"seed: {options.seed}", flush=True)

    folder = tempfile.mkdtemp(prefix="weir-job-kills-", dir=options.folder)
    has_failed = threading.Event()
    chains = []
    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            while sum(chain.kills for chain in chains) < options.kills:
                left = options.kills - sum(chain.kills for chain in chains)
                most = min(CHAIN, -(-left // AT_ONCE))
                numbers = range(len(chains), len(chains) + AT_ONCE)
                futures = [pool.submit(Chain(options, folder, number).run, most, has_failed)
                           for number in numbers]
                chains += [future.result() for future in futures]
    except Broken as broken:
        print(f"broken: {broken}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    kills = sum(chain.kills for chain in chains)
    print(f"{len(chains)} jobs, {kills} kills, {sum(chain.lives for chain in chains)} lives, "
          f"{sum(chain.rescales for chain in chains)} rescales")
    print(f"cases: {kills}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
