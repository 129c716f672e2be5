"""Tests of the oracle, of what compares with it and of the inputs, on cases worked out by hand.

python3 -m unittest test_oracle         (in this folder)
"""

import datetime
import json
import os
import random
import tempfile
import unittest

import compare
import inputs
import instants
import oracle
import strict_json
from instants import DAY, HOUR, MICROSECOND, MINUTE, SECOND

# 2026-03-01T10:00:00Z: a multiple of ten seconds and of a minute.
T = (1_772_323_200 + 36_000) * SECOND

PLACED, AUTHORIZED, FAILED = "OrderPlaced", "PaymentAuthorized", "PaymentFailed"
REFUNDED, CANCELLED = "RefundIssued", "OrderCancelled"


def line(event_id, at, kind=PLACED, **given):
    """A line as it should be; `at` in microseconds after T, or text."""
    fields = {
        "event_id": event_id, "kind": kind,
        "at": at if isinstance(at, str) else instants.spell(T + at), "order_id": "o",
        "customer_id": "c", "card_id": "k", "region": "EU", "amount_cents": 1,
    }
    fields.update(given)
    return json.dumps(fields).encode()


def of(*lines):
    return oracle.expected({"f": b"".join(each + b"\n" for each in lines)})


def accepted_ids(outcome):
    return [event.event_id for event in outcome.accepted]


def counts(outcome):
    """(accepted, duplicates, late, dead letters)"""
    return tuple(
        outcome.summary[name] for name in ("accepted", "duplicates", "late", "dead_letters")
    )


class Instants(unittest.TestCase):
    def test_days_agree_with_the_standard_library(self):
        epoch = datetime.date(1970, 1, 1).toordinal()
        for ordinal in list(range(1, 3_652_059, 97)) + [3_652_059]:
            date = datetime.date.fromordinal(ordinal)
            days = ordinal - epoch
            self.assertEqual(instants.days_from_civil(date.year, date.month, date.day), days)
            self.assertEqual(instants.civil_from_days(days), (date.year, date.month, date.day))

    def test_civil_dates_are_inverted_beyond_four_digits(self):
        for days in (-719_529, -719_528, -719_468, -800_000, 2_932_896, 2_932_897, 3_000_000):
            self.assertEqual(instants.days_from_civil(*instants.civil_from_days(days)), days)
        self.assertEqual(instants.civil_from_days(-719_528), (0, 1, 1))
        self.assertEqual(instants.civil_from_days(-719_529), (-1, 12, 31))
        self.assertEqual(instants.civil_from_days(2_932_897), (10000, 1, 1))

    def test_known_instants(self):
        for text, at in [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000001Z", 1),
            ("1969-12-31T23:59:59.999999Z", -1), ("1969-12-31T23:59:59.9999999Z", -1),
            ("1970-01-01T00:00:00.0000009Z", 0), ("1970-01-01T00:00:00.1Z", 100_000),
            ("2026-03-01T10:00:00Z", T), ("2026-03-01t10:00:00z", T),
            ("2026-03-01T12:00:00+02:00", T), ("2026-03-01T08:30:00-01:30", T),
            ("2026-03-01T10:00:00-00:00", T), ("2026-03-02T09:59:00+23:59", T),
            ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND),
        ]:
            self.assertEqual(instants.from_input(text), at, text)

    def test_times_that_are_none(self):
        for text in [
            "", "2026-03-01", "2026-03-01T10:00:60Z", "2026-03-01T10:60:00Z",
            "2026-03-01T24:00:00Z", "2026-02-29T10:00:00Z", "1900-02-29T10:00:00Z",
            "2026-04-31T10:00:00Z", "2026-00-10T10:00:00Z", "2026-13-10T10:00:00Z",
            "2026-03-00T10:00:00Z", "2026-03-01T10:00:00.Z", "2026-03-01T10:00:00",
            "2026-03-01 10:00:00Z", "2026-03-01T10:00:00+24:00", "2026-03-01T10:00:00+00:60",
            "2026-03-01T10:00:00+0000", "2026-03-01T10:00:00Z\n", "\u0662026-03-01T10:00:00Z",
        ]:
            self.assertIsNone(instants.from_input(text), text)

    def test_output_times_have_no_three_or_six_digits(self):
        self.assertEqual(instants.from_output("2026-03-01T10:00:00Z"), T)
        self.assertEqual(instants.from_output("2026-03-01T10:00:00.120Z"), T + 120_000)
        self.assertEqual(instants.from_output("2026-03-01T10:00:00.000007Z"), T + 7)
        self.assertEqual(
            instants.from_output("-0001-12-31T23:59:59.999999Z"),
            instants.from_output("0000-01-01T00:00:00Z") - 1,
        )
        self.assertEqual(
            instants.from_output("10000-01-01T00:00:00Z"),
            instants.from_output("9999-12-31T23:59:59Z") + SECOND,
        )
        for text in (
            "2026-03-01T10:00:00.1Z",
            "2026-03-01T10:00:00z",
            "2026-03-01T10:00:00+00:00",
            "02026-03-01T10:00:00Z",
        ):
            self.assertIsNone(instants.from_output(text), text)

    def test_spelling_is_inverted(self):
        chance = random.Random(1)
        for _ in range(2_000):
            at = chance.randrange(
                -80_000_000 * HOUR // 10, 80_000_000 * HOUR // 10
            ) // chance.choice([1, 1000, SECOND])
            self.assertEqual(instants.from_output(instants.spell(at)), at)
        self.assertEqual(instants.spell(T, offset_minutes=-90), "2026-03-01T08:30:00-01:30")
        self.assertEqual(instants.spell(T + 123_456, digits=1), "2026-03-01T10:00:00.1Z")


