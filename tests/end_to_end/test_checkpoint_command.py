"""`weir checkpoint`, run as a user would, on the checkpoints of a small job: each verb, both
outputs, exit codes, beside the running job, damage.

    python3 test_checkpoint_command.py --weir PATH --job PATH [unittest's arguments]

The job (checkpointed_job.c) runs once; tests look at its directory, and change copies of it.
"""

import argparse
import collections
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import strict_json

SOON = 300  # seconds in which what does not hang has ended, also in a slow build under load
WEIR = None
JOB = None

CARDS = 50
SHOPS = ["bakery", "a bookshop \"with\" a long name", "cinema", "dentist", "épicerie", "florist",
         "a greengrocer around the corner"]
FIRST_SECOND = 1767225600  # 2026-01-01T00:00:00Z


def run(words, expect=0, **options):
    """stdout and stderr of `weir checkpoint ...`."""
    done = subprocess.run([WEIR, "checkpoint", *map(str, words)], text=True, capture_output=True,
                          timeout=SOON, check=False, **options)
    if done.returncode != expect:
        raise AssertionError(f"{words}: {done.returncode}, not {expect}\n{done.stdout}\n"
                             f"{done.stderr}")
    return done.stdout, done.stderr


def objects(text):
    """The lines of a text, each one object of RFC 8259."""
    for line in text.splitlines():
        strict_json.read_object(line)
    return [json.loads(line) for line in text.splitlines()]


def numbers_in(directory):
    return sorted(int(path.name.split("-")[1]) for path in directory.glob("manifest-*"))


