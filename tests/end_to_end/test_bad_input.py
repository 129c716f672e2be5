"""Bad input: a clear sentence, the documented exit code, nothing lost, bounded memory.

    python3 test_bad_input.py --payments PATH --mistaken PATH [--include DIR] [NAME...]

The payments job reads files that are missing, unreadable, cut off, garbage or without end; the
program of mistaken_jobs.c makes graphs that must not run. WEIR_TEST_SIZE=full takes 1 GiB of
garbage and a line of 100 MiB. Exits 1 if anything failed.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SIZES = {"small": (4, 2), "normal": (64, 20), "full": (1024, 100)}
GARBAGE_MIB, LINE_MIB = SIZES.get(os.environ.get("WEIR_TEST_SIZE", "normal"), SIZES["normal"])
MIB = 1 << 20
MOST_LINE = 1_048_576  # bytes that a line may have
MOST_MEMORY = 192 * MIB  # of the process; what it takes does not depend on the input's size
SECONDS = 600
IS_SANITIZED = bool(os.environ.get("WEIR_TEST_SANITIZED"))
NOBODY = 65534

# The exit codes of weir/status.h.
FAILED, USAGE, UNREACHABLE, NOT_FOUND = 1, 2, 3, 4

VIEWS = ["alerts", "kpi", "sessions", "orders", "unpaid", "purchases"]


def claim(is_so, sentence, *found):
    if not is_so:
        raise AssertionError(" ".join([sentence, *(repr(item) for item in found)]))


class Result:
    """What a process did: exit code, stderr, its most memory in bytes."""

    def __init__(self, command, **options):
        with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, **options
            )
            signal.signal(signal.SIGALRM, lambda *_: process.kill())
            signal.alarm(SECONDS)
            _, status, usage = os.wait4(process.pid, 0)
            signal.alarm(0)
            process.returncode = self.code = os.waitstatus_to_exitcode(status)
            self.memory = usage.ru_maxrss * 1024
            stderr.seek(0)
            stdout.seek(0)
            self.stderr = stderr.read().decode()
            self.stdout = stdout.read().decode(errors="replace")

    def refuses(self, code, *words):
        """One sentence on stderr that has all the words, nothing on stdout, and the exit code."""
        claim(self.code == code, f"the exit code is not {code} but", self.code, self.stderr)
        claim(self.stdout == "", "standard output has", self.stdout)
        claim(self.stderr.count("\n") == 1, "that is not one sentence:", self.stderr)
        for word in words:
            claim(word in self.stderr, f"{word!r} is not in", self.stderr)


class Place:
    """A directory of one test, with the programs."""

    def __init__(self, programs, directory):
        self.programs = programs
        self.directory = directory
        self.output = os.path.join(directory, "output")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, *pieces):
        with open(self.path(name), "wb") as file:
            for piece in pieces:
                file.write(piece)
        return self.path(name)

    def run(self, given, output=None, **options):
        command = [self.programs.payments, "run", "--input", given]
        return Result([*command, "--output", output or self.output], **options)

    def summary(self):
        with open(os.path.join(self.output, "summary.json"), encoding="utf-8") as file:
            summary = json.load(file)
        parts = ["accepted", "duplicates", "late", "dead_letters"]
        claim(summary["events"] == sum(summary[part] for part in parts), "parts are lost", summary)
        return summary

    def dead_letters(self):
        with open(os.path.join(self.output, "dead_letters.jsonl"), encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def event(number):
    fields = {
        "event_id": f"e-{number}",
        "kind": "PaymentAuthorized",
        "at": f"2026-03-01T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "order_id": f"o-{number}",
        "customer_id": "c-1",
        "card_id": "k-1",
        "region": "EU",
        "amount_cents": 100,
    }
    return json.dumps(fields).encode() + b"\n"


def events(first, count):
    return b"".join(event(number) for number in range(first, first + count))


# ---- what cannot be read ----


def missing_file(place):
    place.run(place.path("none.jsonl")).refuses(NOT_FOUND, "none.jsonl", "No such file")


def missing_directory_of_a_file(place):
    place.run(place.path("none/there.jsonl")).refuses(NOT_FOUND, "none/there.jsonl", "No such")


def empty_glob(place):
    place.run(place.path("*.jsonl")).refuses(NOT_FOUND, "no file matches", "*.jsonl")


def glob_of_a_directory(place):
    os.mkdir(place.path("one.jsonl"))
    place.run(place.path("*.jsonl")).refuses(NOT_FOUND, "no file matches", "*.jsonl")


def empty_directory(place):
    os.mkdir(place.path("empty"))
    place.run(place.path("empty")).refuses(NOT_FOUND, "empty", "has no files")


def run_as_nobody(place, given):
    """As a user who may not read everything; None if that user may not even run the program."""
    options = {}
    if os.geteuid() == 0:
        os.chmod(place.directory, 0o777)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        return place.run(given, **options)
    except PermissionError:
        print("  (nobody may not run the program)")
        return None


def unreadable_file(place):
    given = place.write("secret.jsonl", events(0, 3))
    os.chmod(given, 0)
    result = run_as_nobody(place, given)
    if result is not None:
        result.refuses(UNREACHABLE, "secret.jsonl", "Permission denied")


def unreadable_file_among_others(place):
    place.write("a.jsonl", events(0, 3))
    os.chmod(place.write("b.jsonl", events(3, 3)), 0)
    result = run_as_nobody(place, place.path("*.jsonl"))
    if result is not None:
        result.refuses(UNREACHABLE, "b.jsonl", "Permission denied")


def directory_among_files(place):
    """What is no file is passed over, as a directory's own entries are."""
    place.write("a.jsonl", events(0, 3))
    os.mkdir(place.path("b.jsonl"))
    result = place.run(place.path("*.jsonl"))
    claim(result.code == 0, "it failed:", result.stderr)
    claim(place.summary()["accepted"] == 3, "the summary is", place.summary())


