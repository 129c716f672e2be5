"""Crashes an operating system under the writer: a Linux in user mode, ended with SIGKILL.

    python3 os_crash.py [--seed S] [--cycles N] LOAD [ARGUMENT...]

In each cycle the guest (guest.py) boots, verifies what the last crash has left, recovers, writes,
and is killed with all its processes. Exits 77 where it does not boot.
"""

import random
import shlex
import time

import guest as guests
import promises
from guest import Guest
from promises import Broken

CYCLES_AN_IMAGE = 40
PARTITIONS = 2
DIRECTORY = guests.MOUNT + "/log"
VERIFIED = "guest: verified "

SCRIPT = """
if [ -d {directory} ]; then
    {verify}
    echo "{verified}$?"
else
    echo "{verified}nothing"
fi
{then}
echo "{ended}$?"
"""


def script(options, then=":"):
    return SCRIPT.format(directory=DIRECTORY, verified=VERIFIED, then=then, ended=guests.ENDED,
                         verify=shlex.join([options.load, "verify", DIRECTORY]))


class Disk:
    """One image, and what has been acknowledged on it."""

    def __init__(self, options, folder, chance):
        self.options = options
        self.folder = folder
        self.random = chance
        self.image = guests.make_image(folder)
        self.promises = promises.Promises()
        self.boots = self.acks = self.records = 0

    def check(self, guest):
        """Reads the guest's verification, and compares it with the acknowledgements."""
        guest.await_line(guests.UP)
        lines, verdict = guest.await_line(VERIFIED)
        code = verdict.removeprefix(VERIFIED)
        if code != "nothing" and (code != "0" or "ok" not in lines):
            raise Broken(f"`verify` exits with {code}: {' / '.join(lines[-3:])}")
        haves = promises.read_haves(lines)
        self.promises.compare(haves)
        self.records = sum(count for count, _ in haves.values())

    def take_until(self, guest, deadline):
        while (line := guest.next_line(deadline)) is not None:
            if line.startswith("guest: ") or line == "open":
                continue
            self.acks += self.promises.take(line)
        if time.monotonic() < deadline:
            raise Broken("the guest ended by itself; its last lines: "
                         + " / ".join(guest.lines[-5:]))
        if guest.lines[-1].startswith(guests.ENDED):
            raise Broken("`write` ended by itself: " + " / ".join(guest.lines[-5:]))

    def crash(self):
        """One cycle. One crash of five comes about when the writer recovers."""
        self.boots += 1
        write = promises.write_command(
            self.options, DIRECTORY, self.boots, self.random.randrange(2**32), PARTITIONS)
        is_early = self.random.random() < 0.2
        delay = self.random.uniform(0, 0.1) if is_early else self.random.uniform(0.2, 3)
        with Guest(self.folder, self.image, script(self.options, shlex.join(write))) as guest:
            self.check(guest)
            if not is_early:
                self.take_until_open(guest)
            self.take_until(guest, time.monotonic() + delay)
            guest.kill()
            # What the console had sent before the kill, but for a line cut short.
            for line in guest.text.decode(errors="replace").split("\n")[:-1]:
                line = line.rstrip("\r")
                if not line.startswith("guest: "):
                    self.acks += self.promises.take(line)

    def take_until_open(self, guest):
        lines, _ = guest.await_line("open")
        if lines:
            raise Broken("`write` does not open the directory: " + " / ".join(lines[-3:]))

    def check_last(self):
        with Guest(self.folder, self.image, script(self.options)) as guest:
            self.check(guest)


def crash_all(options, folder):
    chance = random.Random(options.seed)
    disks = []
    for cycle in range(options.cycles):
        if cycle % CYCLES_AN_IMAGE == 0:
            if disks:
                disks[-1].check_last()
            disks.append(Disk(options, folder, chance))
        try:
            disks[-1].crash()
        except Broken as broken:
            raise Broken(f"cycle {cycle}: {broken}") from None
    disks[-1].check_last()
    acks = sum(disk.acks for disk in disks)
    print(f"{options.cycles} crashes of the system, {acks} acks, "
          f"{sum(disk.records for disk in disks)} records there")
    if acks == 0:
        raise Broken("nothing was ever acknowledged")
    return options.cycles


def main():
    def add(parser):
        parser.add_argument("--cycles", type=int, default=promises.by_size(4, 20, 200))
    options = promises.parse_load(__doc__, add)

    def harness(folder):
        guests.check(folder)
        return crash_all(options, folder)

    promises.run(harness, options)


if __name__ == "__main__":
    main()
