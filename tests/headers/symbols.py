"""The shared library exports weir_... and nothing else, each of them declared in a public header;
the static library's own C symbols are weir_... or wr_..., so that it clashes with nobody.

usage: symbols.py SHARED_LIBRARY STATIC_LIBRARY INCLUDE_FOLDER
"""

import pathlib
import re
import subprocess
import sys


def defined(*command):
    """(kind, name) of each symbol that nm lists."""
    done = subprocess.run(["nm", *command], capture_output=True, text=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return [(row[-2], row[-1]) for row in rows if len(row) == 3]


def main(shared, static, include):
    text = "".join(path.read_text() for path in pathlib.Path(include).rglob("*.h"))
    words = set(re.findall(r"\w+", text))
    complaints = []

    exported = []
    for kind, name in defined("-D", "--defined-only", shared):
        name = name.split("@")[0]
        if kind == "A" and re.fullmatch(r"WEIR_\d+\.\d+", name):
            continue  # the version itself
        exported.append(name)
        if not name.startswith("weir_"):
            complaints.append(f"exported, but not weir_...: {name}")
        elif name not in words:
            complaints.append(f"exported, but in no public header: {name}")

    for name in re.findall(r"\bWEIR_API\b[^;{}]*?\b(weir_\w+)\s*\(", text):
        if name not in exported:
            complaints.append(f"declared in a public header, but not exported: {name}")

    for kind, name in defined("--defined-only", "--extern-only", static):
        is_cpp = name.startswith("_Z") or name == "DW.ref.__gxx_personality_v0"
        if not is_cpp and not name.startswith(("weir_", "wr_")):
            complaints.append(f"global in the static library, but not weir_... or wr_...: {name}")

    if not exported:
        complaints.append(f"{shared} exports nothing")
    for complaint in complaints:
        print(complaint)
    print(f"cases: {len(exported)}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
