"""A faulty engine: does to each request what a scenario says, and remembers all of it.

It answers probes well throughout: what a scenario is about is what happens to
the client's request, not who noticed first that a site is ill.
"""

from __future__ import annotations

import dataclasses
import json
import select
import time
from collections.abc import Callable

import harness
from answers import Answer, Model, answer_to

# A script that waits for the gateway waits no longer than this.
PATIENCE_SECONDS = 50.0


@dataclasses.dataclass
class Asked:
    """One request that arrived at an engine, and how it went."""

    site: str
    request: harness.Request
    at: float  # time.monotonic()
    first_on_connection: bool
    reports: dict | None = None  # What a sound engine would say that it used.
    left_at: float | None = None  # When the gateway was seen to have gone away.
    waited_for_it: bool = False  # The script would have gone on for ever.

    @property
    def body(self) -> dict:
        """The body, read."""
        return self.request.json()


class Turn:
    """One request under way, for a fault to act on."""

    def __init__(self, engine: FaultyEngine, asked: Asked, wire: harness.Wire) -> None:
        self.engine = engine
        self.asked = asked
        self.wire = wire

    @property
    def answer(self) -> Answer:
        """What a sound engine would say."""
        return answer_to(self.asked.request, self.engine.model, self.engine.kind, self.engine.name)

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.asked.body.get("stream"))

    def begin(self, content_type: str = "text/event-stream") -> None:
        """Sends the head of a stream, and the events that say nothing yet."""
        self.begin_head(content_type)
        for event in self.answer.opening:
            self.wire.event(event)

    def begin_head(self, content_type: str = "text/event-stream") -> None:
        """Sends the head of a stream."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.wire.send(head.encode())

    def say(self, tokens: int) -> None:
        """Sends the head and so many tokens, and waits until the client has them."""
        self.begin()
        for event in self.answer.progress[:tokens]:
            self.wire.event(event)
        self.await_delivered(tokens)

    def await_delivered(self, tokens: int) -> None:
        """Waits until the client has so many tokens: a break that overtook them would be another fault."""
        self.engine.await_delivered(len(self.answer.given + "".join(self.answer.pieces[:tokens])))

    def finish(self) -> None:
        """Sends what comes after the last token."""
        for event in self.answer.closing:
            self.wire.event(event)
        self.wire.event("[DONE]")
        self.wire.end_stream()

    def reply(self, status: int, body: object, *headers: str) -> None:
        """Sends a whole JSON reply."""
        self.wire.reply(status, json.dumps(body).encode(), headers)

    def gone_within(self, seconds: float) -> bool:
        """Waits so long; says whether the gateway went away meanwhile."""
        readable, _, _ = select.select([self.wire.connection], [], [], seconds)
        if readable and self.wire.closed_by_peer():
            self.asked.left_at = self.asked.left_at or time.monotonic()
            return True
        return False

    def hold(self) -> None:
        """Says nothing more until the gateway goes away."""
        self.asked.waited_for_it = True
        self.gone_within(PATIENCE_SECONDS)

    def repeat(self, act: Callable[[], None], every: float) -> None:
        """Acts again and again until the gateway goes away."""
        self.asked.waited_for_it = True
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                act()
            except OSError:
                self.asked.left_at = self.asked.left_at or time.monotonic()
                return
            if self.gone_within(every):
                return


Fault = Callable[[Turn], None]


class FaultyEngine(harness.ScriptedEngine):
    """The engine of one site."""

    def __init__(
        self, site: str, kind: str, model: Model, script: list[Fault], delivered: Callable[[], int | None]
    ) -> None:
        self.kind = kind
        self.model = model
        # How many characters of the answer the client has; None when it gets
        # none before the end.
        self._delivered = delivered
        self.asked: list[Asked] = []
        self.probes = 0
        self.notes: list[str] = []
        self._faults = script
        self._used: list[harness.Wire] = []
        super().__init__(site)
        self.script = self._play

    def await_delivered(self, characters: int) -> None:
        """Waits until the client has so much."""

        def has_come() -> bool:
            delivered = self._delivered()
            return delivered is None or delivered >= characters

        try:
            harness.until(has_come, "the client has what was sent", 2)
        except AssertionError:
            self.notes.append(f"{self.name} broke off before the client had {characters} characters")

    def _play(self, request: harness.Request, wire: harness.Wire) -> None:
        first = not any(used is wire for used in self._used)
        self._used.append(wire)
        asked = Asked(self.name, request, time.monotonic(), first)
        number = len(self.asked)
        self.asked.append(asked)
        fault = self._faults[min(number, len(self._faults) - 1)]
        turn = Turn(self, asked, wire)
        try:
            asked.reports = turn.answer.whole["usage"]
            fault(turn)
        except OSError:
            asked.left_at = asked.left_at or time.monotonic()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the scenario has failed.
            self.errors.append(error)
            wire.reset()

    def _answer_probe(self, request: harness.Request, wire: harness.Wire) -> None:
        # A connection that a probe left open would take the first request,
        # and its loss would be no failure of the site.
        self.probes += 1
        body = b'{"object":"list","data":[{"id":"smollm2","object":"model"}],"status":"ok"}'
        wire.reply(200, body, ["Connection: close"])
        wire.connection.shutdown(2)
