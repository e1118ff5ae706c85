"""A request that is sent again with its Idempotency-Key: one execution, one bill, the same answer."""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import threading

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import (
    ACME,
    DEADLINE_SECONDS,
    Gateway,
    Request,
    ScriptedEngine,
    Wire,
    answering,
    chunk,
    get,
    render_config,
    until,
    usage,
)
from test_leaving import assert_nothing_open, metric
from test_node import NODE

Engines = dict[str, ScriptedEngine]

OTHER_KEY = "hk-demo-acme-desk-0000000"
QUESTION: dict[str, object] = {"model": MODEL, "messages": SAY_HI, "max_tokens": 200}
WORDS = [f"w{number} " for number in range(6)]
# 1.6 MB: more than a socket and the gateway would take for a client that does not read.
LONG = ["x" * 8_000 for _ in range(200)]


class Told:
    """Engines that tell one answer, a word each time that they may; `each` of them they may at once."""

    def __init__(self, engines: Engines, words: list[str] = WORDS, free: int = 0, each: int = 0) -> None:
        self._engines = engines
        self._words = words
        self._each = each
        self._leave = threading.Semaphore(free)
        self.left = threading.Event()  # The gateway closed it before its end.
        for engine in engines.values():
            engine.script = self._tell

    @property
    def asked(self) -> int:
        """How often engines have been asked."""
        return sum(len(engine.requests) for engine in self._engines.values())

    def go_on(self, words: int = 1 << 10) -> None:
        """May say so many more words."""
        self._leave.release(words)

    def _tell(self, _: Request, wire: Wire) -> None:
        try:
            wire.begin_stream()
            for number, word in enumerate(self._words):
                while number >= self._each and not self._leave.acquire(timeout=0.01):
                    if wire.closed_by_peer():
                        return self.left.set()
                wire.event(chunk({"role": "assistant", "content": word}))
            wire.event(chunk({}, "stop"))
            wire.event(chunk(usage=usage(output=len(self._words))))
            wire.event("[DONE]")
            wire.end_stream()
        except OSError:
            self.left.set()


class Asker:
    """A client that asks with a key, and listens on a thread of its own."""

    def __init__(
        self,
        gateway: Gateway,
        key: str | None = "first",
        body: dict | None = None,
        api_key: str = ACME,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.body = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self._connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=DEADLINE_SECONDS)
        given = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"} | (headers or {})
        if key is not None:
            given["Idempotency-Key"] = key
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body or QUESTION), given)
        assert self._connection.sock is not None
        self._socket = self._connection.sock
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            reply = self._connection.getresponse()
            self.status = reply.status
            self.headers = {name.lower(): value for name, value in reply.getheaders()}
            while part := reply.read1():
                self.body += part

    def hears(self, word: str) -> None:
        """Waits until it has heard that."""
        until(lambda: word.encode() in self.body, f"{word!r} is heard, not {self.body!r}")

    def leave(self) -> None:
        """Breaks its connection off."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_SECONDS)
        self._connection.close()

    def end(self) -> Asker:
        """Waits for the end of its answer."""
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive(), f"no end after {self.body!r}"
        self._connection.close()
        return self

    @property
    def replayed(self) -> bool:
        """Whether it is told that its answer is another's."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def code(self) -> str | None:
        """The code of the error that it got."""
        return json.loads(self.body)["error"]["code"]


class Still:
    """A client that asks and does not read, as one whose network is gone."""

    def __init__(self, gateway: Gateway, body: dict) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((gateway.plan.host, gateway.plan.port))
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ACME}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nIdempotency-Key: first\r\n\r\n"
        self._socket.sendall(head.encode() + content)

    def __enter__(self) -> Still:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


STREAMED = QUESTION | {"stream": True, "stream_options": {"include_usage": True}}
FORMS = {"streamed": STREAMED, "whole": QUESTION}

Start = collections.abc.Callable[..., Gateway]


