#!/usr/bin/env python3
"""Measures two builds of the gateway in alternating runs, to see what a change costs.

Usage: compare.py OTHER [--rounds N] [--seconds N] [--instructions]

OTHER is the program `hanse` of another commit, built with `make build` there; it
is compared with this folder's. Both run at the same time on the same engine, one
of them under load at any moment, by turns, so that a machine that slows down
slows both. CPU is that of the thread that serves, as the kernel's scheduler
counts it. What is printed is the median over the rounds, and between which bounds
half of the rounds lie: if those lie wide apart the machine had other work.

--instructions counts, with valgrind's callgrind, the instructions of that thread
in user space instead: slower, but the same on a busy machine as on an idle one.
SHA-256 counts for more than its share, because callgrind knows no SHA extensions.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import statistics
import tempfile
import typing

from servers import BUILD, Server, load, running_engine, start_hanse, start_nginx

CONNECTIONS = 48
FEW_CONNECTIONS = 8  # under callgrind: as many requests in a turn as 48 make without it


class Options(typing.NamedTuple):
    """What the command line says."""

    other: pathlib.Path
    rounds: int
    seconds: int
    instructions: bool


def cpu_microseconds(server: Server) -> float:
    """CPU of the serving thread so far; exact, where ticks of /proc/PID/stat are sampled."""
    text = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text()
    return int(text.split()[0]) / 1_000


def cpu_per_request(server: Server, seconds: int) -> float:
    """In microseconds, under load."""
    before = cpu_microseconds(server)
    done = load(server.port, "json", CONNECTIONS, seconds)
    return (cpu_microseconds(server) - before) / done["completed"]


def compare_cpu(options: Options, folder: pathlib.Path) -> None:
    """Prints a line for each build."""
    programs = {"other": options.other, "this": BUILD / "hanse"}
    taken: dict[str, list[float]] = {"nginx": [], "other": [], "this": []}
    with running_engine(200, 20) as engine:
        servers: dict[str, Server] = {}
        try:
            servers["nginx"] = start_nginx(folder, engine)
            for name, program in programs.items():
                servers[name] = start_hanse(folder / name, engine, program=program)[0]
            for turn in range(options.rounds):
                order = ["nginx", *(("other", "this") if turn % 2 else ("this", "other"))]
                for name in order:
                    taken[name].append(cpu_per_request(servers[name], options.seconds))
        finally:
            for server in servers.values():
                server.stop()
    print(f"{'JSON request':14} {'us CPU':>8} {'of other':>9} {'half lie within':>17}")
    for name, values in taken.items():
        ratios = [value / other for value, other in zip(values, taken["other"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        print(f"{name:14} {statistics.median(values):8.2f} {middle:9.3f} {low:8.3f} {high:8.3f}")


def count_instructions(program: pathlib.Path, seconds: int, folder: pathlib.Path) -> tuple[int, int]:
    """Of the serving thread, from its start to its end, and the requests it answered."""
    folder.mkdir()
    wrapper = folder / "hanse"
    wrapper.write_text(
        "#!/bin/sh\nexec valgrind --tool=callgrind --separate-threads=yes "
        f"--callgrind-out-file={folder}/counted {program} \"$@\"\n"
    )
    wrapper.chmod(0o755)
    with running_engine(200, 20) as engine:
        server, _ = start_hanse(folder / "run", engine, program=wrapper)
        done = load(server.port, "json", FEW_CONNECTIONS, seconds)
        server.stop()
    found = re.search(r"^totals: (\d+)", (folder / "counted-01").read_text(errors="replace"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"callgrind left no total in {folder}/counted-01")
    return int(found[1]), int(done["completed"])


def compare_instructions(options: Options, folder: pathlib.Path) -> None:
    """Prints a line for each build: what more requests cost more, so without the start."""
    counts = {}
    for name, program in {"other": options.other, "this": BUILD / "hanse"}.items():
        short = count_instructions(program, 2, folder / f"{name}-short")
        long = count_instructions(program, 2 + 4 * options.seconds, folder / f"{name}-long")
        counts[name] = (long[0] - short[0]) / (long[1] - short[1])
    for name, value in counts.items():
        print(f"{name:14} {value:8.0f} instructions a JSON request {value / counts['other']:9.3f}")


def main() -> int:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--instructions", action="store_true")
    given = parser.parse_args()
    options = Options(given.other.resolve(), max(2, given.rounds), max(1, given.seconds), given.instructions)
    if not options.other.is_file():
        parser.error(f"{given.other} is not there; build it with `make build` in a folder of that commit")
    with tempfile.TemporaryDirectory() as name:
        (compare_instructions if options.instructions else compare_cpu)(options, pathlib.Path(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
