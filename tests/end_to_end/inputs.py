"""Inputs for the payments job that try to break it, the same bytes for the same name or seed.

A profile is a function from a random generator to files (a dictionary from name to bytes); each is
about one rule of the contract or one kind of stream. small(seed) is a few dozen events in which
ids, orders, cards and times collide so often that most rules fire. An event id never occurs in two
files: between files the arrival would decide which of two events is the duplicate.

    python3 inputs.py list
    python3 inputs.py write PROFILE DIR         writes a profile's files
    python3 inputs.py write small:SEED DIR      writes a small input
"""

import json
import os
import random as random_module
import sys

from instants import DAY, HOUR, MICROSECOND, MINUTE, SECOND, days_from_civil, spell

MILLISECOND = 1000
LATENESS = 2 * MINUTE + 5 * SECOND
LONGEST_LINE = 1_048_576
KINDS = ["OrderPlaced", "PaymentAuthorized", "PaymentFailed", "RefundIssued", "OrderCancelled"]
START = (days_from_civil(2026, 3, 1) * 24 + 10) * HOUR

PROFILES = {}


def profile(function):
    """Registers a generator under its own name."""
    PROFILES[function.__name__] = function
    return function


class File:
    """A file being written. Fields that are not given are ordinary, and the event id is a new one.
    """

    def __init__(self, prefix="e"):
        self.prefix = prefix
        self.lines = []

    def fields(self, at, kind="OrderPlaced", **given):
        number = len(self.lines)
        fields = {
            "event_id": f"{self.prefix}-{number}", "kind": kind,
            "at": at if isinstance(at, str) else spell(at), "order_id": f"o-{number % 40}",
            "customer_id": f"c-{number % 9}", "card_id": f"k-{number % 7}",
            "region": ["EU", "US", "APAC"][number % 3], "amount_cents": number % 997,
        }
        fields.update(given)
        return fields

    def add(self, at, kind="OrderPlaced", **given):
        self.raw(json_line(self.fields(at, kind, **given)))

    def raw(self, line):
        self.lines.append(line)

    def content(self):
        return b"".join(line + b"\n" for line in self.lines)

    def alone(self):
        return {"events.jsonl": self.content()}


def json_line(fields):
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def broken_line(random, fields):
    """A line that is no event, made from the fields of one that is."""
    line = json_line(fields)
    changed = dict(fields)
    field = random.choice(list(fields))
    choice = random.randrange(14)
    if choice == 0:
        return b""
    if choice == 1:
        return line[: random.randrange(len(line))]
    if choice == 2:
        return line + random.choice([b"}", b",", b"x", line, b"\x00", b"\x0b"])
    if choice == 3:
        del changed[field]
    elif choice == 4:
        changed[field] = random.choice([None, True, [], {}, 1.5, -1])
    elif choice == 5:
        changed["kind"] = random.choice(["", "orderplaced", "OrderPlaced ", "Shipped"])
    elif choice == 6:
        changed["at"] = random.choice(
            [
                "",
                "2026-02-29T00:00:00Z",
                "2026-03-01 10:00:00Z",
                "2026-03-01T24:00:00Z",
                "1772359320",
            ]
        )
    elif choice == 7:
        changed["amount_cents"] = random.choice(["5", 1250.0, -1, 10**12 + 1, 10**30])
    elif choice == 8:
        changed[random.choice(["event_id", "order_id", "customer_id", "card_id"])] = ""
    elif choice == 9:
        return line.replace(b'"region":', b'"region":\xff', 1)
    elif choice == 10:
        return line.replace(b'"kind":"', b'"kind":"\xc3', 1)
    elif choice == 11:
        return bytes(random.randrange(256) for _ in range(random.randrange(1, 200))).replace(
            b"\n", b"?"
        )
    elif choice == 12:
        return random.choice(
            [b"null", b"[]", b"{}", b"   ", b"\r", b"{", b'"', b"0", b"[" + line + b"]"]
        )
    else:
        return line.replace(b":", random.choice([b"", b"=", b": 0"]), 1)
    return json_line(changed)


def respelled(random, fields):
    """A line that says the same in another way: order, white space, escapes, offsets, further
    fields.
    """
    members = [(name, value) for name, value in fields.items()]
    random.shuffle(members)
    if random.random() < 0.3:
        note = [1, {"at": None}, "\u00e9\U0001f600"]
        members.insert(random.randrange(len(members) + 1), ("note", note))
    space = random.choice(["", "", " ", "\t", "\r"])
    name_and_value = []
    for name, value in members:
        value_text = json.dumps(value, ensure_ascii=random.random() < 0.5)
        name_text = json.dumps(name)
        if random.random() < 0.1:
            name_text = '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'
        name_and_value.append(f"{space}{name_text}{space}:{space}{value_text}{space}")
    return (space + "{" + ",".join(name_and_value) + "}" + space).encode("utf-8")


def arranged(random, planned, delay):
    """The planned events, (at, ...) tuples, in the order they arrive when each is delay() late."""
    keyed = [(event[0] + delay(), random.random(), event) for event in planned]
    return [event for _, _, event in sorted(keyed, key=lambda key: key[:2])]