# ---- wrong command lines ----


def unknown_option(place):
    command = [place.programs.payments, "run", "--inptu", "x"]
    Result(command).refuses(USAGE, "no option", "--inptu", "--help")


def option_without_its_value(place):
    Result([place.programs.payments, "run", "--input"]).refuses(USAGE, "--input", "--help")


def option_that_is_needed(place):
    Result([place.programs.payments, "run", "--input", "x"]).refuses(USAGE, "needs", "--output")


def unknown_verb(place):
    Result([place.programs.payments, "walk"]).refuses(USAGE, "no verb", "walk")


def workers_that_are_no_number(place):
    given = place.write("a.jsonl", events(0, 3))
    command = [place.programs.payments, "run", "--input", given, "--output", place.output]
    Result([*command, "--workers", "many"]).refuses(USAGE, "many")
    Result([*command, "--workers", "0"]).refuses(USAGE, "0")
    Result([*command, "--cpus", "4095"]).refuses(USAGE, "4095", "core")


# ---- broken lines ----


def truncated_last_line(place):
    given = place.write("a.jsonl", events(0, 10), event(10)[:-20])
    claim(place.run(given).code == 0, "it failed")
    summary = place.summary()
    claim(summary["accepted"] == 10 and summary["dead_letters"] == 1, "the summary is", summary)
    letter = next(place.dead_letters())
    claim(letter["line"] == 11, "the dead letter is", letter)
    claim(letter["bytes"] == len(event(10)) - 20, "the dead letter is", letter)
    claim(letter["text"].encode() == event(10)[:-20], "the dead letter is", letter)


def last_line_without_newline(place):
    claim(place.run(place.write("a.jsonl", events(0, 10)[:-1])).code == 0, "it failed")
    claim(place.summary()["accepted"] == 10, "the summary is", place.summary())


def empty_file(place):
    claim(place.run(place.write("a.jsonl")).code == 0, "it failed")
    claim(place.summary()["events"] == 0, "the summary is", place.summary())


