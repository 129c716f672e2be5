"""What the payments job must say of its input, by brute force over whole files.

Written from the job's contract alone and for obviousness: every event is read, judged and kept;
then each view is computed from the list of accepted events, with no thought of streams. A view here
is a dictionary from identity to row, times as microseconds since the epoch.

    python3 oracle.py expect INPUT...                 prints every expected row, then the summary
    python3 oracle.py expect --output DIR INPUT...    writes the files a job could have written

An INPUT is a file, or a directory whose files are the partitions.
"""

import argparse
import bisect
import collections
import dataclasses
import json
import os
import sys

import strict_json
from instants import DAY, HOUR, MINUTE, SECOND, from_input, spell

LATENESS = 2 * MINUTE + 5 * SECOND
DUPLICATE_REACH = 1 * HOUR
ALERT_LENGTH = 10 * MINUTE
ALERT_SLIDE = 10 * SECOND
ALERT_OVER = 3
SESSION_GAP = 30 * MINUTE
ORDER_GAP = 7 * DAY
PAYMENT_TERM = 15 * MINUTE
LONGEST_LINE = 1_048_576
LARGEST_AMOUNT = 10**12

STATUS_OF_KIND = {
    "OrderPlaced": "placed",
    "PaymentAuthorized": "authorized",
    "PaymentFailed": "failed",
    "RefundIssued": "refunded",
    "OrderCancelled": "cancelled",
}

TEXT, TIME, COUNT, TIME_OR_NULL, COUNT_OR_NULL = (
    "text",
    "time",
    "count",
    "time or null",
    "count or null",
)


@dataclasses.dataclass(frozen=True)
class View:
    """The shape of a view's rows: the fields that name a row, and every field with its type."""

    identity: tuple
    fields: dict


VIEWS = {
    "alerts": View(
        ("card_id", "window_end"),
        {"card_id": TEXT, "window_end": TIME, "failures": COUNT, "amount_cents": COUNT},
    ),
    # A row that a job writes has a "revision" too; how many rows it takes is the job's affair.
    "kpi": View(
        ("region", "minute"),
        {
            "region": TEXT, "minute": TIME, "orders": COUNT, "order_cents": COUNT,
            "authorized": COUNT, "authorized_cents": COUNT, "failed": COUNT, "refunds": COUNT,
            "refunded_cents": COUNT, "cancelled": COUNT,
        },
    ),
    "sessions": View(
        ("customer_id", "start"),
        {"customer_id": TEXT, "start": TIME, "end": TIME, "orders": COUNT, "order_cents": COUNT},
    ),
    "orders": View(
        ("order_id",),
        {
            "order_id": TEXT, "customer_id": TEXT, "status": TEXT, "placed_at": TIME_OR_NULL,
            "updated_at": TIME, "order_cents": COUNT_OR_NULL, "paid_cents": COUNT,
            "refunded_cents": COUNT,
        },
    ),
    "unpaid": View(
        ("order_id", "placed_at"),
        {"order_id": TEXT, "placed_at": TIME, "customer_id": TEXT, "order_cents": COUNT},
    ),
    "purchases": View(
        ("region", "minute"),
        {"region": TEXT, "minute": TIME, "count": COUNT, "average_cents": COUNT},
    ),
}


@dataclasses.dataclass(frozen=True)
class Event:
    event_id: str
    kind: str
    at: int
    order_id: str
    customer_id: str
    card_id: str
    region: str
    amount_cents: int


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    """A line that is no event: its partition, its number from 1, the reason, and all its bytes."""

    partition: str
    line: int
    reason: str
    content: bytes


@dataclasses.dataclass
class Expected:
    """The outcome: views[name][identity] is a row; late holds lines without their newline."""

    views: dict
    late: list
    dead_letters: list
    accepted: list
    summary: dict


class NotAnEvent(ValueError):
    """The line is a dead letter; the message is the reason."""


