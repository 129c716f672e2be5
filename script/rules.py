"""The house's rules that no compiler checks. Prints each breach as file:line: sentence.

usage: rules.py ROOT
"""

import pathlib
import re
import subprocess
import sys

# The runtime's folders in their order; each may include itself and those before it. run stands
# before graph and plan: these build what run executes, and run never asks how it was declared.
RUNTIME = ["base", "watch", "progress", "flow", "state", "checkpoint", "run", "graph", "plan"]

# What a folder outside the runtime may include of the library's inside, besides its own headers
# and the public ones. tests, bench and the rest see everything.
MAY_INCLUDE = {
    "operators": ["runtime/base", "runtime/progress", "runtime/flow", "runtime/state",
                  "runtime/operator.h", "runtime/connector.h"],
    "testing": ["runtime", "connectors"],
    "connectors": ["runtime/base", "runtime/operator.h", "runtime/connector.h", "log"],
    "examples": [],
    "include": [],
}

# A header right under runtime/ is a door: the folders it may itself include.
DOORS = {"connector.h": ["base", "watch", "progress", "flow"],
         "operator.h": ["base", "watch", "progress", "flow", "state"]}

# One file knows ck; a handful of files share memory between threads.
CK = "runtime/flow/ring.h"
ATOMICS = re.compile(
    r"tests/|bench/|runtime/base/(atomic\.h|environment_real\.c)$"
    r"|runtime/flow/(ring\.h|look\.h|channel\.c|park\.c)$|runtime/watch/watch\.h$"
    r"|runtime/run/(ahead|coordinator|generation|handover|node|prepared|reports)\.c$"
    r"|runtime/run/(run|task|worker)\.c$|runtime/run/run\.h$|log/live\.c$")

C_LIBRARY = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings "
    "tgmath threads time uchar unistd wchar wctype fcntl poll pthread sched semaphore".split()
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ATOMIC = re.compile(r"\b(_Atomic|atomic_\w+|__atomic_\w+|__sync_\w+|stdatomic\.h)\b|std::atomic")
COMMENT_OR_STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])+'|"(?:\\.|[^"\\\n])*\"""", re.DOTALL
)

# (pattern, files it is for, files it is not for, sentence)
FORBIDDEN = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca)\s*\(",
     r"\.(c|cc|h)$", r"^$", "{} has no bound or reports no error; use another"),
    (r"(?<!ops->)\b(clock_gettime|gettimeofday|nanosleep|usleep|sleep|getrandom|rand|srand|random)"
     r"\s*\(",
     r"^(runtime|operators|connectors)/", r"^runtime/(base/|run/run\.c$)",
     "{} is an outside effect; go through the environment, so that the simulation can replace it"),
    (r"\b(pthread_create|thrd_create)\s*\(",
     r"^(runtime|operators|connectors)/", r"^runtime/(base|run)/",
     "{} starts a thread; only base and run do"),
    (r"\b(exit|abort|_exit|quick_exit)\s*\(",
     r"^(runtime|operators|connectors|include)/", r"^runtime/base/",
     "{} ends the caller's program; return a status, or assert"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r".", r"^script/rules\.py$", "{}: finish it or drop it"),
    (r"(?<![\w.~}$)/])/(?:home|root|work|Users)/\w", r".", r"^(script/rules\.py|LICENSE)$",
     "{}... is a path of one machine"),
]
# These look at comments too; the others only at code.
IN_COMMENTS = {FORBIDDEN[-1], FORBIDDEN[-2]}


def listed_files(root):
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in names if name and (root / name).is_file())


def without_comments(text):
    """The same lines, with comments and strings blanked; includes keep their names."""
    def blank(match):
        found = match.group(0)
        start = text.rfind("\n", 0, match.start()) + 1
        if found.startswith('"') and "#" in text[start:match.start()]:
            return found
        return re.sub(r"[^\n]", " ", found)
    return COMMENT_OR_STRING.sub(blank, text)


def allowed(name, target):
    """Whether file `name` may include `target`, a path from the root."""
    top = name.split("/")[0]
    folder = "/".join(name.split("/")[:2])
    if target.startswith("weir") or top in ("tests", "bench", "log", "server", "cli"):
        return True
    if top != "runtime":
        return target.startswith((top + "/", *MAY_INCLUDE.get(top, [])))
    parts = target.split("/")
    here = name.split("/")[1]
    if target == "operators/operators.h":
        return here in ("graph", "plan")  # they know every operator by name
    if parts[0] != "runtime":
        return False
    if len(parts) == 2:
        # Through a door one sees what stands behind it.
        behind = DOORS.get(parts[1])
        return behind is not None and (
            here in DOORS
            or here in RUNTIME
            and max(map(RUNTIME.index, behind)) <= RUNTIME.index(here)
        )
    if here in DOORS:
        return parts[1] in DOORS[here]
    if here not in RUNTIME or parts[1] not in RUNTIME:
        return folder == "/".join(parts[:2])
    return RUNTIME.index(parts[1]) <= RUNTIME.index(here)


def check_include(root, name, bracket, target):
    if re.match(r"ck_\w+\.h$", target) and name != CK and not name.startswith("bench/"):
        return f"includes {target}; only {CK} knows ck"
    if bracket == "<" and not target.startswith("weir"):
        is_standard = "." not in target or target.removesuffix(".h") in C_LIBRARY
        if name.startswith("include/") and not is_standard:
            return f"a public header includes <{target}>, which is not the language's"
        return None
    if (root / "include" / target).is_file():
        return None
    is_program = name.startswith(("tests/", "bench/", "examples/"))
    if is_program and (root / name).parent.joinpath(target).is_file():
        return None
    if not (root / target).is_file():
        return f'"{target}" is no path from the root; write "runtime/flow/flow.h"'
    if not allowed(name, target):
        return f"may not include {target}; includes point one way (docs/ARCHITECTURE.md)"
    return None


def check_file(root, name):
    path = root / name
    text = path.read_text(errors="replace")
    is_c = name.endswith((".c", ".h", ".cc", ".h.in"))
    is_source = is_c or name.endswith((".py", "meson.build")) or name.startswith("script/")
    code = without_comments(text) if is_c else text

    if name.endswith(".h") and path.stem in C_LIBRARY:
        yield 1, f"{path.name} has the name of a C library header"
    for number, (line, bare) in enumerate(zip(text.split("\n"), code.split("\n")), 1):
        if is_source and len(line) > 100:
            yield number, f"the line has {len(line)} columns; 100 is the most"
        if is_source and (line != line.rstrip() or "\t" in line):
            yield number, "a tab, or a space at the end of the line"
        if is_c:
            found = INCLUDE.match(bare)
            sentence = found and check_include(root, name, *found.groups())
            if sentence:
                yield number, sentence
            found = ATOMIC.search(bare)
            if found and not ATOMICS.match(name):
                yield number, f"{found.group(0)}: atomics live in flow, run and watch"
        for rule in FORBIDDEN:
            pattern, where, where_not, sentence = rule
            if not re.search(where, name) or re.search(where_not, name):
                continue
            found = re.search(pattern, line if rule in IN_COMMENTS else bare)
            if found:
                yield number, sentence.format(found.group(0).rstrip("( "))


def main(root):
    root = pathlib.Path(root).resolve()
    breaches = 0
    for name in listed_files(root):
        if name.endswith((".png", ".jsonl", ".csv")):
            continue
        for number, sentence in check_file(root, name):
            breaches += 1
            print(f"{name}:{number}: {sentence}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
