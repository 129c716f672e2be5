"""A program under strace: its calls that change files, one of which may be made to go wrong.

A plain run of a scene lists its calls, as call, file and how often that file saw that call; each is
a point that can be visited in four ways:

    before   SIGKILL instead of the call
    after    SIGKILL once the call is done, before the thread goes on
    EIO      the call fails; the program must go on or end with a sentence,
    ENOSPC   and must not call again a sync of a file that has failed
"""

import collections
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import threading

import promises
from promises import Broken

CALLS = ("pwrite64 pwritev pwritev2 write writev fdatasync fsync sync_file_range rename renameat "
         "renameat2 link linkat unlink unlinkat truncate ftruncate fallocate mkdir mkdirat").split()
SYNCS = ("fdatasync", "fsync")
HOWS = ("before", "after", "EIO", "ENOSPC")
AT_ONCE = 2
TRIES = 3  # threads and clocks differ: a call may not come in each run
DELAY_US = 200_000  # for which a thread is held after a call, until it is killed

# 1234  fdatasync(3</folder/file>) = 0   or, in two lines when another thread came between:
# 1234  fdatasync(3</folder/file> <unfinished ...>
CALLED = re.compile(r"(\d+) +(\w+)\((.*)")
DONE = re.compile(r"(\d+) +(?:\w+\(|<\.\.\. \w+ resumed>).* = (.*)")
FILE = re.compile(r'\d+<(/[^>]*)>|(?:AT_FDCWD<[^>]*>, )?"([^"]*)"')

Point = collections.namedtuple("Point", "scene call file index how")


def trace_command(inject, trace, command):
    called = ",".join("?" + call for call in CALLS)
    return ["strace", "-f", "-y", "--quiet=all", "-s", "256", "-e", "signal=none",
            "-e", "trace=" + called, *inject, "-o", trace, *command]


def injection(point, directory):
    what = {"before": "signal=KILL", "after": f"delay_exit={DELAY_US}"}
    action = what.get(point.how, "error=" + point.how)
    return ["-P", absolute(point.file, directory), "-e",
            f"inject={point.call}:{action}:when={point.index}"]


def absolute(file, directory):
    return os.path.normpath(os.path.join(directory, file))


def file_of(arguments, directory):
    """The file that a call names first, from the directory; None when it lies elsewhere."""
    found = FILE.match(arguments)
    path = found and (found.group(1) or found.group(2))
    if not path:
        return None
    path = os.path.relpath(os.path.join(directory, path.removesuffix(" (deleted)")), directory)
    return path if not path.startswith("../") else None


class Traced:
    """A run of a command under strace. Calls to files of the directory are its calls."""

    def __init__(self, command, directory, point=None):
        self.directory = directory
        self.lines = []  # of its standard output, the last may be cut short
        self.calls = []  # (thread, call, file, result)
        self.open_calls = {}
        self.is_hit = False
        inject = injection(point, directory) if point else []
        reader, writer = os.pipe()
        with open(directory + ".stderr", "w+") as stderr, open(reader) as trace:
            process = subprocess.Popen(
                trace_command(inject, f"/dev/fd/{writer}", command), pass_fds=[writer],
                stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True)
            os.close(writer)
            watchdog = threading.Timer(promises.SECONDS, os.killpg, [process.pid, 9])
            watchdog.start()
            listener = threading.Thread(target=lambda: self.lines.extend(process.stdout))
            listener.start()
            for line in trace:
                self.take_call(line.rstrip("\n"), point)
            listener.join()
            self.code = process.wait()
            has_hung = not watchdog.is_alive()
            watchdog.cancel()
            stderr.seek(0)
            self.stderr = stderr.read(500).strip()
        if has_hung:
            raise Broken(f"`{command[1]}` has not ended in {promises.SECONDS} s")

    def take_call(self, line, point):
        called = CALLED.match(line)
        if called:
            thread, call, arguments = called.groups()
            self.open_calls[thread] = call, file_of(arguments, self.directory)
        elif "(DELAYED)" not in line and " resumed>" not in line:
            return
        if point and ("(INJECTED)" in line or "(DELAYED)" in line or line.endswith(" = ?")):
            self.is_hit = True
        if "(DELAYED)" in line:
            # A tracee of ours, which stands still: its number is nobody else's.
            os.kill(int(line.split()[0]), 9)
        done = DONE.match(line)
        if done and done.group(1) in self.open_calls:
            self.calls.append((done.group(1), *self.open_calls.pop(done.group(1)), done.group(2)))

    def must_end_well(self):
        if self.code != 0:
            raise Broken(f"the plain run exits with {self.code}: {self.stderr}")

    def must_take_the_failure(self):
        """How a program may take a call that failed, by what all programs have in common."""
        if self.code < 0 or self.code > 128:
            raise Broken(f"it was ended by a signal ({self.code}): {self.stderr}")
        if self.code != 0 and not self.stderr:
            raise Broken(f"it exits with {self.code} and says nothing")
        failed = set()
        for _, call, file, result in self.calls:
            if call not in SYNCS or file is None:
                continue
            # Only one answer of the kernel is the truth about a file: the first.
            if file in failed and not os.path.isdir(absolute(file, self.directory)):
                raise Broken(f"it called {call} again on {file}, whose sync had failed")
            if "(INJECTED)" in result:
                failed.add(file)


