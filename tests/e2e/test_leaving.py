"""A client may leave at any moment; whoever works for it is told to stop at once."""

from __future__ import annotations

import collections.abc
import contextlib
import http.client
import json
import pathlib
import re
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable

import pytest
from asking import MODEL, SAY_HI
from cutting import Cut
from harness import (
    ACME,
    DEADLINE_SECONDS,
    Engine,
    Gateway,
    Request,
    Script,
    ScriptedEngine,
    Wire,
    answering,
    chunk,
    get,
    render_config,
    until,
)
from rescuing import Grid

ROUNDS = 7
# From the client's leaving to the engine's connection being closed: the median,
# and the worst on a machine that does other things too.
AT_ONCE_SECONDS = 0.1
AT_WORST_SECONDS = 1.0
ENGINE_STOPS_SECONDS = 1.0
# llama.cpp looks up only when it has computed a batch, which may be a whole prompt.
ENGINE_READS_SECONDS = 10.0

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a line of the report, also of a test that passes."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\nreport: {text}", end="")

    return line


class Leaver:
    """A client on a raw connection, so that it leaves when it says so."""

    def __init__(self, gateway: Gateway, streamed: bool, more: dict | None = None) -> None:
        body = json.dumps({"model": MODEL, "messages": SAY_HI, "stream": streamed} | (more or {})).encode()
        self._connection = gateway.connect()
        self._connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ACME}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        self._come = b""

    def read(self, pieces: int) -> None:
        """Waits until so many pieces of the answer are there."""
        while len(re.findall(rb'"content": ?"[^"]', self._come)) < pieces:
            part = self._connection.recv(1 << 16)
            assert part, self._come
            self._come += part

    def leave(self) -> float:
        """Leaves; returns when."""
        now = time.monotonic()
        self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        return now


class Watched:
    """Scripts that end when the gateway goes away, and say when that was."""

    def __init__(self) -> None:
        self.working = threading.Event()
        self._gone = threading.Event()
        self._gone_at = 0.0
        self.cut_now = threading.Event()

    def wait(self, wire: Wire) -> None:
        """Works on until the gateway goes away."""
        self.working.set()
        select.select([wire.connection], [], [], DEADLINE_SECONDS)
        self._gone_at = time.monotonic()
        assert wire.closed_by_peer()
        self._gone.set()

    def gone_at(self) -> float:
        """When it went away."""
        assert self._gone.wait(DEADLINE_SECONDS), "an engine still works for nobody"
        return self._gone_at

    def silent(self, _: Request, wire: Wire) -> None:
        """Says nothing."""
        self.wait(wire)

    def begun(self, _: Request, wire: Wire) -> None:
        """Says two words."""
        wire.begin_stream()
        for word in ("Far", " out"):
            wire.event(chunk({"role": "assistant", "content": word}))
        self.wait(wire)

    def broken(self, then: Script) -> Script:
        """Breaks off after two words; whoever is to go on from there does `then`."""

        def script(request: Request, wire: Wire) -> None:
            if request.json()["messages"][-1]["role"] == "assistant":
                then(request, wire)
                return
            wire.begin_stream()
            for word in ("Far", " out"):
                wire.event(chunk({"role": "assistant", "content": word}))
            assert self.cut_now.wait(DEADLINE_SECONDS)
            wire.reset()

        return script


def first_token(watched: Watched, leaver: Leaver) -> None:
    """Nothing has come yet."""
    assert watched.working.wait(DEADLINE_SECONDS)
    del leaver


def streaming(watched: Watched, leaver: Leaver) -> None:
    """Some has."""
    leaver.read(2)
    assert watched.working.wait(DEADLINE_SECONDS)


def rescue_begins(watched: Watched, leaver: Leaver) -> None:
    """It broke off, and the next site has said nothing yet."""
    leaver.read(2)
    watched.cut_now.set()
    assert watched.working.wait(DEADLINE_SECONDS)


def rescue_streams(watched: Watched, leaver: Leaver) -> None:
    """It broke off, and the next site has gone on."""
    leaver.read(2)
    watched.cut_now.set()
    leaver.read(4)


def whole_begun(watched: Watched, leaver: Leaver) -> None:
    """The site has begun, and the client of a whole answer has nothing."""
    assert watched.working.wait(DEADLINE_SECONDS)
    del leaver


PHASES: dict[str, tuple[bool, Callable[[Watched], Script], Callable[[Watched, Leaver], None]]] = {
    "a stream, waiting for its first token": (True, lambda watched: watched.silent, first_token),
    "a stream, streaming": (True, lambda watched: watched.begun, streaming),
    "a stream, broken, before the rescue's first token": (
        True,
        lambda watched: watched.broken(watched.silent),
        rescue_begins,
    ),
    "a stream, in its rescue": (True, lambda watched: watched.broken(watched.begun), rescue_streams),
    "a whole answer, waiting for its first token": (False, lambda watched: watched.silent, first_token),
    "a whole answer, being made": (False, lambda watched: watched.begun, whole_begun),
}


