"""A job goes on from its checkpoint, and something in or outside of it is not what it was: what
would be lost or mixed up without a word is refused by name.

    python3 test_what_changed.py --job PATH [--payments PATH --export PATH] [unittest's arguments]

The small job is checkpointed_job.c.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOON = 300  # seconds in which what does not hang has ended, also in a slow build under load
MISMATCH, NOT_FOUND = 11, 4  # exit codes
JOB = PAYMENTS = EXPORT = None


def run(command, expect=0):
    """stdout and stderr of a program that ends with that code."""
    done = subprocess.run([*map(str, command)], text=True, capture_output=True, timeout=SOON,
                          check=False)
    if done.returncode != expect:
        raise AssertionError(f"{command}: {done.returncode}, not {expect}\n{done.stdout}\n"
                             f"{done.stderr}")
    return done.stdout, done.stderr


class ChangedTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="what-changed-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.saved = self.root / "saved"

    def with_checkpoints(self, command):
        return [*command, "--checkpoints", self.saved, "--checkpoint-interval", "20", "--quiet"]

    def run_and_kill(self, command):
        """Kills it when it has made two checkpoints, long before its end."""
        process = subprocess.Popen([*map(str, self.with_checkpoints(command))],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ends = time.monotonic() + SOON
        while len(list(self.saved.glob("manifest-*"))) < 2:
            if process.poll() is not None or time.monotonic() > ends:
                raise AssertionError(f"no checkpoints came: {process.communicate()}")
            time.sleep(0.005)
        process.kill()
        process.communicate()


class TheJob(ChangedTest):
    def test_state_that_was_cut_by_another_window_is_refused_by_name(self):
        slow = [JOB, "run", "--events", "100000000", "--rate", "20000"]
        self.run_and_kill(slow)
        for name, number in (("per_second", "length"), ("sliding", "slide"), ("sessions", "gap"),
                             ("counted", "count"), ("distinct", "within")):
            _, stderr = run(self.with_checkpoints([*slow, "--other", name]), MISMATCH)
            self.assertIn(f"{name}: the state in the checkpoint was cut by another {number}",
                          stderr)
        self.run_and_kill(slow)


class ItsInput(ChangedTest):
    def setUp(self):
        super().setUp()
        if PAYMENTS is None:
            self.skipTest("needs payments")
        self.input = self.root / "input"
        self.input.mkdir()
        self.files = [self.input / f"{part}.jsonl" for part in "ab"]
        for seed, file in enumerate(self.files):
            run([PAYMENTS, "generate", "--events", "30000", "--seed", str(seed), "--output", file])
        self.views = self.root / "views"

    def job(self, *words):
        return [PAYMENTS, "run", *words, "--output-log", self.views, "--workers", "1"]

    def of_files(self):
        return self.job("--input", self.input / "*.jsonl", "--rate", "20000")

    def log_of(self, name, file):
        log = self.root / name
        run([PAYMENTS, "produce", "--log", log, "--input", file, "--workers", "1"])
        return log

    def rows(self, view):
        return len(run([EXPORT, self.views, view, "all"])[0].splitlines())

    def test_a_file_that_was_not_read_to_its_end_and_is_gone_is_refused_by_name(self):
        self.run_and_kill(self.of_files())
        self.files[1].unlink()
        _, stderr = run(self.with_checkpoints(self.of_files()), MISMATCH)
        self.assertIn(str(self.files[1]), stderr)
        self.assertIn("is gone", stderr)
        run([*self.with_checkpoints(self.of_files()), "--forget-partitions"])

    def test_a_file_that_was_read_to_its_end_may_go(self):
        lines = self.files[1].read_bytes().splitlines(True)
        self.files[1].write_bytes(b"".join(lines[:100]))
        self.run_and_kill(self.of_files())
        self.files[1].unlink()
        run(self.with_checkpoints(self.of_files()))

    def test_a_topic_of_the_same_name_in_another_log_is_refused(self):
        first, second = (self.log_of(name, self.files[0]) for name in ("first", "second"))
        self.run_and_kill(self.job("--log", first, "--rate", "20000"))
        _, stderr = run(self.with_checkpoints(self.job("--log", second)), MISMATCH)
        self.assertIn(f"the topic events in the log {second} is another one", stderr)
        moved = self.root / "moved"
        first.rename(moved)
        run(self.with_checkpoints(self.job("--log", moved)))

    def test_an_input_that_is_not_there_empties_no_view(self):
        log = self.log_of("events", self.files[0])
        run([*self.job("--log", log), "--quiet"])
        before = self.rows("orders")
        self.assertGreater(before, 0)
        run([*self.job("--log", self.root / "evnets"), "--quiet"], NOT_FOUND)
        run([*self.job("--input", self.root / "evnets.jsonl"), "--quiet"], NOT_FOUND)
        self.assertEqual(self.rows("orders"), before)


def main():
    global JOB, PAYMENTS, EXPORT
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--payments")
    parser.add_argument("--export")
    options, rest = parser.parse_known_args()
    JOB, PAYMENTS, EXPORT = options.job, options.payments, options.export
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
