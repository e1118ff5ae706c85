#!/usr/bin/env python3
"""Measures the gateway on this machine, next to nginx, and writes build/bench.json.

Usage: run.py [--rounds N] [--seconds N] [--journal-gigabytes N] [--callers]

An engine that computes nothing stands behind both; nginx (one worker, kept
connections to the engine, no log) brackets each round, so that a machine that
slows down slows both. CPU is that of the thread that serves: the gateway's
shard with its journal, nginx's worker; the gateway's other threads and the
total are rows of their own. Everything is on: key check, gate, placement,
hold, journal, metrics. Parts (a decision, the journal, the books, simulation) are
measured by programs of their own.

What the bars are is in the table; a miss is printed as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import typing

import allocations
from servers import (
    BUILD,
    NGINX,
    ROOT,
    Server,
    cpu_by_thread,
    load,
    make_certificate,
    metric,
    private_kilobytes,
    remote_ends,
    resident_megabytes,
    result,
    running_engine,
    start_hanse,
    start_load,
    start_nginx,
)

CONNECTIONS = 48
# Of a chat request, streamed or not, as gateway/load.cpp makes it.
REQUEST_BYTES = 355
STREAMS = 500
EVENT_RATE = 20


class Options(typing.NamedTuple):
    """What the command line says."""

    rounds: int
    seconds: int
    journal_gigabytes: float
    callers: bool


class Row:
    """One figure, with its bar: the most it may be, or the least."""

    def __init__(self, name: str, unit: str, most: float | None, least: float | None) -> None:
        self.name = name
        self.unit = unit
        self.most = most
        self.least = least
        self.values: list[float] = []

    @property
    def value(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; nothing without a bar."""
        if self.most is not None:
            return self.value <= self.most
        return None if self.least is None else self.value >= self.least

    def line(self) -> str:
        """For the table."""
        bar = "" if self.holds is None else f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"
        verdict = {None: "", True: "holds", False: "MISSED"}[self.holds]
        return (f"{self.name:66} {self.value:11.3f} {min(self.values):11.3f} {max(self.values):11.3f}"
                f"  {self.unit:11} {bar:9} {verdict}").rstrip()

    def figure(self) -> dict[str, object]:
        """For build/bench.json."""
        return {"name": self.name, "value": self.value, "min": min(self.values), "max": max(self.values),
                "unit": self.unit, "bar": self.least if self.most is None else self.most, "holds": self.holds}


class Table:
    """All rows, in the order in which they came."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, name: str, unit: str, *values: float, most: float | None = None, least: float | None = None) -> None:
        """Figures of a row; more of the same name are further rounds."""
        self.rows.setdefault(name, Row(name, unit, most, least)).values.extend(values)


def say(what: str) -> None:
    """Progress, beside the table."""
    print(f"  {what}", file=sys.stderr, flush=True)


def figures_of(program: str, *arguments: str) -> dict[str, typing.Any]:
    """What a program that measures a part prints."""
    done = subprocess.run([BUILD / "bench" / program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{program} failed:\n{done.stderr}")
    return typing.cast(dict[str, typing.Any], json.loads(done.stdout))


def measure_decision(table: Table, rounds: int) -> None:
    """One decision: gate and placement, the load changing between any two."""
    say("decisions")
    printed = figures_of("decision_bench", "--benchmark_filter=cheapest", f"--benchmark_repetitions={rounds}",
                         "--benchmark_format=json")
    bars = {100: 5.0, 1_000: 20.0, 10_000: 60.0}
    for run in printed["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        _, name, offers = run["name"].split("/")[:3]
        if name.endswith("none_on_time"):
            table.add(f"a decision over {int(offers):,} offers, p99, when none is fast enough", "us", run["p99_us"])
        else:
            table.add(f"a decision over {int(offers):,} offers, p99", "us", run["p99_us"], most=bars[int(offers)])


def measure_books(table: Table, options: Options, folder: pathlib.Path) -> None:
    """Journal and books, with real files."""
    say("journal and books")
    rounds = str(options.rounds)
    # At 48 connections a gateway at full load writes for 4 requests at a time.
    for per_turn, bar in ((48, 2.0), (4, 2.0), (1, 5.0)):
        printed = figures_of("journal_bench", str(folder), "request", str(per_turn), rounds)
        together = "alone in its turn" if per_turn == 1 else f"{per_turn} in a turn"
        table.add(f"hold, ledger and journal of a request, {together}", "us CPU", *printed["cpu_us"], most=bar)
    printed = figures_of("books_bench", str(folder), "100000", "3")
    table.add("settlements into SQLite", "1/s", *printed["per_second"], least=20_000)
    size = options.journal_gigabytes
    printed = figures_of("journal_bench", str(folder), "start", str(size), "3")
    table.add(f"start on a journal of {size:g} GB", "s", *printed["seconds"], most=5)


def measure_simulation(table: Table, rounds: int) -> None:
    """How fast virtual time goes by, rules looked at."""
    say("simulation")
    for _ in range(rounds):
        printed = figures_of("../tests/simulation/hanse_simulation", "--speed")
        table.add("simulated time, 12 sites at 20 requests/s, with faults", "s/core s",
                  printed["simulated_seconds_per_core_second"], least=500)


def cost(server: Server, mode: str, count: int, seconds: int) -> tuple[dict[str, float], dict[str, float]]:
    """CPU microseconds per unit of work by thread, and what was done."""
    before = cpu_by_thread(server.pid)
    done = load(server.port, mode, count, seconds)
    after = cpu_by_thread(server.pid)
    if done["failed"]:
        say(f"{int(done['failed'])} requests failed")
    units = done["events"] if mode == "stream" else done["completed"]
    return {name: (after[name] - before.get(name, 0)) / units * 1e6 for name in after}, done


def measure_idle(table: Table, hanse: Server) -> None:
    """What the gateway needs when nobody asks it anything, and whom it talks to."""
    time.sleep(1)
    table.add("idle resident memory", "MB", resident_megabytes(hanse.pid), most=20)
    before = sum(cpu_by_thread(hanse.pid).values())
    time.sleep(3)
    table.add("idle CPU", "% of a core", (sum(cpu_by_thread(hanse.pid).values()) - before) / 3 * 100, most=0.1)


def measure_strangers(table: Table, hanse: Server, engine: int) -> None:
    """The configuration names one host: 127.0.0.1 with the engine's port. Nobody is connected to the gateway."""
    strangers: set[str] = set()
    until = time.monotonic() + 3
    while time.monotonic() < until:
        strangers |= {end for end in remote_ends(hanse.pid) if end != f"0100007F:{engine:04X}"}
        time.sleep(0.01)
    if strangers:
        say(f"the idle gateway talks to {sorted(strangers)}")
    table.add("idle, hosts reached that are not in the configuration", "hosts", len(strangers), most=0)


