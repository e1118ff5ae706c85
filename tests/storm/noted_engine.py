#!/usr/bin/env python3
"""An engine as a process of its own, that keeps count of its work in a file that survives it.

It is killed without warning, so what it has done must be on file before anybody
else can know of it: each line is one write to a file that is opened to append,
and is made before the bytes that it speaks of are sent. The lines, by words:

    ASK asked TRACE GIVEN      a request was read; so many tokens came with it
    ASK made TOKENS            so many have been made by now, of all choices
    ASK used PROMPT OUTPUT     what it is about to report; the end of its work
    ASK left                   the gateway went away

ASK is unique in the file: the process, and a number of its own. TRACE is the
trace that the client has begun, which is how an engine's request is known to be
a client's.

What it answers follows from the question alone ("tokens 120" is answered with
`w0 w1 ... w119 `), at every engine alike, so that an answer which was put
together out of several shows where it was put together wrongly.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import random
import re
import select
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tools/grid")]

import harness  # noqa: E402
import processes  # noqa: E402

PROMPT_TOKENS = 10
# Tokens that are made, noted and sent at once.
BATCH = 5


class Notes:
    """The file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._numbers = itertools.count()

    def begin(self, trace: str, given: int) -> str:
        """Notes a request; returns its name."""
        ask = f"{os.getpid()}.{next(self._numbers)}"
        self.add(ask, "asked", trace, given)
        return ask

    def add(self, *words: object) -> None:
        """Notes a line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class NotedEngine(harness.ScriptedEngine):
    """Answers every question with as many words as it asks for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._notes = Notes(options.notes)
        self._reports_each_choice = options.kind == "llama.cpp"
        self._pause = options.pause_ms / 1000
        self._faults = options.faults
        self._chance = random.Random(options.seed ^ os.getpid())
        super().__init__(options.site, options.port)
        self.script = self._answer

    def _answer(self, request: harness.Request, wire: harness.Wire) -> None:
        self.requests.clear()  # A soak would keep them all.
        asked = Asked(request)
        ask = self._notes.begin(asked.trace, asked.given)
        fault = self._draw()
        if fault == "500":
            wire.reply(500, b'{"error":{"message":"a bad day","type":"server_error","code":500}}')
            return
        if fault == "429":
            wire.reply(429, b'{"error":{"message":"slowly","type":"rate_limit_error"}}', ["Retry-After: 1"])
            return
        if fault == "late":
            # Late enough for a hedge, which is then mostly first.
            if self._gone(wire, self._chance.uniform(0.2, 0.6)):
                self._notes.add(ask, "left")
                return
            fault = ""
        stops_at = self._chance.randrange(asked.to_make + 1) if fault else asked.to_make
        if not asked.streamed:
            self._reply(ask, asked, wire, stops_at)
            return
        wire.begin_stream()
        for made in range(0, stops_at, BATCH):
            upto = min(made + BATCH, stops_at)
            self._notes.add(ask, "made", upto * asked.choices)
            wire.send(_chunk_of("".join(asked.event_of(token) for token in range(made, upto))))
            if self._gone(wire, self._pause):
                self._notes.add(ask, "left")
                return
        if fault == "cut":
            wire.reset()
        elif fault == "close":
            wire.connection.shutdown(2)
        elif fault == "stall":
            self._gone(wire, 30)
            self._notes.add(ask, "left")
        else:
            self._finish(ask, asked, wire)

    def _finish(self, ask: str, asked: Asked, wire: harness.Wire) -> None:
        output = asked.to_make * asked.choices
        self._notes.add(ask, "used", PROMPT_TOKENS + asked.given, output)
        for index in range(asked.choices):
            wire.event(asked.chunk([asked.choice(index, "", asked.finish)]))
            if self._reports_each_choice:
                used = harness.usage(PROMPT_TOKENS + asked.given, asked.to_make)
                wire.event(asked.chunk([]) | {"usage": used})
        if not self._reports_each_choice:
            wire.event(asked.chunk([]) | {"usage": harness.usage(PROMPT_TOKENS + asked.given, output)})
        wire.event("[DONE]")
        wire.end_stream()

    def _reply(self, ask: str, asked: Asked, wire: harness.Wire, made: int) -> None:
        """A reply in one piece, which takes as long as a stream would."""
        self._notes.add(ask, "made", made * asked.choices)
        if self._gone(wire, self._pause * made / BATCH):
            self._notes.add(ask, "left")
            return
        if made < asked.to_make:
            wire.reset()
            return
        output = made * asked.choices
        self._notes.add(ask, "used", PROMPT_TOKENS, output)
        text = "".join(f"w{token} " for token in range(made))
        choices = []
        for index in range(asked.choices):
            said = {"message": {"role": "assistant", "content": text}} if asked.chat else {"text": text}
            choices.append({"index": index, "finish_reason": asked.finish, **said})
        shape = {"object": "chat.completion" if asked.chat else "text_completion"}
        whole = asked.chunk([]) | shape | {"choices": choices, "usage": harness.usage(PROMPT_TOKENS, output)}
        wire.reply(200, json.dumps(whole).encode())

    def _draw(self) -> str:
        """The fault of a request; mostly none."""
        if self._chance.random() >= self._faults:
            return ""
        return self._chance.choice(["500", "429", "cut", "cut", "close", "stall", "late", "late"])

    @staticmethod
    def _gone(wire: harness.Wire, seconds: float) -> bool:
        """Waits so long; says whether the gateway went away meanwhile."""
        readable, _, _ = select.select([wire.connection], [], [], seconds)
        return bool(readable) and wire.closed_by_peer()


