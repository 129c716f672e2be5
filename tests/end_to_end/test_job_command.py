"""`weir job`, run as a user would, on running jobs: each verb, both outputs, what is refused and
with which exit code, and that what the job writes is not changed by any of it.

    python3 test_job_command.py --weir PATH --job PATH [--payments PATH --export PATH]
                                [unittest's arguments]

The small job is checkpointed_job.c. Payments runs from log to log and is held to the oracle.
"""

import argparse
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import compare
import strict_json
import through_log

SOON = 300  # seconds in which what does not hang has ended, also in a slow build under load
EVENTS = 30_000
PARTITIONS = 3
WEIR = JOB = PAYMENTS = EXPORT = None


def weir(words, expect=0, tool="job", **options):
    """stdout and stderr of `weir job ...`."""
    done = subprocess.run([WEIR, tool, *map(str, words)], text=True, capture_output=True,
                          timeout=SOON, check=False, **options)
    if done.returncode != expect:
        raise AssertionError(f"{words}: {done.returncode}, not {expect}\n{done.stdout}\n"
                             f"{done.stderr}")
    return done.stdout, done.stderr


def one_object(text):
    strict_json.read_object(text)
    return json.loads(text)


def await_so(is_so, what, process):
    ends = time.monotonic() + SOON
    while not is_so():
        if process.poll() is not None or time.monotonic() > ends:
            raise AssertionError(f"{what} did not come: {process.communicate()}")
        time.sleep(0.01)


class JobTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="job-command-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.saved = self.root / "saved"

    def start(self, command, saved=None):
        """Started, and listening."""
        saved = saved or self.saved
        process = subprocess.Popen([*map(str, command), "--checkpoints", str(saved), "--quiet"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        await_so(lambda: self.is_listening(saved), "the socket", process)
        return process

    @staticmethod
    def is_listening(saved):
        return subprocess.run([WEIR, "job", "status", saved], capture_output=True,
                              check=False).returncode == 0

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def start_small(self, *words, saved=None):
        return self.start([JOB, "run", "--checkpoint-interval", "50", "--workers", "1", "--events",
                           "100000000", "--rate", "3000", *words], saved)

    def status(self, saved=None):
        return one_object(weir(["status", saved or self.saved, "--json"])[0])

    def await_checkpoint(self, process):
        await_so(lambda: self.status()["checkpoint"], "a checkpoint", process)

    def ends_well(self, process):
        stdout, stderr = process.communicate(timeout=SOON)
        self.assertEqual((process.returncode, stderr), (0, ""))
        return stdout

    def connect(self, line):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.saved / "control"))
        client.sendall(line)
        client.settimeout(SOON)
        return client

    def heard(self, client):
        heard = b""
        while not heard.endswith(b"\n"):
            try:
                more = client.recv(4096)
            except ConnectionResetError:  # it had not been taken
                break
            if not more:
                break
            heard += more
        return heard


class TheCommandLine(JobTest):
    def test_every_verb_has_a_help_with_an_example(self):
        helped, stderr = weir(["--help"])
        self.assertEqual(stderr, "")
        for verb in ("status", "rescale", "savepoint", "stop"):
            self.assertIn(f"\n  {verb} ", helped)
            page = weir([verb, "--help"])[0]
            self.assertIn(f"usage: weir job {verb} ", page)
            self.assertIn(f"  weir job {verb} ", page.split("--help", 1)[1])
            self.assertLessEqual(max(map(len, page.splitlines())), 110, verb)

    def test_mistakes_are_answered_with_what_was_meant(self):
        for words, part in ((["stauts", "x"], "did you mean status"),
                            (["stop", "--drian", "x"], "did you mean --drain"),
                            (["status", "--drain", "x"], "there is no option --drain"),
                            (["stop", "x", "--savepoint"], "a value is missing after --savepoint"),
                            (["status"], "the directory of the checkpoints is missing"),
                            (["rescale", "x"], "the number of workers is missing"),
                            (["savepoint", "x"], "the savepoint's directory is missing"),
                            (["stop", "x", "now"], "do not know what to do with \"now\""),
                            (["rescale", "x", "many"], "\"many\" is not a number of workers"),
                            (["rescale", "x", "0"], "\"0\" is not a number of workers"),
                            (["rescale", "x", "1025"], "\"1025\" is not a number of workers"),
                            (["savepoint", "x", "a\nb"], "is no path that a job could be told"),
                            (["stop", "x", "--savepoint", ""], "is no path that a job could"),
                            (["status", "x", "--timeout", "soon"], "is not a number of seconds"),
                            ([], "usage")):
            stdout, stderr = weir(words, expect=2)
            self.assertIn(part, stderr + stdout, words)

    def test_where_no_job_runs_nothing_is_found(self):
        self.assertIn("there is no such directory", weir(["status", self.saved], expect=4)[1])
        (self.root / "file").touch()
        self.assertIn("there is no such directory",
                      weir(["status", self.root / "file"], expect=4)[1])
        self.assertIn("no job runs on it", weir(["stop", self.root], expect=4)[1])


