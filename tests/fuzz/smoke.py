"""Builds a libFuzzer target with clang, and runs it for a moment or for as long as it is told.

Exits with 77 where there is no clang, or none that can fuzz.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77

# What the targets are made of; it is built apart from the library, to be instrumented.
SOURCES = [
    "runtime/base/event_time.c",
    "runtime/base/hash.c",
    "runtime/base/memory.c",
    "runtime/base/status.c",
    "runtime/base/type.c",
    "connectors/text/number.cc",
    "connectors/text/text.c",
    "connectors/jsonl/json_reader.cc",
    "connectors/jsonl/json_scan.c",
    "connectors/jsonl/json_writer.c",
]
LIBRARIES = ["-lsimdjson", "-lxxhash", "-lstdc++", "-lm", "-lpthread"]
SANITIZE = [
    "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize=vptr",
    "-fno-sanitize-recover=undefined",
]

# Where the search starts.
SEEDS = [
    b'{"b":true,"i":-9223372036854775808,"u":255,"f":0.1,"d":1e-5,'
    b'"t":"2026-03-01T10:02:00.5+01:00","s":"a longer text \\u00e9",'
    b'"c":"abcde","a":[1,-2],"r":{"i32":5,"text":""}}',
    b'{"x":[1e400,123456789012345678901234567890],"y":"\\ud83c\\udf0a","z":null}',
    b'{"d":123456789012345678901234567890,"f":1e400,"i":12.5}',
]


def can_fuzz(clang, folder):
    source = folder / "empty.c"
    source.write_text(
        "int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return b == 0 && n == 1; }\n"
    )
    tried = subprocess.run(
        [clang, "-fsanitize=fuzzer", source, "-o", folder / "empty"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def build(clang, root, name, folder):
    objects = []
    for source in SOURCES + [f"tests/fuzz/{name}.c"]:
        made = folder / (source.replace("/", "_") + ".o")
        standard = "-std=c++17" if source.endswith(".cc") else "-std=c11"
        subprocess.run(
            [clang, standard, "-D_GNU_SOURCE", "-DWEIR_CHECKS=2", "-O1", "-g", *SANITIZE]
            + ["-I", root, "-I", root / "include", "-c", root / source, "-o", made],
            check=True,
        )
        objects.append(made)
    program = folder / name
    subprocess.run([clang, *SANITIZE, *objects, *LIBRARIES, "-o", program], check=True)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, help="how long to look; else 20,000 inputs")
    arguments = parser.parse_args()

    folder = arguments.build / arguments.name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)

    clang = shutil.which("clang")
    if clang is None or not can_fuzz(clang, folder):
        print("no clang that can fuzz")
        return SKIPPED
    program = build(clang, arguments.root, arguments.name, folder)
    limit = f"-max_total_time={arguments.seconds}" if arguments.seconds else "-runs=20000"
    ran = subprocess.run(
        [program, limit, "-max_len=2048", "-print_final_stats=1"]
        + [f"-artifact_prefix={folder}/", corpus],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.search(r"stat::number_of_executed_units:\s*([0-9]+)", ran.stderr)
    if ran.returncode != 0 or found is None:
        print(ran.stderr)
        return 1
    print(f"cases: {found[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
