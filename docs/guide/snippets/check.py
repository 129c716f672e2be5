"""The guide says what is so: see meson.build.

usage: check.py ROOT CC PROGRAM...

In docs/guide/*.md and README.md
  ```c        stands, line by line, in a snippet or an example
  ```console  is commands, each behind "$ ", and what they print; those that begin with the name of
              a program are run in an empty folder with readings.csv, and print it, in any order
"""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_in(wanted, lines):
    return any(
        lines[i : i + len(wanted)] == wanted for i in range(len(lines) - len(wanted) + 1)
    )


def commands_of(block):
    """Pairs of a command and the lines it prints."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line:
            found[-1][1].append(line)
    return found


def run(command, programs, folder):
    shell = "".join(
        f'{name}() {{ {shlex.quote(str(path))} "$@"; }}\n' for name, path in programs.items()
    )
    done = subprocess.run(
        ["bash", "-c", shell + command], cwd=folder, timeout=600, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    return done.stdout.splitlines()


def check_page(page, sources, programs, readings):
    failures, cases = [], 0
    blocks = BLOCK.findall(page.read_text())
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(readings, folder)
        for kind, block in blocks:
            if kind == "c":
                cases += 1
                if not any(is_in(lines_of(block), lines) for lines in sources):
                    failures.append(f"{page.name}: no program has\n{block}")
            elif kind == "console":
                for command, wanted in commands_of(block):
                    name = command.split()[0]
                    if name not in programs and name not in ("mkdir", "cat", "printf"):
                        continue
                    cases += 1
                    got = run(command, programs, folder)
                    if sorted(got) != sorted(wanted):
                        failures.append(f"{page.name}: {command}: printed {got}, not {wanted}")
    return failures, cases


def check_wrong_signature(root, compiler):
    source = root / "docs/guide/snippets/wrong_signature.c"
    done = subprocess.run(
        [*compiler.split(), "-std=c11", "-fsyntax-only", f"-I{root / 'include'}", source],
        check=False, text=True, capture_output=True,
    )
    wanted = "WEIR_FILTER(hot): is_hot must be bool (const reading *)"
    if done.returncode == 0 or wanted not in done.stderr:
        return [f"wrong_signature.c: the compiler says\n{done.stderr}"]
    return []


def main(root, compiler, paths):
    root = pathlib.Path(root)
    snippets = root / "docs/guide/snippets"
    programs = {
        pathlib.Path(path).name.removeprefix("guide_"): pathlib.Path(path).resolve()
        for path in paths
    }
    sources = [lines_of(path.read_text()) for path in snippets.glob("*.c")]
    sources += [lines_of(path.read_text()) for path in (root / "examples").rglob("*.c")]
    pages = sorted((root / "docs/guide").glob("*.md")) + [root / "README.md"]
    failures, cases = check_wrong_signature(root, compiler), 1
    for page in pages:
        more, count = check_page(page, sources, programs, snippets / "readings.csv")
        failures += more
        cases += count
    for failure in failures:
        print(failure)
    print(f"cases: {cases}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
