"""A tap on the wire between a client and the gateway.

Clients show what they made of a stream, and keep from sight what counts here:
whether `[DONE]` came, whether a second role did, how the bytes ended. So each
request goes over a tap of its own, which passes bytes on and keeps them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import io
import json
import selectors
import socket
import threading
import time
import typing


@dataclasses.dataclass
class Told:
    """What went over the wire to the client."""

    status: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: str = ""
    events: list[typing.Any] = dataclasses.field(default_factory=list)  # Of a stream: read, or "[DONE]".
    framed_well: bool = False  # The body ended as HTTP says that it does.
    cut_off: bool = False  # The gateway closed before that.

    @property
    def is_stream(self) -> bool:
        """Whether it was an event stream."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def chunks(self) -> list[dict]:
        """The events that are chunks of an answer."""
        return [event for event in self.events if isinstance(event, dict) and "error" not in event]

    @property
    def error(self) -> dict | None:
        """The error that was told, as a reply or as an event."""
        if self.is_stream:
            found = [event["error"] for event in self.events if isinstance(event, dict) and "error" in event]
            return found[0] if found else None
        return json.loads(self.body).get("error") if self.status >= 400 else None

    @property
    def whole(self) -> dict:
        """The reply of one piece."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """All that the answer says, by choice and kind: text, reasoning, arguments of tools."""
        return "".join(piece for chunk in self.chunks for choice in chunk["choices"] for piece in pieces_of(choice))


def pieces_of(choice: dict) -> list[str]:
    """What one choice of a chunk says."""
    delta = choice.get("delta") or {"content": choice.get("text")}
    calls = [call.get("function", {}).get("arguments") for call in delta.get("tool_calls") or []]
    return [piece for piece in [delta.get("reasoning_content"), delta.get("content"), *calls] if piece]


class Tap:
    """One connection's worth of a client's traffic."""

    def __init__(self, host: str, port: int) -> None:
        self._gateway = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answered = bytearray()
        self._guard = threading.Lock()
        self.opened_at: float | None = None  # time.monotonic()
        self.client_left_at: float | None = None
        self.last_byte_at: float | None = None
        self.gateway_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def stop(self) -> None:
        """Takes no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def delivered(self) -> int:
        """How many characters of the answer have reached the client."""
        return len(self.told().text)

    def is_over(self) -> bool:
        """Whether nothing more will come: a client may be content before the last bytes are there."""
        return self.told().framed_well or self.gateway_closed or self.client_left_at is not None

    def told(self) -> Told:
        """What has come so far."""
        with self._guard:
            raw = bytes(self._answered)
        return read(raw, self.gateway_closed)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            self.opened_at = time.monotonic()
            with client, socket.create_connection(self._gateway) as gateway:
                self._pass_on(client, gateway)

    def _pass_on(self, client: socket.socket, gateway: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, gateway)
            ready.register(gateway, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source, other = typing.cast(socket.socket, key.fileobj), key.data
                    raw = _read_some(source)
                    if source is client and not raw:
                        self.client_left_at = time.monotonic()
                        return
                    if not raw:
                        self.gateway_closed = True
                        return
                    if source is gateway:
                        self._keep(raw)
                    other.sendall(raw)

    def _keep(self, raw: bytes) -> None:
        with self._guard:
            self._answered += raw
        self.last_byte_at = time.monotonic()


def _read_some(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 16)
    except ConnectionError:
        return b""


class _Replay:
    """Bytes that look like a socket to http.client."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        """The bytes as a file."""
        del mode
        return io.BytesIO(self._raw)


def read(raw: bytes, closed: bool) -> Told:
    """Reads one HTTP response, as far as it has come."""
    told = Told()
    if b"\r\n\r\n" not in raw:
        return told
    response = http.client.HTTPResponse(typing.cast(socket.socket, _Replay(raw)))
    response.begin()
    told.status = response.status
    told.headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        body = response.read()
        told.framed_well = True
    except http.client.IncompleteRead as cut:
        body = cut.partial
        told.cut_off = closed
    told.body = body.decode(errors="replace")
    if told.is_stream:
        told.events = [_event(block) for block in told.body.split("\n\n")[:-1] if block.startswith("data: ")]
    return told


def _event(block: str) -> typing.Any:
    data = block.removeprefix("data: ")
    return data if data == "[DONE]" else json.loads(data)
