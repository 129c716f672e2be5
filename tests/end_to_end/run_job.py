"""Runs the payments job on every input of inputs.py and compares what it wrote with the oracle.

    python3 run_job.py --payments PATH [--profiles all|none|NAME,...] [--workers 1,2,5]
                       [--executor threads|simulated|both] [--small-seeds A..B] [--jobs N]
                       [--through-log EXPORT [--partitions 1,3]]

A profile runs with every number of workers in every executor. A small seed (B is included) runs
once in each executor, with numbers of workers that take turns, so that thousands of seeds stay
cheap; in the simulated executor the seed of the input is the seed of the simulation as well.

A failure is one line: the command that repeats it, the command that compares again, and the first
difference. Its input and output are kept, all its differences in differences.txt beside them. The
last line counts; the exit status is 1 if anything failed.

With --through-log (the program of export_log.c) the input is produced into a log, with each number
of partitions, and the job runs from that log to another, in the executor of threads: a simulation's
disk is its own, and has no log.
"""

import argparse
import concurrent.futures
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib

import compare
import inputs
import oracle
import through_log

RUN_SECONDS = 900
HERE = os.path.dirname(os.path.abspath(__file__))


def simulation_seed(name):
    """The seed of a simulated run: a small input's own, for a profile a number made of its name."""
    return (
        int(name.partition(":")[2])
        if name.startswith("small:")
        else zlib.crc32(name.encode()) % 100_000
    )


def runs_of(name, options):
    """The (executor, worker count) pairs to run an input with."""
    executors = ["threads", "simulated"] if options.executor == "both" else [options.executor]
    if name.startswith("small:"):
        return [
            (executor, options.workers[simulation_seed(name) % len(options.workers)])
            for executor in executors
        ]
    return [(executor, worker_count) for executor in executors for worker_count in options.workers]


def run_command(payments, input_path, output, executor, worker_count, seed):
    command = [
        payments,
        "run",
        "--input",
        input_path,
        "--output",
        output,
        "--workers",
        str(worker_count),
    ]
    return command + ["--simulate", str(seed)] if executor == "simulated" else command


def run_differences(command, expected, output):
    """What is wrong with one run: a list of texts, empty where all is as it must be."""
    shutil.rmtree(output, ignore_errors=True)
    os.makedirs(output)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=RUN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return [f"it did not end within {RUN_SECONDS} s"]
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        return [f"it ended with status {done.returncode} and said: {said[-1500:]}"]
    return compare.compare(expected, output)


def failure_line(name, command, input_path, output, differences):
    again = shlex.join(command)
    check = shlex.join(["python3", os.path.join(HERE, "compare.py"), output, input_path])
    first = " ".join(differences[0].split())
    seed = simulation_seed(name)
    return f"FAILED {name} (seed {seed}): {again} ; {check} : {compare.shortened(first)}"


def try_input(name, options, directory):
    """All runs of one input. Returns how many passed and a line for each that failed, whose files
    remain.
    """
    home = os.path.join(directory, name.replace(":", "-"))
    files = inputs.generate(name)
    input_path = inputs.write(files, os.path.join(home, "input"))
    # The partitions have the names under which a job finds them on disk.
    expected = oracle.expected(oracle.load([input_path]))
    passed_count, failures = 0, []
    for executor, worker_count in runs_of(name, options):
        output = os.path.join(home, f"output-{executor}-{worker_count}")
        command = run_command(
            options.payments, input_path, output, executor, worker_count, simulation_seed(name)
        )
        differences = run_differences(command, expected, output)
        if differences:
            failures.append(failure_line(name, command, input_path, output, differences))
            with open(os.path.join(output, "differences.txt"), "w", encoding="utf-8") as file:
                file.write("\n".join(differences) + "\n")
        else:
            passed_count += 1
            shutil.rmtree(output)
    if not failures:
        shutil.rmtree(home)
    return passed_count, failures


def log_run_differences(options, home, log, expected, worker_count):
    """What is wrong with one run from log to log."""
    output = os.path.join(home, f"output-{worker_count}")
    output_log = os.path.join(home, f"log-{worker_count}")
    for old in output, output_log:
        shutil.rmtree(old, ignore_errors=True)
    summary = through_log.run([options.payments, "run", "--log", log, "--output-log", output_log,
                               "--workers", str(worker_count)])
    through_log.views_as_files(options.through_log, output_log, compare.VIEWS, summary, output)
    return compare.compare(expected, output)


