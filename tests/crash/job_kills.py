"""Kills the payments job with SIGKILL at random moments, from log to log, again and again on one
directory of checkpoints, and starts it again with other numbers of workers, until it ends: its
topics are what the oracle says, nothing lost, nothing twice. With --weir a third of its lives are
told to go on with another number of workers (weir job rescale), and killed up to 400 ms after that.

    python3 job_kills.py [--seed S] [--kills N] [--weir WEIR] PAYMENTS EXPORT_LOG

Three of ten kills come while the job goes on from its checkpoint, by how long that took at another
start; the others up to 0.4 s after it. How many did come in recovery is counted, and printed. When
a chain has had its kills the job runs to its end, and all its views, its late events, dead letters
and its summary are compared with the oracle (payments_job.py). Two chains run side by side.
"""

import concurrent.futures
import os
import random
import shutil
import subprocess
import threading
import time

import payments_job
import promises
from promises import Broken

AT_ONCE = 2
CHAIN = 60       # kills of one job, at most
EVENTS = 12000
SECONDS = 3      # that a job takes when nobody kills it
COORDINATOR = "weir/checkpoint"  # the thread that starts when the job has recovered


def has_recovered(process):
    """Whether the job has taken up what the checkpoint holds, and works; or has ended."""
    tasks = f"/proc/{process.pid}/task"
    for task in os.listdir(tasks):
        try:
            with open(os.path.join(tasks, task, "comm"), encoding="utf-8") as file:
                if file.read().strip() == COORDINATOR:
                    return True
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended
            pass
    return process.poll() is not None


class Chain:
    """One job and what has been done to it."""

    def __init__(self, options, folder, number):
        self.options = options
        self.home = os.path.join(folder, f"chain-{number}")
        self.random = random.Random(f"{options.seed} {number}")
        self.kills = self.kills_in_recovery = self.lives = 0
        self.recovery_s = 0.02
        self.rescales = 0

    def command(self, rate=None):
        return payments_job.run_command(
            self.options, self.input.log, self.home, self.random.randint(1, 4),
            self.random.randint(5, 100), rate)

    def await_recovery(self, process, start):
        while not has_recovered(process):
            if time.monotonic() > start + promises.SECONDS:
                process.kill()
                raise Broken(f"the job has not recovered in {promises.SECONDS} s")
            time.sleep(0.001)
        self.recovery_s = time.monotonic() - start

    def rescale(self, process):
        """Asks the job for it as soon as it listens, and waits for the answer in half of all cases:
        in the others the kill may come in the middle.
        """
        asks = [self.options.weir, "job"]
        directory = payments_job.checkpoints_of(self.home)
        while process.poll() is None and subprocess.run(
                [*asks, "status", directory], capture_output=True, check=False).returncode:
            time.sleep(0.01)
        asking = subprocess.Popen(
            [*asks, "rescale", directory, "--timeout", "300", str(self.random.randint(1, 4))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if self.random.random() < 0.5:
            asking.wait()
        return asking

    def see_rescaled(self, asking):
        said = asking.communicate()[0]
        self.rescales += asking.returncode == 0
        # Or the job was killed (3), was gone (4), or was at its end (5).
        if asking.returncode not in (0, 3, 4, 5):
            raise Broken(f"weir job rescale ended with {asking.returncode}: {said.strip()}")

    def live(self):
        """Starts the job and kills it. True if it had ended by then."""
        self.lives += 1
        goes_on = payments_job.has_checkpoint(self.home)
        is_early = goes_on and self.random.random() < 0.3
        delay = self.random.uniform(0, self.recovery_s) if is_early else self.random.uniform(0, 0.4)
        with open(os.path.join(self.home, "stderr"), "w+", encoding="utf-8") as stderr:
            start = time.monotonic()
            with subprocess.Popen(self.command(EVENTS // SECONDS), stdout=subprocess.PIPE,
                                  stderr=stderr) as process:
                asking = None
                if not is_early:
                    self.await_recovery(process, start)
                    if self.options.weir is not None and self.random.random() < 1 / 3:
                        asking = self.rescale(process)
                try:
                    self.summary = process.communicate(timeout=delay)[0]
                except subprocess.TimeoutExpired:
                    self.kills_in_recovery += goes_on and not has_recovered(process)
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
            self.input = payments_job.Input(
                self.options, self.home, self.random.randrange(1, 10**6), EVENTS,
                self.random.randint(1, 4))
            has_ended = False
            while not has_ended and self.kills < most and not has_failed.is_set():
                has_ended = self.live()
            if has_ended:
                payments_job.check(self.options, self.input.expected, self.home, self.summary)
            elif not has_failed.is_set():
                payments_job.run_to_end(self.options, self.input, self.home,
                                        self.random.randint(1, 4), self.random.randint(5, 100))
        except Broken as broken:
            has_failed.set()
            raise Broken(f"{self.home}, after kill {self.kills}: {broken}") from None
        shutil.rmtree(self.home, ignore_errors=True)
        return self


def kill_all(options, folder):
    has_failed = threading.Event()
    chains = []
    kills = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        while kills < options.kills:
            most = min(CHAIN, -(-(options.kills - kills) // AT_ONCE))
            numbers = range(len(chains), len(chains) + AT_ONCE)
            futures = [pool.submit(Chain(options, folder, number).run, most, has_failed)
                       for number in numbers]
            chains += [future.result() for future in futures]
            kills = sum(chain.kills for chain in chains)
    print(f"{len(chains)} jobs, {sum(chain.lives for chain in chains)} lives, {kills} kills, "
          f"{sum(chain.kills_in_recovery for chain in chains)} of them in recovery, "
          f"{sum(chain.rescales for chain in chains)} rescales")
    return kills


def main():
    def add(parser):
        parser.add_argument("--kills", type=int, default=promises.by_size(20, 1000, 10000))
        parser.add_argument("--weir", type=os.path.abspath, help="the command, to rescale with")
    options = payments_job.parse(__doc__, add)
    promises.run(lambda folder: kill_all(options, folder), options)


if __name__ == "__main__":
    main()
