"""Shows that a harness of this folder passes a program that keeps its word, and fails each other.

    python3 self_test.py HARNESS HONEST BROKEN...

HONEST and each BROKEN is what follows the harness's name on its command line, as one argument. Runs
the harness at its small size over each of them. Chance decides what a harness hits, so a broken
promise may stay unseen in two runs of three. Exits 77 when the harness does.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile

import promises

TRIES = 10
CASES = re.compile(r"^cases: (\d+)$", re.MULTILINE)


def run(harness, folder, command):
    """The exit code and the output."""
    done = subprocess.run(
        [sys.executable, harness, "--folder", folder, *shlex.split(command)],
        env={**os.environ, "WEIR_TEST_SIZE": "small"}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def is_seen(harness, folder, command):
    """Whether the harness fails with the sentence of a broken promise."""
    for _ in range(TRIES):
        code, output = run(harness, folder, command)
        print(output, end="", flush=True)
        if code == 1 and "\nbroken: " in output:
            return True
        if code != 0:
            return False
    return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", metavar="HARNESS")
    parser.add_argument("honest", metavar="HONEST")
    parser.add_argument("broken", metavar="BROKEN", nargs="+")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="weir-crash-self-") as folder:
        code, output = run(options.harness, folder, options.honest)
        # The cases of the harness are not ours.
        print(CASES.sub(r"\1 cases, honest", output), end="", flush=True)
        if code == promises.SKIPPED:
            return code
        failures = [] if code == 0 else [f"the harness fails an honest one: {options.honest}"]
        for command in options.broken:
            if not is_seen(options.harness, folder, command):
                failures.append(f"the harness does not see what is broken in {command}")
    for failure in failures:
        print(failure)
    print(f"cases: {1 + len(options.broken)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