def stream(
    random,
    count=12_000,
    prefix="e",
    start=START,
    step_us=400 * MILLISECOND,
    disorder_us=0,
    late_per_mille=0,
    duplicate_per_mille=0,
    broken_per_mille=0,
    cards=300,
    customers=200,
    orders=2_000,
    hot_card_percent=0,
    kind_weights=(30, 25, 25, 10, 10),
    regions=("EU", "US", "APAC", ""),
):
    """An ordinary platform's day: events about one step apart on average, arriving up to
    disorder_us late.
    """
    file = File(prefix)
    planned = []
    clock = start
    for number in range(count):
        clock += random.randrange(2 * step_us + 1) // MILLISECOND * MILLISECOND
        is_hot = random.randrange(100) < hot_card_percent
        fields = file.fields(
            clock,
            random.choices(KINDS, kind_weights)[0],
            event_id=f"{prefix}-{number}",
            order_id=f"o-{max(0, number * orders // count - random.randrange(30))}",
            customer_id=f"c-{random.randrange(customers)}",
            card_id="k-hot" if is_hot else f"k-{random.randrange(cards)}",
            region=random.choice(regions),
            amount_cents=random.randrange(20_000),
        )
        planned.append((clock, fields))

    def delay():
        if random.randrange(1000) < late_per_mille:
            return LATENESS + random.randrange(1, 20 * MINUTE)
        return random.randrange(disorder_us + 1)

    recent = []
    for at, fields in arranged(random, planned, delay):
        if random.randrange(1000) < broken_per_mille:
            file.raw(broken_line(random, fields))
        file.raw(json_line(fields))
        recent.append((at, fields))
        if random.randrange(1000) < duplicate_per_mille:
            old_at, old = random.choice(recent[-200:])
            again = dict(old)
            if random.random() < 0.5:
                again["at"] = spell(old_at + random.choice([0, SECOND, MINUTE, at - old_at]))
                again["amount_cents"] = random.randrange(100)
            file.raw(json_line(again))
    return file


@profile
def in_order(random):
    """Nothing out of order, nothing twice, nothing broken."""
    return stream(random).alone()


@profile
def slight_disorder(random):
    """Within the watermark's 5 s."""
    return stream(random, disorder_us=5 * SECOND).alone()


@profile
def disorder_to_the_limit(random):
    """Corrections everywhere, and still nothing late."""
    return stream(random, disorder_us=LATENESS).alone()


@profile
def heavy_lateness(random):
    """One event in five is beyond the lateness."""
    return stream(random, disorder_us=LATENESS, late_per_mille=200).alone()


@profile
def many_duplicates(random):
    """Nearly half of the lines repeat an id."""
    return stream(random, disorder_us=30 * SECOND, duplicate_per_mille=800).alone()


@profile
def broken_lines(random):
    """A broken line before every second event."""
    return stream(random, count=6_000, disorder_us=10 * SECOND, broken_per_mille=500).alone()


@profile
def hot_card(random):
    """Nearly every failure is on one card, whose windows are over the limit for hours."""
    return stream(
        random,
        disorder_us=20 * SECOND,
        hot_card_percent=90,
        kind_weights=(5, 5, 80, 5, 5),
        step_us=2 * SECOND,
    ).alone()


@profile
def flickering_cards(random):
    """Cards that hover around four failures in ten minutes, out of order, so that alerts come and
    go.
    """
    return stream(
        random, disorder_us=LATENESS, cards=25, kind_weights=(1, 1, 20, 1, 1), step_us=6 * SECOND
    ).alone()


@profile
def few_customers(random):
    """Three customers, whose sessions grow for ever."""
    return stream(random, disorder_us=MINUTE, customers=3, orders=5, cards=2).alone()


@profile
def many_customers(random):
    """Nearly every event is of a customer, a card and an order of its own, hours pass."""
    return stream(
        random,
        disorder_us=MINUTE,
        customers=1_000_000,
        cards=1_000_000,
        orders=12_000,
        step_us=3 * SECOND,
    ).alone()


@profile
def everything_at_once(random):
    """Disorder, lateness, duplicates, broken lines and a hot card, in a longer file."""
    return stream(
        random,
        count=40_000,
        disorder_us=LATENESS,
        late_per_mille=30,
        duplicate_per_mille=100,
        broken_per_mille=20,
        hot_card_percent=30,
    ).alone()


@profile
def sparse(random):
    """About two hours between events: every window holds one, many orders end between two events.
    """
    return stream(
        random, count=4_000, step_us=2 * HOUR, disorder_us=MINUTE, customers=5, orders=30
    ).alone()


@profile
def one_order(random):
    """Every event is of one order, one customer, one card, one region."""
    return stream(
        random, count=8_000, disorder_us=LATENESS, orders=1, customers=1, cards=1, regions=("",)
    ).alone()


@profile
def same_moment(random):
    """Thousands of events at a handful of moments, in which only the ids tell an order."""
    file = File()
    moments = [START, START + MINUTE - MICROSECOND, START + MINUTE]
    ids = [
        f"{letter}{number}"
        for letter in ("a", "b", "\u00e9", "\uffee", "\U0001f600", "Z")
        for number in range(600)
    ]
    random.shuffle(ids)
    for event_id in ids:
        file.add(
            random.choice(moments),
            random.choice(KINDS),
            event_id=event_id,
            order_id=f"o-{random.randrange(200)}",
            customer_id=f"c-{random.randrange(50)}",
        )
    return file.alone()


@profile
def lateness_boundary(random):
    """Exactly 2 min 5 s behind, and a microsecond either side; what moves the latest time and what
    does not.
    """
    file = File()
    at = START
    for _ in range(300):
        at += random.randrange(MINUTE, 20 * MINUTE)
        file.add(at)
        for behind in random.sample(
            [LATENESS, LATENESS + MICROSECOND, LATENESS - MICROSECOND, 5 * SECOND], 3
        ):
            file.add(at - behind, random.choice(KINDS))
        # A duplicate moves the latest time.
        file.add(at, event_id=f"twice-{at}")
        file.add(at + 3 * MINUTE, event_id=f"twice-{at}")
        file.add(at + 3 * MINUTE - LATENESS, "PaymentFailed")
        file.add(at + 3 * MINUTE - LATENESS - MICROSECOND, "PaymentFailed")
        at += 3 * MINUTE
        # A dead letter does not.
        file.add(at + DAY, kind="Shipped")
        file.add(at + DAY, amount_cents="7")
        file.add(at - LATENESS, "RefundIssued")
        # A late event's id, and a dead letter's, are as good as new.
        file.add(at - LATENESS - 1, event_id=f"late-{at}")
        file.add(at, event_id=f"late-{at}")
        file.add(at, event_id=f"dead-{at}", region=None)
        file.add(at, event_id=f"dead-{at}")
    return file.alone()