class StrictJson(unittest.TestCase):
    def test_members_are_read(self):
        members = strict_json.read_object(
            ' {"a" : "x\\u00e9\\ud83d\\ude00\\n" ,\t"b":-1.5e+7,"c":[1,{"d":[]}],"a2":null}\r'
        )
        self.assertEqual(members["a"], "x\u00e9\U0001f600\n")
        self.assertEqual(members["b"], "-1.5e+7")
        self.assertIs(members["c"], strict_json.OTHER)
        self.assertEqual(list(members), ["a", "b", "c", "a2"])

    def test_the_last_of_two_members_wins(self):
        self.assertEqual(strict_json.read_object('{"a":"1","\\u0061":"2"}'), {"a": "2"})

    def test_a_member_inside_another_is_not_taken_for_one_outside(self):
        self.assertEqual(list(strict_json.read_object('{"a":{"b":1},"c":[{"d":1}]}')), ["a", "c"])

    def test_what_is_no_object_is_refused(self):
        for text in [
            "", " ", "null", "1", '"a"', "[]", "[{}]", "{", "}", "{}{}", "{} x", "{,}", '{"a"}',
            '{"a":}', '{"a":1,}', '{"a":1 "b":2}', '{"a":1,,"b":2}', "{a:1}", "{'a':1}", '{"a":01}',
            '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":-}', '{"a":1e}', '{"a":NaN}',
            '{"a":Infinity}', '{"a":True}', '{"a":truex}', '{"a":"\t"}', '{"a":"\\x"}',
            '{"a":"\\u12g4"}', '{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}', '{"\\ud800":1}',
            '{"a":"}', '{"a":[1,]}', '{"a":[,1]}', '{"a":[1}', '{"a":{"b":1]}', '{"a":[}]}',
            "\ufeff{}", '{"a":1}\x0b', '{"a":1/**/}', '{"a":[{"b":"\\ud800"}]}', "{1:1}",
            '{"a":"\x00"}', '{"a":"\x1f"}', '{"a"::1}', "{:1}", '{"a":1}]',
        ]:
            with self.assertRaises(strict_json.NotJson, msg=text):
                strict_json.read_object(text)

    def test_it_agrees_with_the_standard_library_on_random_text(self):
        chance = random.Random(2)
        pieces = [
            "{", "}", "[", "]", ",", ":", '"a"', '"b"', "1", "-2.5", "true", " ", '{"a":', '"\\n"',
            "null", "0",
        ]
        read_count = 0
        for _ in range(60_000):
            text = (
                '{"a":'
                + "".join(chance.choices(pieces, k=chance.randrange(1, 8)))
                + "}" * chance.randrange(2)
            )
            try:
                is_object = isinstance(json.loads(text), dict)
            except ValueError:
                is_object = False
            try:
                strict_json.read_object(text)
                was_read = True
                read_count += 1
            except strict_json.NotJson:
                was_read = False
            self.assertEqual(was_read, is_object, text)
        self.assertGreater(read_count, 500)

    def test_neither_depth_nor_length_is_limited(self):
        strict_json.read_object('{"a":' + "[" * 300_000 + "]" * 300_000 + "}")
        strict_json.read_object('{"a":' + "9" * 300_000 + "}")
        strict_json.read_object('{"a":"' + "\\u00e9" * 100_000 + '"}')


