"""Builds a libFuzzer target with clang, and runs it for a moment or for as long as it is told.

Exits with 77 where there is no clang, or none that can fuzz.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77

# What each target is made of, apart from itself; it is built apart from the library, to be
# instrumented. `runs`: inputs tried in the small, the normal and the full size. `seeds`: where the
# search starts, as bytes or as a program that is given the folder to write them to.
BASE = ["event_time", "hash", "memory", "status", "type"]
BASE = [f"runtime/base/{name}.c" for name in BASE]
CHECKPOINT = ["block", "index", "index_decode", "manifest"]
TARGETS = {
    "fuzz_checkpoint": {
        "sources": BASE
        + [f"runtime/base/{name}.c" for name in ["checksum", "error", "file", "text_file"]]
        + [f"runtime/checkpoint/{name}.c" for name in CHECKPOINT],
        "libraries": ["-lisal", "-lxxhash", "-lpthread"],
        "runs": {"small": 20000, "normal": 2000000, "full": 20000000},
        "seeds": "tests/fuzz/seeds_checkpoint.c",
    },
    "fuzz_json_reader": {
        "sources": BASE
        + [
            "connectors/text/number.cc",
            "connectors/text/text.c",
            "connectors/jsonl/json_reader.cc",
            "connectors/jsonl/json_scan.c",
            "connectors/jsonl/json_writer.c",
        ],
        "libraries": ["-lsimdjson", "-lxxhash", "-lstdc++", "-lm", "-lpthread"],
        "runs": {"small": 20000, "normal": 20000, "full": 2000000},
        "seeds": [
            b'{"b":true,"i":-9223372036854775808,"u":255,"f":0.1,"d":1e-5,'
            b'"t":"2026-03-01T10:02:00.5+01:00","s":"a longer text \\u00e9",'
            b'"c":"abcde","a":[1,-2],"r":{"i32":5,"text":""}}',
            b'{"x":[1e400,123456789012345678901234567890],"y":"\\ud83c\\udf0a","z":null}',
            b'{"d":123456789012345678901234567890,"f":1e400,"i":12.5}',
        ],
    },
    "fuzz_log_segment": {
        "sources": BASE
        + [f"log/{name}.c" for name in ["compress", "format", "pack", "schema"]]
        + ["runtime/base/checksum.c", "runtime/base/conversion.c"],
        "libraries": ["-lisal", "-llz4", "-lzstd", "-lxxhash", "-lpthread"],
        "runs": {"small": 20000, "normal": 2000000, "full": 20000000},
        "seeds": "tests/fuzz/seeds_log_segment.c",
    },
}
SANITIZE = [
    "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize=vptr",
    "-fno-sanitize-recover=undefined",
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


def compile_all(clang, root, sources, sanitize, folder):
    folder.mkdir(exist_ok=True)
    objects = []
    for source in sources:
        made = folder / (source.replace("/", "_") + ".o")
        standard = "-std=c++17" if source.endswith(".cc") else "-std=c11"
        subprocess.run(
            [clang, standard, "-D_GNU_SOURCE", "-DWEIR_CHECKS=2", "-O1", "-g", *sanitize]
            + ["-I", root, "-I", root / "include", "-c", root / source, "-o", made],
            check=True,
        )
        objects.append(made)
    return objects


def build(clang, root, name, folder):
    target = TARGETS[name]
    sources = target["sources"] + [f"tests/fuzz/{name}.c"]
    objects = compile_all(clang, root, sources, SANITIZE, folder / "target")
    program = folder / name
    subprocess.run([clang, *SANITIZE, *objects, *target["libraries"], "-o", program], check=True)
    return program


def write_seeds(clang, root, name, folder, corpus):
    target = TARGETS[name]
    if isinstance(target["seeds"], list):
        for number, seed in enumerate(target["seeds"]):
            (corpus / f"seed-{number}").write_bytes(seed)
        return
    objects = compile_all(clang, root, target["sources"] + [target["seeds"]], [], folder / "seeds")
    program = folder / "write-seeds"
    subprocess.run([clang, *objects, *target["libraries"], "-o", program], check=True)
    subprocess.run([program, corpus], check=True)


def search(program, corpus, folder, limits):
    """Runs one search a limit, all at once and from the same corpus; yields (ok, cases, output)."""
    searches = []
    for number, limit in enumerate(limits):
        command = [program, limit, "-max_len=2048", "-print_final_stats=1"]
        command += ["-reload=0", f"-artifact_prefix={folder}/", corpus]
        path = folder / f"search-{number}.log"
        with path.open("w", encoding="utf-8") as log:
            searches.append((subprocess.Popen(command, stderr=log), path))
    for one, path in searches:
        status = one.wait()
        output = path.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"stat::number_of_executed_units:\s*([0-9]+)", output)
        yield status == 0 and found is not None, int(found[1]) if found else 0, output


def limits_of(name, seconds):
    """libFuzzer's limit for each of the searches that run at once."""
    size = os.environ.get("WEIR_TEST_SIZE", "normal")
    runs = TARGETS[name]["runs"].get(size, TARGETS[name]["runs"]["normal"])
    workers = min(2, os.cpu_count() or 1) if seconds or runs > 100000 else 1
    limit = f"-max_total_time={seconds}" if seconds else f"-runs={runs // workers}"
    return [limit] * workers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=TARGETS)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, help="how long to look; else by WEIR_TEST_SIZE")
    arguments = parser.parse_args()

    folder = arguments.build / arguments.name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    clang = shutil.which("clang")
    if clang is None or not can_fuzz(clang, folder):
        print("no clang that can fuzz")
        return SKIPPED
    write_seeds(clang, arguments.root, arguments.name, folder, corpus)
    program = build(clang, arguments.root, arguments.name, folder)
    limits = limits_of(arguments.name, arguments.seconds)
    cases = 0
    for is_ok, tried, output in search(program, corpus, folder, limits):
        if not is_ok:
            print(output)
            return 1
        cases += tried
    print(f"cases: {cases}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