class ARunningJob(JobTest):
    def test_tells_how_far_it_is(self):
        process = self.start_small("--workers", "2")
        self.await_checkpoint(process)
        first = self.status()
        self.assertEqual((first["job"], first["workers"], first["stopping"]),
                         ("checkpointed", 2, False))
        self.assertGreaterEqual(first["checkpoint_age_us"], 0)
        await_so(lambda: self.status()["rows"] > first["rows"], "a row", process)
        await_so(lambda: self.status()["checkpoint"] > first["checkpoint"], "the next", process)
        self.assertRegex(first["watermark"], r"^2026-01-01T00:00:.*Z$")
        text = weir(["status", self.saved])[0]
        self.assertRegex(text, r"job +checkpointed\nworkers +2\ncheckpoint +\d+, \d\.\d s ago\n"
                               r"rows read +\d+\nwatermark +2026-01-01T")

    def test_gets_other_numbers_of_workers(self):
        process = self.start_small()
        self.assertRegex(weir(["rescale", self.saved, 3])[0], r"^3 workers; paused \d+\.\d ms\n$")
        self.assertEqual(self.status()["workers"], 3)
        answer = one_object(weir(["rescale", self.saved, 1, "--json"])[0])
        self.assertEqual((list(answer), answer["workers"]), (["workers", "paused_us"], 1))
        self.assertEqual(self.status()["workers"], 1)
        self.assertEqual(weir(["rescale", self.saved, 2, "--quiet"])[0], "")
        weir(["stop", self.saved])
        self.ends_well(process)

    def test_copies_its_state_and_goes_on(self):
        process = self.start_small()
        copies = self.root / "copies"
        copies.mkdir()
        self.assertEqual(weir(["savepoint", self.saved, "one"], cwd=copies)[0],
                         f"savepoint in {copies}/one\n")
        self.assertEqual(one_object(weir(["savepoint", self.saved, copies / "two", "--json"])[0]),
                         {"savepoint": f"{copies}/two"})
        for copy in ("one", "two"):
            weir(["fsck", copies / copy], tool="checkpoint")
        rows = self.status()["rows"]
        await_so(lambda: self.status()["rows"] > rows, "a row", process)

    def test_keeps_its_refusals_and_runs_on(self):
        process = self.start_small()
        full = self.root / "full"
        full.mkdir()
        (full / "something").touch()
        for words in (["savepoint", self.saved, full], ["stop", self.saved, "--savepoint", full]):
            stderr = weir(words, expect=5)[1]
            self.assertIn(f"savepoint in {full}: the directory is not empty", stderr)
        lost = self.root / "no" / "where"
        for words in (["savepoint", self.saved, lost], ["stop", self.saved, "--savepoint", lost]):
            self.assertIn("cannot make the directory", weir(words, expect=4)[1])
        self.assertEqual(self.status()["stopping"], False)
        self.assertIsNone(process.poll())

    def test_ends_when_it_is_stopped_and_may_be_started_again_at_once(self):
        for _ in range(3):
            process = self.start_small()
            self.assertEqual(weir(["stop", self.saved])[0], "stopped\n")
            self.assertFalse((self.saved / "control").exists())
            again = self.start_small()
            self.ends_well(process)
            self.assertEqual(one_object(weir(["stop", self.saved, "--json"])[0]),
                             {"stopped": True, "savepoint": None})
            self.ends_well(again)
        self.assertIn("the job was stopped", weir(["list", self.saved], tool="checkpoint")[0])

    def test_stopped_with_a_savepoint_goes_on_from_there(self):
        process = self.start_small()
        self.await_checkpoint(process)
        there = self.root / "there"
        self.assertEqual(weir(["stop", self.saved, "--savepoint", there])[0],
                         f"stopped; savepoint in {there}\n")
        self.ends_well(process)
        # Nothing lies between it and the end.
        dump = [weir(["dump", directory], tool="checkpoint")[0] for directory in
                (self.saved, there)]
        self.assertEqual(*[sorted(lines.splitlines()) for lines in dump])
        other = self.root / "other"
        process = self.start_small("--restore", str(there), saved=other)
        offset, = [line["value"]["offset"] for line in map(json.loads, dump[1].splitlines())
                   if line.get("cell") == "partition"]
        await_so(lambda: self.status(other)["rows"] > offset, "a row", process)

    def test_who_asks_for_its_end_first_waits_for_it(self):
        process = self.start_small()
        process.send_signal(signal.SIGSTOP)
        with self.connect(b"stop\n") as first, self.connect(b"stop\n") as second:
            process.send_signal(signal.SIGCONT)
            # Or it has ended before the second's turn came.
            self.assertIn(self.heard(second),
                          (b"error CONFLICT the job is being stopped already\n", b""))
            self.assertEqual(self.heard(first), b"ok\n")
        self.ends_well(process)

    def test_that_fails_at_its_end_says_so_to_who_asked_for_it(self):
        process = self.start_small("--checkpoint-interval", "3600000")
        with self.connect(b"") as client:
            shutil.rmtree(self.saved)
            client.sendall(b"stop\n")
            answer = self.heard(client).decode()
        stderr = process.communicate(timeout=SOON)[1]
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(answer, "^error NOT_FOUND .*No such file or directory")
        self.assertIn(answer.split(" ", 2)[2].strip(), stderr)

    def test_refuses_what_it_does_not_know_by_name(self):
        self.start_small()
        for line, part in ((b"rescle 4\n", b'error USAGE there is no command "rescle 4"'),
                           (b"rescale 0\n", b'error USAGE "0" is no number of workers'),
                           (b"savepoint here\n", b"must be an absolute path"),
                           (b"x" * 8192, b"error USAGE the command has more than 8192 bytes")):
            with self.connect(line) as client:
                self.assertIn(part, self.heard(client))

    def test_is_not_harmed_by_clients_that_go_are_silent_or_do_not_read(self):
        process = self.start_small()
        self.connect(b"").close()
        self.connect(b"stat").close()
        for _ in range(3):
            self.connect(b"status\n").close()
            self.connect(b"rescale 2\n").close()
        with self.connect(b"sta") as silent:
            with self.connect(b"status\n") as patient:
                self.assertTrue(self.heard(patient).startswith(b"ok workers "))
            self.assertIn(b"error TIMED_OUT no whole line came within 3 s", self.heard(silent))
        with self.connect(b"stop\n"):
            pass
        self.ends_well(process)

    def test_ends_although_a_client_is_silent(self):
        process = self.start_small()
        with self.connect(b""):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SOON)
        self.assertEqual(process.returncode, 130)

    def test_sleeps_until_somebody_commands_it(self):
        process = self.start_small("--events", "1000", "--rate", "1")
        listening, = [task for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()
                      if (task / "comm").read_text() == "weir/control\n"]
        await_so(lambda: self.sleeps_for_a_while(listening), "half a second's sleep", process)

    @staticmethod
    def sleeps_for_a_while(task):
        seen = []
        for _ in range(2):
            seen.append([line for line in (task / "status").read_text().splitlines()
                         if "ctxt_switches" in line])
            time.sleep(0.5)
        return seen[0] == seen[1]

    def test_that_was_killed_leaves_a_socket_that_the_next_one_replaces(self):
        process = self.start_small()
        self.await_checkpoint(process)
        process.kill()
        process.communicate()
        self.assertTrue((self.saved / "control").is_socket())
        self.assertIn("no job runs on it", weir(["status", self.saved], expect=4)[1])
        self.is_looked_into()
        self.start_small()
        self.is_looked_into()

    def is_looked_into(self):
        """What looks into the directory minds neither a socket that is left nor one in use."""
        weir(["list", self.saved], tool="checkpoint")
        weir(["dump", self.saved], tool="checkpoint")
        done = subprocess.run([WEIR, "checkpoint", "fsck", self.saved], capture_output=True,
                              text=True, check=False)
        self.assertIn(done.returncode, (0, 30), done.stdout)  # 30: what the kill left
        self.assertNotIn("control", done.stdout)

    def test_is_commanded_while_a_replay_looks_back_at_it(self):
        process = self.start_small()
        self.await_checkpoint(process)
        replayed = subprocess.run(
            [JOB, "run", "--events", "100000000", "--checkpoints", self.saved, "--until", "@100000",
             "--restore", str(self.status()["checkpoint"]), "--replay-to", self.root / "then",
             "--quiet"], capture_output=True, text=True, check=False)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        weir(["stop", self.saved])
        self.ends_well(process)

    def test_takes_no_commands_if_it_is_told_so(self):
        process = subprocess.Popen([JOB, "run", "--checkpoints", str(self.saved), "--quiet",
                                    "--events", "100000000", "--no-control"])
        self.addCleanup(self.end, process)
        await_so(lambda: any(self.saved.glob("manifest-*")), "a checkpoint", process)
        self.assertFalse((self.saved / "control").exists())
        self.assertIn("no job runs on it", weir(["status", self.saved], expect=4)[1])

    def test_without_room_for_its_socket_says_so_once_and_runs(self):
        self.saved.mkdir()
        (self.saved / "control").write_text("somebody's notes")
        done = subprocess.run([JOB, "run", "--checkpoints", self.saved, "--quiet", "--events",
                               "1000"], capture_output=True, text=True, timeout=SOON, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr,
                         f"weir: checkpointed: {self.saved}/control: cannot make the socket for "
                         "commands: Address already in use; the job runs without\n")
        self.assertEqual((self.saved / "control").read_text(), "somebody's notes")

    def test_has_a_directory_with_a_long_path(self):
        self.saved = self.root / ("long" * 50)
        process = self.start_small()
        self.assertEqual(self.status()["workers"], 1)
        weir(["stop", self.saved])
        self.assertFalse((self.saved / "control").exists())
        self.ends_well(process)

    def test_that_hangs_is_not_waited_for_beyond_the_time_given(self):
        process = self.start_small()
        process.send_signal(signal.SIGSTOP)
        self.assertIn("did not answer within 1 s",
                      weir(["status", self.saved, "--timeout", 1], expect=6)[1])
        process.send_signal(signal.SIGCONT)
        self.status()

    def test_that_dies_before_it_answers_cannot_be_reached(self):
        process = self.start_small()
        process.send_signal(signal.SIGSTOP)
        asking = subprocess.Popen([WEIR, "job", "status", self.saved], stderr=subprocess.PIPE,
                                  text=True)
        time.sleep(0.1)
        process.kill()
        self.assertIn("the job ended before it", asking.communicate(timeout=SOON)[1])
        self.assertEqual(asking.returncode, 3)


