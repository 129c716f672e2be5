"""Kills the writer at each system call that changes files, and lets each fail once, by strace.

    python3 syscall_kills.py [--seed S] [--records N] [--most N] LOAD [ARGUMENT...]

Two scenes: the writer makes a new directory, and it opens one that an earlier writer was killed
in. Each call of a plain run is visited four times: SIGKILL before it and after it, EIO and ENOSPC
from it (traced.py).

After each visit another writer recovers the directory and appends a little, and what is then read
must hold everything that anybody acknowledged. Above --most visits, random ones are left out.
Exits 77 where strace cannot trace.
"""

import os
import subprocess

import promises
import traced
from promises import Broken

PARTITIONS = 2


def promised(done):
    """What a run has acknowledged."""
    told = promises.Promises()
    for line in done.lines:
        if line.endswith("\n"):
            told.take(line[:-1])
    return told


class LoadScenes(traced.Scenes):
    """A new directory, and one whose writer was killed; and what was acknowledged in them."""

    def __init__(self, options, folder):
        super().__init__(folder)
        self.options = options
        self.acked = {"new": {}}
        template = os.path.join(folder, "template", "home")
        os.mkdir(os.path.dirname(template))
        first = self.trace(template, run=1)
        first.must_end_well()
        # Killed when it has written, before it has synced.
        syncs = [call for call in first.calls if call[1] in traced.SYNCS and call[2] is not None]
        _, call, file, _ = syncs[-1]
        same = sum(1 for other in syncs if other[1:3] == (call, file))
        point = traced.Point("reopened", call, file, max(2, same // 2), "before")
        second = self.trace(template, point, run=2)
        self.acked["reopened"] = {**promised(first).acked, **promised(second).acked}
        self.templates["reopened"] = template

    def trace(self, directory, point=None, run=3):
        command = promises.write_command(self.options, directory, run, self.options.seed,
                                         PARTITIONS, self.options.records)
        return traced.Traced(command, directory, point)

    def finish(self, scene, directory, done):
        """Recovers, appends, and compares with everything that was acknowledged."""
        command = promises.write_command(
            self.options, directory, 4, self.options.seed, PARTITIONS, 20)
        try:
            last = subprocess.run(command, capture_output=True, text=True,
                                  timeout=promises.SECONDS)
        except subprocess.TimeoutExpired:
            raise Broken(f"recovery has not ended in {promises.SECONDS} s") from None
        if last.returncode != 0:
            raise Broken(f"recovery exits with {last.returncode}: {last.stderr[:500].strip()}")
        told = promised(done)
        told.acked = {**self.acked[scene], **told.acked}
        for line in last.stdout.splitlines():
            told.take(line)
        told.compare(promises.verify(self.options.load, directory))

    def check_failure(self, _, done):
        acked = sum(count for count, _ in promised(done).acked.values())
        if done.code == 0 and acked != self.options.records:
            raise Broken(f"`write` exits with 0 and has acknowledged {acked} of "
                         f"{self.options.records} records")


def main():
    def add(parser):
        parser.add_argument("--records", type=int, default=promises.by_size(20, 160, 800),
                            help="how many the writer appends in a visit")
        parser.add_argument("--most", type=int, default=promises.by_size(60, 600, 1_000_000),
                            help="how many visits")
    options = promises.parse_load(__doc__, add)
    traced.check_strace()
    promises.run(lambda folder: traced.visit_some(LoadScenes(options, folder), options), options)


if __name__ == "__main__":
    main()
