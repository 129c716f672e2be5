"""The commands of the section "Why this alert?" of the payments example's README, run as they stand
there, print what stands there; and what else replays of that job promise.

    python3 test_why_this_alert.py --payments PATH --weir PATH --readme FILE [unittest's arguments]
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOON = 300
GIVEN = None


def shell(command, directory):
    """What a command prints, both outputs together."""
    variables = os.environ | {"payments": str(GIVEN.payments), "weir": str(GIVEN.weir)}
    done = subprocess.run(["bash", "-c", "set -o pipefail; " + command], cwd=directory,
                          env=variables, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SOON, check=False)
    return done.returncode, done.stdout


def commands_of(readme, title):
    """Of a section: commands, each with the lines that stand below it in its block."""
    section = readme.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    found = []
    for line in section.splitlines():
        if line.startswith("    $"):
            found.append((line.strip(), []))
        elif line.startswith("    "):
            found[-1][1].append(line[4:])
    return found


def bytes_of(directory):
    """All there is in a directory, but for whose lock it is."""
    return {path.relative_to(directory): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name not in ("lock", "epoch", "live")}


class WhyThisAlert(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="why-this-alert-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.commands = commands_of(GIVEN.readme.read_text(), "Why this alert?")
        cls.outputs = []
        for command, _ in cls.commands:
            if "--replay-to" in command and not hasattr(cls, "saved"):
                cls.saved = bytes_of(cls.root / "saved")
                cls.views = bytes_of(cls.root / "views")
            cls.outputs.append(shell(command, cls.root))

    def replay(self, name, until, *words):
        code, said = shell(f"$payments run --log events --until {until} --replay-to {name} "
                           + " ".join(words), self.root)
        return code, said

    def produce_four(self):
        """A log of four partitions, once."""
        if not (self.root / "four").exists():
            shell("$payments produce --log four --events 40000 --seed 3 --partitions 4", self.root)

    def state(self, name):
        return sorted((self.root / name / "state.jsonl").read_text().splitlines())

    def test_each_command_does_what_the_readme_says(self):
        self.assertGreater(sum(bool(lines) for _, lines in self.commands), 4)
        for (command, lines), (code, said) in zip(self.commands, self.outputs):
            self.assertEqual(code, 0, f"{command}\n{said}")
            if lines:
                self.assertEqual(said.splitlines(), lines, command)

    def test_a_replay_changes_neither_views_nor_checkpoints(self):
        self.assertEqual(bytes_of(self.root / "saved"), self.saved)
        self.assertEqual(bytes_of(self.root / "views"), self.views)
        # Nor does it when it is given the job's own command.
        code, said = self.replay("same-command", "@100000", "--output-log views", "--job all",
                                 "--consumer somebody", "--follow", "--checkpoints saved")
        self.assertEqual(code, 0, said)
        self.assertEqual(bytes_of(self.root / "saved"), self.saved)
        self.assertEqual(bytes_of(self.root / "views"), self.views)
        self.assertFalse((self.root / "views" / "summary.json").exists())
        self.assertNotIn("somebody", shell("$weir log consumers events", self.root)[1])

    def test_the_same_replay_ends_with_the_same_state(self):
        for name in ("once", "twice"):
            code, said = self.replay(name, "events/0@111153", "--checkpoints saved --quiet")
            self.assertEqual(code, 0, said)
        self.assertEqual(self.state("once"), self.state("before"))
        self.assertEqual(self.state("twice"), self.state("before"))

    def test_the_same_replay_of_several_files_ends_with_the_same_state(self):
        # Which file's buffer is there first differs from run to run.
        for seed in range(4):
            shell(f"$payments generate --events 50000 --seed {seed} > several-{seed}.jsonl",
                  self.root)
        states = set()
        for i in range(10):
            code, said = shell("$payments run --input 'several-*.jsonl' --until "
                               f"2026-03-01T10:03:00Z --replay-to several-{i} --quiet", self.root)
            self.assertEqual(code, 0, said)
            states.add("\n".join(self.state(f"several-{i}")))
            shutil.rmtree(self.root / f"several-{i}")
        self.assertEqual(len(states), 1)

    def test_it_does_not_wait_for_what_is_yet_to_come(self):
        self.produce_four()
        code, said = shell("timeout 60 $payments run --log four --until @1000000 --follow "
                           "--replay-to followed --quiet", self.root)
        self.assertEqual(code, 0, said)
        self.assertGreater(json.loads(said)["events"], 39000)

    def test_the_dump_is_that_of_the_checkpoint(self):
        code, said = shell("$weir checkpoint dump before", self.root)
        self.assertEqual(code, 0)
        self.assertEqual(sorted(said.splitlines()), self.state("before"))
        self.assertEqual(shell("$weir checkpoint fsck before", self.root)[0], 0)
        listed = json.loads(shell("$weir checkpoint list before --json", self.root)[1])
        self.assertTrue(listed["stopped"])

    def test_with_more_workers_or_from_the_beginning_the_orders_are_the_same(self):
        expected = [line for line in self.state("before") if '"orders","table":"states"' in line]
        self.assertGreater(len(expected), 10000)
        for name, words in (("workers", "--checkpoints saved --workers 3"), ("beginning", "")):
            code, said = self.replay(name, "@111153", words)
            self.assertEqual(code, 0, said)
            found = [line for line in self.state(name) if '"orders","table":"states"' in line]
            self.assertEqual(found, expected)

    def test_partitions_stop_each_at_its_first_event_after_the_time(self):
        self.produce_four()
        code, said = shell("$payments run --log four --until 2026-03-01T10:01:00Z --replay-to "
                           "four-stopped --workers 2", self.root)
        self.assertEqual(code, 0, said)
        stopped = {}
        for line in self.state("four-stopped"):
            cell = json.loads(line)
            if cell.get("cell") == "partition":
                stopped[cell["key"]] = cell["value"]["offset"]
        self.assertEqual(len(stopped), 4)
        for name, offset in stopped.items():
            partition = name.split("/")[1]
            read = shell(f"$weir log read four events -p {partition} --json", self.root)[1]
            times = [json.loads(line)["record"]["at"] for line in read.splitlines()]
            after = [number for number, time in enumerate(times) if time[:23].rstrip("Z")
                     > "2026-03-01T10:01:00"]
            self.assertEqual(offset, after[0], name)

    def test_a_file_is_read_up_to_the_line_at_the_offset(self):
        path = self.root / "lines.jsonl"
        shell("$payments generate --events 5000 --seed 4 > lines.jsonl", self.root)
        lines = path.read_bytes().splitlines(keepends=True)
        middle = sum(map(len, lines[:2000]))
        for at, count in ((middle, 2000), (middle + 1, 2001)):
            code, said = shell(f"$payments run --input lines.jsonl --until lines.jsonl@{at} "
                               f"--replay-to lines-{at} --quiet", self.root)
            self.assertEqual(code, 0, said)
            self.assertEqual(json.loads(said)["events"], count)

    def test_what_does_not_fit_is_refused_by_a_sentence(self):
        for until, words, expected, part in (
                ("soon", "--replay-to new", 2, "neither a time"),
                ("@5", "", 2, "--replay-to DIR"),
                ("@5", "--replay-to views", 5, "the directory is in use"),
                ("@5", "--replay-to saved", 5, "the directory is in use"),
                ("@5", "--replay-to new --checkpoints saved --restore 999999", 4, "999999"),
                ("@5", "--replay-to new --checkpoints saved --restore latest", 2, "behind 5"),
                ("@5", "--replay-to new --checkpoints nowhere", 4, "nowhere"),
                ("events/7@5,@6", "--replay-to new", 2, "no source has a partition events/7")):
            code, said = shell(f"$payments run --log events --until {until} {words} --quiet",
                               self.root)
            self.assertEqual(code, expected, said)
            self.assertIn(part, said)


def main():
    global GIVEN
    parser = argparse.ArgumentParser()
    for name in ("--payments", "--weir", "--readme"):
        parser.add_argument(name, required=True, type=lambda path: pathlib.Path(path).resolve())
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