@pytest.mark.parametrize("phase", PHASES)
def test_the_site_is_left_at_once(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway, phase: str, say: Say
) -> None:
    streamed, script_of, reach = PHASES[phase]
    took = []
    for _ in range(ROUNDS):
        watched = Watched()
        for engine in scripted.values():
            engine.script = script_of(watched)
        leaver = Leaver(scripted_grid, streamed)
        reach(watched, leaver)
        left_at = leaver.leave()
        took.append(watched.gone_at() - left_at)
    assert statistics.median(took) <= AT_ONCE_SECONDS and max(took) <= AT_WORST_SECONDS, took
    assert_nothing_open(scripted_grid)
    say(f"{phase}: left after {_ms(took)}")


def test_a_client_that_leaves_in_a_pause_before_a_retry_is_forgotten(tmp_path: pathlib.Path, say: Say) -> None:
    """The only site asks for a second of patience, and the client has none."""
    refused = threading.Event()

    def asks_for_a_second(_: Request, wire: Wire) -> None:
        wire.reply(503, b'{"error":{"message":"slowly"}}', ["Retry-After: 1"])
        refused.set()

    engine = ScriptedEngine("ashburn")
    engine.script = asks_for_a_second

    def alone(text: str) -> str:
        for site in ("frankfurt", "hamburg", "lyon"):
            text = text.replace(f"[site.{site}]\n", f"[site.{site}]\nretired = true\n")
        return text

    gateway = Gateway(render_config(tmp_path, {"ashburn": engine.url}, alone))
    try:
        leaver = Leaver(gateway, streamed=True)
        assert refused.wait(DEADLINE_SECONDS)
        until(lambda: attempts_open(gateway) == 0, "the attempt has failed", 0.5)
        assert metric(gateway, "hanse_open_requests") == 1, "it waits for the second to be over"
        left_at = leaver.leave()
        until(lambda: metric(gateway, "hanse_open_requests") == 0, "the request is over", AT_WORST_SECONDS)
        took = time.monotonic() - left_at
        engine.script = answering("Hello")
        # Others are told to wait until the second is over; by then the first would have been asked for.
        until(lambda: answered(gateway), "the site may be asked again", 5)
        assert len(engine.requests) == 2
    finally:
        gateway.stop()
        engine.stop()
    say(f"in a pause before a retry: forgotten after {took * 1000:.0f} ms")


# --- The real engine ------------------------------------------------------------

LONG: list[dict[str, str]] = [{"role": "user", "content": "Tell me of the sea. " * 12}]


@pytest.fixture(scope="module")
def cut_grid(
    engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Grid]:
    """A gateway in front of the real engines, each behind a proxy."""
    grid = Grid(engines, tmp_path_factory.mktemp("leaving"))
    try:
        yield grid
    finally:
        grid.stop()


@pytest.mark.parametrize("phase", ["reading the prompt", "streaming", "in a rescue", "whole"])
def test_the_real_engine_stops_within_a_second(cut_grid: Grid, phase: str, say: Say) -> None:
    more = {"max_tokens": 500, "ignore_eos": True, "temperature": 0, "cache_prompt": False}
    if phase == "in a rescue":
        cut_grid.plan.set(Cut(5))
        cut_grid.plan.delivered = lambda: None
    leaver = Leaver(cut_grid.gateway, phase != "whole", more | ({"messages": LONG} if phase.startswith("r") else {}))
    if phase in ("reading the prompt", "whole"):
        busy = cut_grid.engines.values()
        until(lambda: any(not engine.idle() for engine in busy), "an engine works")
    else:
        leaver.read(10)
    left_at = leaver.leave()
    until(lambda: all(proxy.idle for proxy in cut_grid.proxies.values()), "the engines are left", AT_WORST_SECONDS)
    left = max(proxy.left_at or 0 for proxy in cut_grid.proxies.values()) - left_at
    engines = cut_grid.engines.values()
    limit = ENGINE_READS_SECONDS if phase == "reading the prompt" else ENGINE_STOPS_SECONDS
    until(lambda: all(engine.idle() for engine in engines), "the engines are idle", limit)
    idle = time.monotonic() - left_at
    say(f"real engine, {phase}: left after {left * 1000:.0f} ms, idle after {idle * 1000:.0f} ms")


# --- What is looked at ------------------------------------------------------------


def metric(gateway: Gateway, name: str) -> float:
    """The value of one of the gateway's metrics."""
    text = get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()
    found = re.search(rf"^{name} (\S+)$", text, re.M)
    assert found, f"no {name}"
    return float(found[1])


def answered(gateway: Gateway) -> bool:
    """Whether a request is answered, and not turned away."""
    connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=DEADLINE_SECONDS)
    headers = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}
    with contextlib.closing(connection):
        body = json.dumps({"model": MODEL, "messages": SAY_HI})
        connection.request("POST", "/v1/chat/completions", body, headers)
        return connection.getresponse().status == 200


def attempts_open(gateway: Gateway) -> float:
    """How many attempts are under way, over all sites."""
    text = get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()
    return sum(float(count) for count in re.findall(r"^hanse_attempts_open\{.*\} (\S+)$", text, re.M))


def assert_nothing_open(gateway: Gateway) -> None:
    """Slots, holds and requests are free again."""
    until(lambda: metric(gateway, "hanse_open_requests") == 0, "no request is open", AT_WORST_SECONDS)
    audit = json.loads(gateway.command("books", "verify", "--json").stdout)
    assert audit["requests_open"] == 0


def _ms(took: list[float]) -> str:
    return f"{statistics.median(took) * 1000:.1f} ms (at most {max(took) * 1000:.1f})"
