"""Kills the payments job and the publishers of its topics with SIGKILL at random moments, stops
publishers while later ones take over, and lets them go on: at the end the directories that were
published to hold each committed record once, in order, and the topics are what the oracle says.

    python3 outbox_kills.py [--seed S] [--kills N] PAYMENTS EXPORT_LOG PUBLISH

Job and publishers run side by side: the job from log to log with checkpoints, a publisher a topic.
A life ends after 20 to 500 ms, in one of four the publishers alone are killed, in one of four the
job alone. One publisher of four is stopped instead (SIGSTOP), and goes on beside a later one in the
next life; it is killed at the end of that, unless it ended because it was fenced.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import payments_job
import promises
from payments_job import through_log
from promises import Broken

TOPICS = ["alerts", "orders"]
FENCED = 10      # the exit code of a publisher that a later one has replaced
CHAIN = 60       # kills of one job, at most
EVENTS = 12000
SECONDS = 3      # that a job takes when nobody kills it


class Published:
    """A topic, where it is published to, and the processes that do."""

    def __init__(self, chain, topic, publish):
        self.topic = topic
        self.directory = os.path.join(chain.home, "published-" + topic)
        self.command = [publish, payments_job.views_of(chain.home), topic, self.directory]
        self.errors = os.path.join(chain.home, "stderr-" + topic)
        self.newest = self.stopped = None

    def start(self):
        with open(self.errors, "w", encoding="utf-8") as errors:
            self.newest = subprocess.Popen(  # pylint: disable=consider-using-with
                self.command, stdout=subprocess.DEVNULL, stderr=errors)
        if self.stopped is not None:
            self.stopped.send_signal(signal.SIGCONT)

    def said(self):
        with open(self.errors, encoding="utf-8") as errors:
            return errors.read(800).strip()

    def kill(self, process):
        """Whether it was killed; it may have ended before, if it was fenced."""
        process.kill()
        code = process.wait()
        if code == -signal.SIGKILL:
            return True
        if code != FENCED or process is self.newest:
            raise Broken(f"the publisher of {self.topic} ended with {code}: {self.said()}")
        return False

    def end_life(self, stops):
        """How many were killed. With `stops` the newest stays, stopped, for the next life."""
        killed = 0
        if self.stopped is not None:
            killed += self.kill(self.stopped)
            self.stopped = None
        if stops and self.newest.poll() is None:
            self.newest.send_signal(signal.SIGSTOP)
            self.stopped = self.newest
        else:
            killed += self.kill(self.newest)
        self.newest = None
        return killed

    def lines(self):
        found = []
        if os.path.isdir(self.directory):
            for name in sorted(os.listdir(self.directory)):
                if name.startswith("part-"):
                    with open(os.path.join(self.directory, name), "rb") as part:
                        found += part.read().split(b"\n")[:-1]
        return found


class Chain:
    """A job with publishers, and what has been done to them."""

    def __init__(self, options, folder, number):
        self.options = options
        self.home = os.path.join(folder, f"chain-{number}")
        self.random = random.Random(f"{options.seed} {number}")
        self.published = [Published(self, topic, options.publish) for topic in TOPICS]
        self.kills = self.publisher_kills = self.stops = self.records = 0

    def job_start(self):
        command = payments_job.run_command(
            self.options, self.input.log, self.home, self.random.randint(1, 4),
            self.random.randint(5, 100), EVENTS // SECONDS)
        with open(os.path.join(self.home, "stderr"), "w", encoding="utf-8") as stderr:
            return subprocess.Popen(  # pylint: disable=consider-using-with
                command, stdout=subprocess.PIPE, stderr=stderr)

    def job_end(self, job):
        """Kills it. True if it had ended by then."""
        job.kill()
        self.summary = job.communicate()[0]
        if job.returncode == -signal.SIGKILL:
            self.kills += 1
            return False
        if job.returncode != 0:
            with open(os.path.join(self.home, "stderr"), encoding="utf-8") as stderr:
                raise Broken(f"the job ended by itself with {job.returncode}: "
                             f"{stderr.read(800).strip()}")
        return True

    def publishers_end(self):
        for published in self.published:
            stops = self.random.random() < 0.25
            self.publisher_kills += published.end_life(stops)
            self.stops += stops

    def live(self, most):
        """Lives and deaths until the job has ended, or had its kills."""
        job, has_ended, publish = None, False, False
        while self.kills + self.publisher_kills < most and not has_ended:
            if job is None:
                job = self.job_start()
            if not publish:
                for published in self.published:
                    published.start()
                publish = True
            time.sleep(self.random.uniform(0.02, 0.5))
            dies = self.random.random()
            if dies >= 0.25:
                self.publishers_end()
                publish = False
            if dies < 0.75:
                has_ended, job = self.job_end(job), None
        if publish:
            self.publishers_end()
        if job is not None:
            has_ended = self.job_end(job)
        return has_ended

    def stop_all(self):
        """Nothing is left running, whatever went wrong."""
        for published in self.published:
            for process in published.newest, published.stopped:
                if process is not None and process.poll() is None:
                    process.kill()
                    process.wait()

    def compare_published(self):
        for published in self.published:
            through_log.run(published.command + ["once"])
            if published.stopped is not None:  # it wakes when all is done, and may do no more
                published.stopped.send_signal(signal.SIGCONT)
                time.sleep(0.05)
                published.kill(published.stopped)
                published.stopped = None
            want = through_log.run([self.options.export_log, payments_job.views_of(self.home),
                                    published.topic, "all"])
            want = want.split(b"\n")[:-1]
            got = published.lines()
            self.records += len(got)
            if got != want:
                at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]),
                          min(len(got), len(want)))
                raise Broken(f"{published.topic}: {len(got)} records are published and {len(want)} "
                             f"are committed; they differ from record {at} on")

    def run_all(self, most):
        try:
            self.input = payments_job.Input(
                self.options, self.home, self.random.randrange(1, 10**6), EVENTS,
                self.random.randint(1, 4))
            if self.live(most):
                payments_job.check(self.options, self.input.expected, self.home, self.summary)
            else:
                payments_job.run_to_end(self.options, self.input, self.home,
                                        self.random.randint(1, 4), self.random.randint(5, 100))
            self.compare_published()
            if self.records == 0:
                raise Broken("no record was published")
        except (Broken, through_log.Fails) as broken:
            raise Broken(f"{self.home}, after kill {self.kills} of the job and "
                         f"{self.publisher_kills} of publishers: {broken}") from None
        finally:
            self.stop_all()
        shutil.rmtree(self.home, ignore_errors=True)


def kill_all(options, folder):
    chains, kills = [], 0
    while kills < options.kills:
        chain = Chain(options, folder, len(chains))
        chain.run_all(min(CHAIN, options.kills - kills))
        chains.append(chain)
        kills += chain.kills + chain.publisher_kills
    print(f"{len(chains)} jobs, {sum(chain.kills for chain in chains)} kills of a job, "
          f"{sum(chain.publisher_kills for chain in chains)} of publishers, "
          f"{sum(chain.stops for chain in chains)} stopped, "
          f"{sum(chain.records for chain in chains)} records published")
    return kills


def main():
    def add(parser):
        parser.add_argument("publish", type=os.path.abspath, metavar="PUBLISH")
        parser.add_argument("--kills", type=int, default=promises.by_size(10, 300, 3000))
    options = payments_job.parse(__doc__, add)
    options.programs.append(options.publish)
    promises.run(lambda folder: kill_all(options, folder), options)


if __name__ == "__main__":
    main()