def measure_cost(table: Table, hanse: Server, nginx: Server, seconds: int) -> None:
    """One round of CPU per unit of work, each bracketed by nginx."""
    for mode, count, what, bar in (
        ("json", CONNECTIONS, "JSON request", 1.25),
        ("stream", STREAMS, "streamed event", 1.15),
    ):
        first, _ = cost(nginx, mode, count, seconds)
        ours, done = cost(hanse, mode, count, seconds)
        second, _ = cost(nginx, mode, count, seconds)
        theirs = (first["main"] + second["main"]) / 2
        table.add(f"CPU per {what}, over nginx", "ratio", ours["main"] / theirs, most=bar)
        table.add(f"CPU per {what}, shard with its journal", "us", ours["main"])
        table.add(f"CPU per {what}, journal's flusher", "us", ours["journal-flusher"])
        table.add(f"CPU per {what}, book-keeper", "us", ours["book-keeper"])
        table.add(f"CPU per {what}, all threads", "us", sum(ours.values()))
        table.add(f"CPU per {what}, nginx", "us", theirs)
        if mode == "json":
            table.add(f"requests a second, {count} connections", "1/s", done["completed"] / done["seconds"])
            table.add(f"latency at {count} connections, p99", "us", done["p99_us"])


def measure_latency(table: Table, hanse: Server, nginx: Server, engine: int) -> None:
    """One round of what stands between a client and the engine adds."""
    direct, through_nginx, through_hanse = (load(port, "json", 1, 1) for port in (engine, nginx.port, hanse.port))
    theirs = through_nginx["p50_us"] - direct["p50_us"]
    ours = through_hanse["p50_us"] - direct["p50_us"]
    table.add("latency added at one connection, p50, over nginx", "ratio", ours / theirs, most=1.2)
    table.add("latency added at one connection, p99", "us", through_hanse["p99_us"] - direct["p99_us"])


def measure_lag(table: Table, hanse: Server, folder: pathlib.Path, seconds: int) -> None:
    """How far the books are behind the journal at full load."""
    clients = start_load(hanse.port, "json", CONNECTIONS, seconds)
    until = time.monotonic() + seconds - 0.5
    while time.monotonic() < until:
        time.sleep(0.5)
        table.add(f"lag of the books, {CONNECTIONS} connections", "s", metric(folder, "hanse_books_lag_seconds"))
    result(clients)


def kilobytes_with(server: Server, streams: int, *more: str) -> int:
    """Private memory while so many streams are open, all opened at once."""
    clients = start_load(server.port, "stream", streams, 40, *more)
    assert clients.stdout is not None
    if clients.stdout.readline() != "open\n":
        raise SystemExit(f"{streams} streams did not open in 40 s")
    time.sleep(1.5)
    measured = private_kilobytes(server.pid)
    clients.terminate()
    clients.wait()
    time.sleep(1)
    return measured