def lines_of(content):
    """The lines of a file without their newlines. What follows the last newline is a line if it has
    a byte.
    """
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def read_event(line):
    """The event on a line of bytes, or NotAnEvent with the reason."""
    if len(line) > LONGEST_LINE:
        raise NotAnEvent("the line is too long")
    try:
        members = strict_json.read_object(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotAnEvent("not UTF-8") from None
    except strict_json.NotJson as error:
        raise NotAnEvent(f"not a JSON object: {error}") from None

    def text(name):
        value = members.get(name)
        if not isinstance(value, str) or isinstance(value, strict_json.Number):
            raise NotAnEvent(f"{name} is missing or no string")
        return value

    def identifier(name):
        value = text(name)
        if value == "":
            raise NotAnEvent(f"{name} is empty")
        return value

    kind = text("kind")
    if kind not in STATUS_OF_KIND:
        raise NotAnEvent("unknown kind")
    at = from_input(text("at"))
    if at is None:
        raise NotAnEvent("at is no time")
    return Event(
        event_id=identifier("event_id"),
        kind=kind,
        at=at,
        order_id=identifier("order_id"),
        customer_id=identifier("customer_id"),
        card_id=identifier("card_id"),
        region=text("region"),
        amount_cents=whole_amount(members.get("amount_cents")),
    )


def whole_amount(written):
    """The amount, written as digits alone and from 0 to 10^12. A minus is allowed before a zero
    only.
    """
    if not isinstance(written, strict_json.Number):
        raise NotAnEvent("amount_cents is missing or no number")
    if written == "-0":
        return 0
    if (
        not written.isdigit()
        or len(written) > len(str(LARGEST_AMOUNT))
        or int(written) > LARGEST_AMOUNT
    ):
        raise NotAnEvent("amount_cents is no whole number from 0 to 10^12")
    return int(written)


def judge(partition, content):
    """One file: its accepted events in arrival order, its late lines and its dead letters.

    And the count of its duplicates and the set of all event ids it holds.
    """
    accepted, late, dead_letters = [], [], []
    duplicate_count = 0
    latest = None
    accepted_times = collections.defaultdict(list)
    event_ids = set()
    for number, line in enumerate(lines_of(content), start=1):
        try:
            event = read_event(line)
        except NotAnEvent as reason:
            dead_letters.append(DeadLetter(partition, number, str(reason), line))
            continue
        event_ids.add(event.event_id)
        is_late = latest is not None and latest - event.at > LATENESS
        latest = event.at if latest is None else max(latest, event.at)
        if is_late:
            late.append(line)
        elif any(abs(event.at - at) <= DUPLICATE_REACH for at in accepted_times[event.event_id]):
            duplicate_count += 1
        else:
            accepted_times[event.event_id].append(event.at)
            accepted.append(event)
    return accepted, late, dead_letters, duplicate_count, event_ids


def expected(files):
    """The Expected of a dictionary from path to bytes. Raises ValueError if two files share an
    event id.
    """
    accepted, late, dead_letters = [], [], []
    duplicate_count = 0
    home_of_id = {}
    for path, content in files.items():
        of_file = judge(path, content)
        accepted += of_file[0]
        late += of_file[1]
        dead_letters += of_file[2]
        duplicate_count += of_file[3]
        for event_id in of_file[4]:
            # Between partitions the arrival decides which of two is the duplicate: no oracle can
            # tell.
            if home_of_id.setdefault(event_id, path) != path:
                raise ValueError(
                    f"event id {event_id[:40]} is in {home_of_id[event_id]} and in {path}"
                )

    views = {
        "alerts": alerts(accepted),
        "kpi": kpi(accepted),
        "sessions": sessions(accepted),
        "orders": orders(accepted),
        "unpaid": unpaid(accepted),
        "purchases": purchases(accepted),
    }
    summary = {
        "events": len(accepted) + duplicate_count + len(late) + len(dead_letters),
        "accepted": len(accepted),
        "duplicates": duplicate_count,
        "late": len(late),
        "dead_letters": len(dead_letters),
    }
    for name, rows in views.items():
        summary[name] = len(rows)
    return Expected(views, late, dead_letters, accepted, summary)


def floor_to(at, unit):
    """The last multiple of the unit that is not after `at`, before 1970 as well."""
    return at // unit * unit


def by_identity(name, rows):
    """The rows as a view; two rows of one identity are a mistake of this oracle."""
    view = {}
    for row in rows:
        identity = tuple(row[field] for field in VIEWS[name].identity)
        assert identity not in view and row.keys() == VIEWS[name].fields.keys()
        view[identity] = row
    return view


def grouped(events, field):
    groups = collections.defaultdict(list)
    for event in events:
        groups[getattr(event, field)].append(event)
    return groups


def by_time_and_id(event):
    return event.at, event.event_id.encode("utf-8")


def alerts(accepted):
    rows = []
    failures = [event for event in accepted if event.kind == "PaymentFailed"]
    for card_id, of_card in grouped(failures, "card_id").items():
        count_at, cents_at = collections.Counter(), collections.Counter()
        for event in of_card:
            # The windows [end - 10 min, end) that hold the event: the first ends just after it.
            first_end = floor_to(event.at, ALERT_SLIDE) + ALERT_SLIDE
            for end in range(first_end, event.at + ALERT_LENGTH + 1, ALERT_SLIDE):
                count_at[end] += 1
                cents_at[end] += event.amount_cents
        for end, count in count_at.items():
            if count > ALERT_OVER and count_at.get(end - ALERT_SLIDE, 0) <= ALERT_OVER:
                rows.append(
                    {
                        "card_id": card_id,
                        "window_end": end,
                        "failures": count,
                        "amount_cents": cents_at[end],
                    }
                )
    return by_identity("alerts", rows)


def by_region_and_minute(events):
    cells = collections.defaultdict(list)
    for event in events:
        cells[event.region, floor_to(event.at, MINUTE)].append(event)
    return cells


def kpi(accepted):
    rows = []
    for (region, minute), events in by_region_and_minute(accepted).items():

        def cents(kind):
            return [event.amount_cents for event in events if event.kind == kind]

        rows.append(
            {
                "region": region, "minute": minute, "orders": len(cents("OrderPlaced")),
                "order_cents": sum(cents("OrderPlaced")),
                "authorized": len(cents("PaymentAuthorized")),
                "authorized_cents": sum(cents("PaymentAuthorized")),
                "failed": len(cents("PaymentFailed")), "refunds": len(cents("RefundIssued")),
                "refunded_cents": sum(cents("RefundIssued")),
                "cancelled": len(cents("OrderCancelled")),
            }
        )
    return by_identity("kpi", rows)


def purchases(accepted):
    rows = []
    authorized = [event for event in accepted if event.kind == "PaymentAuthorized"]
    for (region, minute), events in by_region_and_minute(authorized).items():
        cents = sum(event.amount_cents for event in events)
        rows.append(
            {
                "region": region,
                "minute": minute,
                "count": len(events),
                "average_cents": cents // len(events),
            }
        )
    return by_identity("purchases", rows)


def split_at_gaps(events, may_follow):
    """The events, sorted by (at, event_id), cut wherever may_follow(distance to the one before) is
    false.
    """
    runs = []
    for event in sorted(events, key=by_time_and_id):
        if runs and may_follow(event.at - runs[-1][-1].at):
            runs[-1].append(event)
        else:
            runs.append([event])
    return runs


def sessions(accepted):
    rows = []
    placed = [event for event in accepted if event.kind == "OrderPlaced"]
    for customer_id, of_customer in grouped(placed, "customer_id").items():
        for session in split_at_gaps(of_customer, lambda distance: distance < SESSION_GAP):
            rows.append(
                {
                    "customer_id": customer_id,
                    "start": session[0].at,
                    "end": session[-1].at + SESSION_GAP,
                    "orders": len(session),
                    "order_cents": sum(event.amount_cents for event in session),
                }
            )
    return by_identity("sessions", rows)


def orders(accepted):
    rows = []
    for order_id, of_order in grouped(accepted, "order_id").items():
        life = split_at_gaps(of_order, lambda distance: distance <= ORDER_GAP)[-1]
        placed = [event for event in life if event.kind == "OrderPlaced"]
        rows.append(
            {
                "order_id": order_id,
                "customer_id": life[-1].customer_id,
                "status": STATUS_OF_KIND[life[-1].kind],
                "placed_at": placed[0].at if placed else None,
                "updated_at": life[-1].at,
                "order_cents": placed[0].amount_cents if placed else None,
                "paid_cents": sum(e.amount_cents for e in life if e.kind == "PaymentAuthorized"),
                "refunded_cents": sum(e.amount_cents for e in life if e.kind == "RefundIssued"),
            }
        )
    return by_identity("orders", rows)


def unpaid(accepted):
    rows = []
    for order_id, of_order in grouped(accepted, "order_id").items():
        settled_at = sorted(
            e.at for e in of_order if e.kind in ("PaymentAuthorized", "OrderCancelled")
        )
        first_placed = {}
        for event in sorted(of_order, key=by_time_and_id):
            if event.kind == "OrderPlaced":
                first_placed.setdefault(event.at, event)
        for placed_at, event in first_placed.items():
            # The first settlement at or after it decides; a search, since one order may have all
            # the events.
            first = bisect.bisect_left(settled_at, placed_at)
            if first == len(settled_at) or settled_at[first] > placed_at + PAYMENT_TERM:
                rows.append(
                    {
                        "order_id": order_id,
                        "placed_at": placed_at,
                        "customer_id": event.customer_id,
                        "order_cents": event.amount_cents,
                    }
                )
    return by_identity("unpaid", rows)


def load(inputs):
    """A dictionary from path to bytes of the files named, and of the files in the directories
    named.
    """
    files = {}
    for path in inputs:
        if os.path.isdir(path):
            names = [os.path.join(path, name) for name in sorted(os.listdir(path))]
            found = [name for name in names if os.path.isfile(name)]
        else:
            found = [path]
        for name in found:
            with open(name, "rb") as file:
                files[name] = file.read()
    return files


def written_row(name, row):
    """A row with its times spelled out."""
    types = VIEWS[name].fields
    return {
        field: spell(value) if types[field].startswith(TIME) and value is not None else value
        for field, value in row.items()
    }


def write_outputs(outcome, directory):
    """Writes what a job with nothing to correct would have written."""

    def write(name, lines):
        with open(os.path.join(directory, name), "wb") as file:
            file.writelines(line + b"\n" for line in lines)

    def json_line(value):
        return json.dumps(value).encode()

    os.makedirs(directory, exist_ok=True)
    for name, rows in outcome.views.items():
        extra = {"revision": 0} if name == "kpi" else {}
        write(
            name + ".jsonl",
            [json_line({**written_row(name, row), **extra}) for row in rows.values()],
        )
    write("late.jsonl", outcome.late)
    write(
        "dead_letters.jsonl",
        [
            json_line(
                {
                    "partition": letter.partition,
                    "line": letter.line,
                    "reason": letter.reason,
                    "bytes": len(letter.content),
                    "text": letter.content[:4096].decode("utf-8", "replace"),
                }
            )
            for letter in outcome.dead_letters
        ],
    )
    write("summary.json", [json_line(outcome.summary)])


def main():
    parser = argparse.ArgumentParser(description="What the payments job must say of its input.")
    parser.add_argument("command", choices=["expect"])
    parser.add_argument("inputs", nargs="+", metavar="INPUT")
    parser.add_argument(
        "--output", metavar="DIR", help="write the files here instead of printing rows"
    )
    options = parser.parse_args()
    outcome = expected(load(options.inputs))
    if options.output:
        write_outputs(outcome, options.output)
    else:
        for name, rows in outcome.views.items():
            for identity in sorted(rows):
                print(json.dumps({"view": name, **written_row(name, rows[identity])}))
    print(json.dumps(outcome.summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