class Asked:
    """A question, read."""

    def __init__(self, request: harness.Request) -> None:
        body = request.json()
        headers = {name.lower(): value for name, value in request.headers}
        self.trace = headers.get("traceparent", "00--").split("-")[1]
        self.chat = "messages" in body
        self.streamed = bool(body.get("stream"))
        self.choices = body.get("n") or 1
        said = body["messages"][0]["content"] if self.chat else body["prompt"]
        tokens = int(re.search(r"tokens (\d+)", said)[1])  # type: ignore[index]
        so_far = said
        if self.chat:
            last = body["messages"][-1]
            so_far = last["content"] if last["role"] == "assistant" else ""
        self.given = len(re.findall(r"w\d+ ", so_far))
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or tokens
        self.to_make = min(tokens - self.given, limit)
        self.finish = "length" if self.given + self.to_make < tokens else "stop"

    def chunk(self, choices: list[dict]) -> dict:
        """An event of the stream."""
        shape = {} if self.chat else {"object": "text_completion"}
        return {**harness.chunk(), **shape, "choices": choices}

    def choice(self, index: int, text: str, finish: str | None = None) -> dict:
        """One choice in it."""
        said = {"delta": {"content": text} if text else {}} if self.chat else {"text": text}
        return {"index": index, "finish_reason": finish, **said}

    def event_of(self, token: int) -> str:
        """The events of one token, in every choice."""
        events = []
        for index in range(self.choices):
            choice = self.choice(index, f"w{self.given + token} ")
            if token == 0 and self.chat:
                choice["delta"] = {"role": "assistant"} | choice["delta"]
            events.append(f"data: {json.dumps(self.chunk([choice]))}\n\n")
        return "".join(events)


def _chunk_of(text: str) -> bytes:
    payload = text.encode()
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def main() -> None:
    """Serves until it is killed, or its parent is gone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", required=True)
    parser.add_argument("--kind", choices=["llama.cpp", "openai"], required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--notes", required=True, help="the file that it appends to")
    parser.add_argument("--pause-ms", type=float, default=2, help="between batches of tokens")
    parser.add_argument("--faults", type=float, default=0.0, help="the part of requests that fail, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    processes.die_with_parent(signal.SIGKILL)
    NotedEngine(options)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
