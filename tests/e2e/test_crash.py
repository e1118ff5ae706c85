"""`kill -9` under load, fifty times: nothing lost, nothing doubled, the books balance."""

from __future__ import annotations

import http.client
import json
import random
import threading
from decimal import Decimal

from asking import MODEL
from harness import ACME, Gateway, ScriptedEngine, answering, until

KILLS = 50
CLIENTS = 6
SEED = 20261123

HEADERS = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}
WHOLE = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}]})
STREAM = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
)


def bill_of(body: str) -> dict | None:
    """The `hanse` object of a reply that came whole."""
    if body.startswith("data: "):
        if not body.endswith("data: [DONE]\n\n"):
            return None
        return json.loads(body.split("data: ")[-2]).get("hanse")
    return json.loads(body).get("hanse")


class Load:
    """Clients that ask without a pause and remember every answer that was whole."""

    def __init__(self, gateway: Gateway) -> None:
        self.charged: dict[str, Decimal] = {}
        self._gateway = gateway
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Lets the last requests end."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def answers(self) -> int:
        """Whole answers so far."""
        with self._lock:
            return len(self.charged)

    def _ask(self, number: int) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection(self._gateway.plan.host, self._gateway.plan.port, timeout=10)
            try:
                while not self._over.is_set():
                    connection.request("POST", "/v1/chat/completions", STREAM if number % 2 else WHOLE, HEADERS)
                    reply = connection.getresponse()
                    body = reply.read().decode()
                    if reply.status != 200 or (bill := bill_of(body)) is None:
                        break
                    with self._lock:
                        assert bill["request_id"] not in self.charged
                        self.charged[bill["request_id"]] = Decimal(bill["cost"]["amount"])
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                # The gateway is down, or went down in the middle of an answer.
                self._over.wait(0.01)
            finally:
                connection.close()


def test_nothing_is_lost_and_nothing_doubled_by_fifty_kills(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway
) -> None:
    chance = random.Random(SEED)
    for engine in scripted.values():
        engine.script = answering("One", " two", " three", " four")
    load = Load(scripted_grid)
    try:
        for kill in range(KILLS):
            before = load.answers()
            wanted = before + chance.randrange(1, 12)
            until(lambda wanted=wanted: load.answers() >= wanted, f"answers before kill {kill} (seed {SEED})")
            scripted_grid.kill()
            scripted_grid.start()
    finally:
        load.end()

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
    for posting in postings():
        if posting["debit"].startswith("receivable/") and posting["credit"].startswith("revenue/"):
            assert posting["request"] not in booked, "a request is posted once"
            booked[posting["request"]] = Decimal(posting["amount"])
    lost = {request for request in load.charged if request not in booked}
    assert not lost, f"{len(lost)} answers were delivered and not booked (seed {SEED})"
    for request, amount in load.charged.items():
        assert booked[request] == amount, "the books say what the client was told"
    balance = json.loads(scripted_grid.command("books", "balance", "--json").stdout)
    assert balance["balanced"]
