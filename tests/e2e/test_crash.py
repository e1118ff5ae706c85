"""`kill -9` under load, fifty times: nothing lost, nothing doubled, the books balance."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import threading
from decimal import Decimal

from asking import MODEL
from harness import ACME, Gateway, Request, ScriptedEngine, Wire, chunk, until, usage

KILLS = 50
CLIENTS = 6
SEED = 20261123

# Tokens of an answer: many times what one watermark lets go, 256.
ANSWER_TOKENS = 700
# What the tenant pays for a token, by config/four-sites.toml.
OUTPUT_PRICE = Decimal("0.00000036")

HEADERS = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1000}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def long_answer(request: Request, wire: Wire) -> None:
    """Answers at length; if the request says so, holds on after some tokens until the gateway is gone."""
    hold_after = request.json().get("hold_after")
    wire.begin_stream()
    wire.event(chunk({"role": "assistant", "content": None}))
    for token in range(ANSWER_TOKENS):
        if token == hold_after:
            until(wire.closed_by_peer, "the gateway is killed")
            return
        wire.event(chunk({"content": f"w{token} "}))
    wire.event(chunk({}, "stop"))
    wire.event(chunk(usage=usage(output=ANSWER_TOKENS)))
    wire.event("[DONE]")
    wire.end_stream()


def bill_of(body: str) -> dict | None:
    """The `hanse` object of a reply that came whole."""
    if body.startswith("data: "):
        if not body.endswith("data: [DONE]\n\n"):
            return None
        return json.loads(body.split("data: ")[-2]).get("hanse")
    return json.loads(body).get("hanse")


def tokens_in(body: str) -> int:
    """How many tokens of an answer are in what came of a stream."""
    return len(re.findall(r'"content": ?"w\d+ "', body))


class Reply:
    """What a client has of one reply, however it ended."""

    def __init__(self, gateway: Gateway, body: dict) -> None:
        self.text = ""
        self.request_id = ""
        self.whole = False
        self._connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=10)
        self._body = json.dumps(body)

    def ask(self) -> None:
        """Sends the request and waits for the head of the reply."""
        self._connection.request("POST", "/v1/chat/completions", self._body, HEADERS)
        self._reply = self._connection.getresponse()
        assert self._reply.status == 200, self._reply.read()
        self.request_id = self._reply.headers["x-request-id"]

    def read(self, tokens: int | None = None) -> None:
        """Reads to the end, or until there are so many tokens."""
        with contextlib.closing(self._connection) if tokens is None else contextlib.nullcontext():
            while tokens is None or tokens_in(self.text) < tokens:
                part = self._reply.read1()
                if not part:
                    break
                self.text += part.decode()


class Load:
    """Clients that ask without a pause and remember what they were given, whole or cut."""

    def __init__(self, gateway: Gateway) -> None:
        self.charged: dict[str, Decimal] = {}
        self.cut: dict[str, int] = {}  # tokens by request
        self._gateway = gateway
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Lets the last requests end."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures

    def answers(self) -> int:
        """Whole answers so far."""
        with self._lock:
            return len(self.charged)

    def _ask(self, number: int) -> None:
        try:
            while not self._over.is_set():
                reply = Reply(self._gateway, QUESTION | (STREAMED if number % 2 else {}))
                try:
                    reply.ask()
                    reply.read()
                except (OSError, http.client.HTTPException):
                    # The gateway is down, or went down in the middle of an answer.
                    self._over.wait(0.01)
                self._remember(reply, streamed=number % 2 == 1)
        except BaseException as failure:  # noqa: BLE001: told by end()
            self._failures.append(failure)

    def _remember(self, reply: Reply, streamed: bool) -> None:
        with self._lock:
            try:
                bill = bill_of(reply.text) if reply.text else None
            except json.JSONDecodeError:
                bill = None
            if bill is not None:
                assert bill["request_id"] not in self.charged
                self.charged[bill["request_id"]] = Decimal(bill["cost"]["amount"])
            elif streamed and reply.request_id:
                self.cut[reply.request_id] = tokens_in(reply.text)


def hold_one(gateway: Gateway, tokens: int) -> Reply:
    """A stream that stands at exactly so many tokens, all of them delivered."""
    reply = Reply(gateway, QUESTION | STREAMED | {"hold_after": tokens})
    reply.ask()
    reply.read(tokens)
    return reply


def test_nothing_is_lost_and_nothing_doubled_by_fifty_kills(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway
) -> None:
    chance = random.Random(SEED)
    for engine in scripted.values():
        engine.script = long_answer
    held: dict[str, int] = {}
    load = Load(scripted_grid)
    try:
        for kill in range(KILLS):
            wanted = load.answers() + chance.randrange(1, 6)
            until(lambda wanted=wanted: load.answers() >= wanted, f"answers before kill {kill} (seed {SEED})")
            # Under way for sure, before the first watermark's end, at it, or past several.
            tokens = chance.choice([1, 255, 256, 257, chance.randrange(2, ANSWER_TOKENS)])
            reply = hold_one(scripted_grid, tokens)
            scripted_grid.kill()
            with contextlib.suppress(OSError, http.client.HTTPException):
                reply.read()
            held[reply.request_id] = tokens_in(reply.text)
            assert held[reply.request_id] == tokens
            scripted_grid.start()
    finally:
        load.end()
    assert len(held) == KILLS and load.charged
    assert sum(tokens > 0 for tokens in load.cut.values()) > 0, "the load itself was never cut"

    verified = scripted_grid.command("books", "verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    audit = json.loads(verified.stdout)
    assert audit["epochs"] == KILLS + 1
    assert audit["requests_open"] == 0, "what a crash left open must be ended"

    def postings() -> list[dict]:
        listed = scripted_grid.command("books", "journal", "--limit", "1000000", "--json")
        assert listed.returncode == 0, listed.stderr
        return json.loads(listed.stdout)

    until(lambda: len(postings()) == audit["postings"], "the books have caught up")
    booked: dict[str, Decimal] = {}
    in_doubt: dict[str, Decimal] = {}
    for posting in postings():
        if posting["debit"].startswith("receivable/") and posting["credit"].startswith("revenue/"):
            assert posting["request"] not in booked, "a request is posted once"
            booked[posting["request"]] = Decimal(posting["amount"])
        if posting["debit"].startswith("suspense/receivable/"):
            assert posting["request"] not in in_doubt, "a request is posted once"
            in_doubt[posting["request"]] = Decimal(posting["amount"])
    lost = {request for request in load.charged if request not in booked}
    assert not lost, f"{len(lost)} answers were delivered and not booked (seed {SEED})"
    for request, amount in load.charged.items():
        assert booked[request] == amount, "the books say what the client was told"
        assert request not in in_doubt, "of a whole answer nothing is in doubt"
    # Of a stream that was cut, no more is charged than the client has, and
    # nothing for a prompt that nobody has counted; and what it has is charged,
    # or stands in doubt.
    for request, tokens in [*held.items(), *load.cut.items()]:
        charged, doubt = booked.get(request, Decimal(0)), in_doubt.get(request, Decimal(0))
        if request in load.cut and doubt == 0:
            continue  # It had ended when the gateway was killed, and only its last bytes were lost.
        delivered = tokens * OUTPUT_PRICE
        assert charged <= delivered, f"{request}: {tokens} tokens, {charged} charged"
        assert charged + doubt >= delivered, f"{request}: {tokens} tokens, {charged} and {doubt} in doubt"
    balance = json.loads(scripted_grid.command("books", "balance", "--json").stdout)
    assert balance["balanced"]