class OnAFullDisk(JobTest):
    """A job whose checkpoints fail for want of room, until there is some."""

    def setUp(self):
        super().setUp()
        self.disk = self.root / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", self.disk],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("a disk of its own cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.saved = self.disk / "saved"
        self.filler = self.disk / "filler"

    def fill(self, process):
        """Until checkpoints fail, also with the room that one that was given up has left."""
        def is_full():
            with open(self.filler, "ab", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            return self.status()["failures"] > 1

        await_so(is_full, "a failure", process)

    def start_and_fill(self, *words):
        process = self.start_small(*words)
        self.await_checkpoint(process)
        self.fill(process)
        return process

    def ends(self, process, code=0):
        stderr = process.communicate(timeout=SOON)[1]
        self.assertEqual(process.returncode, code, stderr)
        return stderr

    def test_status_tells_of_it_and_of_its_end(self):
        process = self.start_and_fill()
        status = self.status()
        self.assertIn("No space left on device", status["failure"])
        self.assertLess(status["failure_age_us"], SOON * 1_000_000)
        self.assertRegex(weir(["status", self.saved])[0],
                         r"\ngiven up +\d+ in a row, the last \d+\.\d s ago: .*No space left")
        await_so(lambda: self.status()["failures"] > status["failures"], "another try", process)
        self.filler.unlink()
        await_so(lambda: not self.status()["failures"], "the end of it", process)
        status = self.status()
        self.assertEqual((status["failure_age_us"], status["failure"]), (None, None))
        self.assertNotIn("given up", weir(["status", self.saved])[0])
        weir(["stop", self.saved])
        first, last = self.ends(process).splitlines()
        self.assertRegex(first, r"checkpoint \d+ is given up: .*No space left on device; the job "
                                "runs on$")
        self.assertRegex(last, r"^weir: checkpointed: checkpoint \d+ is made: there is room again$")

    def test_a_savepoint_is_refused_and_does_not_come_later(self):
        process = self.start_and_fill()
        there = self.root / "there"
        for words in (["savepoint", self.saved, there], ["stop", self.saved, "--savepoint", there]):
            stderr = weir(words, expect=8)[1]
            self.assertRegex(stderr, r"savepoint .*there: checkpoint \d+ is given up: .*No space "
                                     "left on device; the job runs on")
        self.assertFalse(self.status()["stopping"])
        self.filler.unlink()
        await_so(lambda: not self.status()["failures"], "room", process)
        newest = self.status()["checkpoint"]
        await_so(lambda: self.status()["checkpoint"] > newest, "another checkpoint", process)
        self.assertEqual(list(there.iterdir()) if there.exists() else [], [])
        weir(["savepoint", self.saved, there])
        weir(["fsck", there], tool="checkpoint")

    def test_tells_its_status_while_commands_wait_for_their_turn(self):
        process = self.start_and_fill()
        copies = [self.root / f"copy-{number}" for number in range(8)]  # each waits for a try
        waiting = [self.connect(f"savepoint {copy}\n".encode()) for copy in copies]
        self.assertGreater(self.status()["failures"], 0)
        self.assertEqual(select.select([waiting[-1]], [], [], 0), ([], [], []))
        self.filler.unlink()
        for client, copy in zip(waiting, copies):
            with client:
                answer = self.heard(client)
            self.assertRegex(answer, b"^(ok\n|error FULL .*given up)")
            if answer == b"ok\n":
                weir(["fsck", copy], tool="checkpoint")
            else:
                self.assertEqual(list(copy.iterdir()) if copy.exists() else [], [])
        weir(["stop", self.saved])
        self.ends(process)

    def test_gets_other_numbers_of_workers(self):
        process = self.start_and_fill()
        for workers in (2, 3, 1):
            weir(["rescale", self.saved, workers])
            self.assertEqual(self.status()["workers"], workers)
        self.filler.unlink()
        weir(["stop", self.saved])
        self.ends(process)

    def test_waits_for_room_to_stop_and_says_so(self):
        process = self.start_and_fill()
        self.assertRegex(weir(["stop", self.saved, "--timeout", 3], expect=6)[1],
                         "the job has not ended within 3 s: it waits for room for its last "
                         "checkpoint: .*No space left on device")
        self.assertTrue(self.status()["stopping"])
        self.assertIn("being stopped already", weir(["stop", self.saved], expect=5)[1])
        self.assertIn("the sources have ended", weir(["rescale", self.saved, 2], expect=5)[1])
        there = self.root / "there"
        self.assertIn("without the savepoint", weir(["savepoint", self.saved, there], expect=8)[1])
        self.filler.unlink()
        self.assertRegex(self.ends(process), "ends when its last checkpoint is made\n(.*\n)*"
                                             ".*there is room again\n$")
        self.assertFalse(there.exists() and list(there.iterdir()))

    def test_who_waits_for_its_end_without_a_limit_is_told_for_what(self):
        process = self.start_and_fill()
        asking = subprocess.Popen([WEIR, "job", "stop", self.saved], stderr=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end, asking)
        self.assertIn("it waits for room for its last checkpoint: ", asking.stderr.readline())
        self.filler.unlink()
        self.assertEqual(asking.communicate(timeout=SOON), ("stopped\n", ""))
        self.ends(process)

    def test_at_the_end_of_its_input_says_on_a_signal_what_it_waits_for(self):
        process = self.start_small("--events", "24000")
        self.await_checkpoint(process)
        self.fill(process)
        await_so(lambda: self.status()["watermark"] == "end", "the end", process)
        process.send_signal(signal.SIGINT)
        line = ""
        while "waits for room" not in line:
            line = process.stderr.readline()
            self.assertNotEqual(line, "")
        self.assertRegex(line, r"weir: checkpointed: it waits for room for its last checkpoint: .*"
                               r"No space left on device; a second Ctrl-C ends it at its last one, "
                               r"\d+$")
        self.assertTrue(self.status()["stopping"])
        process.send_signal(signal.SIGINT)
        self.ends(process, 130)


class AJobThatHadEnded(JobTest):
    def run_small(self, *words, job=None):
        return subprocess.run([job or JOB, "run", "--events", "2000", "--checkpoints", self.saved,
                               "--quiet", *words], capture_output=True, text=True, timeout=SOON,
                              check=False)

    def test_publishes_nothing_when_it_is_run_again(self):
        self.assertEqual(self.run_small("--checkpoint-interval", "20").returncode, 0)
        before = weir(["list", self.saved, "--json"], tool="checkpoint")[0]
        for words in ([], ["--workers", "2", "--checkpoint-interval", "1"]):
            done = self.run_small(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("nothing is left to do", done.stderr)
            self.assertEqual(weir(["list", self.saved, "--json"], tool="checkpoint")[0], before)
        weir(["fsck", self.saved], tool="checkpoint")


class Payments(JobTest):
    """What the job writes is the oracle's word, as if nobody had commanded it."""

    def setUp(self):
        super().setUp()
        if PAYMENTS is None:
            self.skipTest("no --payments")
        path, self.log = self.root / "input.jsonl", self.root / "log"
        through_log.run([PAYMENTS, "generate", "--events", str(EVENTS), "--seed", "11", "--cards",
                         "200", "--late-per-mille", "5", "--broken-per-mille", "5", "--output",
                         path])
        through_log.run([PAYMENTS, "produce", "--log", self.log, "--input", path, "--partitions",
                         str(PARTITIONS), "--workers", "1"])
        appended = through_log.partitions_as_files(EXPORT, str(self.log), PARTITIONS,
                                                   str(self.root / "parts"))
        self.expected = through_log.expected_of(appended)
        self.views = self.root / "views"

    def test_that_had_ended_are_refused_to_a_part_of_the_job_by_name(self):
        command = [PAYMENTS, "run", "--log", self.log, "--output-log", self.views, "--quiet",
                   "--checkpoints", self.saved]
        subprocess.run(command, check=True, capture_output=True, timeout=SOON)
        done = subprocess.run([*command, "--job", "fraud"], capture_output=True, text=True,
                              check=False, timeout=SOON)
        self.assertEqual(done.returncode, 11, done.stderr)
        self.assertIn("the job has none of that name", done.stderr)
        self.assertNotIn("nothing is left to do", done.stderr)

    def start_payments(self, seconds, *words, saved=None):
        return self.start([PAYMENTS, "run", "--log", self.log, "--output-log", self.views,
                           "--checkpoint-interval", "50", "--workers", "1", "--rate",
                           str(EVENTS // seconds), *words], saved)

    def is_the_oracles(self, summary):
        output = str(self.root / "output")
        through_log.views_as_files(EXPORT, str(self.views), compare.VIEWS, summary.encode(), output)
        self.assertEqual(compare.compare(self.expected, output), [])

    def test_are_the_same_with_other_numbers_of_workers_on_the_way(self):
        process = self.start_payments(6)
        for workers in (2, 4, 1):
            rows = self.status()["rows"]
            await_so(lambda: self.status()["rows"] > rows + EVENTS // 20, "a row", process)
            weir(["rescale", self.saved, workers])
            self.assertEqual(self.status()["workers"], workers)
        self.assertLess(self.status()["rows"], EVENTS)
        self.is_the_oracles(self.ends_well(process))

    def test_are_the_same_stopped_with_a_savepoint_and_gone_on_from_it(self):
        process = self.start_payments(4)
        await_so(lambda: self.status()["rows"] > EVENTS // 5, "a row", process)
        weir(["rescale", self.saved, 3])
        there = self.root / "there"
        weir(["stop", self.saved, "--savepoint", there])
        self.ends_well(process)
        process = self.start_payments(1, "--restore", str(there), "--workers", "2",
                                      saved=self.root / "other")
        self.is_the_oracles(self.ends_well(process))


def main():
    global WEIR, JOB, PAYMENTS, EXPORT
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True, type=os.path.abspath)
    parser.add_argument("--job", required=True, type=os.path.abspath)
    parser.add_argument("--payments", type=os.path.abspath)
    parser.add_argument("--export", type=os.path.abspath)
    given, rest = parser.parse_known_args()
    WEIR, JOB, PAYMENTS, EXPORT = given.weir, given.job, given.payments, given.export
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
