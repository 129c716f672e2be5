"""`weir log`, run as a user would: each verb, both outputs, exit codes, pipes, signals, damage.

    python3 test_log_command.py --weir PATH [unittest's arguments]

Each test has a directory of its own. What a machine does not allow (another user, a mount) is
skipped by name.
"""

import argparse
import itertools
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

SOON = 300  # seconds in which what does not hang has ended, also in a slow build under load
WEIR = None
FIELDS = "at time, card u64, cents i64, note str"


def payment(minute, card, cents=100, note="n"):
    return json.dumps({"at": f"2026-03-01T10:{minute:02}:00Z", "card": card, "cents": cents,
                       "note": note}, separators=(",", ":"))


class LogTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="log-command-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.log = str(self.directory / "log")

    def run_weir(self, *words, stdin="", expect=0, **options):
        """stdout of `weir log ...`; its stderr is left in self.stderr."""
        done = subprocess.run([WEIR, "log", *map(str, words)], input=stdin, text=True,
                              capture_output=True, timeout=SOON, check=False, **options)
        self.stderr = done.stderr
        self.assertEqual(done.returncode, expect, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, *words, **options):
        process = subprocess.Popen([WEIR, "log", *map(str, words)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def finish(self, process):
        try:
            stdout, stderr = process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            self.fail(f"{process.args} hangs")
        return process.returncode, stdout, stderr

    def await_so(self, is_so, sentence):
        ends = time.monotonic() + SOON
        while not is_so():
            self.assertLess(time.monotonic(), ends, sentence)
            time.sleep(0.02)

    def json_lines(self, text):
        return [json.loads(line) for line in text.splitlines()]

    def make_text(self, *more, lines=()):
        self.run_weir("create", self.log, "lines", *more)
        if lines:
            self.run_weir("append", self.log, "lines", stdin="".join(f"{line}\n" for line in lines))

    def make_payments(self, *more):
        self.run_weir("create", self.log, "payments", "--fields", FIELDS, "--time-field", "at",
                      "--key-field", "card", *more)

    def segments(self, topic="lines", partition=0):
        return sorted(pathlib.Path(self.log, "topics", topic, str(partition)).glob("*.segment"))

    def end_offset(self, topic="lines", partition=0):
        info = json.loads(self.run_weir("info", self.log, topic, "--json"))
        return info["partitions"][partition]["end"]


class TheCommandLine(LogTest):
    def test_help_and_version_go_to_stdout(self):
        for words in (["--help"], ["--version"], ["log", "--help"]):
            done = subprocess.run([WEIR, *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn("weir", done.stdout)

    def test_every_verb_has_a_help_with_an_example(self):
        helped = self.run_weir("--help")
        verbs = [line.split()[0] for line in helped.splitlines() if line.startswith("  ")
                 and line[2] != " "]
        self.assertGreaterEqual(len(verbs), 13)
        for verb in verbs:
            page = self.run_weir(verb, "--help")
            self.assertIn(f"usage: weir log {verb} ", page)
            self.assertIn(f"  weir log {verb} ", page.split("--help", 1)[1])
            self.assertLessEqual(max(map(len, page.splitlines())), 110, verb)

    def test_a_mistyped_word_is_answered_with_the_one_meant(self):
        self.run_weir("raed", self.log, "lines", expect=2)
        self.assertIn("did you mean read", self.stderr)
        self.run_weir("read", "--ofset", "3", self.log, "lines", expect=2)
        self.assertIn("did you mean --offset", self.stderr)
        self.make_text()
        self.run_weir("read", self.log, "line", expect=4)
        self.assertIn("did you mean lines?", self.stderr)

    def test_wrong_values_are_refused_by_the_option_s_name(self):
        for words in (["-o", "soon"], ["-c", "-1"], ["-p", "x"], ["--from", "yesterday"],
                      ["-f", "%q"], ["-f", "\\q"], ["--nothing"], ["-c"]):
            self.run_weir("read", "nowhere", "t", *words, expect=2 if words[0] != "-f" else 4)
        self.make_text()
        self.run_weir("read", self.log, "lines", "-f", "%q", expect=2)
        self.assertIn("%q", self.stderr)
        self.run_weir("read", self.log, expect=2)
        self.assertIn("the topic is missing", self.stderr)
        self.run_weir("read", self.log, "lines", "more", expect=2)

    def test_a_value_that_is_not_taken_is_answered_with_what_would_be(self):
        for option, value, answer in (("-c", "x", "whole number"), ("-o", "soon", "s@2026-03-01"),
                                      ("--from", "yesterday", "-2h"), ("-p", "a", "0,2-5")):
            self.run_weir("read", self.log, "lines", option, value, expect=2)
            self.assertIn(answer, self.stderr)
        for option, value, answer in (("--segment-bytes", "big", "64KiB"),
                                      ("--retain-age", "5", "1h30m"), ("-z", "gzip", "zstd"),
                                      ("--partitions", "0", "one at least")):
            self.run_weir("create", self.log, "lines", option, value, expect=2)
            self.assertIn(answer, self.stderr)
        self.assertFalse(pathlib.Path(self.log).exists())

    def test_a_directory_that_is_no_log_is_answered_in_the_words_of_the_command(self):
        self.run_weir("info", self.log, expect=4)
        self.assertIn("weir log create", self.stderr)
        pathlib.Path(self.log).mkdir()
        self.run_weir("info", self.log, expect=4)
        self.assertIn("weir log create", self.stderr)
        pathlib.Path(self.log, "letter").touch()
        self.run_weir("info", self.log, expect=5)
        self.assertIn("choose a log's directory", self.stderr)

    def test_a_topic_may_be_named_by_an_option(self):
        self.make_text(lines=["a"])
        self.assertEqual(self.run_weir("read", "-t", "lines", self.log), "a\n")


class Making(LogTest):
    def test_a_log_is_made_with_its_first_topic(self):
        self.run_weir("create", self.log, "lines", "--partitions", "3", "--retain-age", "7d",
                      "--retain-bytes", "10GB", "--segment-bytes", "1MiB", "-z", "zstd")
        info = json.loads(self.run_weir("info", self.log, "lines", "--json"))
        self.assertEqual(len(info["partitions"]), 3)
        self.assertEqual(info["retain_age_us"], 7 * 86400 * 10**6)
        self.assertEqual(info["retain_bytes"], 10**10)
        self.assertEqual(info["segment_bytes"], 1 << 20)
        self.assertEqual(info["compression"], "zstd")

    def test_a_log_alone_is_made_once(self):
        self.run_weir("create", self.log)
        self.assertIn("was made", self.stderr)
        self.run_weir("create", self.log)
        self.assertIn("is there already", self.stderr)

    def test_a_topic_that_is_there_is_not_made_again(self):
        self.make_text()
        self.run_weir("create", self.log, "lines", expect=5)
        self.assertIn("--if-missing", self.stderr)
        self.run_weir("create", self.log, "lines", "--if-missing")

    def test_a_schema_is_read_from_a_file_and_printed_as_it_is_read(self):
        schema = self.directory / "payment"
        schema.write_text("record payment\nat time\nprice record money\n  cents i64\n")
        self.run_weir("create", self.log, "a", "--schema", schema)
        printed = self.run_weir("info", self.log, "a", "--schema-only")
        self.run_weir("create", self.log, "b", "--schema", "-", stdin=printed)
        self.assertEqual(self.run_weir("info", self.log, "b", "--schema-only"), printed)
        self.run_weir("append", self.log, "b",
                      stdin='{"at":"2026-03-01T00:00:00Z","price":{"cents":5}}\n')
        self.assertIn('"cents":5', self.run_weir("read", self.log, "b"))

    def test_a_topic_is_made_like_another(self):
        self.make_payments("--partitions", "2", "--retain-age", "3d")
        self.run_weir("create", self.log, "more", "--like", "payments", "--retain-age", "0")
        other = self.directory / "other"
        self.run_weir("create", other, "again", "--like", f"{self.log}/payments")
        for log, topic, age in ((self.log, "more", 0), (other, "again", 3 * 86400 * 10**6)):
            info = json.loads(self.run_weir("info", log, topic, "--json"))
            self.assertEqual((info["key"], info["time"]), ("card", "at"))
            self.assertEqual(len(info["partitions"]), 2)
            self.assertEqual(info["retain_age_us"], age)

    def test_mistakes_in_fields_are_named(self):
        self.run_weir("create", self.log, "a", "--fields", "at tyme", expect=2)
        self.assertIn("at tyme", self.stderr)
        self.run_weir("create", self.log, "a", "--fields", "at time", "--key-field", "kard",
                      expect=2)
        self.assertIn("kard", self.stderr)
        self.run_weir("create", self.log, "a", "--schema", self.directory / "none", expect=4)

    def test_settings_are_changed_one_by_one(self):
        self.run_weir("create", self.log, "lines", "--retain-age", "7d", "--retain-bytes", "1GiB")
        self.run_weir("alter", self.log, "lines", "--retain-age", "1d", "--compacted")
        info = json.loads(self.run_weir("info", self.log, "lines", "--json"))
        self.assertEqual(info["retain_age_us"], 86400 * 10**6)
        self.assertEqual(info["retain_bytes"], 1 << 30)
        self.assertTrue(info["compacted"])
        self.run_weir("alter", self.log, "lines", "--not-compacted")
        info = json.loads(self.run_weir("info", self.log, "lines", "--json"))
        self.assertFalse(info["compacted"])

    def test_a_type_that_does_not_fit_is_refused_by_its_field(self):
        self.make_payments()
        self.run_weir("alter", self.log, "payments", "--fields",
                      "at time, card str, cents i64, note str", expect=11)
        self.assertIn("card", self.stderr)
        self.run_weir("alter", self.log, "payments", "--fields", FIELDS + ", more u32")

    def test_a_topic_is_deleted_when_it_is_said_so(self):
        self.make_text(lines=["a"])
        self.run_weir("delete", self.log, "lines", expect=2)
        self.run_weir("delete", self.log, "lines", "--yes")
        self.run_weir("read", self.log, "lines", expect=4)

    def test_it_asks_on_a_terminal(self):
        self.make_text(lines=["a"])
        for answer, code in ((b"n\n", 130), (b"y\n", 0)):
            terminal, end = pty.openpty()
            process = subprocess.Popen([WEIR, "log", "delete", self.log, "lines"], stdin=end,
                                       stdout=end, stderr=end, close_fds=True)
            os.close(end)
            os.write(terminal, answer)
            self.assertEqual(process.wait(SOON), code)
            os.close(terminal)


class AppendingAndReading(LogTest):
    def test_lines_come_back_as_they_went(self):
        lines = ["", "a", "ä € 😀", " spaces ", "\t", "x" * 300000, "last"]
        self.make_text()
        self.run_weir("append", self.log, "lines", stdin="\n".join(lines))  # the last has no \n
        self.assertEqual(self.run_weir("read", self.log, "lines"), "\n".join(lines) + "\n")

    def test_the_summary_tells_offsets(self):
        self.make_text()
        self.run_weir("append", self.log, "lines", stdin="a\nb\n")
        self.assertIn("2 records", self.stderr)
        self.assertIn("offsets 0 to 1", self.stderr)
        done = json.loads(self.run_weir("append", self.log, "lines", "--json", stdin="c\n"))
        self.assertEqual(done["records"], 1)
        self.assertEqual(done["partitions"], [{"partition": 0, "first": 2, "end": 3}])
        self.run_weir("append", self.log, "lines", "-q", stdin="d\n")
        self.assertEqual(self.stderr, "")

    def test_keys_go_to_their_partition_and_come_back(self):
        self.make_text("--partitions", "4")
        keys = [f"k{i % 10}" for i in range(100)]
        self.run_weir("append", self.log, "lines", "-K", ":",
                      stdin="".join(f"{key}:v:{i}\n" for i, key in enumerate(keys)))
        places = {}
        for line in self.run_weir("read", self.log, "lines", "-f", "%k %p %s\\n").splitlines():
            key, partition, value = line.split(" ")
            self.assertTrue(value.startswith("v:"))
            self.assertEqual(places.setdefault(key, partition), partition)
        self.assertEqual(len(places), 10)
        self.assertGreater(len(set(places.values())), 1)
        printed = self.run_weir("read", self.log, "lines", "-K", "\\t")
        self.assertEqual(sorted(printed.splitlines()),
                         sorted(f"{key}\tv:{i}" for i, key in enumerate(keys)))

    def test_a_partition_may_be_chosen(self):
        self.make_text("--partitions", "4")
        self.run_weir("append", self.log, "lines", "-p", "2", stdin="a\n")
        self.assertEqual(self.run_weir("read", self.log, "lines", "-p", "2"), "a\n")
        self.assertEqual(self.run_weir("read", self.log, "lines", "-p", "0,1,3"), "")
        self.run_weir("append", self.log, "lines", "-p", "4", stdin="a\n", expect=4)
        self.run_weir("append", self.log, "lines", "-p", "0,1", stdin="a\n", expect=2)
        self.run_weir("read", self.log, "lines", "-p", "4", expect=4)

    def test_delimiters_of_several_bytes_cut_records(self):
        self.make_text()
        self.run_weir("append", self.log, "lines", "-D", "aab", stdin="x\nyaabz\naaaab\naab\naa")
        self.assertEqual(self.run_weir("read", self.log, "lines", "-D", "|"), "x\ny|z\naa|\n|\naa|")

    def test_a_deletion_is_written_and_shown(self):
        self.make_text()
        self.run_weir("append", self.log, "lines", "-K", ":", "-Z", stdin="a:1\na:\n")
        self.assertEqual(self.run_weir("read", self.log, "lines", "-Z", "-K", ":"), "a:1\na:NULL\n")
        self.assertEqual(self.run_weir("read", self.log, "lines", "-f", "%C %S\\n"),
                         "insert 1\ndelete -1\n")
        envelopes = self.json_lines(self.run_weir("read", self.log, "lines", "--json"))
        self.assertEqual([one.get("retracted") for one in envelopes], [None, True])

    def test_json_objects_become_records(self):
        self.make_payments()
        lines = [payment(i, i % 3, note="a note of some length " + str(i)) for i in range(20)]
        self.run_weir("append", self.log, "payments", stdin="\n".join(lines) + "\n")
        self.assertEqual(self.run_weir("read", self.log, "payments").splitlines(), lines)
        one = json.loads(self.run_weir("read", self.log, "payments", "-o", "7", "-c", "1", "-J"))
        self.assertEqual((one["topic"], one["partition"], one["offset"], one["time"]),
                         ("payments", 0, 7, "2026-03-01T10:07:00Z"))
        self.assertEqual(one["record"], json.loads(lines[7]))
        self.assertEqual(self.run_weir("read", self.log, "payments", "-c", "1", "-f",
                                       "%t %p %o %k %T %I %K\\n"),
                         "payments 0 0 0 1772359200000 2026-03-01T10:00:00Z 1\n")

    def test_a_broken_line_stops_it_and_what_came_before_is_kept(self):
        self.make_payments()
        lines = f"{payment(0, 1)}\nbroken\n{payment(1, 1)}\n"
        self.run_weir("append", self.log, "payments", stdin=lines, expect=1)
        self.assertIn("line 2", self.stderr)
        self.assertEqual(self.end_offset("payments"), 1)
        self.run_weir("append", self.log, "payments", "--broken", "skip", stdin=lines)
        self.assertIn("line 2", self.stderr)
        self.assertEqual(self.end_offset("payments"), 3)
        self.run_weir("append", self.log, "payments", "--broken", "mend", stdin=lines, expect=2)

    def test_files_are_appended_one_after_the_other(self):
        self.make_text()
        for name in "ab":
            (self.directory / name).write_text(f"1{name}\n2{name}\n")
        self.run_weir("append", self.log, "lines", self.directory / "a", self.directory / "b")
        self.assertEqual(self.run_weir("read", self.log, "lines"), "1a\n2a\n1b\n2b\n")
        self.run_weir("append", self.log, "lines", self.directory / "c", expect=4)

    def test_a_transaction_is_all_or_nothing(self):
        self.make_payments()
        good = f"{payment(0, 1)}\n{payment(1, 1)}\n"
        self.run_weir("append", self.log, "payments", "--transaction", "load",
                      stdin=good + "broken\n", expect=1)
        self.assertEqual(self.run_weir("read", self.log, "payments"), "")
        self.assertEqual(len(self.run_weir("read", self.log, "payments",
                                           "--uncommitted").splitlines()), 2)
        self.run_weir("append", self.log, "payments", "--transaction", "load", stdin=good)
        self.assertEqual(self.run_weir("read", self.log, "payments"), good)

    def test_it_tees_and_counts(self):
        self.make_text()
        self.assertEqual(self.run_weir("append", self.log, "lines", "-T", "-c", "2",
                                       stdin="a\nb\nc\n"), "a\nb\n")
        self.assertEqual(self.end_offset(), 2)

    def test_each_durability_acknowledges(self):
        self.make_text()
        for durability in ("disk", "interval", "os"):
            self.run_weir("append", self.log, "lines", "--durability", durability, stdin="a\n")
        self.assertEqual(self.end_offset(), 3)
        self.run_weir("append", self.log, "lines", "--durability", "hope", stdin="a\n", expect=2)


class Places(LogTest):
    def setUp(self):
        super().setUp()
        self.make_payments()
        lines = [payment(i, 1, cents=i) for i in range(10)]
        self.run_weir("append", self.log, "payments", stdin="\n".join(lines) + "\n")

    def cents(self, *words, **options):
        printed = self.run_weir("read", self.log, "payments", *words, **options)
        return [record["cents"] for record in self.json_lines(printed)]

    def test_places_are_where_they_say(self):
        self.assertEqual(self.cents("-o", "beginning"), list(range(10)))
        self.assertEqual(self.cents("-o", "end"), [])
        self.assertEqual(self.cents("-o", "7"), [7, 8, 9])
        self.assertEqual(self.cents("-o", "10"), [])
        self.assertEqual(self.cents("-o", "-3"), [7, 8, 9])
        self.assertEqual(self.cents("-o", "-99"), list(range(10)))
        self.assertEqual(self.cents("-o", "2", "-c", "3"), [2, 3, 4])
        self.assertEqual(self.cents("-c", "0"), [])
        self.assertEqual(self.cents("-o", "s@2026-03-01T10:08:00Z"), [8, 9])
        self.assertEqual(self.cents("-o", "s@2026-03-01T10:02:00Z", "-o",
                                    "e@2026-03-01T10:04:00Z"), [2, 3])
        self.assertEqual(self.cents("--from", "2026-03-01T10:08:00Z"), [8, 9])
        self.assertEqual(self.cents("--until", "2026-03-01T10:02:00Z"), [0, 1])
        self.assertEqual(self.cents("--until", "2026-03-01"), [])

    def test_an_offset_behind_the_end_is_not_there(self):
        self.cents("-o", "11", expect=4)
        self.assertIn("ends at 10", self.stderr)

    def test_an_offset_that_no_partition_has_yet_is_not_there(self):
        self.run_weir("create", self.log, "pair", "--partitions", "2")
        self.run_weir("append", self.log, "pair", "-p", "1", stdin="a\nb\n")
        self.run_weir("read", self.log, "pair", "-o", "3", expect=4)
        self.assertIn("ends at 2", self.stderr)
        self.assertEqual(self.run_weir("read", self.log, "pair", "-o", "1"), "b\n")

    def test_records_that_are_gone_are_told(self):
        self.run_weir("truncate", self.log, "payments", "--before", "4", "--yes")
        self.assertEqual(self.cents("-o", "2", expect=4), list(range(4, 10)))
        self.assertIn("offsets 2 to 3 are gone", self.stderr)
        self.assertEqual(self.cents("-o", "4"), list(range(4, 10)))

    def test_truncation_from_a_place_takes_what_is_behind(self):
        self.run_weir("truncate", self.log, "payments", "--from", "-2", expect=2)  # it would ask
        self.run_weir("truncate", self.log, "payments", "--before", "1", "--from", "3", "-y",
                      expect=2)
        done = json.loads(self.run_weir("truncate", self.log, "payments", "--from", "-2", "-y",
                                        "--json"))
        self.assertEqual((done["first"], done["end"]), (8, 10))
        self.assertEqual(self.cents(), list(range(8)))
        self.run_weir("truncate", self.log, "payments", "--before", "s@2026-03-01T10:03:00Z", "-y")
        self.assertEqual(self.cents(), list(range(3, 8)))

    def test_info_finds_the_offset_of_a_time(self):
        info = json.loads(self.run_weir("info", self.log, "payments", "--json", "--at",
                                        "2026-03-01T10:03:30Z"))
        self.assertEqual(info["partitions"][0]["at"], 4)
        self.assertEqual(info["partitions"][0]["first_time"], "2026-03-01T10:00:00Z")
        self.assertEqual(info["partitions"][0]["last_time"], "2026-03-01T10:09:00Z")
        self.assertIn("topic payments", self.run_weir("info", self.log))

    def test_a_consumer_goes_on_where_it_was(self):
        self.assertEqual(self.cents("-G", "audit", "-c", "3"), [0, 1, 2])
        listed = self.json_lines(self.run_weir("consumers", self.log, "--json"))
        self.assertEqual([(one["consumer"], one["offset"], one["lag"]) for one in listed],
                         [("audit", 3, 7)])
        self.assertEqual(self.cents("-G", "audit", "-o", "stored"), list(range(3, 10)))
        self.assertEqual(self.cents("-G", "audit"), [])
        self.cents("-o", "stored", expect=2)
        self.run_weir("consumers", self.log, "payments", "-G", "audit", "--set", "-2")
        self.assertIn("audit", self.run_weir("consumers", self.log))
        self.assertEqual(self.cents("-G", "audit"), [8, 9])
        self.run_weir("consumers", self.log, "-G", "nobody", expect=4)
        self.run_weir("consumers", self.log, "-G", "audit", "--delete")
        self.run_weir("consumers", self.log, "-G", "audit", "--delete", expect=4)

    def test_a_consumer_is_set_within_a_topic_that_is_there(self):
        self.cents("-G", "audit")
        for words in (("-G", "audit"), ()):
            self.run_weir("consumers", self.log, "payment", *words, expect=4)
            self.assertIn("did you mean payments", self.stderr)
        self.run_weir("consumers", self.log, "payments", "-G", "audit", "--set", "11", expect=4)
        self.assertIn("ends at 10", self.stderr)
        self.run_weir("consumers", self.log, "payments", "-G", "audit", "--set", "10")

    def test_a_topic_that_keeps_all_is_not_compacted_and_the_option_is_named(self):
        self.run_weir("compact", self.log, "payments", expect=2)
        self.assertIn("weir log alter --compacted", self.stderr)

    def test_export_writes_tables_and_lines(self):
        path = self.directory / "out.csv"
        self.run_weir("export", self.log, "payments", "--format", "csv", "--output", path)
        rows = path.read_text().splitlines()
        self.assertEqual(rows[0], "at,card,cents,note")
        self.assertEqual(rows[1], "2026-03-01T10:00:00Z,1,0,n")
        self.assertEqual(len(rows), 11)
        self.assertEqual(self.run_weir("export", self.log, "payments"),
                         self.run_weir("read", self.log, "payments"))
        self.run_weir("export", self.log, "payments", "--format", "raw", expect=2)
        self.run_weir("export", self.log, "payments", "--format", "xml", expect=2)
        self.run_weir("export", self.log, "payments", "--output", self.directory / "no" / "file",
                      expect=4)
        self.assertEqual(list(self.directory.glob("*.part")), [])

    def test_an_export_of_a_part_has_that_part(self):
        printed = self.run_weir("export", self.log, "payments", "--from", "2026-03-01T10:02:00Z",
                                "--until", "2026-03-01T10:05:00Z")
        self.assertEqual([one["cents"] for one in self.json_lines(printed)], [2, 3, 4])


class Upkeep(LogTest):
    def test_compaction_keeps_the_last_of_each_key(self):
        self.run_weir("create", self.log, "lines", "--compacted", "--segment-bytes", "64KiB")
        for i in range(20):
            self.run_weir("append", self.log, "lines", "-K", ":", "-q",
                          stdin="".join(f"k{key}:{i}{'x' * 500}\n" for key in range(20)))
        done = json.loads(self.run_weir("compact", self.log, "lines", "--json"))
        self.assertLess(done["bytes_after"], done["bytes_before"])
        self.assertEqual(done["freed"], done["bytes_before"] - done["bytes_after"])
        values = {}
        for line in self.run_weir("read", self.log, "lines", "-f", "%k %s\\n").splitlines():
            key, value = line.split(" ")
            values[key] = value.rstrip("x")
        self.assertEqual(values, {f"k{key}": "19" for key in range(20)})
        self.run_weir("fsck", self.log)

    def test_retention_is_applied(self):
        self.run_weir("create", self.log, "lines", "--retain-bytes", "100KiB", "--segment-bytes",
                      "64KiB")
        for _ in range(10):
            self.run_weir("append", self.log, "lines", "-q", stdin="x" * 30000 + "\n")
        self.run_weir("retain", self.log, "lines")
        info = json.loads(self.run_weir("info", self.log, "lines", "--json"))["partitions"][0]
        self.assertGreater(info["first"], 0)
        self.assertEqual(info["end"], 10)


class PipesAndSignals(LogTest):
    def test_a_reader_that_goes_away_ends_it_quietly(self):
        self.make_text(lines=["x" * 100] * 20000)
        for words in (["read"], ["export", "--format", "raw"], ["tail", "-n", "20000"]):
            process = self.start(words[0], self.log, "lines", *words[1:])
            self.assertEqual(process.stdout.readline(), "x" * 100 + "\n")
            process.stdout.close()
            self.assertEqual(process.wait(SOON), 0, words)
            self.assertEqual(process.stderr.read(), "", words)

    def test_a_follower_notices_that_nobody_reads_any_more(self):
        self.make_text(lines=["a"])
        process = self.start("tail", self.log, "lines")
        self.assertEqual(process.stdout.readline(), "a\n")
        process.stdout.close()
        self.assertEqual(process.wait(SOON), 0)

    def test_tail_shows_the_last_ones_and_those_that_come(self):
        self.make_text(lines=map(str, range(30)))
        process = self.start("tail", self.log, "lines", "-n", "2", "--follow")
        self.assertEqual([process.stdout.readline() for _ in range(2)], ["28\n", "29\n"])
        self.run_weir("append", self.log, "lines", stdin="new\n")
        self.assertEqual(process.stdout.readline(), "new\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process), (0, "", ""))
        self.assertEqual(self.run_weir("tail", self.log, "lines", "-n", "1", "-e"), "new\n")

    def test_an_interrupted_append_has_acknowledged_what_it_read(self):
        self.make_text()
        process = self.start("append", self.log, "lines")
        process.stdin.write("a\nb\n")
        process.stdin.flush()
        self.await_so(lambda: self.run_weir("read", self.log, "lines") == "a\nb\n",
                      "what is appended is not to be read")
        process.send_signal(signal.SIGINT)
        code, _, stderr = self.finish(process)
        self.assertEqual(code, 130)
        self.assertIn("2 records", stderr)
        self.assertEqual(self.run_weir("read", self.log, "lines"), "a\nb\n")
        self.run_weir("fsck", self.log)

    def test_an_interrupted_transaction_leaves_nothing(self):
        self.make_text()
        process = self.start("append", self.log, "lines", "--transaction", "t")
        process.stdin.write("a\n")
        process.stdin.flush()
        self.await_so(lambda: self.run_weir("read", self.log, "lines", "--uncommitted") == "a\n",
                      "what is appended is not to be read uncommitted")
        self.assertEqual(self.run_weir("read", self.log, "lines"), "")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)
        self.assertEqual(self.run_weir("read", self.log, "lines"), "")

    def test_the_second_writer_is_told_who_the_first_is(self):
        self.make_text()
        process = self.start("append", self.log, "lines")
        process.stdin.write("a\n")
        process.stdin.flush()
        self.await_so(lambda: self.run_weir("read", self.log, "lines") == "a\n", "nothing comes")
        for words in (["append", self.log, "lines"], ["create", self.log, "more"],
                      ["truncate", self.log, "lines", "--before", "end", "-y"],
                      ["compact", self.log, "lines"]):
            self.run_weir(*words, expect=5)
            self.assertIn(f"process {process.pid}", self.stderr)
        done = json.loads(self.run_weir("fsck", self.log, "--json").splitlines()[-1])
        self.assertTrue(done["has_writer"])
        self.assertEqual(self.finish(process)[0], 0)

    def test_a_killed_writer_leaves_a_log_that_goes_on(self):
        self.make_text()
        process = self.start("append", self.log, "lines")
        process.stdin.write("a\n")
        process.stdin.flush()
        self.await_so(lambda: self.run_weir("read", self.log, "lines") == "a\n", "nothing comes")
        process.kill()
        process.wait(SOON)
        self.run_weir("append", self.log, "lines", stdin="b\n")
        self.assertEqual(self.run_weir("read", self.log, "lines"), "a\nb\n")
        self.run_weir("fsck", self.log)

    def test_a_disk_that_is_full_for_stdout_is_a_failure(self):
        self.make_text(lines=["a"])
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([WEIR, "log", "read", self.log, "lines"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=SOON)
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn("stdout: cannot write", done.stderr)

    def test_progress_is_for_terminals_only(self):
        self.make_text(lines=["a"])
        terminal, end = pty.openpty()
        with open(self.directory / "out", "wb") as out:
            process = subprocess.Popen([WEIR, "log", "append", self.log, "lines"],
                                       stdin=subprocess.PIPE, stdout=out, stderr=end)
            os.close(end)
            process.communicate(b"a\nb\n", timeout=SOON)
        shown = os.read(terminal, 65536)
        os.close(terminal)
        self.assertIn(b"\r\x1b[K", shown)
        self.assertIn(b"2 records", shown)
        self.run_weir("append", self.log, "lines", stdin="a\n")
        self.assertNotIn("\x1b", self.stderr)


class Damage(LogTest):
    def setUp(self):
        super().setUp()
        self.run_weir("create", self.log, "lines", "--segment-bytes", "64KiB")
        for i in range(8):
            self.run_weir("append", self.log, "lines", "-q", stdin=f"{i}{'x' * 30000}\n")
        self.assertGreaterEqual(len(self.segments()), 4)

    def fsck(self, code):
        """The findings; --json and text agree."""
        told = self.json_lines(self.run_weir("fsck", self.log, "--json", expect=code))
        self.assertEqual(told[-1]["exit_code"], code)
        self.assertEqual(told[-1]["findings"], len(told) - 1)
        lines = self.run_weir("fsck", self.log, expect=code).splitlines()
        self.assertEqual([f"{one['kind']}: {one['sentence']}" for one in told[:-1]], lines[:-1])
        return told[:-1]

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 0x40]))

    def test_a_whole_log_is_clean(self):
        self.assertEqual(self.fsck(0), [])

    def test_a_flipped_byte_is_found_by_fsck_and_by_readers(self):
        self.flip(self.segments()[1], 4096 + 96 + 50)
        found = self.fsck(21)
        self.assertEqual(found[0]["byte"], 4096)
        self.assertEqual(found[0]["file"], str(self.segments()[1]))
        first = found[0]["first_offset"]
        printed = self.run_weir("read", self.log, "lines", expect=7)
        self.assertEqual(len(printed.splitlines()), first)
        self.assertEqual(self.run_weir("read", self.log, "lines", "-o", found[0]["end_offset"])[0],
                         str(found[0]["end_offset"]))

    def test_a_segment_cut_short_is_found(self):
        os.truncate(self.segments()[1], 20000)
        self.assertEqual(self.fsck(22)[0]["kind"], "cut-short")

    def test_what_lies_before_damage_is_printed_and_the_place_is_the_one_fsck_names(self):
        for segment, harm in itertools.product((1, -1), (20000, 60000)):
            with self.subTest(segment=segment, harm=harm):
                path = self.segments()[segment]
                whole = path.read_bytes()
                os.truncate(path, harm)
                found = self.fsck(22)[0]
                for place in ((), ("-o", "s@2020-01-01")):
                    printed = self.run_weir("read", self.log, "lines", *place, expect=7)
                    self.assertEqual([line[0] for line in printed.splitlines()],
                                     [str(i) for i in range(found["first_offset"])])
                    self.assertIn(str(path), self.stderr)
                    for sentence in (self.stderr, found["sentence"]):
                        self.assertIn(f"at byte {found['byte']} ", sentence)
                        self.assertIn(f"offset {found['first_offset']} ", sentence)
                    self.assertEqual(len(self.stderr.splitlines()), 1)
                path.write_bytes(whole)
        self.fsck(0)

    def test_other_partitions_are_printed_to_their_end_when_one_is_damaged(self):
        self.run_weir("create", self.log, "pair", "--partitions", "2", "--segment-bytes", "64KiB")
        for i in range(6):
            for partition in "0", "1":
                self.run_weir("append", self.log, "pair", "-q", "-p", partition,
                              stdin=f"{partition}{i}{'x' * 30000}\n")
        os.truncate(self.segments("pair", 0)[0], 20000)
        printed = self.run_weir("read", self.log, "pair", expect=7)
        self.assertEqual([line[:2] for line in printed.splitlines()], [f"1{i}" for i in range(6)])
        self.assertEqual(len(self.stderr.splitlines()), 1)
        self.assertIn("partition 0", self.stderr)
        # A consumer goes on there, and stays where the damage is.
        self.run_weir("read", self.log, "pair", "--consumer", "audit", expect=7)
        at = self.json_lines(self.run_weir("consumers", self.log, "--json"))
        self.assertEqual([one["offset"] for one in at], [0, 6])

    def test_a_missing_segment_is_found(self):
        base = int(self.segments()[1].name.split(".")[0])
        self.segments()[1].unlink()
        found = self.fsck(23)
        self.assertEqual(found[0]["first_offset"], base)
        self.run_weir("append", self.log, "lines", stdin="a\n", expect=7)

    def test_swapped_segments_are_found(self):
        first, second = self.segments()[1:3]
        first.rename(first.parent / "swap")
        second.rename(first)
        (first.parent / "swap").rename(second)
        self.assertEqual({one["kind"] for one in self.fsck(24)}, {"foreign"})

    def test_a_small_file_that_is_damaged_is_found(self):
        self.flip(pathlib.Path(self.log, "topics", "lines", "topic"), 20)
        self.assertEqual(self.fsck(25)[0]["kind"], "small-file")
        self.run_weir("read", self.log, "lines", expect=7)

    def test_a_torn_tail_is_told_and_dropped_by_the_next_writer(self):
        with open(self.segments()[-1], "ab") as file:
            file.write(b"half of a batch" * 10)
        self.fsck(20)
        self.run_weir("append", self.log, "lines", stdin="a\n")
        self.fsck(0)

    def test_fsck_changes_nothing(self):
        self.flip(self.segments()[1], 5000)
        before = {path: path.read_bytes() for path in pathlib.Path(self.log).rglob("*")
                  if path.is_file()}
        times = {path: path.stat().st_mtime_ns for path in pathlib.Path(self.log).rglob("*")}
        self.fsck(21)
        self.assertEqual(times, {path: path.stat().st_mtime_ns
                                 for path in pathlib.Path(self.log).rglob("*")})
        self.assertTrue(all(path.read_bytes() == was for path, was in before.items()))

    def test_a_missing_file_of_a_log_or_a_topic_is_damage_and_not_an_unknown_name(self):
        for name in "log", "topics/lines/topic":
            path = pathlib.Path(self.log, name)
            was = path.read_bytes()
            path.unlink()
            for words in (("read", self.log, "lines"), ("append", self.log, "lines"),
                          ("create", self.log, "lines")):
                self.run_weir(*words, expect=7)
                self.assertIn("is missing", self.stderr)
                self.assertIn("fsck", self.stderr)
            self.fsck(25)
            path.write_bytes(was)
        self.fsck(0)

    def test_what_is_no_log_is_told(self):
        self.run_weir("fsck", self.directory / "none", expect=4)
        (self.directory / "else").mkdir()
        (self.directory / "else" / "file").touch()
        self.run_weir("fsck", self.directory / "else", expect=4)
        self.run_weir("fsck", self.log, "line", expect=4)
        for verb in ("info", "create"):
            self.run_weir(verb, self.directory / "else", expect=5)
            self.assertIn("not a log", self.stderr)


class OthersRights(LogTest):
    def as_nobody(self, *words, expect):
        done = subprocess.run([WEIR, "log", *map(str, words)], input="a\n", text=True,
                              capture_output=True, timeout=SOON, check=False, user=65534,
                              group=65534, extra_groups=[])
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def test_a_log_that_may_only_be_read_is_read(self):
        self.make_text(lines=["a", "b"])
        if os.geteuid() != 0:
            for path in pathlib.Path(self.log).rglob("*"):
                path.chmod(0o555 if path.is_dir() else 0o444)
            self.addCleanup(lambda: [path.chmod(0o755)
                                     for path in pathlib.Path(self.log).rglob("*")])
            self.assertEqual(self.run_weir("read", self.log, "lines"), "a\nb\n")
            self.run_weir("append", self.log, "lines", stdin="c\n", expect=3)
            return
        self.directory.chmod(0o755)
        try:
            subprocess.run([WEIR, "--version"], user=65534, group=65534, extra_groups=[],
                           check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError):
            self.skipTest("root ignores modes, and no other user may run the program")
        for path in pathlib.Path(self.log).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.assertEqual(self.as_nobody("read", self.log, "lines", expect=0).stdout, "a\nb\n")
        self.as_nobody("info", self.log, expect=0)
        self.as_nobody("fsck", self.log, expect=0)
        self.as_nobody("append", self.log, "lines", expect=3)
        self.as_nobody("read", self.log, "lines", "-G", "me", expect=3)
        pathlib.Path(self.log).chmod(0)
        self.assertIn("Permission denied", self.as_nobody("fsck", self.log, expect=3).stderr)


class AFullDisk(LogTest):
    def make_small_disk(self):
        disk = self.directory / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", disk],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("a disk of its own cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        self.log = str(disk / "log")
        self.run_weir("create", self.log, "lines", "--segment-bytes", "1MiB")
        filler = disk / "filler"
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 30 << 20)
        return filler

    def write_lines(self, count):
        lines = self.directory / "lines"
        lines.write_text(("x" * 999 + "\n") * count)
        return lines

    def start_until_full(self, *words):
        """`weir log append lines`, started, once it has told of the full disk."""
        said = self.directory / "stderr"
        with open(said, "w", encoding="utf-8") as stderr:
            process = subprocess.Popen([WEIR, "log", "append", self.log, "lines", *words],
                                       stdout=subprocess.DEVNULL, stderr=stderr)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.await_so(lambda: "producers wait" in said.read_text() or process.poll() is not None,
                      "a full disk is not told of")
        self.assertIsNone(process.poll(), said.read_text())
        return process, said

    def interrupt_once(self, count, *words):
        """What is said when an append of so many lines is interrupted on a disk that stays full."""
        process, said = self.start_until_full(*words, self.write_lines(count))
        counts = pathlib.Path("/proc", str(process.pid), "io")
        before = None
        while before != (before := re.search(r"rchar: (\d+)", counts.read_text()).group(1)):
            time.sleep(0.5)  # until it reads no more
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(SOON), 130, said.read_text())
        return said.read_text()

    def check_interrupted(self, count):
        filler = self.make_small_disk()
        said = self.interrupt_once(count)
        found = re.search(r"topic lines: interrupted on a full disk: (\d+) records were "
                          r"acknowledged, (\d+) that were read were not", said)
        self.assertIsNotNone(found, said)
        acknowledged, others = map(int, found.groups())
        self.assertGreater(acknowledged, 0)
        self.assertGreater(others, 0)
        self.assertLessEqual(acknowledged + others, count)
        self.assertEqual(len(self.run_weir("read", self.log, "lines").splitlines()), acknowledged)
        self.assertIn("bytes that were appended are lost", said)
        filler.unlink()
        self.run_weir("append", self.log, "lines", stdin="more\n")
        self.run_weir("fsck", self.log)

    def test_one_interrupt_ends_an_append_that_waits_for_its_acknowledgement(self):
        self.check_interrupted(45000)

    def test_one_interrupt_ends_an_append_that_waits_for_room_in_the_buffer(self):
        self.check_interrupted(130000)

    def test_one_interrupt_ends_a_transaction_and_nothing_of_it_is_left(self):
        filler = self.make_small_disk()
        said = self.interrupt_once(45000, "--transaction", "load")
        self.assertIn("nothing was appended: the transaction load is not committed", said)
        filler.unlink()
        self.run_weir("append", self.log, "lines", "--transaction", "load", stdin="more\n")
        self.assertEqual(self.run_weir("read", self.log, "lines"), "more\n")
        self.run_weir("fsck", self.log)

    def test_writers_pause_readers_go_on_and_it_resumes(self):
        filler = self.make_small_disk()
        lines = self.write_lines(45000)
        process, said = self.start_until_full(lines)
        read = len(self.run_weir("read", self.log, "lines").splitlines())
        self.assertGreater(read, 0)
        self.assertLess(read, 45000)
        filler.unlink()
        self.assertEqual(process.wait(SOON), 0, said.read_text())
        self.assertEqual(len(self.run_weir("read", self.log, "lines").splitlines()), 45000)
        self.run_weir("fsck", self.log)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--weir", required=True)
    given, rest = parser.parse_known_args()
    WEIR = os.path.abspath(given.weir)
    unittest.main(argv=[sys.argv[0], *rest])
