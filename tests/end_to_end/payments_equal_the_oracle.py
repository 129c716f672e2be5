"""The payments job writes what the oracle expects: every profile, worker count and executor.

    python3 payments_equal_the_oracle.py PAYMENTS EXPORT_LOG

From files to files, and from log to log.

WEIR_TEST_SIZE chooses how much: small (a few inputs, for slow builds), normal, full.
Prints `cases: N`.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

SIZES = {
    "small": [
        ["--profiles", "some", "--workers", "2", "--executor", "both", "--small-seeds", "0..39"],
        ["--profiles", "some", "--workers", "2", "--small-seeds", "0..9", "--through-log"],
    ],
    "normal": [
        ["--profiles", "all", "--workers", "1,2,5", "--executor", "both"],
        ["--profiles", "none", "--workers", "1,2,5", "--executor", "simulated",
         "--small-seeds", "0..1039"],
        ["--profiles", "none", "--workers", "1,2,5", "--executor", "threads",
         "--small-seeds", "0..199"],
        ["--profiles", "all", "--workers", "1,2,5", "--through-log"],
        ["--profiles", "none", "--workers", "1,2,5", "--small-seeds", "0..99", "--through-log"],
    ],
    "full": [
        ["--profiles", "all", "--workers", "1,2,5", "--executor", "both"],
        ["--profiles", "none", "--workers", "1,2,3,5", "--executor", "both",
         "--small-seeds", "0..9999"],
        ["--profiles", "all", "--workers", "1,2,5", "--partitions", "1,3,8", "--small-seeds",
         "0..999", "--through-log"],
    ],
}


def some_profiles():
    """Every eighth profile, so that new ones are met too."""
    listed = subprocess.run([sys.executable, os.path.join(HERE, "inputs.py"), "list"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    names = [line.split()[0] for line in listed if line.strip()]
    return ",".join(names[::8])


def main(payments, export_log):
    passed = failed = 0
    for arguments in SIZES[os.environ.get("WEIR_TEST_SIZE", "normal")]:
        arguments = [some_profiles() if word == "some" else word for word in arguments]
        arguments += [export_log] if arguments[-1] == "--through-log" else []
        result = subprocess.run(
            [sys.executable, os.path.join(HERE, "run_job.py"), "--payments", payments, "--jobs",
             str(os.cpu_count() or 2), *arguments], stdout=subprocess.PIPE, text=True, check=False)
        print(result.stdout, end="", flush=True)
        counts = re.findall(r"^(\d+) passed, (\d+) failed$", result.stdout, re.MULTILINE)
        if not counts:
            failed += 1
        for good, bad in counts:
            passed += int(good)
            failed += int(bad)
    print(f"cases: {passed}")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
