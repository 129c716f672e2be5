"""What the harnesses of the payments job share: its input, its command line, and the oracle.

A job goes from a log to a log. Its home is a directory, in which it keeps its views and its
checkpoints; whatever happened to it, once it has ended they are what the oracle says
(../end_to_end), nothing lost, nothing twice, nothing out of order.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "end_to_end"))

import compare  # noqa: E402
import promises  # noqa: E402
import through_log  # noqa: E402
from promises import Broken  # noqa: E402


def parse(description, add):
    """The command line of a harness over the payments job; `add` adds what is its own."""
    parser = promises.parser_of(description)
    parser.add_argument("payments", type=os.path.abspath, metavar="PAYMENTS",
                        help="the payments job")
    parser.add_argument("export_log", type=os.path.abspath, metavar="EXPORT_LOG",
                        help="the program that prints a topic")
    add(parser)
    options = promises.parse(parser)
    options.programs = [options.payments, options.export_log]
    return options


class Input:
    """A log of events, made in a new folder, and what the oracle expects of a job that reads it."""

    def __init__(self, options, folder, seed, events, partitions):
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        path = os.path.join(folder, "input.jsonl")
        through_log.run([options.payments, "generate", "--events", str(events), "--seed",
                         str(seed), "--cards", "200", "--late-per-mille", "5",
                         "--broken-per-mille", "5", "--output", path])
        through_log.run([options.payments, "produce", "--log", self.log, "--input", path,
                         "--partitions", str(partitions), "--workers", "1"])
        appended = through_log.partitions_as_files(
            options.export_log, self.log, partitions, os.path.join(folder, "parts"))
        self.expected = through_log.expected_of(appended)
        if self.expected is None:
            raise Broken(f"{path}: the oracle cannot tell of this input: an event id is in two "
                         "partitions")


def views_of(home):
    return os.path.join(home, "views")


def checkpoints_of(home):
    return os.path.join(home, "checkpoints")


def has_checkpoint(home):
    """Whether a job that is started here goes on from a checkpoint."""
    folder = checkpoints_of(home)
    return os.path.isdir(folder) and any(
        name.startswith("manifest-") for name in os.listdir(folder))


def run_command(options, log, home, workers, interval_ms, rate=None):
    """Starts the job in its home, or goes on; at most `rate` events a second."""
    command = [options.payments, "run", "--log", log, "--output-log", views_of(home),
               "--checkpoints", checkpoints_of(home), "--checkpoint-interval", str(interval_ms),
               "--workers", str(workers), "--quiet"]
    return command + (["--rate", str(rate)] if rate is not None else [])


def check(options, expected, home, summary):
    """Holds what a job that has ended shows, and the summary it printed, to the oracle's word."""
    output = os.path.join(home, "output")
    shutil.rmtree(output, ignore_errors=True)
    try:
        through_log.views_as_files(
            options.export_log, views_of(home), compare.VIEWS, summary, output)
        differences = compare.compare(expected, output)
        differences += through_log.rows_twice(options.export_log, views_of(home), compare.VIEWS)
        # As long as no order rests for a week, each event that is accepted makes one row of orders;
        # compaction may have taken some.
        rows = len(compare.whole_lines(output, "orders.jsonl"))
        if rows > expected.summary["accepted"]:
            differences.append(f"orders: {rows} rows came of {expected.summary['accepted']} "
                               "accepted events; expected at most one of each")
    except (through_log.Fails, compare.Differs) as wrong:
        raise Broken(str(wrong)) from None
    if differences:
        raise Broken("; ".join(differences[:3]))


def run_to_end(options, given, home, workers, interval_ms):
    """Goes on to the end of the job over `given`, and holds what it shows to the oracle's word."""
    try:
        summary = through_log.run(run_command(options, given.log, home, workers, interval_ms))
    except through_log.Fails as fails:
        raise Broken(str(fails)) from None
    check(options, given.expected, home, summary)