class DeadLetters(unittest.TestCase):
    def refused(self, *lines):
        for each in lines:
            self.assertEqual(counts(of(each)), (0, 0, 0, 1), each[:200])

    def taken(self, *lines):
        for each in lines:
            self.assertEqual(counts(of(each)), (1, 0, 0, 0), each[:200])

    def test_every_field_is_needed_and_of_its_type(self):
        for name in json.loads(line("a", 0)):
            fields = json.loads(line("a", 0))
            del fields[name]
            self.refused(json.dumps(fields).encode())
            wrong = "1" if name == "amount_cents" else 1
            for value in (wrong, None, True, [], {}):
                self.refused(
                    line("a", 0, **{name: value})
                    if name not in ("event_id", "at", "kind")
                    else json.dumps({**fields, name: value}).encode()
                )

    def test_ids_are_not_empty_and_a_region_may_be(self):
        self.refused(
            line("", 0),
            line("a", 0, order_id=""),
            line("a", 0, customer_id=""),
            line("a", 0, card_id=""),
        )
        self.taken(line("a", 0, region=""), line("\u0000", 0))

    def test_an_amount_is_written_as_a_whole_number_up_to_ten_to_the_twelfth(self):
        def amount(text):
            return line("a", 0, amount_cents=-77).replace(b"-77", text)

        self.taken(amount(b"0"), amount(b"-0"), amount(b"1000000000000"))
        self.refused(
            amount(b"1000000000001"), amount(b"-1"), amount(b"1.0"), amount(b"1e3"), amount(b"0.0"),
            amount(b"-0.0"), amount(b"01"), amount(b"+1"), amount(b'"1"'), amount(b"9" * 5000),
            amount(b"0e0"), amount(b"-00"),
        )

    def test_kinds_are_spelled_exactly(self):
        self.refused(
            line("a", 0, kind="Shipped"), line("a", 0, kind="orderplaced"), line("a", 0, kind="")
        )
        self.taken(
            *(line("a", 0, kind=kind) for kind in (PLACED, AUTHORIZED, FAILED, REFUNDED, CANCELLED))
        )

    def test_bytes_that_are_no_utf8_are_refused_anywhere(self):
        self.refused(
            line("a", 0, region="@").replace(b"@", b"\xff"),
            line("a", 0, note="@").replace(b"@", b"\xed\xa0\x80"),
        )
        self.refused(
            b"\xef\xbb\xbf" + line("a", 0), line("a", 0, note="@").replace(b"@", b"\xc0\xaf")
        )
        self.refused(line("a", 0, note="@").replace(b"@", b"\\ud800"))
        self.taken(line("a", 0, note="@").replace(b"@", b"\xef\xbf\xbf"))

    def test_a_line_may_have_1048576_bytes(self):
        limit = 1_048_576
        self.taken(line("a", 0).ljust(limit), line("a", 0).ljust(limit - 1) + b"\r")
        self.refused(line("a", 0).ljust(limit + 1), line("a", 0).ljust(limit) + b"\r")

    def test_lines_are_counted_from_one_and_kept_whole(self):
        outcome = oracle.expected(
            {"f": b"\n" + line("a", 0) + b"\r\n\r\nx\r\n" + line("b", 0)[:-1]}
        )
        self.assertEqual(
            [(letter.partition, letter.line, letter.content) for letter in outcome.dead_letters],
            [("f", 1, b""), ("f", 3, b"\r"), ("f", 4, b"x\r"), ("f", 5, line("b", 0)[:-1])],
        )
        self.assertEqual(accepted_ids(outcome), ["a"])

    def test_the_last_newline_may_be_missing_and_an_empty_file_has_no_line(self):
        self.assertEqual(oracle.expected({"f": line("a", 0)}).summary["events"], 1)
        self.assertEqual(oracle.expected({"f": b""}).summary["events"], 0)
        self.assertEqual(oracle.expected({"f": b"\n"}).summary["events"], 1)

    def test_they_count_for_nothing(self):
        outcome = of(
            line("a", DAY, kind="Shipped"),
            line("a", 0),
            line("b", 10 * MINUTE, region=None),
            line("b", -MINUTE),
        )
        self.assertEqual(accepted_ids(outcome), ["a", "b"])