@profile
def duplicate_boundary(random):
    """One id at distances of exactly an hour and a microsecond more, in chains, ahead and behind.
    """
    file = File()
    plans = [
        [0, HOUR, HOUR + MICROSECOND],
        [0, HOUR + MICROSECOND, HOUR],
        [0, HOUR - MICROSECOND, 2 * HOUR - MICROSECOND, 2 * HOUR],
        [0, HOUR + MINUTE, HOUR + MICROSECOND, HOUR, MINUTE + 59 * MINUTE],
        [0, -MICROSECOND, -LATENESS, -HOUR, -HOUR - MICROSECOND],
        [0, 0, 0, LATENESS, 0],
        [0, HOUR + MICROSECOND, 2 * HOUR + 2 * MICROSECOND, 2 * HOUR + MICROSECOND],
        [0, 40 * MINUTE, 80 * MINUTE, 120 * MINUTE, 160 * MINUTE],
        [0, 61 * MINUTE, 122 * MINUTE, 121 * MINUTE, 183 * MINUTE],
    ]
    at = START
    for round_number in range(150):
        at += random.randrange(3 * HOUR, 5 * HOUR)
        for distance in random.choice(plans):
            file.add(at + distance, random.choice(KINDS), event_id=f"again-{round_number}")
    # Chains that run through each other, so that old ids have gone when others are still held.
    chained = [(at + number * 7 * MINUTE, f"chain-{number % 9}") for number in range(1_000)]
    for moment, event_id in chained:
        file.add(moment, random.choice(KINDS), event_id=event_id)
    return file.alone()


@profile
def settlement_boundary(random):
    """A settlement at the placing, 15 min after it, and a microsecond outside either end, early and
    late read.
    """
    file = File()
    planned = []
    term = 15 * MINUTE
    at = START
    for number in range(600):
        at += random.randrange(2 * MINUTE)
        order_id = f"o-{number}"
        planned.append((at, "OrderPlaced", f"p-{number}-{random.randrange(9)}", order_id))
        if random.random() < 0.3:
            planned.append((at, "OrderPlaced", f"p-{number}-twin", order_id))
        if random.random() < 0.2:
            planned.append(
                (
                    at + random.choice([1, term, term + 1]),
                    "OrderPlaced",
                    f"p-{number}-next",
                    order_id,
                )
            )
        for distance in random.sample([-1, 0, 1, term - 1, term, term + 1], random.randrange(3)):
            kind = random.choice(
                ["PaymentAuthorized", "OrderCancelled", "PaymentFailed", "RefundIssued"]
            )
            planned.append((at + distance, kind, f"s-{number}-{distance}", order_id))
    delay_us = [0, 0, 5 * SECOND, LATENESS]
    for moment, kind, event_id, order_id in arranged(
        random, planned, lambda: random.choice(delay_us)
    ):
        file.add(moment, kind, event_id=event_id, order_id=order_id)
    return file.alone()


