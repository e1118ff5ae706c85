"""A front of an engine that breaks streams off exactly where a test says.

A real engine cannot be told to fail after its twentieth token. So each stands
behind one of these: it passes bytes on as they are, counts the deltas that say
something, and breaks the stream off behind one of them, or inside the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from harness import until

# A break waits no longer than this for the client to have what came before it.
PATIENCE_SECONDS = 10.0

EVENT = re.compile(rb"data: (\{.*?\})\n\n", re.S)


@dataclasses.dataclass
class Cut:
    """Where one stream breaks, and how."""

    after: int  # deltas that say something
    bytes_of_next: int = 0  # So much of what follows them still comes.
    # What breaks it, if it is not a reset by the proxy; is given the engine's name.
    by: Callable[[str], None] | None = None


class Plan:
    """The cuts of the requests to come, over all engines."""

    def __init__(self) -> None:
        self._cuts: list[Cut] = []
        self._guard = threading.Lock()
        # How many deltas the client has had; None if it gets none before the end.
        # A break that overtook what was sent before it would be another one.
        self.delivered: Callable[[], int | None] = lambda: None

    def set(self, *cuts: Cut) -> None:
        """The next requests break so, one each; those after them do not."""
        with self._guard:
            self._cuts = list(cuts)

    def next(self) -> Cut | None:
        """The cut of a reply that begins."""
        with self._guard:
            return self._cuts.pop(0) if self._cuts else None

    @property
    def left(self) -> int:
        """How many cuts have not been used."""
        with self._guard:
            return len(self._cuts)


class CuttingProxy:
    """Stands in front of one engine."""

    def __init__(self, name: str, engine_url: str, plan: Plan) -> None:
        self.name = name
        self.bodies: list[dict] = []  # What it was asked, of requests that had a reply.
        # When the gateway was seen to leave a request that was under way.
        self.left_at: float | None = None
        host, _, port = engine_url.removeprefix("http://").partition(":")
        self._engine = (host, int(port))
        self._plan = plan
        self._under_way: set[_Reply] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def idle(self) -> bool:
        """Whether no reply is under way."""
        return not any(reply.under_way for reply in list(self._under_way))

    def stop(self) -> None:
        """Takes no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                gateway, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(gateway,), daemon=True).start()

    def _serve(self, gateway: socket.socket) -> None:
        with gateway, contextlib.suppress(OSError):
            try:
                engine = socket.create_connection(self._engine, timeout=PATIENCE_SECONDS)
            except OSError:
                _reset(gateway)  # As near to a refusal as one can come who has taken the connection.
                return
            with engine:
                self._pass_on(gateway, engine)

    def _pass_on(self, gateway: socket.socket, engine: socket.socket) -> None:
        reply = _Reply()
        try:
            while True:
                ready, _, _ = select.select([gateway, engine], [], [])
                if gateway in ready:
                    request = _read_request(gateway)
                    if not request:
                        if reply.under_way:
                            self.left_at = time.monotonic()
                        return
                    self._under_way.discard(reply)
                    reply = _Reply(request if request.startswith(b"POST") else b"")
                    self._under_way.add(reply)
                    engine.sendall(request)
                if engine in ready:
                    raw = engine.recv(1 << 16)
                    if not raw:
                        return
                    if reply.under_way and not reply.begun:
                        # Not before: the engine may just have closed a kept connection.
                        self.bodies.append(json.loads(reply.request.partition(b"\r\n\r\n")[2]))
                        reply.begin(self._plan.next(), self._plan.delivered() or 0)
                    gateway.sendall(reply.let_through(raw))
                    if reply.breaks:
                        self._break(reply, gateway, engine)
                        return
        finally:
            self._under_way.discard(reply)

    def _break(self, reply: _Reply, gateway: socket.socket, engine: socket.socket) -> None:
        cut = reply.cut
        assert cut

        def has_come() -> bool:
            delivered = self._plan.delivered()
            return delivered is None or delivered >= reply.before + cut.after

        with contextlib.suppress(AssertionError):
            until(has_come, "the client has what was sent", PATIENCE_SECONDS)
        if not cut.by:
            _reset(gateway)
            return
        cut.by(self.name)
        # What the engine's kernel says to the gateway when the engine is gone.
        try:
            while engine.recv(1 << 16):
                pass
        except ConnectionError:
            _reset(gateway)


class _Reply:
    """One reply on its way through."""

    def __init__(self, request: bytes = b"") -> None:
        self.request = request
        self.under_way = bool(request)
        self.begun = False
        self.cut: Cut | None = None
        self.before = 0  # What the client had when this was asked.
        self.breaks = False
        self._come = b""
        self._passed = 0
        self._counted_to = 0
        self._deltas = 0
        self._end: int | None = None  # Where it breaks, once that is known.

    def begin(self, cut: Cut | None, before: int) -> None:
        """Its first bytes have come."""
        self.begun, self.cut, self.before = True, cut, before

    def let_through(self, raw: bytes) -> bytes:
        """How much of what has come may go on."""
        if not self.cut:
            self.under_way = self.under_way and not raw.endswith(b"\r\n0\r\n\r\n")
            return raw
        self._come += raw
        for event in EVENT.finditer(self._come, self._counted_to):
            if self._end is not None:
                break
            self._counted_to = event.end()
            self._deltas += _says_something(event[1])
            if self._deltas == self.cut.after:
                # With the end of the chunk that the event is in.
                self._end = event.end() + 2 + self.cut.bytes_of_next
        to = len(self._come) if self._end is None else min(self._end, len(self._come))
        through = self._come[self._passed : to]
        self._passed = to
        self.breaks = self._passed == self._end
        return through


def _says_something(event: bytes) -> bool:
    for choice in json.loads(event).get("choices", []):
        delta = choice.get("delta", {})
        if choice.get("text") or delta.get("content") or delta.get("tool_calls"):
            return True
    return False


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _read_request(gateway: socket.socket) -> bytes:
    """One request as it came; empty when the gateway has gone."""
    raw = b""
    missing = 1
    while missing > 0:
        try:
            part = gateway.recv(1 << 16)
        except ConnectionError:
            return b""
        if not part:
            return b""
        raw += part
        head, separator, body = raw.partition(b"\r\n\r\n")
        length = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
        missing = (int(length[1]) if length else 0) - len(body) if separator else 1
    return raw
