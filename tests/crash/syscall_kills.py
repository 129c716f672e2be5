"""Kills the writer at each system call that changes files, and lets each fail once, by strace.

    python3 syscall_kills.py [--seed S] [--records N] [--most N] LOAD [ARGUMENT...]

Two scenes: the writer makes a new directory, and it opens one that an earlier writer was killed
in. A plain run of a scene lists its calls, as call, file and how often that file saw that call;
each is then visited four times:

    before   SIGKILL instead of the call
    after    SIGKILL once the call is done, before the thread goes on
    EIO      the call fails; the writer must go on or end with a sentence,
    ENOSPC   and must not call again a sync of a file that has failed

After each visit another writer recovers the directory and appends a little, and what is then read
must hold everything that anybody acknowledged. Above --most visits, random ones are left out.
Exits 77 where strace cannot trace.
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
         "renameat2 unlink unlinkat ftruncate fallocate mkdir mkdirat").split()
SYNCS = ("fdatasync", "fsync")
HOWS = ("before", "after", "EIO", "ENOSPC")
AT_ONCE = 2
PARTITIONS = 2
DELAY_US = 1_000_000  # for which a thread is held after a call, until it is killed

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
    """A run of the writer under strace."""

    def __init__(self, options, directory, run, point=None):
        self.directory = directory
        self.promises = promises.Promises()
        self.calls = []  # (thread, call, file, result)
        self.open_calls = {}
        self.is_hit = False
        command = promises.write_command(
            options, directory, run, options.seed, PARTITIONS, options.records)
        inject = injection(point, directory) if point else []
        reader, writer = os.pipe()
        with open(directory + ".stderr", "w+") as stderr, open(reader) as trace:
            process = subprocess.Popen(
                trace_command(inject, f"/dev/fd/{writer}", command), pass_fds=[writer],
                stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True)
            os.close(writer)
            watchdog = threading.Timer(promises.SECONDS, os.killpg, [process.pid, 9])
            watchdog.start()
            acks = []
            listener = threading.Thread(target=lambda: acks.extend(process.stdout))
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
            raise Broken(f"`write` has not ended in {promises.SECONDS} s")
        for line in acks:
            if line.endswith("\n"):
                self.promises.take(line[:-1])

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


class Scenes:
    """What a run starts from: a name, a template to copy or None, and what it has acknowledged."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        template = os.path.join(folder, "template", "log")
        os.mkdir(os.path.dirname(template))
        first = Traced(options, template, 1)
        self.must_end_well(first)
        # Killed when it has written, before it has synced.
        writes = [call for call in first.calls if call[1] in SYNCS and call[2] is not None]
        _, call, file, _ = writes[-1]
        same = sum(1 for other in writes if other[1:3] == (call, file))
        point = Point("reopened", call, file, max(2, same // 2), "before")
        second = Traced(options, template, 2, point)
        self.acked = {"new": {}, "reopened": {**first.promises.acked, **second.promises.acked}}
        self.template = template

    @staticmethod
    def must_end_well(traced):
        if traced.code != 0:
            raise Broken(f"the plain run exits with {traced.code}: {traced.stderr}")

    def directory(self, scene, name):
        """A new directory in which the scene begins."""
        directory = os.path.join(self.folder, name, "log")
        os.mkdir(os.path.dirname(directory))
        if scene == "reopened":
            shutil.copytree(self.template, directory, symlinks=True)
        return directory

    def points(self, scene):
        """Each call of the plain run in each way."""
        directory = self.directory(scene, "plain-" + scene)
        traced = Traced(self.options, directory, 3)
        self.must_end_well(traced)
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

    def finish(self, scene, directory, traced):
        """Recovers, appends, and compares with everything that was acknowledged."""
        command = promises.write_command(
            self.options, directory, 4, self.options.seed, PARTITIONS, 20)
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=promises.SECONDS)
        except subprocess.TimeoutExpired:
            raise Broken(f"recovery has not ended in {promises.SECONDS} s") from None
        if done.returncode != 0:
            raise Broken(f"recovery exits with {done.returncode}: {done.stderr[:500].strip()}")
        told = promises.Promises()
        told.acked = {**self.acked[scene], **traced.promises.acked}
        for line in done.stdout.splitlines():
            told.take(line)
        told.compare(promises.verify(self.options.load, directory))

    def visit(self, point, name):
        """Whether the call came at all."""
        directory = self.directory(point.scene, name)
        traced = Traced(self.options, directory, 3, point)
        if traced.is_hit and point.how in ("EIO", "ENOSPC"):
            check_failure(traced, self.options.records)
        self.finish(point.scene, directory, traced)
        shutil.rmtree(os.path.dirname(directory))
        return traced.is_hit


def check_failure(traced, records):
    """How a writer may take a call that failed."""
    if traced.code < 0 or traced.code > 128:
        raise Broken(f"`write` was ended by a signal ({traced.code}): {traced.stderr}")
    if traced.code != 0 and not traced.stderr:
        raise Broken(f"`write` exits with {traced.code} and says nothing")
    acked = sum(count for count, _ in traced.promises.acked.values())
    if traced.code == 0 and acked != records:
        raise Broken(f"`write` exits with 0 and has acknowledged {acked} of {records} records")
    failed = set()
    for _, call, file, result in traced.calls:
        if call not in SYNCS or file is None:
            continue
        # Only one answer of the kernel is the truth about a file: the first.
        if file in failed and not os.path.isdir(absolute(file, traced.directory)):
            raise Broken(f"`write` called {call} again on {file}, whose sync had failed")
        if "(INJECTED)" in result:
            failed.add(file)


def check_strace():
    """Skips where there is no strace, or where it may not trace."""
    try:
        command = ["strace", "-f", "-e", "trace=?rename", "-o", os.devnull, "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=promises.SECONDS)
    except FileNotFoundError:
        promises.skip("there is no strace")
    if done.returncode != 0:
        promises.skip(f"strace cannot trace: {done.stderr.strip()}")


def sample(points, options):
    order = random.Random(options.seed)
    order.shuffle(points)
    return points[:options.most]


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
            raise Broken(f"{point.scene} directory, {point.how} at {point.call} {point.index} of "
                         f"{point.file} (visit-{number}): {broken}") from None

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(visit, enumerate(points)))


def main():
    def add(parser):
        parser.add_argument("--records", type=int, default=promises.by_size(20, 160, 800),
                            help="how many the writer appends in a visit")
        parser.add_argument("--most", type=int, default=promises.by_size(60, 600, 1_000_000),
                            help="how many visits")
    options = promises.parse(__doc__, add)
    check_strace()

    def harness(folder):
        scenes = Scenes(options, folder)
        points = scenes.points("new") + scenes.points("reopened")
        chosen = sample(points, options)
        hits = visit_all(scenes, chosen)
        by_how = collections.Counter(point.how for point, hit in zip(chosen, hits) if hit)
        by_call = collections.Counter(point.call for point, hit in zip(chosen, hits) if hit)
        print(f"{len(chosen)} visits of {len(points)}; {sum(hits)} calls came:",
              ", ".join(f"{name} {count}" for name, count in [*by_how.items(), *by_call.items()]))
        if sum(hits) * 2 < len(chosen):
            raise Broken("fewer than half of the calls of the plain run came again; its files and "
                         "calls must depend on its arguments alone")
        return len(chosen)

    promises.run(harness, options)


if __name__ == "__main__":
    main()
