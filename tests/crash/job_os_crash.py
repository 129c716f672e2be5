"""Crashes an operating system under the payments job: a Linux in user mode, ended with SIGKILL.

    python3 job_os_crash.py [--seed S] [--crashes N] PAYMENTS EXPORT_LOG

The job goes from a log of the host to a log on the guest's ext4 (guest.py), with checkpoints there.
It is crashed with its system again and again, and goes on with other numbers of workers; one crash
of five comes about when it recovers, the others when it has checkpoints, which must be there
afterwards. Then it runs to its end, and all its views, its late events, dead letters and its
summary are compared with the oracle (payments_job.py).
Exits 77 where the guest does not boot.
"""

import os
import random
import shlex
import shutil
import subprocess
import time

import guest as guests
import payments_job
import promises
from guest import Guest
from promises import Broken

CRASHES_A_JOB = 7
EVENTS = 12000
RATE = 1500
PARTITIONS = 2
FOUND = "guest: checkpoints "
SAVED = "guest: saved"
UNMOUNTED = "guest: unmounted"

# The next checkpoint is made when the one before it is durable.
SCRIPT = """
count() {{ ls {checkpoints} 2>/dev/null | grep -c '^manifest-'; }}
echo "{found}$(count)"
(while [ "$(count)" -lt 2 ]; do sleep 0.1; done; echo "{saved}") &
{run}
echo "{ended}$?"
"""


class Job:
    """One job on one image."""

    def __init__(self, options, folder, chance):
        self.options = options
        self.folder = folder
        self.random = chance
        self.image = guests.make_image(folder)
        self.input = payments_job.Input(options, os.path.join(folder, "input"),
                                        chance.randrange(1, 10**6), EVENTS, PARTITIONS)
        self.crashes = self.restores = 0
        self.is_saved = self.has_ended = False

    def boot(self, rate, then=""):
        run = payments_job.run_command(
            self.options, self.input.log, guests.MOUNT, self.random.randint(1, 3),
            self.random.randint(20, 200), rate)
        checkpoints = payments_job.checkpoints_of(guests.MOUNT)
        script = SCRIPT.format(found=FOUND, saved=SAVED, checkpoints=checkpoints,
                               run=shlex.join(run), ended=guests.ENDED)
        return Guest(self.folder, self.image, script + then)

    def await_start(self, guest):
        guest.await_line(guests.UP)
        _, found = guest.await_line(FOUND)
        goes_on = found != FOUND + "0"
        if self.is_saved and not goes_on:
            raise Broken("a checkpoint was published before the crash, and none is there")
        self.restores += goes_on

    def run_until(self, guest, deadline):
        """Reads the console up to the deadline, or the end of the job."""
        while not self.has_ended and (line := guest.next_line(deadline)) is not None:
            self.has_ended = line == guests.ENDED + "0"
            if line.startswith(guests.ENDED) and not self.has_ended:
                raise Broken("the job ended by itself: " + " / ".join(guest.lines[-5:]))
        if not self.has_ended and time.monotonic() < deadline:
            raise Broken("the guest ended by itself: " + " / ".join(guest.lines[-5:]))

    def crash(self):
        with self.boot(RATE) as guest:
            self.await_start(guest)
            if self.is_saved and self.random.random() < 0.2:
                delay = self.random.uniform(0, 0.3)
            else:
                guest.await_line(SAVED)
                self.is_saved = True
                delay = self.random.uniform(0.1, 2)
            self.run_until(guest, time.monotonic() + delay)
            guest.kill()
        self.crashes += 1

    def end(self):
        """Runs the job to its end, and holds what is on the image to the oracle's word."""
        then = f'cd /\numount {guests.MOUNT} && echo "{UNMOUNTED}"\n'
        with self.boot(None, then) as guest:
            self.await_start(guest)
            lines, ended = guest.await_line(guests.ENDED)
            if ended != guests.ENDED + "0":
                raise Broken("the job ended by itself: " + " / ".join(guest.lines[-5:]))
            guest.await_line(UNMOUNTED)
        home = os.path.join(self.folder, "home")
        shutil.rmtree(home, ignore_errors=True)
        os.mkdir(home)
        subprocess.run([guests.tool("debugfs"), "-R", f"rdump /views {home}", self.image],
                       check=True, capture_output=True)
        summary = [line for line in lines if line.startswith("{")]
        payments_job.check(self.options, self.input.expected, home,
                           "\n".join(summary).encode("utf-8"))


def crash_all(options, folder):
    chance = random.Random(options.seed)
    jobs = []
    crashes = 0
    while crashes < options.crashes:
        home = os.path.join(folder, f"job-{len(jobs)}")
        os.mkdir(home)
        job = Job(options, home, chance)
        try:
            most = min(CRASHES_A_JOB, options.crashes - crashes)
            while job.crashes < most and not job.has_ended:
                job.crash()
            job.end()
        except Broken as broken:
            raise Broken(f"{home}, after crash {job.crashes}: {broken}") from None
        shutil.rmtree(home)
        jobs.append(job)
        crashes += job.crashes
    restores = sum(job.restores for job in jobs)
    print(f"{len(jobs)} jobs, {crashes} crashes of the system, {restores} of {crashes + len(jobs)} "
          "starts went on from a checkpoint")
    return crashes


def main():
    def add(parser):
        parser.add_argument("--crashes", type=int, default=promises.by_size(2, 3, 20))
    options = payments_job.parse(__doc__, add)

    def harness(folder):
        guests.tool("debugfs")
        guests.check(folder)
        return crash_all(options, folder)

    promises.run(harness, options)


if __name__ == "__main__":
    main()
