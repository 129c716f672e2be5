"""The payments job from log to log: its topics, as the files that a job would have written.

A partition of the topic "events" stands for a file: the oracle is given each partition's records,
in their order, as the lines of a file. produce is judged on its own: each good line of the input is
in the topic once, each other line is a dead letter.
"""

import collections
import json
import os
import subprocess

import compare
import oracle
from instants import HOUR, MINUTE, from_input, spell

RUN_SECONDS = 900
FURTHEST = 23 * HOUR + 59 * MINUTE
NULLABLE = {"orders": "order_cents"}


class Fails(Exception):
    """A program that did not end as it must; the message says how."""


def run(command, code=0):
    """Its standard output."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Fails(f"{command} did not end within {RUN_SECONDS} s") from None
    if done.returncode != code:
        said = done.stderr.decode("utf-8", "replace").strip()[-1500:]
        raise Fails(f"{command} ended with status {done.returncode} and said: {said}")
    return done.stdout


def export(exporter, log, topic, partition="all", options=()):
    """The topic's records as lines of JSON without their newlines."""
    nullable = [NULLABLE[topic]] if topic in NULLABLE else []
    return run([exporter, *options, log, topic, str(partition), *nullable]).split(b"\n")[:-1]


def readable(line):
    """The event's line with its time as an input may spell it: a year outside 0 to 9999 is written
    with an offset.
    """
    event = json.loads(line)
    if from_input(event["at"]) is not None:
        return line
    at = compare.from_output(event["at"])
    for shift, sign in (FURTHEST, "+"), (-FURTHEST, "-"):
        event["at"] = spell(at + shift).removesuffix("Z") + sign + "23:59"
        if from_input(event["at"]) == at:
            return json.dumps(event, ensure_ascii=False).encode("utf-8")
    raise Fails(f"{compare.shortened(line)} has a time that no input has")


def write_lines(directory, name, lines):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "wb") as file:
        file.writelines(line + b"\n" for line in lines)


def partitions_as_files(exporter, log, count, directory):
    """Writes each partition of the events as a file; a dictionary from its path to its bytes."""
    for partition in range(count):
        lines = [readable(line) for line in export(exporter, log, "events", partition)]
        write_lines(directory, f"{partition}.jsonl", lines)
    return oracle.load([directory])


def views_as_files(exporter, log, views, summary, directory):
    """Writes what the job says in topics as it would say it in files."""
    for view in views:
        write_lines(directory, view + ".jsonl", export(exporter, log, view))
    late = [json.loads(line)["text"] for line in export(exporter, log, "late")]
    write_lines(directory, "late.jsonl", [readable(text.encode("utf-8")) for text in late])
    write_lines(directory, "dead_letters.jsonl", export(exporter, log, "dead_letters"))
    write_lines(directory, "summary.json", [summary.strip()])


def rows_twice(exporter, log, views):
    """Rows that are inserted where they are already. The view that remains does not tell of a row
    that came twice, this does, also when compaction has taken older rows of an identity.
    """
    differences = []
    for name, view in views.items():
        present = set()
        for line in export(exporter, log, name, options=["--changes"]):
            change, text = line.split(b" ", 1)
            row = json.loads(text)
            identity = tuple(row[field] for field in view.identity)
            if change == b"insert" and identity in present:
                differences.append(
                    f"{name}: an insert of a row that is there: {compare.shortened(text)}")
            if change == b"delete":
                present.discard(identity)
            else:
                present.add(identity)
    return compare.some(differences)


def good_lines(files):
    """How often each event is in the files."""
    found = collections.Counter()
    for content in files.values():
        for line in oracle.lines_of(content):
            try:
                found[oracle.read_event(line)] += 1
            except oracle.NotAnEvent:
                pass
    return found


def produce_differences(exporter, log, given, appended, directory):
    """What is wrong with the topics that produce has made of the files `given`; `appended` is the
    content of the events' partitions as files.
    """
    want, got = good_lines(given), good_lines(appended)
    differences = [
        f"events: expected {want[event]} times, got {got[event]} times: {compare.shortened(event)}"
        for event in want.keys() | got.keys()
        if want[event] != got[event]
    ]
    letters = [letter for path, content in given.items()
               for letter in oracle.judge(path, content)[2]]
    expected = oracle.Expected({}, [], letters, [], {})
    write_lines(directory, "dead_letters.jsonl", export(exporter, log, "dead_letters"))
    return compare.some(differences) + compare.compare_dead_letters(expected, directory)


def expected_of(appended):
    """The oracle's word on the partitions; None where it cannot tell: an event id is in two."""
    try:
        return oracle.expected(appended)
    except ValueError:
        return None