def bytes_per_stream(server: Server, *more: str) -> float:
    """Bytes of private memory per open stream, less the request's body, which is
    kept for the next site to be asked: the slope between two loads."""
    few, many = 1_000, 5_000
    at_few = kilobytes_with(server, few, *more)
    return (kilobytes_with(server, many, *more) - at_few) * 1024 / (many - few) - REQUEST_BYTES


def measure_memory(table: Table, folder: pathlib.Path) -> None:
    """Memory per open stream of two fresh gateways, in front of an engine that has little to say."""
    with running_engine(60, 1) as engine:
        for name, more, clients, bar in (
            ("private memory per open stream", "", (), 6_000),
            ("private memory per open stream, TLS", make_certificate(folder), ("tls",), 22_000),
        ):
            say(name)
            hanse, _ = start_hanse(folder / ("memory" + "".join(clients)), engine, more)
            try:
                table.add(name, "bytes", bytes_per_stream(hanse, *clients), most=bar)
            finally:
                hanse.stop()


def measure_allocations(table: Table, options: Options, folder: pathlib.Path, engine: int) -> None:
    """Allocations of the thread that serves, once it has seen as much load before."""
    say("allocations")
    board = allocations.Board(folder / "allocations")
    hanse, _ = start_hanse(folder / "counted", engine, environment=board.environment())
    try:
        load(hanse.port, "json", CONNECTIONS, 2)
        load(hanse.port, "stream", STREAMS, 3)
        for _ in range(3):
            before = board.allocations(hanse.pid)
            done = load(hanse.port, "json", CONNECTIONS, 1)
            table.add("allocations per JSON request", "", (board.allocations(hanse.pid) - before) / done["completed"],
                      most=8)
        clients = start_load(hanse.port, "stream", STREAMS, 6)
        assert clients.stdout is not None
        clients.stdout.readline()  # all are open
        time.sleep(0.5)
        for _ in range(3):
            before = board.allocations(hanse.pid)
            time.sleep(1)
            events = STREAMS * EVENT_RATE
            table.add("allocations per streamed event", "", (board.allocations(hanse.pid) - before) / events, most=0)
        result(clients)
        if options.callers:
            print_callers(board, hanse)
    finally:
        hanse.stop()


def print_callers(board: allocations.Board, hanse: Server) -> None:
    """Who allocates for a JSON request."""
    board.keep_callers(True)
    done = load(hanse.port, "json", CONNECTIONS, 1)
    board.keep_callers(False)
    for count, names in board.callers(hanse)[:40]:
        if count / done["completed"] >= 0.005:
            print(f"{count / done['completed']:8.3f}  {' < '.join(names[:7])}")


def measure(table: Table, options: Options, folder: pathlib.Path) -> None:
    """Everything."""
    measure_decision(table, options.rounds)
    measure_books(table, options, folder)
    measure_simulation(table, options.rounds)
    with running_engine(200, EVENT_RATE) as engine:
        nginx = start_nginx(folder, engine)
        try:
            hanse, listening = start_hanse(folder / "hanse", engine)
            try:
                asked = time.monotonic()
                load(hanse.port, "json", 1, 0)
                table.add("start to first answer", "s", listening + time.monotonic() - asked, most=0.2)
                measure_idle(table, hanse)
                measure_strangers(table, hanse, engine)
                for number in range(options.rounds):
                    say(f"round {number + 1} of {options.rounds}")
                    measure_cost(table, hanse, nginx, options.seconds)
                    measure_latency(table, hanse, nginx, engine)
                measure_lag(table, hanse, folder / "hanse", options.seconds)
            finally:
                hanse.stop()
        finally:
            nginx.stop()
        measure_allocations(table, options, folder, engine)
    measure_memory(table, folder)


def main() -> int:
    """Measures, prints a table, writes build/bench.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement of the gateway")
    parser.add_argument("--journal-gigabytes", type=float, default=1.0, help="of the journal that a start reads")
    parser.add_argument("--callers", action="store_true", help="print who allocates for a JSON request")
    options = Options(**vars(parser.parse_args()))
    for needed in (NGINX, BUILD / "hanse", BUILD / "bench" / "bench_load", allocations.LIBRARY):
        if not needed.exists():
            raise SystemExit(f"{needed.relative_to(ROOT)} is missing: `make bench` makes it")

    table = Table()
    began = time.monotonic()
    # Beside the build, on a disk: what lies in memory has nothing to sync.
    with tempfile.TemporaryDirectory(dir=BUILD / "bench") as name:
        measure(table, options, pathlib.Path(name))

    rows = table.rows.values()
    print(f"{'':66} {'median':>11} {'min':>11} {'max':>11}  {'unit':11} bar")
    for row in rows:
        print(row.line())
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s")
    (ROOT / "build" / "bench.json").write_text(json.dumps([row.figure() for row in rows], indent=2) + os.linesep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
