#!/usr/bin/env python3
"""Engines of a known capacity, in a process of their own.

Each site has so many slots; a request beyond them waits at the engine, as it
does at llama.cpp, and its metrics page says so; with --refuse it is told 429. A slot spends a fixed time on a prompt and a fixed time on each
token, by the clock and not by pauses that add up. So what a site can do is known
exactly, and what it has done is counted here: `GET /done` answers tokens made, seconds
in which slots were held, and the most requests that ever waited for one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import pathlib
import re
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/grid")]

import processes  # noqa: E402

PROMPT_TOKENS = 10


class PacedEngine:
    """One site."""

    def __init__(self, slots: int, prompt_seconds: float, token_seconds: float, *, refuses: bool) -> None:
        self._refuses = refuses
        self._running = 0
        self._slots = asyncio.Semaphore(slots)
        self._prompt_seconds = prompt_seconds
        self._token_seconds = token_seconds
        self._waiting = 0
        self.done = {"tokens": 0, "refused": 0, "held_seconds": 0.0, "waiting_most": 0, "late_seconds": 0.0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection, to its end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"(?im)^content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if head.startswith("POST"):
                    await self._answer(json.loads(body), writer)
                else:
                    told = self._metrics() if head.startswith("GET /metrics") else json.dumps(self.done).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
        writer.close()

    def _metrics(self) -> bytes:
        counts = {"requests_processing": self._running, "requests_deferred": self._waiting}
        return "".join(f"# TYPE llamacpp:{name} gauge\nllamacpp:{name} {n}\n" for name, n in counts.items()).encode()

    async def _answer(self, body: dict, writer: asyncio.StreamWriter) -> None:
        tokens = int(re.search(r"tokens (\d+)", body["messages"][0]["content"])[1])  # type: ignore[index]
        if self._refuses and self._slots.locked():
            self.done["refused"] += 1
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
            return
        self._waiting += 1
        if self._slots.locked():
            self.done["waiting_most"] = max(self.done["waiting_most"], self._waiting)
        async with self._slots:
            self._waiting -= 1
            self._running += 1
            begun = time.monotonic()
            try:
                await self._tell(tokens, begun, writer)
            finally:
                self._running -= 1
                self.done["held_seconds"] += time.monotonic() - begun

    async def _tell(self, tokens: int, begun: float, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        for made in range(tokens):
            due = begun + self._prompt_seconds + made * self._token_seconds
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.done["late_seconds"] += time.monotonic() - due
            delta = {"content": f"w{made} "} | ({"role": "assistant"} if made == 0 else {})
            writer.write(head + _event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            head = b""
            await writer.drain()
            self.done["tokens"] += 1
        used = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": PROMPT_TOKENS + tokens}
        end = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        writer.write(end + _event({"choices": [], "usage": used}) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()


def _event(event: dict) -> bytes:
    whole = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "smollm2", **event}
    text = f"data: {json.dumps(whole)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


async def serve(options: argparse.Namespace) -> None:
    """Serves until it is killed, or its parent is gone."""
    seconds = (options.prompt_ms / 1000, options.token_ms / 1000)
    engines = [PacedEngine(options.slots, *seconds, refuses=options.refuse) for _ in options.ports]
    for engine, port in zip(engines, options.ports, strict=True):
        await asyncio.start_server(engine.serve, "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, nargs="+", required=True, help="a site on each")
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--prompt-ms", type=float, required=True)
    parser.add_argument("--token-ms", type=float, required=True)
    parser.add_argument("--refuse", action="store_true", help="what is beyond the slots, with 429")
    options = parser.parse_args()
    processes.die_with_parent(signal.SIGKILL)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
