#!/usr/bin/env python3
"""Plants bugs, one at a time, and shows that the simulation finds each.

Usage: plant.py [--seeds N] [--jobs N] [NAME...]   plants all, or those with these names
       plant.py --check                            only looks whether the patches apply
       plant.py --keep NAME                        plants one in build/planted/tree and leaves it there

Each patch of planted/ is applied to a copy of the tree, the program is built
there, and seeds are played until one fails. Ends with a table and
`N planted, N found`.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build" / "planted"
TREE = WORK / "tree"
BUILD = WORK / "build"
COPIED = [
    "CMakeLists.txt",
    "cmake",
    "src",
    "tests/CMakeLists.txt",
    "tests/e2e/odd_machine.cpp",
    "tests/scenarios/toml_keys.h",
    "tests/simulation",
    "tools/check_layers.py",
]
PROGRAM = BUILD / "tests" / "simulation" / "hanse_simulation"


def copy_tree() -> None:
    """Makes the copy what the tree is; what is the same is not touched, so that little is built again."""
    wanted = set()
    for name in COPIED:
        source = ROOT / name
        files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
        wanted.update(path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts)
    for path in [path for path in TREE.rglob("*") if path.is_file()]:
        if path.relative_to(TREE) not in wanted:
            path.unlink()
    for name in wanted:
        copy = TREE / name
        if copy.exists() and filecmp.cmp(ROOT / name, copy, shallow=False):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy)


def apply(patch: pathlib.Path, tree: pathlib.Path, *options: str) -> str:
    """Applies a patch, outside of any repository; returns why it does not apply, or nothing."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent), "GIT_DIR": os.devnull}
    done = subprocess.run(
        ["git", "apply", *options, str(patch)], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr.strip()


def build(jobs: int) -> str:
    """Builds the program in the copy; returns what the compiler says against it, or nothing."""
    if not (BUILD / "build.ninja").exists():
        configure = ["cmake", "-S", str(TREE), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
        compilers = ["-DCMAKE_C_COMPILER=clang-19", "-DCMAKE_CXX_COMPILER=clang++-19"]
        # Only the simulation and what it needs; a planted bug may leave a name unused.
        rest = ["-DHANSE_TEST_PROGRAMS=hanse_simulation", "-DHANSE_E2E=", "-DHANSE_WARNINGS_ARE_ERRORS=OFF"]
        rest.append(f"-DHANSE_LLHTTP_DIR={next((ROOT / '.deps').glob('llhttp-*/lib'))}")
        subprocess.run([*configure, *compilers, *rest], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        ["cmake", "--build", str(BUILD), "--target", "hanse_simulation", "-j", str(jobs)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-1000:]


def play(seeds: int, jobs: int) -> tuple[int | None, str]:
    """Plays until a seed fails; returns it, and what it says."""
    done = subprocess.run(
        [str(PROGRAM), "--seeds", str(seeds), "--processes", str(jobs), "--stop", "--out", str(WORK)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^seed (\d+) fails: (.*)$", done.stdout, re.MULTILINE)
    return (int(found[1]), found[2]) if found else (None, "")


def plant(patch: pathlib.Path, seeds: int, jobs: int) -> tuple[int | None, str]:
    """Plants one and looks for it."""
    copy_tree()
    if trouble := apply(patch, TREE):
        sys.exit(f"{patch.name} no longer applies; who changed the code makes it anew:\n{trouble}")
    if trouble := build(jobs):
        sys.exit(f"{patch.name} no longer compiles:\n{trouble}")
    return play(seeds, jobs)


def main() -> int:
    """Plants what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", metavar="NAME")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    names = [options.keep] if options.keep else options.names
    patches = [
        path for path in sorted((HERE / "planted").glob("*.patch")) if not names or any(name in path.name for name in names)
    ]
    if not patches:
        parser.error("there is no such patch")
    if options.check:
        broken = {patch.name: trouble for patch in patches if (trouble := apply(patch, ROOT, "--check"))}
        for name, trouble in broken.items():
            print(f"{name} no longer applies:\n{trouble}")
        return 1 if broken else 0

    copy_tree()
    if options.keep:
        return 1 if apply(patches[0], TREE) else 0
    if trouble := build(options.jobs):
        sys.exit(f"without any bug the program does not compile:\n{trouble}")
    seed, complaint = play(500, options.jobs)
    if seed is not None:
        sys.exit(f"without any bug seed {seed} fails: {complaint}")

    rows = []
    for patch in patches:
        begun = time.monotonic()
        seed, complaint = plant(patch, options.seeds, options.jobs)
        rows.append((patch.stem, seed, complaint))
        print(f"{patch.stem}: {'not found' if seed is None else f'seed {seed}'}, {time.monotonic() - begun:.0f} s", flush=True)
    width = max(len(name) for name, _, _ in rows)
    print()
    for name, seed, complaint in rows:
        print(f"{name:{width}}  {'-' if seed is None else seed:>6}  {complaint}")
    found = sum(seed is not None for _, seed, _ in rows)
    print(f"{len(rows)} planted, {found} found")
    return 0 if found == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
