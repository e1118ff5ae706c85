#!/usr/bin/env python3
"""Measures the gateway against nginx on this machine and writes build/bench.json.

Usage: run.py [--rounds N] [--seconds N]

An engine that computes nothing stands behind both; nginx (one worker, kept
connections to the engine, no log) brackets each round, so that a machine that
slows down slows both. CPU is that of the thread that serves: the gateway's
shard, nginx's worker; the gateway's other threads are rows of their own.
Everything is on: key check, gate, placement, hold, journal, metrics.

What the bars are is in the table; a miss is printed as it is. Rows of bars
that nothing measures yet are not there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
NGINX = ROOT / ".deps" / "bin" / "nginx"
KEY = "hk-bench-000000000000000"
CONNECTIONS = 48
STREAMS = 500
EVENT_RATE = 20


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 10) -> None:
    """Waits until somebody listens on `port`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"nobody listens on port {port}")


def cpu_by_thread(pid: int) -> dict[int, float]:
    """CPU seconds of each thread, from the scheduler's own nanoseconds."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        seconds[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def private_kilobytes(pid: int) -> int:
    """Private memory that the process has written to."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


def resident_megabytes(pid: int) -> float:
    """Resident memory."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


CONFIGURATION = """
schema = 1
[gateway]
name = "bench"
currency = "EUR"
listen = "127.0.0.1:{port}"
admin = "unix:{folder}/admin.sock"
data_dir = "{folder}/data"
[http]
connections_max = 20000
retained_bytes_max = "2GiB"
[chip.mock]
name = "a chip that computes nothing"
[model.mock]
context_tokens = 8192
[model.mock.variant.v]
precision = "none"
[alias.mock]
model = "mock"
class = "any"
[class.any]
first_token = "30s"
per_token = "1s"
time_limit = "10m"
[supplier.mock]
name = "Mock GmbH"
home = "DE"
parents = "none"
[site.mock]
supplier = "mock"
place = "DE"
chip = "mock"
slots = 20000
engine = {{ kind = "openai", url = "http://127.0.0.1:{engine}" }}
[site.mock.offer.mock.v]
upstream_model = "mock"
price = {{ prompt = "0.040", output = "0.120" }}
profile = {{ first_token = "1ms", prefill_tokens_per_second = 100000, decode_tokens_per_second = 20 }}
[link.mock]
round_trip = "1ms"
bandwidth_mbit_per_second = 10000
[price.standard.mock]
prompt = "0.120"
output = "0.360"
[policy.union]
rules = [{{ name = "personal-stays", when = {{ data = "personal" }}, require = {{ place = ["EU"] }} }}]
[tenant.bench]
name = "Bench"
home = "DE"
policy = "union"
data = "none"
price = "standard"
budget = "1000000"
output_tokens_default = 256
[tenant.bench.project.p]
[tenant.bench.project.p.key.k]
sha256 = "{digest}"
"""

NGINX_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error crit;
events {{ worker_connections 30000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


class Row(typing.NamedTuple):
    """One figure, with its bar."""

    name: str
    values: list[float]
    unit: str
    bar: float | None

    @property
    def value(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; nothing without a bar."""
        return None if self.bar is None else self.value <= self.bar


class Server(typing.NamedTuple):
    """A process to be measured."""

    process: subprocess.Popen[bytes]
    pid: int  # of the process that serves
    port: int


def start_nginx(folder: pathlib.Path, engine: int) -> Server:
    """nginx with one worker."""
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(NGINX_CONFIGURATION.format(folder=folder, engine=engine, port=port))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", file], stderr=subprocess.DEVNULL)
    wait_for(port)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return Server(process, int(children[0]), port)


def start_hanse(folder: pathlib.Path, engine: int) -> tuple[Server, float]:
    """The gateway, and the seconds until it had answered a first request."""
    port = free_port()
    file = folder / "bench.toml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    file.write_text(CONFIGURATION.format(folder=folder, engine=engine, port=port, digest=digest))
    began = time.monotonic()
    log = folder / "hanse.log"
    process = subprocess.Popen([BUILD / "hanse", "serve", file], stderr=log.open("wb"))
    try:
        wait_for(port)
    except SystemExit:
        process.kill()
        raise SystemExit(f"the gateway did not start:\n{log.read_text()}") from None
    load(port, "json", 1, 0)
    return Server(process, process.pid, port), time.monotonic() - began