def start_job(directory, *words):
    return subprocess.Popen([JOB, "run", "--checkpoints", str(directory), "--checkpoint-interval",
                             "100", "--workers", "2", "--quiet", *words],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def await_checkpoints(directory, process, count):
    """Until the job has published checkpoint number `count`."""
    ends = time.monotonic() + SOON
    while not directory.exists() or max(numbers_in(directory), default=0) < count:
        if process.poll() is not None or time.monotonic() > ends:
            raise AssertionError(f"no checkpoint {count}: {process.communicate()}")
        time.sleep(0.02)


def make_checkpoints(directory):
    """Those of a job that was killed in the middle."""
    process = start_job(directory, "--rate", "3000", "--events", "100000000")
    await_checkpoints(directory, process, 12)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def moment(microseconds):
    """RFC 3339, as the command prints it."""
    seconds, rest = divmod(microseconds, 1000000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{rest:06}".rstrip("0")
    if digits:
        digits = digits.ljust(3 if len(digits) <= 3 else 6, "0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def event_time(number):
    return moment(FIRST_SECOND * 1000000 + number * 1000)


class CheckpointTest(unittest.TestCase):
    """Tests look at `shared`, which none of them changes."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="checkpoint-command-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.shared = cls.root / "shared"
        make_checkpoints(cls.shared)
        cls.numbers = numbers_in(cls.shared)

    def copy(self):
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.root)) / "copy"
        # A process that was killed leaves its socket, which is no file to copy.
        shutil.copytree(self.shared, directory, ignore=shutil.ignore_patterns("control"))
        return directory

    def dump(self, directory, *words):
        return objects(run(["dump", directory, *words])[0])

    def entries(self, directory, operator, table, *words):
        return [line for line in self.dump(directory, *words, operator)
                if line.get("table") == table]

    def offset(self, directory, *words):
        cell, = [line for line in self.dump(directory, *words, "payments") if "cell" in line]
        self.assertEqual(cell["cell"], "partition")
        return cell["value"]["offset"]


class TheCommandLine(CheckpointTest):
    def test_every_verb_has_a_help_with_an_example(self):
        helped, stderr = run(["--help"])
        self.assertEqual(stderr, "")
        verbs = [line.split()[0] for line in helped.splitlines() if re.match(r"  \w", line)]
        self.assertEqual(verbs, ["list", "inspect", "dump", "diff", "delete", "fsck"])
        for verb in verbs:
            page = run([verb, "--help"])[0]
            self.assertIn(f"usage: weir checkpoint {verb} ", page)
            self.assertIn(f"  weir checkpoint {verb} ", page.split("--help", 1)[1])
            self.assertLessEqual(max(map(len, page.splitlines())), 110, verb)

    def test_mistakes_are_answered_with_what_was_meant(self):
        for words, part in ((["lsit", "x"], "did you mean list"),
                            (["list", "--jsno", "x"], "did you mean --json"),
                            (["list", "--force", "x"], "there is no option --force"),
                            (["list"], "the directory of the checkpoints is missing"),
                            (["diff", self.shared], "another directory, is missing"),
                            (["diff", self.shared, "1"], "of the second checkpoint is missing"),
                            (["list", self.shared, "more"], "do not know what to do with"),
                            (["inspect", self.shared, "soon"], "is not the number"),
                            (["dump", self.shared, "x", "y"], "is not the number"),
                            (["delete", self.shared, "latest"], "is not the number"),
                            (["delete", self.shared, "0"], "is not the number"),
                            ([], "usage")):
            stdout, stderr = run(words, expect=2)
            self.assertIn(part, stderr + stdout, words)

    def test_what_is_not_there_is_not_found(self):
        empty = self.root / "empty"
        empty.mkdir(exist_ok=True)
        newest = self.numbers[-1]
        for words in (["list", self.root / "none"], ["inspect", self.root / "none"],
                      ["list", empty], ["inspect", empty], ["dump", empty], ["fsck", empty],
                      ["fsck", self.root],
                      ["delete", empty, newest], ["inspect", self.shared, newest + 1000],
                      ["dump", self.shared, newest + 1000], ["diff", self.shared, newest, "777777"],
                      ["delete", self.shared, newest + 1000]):
            self.assertNotEqual(run(words, expect=4)[1], "", words)
        self.assertEqual(list(empty.iterdir()), [])
        *others, last = self.numbers
        self.assertIn(f"there are {', '.join(map(str, others))} and {last}",
                      run(["inspect", self.shared, newest + 1000], expect=4)[1])
        self.assertIn("did you mean totals?", run(["dump", self.shared, "totls"], expect=4)[1])
        self.assertIn("did you mean totals?",
                      run(["diff", self.shared, newest, newest, "totls"], expect=4)[1])

    def test_a_file_in_place_of_the_directory_is_the_same_to_every_verb(self):
        path = self.root / "file"
        path.touch()
        for words in (["list", path], ["inspect", path], ["dump", path], ["fsck", path],
                      ["diff", path, "1", "2"], ["delete", path, "1"]):
            self.assertIn("a file in the place of a directory", run(words, expect=5)[1], words)

    def test_a_reader_that_goes_away_is_no_failure(self):
        process = subprocess.Popen([WEIR, "checkpoint", "dump", self.shared],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=SOON), 0)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()


class Listing(CheckpointTest):
    def test_all_are_listed_with_the_newest_last(self):
        rows = objects(run(["list", self.shared, "--json"])[0])
        self.assertEqual([row["checkpoint"] for row in rows], self.numbers)
        self.assertGreaterEqual(len(rows), 3)
        for row in rows:
            self.assertEqual((row["epoch"], row["savepoint"], row["final"], row["stopped"]),
                             (1, False, False, False))
            self.assertGreaterEqual(row["took_us"], 0)
            self.assertGreater(row["entries"], 0)
            self.assertLessEqual(row["began"], row["durable"])
        text = run(["list", self.shared])[0].splitlines()
        self.assertIn("of checkpointed", text[0])
        self.assertEqual([int(line.split()[0]) for line in text[2:]], self.numbers)

    def test_bytes_are_those_of_the_files(self):
        rows = objects(run(["list", self.shared, "--json"])[0])
        own = {row["checkpoint"]: 0 for row in rows}
        for path in self.shared.glob("c[0-9]*"):
            number = int(path.name[1:11])
            if number in own:
                own[number] += path.stat().st_size
        for row in rows:
            # All that it wrote itself is its own or shared with later ones.
            self.assertGreaterEqual(row["alone_bytes"] + row["shared_bytes"],
                                    own[row["checkpoint"]])
            self.assertGreaterEqual(row["alone_bytes"] + row["shared_bytes"], row["state_bytes"])

    def test_the_last_of_a_job_that_ended_is_final(self):
        directory = self.root / "ended"
        process = start_job(directory, "--rate", "5000", "--events", "2000")
        self.assertEqual(process.communicate(timeout=SOON)[1], "")
        self.assertEqual(process.returncode, 0)
        rows = objects(run(["list", directory, "--json"])[0])
        self.assertEqual([row["final"] for row in rows], [False] * (len(rows) - 1) + [True])
        self.assertIn("the job had ended", run(["list", directory])[0].splitlines()[-1])
        self.assertIn("the job had ended", run(["inspect", directory])[0])
        found = json.loads(run(["inspect", directory, "--json"])[0])
        self.assertTrue(found["final"])
        self.assertEqual({of["watermark"] for of in found["operators"]}, {"end"})
        self.assertTrue(self.dump(directory, "payments")[0]["value"]["ended"])
        self.assertEqual({line["value"] for line in self.dump(directory, "per_second")
                          if line.get("cell") == "fired until"}, {"end"})


class Inspecting(CheckpointTest):
    def test_it_tells_what_operators_keep(self):
        found = objects(run(["inspect", self.shared, "--json"])[0])
        self.assertEqual(len(found), 1)
        found = found[0]
        self.assertEqual((found["checkpoint"], found["job"], found["epoch"]),
                         (self.numbers[-1], "checkpointed", 1))
        operators = {of["operator"]: of for of in found["operators"]}
        self.assertLessEqual({"payments", "totals", "per_second", "watched"}, operators.keys())
        partition, = operators["payments"]["cells"]
        offset = partition["value"]["offset"]
        self.assertGreater(offset, 0)
        self.assertEqual(partition["value"]["watermark"], event_time(offset - 1))
        self.assertEqual(operators["payments"]["counters"]["ROWS_OUT"], offset)
        self.assertEqual(operators["totals"]["counters"]["ROWS_IN"], offset)
        tables = {table["table"]: table for table in operators["watched"]["tables"]}
        self.assertEqual(tables.keys(), {"states", "timers", "numbers heads", "numbers items",
                                         "shop_counts heads", "shop_counts items",
                                         "shop_counts order"})
        self.assertEqual(tables["states"]["entries"], CARDS)
        self.assertEqual(tables["timers"]["entries"], CARDS)
        self.assertEqual(sum(task["end_cell"] - task["first_cell"] for task in found["tasks"]
                             if task["stage_name"] == "totals"), 65536)
        self.assertEqual(min(task["stage"] for task in found["tasks"]), 1)  # as `plan` counts
        for task in found["tasks"]:
            self.assertEqual((self.shared / task["file"]).stat().st_size, task["bytes"])

    def test_it_does_so_in_words(self):
        text = run(["inspect", self.shared, self.numbers[0]])[0]
        self.assertIn(f"checkpoint {self.numbers[0]} of checkpointed: durable ", text)
        self.assertIn("  0: stage 1 (", text)
        self.assertRegex(text, r"partition 0: offset [1-9][0-9]*, watermark 2026-01-01T00:")
        self.assertRegex(text, r"table states: 14 entries, .* in [0-9]+ segments")

    def test_latest_is_the_newest(self):
        self.assertEqual(run(["inspect", self.shared, "latest"]), run(["inspect", self.shared]))


class Dumping(CheckpointTest):
    def test_running_sums_are_those_of_the_events_before_the_offset(self):
        for number in self.numbers:
            offset = self.offset(self.shared, number)
            expected = collections.defaultdict(lambda: [0, 0, 0])
            for event in range(offset):
                of = expected[SHOPS[event % 7], event % 2]
                of[0] += 1
                of[1] += event % 1000
                of[2] = event
            found = {}
            for entry in self.entries(self.shared, "totals", "states", number):
                self.assertIsNone(entry["member"])
                self.assertEqual(entry["key"].keys(), {"shop", "till"})
                found[entry["key"]["shop"], entry["key"]["till"]] = entry["value"]
            self.assertEqual(found, {
                (shop, till): {"state": {"count": count, "last": event_time(last),
                                         "sum": {"cents": cents, "currency": 978,
                                                 "parts": [last, 1]},
                                         "shop": shop, "code": "ab"}}
                for (shop, till), (count, cents, last) in expected.items()})

    def test_slices_of_windows_have_the_time_they_begin_at(self):
        offset = self.offset(self.shared)
        expected = collections.Counter()
        for event in range(offset // 1000 * 1000, offset):
            expected[event % CARDS] += 1
        # One of the checkpoint may lie between a window's end and its result.
        found = [entry for entry in self.entries(self.shared, "per_second", "slices")
                 if entry["member"] == event_time(offset // 1000 * 1000)]
        self.assertEqual({entry["key"]["card"]: entry["value"]["accumulator"]["count"]
                          for entry in found}, dict(expected))
        cells = [line for line in self.dump(self.shared, "per_second") if "cell" in line]
        self.assertEqual({line["cell"] for line in cells},
                         {"fired until", "length", "slide", "offset"})

    def test_other_windows_and_deduplication_are_described_too(self):
        offset = self.offset(self.shared)
        last = {event % CARDS: event for event in range(offset)}
        counts = collections.Counter(event % CARDS for event in range(offset))

        heads = {entry["value"]["number"]: entry["key"]
                 for entry in self.entries(self.shared, "sessions", "heads")}
        found = self.entries(self.shared, "sessions", "sessions")
        self.assertEqual(len(found), CARDS)
        for entry in found:
            value = entry["value"]
            card = value["key"]["card"]
            self.assertEqual(heads[entry["key"]["number"]], {"card": card})
            self.assertEqual(value["accumulator"]["count"], counts[card])
            self.assertEqual((value["session"]["start"], value["session"]["last"]),
                             (event_time(card), event_time(last[card])))

        for entry in self.entries(self.shared, "counted", "panes"):
            card = entry["key"]["card"]
            self.assertEqual(entry["value"]["count"], counts[card] % 100)
            if counts[card] % 100 > 0:
                self.assertEqual(entry["value"]["last"], event_time(last[card]))

        slices = self.entries(self.shared, "sliding", "slices")
        self.assertLessEqual({entry["member"][19:] for entry in slices}, {"Z", ".500Z"})
        self.assertIn(event_time((offset - 1) // 500 * 500), {entry["member"] for entry in slices})

        passed = self.entries(self.shared, "distinct", "passed")
        self.assertEqual(max(entry["key"]["owner"]["number"] for entry in passed), offset - 1)
        for entry in passed:
            self.assertEqual(entry["value"]["time"], event_time(entry["key"]["owner"]["number"]))

    def test_timers_have_their_deadline_and_their_owner(self):
        offset = self.offset(self.shared)
        last = {event % CARDS: event for event in range(offset)}
        self.assertEqual(
            {entry["key"]["owner"]["card"]: (entry["key"]["deadline"], entry["value"])
             for entry in self.entries(self.shared, "watched", "timers")},
            {card: (event_time(event + 3600000), {}) for card, event in last.items()})
        states = self.entries(self.shared, "watched", "states")
        self.assertEqual(sum(entry["value"]["state"]["count"] for entry in states), offset)

    def test_lists_and_maps_have_owner_index_and_element(self):
        offset = self.offset(self.shared)
        elements = collections.defaultdict(dict)
        counts = {}
        for entry in self.entries(self.shared, "watched", "numbers heads"):
            card = entry["key"]["card"]
            counts[card] = entry["value"]["count"]
            elements[card][0] = entry["value"]["element"]
        for entry in self.entries(self.shared, "watched", "numbers items"):
            elements[entry["key"]["owner"]["card"]][entry["key"]["index"]] = (
                entry["value"]["element"])
        for card, list_of in elements.items():
            self.assertEqual(sorted(list_of), list(range(counts[card])))
            events = sorted(element["number"] for element in list_of.values())
            # The last one and two others of the card.
            self.assertEqual(events[-1], max(range(card, offset, CARDS)))
            for element in list_of.values():
                event = element["number"]
                self.assertEqual(element, {
                    "at": event_time(event), "number": event, "card": card,
                    "shop": SHOPS[event % 7], "till": event % 2, "code": "ab",
                    "price": {"cents": event % 1000, "currency": 978, "parts": [event, 1]}})

        expected = collections.Counter((event % CARDS, SHOPS[event % 7])
                                       for event in range(offset))
        found = {}
        order = collections.defaultdict(dict)
        for entry in self.entries(self.shared, "watched", "shop_counts heads"):
            shop = entry["value"]["key"]["shop"]
            found[entry["key"]["card"], shop] = entry["value"]["value"]["count"]
            order[entry["key"]["card"]][shop] = 0
        for entry in self.entries(self.shared, "watched", "shop_counts items"):
            card, shop = entry["key"]["owner"]["card"], entry["key"]["key"]["shop"]
            found[card, shop] = entry["value"]["value"]["count"]
            order[card][shop] = entry["value"]["index"]
        self.assertEqual(found, dict(expected))
        for entry in self.entries(self.shared, "watched", "shop_counts order"):
            card, shop = entry["key"]["owner"]["card"], entry["value"]["key"]["shop"]
            self.assertEqual(order[card][shop], entry["key"]["index"])

    def test_all_of_it_is_as_many_lines_as_there_are_entries_and_cells(self):
        found = json.loads(run(["inspect", self.shared, "--json"])[0])
        entries = sum(table["entries"] for of in found["operators"] for table in of["tables"])
        cells = sum(len(of["cells"]) for of in found["operators"])
        lines = self.dump(self.shared)
        self.assertEqual(sum("table" in line for line in lines), entries)
        self.assertEqual(sum("cell" in line for line in lines), cells)
        self.assertNotIn("other", json.dumps(lines))
        rows = objects(run(["list", self.shared, "--json"])[0])
        self.assertEqual(rows[-1]["entries"], entries)

    def test_it_works_beside_the_running_job(self):
        directory = self.root / "running"
        process = start_job(directory, "--rate", "3000", "--events", "100000000")
        try:
            await_checkpoints(directory, process, 2)
            for _ in range(10):
                objects(run(["list", directory, "--json"])[0])
                number = json.loads(run(["inspect", directory, "--json"])[0])["checkpoint"]
                done = subprocess.run([WEIR, "checkpoint", "dump", directory], text=True,
                                      capture_output=True, timeout=SOON, check=False)
                # It may have been deleted while it was read; then that is said.
                self.assertIn(done.returncode, (0, 4), done.stderr)
                self.assertEqual("was deleted" in done.stderr, done.returncode == 4)
                self.assertEqual(done.returncode == 0, done.stderr == "")
                objects(done.stdout)
                self.assertGreater(number, 0)
                # The job may be about to delete what no checkpoint needs any more.
                done = subprocess.run([WEIR, "checkpoint", "fsck", directory, "--json"], text=True,
                                      capture_output=True, timeout=SOON, check=False)
                self.assertIn(done.returncode, (0, 30), done.stdout)
                self.assertTrue(objects(done.stdout)[-1]["has_writer"])
            stderr = run(["delete", directory, numbers_in(directory)[-1], "--force"], expect=5)[1]
            self.assertIn(f"process {process.pid} ", stderr)
            self.assertIsNone(process.poll())
        finally:
            process.kill()
            process.communicate()


class Comparing(CheckpointTest):
    def test_the_difference_leads_from_one_to_the_other(self):
        first, last = self.numbers[0], self.numbers[-1]
        lines = objects(run(["diff", self.shared, first, last, "--json"])[0])

        def name(line):
            return json.dumps([line["operator"], line.get("table"), line.get("member"),
                               line.get("cell"), line.get("key"), line.get("task")
                               if line.get("key") is None else None], sort_keys=True)

        before = {name(line): line["value"] for line in self.dump(self.shared, first)
                  if "table" in line}
        after = {name(line): line["value"] for line in self.dump(self.shared, last)
                 if "table" in line}
        self.assertNotEqual(before, after)
        for line in lines:
            if "table" in line and line["change"] == "-":
                self.assertEqual(before.pop(name(line)), line["value"])
        for line in lines:
            if "table" in line and line["change"] == "+":
                self.assertNotIn(name(line), before)
                before[name(line)] = line["value"]
        self.assertEqual(before, after)
        cells = [line for line in lines if "cell" in line and line["operator"] == "payments"]
        self.assertEqual([line["change"] for line in cells], ["-", "+"])
        self.assertEqual(cells[1]["value"]["offset"], self.offset(self.shared, last))

    def test_words_have_a_sign_and_a_summary(self):
        stdout, stderr = run(["diff", self.shared, self.numbers[0], "latest", "totals"])
        self.assertEqual(stderr, "0 added, 0 removed, 14 changed\n")
        self.assertEqual([line[0] for line in stdout.splitlines()], ["-", "+"] * 14)
        self.assertTrue(stdout.startswith("- totals states {\"shop\":"))
        self.assertEqual(run(["diff", self.shared, self.numbers[0], "latest", "totals",
                              "--quiet"])[1], "")

    def test_of_two_directories_the_newest_are_compared(self):
        directory = self.copy()
        self.assertEqual(run(["diff", self.shared, directory]),
                         ("", "0 added, 0 removed, 0 changed\n"))
        run(["delete", directory, self.numbers[-1], "--force"])
        expected = run(["diff", self.shared, self.numbers[-2], "latest", "totals"])
        self.assertEqual(run(["diff", directory, self.shared, "totals"]), expected)
        self.assertNotEqual(expected[0], "")

    def test_files_of_two_directories_are_not_the_same_for_their_names(self):
        for at in (1000, 2000):
            subprocess.run([JOB, "run", "--events", "5000", "--until", f"@{at}", "--replay-to",
                            self.root / f"at-{at}", "--quiet"], check=True, timeout=SOON,
                           stdout=subprocess.DEVNULL)
        first, second = self.root / "at-1000", self.root / "at-2000"
        self.assertEqual([path.name for path in sorted(first.glob("c*"))],
                         [path.name for path in sorted(second.glob("c*"))])
        stdout, stderr = run(["diff", first, second, "totals"])
        self.assertEqual(stderr, "0 added, 0 removed, 14 changed\n")
        self.assertEqual(stdout.count("\n"), 28)

    def test_words_that_do_not_fit_two_directories_are_refused(self):
        for words, part in (([self.shared, self.shared, "totals", "x"], "do not know what to do"),
                            ([self.shared, "3"], "the number of the second checkpoint is missing"),
                            ([self.shared, "latest", "x"], "is not the number")):
            self.assertIn(part, run(["diff", *words], expect=2)[1])
        self.assertIn("nowhere", run(["diff", self.shared, "nowhere"], expect=4)[1])

    def test_one_does_not_differ_from_itself(self):
        self.assertEqual(run(["diff", self.shared, "latest", "latest"]),
                         ("", "0 added, 0 removed, 0 changed\n"))


class Deleting(CheckpointTest):
    def test_the_newest_goes_only_by_force_and_the_job_goes_on_from_the_one_before(self):
        directory = self.copy()
        *_, before, newest = self.numbers
        stderr = run(["delete", directory, newest], expect=2)[1]
        self.assertIn("--force", stderr)
        self.assertEqual(numbers_in(directory), self.numbers)
        offset = self.offset(directory, before)
        deleted, = objects(run(["delete", directory, newest, "--force", "--json"])[0])
        self.assertEqual(deleted["deleted"], newest)
        self.assertGreater(deleted["files"], 0)
        self.assertEqual(numbers_in(directory), self.numbers[:-1])
        self.assertEqual(run(["fsck", directory, "--json"])[0].count("\n"), 1)
        process = start_job(directory, "--rate", "3000", "--events", str(offset + 2000))
        self.assertEqual(process.communicate(timeout=SOON)[1], "")
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.offset(directory), offset + 2000)
        self.assertGreater(numbers_in(directory)[-1], newest)

    def test_others_stay_whole(self):
        directory = self.copy()
        dumps = {number: sorted(run(["dump", directory, number])[0].splitlines())
                 for number in self.numbers}
        for number in self.numbers[:-1]:
            stderr = run(["delete", directory, number])[1]
            self.assertIn(f"deleted checkpoint {number}: ", stderr)
        run(["fsck", directory])
        self.assertEqual(numbers_in(directory), self.numbers[-1:])
        self.assertEqual(sorted(run(["dump", directory])[0].splitlines()),
                         dumps[self.numbers[-1]])
        row, = objects(run(["list", directory, "--json"])[0])
        self.assertEqual(row["shared_bytes"], 0)
        self.assertEqual(row["alone_bytes"],
                         sum(path.stat().st_size for path in directory.glob("c[0-9]*")))


class Damage(CheckpointTest):
    def check(self, directory, code, kind):
        lines = objects(run(["fsck", directory, "--json"], expect=code)[0])
        self.assertEqual((lines[-1]["result"], lines[-1]["exit_code"]), (kind, code))
        self.assertEqual(lines[-1]["findings"], len(lines) - 1)
        self.assertIn(kind, [line["kind"] for line in lines[:-1]])
        for line in lines[:-1]:
            self.assertIn(str(directory), line["file"])
        self.assertIn(f"{kind}: ", run(["fsck", directory], expect=code)[0])

    def newest_file(self, directory):
        found = json.loads(run(["inspect", directory, "--json"])[0])
        return directory / max(found["tasks"], key=lambda task: task["bytes"])["file"]

    def test_a_sound_directory_is_clean(self):
        directory = self.copy()
        lines = objects(run(["fsck", directory, "--json"], expect=self.code(directory))[0])
        self.assertEqual(lines[-1]["checkpoints"], len(self.numbers))
        self.assertEqual(lines[-1]["newest"], self.numbers[-1])
        self.assertFalse(lines[-1]["has_writer"])

    def code(self, directory):
        """0; 30 where the job was killed within a checkpoint."""
        done = subprocess.run([WEIR, "checkpoint", "fsck", directory], capture_output=True,
                              check=False)
        self.assertIn(done.returncode, (0, 30))
        return done.returncode

    def test_a_changed_byte_is_found_where_it_is(self):
        directory = self.copy()
        path = self.newest_file(directory)
        with open(path, "r+b") as file:
            file.seek(100)  # of the first image
            byte = file.read(1)[0]
            file.seek(100)
            file.write(bytes([byte ^ 1]))
        self.check(directory, 35, "damaged")
        self.assertIn(path.name, run(["dump", directory], expect=7)[1])
        run(["inspect", directory])  # it reads no image

    def test_a_short_file_a_missing_one_and_a_damaged_manifest_are_told(self):
        directory = self.copy()
        path = self.newest_file(directory)
        os.truncate(path, path.stat().st_size - 8)
        self.check(directory, 36, "cut-short")
        for verb in ("inspect", "dump"):
            self.assertIn(path.name, run([verb, directory], expect=7)[1])
        # Others are listed; that one with why it is not.
        rows = objects(run(["list", directory, "--json"], expect=7)[0])
        self.assertEqual([row["checkpoint"] for row in rows], self.numbers)
        self.assertIn(path.name, rows[-1]["failure"])
        self.assertNotIn("failure", rows[0])
        path.unlink()
        self.check(directory, 38, "missing")

        directory = self.copy()
        manifest = directory / f"manifest-{self.numbers[-1]:010}"
        manifest.write_bytes(manifest.read_bytes().replace(b"checkpointed", b"checkpoinded"))
        self.check(directory, 37, "manifest")
        stderr = run(["inspect", directory], expect=7)[1]
        self.assertIn(manifest.name, stderr)
        self.assertIn("--restore N goes on from there", stderr)
        run(["inspect", directory, self.numbers[0]])
        # Who decides to go on from the one before can.
        run(["delete", directory, self.numbers[-1], "--force"])
        run(["inspect", directory])

    def test_a_terminal_sees_how_far_it_is(self):
        directory = self.copy()
        leader, follower = pty.openpty()
        process = subprocess.Popen([WEIR, "checkpoint", "fsck", directory], stderr=follower,
                                   stdout=subprocess.PIPE)
        os.close(follower)
        self.assertIn(b"checkpoints in ", process.communicate(timeout=SOON)[0])
        os.close(leader)
        self.assertEqual(process.returncode, self.code(directory))


class TheJobsOwnCommandLine(CheckpointTest):
    """Of weir_main, where it has to do with checkpoints."""

    def job(self, *words, expect=0):
        done = subprocess.run([JOB, *map(str, words)], capture_output=True, text=True,
                              check=False, timeout=SOON)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout, done.stderr

    def test_options_of_checkpoints_need_checkpoints(self):
        for option in ("--restore", "--checkpoint-interval", "--checkpoints-kept"):
            for verb in ("run", "plan"):
                stderr = self.job(verb, option, "5", expect=2)[1]
                self.assertIn(f": {option} needs --checkpoints DIR;", stderr)
        stderr = self.job("run", "--replay-to", self.root / "new", expect=2)[1]
        self.assertIn(": --replay-to needs --until POINT;", stderr)

    def test_says_what_it_goes_on_from(self):
        directory = self.copy()
        newest = self.numbers[-1]
        more = str(self.offset(directory) + 100)
        words = ("run", "--checkpoints", directory, "--rate", "3000", "--events", more)
        self.assertRegex(self.job(*words)[1], rf"^weir: checkpointed: goes on from checkpoint "
                         rf"{newest} of 20[-0-9]+T[0-9:.]+Z in {directory}\n$")
        self.assertNotIn("goes on from", self.job(*words)[1])  # it had ended
        anew = ("run", "--checkpoints", self.root / "anew", "--events", "10", "--rate", "1000")
        self.assertEqual(self.job(*anew)[1], "")

    def test_a_savepoint_given_again_is_refused_with_what_to_do(self):
        directory = self.copy()
        stderr = self.job("run", "--checkpoints", directory, "--restore", self.shared,
                          expect=5)[1]
        self.assertIn(f"leave restore (--restore {self.shared}) out to go on", stderr)

    def test_a_replay_says_when_the_input_ended_before_the_point(self):
        for events, at, words in (("300", "@200", "the state at that point is in "),
                                  ("300", "@300", "the state at that point is in "),
                                  ("300", "@301", "the input ended before that point; the state")):
            stderr = self.job("run", "--events", events, "--rate", "100000", "--until", at,
                              "--replay-to", self.root / f"to{at}")[1]
            self.assertIn(words, stderr, at)

    def test_sizes_may_have_a_unit(self):
        for size in ("20M", "1048576", "2G", "512K"):
            self.job("plan", "--state-budget", size)
        self.assertIn("not a value for --state-budget",
                      self.job("plan", "--state-budget", "20Q", expect=2)[1])

    def test_its_help_and_the_reference_have_the_same_exit_codes(self):
        page = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
        first_table = page.read_text().split("`weir log fsck` has a code", 1)[0]
        told = re.findall(r"^\| (\d+) \|", first_table, re.M)
        helped = self.job("--help")[0].split("exit codes:", 1)[1]
        self.assertEqual(re.findall(r"^ +(\d+)  \w", helped, re.M), told)


def main():
    global WEIR, JOB
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--job", required=True)
    given, rest = parser.parse_known_args()
    WEIR = str(pathlib.Path(given.weir).resolve())
    JOB = str(pathlib.Path(given.job).resolve())
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