@profile
def session_boundary(random):
    """Placings exactly 30 min apart, a microsecond less, a microsecond more, and bridges that
    arrive late.
    """
    file = File()
    planned = []
    gap = 30 * MINUTE
    for customer in range(30):
        at = START + random.randrange(MINUTE)
        for _ in range(60):
            at += random.choice([gap, gap - 1, gap + 1, MINUTE, 0, 2 * gap, gap + MINUTE])
            planned.append((at, "OrderPlaced", f"c-{customer}"))
            if random.random() < 0.3:
                planned.append(
                    (
                        at + random.choice([gap - 30 * SECOND, MINUTE]),
                        "OrderPlaced",
                        f"c-{customer}",
                    )
                )
            if random.random() < 0.2:
                planned.append((at + gap // 2, "PaymentAuthorized", f"c-{customer}"))
    for moment, kind, customer_id in arranged(
        random, planned, lambda: random.choice([0, 0, LATENESS])
    ):
        file.add(moment, kind, customer_id=customer_id)
    return file.alone()


@profile
def bridged_sessions(random):
    """Two sessions that a late read placing joins, and placings that fall just short of it."""
    file = File()
    gap = 30 * MINUTE
    at = START
    for number in range(200):
        at += 3 * HOUR
        far = at + gap + random.choice([0, 1, 20 * SECOND, MINUTE])
        customer_id = f"c-{number % 4}"
        file.add(at, customer_id=customer_id)
        file.add(far, customer_id=customer_id)
        between = random.choice(
            [at + gap - 1, at + gap, far - LATENESS, far - gap + 1, far - gap, far - MINUTE]
        )
        file.add(between, customer_id=customer_id)
    return file.alone()


@profile
def order_gap_boundary(random):
    """Seven days between two events of an order, exactly, a microsecond less and a microsecond
    more.
    """
    file = File()
    planned = []
    for order in range(60):
        at = START + random.randrange(DAY)
        for _ in range(12):
            planned.append((at, random.choice(KINDS), f"o-{order}"))
            at += random.choice([7 * DAY, 7 * DAY - 1, 7 * DAY + 1, 1, MINUTE, 8 * DAY])
    for moment, kind, order_id in arranged(
        random, planned, lambda: random.choice([0, 0, 5 * SECOND, LATENESS])
    ):
        file.add(moment, kind, order_id=order_id)
    return file.alone()


@profile
def bridged_order_gap(random):
    """An order thought to have ended that an event read late keeps alive, or just fails to."""
    file = File()
    at = START
    for number in range(200):
        at += random.randrange(20 * DAY, 25 * DAY)
        order_id = f"o-{number % 5}-{number // 20}"
        resumed = at + 7 * DAY + random.choice([MINUTE, 2 * MINUTE, 1])
        file.add(at, "OrderPlaced", order_id=order_id)
        file.add(at + SECOND, "PaymentAuthorized", order_id=order_id)
        file.add(resumed, random.choice(KINDS), order_id=order_id)
        if random.random() < 0.5:
            file.add(resumed, random.choice(KINDS), order_id="o-other")
        bridge = random.choice(
            [
                at + 7 * DAY,
                at + 7 * DAY + SECOND,
                at + 7 * DAY + SECOND + 1,
                resumed - LATENESS,
                resumed - 1,
            ]
        )
        file.add(bridge, random.choice(KINDS), order_id=order_id)
        if random.random() < 0.3:
            file.add(resumed - 5 * SECOND, "OrderPlaced", order_id=order_id)
    return file.alone()


@profile
def alert_boundary(random):
    """Three failures and four, the fourth exactly ten minutes after the first and around it."""
    file = File()
    planned = []
    length = 10 * MINUTE
    for card in range(150):
        at = (START + random.randrange(6 * HOUR)) // (10 * SECOND) * 10 * SECOND
        at += random.choice([0, 0, 1, -1, 3 * SECOND])
        for distance in [0] + random.choices(
            [0, 1, 10 * SECOND, 5 * MINUTE, length - 10 * SECOND], k=2
        ):
            planned.append((at + distance, "PaymentFailed", f"k-{card}"))
        if random.random() < 0.8:
            last = random.choice(
                [length, length - 1, length + 1, length - 10 * SECOND, length - 10 * SECOND - 1]
            )
            planned.append((at + last, "PaymentFailed", f"k-{card}"))
        if random.random() < 0.4:
            planned.append(
                (at + length + random.choice([0, 10 * SECOND, 1]), "PaymentFailed", f"k-{card}")
            )
        if random.random() < 0.3:
            planned.append((at + MINUTE, "PaymentAuthorized", f"k-{card}"))
    for moment, kind, card_id in arranged(
        random, planned, lambda: random.choice([0, 5 * SECOND, LATENESS])
    ):
        file.add(moment, kind, card_id=card_id)
    return file.alone()


@profile
def window_aligned(random):
    """Every time is on a multiple of 10 s or a minute, or a microsecond beside it."""
    file = File()
    planned = []
    for number in range(4_000):
        at = START + random.randrange(720) * 10 * SECOND + random.choice([0, 0, 1, -1])
        planned.append((at, number))
    for at, _ in arranged(
        random, planned, lambda: random.choice([0, 5 * SECOND, 5 * SECOND + 1, MINUTE])
    ):
        file.add(at, random.choice(KINDS), card_id=f"k-{random.randrange(40)}")
    return file.alone()


@profile
def before_1970(random):
    """A stream that crosses the epoch, and one event beside it on every boundary."""
    file = stream(
        random,
        count=5_000,
        start=-20 * MINUTE,
        disorder_us=MINUTE,
        step_us=300 * MILLISECOND,
        cards=20,
    )
    early = File("early")
    for at in sorted(-number * 10 * SECOND + random.choice([0, 1, -1]) for number in range(1, 500)):
        early.add(at - 6 * HOUR, random.choice(KINDS))
    file.lines = early.lines + file.lines
    return file.alone()


@profile
def far_years(random):
    """The years 0000 and 9999, an offset that leaves them, leap days of all kinds, long silences.
    """
    file = File()
    for at in [
        "0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z", "0000-02-29T23:59:59.999999Z",
        "0000-03-01T00:00:00Z", "0001-01-01T00:00:00.5Z", "1600-02-29T12:00:00Z",
        "1899-12-31T23:59:59Z", "1900-02-28T23:59:59.999999999Z", "1900-02-29T00:00:00Z",
        "1900-03-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
        "2000-02-29T00:00:00-23:59", "2024-02-29T00:00:00Z", "2025-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "9999-12-31T23:44:59.999999Z", "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999-23:59",
    ]:
        for kind in KINDS:
            file.add(at, kind, order_id="o-1", customer_id="c-1", card_id="k-1")
            file.add(at, kind)
        for _ in range(3):
            file.add(at, "PaymentFailed", card_id="k-1")
    return file.alone()


@profile
def spellings_of_time(random):
    """Offsets, lower case t and z, any number of fraction digits, and times that are none."""
    file = File()
    at = START
    wrong = [
        "2026-03-01T10:02:00", "2026-03-01T10:02Z", "2026-3-01T10:02:00Z", "2026-03-01T10:02:60Z",
        "2026-03-01T10:60:00Z", "2026-03-01T24:00:00Z", "2026-02-29T10:02:00Z",
        "2026-13-01T10:02:00Z", "2026-00-01T10:02:00Z", "2026-03-00T10:02:00Z",
        "2026-04-31T10:02:00Z", "2026-03-01T10:02:00.Z", "2026-03-01T10:02:00,5Z",
        "2026-03-01T10:02:00+24:00", "2026-03-01T10:02:00+10:60", "2026-03-01T10:02:00+1000",
        "2026-03-01T10:02:00+10", "2026-03-01T10:02:00 Z", " 2026-03-01T10:02:00Z",
        "2026-03-01T10:02:00Z ", "2026-03-01 10:02:00Z", "2026-03-01_10:02:00Z",
        "+2026-03-01T10:02:00Z", "12026-03-01T10:02:00Z", "-026-03-01T10:02:00Z",
        "2026-03-01T10:02:00ZZ", "2026-03-01T10:02:00UTC",
        "\u0662\u0660\u0662\u0666-03-01T10:02:00Z", "2026-03-01T10:02:00.\u0665Z",
        "2026-03-01T10:02:00Z\u0000", "2026-W09-7T10:02:00Z", "20260301T100200Z",
        "2026-060T10:02:00Z", "2026-03-01T1 :02:00Z", "2026-03-01T10:02:-1Z",
        "2026-03-01T10:02:00.1.2Z", "2026-03-01T10:02:00\u2212\u0031\u0030:00",
    ]
    for number in range(3_000):
        at += random.randrange(3 * SECOND)
        if random.random() < 0.1:
            file.add(random.choice(wrong), random.choice(KINDS))
            continue
        spelled = spell(
            at - random.randrange(20 * SECOND),
            digits=random.choice([None, 0, 1, 2, 3, 4, 5, 6]),
            offset_minutes=random.choice([0, 0, 1, -1, 60, -90, 330, 1439, -1439]),
            separator=random.choice("Tt"),
            zulu=random.choice(["Z", "z", "+00:00", "-00:00"]),
        )
        if "." in spelled and random.random() < 0.5:
            # More digits than count; the microsecond is cut off, not rounded.
            dot = spelled.index(".") + 1
            end = dot
            while spelled[end].isdigit():
                end += 1
            digits = spelled[dot:end].ljust(6, "0") + random.choice(
                ["9", "999999", "5" * 40, "0" * 300]
            )
            spelled = spelled[:dot] + digits + spelled[end:]
        file.add(spelled, random.choice(KINDS))
    return file.alone()


@profile
def digits_past_the_microsecond(random):
    """Times that only rounding would push over a boundary, before and after 1970."""
    file = File()
    for day in ("1969-12-31", "2026-03-01"):
        for minute in range(60):
            for fraction in ("000000", "0000009", "9999999", "999999", "00000000000001", "0"):
                second = "00" if fraction.startswith("0") else "59"
                at = f"{day}T10:{minute:02d}:{second}.{fraction}Z"
                file.add(at, random.choice(KINDS), card_id=f"k-{minute % 3}", customer_id="c")
    return file.alone()


@profile
def carriage_returns(random):
    """Every line ends in \\r\\n; some have more of it, or a \\r where none may be."""
    file = stream(
        random,
        count=3_000,
        disorder_us=LATENESS,
        late_per_mille=50,
        broken_per_mille=50,
        duplicate_per_mille=50,
    )
    lines = []
    for line in file.lines:
        change = random.randrange(20)
        if change == 0:
            line = b"\r" + line.replace(b":", b"\r:\r", 1) + b"\r\r"
        elif change == 1:
            line = line.replace(b'"EU"', b'"E\rU"')
        elif change == 2:
            line = b" \t" + line + b" \t "
        lines.append(line + b"\r")
    file.lines = lines
    return file.alone()


@profile
def no_last_newline(random):
    """The last line is an event without its newline."""
    return {"events.jsonl": stream(random, count=500).content()[:-1]}


@profile
def last_line_late(random):
    """The last line is late and has no newline: the late file gives it one."""
    file = stream(random, count=100)
    file.add(START - DAY)
    return {"events.jsonl": file.content()[:-1]}


@profile
def last_line_broken(random):
    """The last line is cut in the middle, after an empty one."""
    return {"events.jsonl": stream(random, count=100).content() + b'\n{"event_id":"e-'}


@profile
def empty_file(random):
    """No bytes at all."""
    return {"events.jsonl": b""}


@profile
def only_a_newline(random):
    """One empty line, which is a dead letter."""
    return {"events.jsonl": b"\n"}


@profile
def only_broken(random):
    """Not one event, so that no time is ever known."""
    file = File()
    for _ in range(2_000):
        fields = file.fields(START)
        line = broken_line(random, fields)
        file.raw(b"?" + line)
    return file.alone()


@profile
def longest_lines(random):
    """Lines of exactly 1,048,576 bytes and one more, in spaces, in an ignored string, with and
    without \\r.
    """
    file = File()
    at = START
    for length in (
        LONGEST_LINE - 1,
        LONGEST_LINE,
        LONGEST_LINE + 1,
        LONGEST_LINE + 100_000,
        4 * LONGEST_LINE,
    ):
        for ending in (b"", b"\r"):
            at += SECOND
            line = json_line(file.fields(at))
            file.raw(line + b" " * (length - len(line) - len(ending)) + ending)
            fields = file.fields(at, note="")
            spare = length - len(json_line(fields)) - len(ending)
            file.raw(
                json_line(dict(fields, note="\u00e9" * (spare // 2) + "x" * (spare % 2))) + ending
            )
            file.raw(b"x" * (length - len(ending)) + ending)
            file.add(at)
    # A late line that long is kept byte for byte.
    line = json_line(file.fields(at - HOUR))
    file.raw(line + b" " * (LONGEST_LINE - len(line)))
    # The text of a dead letter is cut at 4 KiB, here in the middle of a character and beside it.
    for length in range(4085, 4110):
        file.raw(b"x" * (length % 7) + "\U0001f600".encode() * (length // 4) + b"y" * (length % 4))
        file.raw(b"z" * length)
        file.raw(b"z" * (length - 10) + b"\xf0\x9f\x98" * 3 + b"z")
    file.raw(b"\xff" * 10_000)
    # And the file ends in a line that is too long and has no newline.
    return {"events.jsonl": file.content() + b"x" * (LONGEST_LINE + 1)}


@profile
def not_utf8(random):
    """Bytes that are no UTF-8: overlong, surrogates, past U+10FFFF, cut short, in ids and in
    ignored fields.
    """
    file = File()
    at = START
    sequences = [
        b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2A", b"\xe0\x80\x80",
        b"\xe0\x9f\xbf", b"\xe2\x82", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xff\xfe",
        # And some that are.
        b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80",
        b"\xef\xbf\xbd", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\x7f",
        b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    ]
    for sequence in sequences:
        for field in ("event_id", "order_id", "customer_id", "card_id", "region", "note", "kind"):
            at += SECOND
            fields = file.fields(at)
            fields[field] = fields.get(field, "") + "@" + str(len(file.lines))
            file.raw(json_line(fields).replace(b"@", sequence + b"@"))
        file.raw(sequence)
        file.raw(sequence + json_line(file.fields(at)))
        file.raw(json_line(file.fields(at)) + sequence)
    for line in (
        b"\xef\xbb\xbf" + json_line(file.fields(at)),
        json_line(file.fields(at)).decode().encode("utf-16-le"),
    ):
        file.raw(line.replace(b"\n", b""))
    return file.alone()


@profile
def escapes(random):
    """Escapes in names and values, pairs of surrogates and single ones, in ignored fields too."""
    file = File()
    at = START
    written = [
        "\\u0041", "\\n", "\\/", "\\\\", '\\"', "\\b\\f\\r\\t", "\\u0000", "a\\u0000b", "a\\u0000c",
        "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u00e9", "\u00e9", "\\ufffe", "\\uffff", "\\ud800",
        "\\udc00", "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00", "\\ud83dx\\ude00", "\\ud83d\\\\ude00",
        "\\\\ud83d", "\\ud83d\\n", "\\u12", "\\u12G4", "\\x41", "\\U0041", "\\", "\\a", "\\'",
        "\\ ", "\t", "\x01", "\x1f", "\x7f", "\x00", "\\u001f",
    ]
    for text in written:
        for name in ("event_id", "order_id", "customer_id", "card_id", "region", "note", "kind"):
            at += SECOND
            fields = file.fields(at, random.choice(KINDS))
            fields[name] = "@" + (
                str(len(file.lines)) if name == "event_id" else fields.get(name, "")
            )
            file.raw(json_line(fields).replace(b"@", text.encode()))
        line = json_line(file.fields(at))
        file.raw(line[:-1] + b',"n":{"' + text.encode() + b'":[{"' + text.encode() + b'":1}]}}')
        file.raw(line[:-1] + b',"' + text.encode() + b'":null}')
    for _ in range(300):
        at += SECOND
        file.raw(respelled(random, file.fields(at, random.choice(KINDS))))
    # A value escaped letter by letter is the value.
    for name in ("kind", "at", "event_id", "order_id"):
        fields = file.fields(at)
        plain = fields[name]
        escaped = "".join(f"\\u{ord(letter):04X}" for letter in plain)
        file.raw(json_line(dict(fields, **{name: "@"})).replace(b"@", escaped.encode()))
    return file.alone()


@profile
def ignored_fields(random):
    """Numbers of any size, deep nesting and every kind of JSON mistake in fields that are ignored.
    """
    file = File()
    at = START
    values = [
        "1e999999", "-1E-999999", "9" * 5000, "-" + "9" * 400, "0." + "3" * 5000, "1e" + "9" * 400,
        "-0.0", "0e0", "123456789012345678901234567890", "18446744073709551616", "[]", "{}", "null",
        "true", "false", '""', '[[],{},[{}],{"":[]}]', "[1,2.5,-3e+7]", '{"a":1,"a":2}',
        '{"event_id":"other","at":"never"}', "[" * 1000 + "]" * 1000,
        '{"a":' * 1000 + "0" + "}" * 1000, "[" * 100_000 + "]" * 100_000,
        '{"":[' * 70_000 + "]}" * 70_000, "[" + "0," * 100_000 + "0]", '"' + "x" * 500_000 + '"',
        '"' + "\\u00e9" * 100_000 + '"',
        # From here on it is no JSON.
        "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity", "nan",
        "True", "nul", "truee", "00", "-01", "1_000", "[1,]", "[,1]", "[1 2]", '{"a"}', '{"a":}',
        '{"a":1,}', "{a:1}", "{'a':1}", "{1:1}", "]", "}", "[}", "{]", "[" * 1000 + "]" * 999,
        "[" * 100_000, "[" * 100_000 + "]" * 100_001, '"open', "/*c*/1", "", "1 // c", "undefined",
        "1,", ",1", "\x0c1", "\u00a01", '"a" "b"', "1 1", "[1]2", "--1", "1e1.5", "1.e5", "-e5",
    ]
    for value in values:
        at += SECOND
        line = json_line(file.fields(at, random.choice(KINDS)))
        written = value.encode()
        file.raw(line[:-1] + b',"note":' + written + b"}")
        file.raw(b'{"note":' + written + b"," + json_line(file.fields(at))[1:])
    return file.alone()


@profile
def amounts(random):
    """Amounts at both ends of their range, written in every way that is and is not a whole number.
    """
    file = File()
    at = START
    written = [
        "0", "1", "-0", "1000000000000", "999999999999", "1000000000001", "-1", "10000000000000",
        "1250.0", "1e3", "1E2", "0.0", "-0.0", "0e0", "1e0", "00", "01", "+1", '"5"', "null",
        "true", "[5]", "{}", "18446744073709551616", "18446744073709551617", "9223372036854775808",
        "-9223372036854775808", "9" * 400, "1.5", "0x1", "1e999", "", "4294967296", "-00",
        "0" * 30 + "1", "4294967297", "1000000000000.0",
    ]
    for round_number in range(6):
        for text in written:
            at += SECOND
            line = json_line(file.fields(at, KINDS[round_number % 5], amount_cents="@"))
            file.raw(line.replace(b'"@"', text.encode()))
    # Sums that no 32 bits hold, and averages that are rounded down.
    for _ in range(200):
        file.add(
            at,
            random.choice(KINDS),
            amount_cents=10**12 - random.randrange(3),
            card_id="k",
            customer_id="c",
        )
    return file.alone()


@profile
def long_ids(random):
    """Ids around the length that fits in place, ids that differ in their last byte, a few of 100
    KB.
    """
    file = File()
    at = START
    for number in range(2_000):
        at += random.randrange(2 * SECOND)
        length = random.choice([1, 2, 11, 12, 13, 14, 15, 16, 17, 40, 300])

        def name(letter):
            return (letter * length)[:-1] + random.choice("ab\u00e9")

        file.add(
            at - random.randrange(MINUTE),
            random.choice(KINDS),
            event_id=name("e") + str(number % 1500),
            order_id=name("o"),
            customer_id=name("c"),
            card_id=name("k"),
            region=name("r"),
        )
    for number in range(12):
        at += SECOND
        big = "x" * 100_000
        file.add(
            at,
            KINDS[number % 5],
            event_id=big + str(number % 10),
            order_id=big + "ab"[number % 2],
            customer_id=big + "abc"[number % 3],
            card_id=big,
            region=big,
        )
    for number in range(6):
        at += SECOND
        file.add(at, "PaymentFailed", card_id="x" * 100_000, order_id="y" * 200_000)
    return file.alone()


@profile
def region_names(random):
    """An empty region, white space, quotes, letters from everywhere, names that differ in case."""
    file = File()
    at = START
    regions = [
        "", " ", "EU", "eu", "EU ", '"', "\\", "\u00e9", "e\u0301", "\u4e2d\u56fd", "\U0001f600",
        "\u0000", "null", "/", "<>&'",
    ]
    for _ in range(3_000):
        at += random.randrange(5 * SECOND)
        file.add(
            at - random.choice([0, 0, MINUTE]), random.choice(KINDS), region=random.choice(regions)
        )
    return file.alone()


@profile
def repeated_keys(random):
    """A field given twice: the last counts, whatever the first was."""
    file = File()
    at = START
    wrong = {
        "event_id": ["", 1],
        "kind": ["Shipped", None],
        "at": ["never", 5],
        "region": [None, 7],
        "amount_cents": [-1, "x"],
    }
    wrong.update({name: ["", [1]] for name in ("order_id", "customer_id", "card_id")})
    for _ in range(100):
        for name, values in wrong.items():
            at += SECOND
            line = json_line(file.fields(at, random.choice(KINDS)))
            other = json_line({name: random.choice(values)})
            file.raw(other[:-1] + b"," + line[1:])
            line = json_line(file.fields(at, random.choice(KINDS)))
            file.raw(line[:-1] + b"," + other[1:])
            first, second = file.fields(at), file.fields(at)
            second["event_id"] += "-second"
            file.raw(json_line(first)[:-1] + b"," + json_line(second)[1:])
    return file.alone()


@profile
def wrong_fields(random):
    """Every field missing, null, of each wrong type, empty, or under a name of another case."""
    file = File()
    at = START
    for name in file.fields(at):
        for value in (None, True, 0, 5, 1.5, "", " ", "5", [], ["x"], {}, {"x": 1}):
            at += SECOND
            file.raw(json_line(dict(file.fields(at), **{name: value})))
        fields = file.fields(at)
        del fields[name]
        file.raw(json_line(fields))
        for other in (name.upper(), name + " ", name + "\u0000", ""):
            fields = file.fields(at)
            fields[other] = fields.pop(name)
            file.raw(json_line(fields))
    for kind in (
        "orderplaced",
        "ORDERPLACED",
        "OrderPlaced ",
        " OrderPlaced",
        "OrderPlaced\u0000",
        "Order",
        "OrderPlacedX",
    ):
        file.add(at, kind=kind)
    return file.alone()


def parts(random, file_count, **options):
    """Several files of one platform, whose orders, customers and cards are in all of them."""
    return {
        f"part-{number}.jsonl": stream(random, prefix=f"f{number}", **options).content()
        for number in range(file_count)
    }


@profile
def several_files(random):
    """Five files over the same hours, each with its own disorder."""
    return parts(
        random,
        5,
        count=3_000,
        disorder_us=LATENESS,
        late_per_mille=20,
        duplicate_per_mille=50,
        broken_per_mille=20,
    )


@profile
def files_of_uneven_pace(random):
    """Four files over the same hours, of 100 to 10,000 events."""
    return {
        f"part-{count}.jsonl": stream(
            random,
            count=count,
            prefix=f"f{count}",
            step_us=8_000 * SECOND // count,
            disorder_us=MINUTE,
            late_per_mille=10,
        ).content()
        for count in (100, 1_000, 4_000, 10_000)
    }


@profile
def files_that_follow(random):
    """Files of consecutive days: none overlaps another, and orders run through all of them."""
    return {
        f"day-{9 - day}.jsonl": stream(
            random,
            count=1_500,
            prefix=f"d{day}",
            start=START + day * DAY,
            step_us=40 * SECOND,
            orders=50,
            disorder_us=MINUTE,
        ).content()
        for day in range(5)
    }


@profile
def files_with_gaps(random):
    """An empty file, one of dead letters, one that ends early, one that begins late, one without a
    last newline.
    """
    return {
        "a-empty.jsonl": b"",
        "b-broken.jsonl": b"\n".join(broken_line(random, File().fields(START)) for _ in range(50))
        + b"\n",
        "c-short.jsonl": stream(random, count=30, prefix="c").content(),
        "d-later.jsonl": stream(
            random, count=2_000, prefix="d", start=START + HOUR, disorder_us=LATENESS
        ).content(),
        "e-whole.jsonl": stream(
            random, count=6_000, prefix="e", disorder_us=LATENESS, late_per_mille=20
        ).content()[:-1],
    }


@profile
def many_files(random):
    """Forty small files."""
    return parts(
        random,
        40,
        count=100,
        step_us=10 * SECOND,
        disorder_us=LATENESS,
        duplicate_per_mille=50,
        cards=10,
    )


# What small() puts between an event and another that is related to it: the rules' own boundaries.
DISTANCES = {
    "settlement": [0, 1, -1, 15 * MINUTE, 15 * MINUTE - 1, 15 * MINUTE + 1, 5 * MINUTE],
    "session": [30 * MINUTE, 30 * MINUTE - 1, 30 * MINUTE + 1, MINUTE, 0],
    "order": [7 * DAY, 7 * DAY - 1, 7 * DAY + 1, 7 * DAY + MINUTE, 0, 0, 1, SECOND],
    "id": [HOUR, HOUR - 1, HOUR + 1, HOUR + MINUTE, 0, 0, 1, MINUTE, 2 * HOUR + 1],
    "card": [
        0,
        1,
        SECOND,
        10 * SECOND,
        10 * MINUTE,
        10 * MINUTE - 1,
        10 * MINUTE + 1,
        5 * MINUTE,
        590 * SECOND,
    ],
}


def related(random, earlier, event):
    """Gives `event` a time and some of the names of an earlier one, so that a rule looks at both.
    """
    rule = random.choice(list(DISTANCES))
    event["at"] = earlier["at"] + random.choice(DISTANCES[rule]) * random.choice([1, 1, 1, -1])
    if rule == "settlement":
        event["order_id"] = earlier["order_id"]
        event["kind"] = random.choice(["PaymentAuthorized", "OrderCancelled", "OrderPlaced"])
    elif rule == "session":
        event["customer_id"] = earlier["customer_id"]
        event["kind"] = "OrderPlaced"
    elif rule == "order":
        event["order_id"] = earlier["order_id"]
    elif rule == "id":
        event["event_id"] = earlier["event_id"]
        event["file"] = earlier["file"]
    else:
        event["card_id"] = earlier["card_id"]
        event["kind"] = "PaymentFailed"


def small(seed):
    """A few dozen to three hundred events in one to three files, where nearly every rule fires."""
    random = random_module.Random(f"small {seed}")
    file_count = random.choice([1, 1, 1, 2, 3])
    event_count = random.randint(30, 300)
    start = random.choice([START, START, -HOUR, -3 * DAY, START + random.randrange(DAY)])
    grain = random.choice([SECOND, MILLISECOND, MICROSECOND, 10 * SECOND])
    steps = random.choice(
        [
            [0, SECOND, 10 * SECOND],
            [0, MINUTE, 10 * MINUTE],
            [SECOND, 2 * MINUTE, HOUR],
            [1, MINUTE, 4 * DAY],
        ]
    )
    order_count, customer_count, card_count = (random.choice([1, 2, 4, 10, 40]) for _ in range(3))
    id_count = random.choice([event_count // 4 + 1, event_count, 4 * event_count])
    kind_weights = random.choice(
        [(3, 2, 2, 1, 1), (1, 1, 8, 1, 1), (6, 1, 1, 1, 1), (1, 1, 1, 1, 1)]
    )
    names = ["", "EU", "US", "a region with a long name"][: random.randint(1, 4)]
    delays = random.choice(
        [[0], [0, 5 * SECOND], [0, MINUTE, LATENESS], [0, LATENESS, LATENESS + 1, HOUR]]
    )
    broken_chance = random.choice([0, 0.02, 0.2])
    respelled_chance = random.choice([0, 0.1, 1])
    boundary_chance = random.choice([0, 0.05, 0.3])
    replay_chance = random.choice([0, 0.05, 0.3])
    related_chance = random.choice([0, 0.3, 0.7])

    planned = []
    clock = start
    for _ in range(event_count):
        clock += random.randrange(random.choice(steps) + 1) // grain * grain
        file = random.randrange(file_count)
        event = {
            "at": clock, "file": file, "event_id": random.randrange(id_count),
            "kind": random.choices(KINDS, kind_weights)[0],
            "order_id": random.randrange(order_count),
            "customer_id": random.randrange(customer_count),
            "card_id": random.randrange(card_count), "region": random.choice(names),
            "amount_cents": random.choice([0, 1, random.randrange(1000), 10**12]),
        }
        if planned and random.random() < related_chance:
            related(random, random.choice(planned[-20:])[1], event)
        planned.append((event["at"], event))
        if random.random() < 0.02:
            # An order that seems to end, and an event read after its next one that keeps it alive.
            resumed = dict(
                event, at=event["at"] + 7 * DAY + MINUTE, event_id=random.randrange(id_count)
            )
            bridge = dict(
                event,
                at=event["at"] + 7 * DAY - random.choice([0, 30 * SECOND, -1]),
                late_by=LATENESS,
            )
            bridge["event_id"] = id_count + len(planned)
            planned += [(resumed["at"], resumed), (bridge["at"], bridge)]

    files = {}
    for file in range(file_count):
        own = [plan for plan in planned if plan[1]["file"] == file]
        keyed = [
            (at + event.get("late_by", random.choice(delays)), random.random(), event)
            for at, event in own
        ]
        lines, latest, written_ids = [], None, 0
        for _, _, event in sorted(keyed, key=lambda key: key[:2]):
            at = event["at"]
            if latest is not None and random.random() < boundary_chance:
                at = latest - LATENESS + random.choice([0, 1, -1, LATENESS, LATENESS - 5 * SECOND])
            latest = at if latest is None else max(latest, at)
            # Ids of different length, so that their order is not that of their numbers.
            fields = {
                "event_id": f"{'ab'[file % 2]}{file}-{event['event_id']}",
                "kind": event["kind"],
                "at": spell(at, offset_minutes=random.choice([0, 0, 0, 90, -720])),
                "order_id": f"o{event['order_id']}",
                "customer_id": f"c{event['customer_id']}"
                + "-of-a-longer-name" * (event["customer_id"] % 2),
                "card_id": f"k{event['card_id']}",
                "region": event["region"],
                "amount_cents": event["amount_cents"],
            }
            line = (
                respelled(random, fields)
                if random.random() < respelled_chance
                else json_line(fields)
            )
            lines.append(line)
            if random.random() < replay_chance:
                lines.append(random.choice(lines))
            if random.random() < broken_chance:
                lines.append(broken_line(random, fields))
        ending = random.choice([b"\n", b"\n", b"\r\n"])
        content = b"".join(line + ending for line in lines)
        if content and random.random() < 0.3:
            content = content[:-1]
        files[f"part-{file}.jsonl"] = content
    return files


def generate(name):
    """The files of a profile, or of small:SEED: a dictionary from name to bytes."""
    if name.startswith("small:"):
        return small(int(name[len("small:") :]))
    return PROFILES[name](random_module.Random(f"profile {name}"))


def write(files, directory):
    """Writes the files; the path to give to --input: the one file, or the directory of several."""
    os.makedirs(directory, exist_ok=True)
    for name, content in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)
    return os.path.join(directory, next(iter(files))) if len(files) == 1 else directory


def main(arguments):
    if arguments == ["list"]:
        for name, function in PROFILES.items():
            print(f"{name:28} {' '.join(function.__doc__.split())}")
        return 0
    if len(arguments) == 3 and arguments[0] == "write":
        if arguments[1] not in PROFILES and not arguments[1].startswith("small:"):
            print(
                f"no profile {arguments[1]}; `python3 inputs.py list` names them", file=sys.stderr
            )
            return 2
        print(write(generate(arguments[1]), arguments[2]))
        return 0
    print(
        "usage: python3 inputs.py list | write PROFILE DIR | write small:SEED DIR", file=sys.stderr
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
