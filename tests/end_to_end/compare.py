"""Compares what the payments job wrote with what the oracle expects.

    python3 compare.py OUTPUT_DIR INPUT...

A view's file is played back row by row: a row replaces the one of its identity, a row with
"retracted":true takes it away, and what remains must be the oracle's view. Prints the first rows
that differ, both sides, and exits 1; exits 0 and prints the summary where nothing differs.
"""

import collections
import json
import os
import re
import sys

import oracle
from instants import from_output
from oracle import COUNT, COUNT_OR_NULL, TEXT, TIME, TIME_OR_NULL, VIEWS

SHOWN_DIFFERENCES = 3
LONGEST_TEXT = 4096
# A text of at most LONGEST_TEXT bytes may end before a character that would not fit.
LONGEST_CHARACTER = 4
REPLACEMENT = "\ufffd"
DEAD_LETTER_FIELDS = {
    "partition": TEXT,
    "line": COUNT,
    "reason": TEXT,
    "bytes": COUNT,
    "text": TEXT,
}


class Differs(Exception):
    """An output that cannot be read as the contract says; the message says where and why."""


def shortened(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 400 else f"{text[:300]} ... {text[-60:]} ({len(text)} characters)"


def read_bytes(directory, name):
    try:
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise Differs(f"{name}: the file is missing") from None


def whole_lines(directory, name):
    content = read_bytes(directory, name)
    if content and not content.endswith(b"\n"):
        raise Differs(f"{name}: the last line has no newline: {shortened(content[-200:])}")
    return content.split(b"\n")[:-1]


def object_without_twins(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a field appears twice")
    return members


def refuse(written):
    raise ValueError(f"{written} is no whole number")


def parse_object(name, number, line):
    """The JSON object on an output line; its numbers must be whole and its names distinct."""
    try:
        value = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=object_without_twins,
            parse_float=refuse,
            parse_constant=refuse,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Differs(f"{name} line {number}: {error}: {shortened(line)}") from None
    if not isinstance(value, dict):
        raise Differs(f"{name} line {number}: not an object: {shortened(line)}")
    return value


def check_fields(name, number, row, fields):
    if row.keys() != set(fields):
        raise Differs(
            f"{name} line {number}: the fields are {sorted(row)} and should be {sorted(fields)}"
        )


def typed(name, number, row, types):
    """The row with its times as microseconds; each value must be of its field's type."""
    result = {}
    for field, value in row.items():
        kind = types[field]
        if value is None and kind in (TIME_OR_NULL, COUNT_OR_NULL):
            result[field] = None
            continue
        if kind in (TIME, TIME_OR_NULL):
            at = from_output(value) if isinstance(value, str) else None
            if at is None:
                raise Differs(f"{name} line {number}: {field} is no time: {shortened(value)}")
            result[field] = at
            continue
        wanted = str if kind == TEXT else int
        if type(value) is not wanted:
            raise Differs(f"{name} line {number}: {field} is no {kind}: {shortened(value)}")
        result[field] = value
    return result


def play_back(directory, view_name):
    """What remains of a view's file. For kpi also checks that revisions count 0, 1, 2, ... per
    identity.
    """
    name = view_name + ".jsonl"
    view = VIEWS[view_name]
    types = dict(view.fields)
    if view_name == "kpi":
        types["revision"] = COUNT
    rows = {}
    row_count = collections.Counter()
    for number, line in enumerate(whole_lines(directory, name), start=1):
        row = parse_object(name, number, line)
        is_retraction = "retracted" in row
        if is_retraction and row.pop("retracted") is not True:
            raise Differs(f"{name} line {number}: retracted is not true: {shortened(line)}")
        if not is_retraction or row.keys() != set(view.identity):
            check_fields(name, number, row, types)
        row = typed(name, number, row, types)
        identity = tuple(row[field] for field in view.identity)
        revision = row.pop("revision", row_count[identity])
        if revision != row_count[identity]:
            raise Differs(
                f"{name} line {number}: revision {revision} should be "
                f"{row_count[identity]}: {shortened(line)}"
            )
        row_count[identity] += 1
        if not is_retraction:
            rows[identity] = row
        elif rows.pop(identity, None) is None:
            raise Differs(
                f"{name} line {number}: withdraws a row that is not there: {shortened(line)}"
            )
    return rows


def some(differences):
    """The first few differences and, where there are more, how many."""
    shown = differences[:SHOWN_DIFFERENCES]
    if len(differences) > len(shown):
        shown.append(f"... and {len(differences) - len(shown)} more")
    return shown


def shown_row(view_name, row):
    return (
        "no such row" if row is None else shortened(json.dumps(oracle.written_row(view_name, row)))
    )


def compare_view(expected, directory, view_name):
    want, got = expected.views[view_name], play_back(directory, view_name)
    differing = [
        identity for identity in want.keys() | got.keys() if want.get(identity) != got.get(identity)
    ]
    return some(
        [
            f"{view_name}: expected {shown_row(view_name, want.get(identity))}\n"
            f"{' ' * len(view_name)}       got {shown_row(view_name, got.get(identity))}"
            for identity in sorted(differing)
        ]
    )


def compare_late(expected, directory):
    want = collections.Counter(expected.late)
    got = collections.Counter(whole_lines(directory, "late.jsonl"))
    return some(
        [
            f"late: expected {want[line]} times, got {got[line]} times: {shortened(line)}"
            for line in sorted(want.keys() | got.keys())
            if want[line] != got[line]
        ]
    )


def collapsed(text):
    """The text with every run of replacement characters as one: how many stand for a bad run is
    free.
    """
    return re.sub(REPLACEMENT + "+", REPLACEMENT, text)


def text_fault(text, line):
    """Why the text cannot be what a dead letter shows of the line, or None."""
    try:
        whole = line.decode("utf-8")
    except UnicodeDecodeError:
        whole = None
    shown_bytes = len(text.encode("utf-8"))
    if whole is not None and len(line) <= LONGEST_TEXT:
        return None if text == whole else "the text is not the line"

    if len(text.replace(REPLACEMENT, "").encode("utf-8")) > LONGEST_TEXT:
        return f"the text has more than {LONGEST_TEXT} bytes of the line"
    if shown_bytes > len(REPLACEMENT.encode("utf-8")) * LONGEST_TEXT:
        return f"the text stands for more than {LONGEST_TEXT} bytes"
    should_show = collapsed(line[: LONGEST_TEXT + LONGEST_CHARACTER].decode("utf-8", "replace"))
    shows = collapsed(text)
    if not should_show.startswith(shows.rstrip(REPLACEMENT)):
        return "the text is not the beginning of the line"
    is_filled = shown_bytes > LONGEST_TEXT - LONGEST_CHARACTER
    if not is_filled and not (len(line) <= LONGEST_TEXT and shows == should_show):
        return "the text shows too little of the line"
    return None


def compare_dead_letters(expected, directory):
    name = "dead_letters.jsonl"
    want = {(letter.partition, letter.line): letter for letter in expected.dead_letters}
    got = {}
    differences = []
    for number, line in enumerate(whole_lines(directory, name), start=1):
        row = parse_object(name, number, line)
        check_fields(name, number, row, DEAD_LETTER_FIELDS)
        row = typed(name, number, row, DEAD_LETTER_FIELDS)
        place = row["partition"], row["line"]
        if place in got:
            differences.append(f"dead_letters: {place} appears twice")
        got[place] = row
    for place in sorted(want.keys() | got.keys()):
        letter, row = want.get(place), got.get(place)
        if letter is None:
            differences.append(f"dead_letters: expected no row of {place}, got {shortened(row)}")
            continue
        expects = f"dead_letters: expected {place}, {len(letter.content)} bytes ({letter.reason}): "
        expects += shortened(letter.content)
        if row is None:
            differences.append(f"{expects}\n              got no such row")
            continue
        fault = None
        if row["bytes"] != len(letter.content):
            fault = "the bytes differ"
        elif row["reason"].strip() == "":
            fault = "there is no reason"
        else:
            fault = text_fault(row["text"], letter.content)
        if fault:
            differences.append(f"{expects}\n              got {shortened(row)}: {fault}")
    return some(differences)


def compare_summary(expected, directory):
    name = "summary.json"
    got = parse_object(name, 1, read_bytes(directory, name))
    fields = dict.fromkeys(expected.summary, COUNT)
    check_fields(name, 1, got, fields)
    got = typed(name, 1, got, fields)
    return [
        f"summary: expected {field} {count}, got {got[field]}"
        for field, count in expected.summary.items()
        if got[field] != count
    ]


def compare(expected, directory):
    """Every difference worth showing, as a list of texts; empty where the output is what it must
    be.
    """
    differences = []
    checks = [lambda name=name: compare_view(expected, directory, name) for name in VIEWS]
    checks += [
        lambda: compare_late(expected, directory),
        lambda: compare_dead_letters(expected, directory),
        lambda: compare_summary(expected, directory),
    ]
    for check in checks:
        try:
            differences += check()
        except Differs as difference:
            differences.append(str(difference))
    return differences


def main(arguments):
    if len(arguments) < 2:
        print("usage: python3 compare.py OUTPUT_DIR INPUT...", file=sys.stderr)
        return 2
    expected = oracle.expected(oracle.load(arguments[1:]))
    differences = compare(expected, arguments[0])
    for difference in differences:
        print(difference)
    if not differences:
        print("equal:", json.dumps(expected.summary))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
