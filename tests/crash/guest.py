"""A Linux in user mode with an ext4 file system, which is crashed by SIGKILL.

The guest sees the host's files read-only, and an ext4 image of its own. What its page cache held
and had not given to the disk is gone with it. What it gave to the disk stays, in the host's cache:
this is a crash of a system, not a disk that loses what it was given.
"""

import os
import select
import shutil
import signal
import subprocess
import time

import promises
from promises import Broken

KERNEL = "linux.uml"
IMAGE_BYTES = 1 << 30
MOUNT = "/mnt"  # in the guest
UP = "guest: up"
ENDED = "guest: the command ended with "

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t ext4 /dev/ubda {mount} || echo "guest: cannot mount"
echo "{up}"
{script}
while true; do sleep 1000; done
"""


class Guest:
    """A running guest. Its console is read line by line; leaving it kills it."""

    def __init__(self, folder, image, script):
        self.text = b""
        self.lines = []  # taken already
        init = os.path.join(folder, "init.sh")
        with open(init, "w") as file:
            file.write(INIT.format(mount=MOUNT, up=UP, script=script))
        os.chmod(init, 0o755)
        # Memory is a file of the guest; the rest of its own files go to the folder, too. A job of
        # three workers takes 100 MB.
        self.process = subprocess.Popen(
            [KERNEL, "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
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


def tool(name):
    """The path of a program of e2fsprogs. Skips where there is none."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        promises.skip(f"there is no {name}")
    return found


def make_image(folder):
    """A path to a new file system. Skips where it cannot be made."""
    image = os.path.join(folder, "image")
    if os.path.exists(image):
        os.remove(image)
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run([tool("mkfs.ext4"), "-q", "-F", image], check=True)
    return image


def check(folder):
    """Skips where no guest boots."""
    if shutil.which(KERNEL) is None:
        promises.skip(f"there is no {KERNEL}")
    with Guest(folder, make_image(folder), ":") as guest:
        try:
            guest.await_line(UP)
        except Broken as broken:
            promises.skip(f"no guest boots here: {broken}")
