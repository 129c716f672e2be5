"""How a process starts and ends: the first result, signals, and a reader that goes away.

    python3 test_start_and_stop.py --ten PATH [--payments PATH] [NAME...]

PATH is the program of ten_operators.c. `start` prints what it measured. Exits 1 if anything failed.
"""

import argparse
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

FIRST_RESULT_MS = 50
RUNS = 10
ROUNDS = 8  # of RUNS: other work on the machine is not ours to answer for
SOON = 20  # seconds in which what does not hang has ended, also in a slow build
SANITIZED = bool(os.environ.get("WEIR_TEST_SANITIZED"))


def claim(is_so, sentence, *found):
    if not is_so:
        raise AssertionError(" ".join([sentence, *(repr(item) for item in found)]))


def start(command, **options):
    options.setdefault("stdout", subprocess.DEVNULL)
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def wait(process):
    """The exit code and what it wrote to stderr."""
    try:
        _, stderr = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{process.args} hangs") from None
    return process.returncode, stderr.decode()


def ms_to_first_byte(command):
    reader, writer = os.pipe()
    began = time.monotonic()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)]
    process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    os.close(writer)
    first = os.read(reader, 1)
    took = time.monotonic() - began
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(reader)
    claim(first == b"{", "the first byte is", first)
    return took * 1000


def first_result_comes_soon(programs):
    command = [programs.ten, "run", "--events", "0", "--workers", "2"]
    medians = []
    for _ in range(ROUNDS):
        medians.append(statistics.median(ms_to_first_byte(command) for _ in range(RUNS)))
        if SANITIZED or medians[-1] < FIRST_RESULT_MS:
            break
    print(f"  exec to first result: {min(medians):.1f} ms (median of {RUNS})")
    claim(SANITIZED or min(medians) < FIRST_RESULT_MS, "the medians are", medians)


def await_output(process):
    ready, _, _ = select.select([process.stdout], [], [], SOON)
    claim(ready, "nothing was written")


def read_and_wait(process):
    """Reads stdout to its end; the exit code, the lines and stderr."""
    try:
        stdout, stderr = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{process.args} hangs") from None
    return process.returncode, stdout, stderr.decode()


def signal_stops(programs, number):
    process = start([programs.ten, "run", "--events", "0"], stdout=subprocess.PIPE)
    await_output(process)
    process.send_signal(number)
    code, stdout, stderr = read_and_wait(process)
    claim(code == 130, "the exit code is", code, stderr)
    claim(stdout.endswith(b"}\n"), "the output ends in", stdout[-80:])


def interrupt_stops(programs):
    signal_stops(programs, signal.SIGINT)


def terminate_stops(programs):
    signal_stops(programs, signal.SIGTERM)


def interrupt_stops_a_simulation(programs):
    process = start([programs.ten, "run", "--events", "0", "--simulate", "1"])
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, stderr = wait(process)
    claim(code == 130, "the exit code is", code, stderr)


def interrupt_stops_a_wait(programs):
    """Nobody writes to its standard input."""
    if programs.payments is None:
        return
    with tempfile.TemporaryDirectory() as output:
        command = [programs.payments, "run", "--input", "-", "--output", output]
        process = start(command, stdin=subprocess.PIPE)
        time.sleep(0.5)
        claim(process.poll() is None, "it does not wait")
        process.send_signal(signal.SIGINT)
        # communicate() would close its standard input, which ends the wait as well.
        process.wait(timeout=SOON)
        stderr = process.stderr.read().decode()
        process.stdin.close()
        claim(process.returncode == 130, "the exit code is", process.returncode, stderr)


def second_signal_ends_at_once(programs):
    process = start([programs.ten, "run", "--stuck"])
    claim(process.stderr.readline() == b"stuck\n", "it is not stuck")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    claim(process.poll() is None, "the first signal has ended it")
    process.send_signal(signal.SIGINT)
    code, stderr = wait(process)
    claim(code == 130, "the exit code is", code, stderr)


def second_signal_ends_a_blocked_write(programs):
    """Nobody reads its standard output, and the pipe is full."""
    process = start([programs.ten, "run", "--events", "0"], stdout=subprocess.PIPE)
    await_output(process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(timeout=SOON)
    finally:
        process.kill()
    claim(code == 130, "the exit code is", code)


def reader_goes_away(programs):
    process = start([programs.ten, "run", "--events", "0"], stdout=subprocess.PIPE)
    line = process.stdout.readline()
    claim(line.startswith(b"{"), "the first line is", line)
    process.stdout.close()
    process.stdout = None
    code, stderr = wait(process)
    claim(code == 1, "the exit code is", code, stderr)
    claim("standard output" in stderr and "gone" in stderr, "it says", stderr)
    claim(stderr.count("\n") == 1, "that is more than a sentence:", stderr)


TESTS = [
    first_result_comes_soon,
    interrupt_stops,
    terminate_stops,
    interrupt_stops_a_simulation,
    interrupt_stops_a_wait,
    second_signal_ends_at_once,
    second_signal_ends_a_blocked_write,
    reader_goes_away,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ten", required=True)
    parser.add_argument("--payments")
    parser.add_argument("names", nargs="*", metavar="NAME")
    programs = parser.parse_args()
    failed = 0
    for test in TESTS:
        if programs.names and test.__name__ not in programs.names:
            continue
        began = time.monotonic()
        try:
            test(programs)
            print(f"ok    {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAIL  {test.__name__}: {error}", flush=True)
    print(f"cases: {len(programs.names or TESTS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
