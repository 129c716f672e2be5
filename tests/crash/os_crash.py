"""Crashes an operating system under the writer: a Linux in user mode, ended with SIGKILL.

    python3 os_crash.py [--seed S] [--cycles N] LOAD [ARGUMENT...]

The guest sees the host's files read-only, and an ext4 image of its own. In each cycle it boots,
verifies what the last crash has left, recovers, writes, and is killed with all its processes: what
its page cache held and had not given to the disk is gone. What it gave to the disk stays, in the
host's cache: this is a crash of a system, not a disk that loses what it was given.
Exits 77 where the guest does not boot.
"""

import os
import random
import select
import shlex
import shutil
import signal
import subprocess
import time

import promises
from promises import Broken

KERNEL = "linux.uml"
IMAGE_BYTES = 1 << 30
CYCLES_AN_IMAGE = 40
PARTITIONS = 2
MOUNT = "/mnt"  # in the guest
DIRECTORY = MOUNT + "/log"
UP = "guest: up"
VERIFIED = "guest: verified "

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t ext4 /dev/ubda {mount} || echo "guest: cannot mount"
echo "{up}"
if [ -d {directory} ]; then
    {verify}
    echo "{verified}$?"
else
    echo "{verified}nothing"
fi
{then}
echo "guest: the command ended with $?"
while true; do sleep 1000; done
"""


class Guest:
    """A running guest. Its console is read line by line; leaving it kills it."""

    def __init__(self, folder, image, script):
        self.text = b""
        self.lines = []  # taken already
        init = os.path.join(folder, "init.sh")
        with open(init, "w") as file:
            file.write(script)
        os.chmod(init, 0o755)
        # Memory is a file of the guest; the rest of its own files go to the folder, too.
        self.process = subprocess.Popen(
            [KERNEL, "mem=128M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
             "quiet", "loglevel=1", "panic=1", f"init={init}", f"ubd0={image}", "con=null",
             "con0=fd:0,fd:1", f"uml_dir={folder}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def next_line(self, deadline):
        """The next line of the console; None at the deadline and when the guest has ended."""
        while b"\n" not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                return None
            self.text += more
        line, self.text = self.text.split(b"\n", 1)
        self.lines.append(line.decode(errors="replace").rstrip("\r"))
        return self.lines[-1]

    def await_line(self, start):
        """Reads up to the line that starts so, and returns the lines before it and that line."""
        deadline = time.monotonic() + promises.SECONDS
        before = []
        while (line := self.next_line(deadline)) is not None:
            if line.startswith(start):
                return before, line
            before.append(line)
        raise Broken(f"the guest ended, or ran for {promises.SECONDS} s, and did not print "
                     f"{start!r}; its last lines: " + " / ".join(self.lines[-5:]))

    def kill(self):
        """Ends all processes of the guest at once; no line comes afterwards but what was sent."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.text += self.process.stdout.read()
            self.process.wait()
            self.process.stdout.close()


def script(options, then=":"):
    return INIT.format(mount=MOUNT, directory=DIRECTORY, up=UP, verified=VERIFIED, then=then,
                       verify=shlex.join([options.load, "verify", DIRECTORY]))


def make_image(folder):
    """A path to a new file system. Skips where it cannot be made."""
    image = os.path.join(folder, "image")
    if os.path.exists(image):
        os.remove(image)
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    maker = shutil.which("mkfs.ext4", path=path)
    if maker is None:
        promises.skip("there is no mkfs.ext4")
    subprocess.run([maker, "-q", "-F", image], check=True)
    return image


def check_guest(folder, options):
    """Skips where the guest does not boot."""
    if shutil.which(KERNEL) is None:
        promises.skip(f"there is no {KERNEL}")
    with Guest(folder, make_image(folder), script(options)) as guest:
        try:
            guest.await_line(VERIFIED)
        except Broken as broken:
            promises.skip(f"no guest boots here: {broken}")


class Disk:
    """One image, and what has been acknowledged on it."""

    def __init__(self, options, folder, chance):
        self.options = options
        self.folder = folder
        self.random = chance
        self.image = make_image(folder)
        self.promises = promises.Promises()
        self.boots = self.acks = self.records = 0

    def check(self, guest):
        """Reads the guest's verification, and compares it with the acknowledgements."""
        guest.await_line(UP)
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
        if guest.lines[-1].startswith("guest: the command ended"):
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
    options = promises.parse(__doc__, add)

    def harness(folder):
        check_guest(folder, options)
        return crash_all(options, folder)

    promises.run(harness, options)


if __name__ == "__main__":
    main()