class Lateness(unittest.TestCase):
    behind = 2 * MINUTE + 5 * SECOND

    def test_exactly_2_min_5_s_is_not_late(self):
        self.assertEqual(accepted_ids(of(line("a", 0), line("b", -self.behind))), ["a", "b"])

    def test_a_microsecond_more_is_late(self):
        late = line("b", -self.behind - MICROSECOND) + b" \r"
        outcome = of(line("a", 0), late)
        self.assertEqual(accepted_ids(outcome), ["a"])
        self.assertEqual(outcome.late, [late])

    def test_a_duplicate_moves_the_latest_time(self):
        outcome = of(
            line("a", 0),
            line("a", MINUTE),
            line("b", -self.behind + MINUTE - 1),
            line("c", -self.behind + MINUTE),
        )
        self.assertEqual(counts(outcome), (2, 1, 1, 0))
        self.assertEqual(accepted_ids(outcome), ["a", "c"])

    def test_an_event_read_out_of_order_does_not_take_the_latest_time_back(self):
        outcome = of(line("a", 0), line("b", -MINUTE), line("c", -self.behind - MICROSECOND))
        self.assertEqual(accepted_ids(outcome), ["a", "b"])

    def test_a_late_id_counts_for_nothing(self):
        self.assertEqual(
            accepted_ids(of(line("a", 0), line("b", -3 * MINUTE), line("b", 0))), ["a", "b"]
        )

    def test_a_late_event_is_not_a_duplicate(self):
        self.assertEqual(counts(of(line("a", 0), line("a", -3 * MINUTE))), (1, 0, 1, 0))

    def test_it_is_judged_in_each_file_alone(self):
        outcome = oracle.expected({"f": line("a", 0), "g": line("b", -DAY)})
        self.assertEqual(counts(outcome), (2, 0, 0, 0))


class Duplicates(unittest.TestCase):
    def test_exactly_an_hour_is_a_duplicate(self):
        self.assertEqual(
            counts(of(line("a", 0), line("a", HOUR, kind=FAILED, order_id="x"))), (1, 1, 0, 0)
        )

    def test_a_microsecond_more_is_not(self):
        self.assertEqual(counts(of(line("a", 0), line("a", HOUR + 1))), (2, 0, 0, 0))

    def test_the_distance_counts_in_both_directions(self):
        self.assertEqual(counts(of(line("a", 0), line("a", -MINUTE))), (1, 1, 0, 0))
        self.assertEqual(
            counts(of(line("a", 0), line("a", HOUR + MINUTE), line("a", HOUR + 1))), (2, 1, 0, 0)
        )

    def test_only_accepted_events_are_measured_from(self):
        outcome = of(line("a", 0), line("a", HOUR), line("a", HOUR + 1), line("a", 2 * HOUR + 1))
        self.assertEqual([event.at - T for event in outcome.accepted], [0, HOUR + 1])

    def test_an_id_in_two_files_is_refused(self):
        with self.assertRaises(ValueError):
            oracle.expected({"f": line("a", 0), "g": line("a", DAY)})


class Alerts(unittest.TestCase):
    def alerts_of(self, *distances, **given):
        lines = [
            line(f"e{number}", at, FAILED, amount_cents=10**number, **given)
            for number, at in enumerate(distances)
        ]
        outcome = of(*lines)
        return {
            (card_id, (end - T) / SECOND): (row["failures"], row["amount_cents"])
            for (card_id, end), row in outcome.views["alerts"].items()
        }

    def test_four_failures_alert_and_three_do_not(self):
        self.assertEqual(self.alerts_of(0, 1, 2), {})
        self.assertEqual(self.alerts_of(0, 1, 2, 3), {("k", 10): (4, 1111)})

    def test_a_window_holds_its_begin_and_not_its_end(self):
        # The window that ends at 600 holds 0 and not 600; the one that ends at 610 holds 600 and
        # not 0.
        self.assertEqual(self.alerts_of(0, 1 * MINUTE, 2 * MINUTE, 10 * MINUTE), {})
        self.assertEqual(
            self.alerts_of(0, 1 * MINUTE, 2 * MINUTE, 10 * MINUTE - 1), {("k", 600): (4, 1111)}
        )
        # Between 0 and 10 s only the window that ends at 600 begins at or before the first.
        self.assertEqual(self.alerts_of(1, 1 * MINUTE, 2 * MINUTE, 10 * MINUTE), {})

    def test_only_the_first_window_over_the_limit_alerts(self):
        # Ends 10, 20: four, then five failures: one alert, of the four.
        self.assertEqual(self.alerts_of(0, 1, 2, 3, 10 * SECOND), {("k", 10): (4, 1111)})
        # The first three leave after 600 s; by then three others make it four again: no gap, no
        # alert.
        self.assertEqual(
            self.alerts_of(0, 1, 2, 3, MINUTE, MINUTE, MINUTE, MINUTE), {("k", 10): (4, 1111)}
        )

    def test_a_card_that_falls_back_to_three_alerts_again(self):
        # The four at 0 leave at end 610, when three of 60 s remain; a fourth at 615 s is in at end
        # 620.
        self.assertEqual(
            self.alerts_of(0, 0, 0, 0, MINUTE, MINUTE, MINUTE, 615 * SECOND),
            {("k", 10): (4, 1111), ("k", 620): (4, 11110000)},
        )

    def test_windows_are_aligned_before_1970_too(self):
        lines = [line(f"e{n}", "1969-12-31T23:59:55Z", FAILED) for n in range(4)]
        self.assertEqual(list(of(*lines).views["alerts"]), [("k", 0)])

    def test_cards_and_kinds_are_apart(self):
        lines = [line(f"e{n}", 0, FAILED, card_id="kl"[n % 2]) for n in range(6)]
        lines += [line(f"a{n}", 0, AUTHORIZED) for n in range(9)]
        self.assertEqual(of(*lines).views["alerts"], {})