def try_log(options, name, home, input_path, partition_count):
    """All runs of one input through a log of so many partitions. As try_input."""
    log, partitions = os.path.join(home, "log"), os.path.join(home, "partitions")
    small_worker = options.workers[simulation_seed(name) % len(options.workers)]
    workers = [small_worker] if name.startswith("small:") else options.workers
    passed_count, failures = 0, []

    def note(differences, done):
        nonlocal passed_count
        passed_count += 0 if differences else 1
        failures.extend(
            f"FAILED {name}, {partition_count} partitions, {done} in {home}: "
            + compare.shortened(" ".join(text.split())) for text in differences[:1])

    os.makedirs(home)
    try:
        through_log.run([options.payments, "produce", "--log", log, "--input", input_path,
                         "--partitions", str(partition_count), "--workers", str(workers[0])])
        appended = through_log.partitions_as_files(
            options.through_log, log, partition_count, partitions)
        note(through_log.produce_differences(
            options.through_log, log, oracle.load([input_path]), appended, home), "produce")
        expected = through_log.expected_of(appended)
        for worker_count in workers if expected is not None else []:
            note(log_run_differences(options, home, log, expected, worker_count),
                 f"{worker_count} workers")
    except (through_log.Fails, compare.Differs) as failure:
        note([str(failure)], "a program")
    return passed_count, failures


def try_input_through_log(name, options, directory):
    """All runs of one input, with every number of partitions. As try_input."""
    home = os.path.join(directory, name.replace(":", "-"))
    input_path = inputs.write(inputs.generate(name), os.path.join(home, "input"))
    passed_count, failures = 0, []
    for count in options.partitions:
        passed, failed = try_log(
            options, name, os.path.join(home, f"{count}-partitions"), input_path, count)
        passed_count += passed
        failures += failed
    if not failures:
        shutil.rmtree(home)
    return passed_count, failures


def seeds_of(text):
    first, dots, last = text.partition("..")
    if not dots or not first.isdigit() or not last.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is no range of seeds; write 0..999")
    return range(int(first), int(last) + 1)


def profiles_of(text):
    if text in ("all", "none"):
        return list(inputs.PROFILES) if text == "all" else []
    names = text.split(",")
    for name in names:
        if name not in inputs.PROFILES:
            raise argparse.ArgumentTypeError(
                f"no profile {name}; `python3 inputs.py list` names them"
            )
    return names


def counts_of(text):
    counts = text.split(",")
    if not all(count.isdigit() and int(count) > 0 for count in counts):
        raise argparse.ArgumentTypeError(f"{text} is no list of counts; write 1,2,5")
    return [int(count) for count in counts]


def main():
    parser = argparse.ArgumentParser(description="Runs the payments job against the oracle.")
    parser.add_argument("--payments", required=True, metavar="PATH", help="the program")
    parser.add_argument(
        "--profiles", type=profiles_of, default="all", help="all (default), none, or names"
    )
    parser.add_argument("--workers", type=counts_of, default="1,2,5", help="default 1,2,5")
    parser.add_argument("--executor", choices=["threads", "simulated", "both"], default="both")
    parser.add_argument(
        "--small-seeds", type=seeds_of, default=(), metavar="A..B", help="both included"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), metavar="N", help="inputs tried at a time"
    )
    parser.add_argument(
        "--through-log", type=os.path.abspath, metavar="EXPORT", help="from log to log instead"
    )
    parser.add_argument("--partitions", type=counts_of, default="1,3", help="of the log; 1,3")
    options = parser.parse_args()
    options.payments = os.path.abspath(options.payments)
    try_one = try_input_through_log if options.through_log else try_input

    names = options.profiles + [f"small:{seed}" for seed in options.small_seeds]
    directory = tempfile.mkdtemp(prefix="payments-")
    passed_count = failed_count = 0
    with concurrent.futures.ProcessPoolExecutor(max_workers=options.jobs) as pool:
        waiting = {pool.submit(try_one, name, options, directory): name for name in names}
        for future in concurrent.futures.as_completed(waiting):
            try:
                passed, failures = future.result()
            except Exception as error:
                passed, failures = 0, [
                    f"FAILED {waiting[future]}: the test itself broke: {error!r}"
                ]
            passed_count += passed
            failed_count += len(failures)
            for line in failures:
                print(line, flush=True)
    if failed_count == 0:
        shutil.rmtree(directory)
    else:
        print(f"The inputs and outputs of what failed are in {directory}")
    print(f"{passed_count} passed, {failed_count} failed")
    return 1 if failed_count else 0


if __name__ == "__main__":
    sys.exit(main())
