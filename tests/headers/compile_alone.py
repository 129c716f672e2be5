"""Each public header compiles alone, and twice, as C11 and as C++17, without a warning; it drags
in no library's header and defines no macro but WEIR_...

usage: compile_alone.py INCLUDE_FOLDER C_COMPILER,CPP_COMPILER...
"""

import pathlib
import re
import subprocess
import sys

WARNINGS = (
    "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Wvla -Werror"
).split()
LANGUAGES = [
    ("C11", 0, ["-xc", "-std=c11", "-Wstrict-prototypes", "-Wmissing-prototypes"]),
    ("C++17", 1, ["-xc++", "-std=c++17"]),
]
FOREIGN = re.compile(r"/(ck_\w+|hwloc|simdjson|csv|xxhash|isa-l|lz4|zstd)(\.h|/)|/runtime/")
MACRO = re.compile(r"^\s*#\s*define\s+(?!WEIR_)(\w+)", re.MULTILINE)


def compile_text(compiler, flags, text, include):
    command = [compiler, *flags, *WARNINGS, f"-I{include}", "-fsyntax-only", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def dependencies(compiler, flags, text, include):
    command = [compiler, *flags, f"-I{include}", "-M", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout.replace("\\\n", " ").split()


def main(include, pairs):
    include = pathlib.Path(include).resolve()
    headers = sorted(include.rglob("*.h"))
    complaints = []
    cases = 0
    for header in headers:
        name = header.relative_to(include)
        text = f"#include <{name}>\n#include <{name}>\n"
        for macro in MACRO.findall(header.read_text()):
            complaints.append(f"{name}: defines {macro}; public macros begin with WEIR_")
        for pair in pairs:
            for language, which, flags in LANGUAGES:
                cases += 1
                compiler = pair.split(",")[which]
                done = compile_text(compiler, flags, text, include)
                if done.returncode != 0 or done.stderr:
                    complaints.append(f"{name} as {language} with {compiler}:\n{done.stderr}")
                for path in dependencies(compiler, flags, text, include):
                    if FOREIGN.search(path):
                        complaints.append(f"{name} as {language} reaches {path}")
    if not headers or not pairs:
        complaints.append(f"no header under {include}, or no compiler")
    for complaint in complaints:
        print(complaint)
    print(f"cases: {cases}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