class KpiAndPurchases(unittest.TestCase):
    def test_every_kind_is_counted_in_its_region_and_minute(self):
        outcome = of(
            line("a", 0, PLACED, amount_cents=1), line("b", 1, PLACED, amount_cents=2),
            line("c", 2, AUTHORIZED, amount_cents=4), line("d", 3, AUTHORIZED, amount_cents=7),
            line("e", 4, FAILED, amount_cents=8), line("f", 5, REFUNDED, amount_cents=16),
            line("g", MINUTE - 1, CANCELLED, amount_cents=32), line("h", MINUTE, CANCELLED),
            line("i", 0, FAILED, region=""),
        )
        zeros = dict.fromkeys(list(oracle.VIEWS["kpi"].fields)[2:], 0)
        self.assertEqual(
            outcome.views["kpi"],
            {
                ("EU", T): {
                    "region": "EU", "minute": T, "orders": 2, "order_cents": 3, "authorized": 2,
                    "authorized_cents": 11, "failed": 1, "refunds": 1, "refunded_cents": 16,
                    "cancelled": 1,
                },
                ("EU", T + MINUTE): {**zeros, "region": "EU", "minute": T + MINUTE, "cancelled": 1},
                ("", T): {**zeros, "region": "", "minute": T, "failed": 1},
            },
        )
        self.assertEqual(
            outcome.views["purchases"],
            {("EU", T): {"region": "EU", "minute": T, "count": 2, "average_cents": 5}},
        )

    def test_minutes_before_1970_begin_before_their_events(self):
        self.assertEqual(
            list(of(line("a", "1969-12-31T23:59:59.999999Z")).views["kpi"]), [("EU", -MINUTE)]
        )


class Sessions(unittest.TestCase):
    def test_less_than_thirty_minutes_is_one_session(self):
        outcome = of(line("a", 0, amount_cents=5), line("b", 30 * MINUTE - 1, amount_cents=6))
        self.assertEqual(
            outcome.views["sessions"],
            {
                ("c", T): {
                    "customer_id": "c",
                    "start": T,
                    "end": T + HOUR - 1,
                    "orders": 2,
                    "order_cents": 11,
                }
            },
        )

    def test_exactly_thirty_minutes_are_two(self):
        outcome = of(line("a", 0), line("b", 30 * MINUTE))
        self.assertEqual(
            [row["end"] - row["start"] for row in outcome.views["sessions"].values()],
            [30 * MINUTE] * 2,
        )

    def test_order_of_arrival_does_not_matter_and_only_placings_count(self):
        outcome = of(line("a", 0), line("b", 31 * MINUTE), line("c", 29 * MINUTE + 30 * SECOND))
        self.assertEqual([row["orders"] for row in outcome.views["sessions"].values()], [3])
        outcome = of(line("a", 0), line("c", 20 * MINUTE, AUTHORIZED), line("b", 31 * MINUTE))
        self.assertEqual([row["orders"] for row in outcome.views["sessions"].values()], [1, 1])


