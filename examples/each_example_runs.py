"""Each example runs and says what it must, and refuses what it must.

usage: each_example_runs.py HELLO CARD_GUARD PAYMENTS
"""

import collections
import json
import os
import subprocess
import sys
import tempfile

cases = 0
failures = []


def check(claim, got, wanted):
    global cases
    cases += 1
    if got != wanted:
        failures.append(f"{claim}: got {got!r}, wanted {wanted!r}")


def run(command, stdin=b""):
    return subprocess.run(command, input=stdin, capture_output=True, timeout=600, check=False)


def rows_of(output):
    return [json.loads(line) for line in output.splitlines()]


def hello_counts_visits(hello):
    done = run([hello, "run"])
    check("hello ends well", (done.returncode, done.stderr), (0, b""))
    want = collections.Counter(
        (number // 1000, number % 7 % 4) for number in range(10_000) if number % 7 % 4 != 0
    )
    got = {(int(row["at"][17:19]), row["page"]): row["count"] for row in rows_of(done.stdout)}
    check("hello's counts", got, dict(want))


def generate(payments, *options):
    done = run([payments, "generate", *options])
    check(f"generate {options} ends well", (done.returncode, done.stderr), (0, b""))
    return done.stdout


def the_generator_repeats_itself(payments):
    first = generate(payments, "--events", "3000", "--seed", "7")
    check("lines", first.count(b"\n"), 3000)
    check("same seed, same bytes", generate(payments, "--events", "3000", "--seed", "7"), first)
    longer = generate(payments, "--events", "4000", "--seed", "7")
    check("more of a seed begins the same", longer[: len(first)] == first, True)
    other = generate(payments, "--events", "3000", "--seed", "8")
    check("another seed, other bytes", other == first, False)


def the_guard_sees_hot_cards(card_guard, payments):
    events = generate(payments, "--events", "20000", "--hot-card-percent", "20")
    done = run([card_guard, "run"], events)
    check("card_guard ends well", done.returncode, 0)
    check("card_guard tells of the lines it could not read", b"dead letters" in done.stderr, True)
    alerts = rows_of(done.stdout)
    check("the hot card is seen", any(row["card_id"] == "k-1" for row in alerts), True)
    check("only hot windows", min(row["failures"] for row in alerts), 4)


def payments_counts_every_line(payments, folder):
    source, output = os.path.join(folder, "events.jsonl"), os.path.join(folder, "views")
    generate(payments, "--events", "40000", "--late-per-mille", "20", "--duplicate-per-mille", "20",
             "--broken-per-mille", "20", "--output", source)
    done = run([payments, "run", "--input", source, "--output", output])
    check("payments ends well", (done.returncode, done.stderr), (0, b""))
    with open(os.path.join(output, "summary.json"), "rb") as file:
        summary = json.load(file)
    parts = [summary[name] for name in ("accepted", "duplicates", "late", "dead_letters")]
    check("every line is counted once", (summary["events"], sum(parts)), (40_000, 40_000))
    check("some of each", all(parts), True)


def payments_goes_through_a_log(payments, folder):
    log, views = os.path.join(folder, "log"), os.path.join(folder, "log-of-views")
    done = run([payments, "produce", "--log", log, "--events", "20000", "--partitions", "2"])
    check("produce ends well", (done.returncode, done.stderr), (0, b""))
    appended = rows_of(done.stdout)[0]
    check("each line is appended", appended["events"] + appended["dead_letters"], 20_000)
    done = run([payments, "run", "--log", log, "--output-log", views, "--job", "fraud"])
    check("the job ends well", (done.returncode, done.stderr), (0, b""))
    check("it reads each event", rows_of(done.stdout)[0]["events"], appended["events"])


def payments_refuses(payments, folder):
    source = os.path.join(folder, "events.jsonl")
    nowhere = os.path.join(folder, "no", "such", "folder")
    for claim, options, exit_code in [
        ("no input", ["run", "--output", folder], 2),
        ("no output", ["run", "--input", source], 2),
        ("an output that cannot be made", ["run", "--input", source, "--output", nowhere], 3),
        ("an unknown option of the generator", ["generate", "--evens", "3"], 2),
        ("a number that is none", ["generate", "--events", "many"], 2),
        ("a value out of range", ["generate", "--cards", "0"], 2),
        ("a file that cannot be made", ["generate", "--output", nowhere + "/events.jsonl"], 3),
    ]:
        done = run([payments, *options])
        check(f"{claim}: exit code", done.returncode, exit_code)
        check(f"{claim}: one sentence", len(done.stderr.splitlines()), 1)


def main(hello, card_guard, payments):
    hello_counts_visits(hello)
    the_generator_repeats_itself(payments)
    the_guard_sees_hot_cards(card_guard, payments)
    with tempfile.TemporaryDirectory() as folder:
        payments_counts_every_line(payments, folder)
        payments_goes_through_a_log(payments, folder)
        payments_refuses(payments, folder)
    for failure in failures:
        print(failure)
    print(f"cases: {cases}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