class Scenes:
    """What runs start from. `templates` has for each scene a directory to copy, or None.

    A kind of program says what is run (`trace`), what becomes of the directory afterwards
    (`finish`), and what else it owes when a call has failed (`check_failure`).
    """

    def __init__(self, folder):
        self.folder = folder
        self.templates = {"new": None}

    def directory(self, scene, name):
        """A new directory in which the scene begins."""
        directory = os.path.join(self.folder, name, "home")
        os.mkdir(os.path.dirname(directory))
        if self.templates[scene] is not None:
            # A socket of who was killed cannot be copied, and is not missed.
            shutil.copytree(self.templates[scene], directory, symlinks=True,
                            ignore=shutil.ignore_patterns("control"))
        return directory

    def points(self, scene):
        """Each call of the plain run in each way."""
        directory = self.directory(scene, "plain-" + scene)
        traced = self.trace(directory)
        traced.must_end_well()
        self.finish(scene, directory, traced)
        # strace counts in each thread by itself.
        counts = collections.Counter()
        for thread, call, file, _ in traced.calls:
            if file is not None:
                counts[thread, call, file] += 1
        most = {}
        for (_, call, file), count in counts.items():
            most[call, file] = max(count, most.get((call, file), 0))
        return [Point(scene, call, file, index, how) for (call, file), count in most.items()
                for index in range(1, count + 1) for how in HOWS]

    def visit(self, point, name):
        """Whether the call came at all."""
        return any(self.visit_once(point, name) for _ in range(TRIES))

    def visit_once(self, point, name):
        directory = self.directory(point.scene, name)
        traced = self.trace(directory, point)
        if traced.is_hit and point.how in ("EIO", "ENOSPC"):
            traced.must_take_the_failure()
            self.check_failure(point, traced)
        self.finish(point.scene, directory, traced)
        shutil.rmtree(os.path.dirname(directory))
        return traced.is_hit


def check_strace():
    """Skips where there is no strace, or where it may not trace."""
    try:
        command = ["strace", "-f", "-e", "trace=?rename", "-o", os.devnull, "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=promises.SECONDS)
    except FileNotFoundError:
        promises.skip("there is no strace")
    if done.returncode != 0:
        promises.skip(f"strace cannot trace: {done.stderr.strip()}")


def visit_all(scenes, points):
    """How many of the calls came. Broken, by the first that is not well."""
    has_failed = threading.Event()

    def visit(numbered):
        number, point = numbered
        if has_failed.is_set():
            return False
        try:
            return scenes.visit(point, f"visit-{number}")
        except Broken as broken:
            has_failed.set()
            raise Broken(f"scene {point.scene}, {point.how} at {point.call} {point.index} of "
                         f"{point.file} (visit-{number}): {broken}") from None

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(visit, enumerate(points)))


def visit_some(scenes, options):
    """Visits all points of all scenes, or as many as wanted, drawn by the seed; their number."""
    points = [point for scene in scenes.templates for point in scenes.points(scene)]
    random.Random(options.seed).shuffle(points)
    chosen = points[:options.most]
    hits = visit_all(scenes, chosen)
    came = [point for point, is_hit in zip(chosen, hits) if is_hit]
    by_how = collections.Counter(point.how for point in came)
    by_call = collections.Counter(point.call for point in came)
    print(f"{len(chosen)} visits of {len(points)}; {len(came)} calls came:",
          ", ".join(f"{name} {count}" for name, count in [*by_how.items(), *by_call.items()]))
    if len(came) * 2 < len(chosen):
        raise Broken("fewer than half of the calls of the plain run came again; its files and "
                     "calls must depend on its arguments alone")
    return len(chosen)