@pytest.fixture
def start(scripted: Engines, tmp_path: pathlib.Path) -> collections.abc.Iterator[Start]:
    """Starts a gateway in front of the scripted engines, where acme may send requests again."""
    running: list[Gateway] = []

    def begin(more: str = "", may: bool = True) -> Gateway:
        def change(text: str) -> str:
            assert "\n[tenant.acme]\n" in text
            if may:
                text = text.replace("\n[tenant.acme]\n", "\n[tenant.acme]\nidempotency_keys = true\n")
            digest = hashlib.sha256(OTHER_KEY.encode()).hexdigest()
            return f'{text}\n[tenant.acme.project.web.key.desk]\nsha256 = "{digest}"\n{more}'

        urls = {name: engine.url for name, engine in scripted.items()}
        running.append(Gateway(render_config(tmp_path, urls, change)))
        return running[-1]

    try:
        yield begin
    finally:
        for gateway in running:
            gateway.stop()


def outcomes(gateway: Gateway) -> dict[str, int]:
    """What became of the requests with a key."""
    text = get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()
    found = re.findall(r'^hanse_idempotency_requests_total\{outcome="(\w+)"\} (\d+)$', text, re.M)
    return {outcome: int(count) for outcome, count in found}


def bills(gateway: Gateway) -> float:
    """How many requests have been billed, as the journal has it: each posts the tenant's due and one site's."""
    done = gateway.command("books", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["postings"] / 2


def ended(gateway: Gateway) -> float:
    """How many requests the gateway counts."""
    text = get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()
    return sum(float(count) for count in re.findall(r"^hanse_requests_total\{.*\} (\S+)$", text, re.M))


# --- One execution, one bill, the same answer -----------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_duplicates_wait_for_the_first_and_get_its_answer(start: Start, scripted: Engines, form: str) -> None:
    told = Told(scripted)
    gateway = start()
    first = Asker(gateway, body=FORMS[form])
    told.go_on(2)
    until(lambda: told.asked == 1, "the engine is asked")
    if form == "streamed":
        first.hears("w1")
    others = [Asker(gateway, body=FORMS[form]) for _ in range(5)]
    until(lambda: outcomes(gateway).get("joined") == 5, "all of them wait")
    if form == "streamed":
        for other in others:
            other.hears("w1")
            assert b"w2" not in other.body, "the engine has not said it yet"
    told.go_on()
    assert first.end().status == 200 and not first.replayed
    for other in others:
        assert other.end().body == first.body
        assert other.status == 200 and other.replayed
        for header in ("x-request-id", "hanse-site", "hanse-attempts", "content-type"):
            assert other.headers[header] == first.headers[header]
        assert other.headers["traceparent"] != first.headers["traceparent"]
    after = Asker(gateway, body=FORMS[form]).end()
    assert after.body == first.body and after.replayed
    assert told.asked == 1 and ended(gateway) == 1
    assert outcomes(gateway) == {"new": 1, "joined": 5, "replayed": 1}
    assert_nothing_open(gateway)
    assert bills(gateway) == 1


def test_the_answer_is_made_to_its_end_when_its_client_leaves(start: Start, scripted: Engines) -> None:
    told = Told(scripted)
    gateway = start()
    first = Asker(gateway, body=STREAMED)
    told.go_on(2)
    first.hears("w1")
    first.leave()
    waits = Asker(gateway, body=STREAMED)
    waits.hears("w1")
    waits.leave()
    told.go_on()
    until(lambda: metric(gateway, "hanse_open_requests") == 0, "the answer is made")
    again = Asker(gateway, body=STREAMED).end()
    assert again.replayed and again.body.endswith(b"data: [DONE]\n\n")
    assert all(word.encode() in again.body for word in WORDS)
    assert told.asked == 1 and not told.left.is_set()
    assert_nothing_open(gateway)
    assert bills(gateway) == 1


def test_a_whole_answer_is_made_to_its_end_too(start: Start, scripted: Engines) -> None:
    told = Told(scripted)
    gateway = start()
    first = Asker(gateway)
    until(lambda: told.asked == 1, "the engine is asked")
    first.leave()
    told.go_on()
    again = Asker(gateway).end()
    assert again.status == 200 and again.replayed
    assert json.loads(again.body)["choices"][0]["message"]["content"] == "".join(WORDS)
    assert told.asked == 1
    assert bills(gateway) == 1


def test_an_answer_that_nobody_listens_to_is_rescued(start: Start, scripted: Engines) -> None:
    breaks = threading.Event()

    def breaks_off(request: Request, wire: Wire) -> None:
        so_far = request.json()["messages"][-1]
        if so_far["role"] == "assistant":
            answering(*WORDS[so_far["content"].count("w") :])(request, wire)
            return
        wire.begin_stream()
        for word in WORDS[:2]:
            wire.event(chunk({"role": "assistant", "content": word}))
        assert breaks.wait(DEADLINE_SECONDS)
        wire.reset()

    for engine in scripted.values():
        engine.script = breaks_off
    gateway = start()
    first = Asker(gateway, body=STREAMED)
    first.hears("w1")
    first.leave()
    breaks.set()
    until(lambda: metric(gateway, "hanse_open_requests") == 0, "the answer is made")
    again = Asker(gateway, body=STREAMED).end()
    assert again.replayed and again.body.endswith(b"data: [DONE]\n\n")
    assert re.findall(rb"w\d ", again.body) == [word.encode() for word in WORDS]
    assert b'"rescue":"continued"' in again.body
    assert sum(len(engine.requests) for engine in scripted.values()) == 2
    assert ended(gateway) == 1


def test_a_client_that_does_not_read_holds_nobody_up(start: Start, scripted: Engines) -> None:
    """The first one's connection stands still, as one whose network is gone, and it asks again on another."""
    told = Told(scripted, LONG, free=1 << 10)
    gateway = start()
    with Still(gateway, STREAMED):
        until(lambda: told.asked == 1, "the engine is asked")
        again = Asker(gateway, body=STREAMED).end()
        assert again.replayed and again.body.count(LONG[0].encode()) == len(LONG)
        assert again.body.endswith(b"data: [DONE]\n\n")
    assert told.asked == 1


@pytest.mark.parametrize("form", FORMS)
def test_many_who_do_not_read_take_little_memory(start: Start, scripted: Engines, form: str) -> None:
    Told(scripted, LONG, free=1 << 10)
    gateway = start()
    first = Asker(gateway, body=FORMS[form]).end()
    before = metric(gateway, "process_resident_memory_bytes")
    with contextlib.ExitStack() as still:
        for _ in range(50):
            still.enter_context(Still(gateway, FORMS[form]))
        until(lambda: outcomes(gateway).get("replayed") == 50, "all of them are told")
        grown = metric(gateway, "process_resident_memory_bytes") - before
        assert grown < 50 * 512 * 1024 < 50 * len(first.body) / 3, grown
        assert Asker(gateway, body=FORMS[form]).end().body == first.body
    until(lambda: metric(gateway, "hanse_idempotency_answers") == 1, "the answer is still kept")


def test_whoever_comes_and_goes_gets_one_answer_for_each_key(start: Start, scripted: Engines) -> None:
    """Many at once, some of whom leave; no key is carried out twice, and all who stay hear the same."""
    dice = random.Random(7)
    told = Told(scripted, [f"w{number} " for number in range(40)], each=1)
    gateway = start()
    askers: list[tuple[str, Asker]] = []
    for _ in range(150):
        form = dice.choice(list(FORMS))
        key = f"{form}-{dice.randrange(12)}"
        asker = Asker(gateway, key, FORMS[form] | {"user": key})
        told.go_on(1 + dice.randrange(5))
        if dice.random() < 0.4:
            asker.leave()
        else:
            askers.append((key, asker))
    told.go_on(1 << 10)
    heard: dict[str, set[bytes]] = {}
    for key, asker in askers:
        assert asker.end().status == 200
        heard.setdefault(key, set()).add(asker.body)
    assert all(len(bodies) == 1 for bodies in heard.values())
    until(lambda: metric(gateway, "hanse_open_requests") == 0, "all are made")
    assert told.asked == outcomes(gateway)["new"] == bills(gateway) <= 24
    assert not told.left.is_set()
    assert metric(gateway, "hanse_idempotency_answers") == told.asked
    assert_nothing_open(gateway)


# --- What is not the same request --------------------------------------------------


def test_another_question_under_the_same_key_is_refused(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start('\n[class.slow]\nfirst_token = "5s"\nper_token = "1s"\ntime_limit = "60s"\n')
    assert Asker(gateway).end().status == 200
    others = [
        Asker(gateway, body=QUESTION | {"max_tokens": 7}),
        Asker(gateway, headers={"Hanse-Data": "personal; subjects=EU"}),
        Asker(gateway, headers={"Hanse-Class": "slow"}),
    ]
    for other in others:
        assert other.end().status == 422 and other.code == "idempotency_key_reused"
        assert other.headers["x-should-retry"] == "false"
        assert json.loads(other.body)["error"]["param"] == "idempotency-key"
    assert outcomes(gateway) == {"new": 1, "mismatched": 3}
    assert told.asked == 1


def test_a_bad_key_is_the_clients_error(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start()
    for key in ("", "a b", "x" * 256, "caf\u00e9"):
        asker = Asker(gateway, key).end()
        assert asker.status == 400, key
        assert json.loads(asker.body)["error"]["param"] == "idempotency-key"
    assert told.asked == 0
    assert Asker(gateway, "x" * 255).end().status == 200


def test_a_key_is_of_the_api_key_that_sends_it(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start()
    mine = Asker(gateway).end()
    theirs = Asker(gateway, api_key=OTHER_KEY).end()
    assert theirs.status == 200 and not theirs.replayed
    assert theirs.headers["x-request-id"] != mine.headers["x-request-id"]
    assert Asker(gateway, api_key="hk-nobody").end().status == 401
    assert told.asked == 2 and bills(gateway) == 2


def test_a_tenant_that_has_not_asked_for_it_is_not_kept_for(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start(may=False)
    answers = [Asker(gateway, key).end() for key in ("first", "first", "", "a b")]
    assert all(answer.status == 200 and not answer.replayed for answer in answers)
    assert told.asked == 4 and outcomes(gateway) == {}


@pytest.mark.parametrize("may", [True, False])
def test_without_a_key_that_counts_a_client_that_leaves_ends_it(start: Start, scripted: Engines, may: bool) -> None:
    told = Told(scripted)
    gateway = start(may=may)
    asker = Asker(gateway, None if may else "first", STREAMED)
    told.go_on(1)
    asker.hears("w0")
    asker.leave()
    until(told.left.is_set, "the engine is left", 2)


def test_a_reload_keeps_answers_and_ends_the_use_of_keys(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start()
    first = Asker(gateway).end()
    text = gateway.config.read_text()

    def reload(now: str) -> None:
        changes = metric(gateway, "hanse_snapshot_changes_total")
        gateway.config.write_text(now)
        gateway.process.send_signal(1)
        until(lambda: metric(gateway, "hanse_snapshot_changes_total") == changes + 1, "it is reloaded")

    reload(text.replace('budget = "25.00"', 'budget = "24.00"'))
    assert Asker(gateway).end().body == first.body
    reload(text.replace("idempotency_keys = true", "idempotency_keys = false"))
    assert not Asker(gateway).end().replayed
    assert told.asked == 2


# --- What is not kept ------------------------------------------------------------------


def test_an_error_is_told_to_all_who_wait_and_forgotten(start: Start, scripted: Engines) -> None:
    refuses = threading.Event()
    asked = []

    def finds_fault(request: Request, wire: Wire) -> None:
        asked.append(request)
        assert refuses.wait(DEADLINE_SECONDS)
        wire.reply(400, b'{"error":{"message":"not like this","type":"invalid_request_error"}}')

    for engine in scripted.values():
        engine.script = finds_fault
    gateway = start()
    first = Asker(gateway, body=STREAMED)
    until(lambda: asked, "the engine is asked")
    other = Asker(gateway, body=STREAMED)
    until(lambda: outcomes(gateway).get("joined") == 1, "the other waits")
    refuses.set()
    assert first.end().status == other.end().status == 400
    assert first.body == other.body and other.replayed
    told = Told(scripted, free=1 << 10)
    again = Asker(gateway, body=STREAMED).end()
    assert again.status == 200 and not again.replayed and b"w5" in again.body
    assert len(asked) == 1 and told.asked == 2


def test_an_answer_that_is_cut_is_told_to_all_and_forgotten(start: Start, scripted: Engines) -> None:
    breaks = threading.Event()

    def cut(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "Far"}))
        breaks.wait(DEADLINE_SECONDS)
        wire.reset()

    for engine in scripted.values():
        engine.script = cut
    gateway = start('\n[limits]\nattempts_max = 1\n')
    first = Asker(gateway, body=STREAMED)
    first.hears("Far")
    other = Asker(gateway, body=STREAMED)
    other.hears("Far")
    breaks.set()
    assert first.end().body == other.end().body
    assert b'"error"' in first.body and b"[DONE]" not in first.body
    Told(scripted, free=1 << 10)
    again = Asker(gateway, body=STREAMED).end()
    assert not again.replayed and again.body.endswith(b"data: [DONE]\n\n")
    assert bills(gateway) == 2, "what came of the first was charged"


def test_an_answer_past_its_bound_is_told_whole_but_not_kept(start: Start, scripted: Engines) -> None:
    words = ["x" * 1_000 for _ in range(100)]
    told = Told(scripted, words)
    gateway = start('\n[limits]\nidempotency_answer_bytes_max = "32KiB"\n')
    first = Asker(gateway, body=STREAMED)
    told.go_on(10)
    until(lambda: first.body.count(b"x" * 1_000) == 10, "it has begun")
    other = Asker(gateway, body=STREAMED)
    until(lambda: other.body.count(b"x" * 1_000) == 10, "the other has what there is")
    told.go_on()
    assert first.end().body == other.end().body
    assert first.body.count(b"x" * 1_000) == 100 and first.body.endswith(b"data: [DONE]\n\n")
    assert metric(gateway, r'hanse_idempotency_answers_lost_total\{why="too_long"\}') == 1
    until(lambda: metric(gateway, "hanse_idempotency_answer_bytes") == 0, "nothing of it is kept")
    told.go_on()
    assert not Asker(gateway, body=STREAMED).end().replayed
    assert told.asked == 2


@pytest.mark.parametrize("leaves", ["before its bound", "past its bound"])
def test_nobody_works_on_an_answer_that_nobody_can_get(start: Start, scripted: Engines, leaves: str) -> None:
    told = Told(scripted, ["x" * 1_000 for _ in range(100)])
    gateway = start('\n[limits]\nidempotency_answer_bytes_max = "32KiB"\n')
    first = Asker(gateway, body=STREAMED)
    words = 10 if leaves == "before its bound" else 50
    told.go_on(words)
    until(lambda: first.body.count(b"x" * 1_000) == words, "it has begun")
    first.leave()
    if leaves == "before its bound":
        assert not told.left.wait(0.2)
        told.go_on(40)
    until(told.left.is_set, "the engine is left", 2)
    assert_nothing_open(gateway)


def test_an_answer_is_kept_for_its_time_and_no_longer(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start('\n[limits]\nidempotency_kept_for = "3s"\n')
    first = Asker(gateway).end()
    again = Asker(gateway).end()
    assert again.replayed and again.body == first.body and told.asked == 1
    until(lambda: metric(gateway, "hanse_idempotency_answer_bytes") == 0, "its time is over")
    assert not Asker(gateway).end().replayed
    assert told.asked == 2 and bills(gateway) == 2


def test_old_answers_make_room_and_what_is_under_way_does_not(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start("\n[limits]\nidempotency_keys_max = 2\n")
    for key in ("a", "b", "c"):
        assert Asker(gateway, key).end().status == 200
    assert Asker(gateway, "c").end().replayed
    assert metric(gateway, r'hanse_idempotency_answers_lost_total\{why="made_room"\}') == 1
    assert not Asker(gateway, "a").end().replayed
    told = Told(scripted)
    under_way = [Asker(gateway, key, STREAMED) for key in ("d", "e")]
    until(lambda: outcomes(gateway)["new"] == 6, "both are under way")
    refused = Asker(gateway, "f", STREAMED).end()
    assert refused.status == 503 and refused.code == "overloaded" and refused.headers["retry-after"] == "1"
    told.go_on()
    for asker in under_way:
        assert asker.end().status == 200
    assert Asker(gateway, "f", STREAMED).end().status == 200


# --- The end of the gateway ------------------------------------------------------------


def test_a_stop_tells_all_who_wait_and_leaves_nothing_open(start: Start, scripted: Engines) -> None:
    Told(scripted, each=2)
    gateway = start()
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("\n[gateway]\n", '\n[gateway]\ndrain_limit = "200ms"\n'))
    gateway.process.send_signal(1)
    until(lambda: metric(gateway, "hanse_snapshot_changes_total") == 1, "it is reloaded")
    alone = Asker(gateway, "alone", STREAMED)
    alone.hears("w1")
    alone.leave()
    first, other = Asker(gateway, body=STREAMED), Asker(gateway, body=STREAMED)
    first.hears("w1")
    other.hears("w1")
    gateway.stop()
    assert first.end().body == other.end().body
    assert b'"draining"' in first.body and b"[DONE]" not in first.body
    audit = json.loads(gateway.command("books", "verify", "--json").stdout)
    assert audit["requests_open"] == audit["requests_lost"] == 0


def test_nothing_is_kept_over_a_restart(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start()
    assert Asker(gateway).end().status == 200
    gateway.kill()
    gateway.start()
    assert not Asker(gateway).end().replayed
    assert told.asked == 2


# --- The official clients ----------------------------------------------------------------


def test_the_python_client_asks_again(start: Start, scripted: Engines) -> None:
    told = Told(scripted, free=1 << 10)
    gateway = start()
    with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=30) as client:

        def ask() -> list[dict]:
            stream = client.chat.completions.create(
                model=MODEL, messages=SAY_HI, stream=True, extra_headers={"Idempotency-Key": "of-python"}
            )
            return [part.model_dump() for part in stream]

        assert ask() == ask()
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            client.chat.completions.create(
                model=MODEL, messages=SAY_HI, extra_headers={"Idempotency-Key": "of-python"}
            )
        assert refused.value.code == "idempotency_key_reused"
    assert told.asked == 1


NODE_ASKS_TWICE = """
import OpenAI from 'openai';
const { URL_: baseURL, KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const ask = () => client.chat.completions
  .create({ model: 'smollm2', messages: [{ role: 'user', content: 'Say hi.' }] }, { headers: { 'Idempotency-Key': 'of-node' } })
  .withResponse();
const [first, again] = [await ask(), await ask()];
const same = JSON.stringify(first.data) === JSON.stringify(again.data);
console.log(same, first.response.headers.get('idempotent-replayed'), again.response.headers.get('idempotent-replayed'));
"""


def test_the_node_client_asks_again(start: Start, scripted: Engines) -> None:
    for engine in scripted.values():
        engine.script = answering("Hello")
    gateway = start()
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", NODE_ASKS_TWICE],
        cwd=pathlib.Path(__file__).parent,
        env={**os.environ, "URL_": gateway.url, "KEY": ACME},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "true null true", done.stdout + done.stderr
    assert sum(len(engine.requests) for engine in scripted.values()) == 1
