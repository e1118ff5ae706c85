"""Asking the real model over broken streams, and what must hold of every answer that was rescued."""

from __future__ import annotations

import contextlib
import dataclasses
import decimal
import http.client
import json
import pathlib
import typing
from collections.abc import Iterator

from asking import MODEL
from cutting import Cut, CuttingProxy, Plan
from harness import ACME, DEADLINE_SECONDS, Engine, Gateway, get, render_config, until

ANSWER_TOKENS = 60
# What the tenant pays, per million tokens, by config/four-sites.toml.
PRICES = {"prompt": "0.120", "cached_read": "0.030", "output": "0.360"}

# Plain text, a list, code, letters of several bytes, a second turn.
PROMPTS: dict[str, list[dict[str, str]]] = {
    "harbour": [{"role": "user", "content": "What is a harbour? Answer in three sentences."}],
    "list": [{"role": "user", "content": "List ten things that a sailor needs, with a reason for each."}],
    "code": [{"role": "user", "content": "Write a Python function that adds two numbers, and explain it."}],
    "emoji": [{"role": "user", "content": "Repeat this line ten times: \u2603 Gr\u00f6\u00dfe \u6d77 \U0001f6a2"}],
    "turn": [
        {"role": "user", "content": "Who sailed to Lisbon?"},
        {"role": "assistant", "content": "Many ships of the league did."},
        {"role": "user", "content": "Tell me the story of one of them."},
    ],
}


@dataclasses.dataclass
class Told:
    """What a client was told, as it came over the wire."""

    status: int = 0
    request_id: str = ""
    events: list[typing.Any] = dataclasses.field(default_factory=list)  # Read; or "[DONE]".
    whole: dict = dataclasses.field(default_factory=dict)  # Of a reply in one piece.

    @property
    def chunks(self) -> list[dict]:
        """The events that are chunks of the answer."""
        return [event for event in self.events if isinstance(event, dict) and "error" not in event]

    @property
    def error(self) -> dict | None:
        """The error that was told, as a reply or as an event."""
        found = [event["error"] for event in self.events if isinstance(event, dict) and "error" in event]
        return found[0] if found else self.whole.get("error")

    @property
    def choices(self) -> list[dict]:
        """All that choices said, in order."""
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    def text(self, index: int = 0) -> str:
        """What one choice says."""
        return "".join(self.pieces(index))

    def pieces(self, index: int = 0) -> list[str]:
        """The same, delta by delta."""
        said = [_piece(choice) for choice in self.choices if choice["index"] == index]
        return [piece for piece in said if piece]

    @property
    def deltas(self) -> int:
        """How many events said something."""
        return sum(bool(_piece(choice)) for choice in self.choices)

    @property
    def usage(self) -> dict:
        """The usage, of which there must be one."""
        (report,) = [chunk for chunk in self.chunks if chunk.get("usage")]
        return report["usage"]

    @property
    def hanse(self) -> dict:
        """What the gateway says of itself, beside the usage."""
        (report,) = [chunk for chunk in self.chunks if chunk.get("usage")]
        return report["hanse"]


def _piece(choice: dict) -> str:
    delta = choice.get("delta") or {"content": choice.get("text")}
    calls = [call.get("function", {}) for call in delta.get("tool_calls") or []]
    of_calls = [part for call in calls for part in (call.get("name"), call.get("arguments")) if part]
    return "".join([delta.get("content") or "", *of_calls])