class Orders(unittest.TestCase):
    def order_of(self, *lines):
        return of(*lines).views["orders"][("o",)]

    def test_an_order_is_folded_by_time_then_id(self):
        row = self.order_of(
            line("p", 1 * SECOND, PLACED, amount_cents=100),
            line("r", 3 * SECOND, REFUNDED, amount_cents=7, customer_id="d"),
            line("a", 2 * SECOND, AUTHORIZED, amount_cents=50),
            line("b", 3 * SECOND, AUTHORIZED, amount_cents=60, customer_id="e"),
            line("q", 0, PLACED, amount_cents=200),
        )
        self.assertEqual(
            row,
            {
                "order_id": "o", "customer_id": "d", "status": "refunded", "placed_at": T,
                "updated_at": T + 3 * SECOND, "order_cents": 200, "paid_cents": 110,
                "refunded_cents": 7,
            },
        )

    def test_without_a_placing_there_is_no_placed_at(self):
        row = self.order_of(line("a", 0, FAILED))
        self.assertEqual(
            (row["placed_at"], row["order_cents"], row["paid_cents"], row["status"]),
            (None, None, 0, "failed"),
        )

    def test_ids_of_one_moment_compare_by_their_bytes(self):
        # In UTF-16 the second would come before the first.
        for first, second in [
            ("\uffee", "\U0001f600"),
            ("a", "ab"),
            ("Z", "a"),
            ("e-10", "e-9"),
            ("a", "a\u0000"),
            ("z", "\u00e9"),
        ]:
            row = self.order_of(
                line(second, 0, PLACED, amount_cents=2), line(first, 0, PLACED, amount_cents=1)
            )
            self.assertEqual(row["order_cents"], 1, (first, second))

    def test_exactly_seven_days_keep_an_order(self):
        self.assertEqual(self.order_of(line("a", 0), line("b", 7 * DAY, CANCELLED))["placed_at"], T)

    def test_a_microsecond_more_ends_it(self):
        row = self.order_of(
            line("a", 0),
            line("x", 1, AUTHORIZED),
            line("y", 1, REFUNDED),
            line("b", 7 * DAY + 2, CANCELLED),
        )
        self.assertEqual((row["placed_at"], row["paid_cents"]), (None, 0))
        self.assertEqual((row["refunded_cents"], row["status"]), (0, "cancelled"))

    def test_an_event_read_late_bridges_the_gap(self):
        row = self.order_of(
            line("a", 0), line("b", 7 * DAY + MINUTE, CANCELLED), line("c", 7 * DAY, REFUNDED)
        )
        self.assertEqual((row["placed_at"], row["refunded_cents"]), (T, 1))
        row = self.order_of(
            line("a", 0), line("b", 7 * DAY + MINUTE, CANCELLED), line("c", 7 * DAY + 1, REFUNDED)
        )
        self.assertEqual((row["placed_at"], row["refunded_cents"]), (None, 1))


class Unpaid(unittest.TestCase):
    term = 15 * MINUTE

    def unpaid_of(self, *lines):
        return {
            (at - T) // MICROSECOND: (row["customer_id"], row["order_cents"])
            for (order, at), row in of(*lines).views["unpaid"].items()
        }

    def test_both_ends_of_the_term_settle(self):
        for kind in (AUTHORIZED, CANCELLED):
            for distance in (0, 1, self.term):
                self.assertEqual(
                    self.unpaid_of(line("a", 0), line("b", distance, kind)), {}, (kind, distance)
                )

    def test_a_microsecond_outside_does_not(self):
        for kind in (AUTHORIZED, CANCELLED):
            for distance in (-1, self.term + 1):
                self.assertEqual(
                    self.unpaid_of(line("a", 0), line("b", distance, kind)),
                    {0: ("c", 1)},
                    (kind, distance),
                )

    def test_other_kinds_and_other_orders_do_not_settle(self):
        lines = [
            line("b", 1, FAILED),
            line("c", 2, REFUNDED),
            line("d", 3, AUTHORIZED, order_id="other"),
        ]
        self.assertEqual(self.unpaid_of(line("a", 0), *lines), {0: ("c", 1)})

    def test_each_placing_stands_alone(self):
        self.assertEqual(
            self.unpaid_of(line("a", 0), line("b", 1), line("c", self.term + 1, AUTHORIZED)),
            {0: ("c", 1)},
        )

    def test_of_several_at_one_moment_the_lowest_id_speaks(self):
        lines = [
            line("b", 0, amount_cents=2, customer_id="second"),
            line("a", 0, amount_cents=1, customer_id="first"),
        ]
        self.assertEqual(self.unpaid_of(*lines), {0: ("first", 1)})


class Summary(unittest.TestCase):
    def test_it_adds_up(self):
        outcome = of(
            line("a", 0),
            line("a", 0),
            line("b", -DAY),
            b"",
            line("c", 1, AUTHORIZED),
            line("d", 2, FAILED, order_id="x"),
        )
        self.assertEqual(
            outcome.summary,
            {
                "events": 6, "accepted": 3, "duplicates": 1, "late": 1, "dead_letters": 1,
                "alerts": 0, "kpi": 1, "sessions": 1, "orders": 2, "unpaid": 0, "purchases": 1,
            },
        )


