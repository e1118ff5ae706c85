#!/usr/bin/env python3
"""Mixed load, faults, reloads, leaving clients and slow readers, for long; then all is as it was.

    make soak-real MINUTES=60
    tests/storm/soak.py --minutes 60 [--seed N]

Four engines, of which every seventh request or so gets a 500, a 429, a cut, an
early end or a stall, and of which one is killed and comes back every few
seconds. Clients as in a storm, and beside them some that read slowly, and some
that do not read at all. The gateway reads its configuration anew every three
seconds, another one each time. It is never killed here, so each request must end in the
whole answer or in an error that says so.

Each second the gateway's memory, descriptors, threads and open requests are
noted. Two things fill and are bounded: the newest 16,384 records, some nine
megabytes, and the database's page cache, 16 MB (sqlite_books.cpp), by some 190
bytes for each request. So the warm-up is a third of the time, and goes on until
a quarter more requests have ended than records are kept; and while the cache is
filling its part is allowed. After the warm-up, and after the end, when all has
been quiet, these must hold:

    memory       the last quarter's mean is at most 10 % above that of the first
                 quarter after the warm-up and the cache's part, and so after the end
    descriptors  as before the load, and at most a kept connection for each slot
    threads      as before the load
    open         no request, no attempt, no outstanding token; no hold in the journal
    answers      none wrong, none cut off without an error, none that hangs

A soak that is over before the warm-up is says so, and its second half counts.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time

import storm_grid
from load import KEYS, Ask, Load, judge
from storm_grid import KINDS, Engine, Gateway, harness

CLIENTS = 8
SLOW_READERS = 3
SLEEPERS = 2
RELOAD_SECONDS = 3.0
FLAP_SECONDS = 7.0
FAULTS = 0.15
WARM_REQUESTS = 16_384 * 5 // 4
CACHE_MB, CACHE_MB_PER_REQUEST = 16.0, 190 / 1024**2
GROWTH_MAX = 1.10
# For what a client does not read, `http.write_time_limit` must be over.
QUIET_SECONDS = 90.0


@dataclasses.dataclass
class Sample:
    """The gateway at one moment."""

    at: float
    resident_mb: float
    descriptors: int
    threads: int
    open_requests: int
    attempts_open: int
    outstanding_tokens: int
    ended: int


def sample(gateway: Gateway, begun: float) -> Sample:
    """Looks at the process from outside, and at its metrics."""
    process = pathlib.Path(f"/proc/{gateway.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    text = harness.get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()

    def total(name: str) -> int:
        return round(sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.M)))

    return Sample(
        at=time.monotonic() - begun,
        resident_mb=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=len(os.listdir(process / "fd")),
        threads=int(status["Threads"]),
        open_requests=total("hanse_open_requests"),
        attempts_open=total("hanse_attempts_open"),
        outstanding_tokens=total("hanse_outstanding_tokens"),
        ended=total("hanse_requests_total"),
    )


class SlowReader:
    """Clients that take a long answer a little at a time, or not at all."""

    def __init__(self, address: tuple[str, int], reads: bool, seed: int) -> None:
        self.answers = 0
        self.given_up = 0  # By the gateway, as a client that takes nothing.
        self.wrong: list[str] = []
        self._address = address
        self._reads = reads
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Asks for nothing more, and waits for what is under way."""
        self._over.set()
        self._thread.join(QUIET_SECONDS)
        assert not self._thread.is_alive(), "a slow reader is still there"

    def _run(self) -> None:
        while not self._over.is_set():
            # A sleeper's answer is longer than what buffers on the way hold.
            tokens = 400 if self._reads else 30_000
            trace = f"{self._chance.getrandbits(128):032x}"
            ask = Ask(trace=trace, tenant="acme", chat=True, streamed=True, tokens=tokens)
            try:
                self._ask(ask)
            except (OSError, http.client.HTTPException):
                self.given_up += 1
            if ask.outcome == "wrong":
                self.wrong.append(ask.why)
            self.answers += ask.outcome == "whole"

    def _ask(self, ask: Ask) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=QUIET_SECONDS)
        body = {"model": "smollm2", "messages": [{"role": "user", "content": f"tokens {ask.tokens}"}]}
        body |= {"max_tokens": ask.tokens, "stream": True, "stream_options": {"include_usage": True}}
        with contextlib.closing(connection):
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            headers = {"Authorization": f"Bearer {KEYS[ask.tenant]}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            # Takes nothing until the gateway must have lost its patience, or the soak is over.
            if not self._reads and self._over.wait(QUIET_SECONDS):
                return
            reply = connection.getresponse()
            ask.request_id = reply.headers["x-request-id"]
            parts = []
            while part := reply.read1(2048):
                parts.append(part)
                if self._reads:
                    self._over.wait(0.02)
            judge(ask, reply.status, b"".join(parts).decode())


class Soak:
    """The processes, and the hand that disturbs them."""

    def __init__(self, folder: pathlib.Path, seed: int, stack: contextlib.ExitStack) -> None:
        options = ("--faults", str(FAULTS), "--seed", str(seed), "--pause-ms", "4")
        self._engines = {site: Engine(site, folder, *options) for site in KINDS}
        for engine in self._engines.values():
            stack.callback(engine.kill)
            engine.await_ready()
        self.gateway = Gateway(storm_grid.render(folder, self._engines))
        stack.callback(lambda: self.gateway.process.poll() is None and self.gateway.kill())
        self.outcomes: collections.Counter = collections.Counter()
        self.wrong: list[str] = []
        self.samples: list[Sample] = []
        self.reloads = 0
        self.flaps = 0
        self._begun = time.monotonic()
        # The first answer starts a thread that stays, and so may the first reload.
        self._reload()
        harness.until(lambda: self._reloaded() == 1, "the first reload is done")
        self._ask_once()
        self.before = sample(self.gateway, self._begun)
        plan = self.gateway.plan
        address = (plan.host, plan.port)
        self._load = Load(address, CLIENTS, seed, leave=0.15, patience=0.2)
        stack.callback(self._load.end)
        self._readers = [SlowReader(address, True, seed + i) for i in range(SLOW_READERS)]
        self._readers += [SlowReader(address, False, seed - i) for i in range(1, SLEEPERS + 1)]

    def run(self, seconds: float) -> None:
        """Disturbs for so long, and notes a sample each second."""
        sites = list(self._engines)
        next_reload, next_flap = RELOAD_SECONDS, FLAP_SECONDS
        next_report = 60.0
        pacer = threading.Event()  # Never set: it only paces.
        while (now := time.monotonic() - self._begun) < seconds:
            if now >= next_reload:
                self._reload()
                next_reload = now + RELOAD_SECONDS
            if now >= next_flap:
                engine = self._engines[sites[self.flaps % len(sites)]]
                engine.kill()
                pacer.wait(0.3)
                engine.start()
                self.flaps += 1
                next_flap = now + FLAP_SECONDS
            self.samples.append(sample(self.gateway, self._begun))
            self._take()
            if now >= next_report:
                last = self.samples[-1]
                print(
                    f"{now / 60:5.1f} min: {last.resident_mb:.1f} MB, {last.descriptors} descriptors, "
                    f"{last.open_requests} open, {last.ended} ended",
                    flush=True,
                )
                next_report += 60
            pacer.wait(max(0.0, 1 - (time.monotonic() - self._begun - now)))

    def end(self) -> Sample:
        """Lets all end, and looks again."""
        self._load.pause()
        harness.until(self._load.quiet, "the clients have been answered", 60)
        for reader in self._readers:
            reader.end()
            self.wrong += reader.wrong
        self._take()

        def is_quiet() -> bool:
            now = sample(self.gateway, self._begun)
            return now.open_requests == 0 and now.descriptors <= self.descriptors_max()

        with contextlib.suppress(AssertionError):
            harness.until(is_quiet, "all is as it was", QUIET_SECONDS)
        return sample(self.gateway, self._begun)

    def descriptors_max(self) -> int:
        """What may be open when all is quiet: what was, and kept connections to sites."""
        return self.before.descriptors + 16 * len(self._engines)

    def readers(self, reads: bool) -> list[SlowReader]:
        """The slow readers, or the sleepers."""
        return self._readers[:SLOW_READERS] if reads else self._readers[SLOW_READERS:]

    def _reload(self) -> None:
        """Another configuration each time, of two."""
        config = self.gateway.config
        text = config.read_text()
        old, new = ("= 256", "= 257") if self.reloads % 2 == 0 else ("= 257", "= 256")
        config.write_text(text.replace(f"output_tokens_default {old}", f"output_tokens_default {new}"))
        self.gateway.process.send_signal(signal.SIGHUP)
        self.reloads += 1

    def _ask_once(self) -> None:
        plan = self.gateway.plan
        load = Load((plan.host, plan.port), 1, 1, leave=0)
        harness.until(lambda: load.answers > 0, "a first answer")
        load.end()

    def _reloaded(self) -> int:
        text = harness.get(self.gateway.admin, "/metrics", self.gateway.admin_headers)[1].decode()
        return int(re.search(r"^hanse_snapshot_changes_total (\d+)$", text, re.M)[1])  # type: ignore[index]

    def _take(self) -> None:
        self._load.quiet()  # Says if a client has failed.
        for ask in self._load.take():
            self.outcomes[ask.outcome] += 1
            self.outcomes["rescued"] += bool(ask.rescue)
            if ask.outcome in ("wrong", "hung", "cut"):
                self.wrong.append(f"{ask.outcome}: {ask.why} {ask}")


def warm_samples(samples: list[Sample]) -> list[Sample]:
    """Those after the warm-up; the second half if it was not over before."""
    begin = len(samples) // 3
    while begin < len(samples) // 2 and samples[begin].ended < WARM_REQUESTS:
        begin += 1
    return samples[begin:]


def judge_soak(soak: Soak, after: Sample) -> tuple[list[tuple[str, object, object, object]], list[str]]:
    """The table (what, before or after the warm-up, at the end, bound), and what does not hold."""
    before, warm = soak.before, warm_samples(soak.samples)
    quarter = max(1, len(warm) // 4)
    first = statistics.mean(one.resident_mb for one in warm[:quarter])
    last = statistics.mean(one.resident_mb for one in warm[-quarter:])
    # Theil and Sen's: one burst does not bend it.
    pairs = [(a, b) for a in warm[:quarter] for b in warm[-quarter:]]
    per_hour = statistics.median((b.resident_mb - a.resident_mb) / (b.at - a.at) for a, b in pairs) * 3600
    cache = min(CACHE_MB, after.ended * CACHE_MB_PER_REQUEST) - min(CACHE_MB, warm[0].ended * CACHE_MB_PER_REQUEST)
    bound = f"{first * GROWTH_MAX + cache:.1f}"
    audit = json.loads(soak.gateway.command("books", "verify", "--json").stdout)
    rows: list[tuple[str, object, object, object]] = [
        ("resident memory under load, MB", f"{first:.1f}", f"{last:.1f}", bound),
        ("resident memory, quiet, MB", f"{before.resident_mb:.1f}", f"{after.resident_mb:.1f}", bound),
        ("its trend, MB an hour", "", f"{per_hour:+.1f}", ""),
        ("descriptors", before.descriptors, after.descriptors, soak.descriptors_max()),
        ("descriptors under load, at most", "", max(one.descriptors for one in soak.samples), ""),
        ("threads", before.threads, after.threads, before.threads),
        ("open requests", before.open_requests, after.open_requests, 0),
        ("attempts under way", before.attempts_open, after.attempts_open, 0),
        ("outstanding tokens", before.outstanding_tokens, after.outstanding_tokens, 0),
        ("open in the journal (holds)", 0, audit["requests_open"], 0),
    ]
    wrong = [
        f"{what}: {end}, at most {most}"
        for what, _, end, most in rows
        if most != "" and float(str(end)) > float(str(most))
    ]
    if not audit["good"]:
        wrong.append(f"the journal is not good: {audit}")
    return rows, wrong + soak.wrong


def main() -> int:
    """Soaks, and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        soak = Soak(folder, options.seed, stack)
        soak.run(options.minutes * 60)
        after = soak.end()
        rows, wrong = judge_soak(soak, after)
        soak.gateway.stop()
    print(f"\n| {'what':<40} | {'before':>9} | {'after':>9} | {'bound':>9} |\n|---|---|---|---|")
    for row in rows:
        print("| {:<40} | {:>9} | {:>9} | {:>9} |".format(*map(str, row)))
    print("\n" + ", ".join(f"{name} {count}" for name, count in sorted(soak.outcomes.items())))
    slow, asleep = (sum(reader.answers for reader in soak.readers(reads)) for reads in (True, False))
    left = sum(reader.given_up for reader in soak.readers(False))
    print(f"slow readers: {slow} answers; clients that read nothing: {asleep} answers, {left} given up")
    if warm_samples(soak.samples)[0].ended < WARM_REQUESTS:
        print("note: records were still filling memory when the warm-up was taken to be over")
    for what in wrong[:20]:
        print(f"wrong: {what}")
    print(
        f"soak of {options.minutes:g} minutes, {after.ended} requests, {soak.reloads} reloads, "
        f"{soak.flaps} engines lost: {'all is as it was' if not wrong else f'{len(wrong)} things are wrong'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