class Grid:
    """Real engines, each behind a proxy that cuts, and a gateway in front of them."""

    def __init__(self, engines: dict[str, Engine], folder: pathlib.Path) -> None:
        self.engines = engines
        self.plan = Plan()
        self.proxies = {name: CuttingProxy(name, engine.url, self.plan) for name, engine in engines.items()}
        self.gateway = Gateway(render_config(folder, {name: proxy.url for name, proxy in self.proxies.items()}))

    def stop(self) -> None:
        """Ends the gateway well."""
        self.gateway.stop()
        for proxy in self.proxies.values():
            proxy.stop()

    def ask(self, body: dict, *cuts: Cut, path: str = "/v1/chat/completions") -> Told:
        """Asks for a stream, whose attempts break so."""
        told = Told()
        for proxy in self.proxies.values():
            proxy.bodies.clear()
        self.plan.set(*cuts)
        # Only of a stream of one choice does each delta of a site reach the client as one.
        self.plan.delivered = lambda: told.deltas
        for event in self.begin(body, told, path):
            told.events.append(event)
        assert self.plan.left == 0, "a cut was not used: the answer was shorter"
        return told

    def given(self) -> list[str]:
        """What the attempts at the last answer were given to go on from; the first was given nothing."""
        bodies = [body for proxy in self.proxies.values() for body in proxy.bodies]
        last = [body["messages"][-1] for body in bodies if "messages" in body]
        return sorted((one["content"] for one in last if one["role"] == "assistant"), key=len)

    def begin(self, body: dict, told: Told, path: str = "/v1/chat/completions") -> Iterator[typing.Any]:
        """The events of a stream as they come."""
        question = {"model": MODEL, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
        headers = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}
        plan = self.gateway.plan
        connection = http.client.HTTPConnection(plan.host, plan.port, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(question | body), headers)
            reply = connection.getresponse()
            told.status, told.request_id = reply.status, reply.headers["x-request-id"]
            if reply.headers["content-type"].startswith("application/json"):
                told.whole = json.loads(reply.read())
                return
            for line in reply:
                data = line.decode().removeprefix("data: ").rstrip("\n")
                if line.startswith(b"data: "):
                    yield data if data == "[DONE]" else json.loads(data)

    def record(self, told: Told) -> dict:
        """The decision record."""
        read: dict = {}

        def is_there() -> bool:
            status, body = get(self.gateway.admin, f"/records/{told.request_id}", self.gateway.admin_headers)
            if status == 200:
                read.update(json.loads(body))
            return bool(read)

        until(is_there, "the request has a record", 10)
        return read

    def kill(self, name: str) -> None:
        """Ends an engine without warning."""
        self.engines[name].kill()

    def revive(self) -> None:
        """Starts the engines again that were killed."""
        for engine in self.engines.values():
            if not engine.running:
                engine.start()
                engine.await_ready()


def assert_one_answer(told: Told, chat: bool = True) -> None:
    """The stream reads as if nothing had happened."""
    assert told.error is None and told.status == 200, told.error
    assert len({chunk["id"] for chunk in told.chunks}) == 1
    assert len({chunk["model"] for chunk in told.chunks}) == 1
    for index in {choice["index"] for choice in told.choices}:
        mine = [choice for choice in told.choices if choice["index"] == index]
        roles = [number for number, choice in enumerate(mine) if choice.get("delta", {}).get("role")]
        assert roles == ([0] if chat else []), "the role comes once, and first"
        finishes = [number for number, choice in enumerate(mine) if choice["finish_reason"]]
        assert finishes == [len(mine) - 1], "the finish comes once, and last"
    assert sum(bool(chunk.get("usage")) for chunk in told.chunks) == 1
    assert told.events.count("[DONE]") == 1 and told.events[-1] == "[DONE]"
    assert "\N{REPLACEMENT CHARACTER}" not in told.text()


def assert_billed_by_usage(told: Told, record: dict) -> None:
    """The bill is the usage that the client was told, at the tenant's prices."""
    usage, bill = told.usage, record["bill"]
    tokens = bill["tokens"]
    assert tokens["prompt"] + tokens["cached_read"] == usage["prompt_tokens"]
    assert tokens["output"] == usage["completion_tokens"]
    cost = sum(decimal.Decimal(price) * tokens[kind] for kind, price in PRICES.items()) / 1_000_000
    assert abs(decimal.Decimal(bill["charged"]) - cost) <= decimal.Decimal("0.000000001")
    assert decimal.Decimal(bill["charged"]) == decimal.Decimal(told.hanse["cost"]["amount"])


def ends_of(record: dict) -> list[str]:
    """How each attempt ended."""
    return [attempt["outcome"] for attempt in record["attempts"]]
