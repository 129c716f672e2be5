"""How a process starts and ends: the first result, signals, and a reader that goes away.

    python3 test_start_and_stop.py --ten PATH [--payments PATH] [NAME...]

PATH is the program of ten_operators.c. Exits 1 if anything failed. How soon the first result comes
is printed, not judged: that is the machine's and its other work's as well.
"""

import argparse
import fcntl
import os
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

RUNS = 10
SOON = 300  # seconds in which what does not hang has ended, also in a slow build under load


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


def first_result_comes_before_the_end(programs):
    """The job has no end."""
    command = [programs.ten, "run", "--events", "0", "--workers", "2"]
    median = statistics.median(ms_to_first_byte(command) for _ in range(RUNS))
    print(f"  exec to first result: {median:.1f} ms (median of {RUNS})")


# ---- what /proc says of a process ----


def mask_has(process, masks, number):
    """Whether the signal is in one of the masks of its status; False for one that has ended."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return any(int(fields.get(mask, "0"), 16) >> (number - 1) & 1 for mask in masks)


def await_so(is_so, sentence):
    ends = time.monotonic() + SOON
    while not is_so():
        claim(time.monotonic() < ends, sentence)
        time.sleep(0.01)


def await_handler(process, number=signal.SIGINT):
    """Earlier than that the signal would end it as it ends any process."""
    await_so(lambda: process.poll() is not None or mask_has(process, ["SigCgt"], number),
             "it does not catch the signal")
    claim(process.poll() is None, "it has ended")


def interrupt(process):
    """Sends the signal and waits until it is delivered: a second one would be lost in the first."""
    process.send_signal(signal.SIGINT)
    await_so(lambda: process.poll() is not None
             or not mask_has(process, ["SigPnd", "ShdPnd"], signal.SIGINT),
             "the signal is not taken")


def await_output(process):
    ready, _, _ = select.select([process.stdout], [], [], SOON)
    claim(ready, "nothing was written")


def await_full(pipe):
    """Until what is written to it has stayed the same for a while."""
    seen = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        seen.append(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0])
        time.sleep(0.05)


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
    await_handler(process)
    time.sleep(0.5)  # nearly always it runs by then; it has to end as well if it does not
    interrupt(process)
    code, stderr = wait(process)
    claim(code == 130, "the exit code is", code, stderr)


def interrupt_stops_a_wait(programs):
    """Nobody writes to its standard input."""
    if programs.payments is None:
        return
    with tempfile.TemporaryDirectory() as output:
        command = [programs.payments, "run", "--input", "-", "--output", output]
        process = start(command, stdin=subprocess.PIPE)
        await_handler(process)
        time.sleep(0.5)  # nearly always it waits by then; it has to end as well if it does not
        claim(process.poll() is None, "it does not wait")
        interrupt(process)
        # communicate() would close its standard input, which ends the wait as well.
        process.wait(timeout=SOON)
        stderr = process.stderr.read().decode()
        process.stdin.close()
        claim(process.returncode == 130, "the exit code is", process.returncode, stderr)


def second_signal_ends_at_once(programs):
    process = start([programs.ten, "run", "--stuck"])
    claim(process.stderr.readline() == b"stuck\n", "it is not stuck")
    interrupt(process)
    time.sleep(0.3)  # a chance to end, which it must not
    claim(process.poll() is None, "the first signal has ended it")
    interrupt(process)
    code, stderr = wait(process)
    claim(code == 130, "the exit code is", code, stderr)


def second_signal_ends_a_blocked_write(programs):
    """Nobody reads its standard output, and the pipe is full."""
    process = start([programs.ten, "run", "--events", "0"], stdout=subprocess.PIPE)
    await_output(process)
    await_full(process.stdout)
    interrupt(process)
    time.sleep(0.3)  # a chance to end, which nobody claims
    interrupt(process)
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
    first_result_comes_before_the_end,
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