def check_memory(result):
    print(f"  {result.memory / MIB:.0f} MiB at most")
    claim(IS_SANITIZED or result.memory < MOST_MEMORY, "bytes of memory:", result.memory)


def long_line(place):
    """Between good lines, and as long as a line may just be, and one byte longer."""
    long = LINE_MIB * MIB
    padding = MOST_LINE - len(event(10)) + 1  # without its newline
    fits = event(10)[:-2] + b" " * padding + b"}\n"
    too_long = event(11)[:-2] + b" " * (padding + 1) + b"}\n"
    place.write("a.jsonl", events(0, 10))
    with open(place.path("a.jsonl"), "ab") as file:
        for _ in range(LINE_MIB):
            file.write(b"x" * MIB)
        file.write(b"\n" + fits + too_long + events(12, 5))
    result = place.run(place.path("a.jsonl"))
    claim(result.code == 0, "it failed:", result.stderr)
    summary = place.summary()
    claim(summary["accepted"] == 16 and summary["dead_letters"] == 2, "the summary is", summary)
    letters = [(letter["line"], letter["bytes"]) for letter in place.dead_letters()]
    claim(letters == [(11, long), (13, MOST_LINE + 1)], "the dead letters are", letters)
    longest = max((len(letter["text"].encode()) for letter in place.dead_letters()), default=0)
    claim(longest <= 4096, "too much text")
    check_memory(result)


def garbage_without_newlines(place):
    block = os.urandom(MIB).replace(b"\n", b"x")
    with open(place.path("a.jsonl"), "wb") as file:
        for _ in range(GARBAGE_MIB):
            file.write(block)
    result = place.run(place.path("a.jsonl"))
    claim(result.code == 0, "it failed:", result.stderr)
    summary = place.summary()
    claim(summary["dead_letters"] == summary["events"] == 1, "the summary is", summary)
    letter = next(place.dead_letters())
    is_whole = letter["bytes"] == GARBAGE_MIB * MIB and letter["line"] == 1
    claim(is_whole, "the dead letter is", letter)
    check_memory(result)


