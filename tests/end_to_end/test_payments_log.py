"""The payments job over a log: what a crash leaves, several jobs at once, and what is refused.

    python3 test_payments_log.py --payments PATH --export PATH [NAME...]

PATH are the programs of examples/payments and of export_log.c. Exits 1 if anything failed. Prints
`cases: N`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import compare
import oracle
import through_log
from test_start_and_stop import await_handler, await_so

EVENTS = 16_000  # enough that some are late
JOBS = {"fraud": ["alerts"], "kpi": ["kpi", "purchases"],
        "orders": ["sessions", "orders", "unpaid"]}
SOON = 300


def claim(is_so, sentence, *found):
    if not is_so:
        raise AssertionError(" ".join([sentence, *(repr(item) for item in found)]))


class Place:
    """A directory of one test, with the programs and generated events."""

    def __init__(self, programs, directory):
        self.payments, self.exporter = programs.payments, programs.export
        self.directory = directory
        self.log, self.output_log = self.path("log"), self.path("output-log")
        self.input = self.path("events.jsonl")
        self.judged = None, None  # what the oracle was asked last, and its answer
        with open(self.input, "wb") as file:
            file.write(through_log.run([self.payments, "generate", "--events", str(EVENTS),
                                        "--seed", "7", "--late-per-mille", "50",
                                        "--broken-per-mille", "5"]))

    def path(self, name):
        return os.path.join(self.directory, name)

    def produce_command(self, *options):
        return [self.payments, "produce", "--log", self.log, *options]

    def run_command(self, *options, output_log=None):
        return [self.payments, "run", "--log", self.log, "--output-log",
                output_log or self.output_log, *options]

    def produce(self, *options):
        return json.loads(through_log.run(self.produce_command(*options)))

    def run(self, *options, output_log=None):
        return json.loads(through_log.run(self.run_command(*options, output_log=output_log)))

    def count(self, topic="events"):
        return len(through_log.export(self.exporter, self.log, topic))

    def appended(self, partition_count):
        return through_log.partitions_as_files(
            self.exporter, self.log, partition_count, self.path("partitions"))

    def expect_all_produced(self, partition_count):
        """The topics hold each line of the input once."""
        differences = through_log.produce_differences(
            self.exporter, self.log, oracle.load([self.input]), self.appended(partition_count),
            self.directory)
        claim(not differences, "the topics are not the input:", differences)

    def expected(self, partition_count):
        appended = self.appended(partition_count)
        if self.judged[0] != appended:
            self.judged = appended, oracle.expected(appended)
        return self.judged[1]

    def expect_views(self, partition_count, views=tuple(compare.VIEWS), output_log=None):
        """The topics of the views, and of what is late, are what the oracle makes of the events."""
        expected = self.expected(partition_count)
        output = self.path("output")
        through_log.views_as_files(
            self.exporter, output_log or self.output_log, views, b"", output)
        differences = compare.compare_late(expected, output)
        for view in views:
            differences += compare.compare_view(expected, output, view)
        claim(not differences, "the views are not the oracle's:", differences)
        claim(expected.late, "nothing is late: the test shows too little")


def start(command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def wait(process):
    """The exit code, stdout and stderr."""
    try:
        stdout, stderr = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{process.args} hangs") from None
    return process.returncode, stdout.decode(), stderr.decode()


def size_of(directory):
    return sum(os.path.getsize(os.path.join(home, name))
               for home, _, names in os.walk(directory) for name in names
               if name.endswith(".segment"))


def kill_in_the_middle(command, is_far_enough):
    """SIGKILL once something has been done; whether it had not ended before."""
    process = start(command)
    await_so(lambda: process.poll() is not None or is_far_enough(), "it does nothing")
    process.kill()
    return wait(process)[0] == -signal.SIGKILL


def holds_some(place, count):
    """Whether readers see so many events."""
    return os.path.exists(os.path.join(place.log, "topics", "events", "topic")) \
        and place.count() >= count


# ---- crashes ----


def produce_killed_and_resumed(place):
    """Three times in its middle; in the end each line is there once."""
    for partition_count in (1, 3):
        place.log = place.path(f"log-{partition_count}")
        options = ["--input", place.input, "--partitions", str(partition_count)]
        killed = 0
        for attempt in range(1, 4):
            reach = EVENTS * attempt // 5
            killed += kill_in_the_middle(
                place.produce_command(*options, "--resume", "--rate", str(EVENTS)),
                lambda reach=reach: holds_some(place, reach))
        claim(killed > 0, "no kill came before the end")
        before = place.count() + place.count("dead_letters")
        done = place.produce(*options, "--resume")
        # What was written when the kill came and not yet shown to readers is there as well.
        claim(done["skipped"] >= before, "it skipped", done, before)
        place.expect_all_produced(partition_count)
        again = place.produce(*options, "--resume")
        claim((again["events"], again["dead_letters"]) == (0, 0), "it appended again:", again)


def produce_of_the_generator_resumed(place):
    """The generator's lines are those of the file, whose bytes they are."""
    options = ["--events", str(EVENTS), "--seed", "3", "--partitions", "2"]
    claim(kill_in_the_middle(place.produce_command(*options, "--rate", str(EVENTS)),
                             lambda: holds_some(place, EVENTS // 4)), "it had ended before")
    place.produce(*options, "--resume")
    with open(place.input, "wb") as file:
        file.write(through_log.run([place.payments, "generate", "--events", str(EVENTS), "--seed",
                                    "3"]))
    want = through_log.good_lines(oracle.load([place.input]))
    claim(want == through_log.good_lines(place.appended(2)), "the events are not the generator's")


def run_killed_and_started_again(place):
    """The views are those of one run, however often another was killed."""
    place.produce("--input", place.input, "--partitions", "2")
    killed = 0
    for attempt in range(1, 4):
        reach = 10_000 * attempt
        killed += kill_in_the_middle(
            place.run_command("--rate", str(EVENTS // 2)),
            lambda reach=reach: size_of(place.output_log) > reach)
    claim(killed > 0, "no kill came before the end")
    place.run()
    place.expect_views(2)
    place.run()
    place.expect_views(2)


def interrupt_acknowledges(place):
    """What it says it has appended is what the topics hold."""
    process = start(place.produce_command("--input", place.input, "--rate", str(EVENTS // 2)))
    await_handler(process)
    await_so(lambda: process.poll() is not None or holds_some(place, 100), "nothing was appended")
    process.send_signal(signal.SIGINT)
    code, stdout, stderr = wait(process)
    claim(code == 130, "the exit code is", code, stderr)
    said = json.loads(stdout)
    found = {topic: place.count(topic) for topic in ("events", "dead_letters")}
    claim(said == found, "it said and the log holds", said, found)
    claim(found["events"] < EVENTS, "it had ended before")


# ---- several jobs ----


def jobs_at_their_own_pace(place):
    """Three processes read one topic, each at its rate, while a fourth reads all of it."""
    place.produce("--input", place.input, "--partitions", "2")
    rates = {"fraud": EVENTS // 2, "kpi": EVENTS, "orders": None}
    running = {}
    for job, rate in rates.items():
        options = ["--job", job, "--consumer", job] + (["--rate", str(rate)] if rate else [])
        running[job] = start(place.run_command(*options, output_log=place.path(job)))
    summary = place.run("--job", "all")
    place.expect_views(2)
    for job, process in running.items():
        code, stdout, stderr = wait(process)
        claim(code == 0, "the exit code is", code, stderr)
        alone = json.loads(stdout)
        claim(alone == {name: summary[name] for name in alone}, "apart from all it says", alone)
        place.expect_views(2, JOBS[job], place.path(job))


def jobs_while_events_come(place):
    """A job that follows sees every event that is appended while it runs."""
    producer = start(place.produce_command("--input", place.input, "--rate", str(EVENTS // 2)))
    await_so(lambda: holds_some(place, 100), "nothing was appended")
    follower = start(place.run_command("--job", "orders", "--follow", "--consumer", "orders"))
    code, stdout, stderr = wait(producer)
    claim(code == 0, "the exit code is", code, stderr)
    appended = json.loads(stdout)["events"]
    late = len(place.expected(1).late)
    await_so(lambda: len(through_log.export(place.exporter, place.output_log, "late")) == late,
             f"not all of {late} late lines came")
    follower.send_signal(signal.SIGINT)
    code, stdout, stderr = wait(follower)
    claim(code == 130, "the exit code is", code, stderr)
    rest = place.run("--job", "orders", "--consumer", "orders")
    total = json.loads(stdout)["events"] + rest["events"]
    claim(total == appended, "events read and appended are", total, appended)


def consumer_goes_on(place):
    """Under a consumer's name a run reads what came since the last; without one, all."""
    first = place.produce("--events", "3000", "--seed", "1")["events"]
    one = place.run("--consumer", "kpi", "--job", "kpi")["events"]
    none = place.run("--consumer", "kpi", "--job", "kpi")["events"]
    second = place.produce("--events", "2000", "--seed", "2")["events"]
    rest = place.run("--consumer", "kpi", "--job", "kpi")["events"]
    everything = place.run("--job", "kpi")["events"]
    claim([one, none, rest, everything] == [first, 0, second, first + second],
          "the runs read", one, none, rest, everything)


def one_directory_for_both(place):
    """The log of the events may take the views as well; the events and their dead letters stay."""
    place.produce("--input", place.input)
    place.output_log = place.log
    place.run()
    place.run()
    place.expect_all_produced(1)
    place.expect_views(1)


# ---- the other ends ----


def file_to_log_and_log_to_file(place):
    place.produce("--input", place.input)
    expected = oracle.expected(oracle.load([place.input]))
    output = place.path("from-file")
    summary = through_log.run([place.payments, "run", "--input", place.input, "--output-log",
                               place.output_log])
    through_log.views_as_files(place.exporter, place.output_log, compare.VIEWS, summary, output)
    # A late line is there as it was read.
    late = through_log.export(place.exporter, place.output_log, "late")
    through_log.write_lines(output, "late.jsonl",
                            [json.loads(line)["text"].encode() for line in late])
    differences = compare.compare(expected, output)
    claim(not differences, "from the file they differ:", differences)

    output = place.path("to-files")
    through_log.run([place.payments, "run", "--log", place.log, "--output", output])
    differences = compare.compare(oracle.expected(place.appended(1)), output)
    claim(not differences, "to files they differ:", differences)


def event_time_pace(place):
    """An event does not leave before its time; the lines are the same."""
    with open(place.input, "rb") as file:
        lines = file.read().split(b"\n")[:2000]
    half = place.path("paced")
    os.mkdir(half)
    through_log.write_lines(half, "a.jsonl", lines[:1000])
    through_log.write_lines(half, "b.jsonl", lines[1000:])
    times = [event.at for event in through_log.good_lines({"": b"\n".join(lines)})]
    span = (max(times) - min(times)) / 1e6
    began = time.monotonic()
    place.produce("--input", half, "--pace", "event-time", "--speed", "20", "--partitions", "2")
    took = time.monotonic() - began
    claim(took >= span / 20 - 0.01, "it took", took, span / 20)
    want = through_log.good_lines(oracle.load([half]))
    claim(want == through_log.good_lines(place.appended(2)), "the events differ")


# ---- what is refused ----


def second_writer_is_refused(place):
    before = place.produce("--events", "1000")["events"]
    writer = start(place.produce_command("--events", "1000000", "--rate", "100"))
    await_so(lambda: writer.poll() is not None or place.count() > before, "nothing was appended")
    claim(writer.poll() is None, "the first writer has ended")
    code, stdout, stderr = wait(start(place.run_command(output_log=place.log)))
    claim((code, stdout) == (5, ""), "it is not refused:", code, stdout)
    claim("one writer" in stderr and stderr.count("\n") == 1, "it says", stderr)
    place.run()  # to another log it may write
    writer.kill()
    wait(writer)


def mistakes_are_told(place):
    place.produce("--events", "10", "--partitions", "2")
    log, output = ["--log", place.log], ["--output-log", place.output_log]
    cases = [
        (2, "not both", ["run", *log, "--input", "x", *output]),
        (2, "one of them", ["run", *output]),
        (2, "not both", ["run", *log, "--output", "x", *output]),
        (2, 'no view "kp"', ["run", *log, *output, "--views", "alerts,kp"]),
        (2, 'no job "x"', ["run", *log, *output, "--job", "x"]),
        (2, "give one", ["run", *log, *output, "--job", "kpi", "--views", "kpi"]),
        (2, "--consumer", ["run", "--input", "x", *output, "--consumer", "x"]),
        (4, "no such directory", ["run", "--log", place.path("none"), *output]),
        (2, "--input", ["produce", *log]),
        (2, "--seed", ["produce", *log, "--input", "x", "--seed", "1"]),
        (2, "--events", ["produce", *log, "--events", "many"]),
        (2, "--seed", ["produce", *log, "--events", "1", "--seed", "-1"]),
        (2, "--pace", ["produce", *log, "--events", "1", "--pace", "slow"]),
        (2, "--speed", ["produce", *log, "--events", "1", "--speed", "2"]),
        (2, "--speed", ["produce", *log, "--events", "1", "--pace", "event-time", "--speed", "0"]),
        (2, "--durability", ["produce", *log, "--events", "1", "--durability", "x"]),
        (2, "1024", ["produce", *log, "--events", "1", "--partitions", "1025"]),
        (2, "1024", ["produce", *log, "--events", "1", "--partitions", "0"]),
        (5, "partitions", ["produce", *log, "--events", "1", "--partitions", "3"]),
        (5, "where --log", ["run", *log, "--output", place.log]),
    ]
    for code, words, arguments in cases:
        found, _, stderr = wait(start([place.payments, *arguments]))
        claim(found == code, f"{arguments}: the exit code is", found, stderr)
        claim(words in stderr and stderr.count("\n") == 1, f"{arguments}: it says", stderr)
    claim(place.produce("--events", "10")["events"] == 10, "2 partitions are not kept")


TESTS = [
    produce_killed_and_resumed,
    produce_of_the_generator_resumed,
    run_killed_and_started_again,
    interrupt_acknowledges,
    jobs_at_their_own_pace,
    jobs_while_events_come,
    consumer_goes_on,
    one_directory_for_both,
    file_to_log_and_log_to_file,
    event_time_pace,
    second_writer_is_refused,
    mistakes_are_told,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", required=True, type=os.path.abspath)
    parser.add_argument("--export", required=True, type=os.path.abspath)
    parser.add_argument("names", nargs="*", metavar="NAME")
    programs = parser.parse_args()
    chosen = [test for test in TESTS if not programs.names or test.__name__ in programs.names]
    failed = 0
    for test in chosen:
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as directory:
                test(Place(programs, directory))
            print(f"ok    {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except (AssertionError, through_log.Fails, compare.Differs) as error:
            failed += 1
            print(f"FAIL  {test.__name__}: {error}", flush=True)
    print(f"cases: {len(chosen)}")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