class Comparing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = folder.name
        lines = [line(f"f{number}", number, FAILED) for number in range(4)]
        lines += [
            line("p", 5),
            line("a", 0, AUTHORIZED, order_id="x"),
            line("z", -DAY),
            b"\xff\xfeabc",
            b"x" * 5000,
            b"{",
        ]
        self.expected = of(*lines)
        oracle.write_outputs(self.expected, self.directory)

    def rows(self, name):
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read().split(b"\n")[:-1]

    def write(self, name, rows):
        with open(os.path.join(self.directory, name), "wb") as file:
            file.writelines(row + b"\n" for row in rows)

    def differences(self):
        return compare.compare(self.expected, self.directory)

    def assert_differs(self, part):
        found = self.differences()
        self.assertTrue(any(part in difference for difference in found), found)

    def change(self, name, row_number=0, **changes):
        rows = self.rows(name)
        rows[row_number] = json.dumps({**json.loads(rows[row_number]), **changes}).encode()
        self.write(name, rows)

    def test_what_the_oracle_writes_is_equal(self):
        self.assertTrue(all(self.expected.views.values()))
        self.assertEqual(self.differences(), [])

    def test_every_missing_row_is_seen(self):
        for view in oracle.VIEWS:
            rows = self.rows(view + ".jsonl")
            self.write(view + ".jsonl", rows[1:])
            self.assert_differs(view)
            self.write(view + ".jsonl", rows)
        for name in ("late", "dead_letters"):
            rows = self.rows(name + ".jsonl")
            self.write(name + ".jsonl", rows[1:])
            self.assert_differs(name)
            self.write(name + ".jsonl", rows + rows[:1])
            self.assert_differs(name)
            self.write(name + ".jsonl", rows)
        self.assertEqual(self.differences(), [])

    def test_every_changed_field_is_seen(self):
        for view, shape in oracle.VIEWS.items():
            for field, kind in shape.fields.items():
                rows = self.rows(view + ".jsonl")
                other = (
                    987
                    if kind.startswith("count")
                    else "1999-01-01T00:00:00Z" if kind.startswith("time") else "other"
                )
                self.change(view + ".jsonl", **{field: other})
                self.assertNotEqual(self.differences(), [], (view, field))
                self.write(view + ".jsonl", rows)
        for field in self.expected.summary:
            rows = self.rows("summary.json")
            self.change("summary.json", **{field: 99})
            self.assert_differs(field)
            self.write("summary.json", rows)

    def test_a_later_row_replaces_and_a_retraction_withdraws(self):
        rows = self.rows("sessions.jsonl")
        row = json.loads(rows[0])
        wrong = json.dumps({**row, "orders": 9}).encode()
        elsewhere = {**row, "start": "2001-01-01T00:00:00Z"}
        gone = json.dumps({**elsewhere, "retracted": True}).encode()
        gone_short = json.dumps(
            {"customer_id": row["customer_id"], "start": elsewhere["start"], "retracted": True}
        ).encode()
        elsewhere = json.dumps(elsewhere).encode()
        self.write("sessions.jsonl", [wrong, elsewhere, gone, elsewhere, gone_short] + rows)
        self.assertEqual(self.differences(), [])
        self.write("sessions.jsonl", rows + [wrong])
        self.assert_differs("sessions: expected")
        self.write("sessions.jsonl", rows + [elsewhere])
        self.assert_differs("no such row")
        self.write("sessions.jsonl", rows + [gone])
        self.assert_differs("withdraws a row that is not there")
        self.write("sessions.jsonl", rows + [elsewhere, gone, gone_short])
        self.assert_differs("withdraws a row that is not there")

    def test_revisions_count_from_zero(self):
        first = self.rows("kpi.jsonl")[0]
        second = first.replace(b'"revision": 0', b'"revision": 1')
        rest = self.rows("kpi.jsonl")[1:]
        self.write("kpi.jsonl", [first, second] + rest)
        self.assertEqual(self.differences(), [])
        for rows in ([second], [first, first], [first, second.replace(b'n": 1', b'n": 2')]):
            self.write("kpi.jsonl", rows + rest)
            self.assert_differs("revision")

    def test_the_fields_must_be_exact(self):
        for change in (
            lambda row: row.update(extra=1),
            lambda row: row.pop("status"),
            lambda row: row.update(retracted=False),
            lambda row: row.update(paid_cents=True),
            lambda row: row.update(paid_cents=1.0),
            lambda row: row.update(customer_id=None),
            lambda row: row.update(updated_at="2026-03-01T10:00:00.1Z"),
            lambda row: row.update(updated_at="2026-03-01T10:00:00+00:00"),
        ):
            rows = self.rows("orders.jsonl")
            row = json.loads(rows[0])
            change(row)
            self.write("orders.jsonl", [json.dumps(row).encode()] + rows[1:])
            self.assert_differs("orders.jsonl line 1")
            self.write("orders.jsonl", rows)

    def test_what_is_no_json_and_what_is_cut_off_is_seen(self):
        rows = self.rows("unpaid.jsonl")
        for bad in (b"", b"{", b"[]", rows[0] + b"}", b'{"order_id":1,"order_id":1}', b"\xff"):
            self.write("unpaid.jsonl", rows + [bad])
            self.assert_differs("unpaid.jsonl line 2")
        with open(os.path.join(self.directory, "unpaid.jsonl"), "wb") as file:
            file.write(rows[0])
        self.assert_differs("no newline")
        os.remove(os.path.join(self.directory, "unpaid.jsonl"))
        self.assert_differs("missing")

    def test_dead_letters_are_compared_one_by_one(self):
        self.assertEqual(
            [json.loads(row)["line"] for row in self.rows("dead_letters.jsonl")], [8, 9, 10]
        )
        for changes in (
            {"bytes": 6},
            {"reason": ""},
            {"reason": 3},
            {"line": 1},
            {"partition": "g"},
            {"text": "other"},
        ):
            rows = self.rows("dead_letters.jsonl")
            self.change("dead_letters.jsonl", 2, **changes)
            self.assert_differs("dead_letters")
            self.write("dead_letters.jsonl", rows)

    def test_the_text_of_a_dead_letter(self):
        fault = compare.text_fault
        bad = "\ufffd"
        self.assertIsNone(fault("", b""))
        self.assertIsNone(fault("x\r", b"x\r"))
        self.assertIsNotNone(fault("x", b"x\r"))
        self.assertIsNone(fault("x" * 4096, b"x" * 4096))
        self.assertIsNotNone(fault("x" * 4095, b"x" * 4096))
        self.assertIsNone(fault("x" * 4096, b"x" * 4097))
        self.assertIsNotNone(fault("x" * 4097, b"x" * 4097))
        self.assertIsNotNone(fault("x" * 4000, b"x" * 4097))
        self.assertIsNotNone(fault("", b"x" * 4097))
        self.assertIsNone(fault("a" + bad * 3 + "b", b"a\xff\xfe\xfdb"))
        self.assertIsNone(fault("a" + bad + "b", b"a\xe2\x82b"))
        self.assertIsNone(fault("a" + bad * 2 + "b", b"a\xe2\x82b"))
        self.assertIsNotNone(fault("ab", b"a\xe2\x82b"))
        self.assertIsNotNone(fault("a" + bad, b"a\xe2\x82b"))
        self.assertIsNotNone(fault("a" + bad + "c", b"a\xe2\x82b"))
        self.assertIsNone(fault(bad * 4096, b"\xff" * 10_000))
        self.assertIsNone(fault(bad * 1365, b"\xff" * 10_000))
        self.assertIsNotNone(fault(bad * 4097, b"\xff" * 10_000))
        # A character across the limit is left out, or stands as a replacement.
        cut = ("x" + "\u00e9" * 3000).encode()
        self.assertIsNone(fault("x" + "\u00e9" * 2047, cut))
        self.assertIsNone(fault("x" + "\u00e9" * 2047 + bad, cut))
        self.assertIsNotNone(fault("x" + "\u00e9" * 2048, cut))


class Inputs(unittest.TestCase):
    def test_a_seed_gives_the_same_bytes(self):
        for seed in range(20):
            self.assertEqual(inputs.small(seed), inputs.small(seed))
        for name in ("everything_at_once", "files_with_gaps", "escapes"):
            self.assertEqual(inputs.generate(name), inputs.generate(name))

    def test_small_inputs_fire_every_rule(self):
        fired = dict.fromkeys(oracle.expected({}).summary, 0)
        for seed in range(200):
            for name, count in oracle.expected(inputs.small(seed)).summary.items():
                fired[name] += count > 0
        self.assertTrue(all(count >= 20 for count in fired.values()), fired)

    def test_profiles_can_be_judged(self):
        self.assertGreaterEqual(len(inputs.PROFILES), 24)
        for name in (
            "lateness_boundary",
            "duplicate_boundary",
            "longest_lines",
            "not_utf8",
            "ignored_fields",
            "many_files",
        ):
            summary = oracle.expected(inputs.generate(name)).summary
            self.assertGreater(summary["accepted"], 0, name)
            self.assertGreater(summary["events"], summary["accepted"], name)


if __name__ == "__main__":
    unittest.main()
