"""Kills the payments job at each system call that changes files, and lets each fail once.

    python3 job_syscall_kills.py [--seed S] [--most N] PAYMENTS EXPORT_LOG

The job goes from log to log, with checkpoints, in three scenes:

    new          it begins
    unpublished  it goes on where it was killed before the rename that publishes a checkpoint
    uncommitted  it goes on where it was killed right after that, before its sinks have committed

Each call of a plain run of a scene, to its checkpoints or its views, is visited four times: SIGKILL
before it and after it, EIO and ENOSPC from it (traced.py). Then the job is started again, with
another number of workers, and runs to its end; all its views, its late events, dead letters and its
summary are compared with the oracle (payments_job.py).

EIO, and a sync that fails, may end the job only with a sentence and the exit code of a disk that
failed, or, from a sink that cannot commit, of a job that failed. ENOSPC may end it with that of a
full disk while it opens or closes its files; while it runs, it must give up a checkpoint or wait,
and reach its end.

Above --most visits, random ones are left out. Exits 77 where strace cannot trace.
"""

import os
import random

import payments_job
import promises
import traced
from promises import Broken

EVENTS = 6000
RATE = 30_000
INTERVAL_MS = 20
PARTITIONS = 2
DONE, FULL, DISK_FAILED = 0, 8, 9  # exit codes


class JobScenes(traced.Scenes):
    def __init__(self, options, folder):
        super().__init__(folder)
        self.options = options
        self.random = random.Random(options.seed)
        self.input = payments_job.Input(options, os.path.join(folder, "input"),
                                        self.random.randrange(1, 10**6), EVENTS, PARTITIONS)
        for scene, how in ("unpublished", "before"), ("uncommitted", "after"):
            point = traced.Point("new", "renameat2", "checkpoints/manifest.tmp-e00001", 2, how)
            home = self.directory("new", "template-" + scene)
            if not self.trace(home, point).is_hit:
                raise Broken("the plain run publishes no second checkpoint; it must run longer")
            self.templates[scene] = home

    def trace(self, home, point=None):
        os.makedirs(home, exist_ok=True)
        command = payments_job.run_command(
            self.options, self.input.log, home, 1, INTERVAL_MS, RATE)
        return traced.Traced(command, home, point)

    def finish(self, _, home, done):
        if done.code == 0:
            payments_job.check(self.options, self.input.expected, home,
                               "".join(done.lines).encode("utf-8"))
        payments_job.run_to_end(
            self.options, self.input, home, self.random.randint(1, 4), INTERVAL_MS)

    def check_failure(self, point, done):
        codes = codes_after(point, done)
        if done.code not in codes:
            raise Broken(f"it exits with {done.code}; expected one of {codes}: {done.stderr}")


def codes_after(point, done):
    """How the job may end in which a call failed so."""
    if point.how == "EIO":
        return DONE, DISK_FAILED
    if point.call in traced.SYNCS:
        return DONE, FULL, DISK_FAILED
    # The main thread opens and closes; files are cut when they are opened or closed.
    main_thread = done.calls[0][0]
    is_running = point.call != "ftruncate" and all(
        thread != main_thread for thread, _, _, result in done.calls if "(INJECTED)" in result)
    return (DONE,) if is_running else (DONE, FULL)


def main():
    def add(parser):
        parser.add_argument("--most", type=int, default=promises.by_size(20, 120, 1_000_000),
                            help="how many visits")
    options = payments_job.parse(__doc__, add)
    traced.check_strace()
    promises.run(lambda folder: traced.visit_some(JobScenes(options, folder), options), options)


if __name__ == "__main__":
    main()