def garbage_with_newlines(place):
    """Random bytes: some with the newlines that come, most in lines of 64 KiB, good ones too."""
    wild = os.urandom(MIB)
    tame = b"".join(os.urandom(65535).replace(b"\n", b"x") + b"\n" for _ in range(MIB // 65536))
    lines = 0
    with open(place.path("a.jsonl"), "wb") as file:
        for i in range(GARBAGE_MIB):
            block = wild if i < 4 else tame
            file.write(block + b"\n" + event(i))
            lines += block.count(b"\n") + 1
    result = place.run(place.path("a.jsonl"))
    claim(result.code == 0, "it failed:", result.stderr)
    summary = place.summary()
    claim(summary["dead_letters"] == lines, f"not {lines} dead letters", summary)
    claim(summary["accepted"] == GARBAGE_MIB, f"not {GARBAGE_MIB} accepted", summary)
    count = total = 0
    for letter in place.dead_letters():
        count += 1
        total += letter["bytes"]
    size = os.path.getsize(place.path("a.jsonl"))
    good = sum(len(event(i)) for i in range(GARBAGE_MIB))
    claim(count == lines, f"{lines} lines, but dead letters:", count)
    claim(total + count + good == size, f"{size} bytes, but in the dead letters:", total)
    check_memory(result)


# ---- outputs that cannot be written ----


def output_directory_is_a_file(place):
    given = place.write("a.jsonl", events(0, 3))
    place.run(given, output=given).refuses(UNREACHABLE, "a.jsonl", "directory")


def output_directory_has_no_parent(place):
    given = place.write("a.jsonl", events(0, 3))
    output = place.path("none/output")
    place.run(given, output=output).refuses(UNREACHABLE, "none/output", "No such file")


def output_disk_is_full(place):
    given = place.write("a.jsonl", events(0, 5000))
    os.mkdir(place.output)
    os.symlink("/dev/full", os.path.join(place.output, "kpi.jsonl"))
    place.run(given).refuses(FAILED, "kpi.jsonl", "No space left")


def output_file_may_not_grow(place):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    given = place.write("a.jsonl", events(0, 5000))
    result = place.run(given, preexec_fn=limit)
    result.refuses(FAILED, ".jsonl", "File too large")


def output_disk_is_small(place):
    """A disk of 64 KiB, where we may mount one."""
    given = place.write("a.jsonl", events(0, 5000))
    os.mkdir(place.output)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place.output]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        print("  (cannot mount a disk here)")
        return
    try:
        place.run(given).refuses(FAILED, ".jsonl", "No space left")
    finally:
        subprocess.run(["umount", place.output], check=False)


# ---- graphs that must not run ----

MISTAKES = {
    "slide-longer-than-length": ["events > large > totals", "slide 60 s", "length 10 s", "choose"],
    "slide-no-divisor": ["events > large > totals", "slide 420 s", "length 600 s", "divisor"],
    "length-of-nothing": ["events > large > totals", "length", "more than zero"],
    "window-unkeyed": ["events > totals", "needs a key", "weir_key"],
    "key-of-nothing": ["events", "no key", "WEIR_KEY"],
    "cycle": ["events > union", "cycle"],
    "one-name-for-two": ["events > costly", '"costly" is already taken', "weir_name"],
    "field-misspelled": ["read-event", '"att"', "not in event", 'did you mean "at"?'],
    "field-of-another-kind": ["read-event", '"amount"', "weir_time"],
    "no-operator": ["empty", "source"],
}


def mistaken_graphs(place):
    for name, words in MISTAKES.items():
        for verb in "run", "plan":
            Result([place.programs.mistaken, name, verb]).refuses(USAGE, "mistaken: ", *words)


UNKEYED = """
#include <weir.h>
weir_stream per_card(weir_stream payments, const weir_aggregate_binding *totals);
weir_stream per_card(weir_stream payments, const weir_aggregate_binding *totals)
{
    return weir_aggregate(%s, weir_tumbling(WEIR_SECONDS(1)), totals);
}
"""


def window_on_an_unkeyed_stream_does_not_compile(place):
    compiler = shutil.which("cc")
    if compiler is None or place.programs.include is None:
        return
    for keyed, compiles in ("payments", False), ("weir_key(payments, 0)", True):
        given = place.write("unkeyed.c", (UNKEYED % keyed).encode())
        command = [compiler, "-fsyntax-only", "-I", place.programs.include, given]
        result = Result(command)
        claim((result.code == 0) == compiles, keyed, result.stderr)
        claim(compiles or "weir_keyed" in result.stderr, keyed, result.stderr)


TESTS = [
    missing_file,
    missing_directory_of_a_file,
    empty_glob,
    glob_of_a_directory,
    empty_directory,
    unreadable_file,
    unreadable_file_among_others,
    directory_among_files,
    unknown_option,
    option_without_its_value,
    option_that_is_needed,
    unknown_verb,
    workers_that_are_no_number,
    truncated_last_line,
    last_line_without_newline,
    empty_file,
    long_line,
    garbage_without_newlines,
    garbage_with_newlines,
    output_directory_is_a_file,
    output_directory_has_no_parent,
    output_disk_is_full,
    output_file_may_not_grow,
    output_disk_is_small,
    mistaken_graphs,
    window_on_an_unkeyed_stream_does_not_compile,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", required=True, type=os.path.abspath)
    parser.add_argument("--mistaken", required=True, type=os.path.abspath)
    parser.add_argument("--include")
    parser.add_argument("names", nargs="*", metavar="NAME")
    programs = parser.parse_args()
    failed = 0
    for test in TESTS:
        if programs.names and test.__name__ not in programs.names:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="weir-") as directory:
            try:
                test(Place(programs, directory))
                print(f"ok    {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAIL  {test.__name__}: {error}", flush=True)
    print(f"cases: {len(programs.names or TESTS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
