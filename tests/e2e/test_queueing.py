"""More is asked than the sites have slots for: who waits, who goes, who is told to come again."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import http.client
import json
import pathlib
import re
import signal
import threading
import time

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import (
    ACME,
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
    usage,
)

Engines = dict[str, ScriptedEngine]

SITES = 4
BODY = json.dumps({"model": MODEL, "messages": SAY_HI, "max_tokens": 8})
STREAM = json.dumps({"model": MODEL, "messages": SAY_HI, "max_tokens": 8, "stream": True})
HEADERS = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}


class Gate:
    """Answers that are held back, and let go one by one."""

    def __init__(self) -> None:
        self._let_go = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.asked = 0

    def script(self, _: Request, wire: Wire) -> None:
        with self._lock:
            self.asked += 1
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "I am"}))
        self._let_go.acquire(timeout=30)
        wire.event(chunk({"content": " done"}))
        wire.event(chunk({}, "stop"))
        wire.event({**chunk(), "choices": [], "usage": usage()})
        wire.event("[DONE]")
        wire.end_stream()

    def let_go(self, count: int = 1) -> None:
        self._let_go.release(count)


def narrow(queue_max: str, more: str = "") -> collections.abc.Callable[[str], str]:
    """Sites with one slot each, and a class whose requests may wait so long."""

    def change(text: str) -> str:
        text = text.replace("slots = 4\n", "slots = 1\n")
        return text.replace("[class.interactive]\n", f'[class.interactive]\nqueue_max = "{queue_max}"\n') + more

    return change


@pytest.fixture
def gate(scripted: Engines) -> Gate:
    made = Gate()
    for engine in scripted.values():
        engine.script = made.script
    return made


Start = collections.abc.Callable[..., Gateway]


@pytest.fixture
def start(scripted: Engines, tmp_path: pathlib.Path) -> collections.abc.Iterator[Start]:
    """Starts a gateway in front of the scripted engines."""
    started: list[Gateway] = []

    def run(change: collections.abc.Callable[[str], str]) -> Gateway:
        started.append(Gateway(render_config(tmp_path, {n: e.url for n, e in scripted.items()}, change)))
        return started[-1]

    yield run
    for gateway in started:
        if gateway.process.poll() is None:
            gateway.stop()


def ask(gateway: Gateway, body: str = BODY) -> http.client.HTTPConnection:
    """Sends a request and does not wait for its reply."""
    connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=40)
    connection.request("POST", "/v1/chat/completions", body, HEADERS)
    return connection


def gauge(gateway: Gateway, name: str) -> int:
    _, text = get(gateway.admin, "/metrics", gateway.admin_headers)
    found = re.search(rf"^{name} (\d+)$", text.decode(), re.M)
    assert found, name
    return int(found[1])


def fill(gateway: Gateway, gate: Gate) -> list[http.client.HTTPConnection]:
    """Takes every slot there is."""
    connections = [ask(gateway) for _ in range(SITES)]
    until(lambda: gate.asked == SITES, "every slot is taken")
    return connections


def record_of(gateway: Gateway, request: str) -> dict:
    shown = gateway.command("explain", request, "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_whoever_waits_is_answered_when_a_slot_comes_free(gate: Gate, start: Start) -> None:
    gateway = start(narrow("20s"))
    first = fill(gateway, gate)
    waiting = ask(gateway)
    until(lambda: gauge(gateway, "hanse_queued_requests") == 1, "it waits")
    time.sleep(0.3)
    assert gate.asked == SITES, "nobody is asked for it"
    gate.let_go(SITES + 1)
    reply = waiting.getresponse()
    assert reply.status == 200
    assert json.loads(reply.read())["choices"][0]["message"]["content"] == "I am done"
    for connection in first:
        assert connection.getresponse().status == 200
    record = record_of(gateway, reply.headers["x-request-id"])
    assert record["outcome"] == "answered"
    assert 0.3e9 <= record["queued_ns"] <= record["took_ns"]
    assert gauge(gateway, "hanse_queued_requests") == 0
    text = gateway.command("explain", reply.headers["x-request-id"]).stdout
    assert "of it in the queue" in text


def test_whoever_would_wait_too_long_is_told_when_to_come_again(gate: Gate, start: Start) -> None:
    gateway = start(narrow("500ms"))
    first = fill(gateway, gate)
    asked_at = time.monotonic()
    with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=SAY_HI, max_tokens=8)
    assert time.monotonic() - asked_at >= 0.5
    assert refused.value.code == "sites_full"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 600
    record = record_of(gateway, refused.value.response.headers["x-request-id"])
    assert record["outcome"] == "at_capacity"
    assert "attempts" not in record or not record["attempts"]
    gate.let_go(SITES)
    for connection in first:
        assert connection.getresponse().status == 200
    assert gateway.command("books", "balance").returncode == 0


def test_the_official_client_comes_again_by_itself(gate: Gate, start: Start) -> None:
    gateway = start(narrow("100ms"))
    first = fill(gateway, gate)

    def free() -> None:
        time.sleep(0.5)
        gate.let_go(SITES + 1)

    threading.Thread(target=free).start()
    with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=3) as client:
        reply = client.chat.completions.create(model=MODEL, messages=SAY_HI, max_tokens=8)
    assert reply.choices[0].message.content == "I am done"
    for connection in first:
        assert connection.getresponse().status == 200


def test_a_client_that_leaves_the_queue_owes_nothing(gate: Gate, start: Start) -> None:
    gateway = start(narrow("20s"))
    first = fill(gateway, gate)
    for body in (BODY, STREAM):
        waiting = ask(gateway, body)
        until(lambda: gauge(gateway, "hanse_queued_requests") == 1, "it waits")
        waiting.close()
        until(lambda: gauge(gateway, "hanse_queued_requests") == 0, "it is forgotten")
    gate.let_go(SITES)
    for connection in first:
        assert connection.getresponse().status == 200
    assert gate.asked == SITES
    gateway.stop()
    assert gateway.command("books", "verify").returncode == 0


def test_a_reload_moves_nobody_and_a_drain_lets_them_be_answered(gate: Gate, start: Start) -> None:
    gateway = start(narrow("20s"))
    first = fill(gateway, gate)
    waiting = [ask(gateway), ask(gateway, STREAM)]
    until(lambda: gauge(gateway, "hanse_queued_requests") == 2, "they wait")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in gateway.log_tail(), "the configuration is read again")
    assert gauge(gateway, "hanse_queued_requests") == 2
    gateway.process.send_signal(signal.SIGTERM)
    gate.let_go(SITES + 2)
    for connection in first + waiting:
        reply = connection.getresponse()
        assert reply.status == 200
        assert b"done" in reply.read()
    assert gateway.process.wait(20) == 0


def test_a_full_queue_refuses_at_once(gate: Gate, start: Start) -> None:
    gateway = start(narrow("20s", "\n[limits]\nqueued_max = 2\n"))
    first = fill(gateway, gate)
    waiting = [ask(gateway), ask(gateway)]
    until(lambda: gauge(gateway, "hanse_queued_requests") == 2, "they wait")
    reply = ask(gateway).getresponse()
    assert reply.status == 429
    assert json.loads(reply.read())["error"]["code"] == "sites_full"
    assert reply.headers["retry-after"]
    gate.let_go(SITES + 2)
    for connection in first + waiting:
        assert connection.getresponse().status == 200


class Busy:
    """How many an engine was asked for at once, at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.asked_most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.asked_most = max(self.asked_most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


def slowly(busy: Busy, script: Script) -> Script:
    """The same after 50 ms."""

    def slow(request: Request, wire: Wire) -> None:
        with busy:
            time.sleep(0.05)
            script(request, wire)

    return slow


def test_all_of_a_burst_are_answered_once_when_there_is_time(scripted: Engines, start: Start) -> None:
    """Eight times what there are slots for, and time for all of it."""
    busy = {name: Busy() for name in scripted}
    for name, engine in scripted.items():
        engine.script = slowly(busy[name], answering("I am", " done"))
    gateway = start(narrow("30s"))

    def one(_: int) -> tuple[int, bytes]:
        reply = ask(gateway).getresponse()
        return reply.status, reply.read()

    with concurrent.futures.ThreadPoolExecutor(8 * SITES) as pool:
        replies = list(pool.map(one, range(8 * SITES)))
    assert [status for status, _ in replies] == [200] * (8 * SITES)
    # What it has slots for, and one on the way where the link is longer than the work.
    assert max(engine.asked_most for engine in busy.values()) <= 2
    gateway.stop()
    assert gateway.command("books", "verify").returncode == 0
