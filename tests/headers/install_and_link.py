"""Installs into a temporary tree, then builds and runs a small C and a small C++ program against
it: through pkg-config (shared and static) and, where there is cmake, through find_package.

usage: install_and_link.py BUILD_FOLDER INCLUDE_FOLDER
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(consumer C CXX)
find_package(weir 0.1 REQUIRED)
add_executable(in_c main.c)
target_link_libraries(in_c weir::weir)
add_executable(in_cpp main.cc)
target_link_libraries(in_cpp weir::weir)
"""


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    if done.returncode != 0:
        print(shlex.join(map(str, command)), done.stdout, done.stderr, sep="\n")
        sys.exit(1)
    return done.stdout


def only(tree, pattern):
    found = list(tree.rglob(pattern))
    if len(found) != 1:
        sys.exit(f"expected one {pattern} in the installed tree, found {found}")
    return found[0]


def program(shared, header):
    """A main that needs a symbol of the library, one that weir.h declares."""
    exported = re.findall(r" T (weir_\w+)", run("nm", "-D", "--defined-only", shared))
    text = run("cc", "-E", "-P", f"-I{header.parent}", header)
    declared = set(re.findall(r"\b(weir_\w+)\(", text))
    names = sorted(declared & set(exported))
    if not names:
        sys.exit("weir.h declares none of the functions that the library exports")
    return (
        "#include <weir.h>\n"
        f"void (*volatile function)(void) = (void (*)(void)){names[0]};\n"
        "int main(void) { return function == 0; }\n"
    )


def main(build, include):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        tree = scratch / "tree"
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", tree)

        header = only(tree, "weir.h")
        installed = {path.relative_to(header.parent) for path in header.parent.rglob("*.h")}
        expected = {path.relative_to(include) for path in pathlib.Path(include).rglob("*.h")}
        if installed != expected:
            sys.exit(f"installed headers differ from the tree's: {installed ^ expected}")

        shared = only(tree, "libweir.so.*.*.*")
        dynamic = run("readelf", "-d", shared)
        if "Library soname: [libweir.so.0.1]" not in dynamic:
            sys.exit(f"{shared.name} has another soname than libweir.so.0.1:\n{dynamic}")

        (scratch / "main.c").write_text(program(shared, header))
        (scratch / "main.cc").write_text(program(shared, header))
        environment = dict(
            os.environ,
            PKG_CONFIG_PATH=str(only(tree, "weir.pc").parent),
            PKG_CONFIG_SYSROOT_DIR=str(tree),
            LD_LIBRARY_PATH=str(shared.parent),
        )

        cases = 0
        for compiler, source in (("cc", "main.c"), ("c++", "main.cc")):
            for kind in ("shared", "static"):
                cases += 1
                static = ["--static"] if kind == "static" else []
                flags = run("pkg-config", *static, "--cflags", "--libs", "weir", env=environment)
                words = shlex.split(flags)
                if static:
                    # hwloc names libudev for its own static form, which is not what is linked.
                    words = ["-l:libweir.a" if word == "-lweir" else word for word in words]
                    words = [word for word in words if word != "-ludev"]
                target = scratch / f"{source}-{kind}"
                run(compiler, scratch / source, "-o", target, *words)
                run(target, env=environment)
                needs_shared = "libweir" in run("readelf", "-d", target)
                if needs_shared != (kind == "shared"):
                    sys.exit(f"the {kind} program was linked the other way: {flags}")

        if shutil.which("cmake"):
            (scratch / "CMakeLists.txt").write_text(CMAKE)
            run("cmake", "-S", scratch, "-B", scratch / "out",
                f"-Dweir_DIR={only(tree, 'weirConfig.cmake').parent}")
            run("cmake", "--build", scratch / "out")
            for target in ("in_c", "in_cpp"):
                cases += 1
                run(scratch / "out" / target)
        else:
            print("no cmake here: find_package was not tried")
        print(f"cases: {cases}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