def load(port: int, mode: str, count: int, seconds: int) -> dict[str, float]:
    """Runs the clients."""
    command = [BUILD / "bench" / "bench_load", str(port), mode, str(count), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    return typing.cast(dict[str, float], json.loads(done.stdout))


def cost(server: Server, mode: str, count: int, seconds: int) -> tuple[float, dict[str, float], float]:
    """CPU microseconds of the serving thread per unit of work, what was done, and the same of other threads."""
    before = cpu_by_thread(server.pid)
    done = load(server.port, mode, count, seconds)
    after = cpu_by_thread(server.pid)
    if done["failed"]:
        print(f"  {int(done['failed'])} requests failed", file=sys.stderr)
    units = done["events"] if mode == "stream" else done["completed"]
    main = after[server.pid] - before[server.pid]
    rest = sum(after.values()) - sum(before.values()) - main
    return main / units * 1e6, done, rest / units * 1e6


def open_streams_memory(server: Server, engine_limit: int) -> float:
    """Bytes of private memory per open stream: the slope between two loads."""
    measured = []
    for streams in (1000, min(5000, engine_limit)):
        clients = subprocess.Popen(
            [BUILD / "bench" / "bench_load", str(server.port), "stream", str(streams), "6"], stdout=subprocess.DEVNULL
        )
        time.sleep(4.5)
        measured.append((streams, private_kilobytes(server.pid)))
        clients.wait()
        time.sleep(1)
    (few, at_few), (many, at_many) = measured
    return (at_many - at_few) * 1024 / (many - few)


def measure(rounds: int, seconds: int, folder: pathlib.Path, engine: int) -> list[Row]:
    """All rounds."""
    rows: dict[str, Row] = {}
    nginx = start_nginx(folder, engine)
    try:
        hanse, first_answer = start_hanse(folder, engine)
    except BaseException:
        nginx.process.terminate()
        raise

    def add(name: str, value: float, unit: str, bar: float | None = None) -> None:
        rows.setdefault(name, Row(name, [], unit, bar)).values.append(value)

    try:
        time.sleep(1)
        add("start to first answer", first_answer, "s", 0.2)
        add("idle resident memory", resident_megabytes(hanse.pid), "MB", 20)
        before = sum(cpu_by_thread(hanse.pid).values())
        time.sleep(3)
        add("idle CPU", (sum(cpu_by_thread(hanse.pid).values()) - before) / 3 * 100, "% of a core", 0.1)
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}", file=sys.stderr)
            for mode, count, what, bar in (
                ("json", CONNECTIONS, "JSON request", 1.25),
                ("stream", STREAMS, "streamed event", 1.15),
            ):
                first, _, _ = cost(nginx, mode, count, seconds)
                ours, done, others = cost(hanse, mode, count, seconds)
                second, _, _ = cost(nginx, mode, count, seconds)
                theirs = (first + second) / 2
                add(f"CPU per {what}, over nginx", ours / theirs, "ratio", bar)
                add(f"CPU per {what}, shard", ours, "us")
                add(f"CPU per {what}, journal's and books' threads", others, "us")
                add(f"CPU per {what}, nginx", theirs, "us")
                if mode == "json":
                    add("requests a second, 48 connections", done["completed"] / done["seconds"], "1/s")
            direct = load(engine, "json", 1, 1)
            through_nginx = load(nginx.port, "json", 1, 1)
            through_hanse = load(hanse.port, "json", 1, 1)
            added = through_nginx["p50_us"] - direct["p50_us"]
            add("latency added at one connection, p50, over nginx",
                (through_hanse["p50_us"] - direct["p50_us"]) / added, "ratio", 1.2)
            add("latency added at one connection, p99", through_hanse["p99_us"] - direct["p99_us"], "us")
        add("private memory per open stream", open_streams_memory(hanse, 5000), "bytes", 6000)
    finally:
        for server in (hanse, nginx):
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
    return list(rows.values())


def main() -> int:
    """Measures, prints a table, writes build/bench.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    options = parser.parse_args()
    for needed in (NGINX, BUILD / "hanse", BUILD / "bench" / "bench_load", BUILD / "bench" / "bench_mock_engine"):
        if not needed.exists():
            raise SystemExit(f"{needed.relative_to(ROOT)} is missing: `make bench` makes it")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        port = free_port()
        engine = subprocess.Popen(
            [BUILD / "bench" / "bench_mock_engine", str(port), "200", str(EVENT_RATE)], stdout=subprocess.DEVNULL
        )
        try:
            wait_for(port)
            rows = measure(options.rounds, options.seconds, folder, port)
        finally:
            engine.terminate()
            engine.wait()

    print(f"{'':58} {'median':>10} {'min':>10} {'max':>10}  {'unit':12} bar")
    for row in rows:
        verdict = "" if row.holds is None else f"<= {row.bar:g}  {'holds' if row.holds else 'MISSED'}"
        print(f"{row.name:58} {row.value:10.3f} {min(row.values):10.3f} {max(row.values):10.3f}  {row.unit:12} {verdict}")
    figures = [
        {"name": row.name, "value": row.value, "min": min(row.values), "max": max(row.values), "unit": row.unit,
         "bar": row.bar, "holds": row.holds}
        for row in rows
    ]
    (ROOT / "build" / "bench.json").write_text(json.dumps(figures, indent=2) + os.linesep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
