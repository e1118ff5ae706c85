"""A gateway on a machine that fails on demand, engines that tell stories, and clients that listen."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import re
import threading
import time

from asking import MODEL, SAY_HI
from harness import ACME, Gateway, Request, ScriptedEngine, Wire, answering, chunk, get, render_config, until, usage

Engines = dict[str, ScriptedEngine]

HEADERS = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}
QUESTION = {"model": MODEL, "messages": SAY_HI, "max_tokens": 1000}
class Machine:
    """A gateway on a machine whose disk and clock do as a test says."""

    def __init__(self, folder: pathlib.Path, engines: Engines, more: str = "") -> None:
        self._rules = folder / "machine.rules"
        self.normal()
        urls = {name: engine.url for name, engine in engines.items()}
        config = render_config(folder, urls, lambda text: text + more)
        self.gateway = Gateway(config, odd={"ODD_DISK_RULES": str(self._rules)})
        self.data = folder / "data"
        self.journal = self.data / "journal"
        self.books = self.data / "books.sqlite"

    def rule(self, *rules: str) -> None:
        """These rules hold from now on, see odd_machine.cpp."""
        text = "".join(f"{rule}\n" for rule in rules)
        self._rules.open("r+").write(text.ljust(1024, "\n"))

    def normal(self) -> None:
        """All is well from now on."""
        self._rules.touch()
        self.rule()

    def post(self, body: dict = QUESTION) -> http.client.HTTPResponse:
        """Asks, and waits for the head of the reply."""
        plan = self.gateway.plan
        connection = http.client.HTTPConnection(plan.host, plan.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
        return connection.getresponse()

    def ask(self) -> int:
        """The status of one answer, read to its end."""
        reply = self.post()
        reply.read()
        return reply.status

    def ready(self) -> tuple[int, str]:
        """What it tells whoever sends it clients."""
        status, body = get(self.gateway.admin, "/readyz", self.gateway.admin_headers)
        return status, body.decode()

    def metric(self, name: str) -> float:
        """One of its metrics."""
        text = get(self.gateway.admin, "/metrics", self.gateway.admin_headers)[1].decode()
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        assert found, f"no {name}"
        return float(found.group(1))

    def audit(self) -> dict:
        """What an outsider finds in the journal."""
        done = self.gateway.command("books", "verify", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def books_have_all(self) -> bool:
        """Whether the books have caught up with the journal."""
        return self.metric("hanse_books_lag_entries") == 0

    def restart(self) -> None:
        """The machine is repaired and the gateway started again."""
        self.gateway.kill()
        self.normal()
        self.gateway.start()


class Telling:
    """Engines that write an endless story, a word at a time, to who asks for one, until they are told to end it."""

    def __init__(self, engines: Engines, pause_seconds: float = 0.02) -> None:
        self._pause_seconds = pause_seconds
        self.ended = threading.Event()
        self.left = threading.Event()  # The gateway closed a story before its end.
        for engine in engines.values():
            engine.script = self._tell

    def _tell(self, request: Request, wire: Wire) -> None:
        if not request.json().get("story"):
            return answering("short")(request, wire)
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": None}))
        words = 0
        while not self.ended.wait(self._pause_seconds):
            words += 1
            wire.event(chunk({"content": f"w{words} "}))
            if wire.closed_by_peer():
                return self.left.set()
        wire.event(chunk({}, "stop"))
        wire.event(chunk(usage=usage(output=words)))
        wire.event("[DONE]")
        return wire.end_stream()


class Listener:
    """A client that reads a stream and notes when each word came."""

    def __init__(self, machine: Machine) -> None:
        self.text = ""
        self.longest_pause = 0.0
        self._reply = machine.post(QUESTION | {"stream": True, "story": True})
        assert self._reply.status == 200
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        until(lambda: self.words() >= 3, "the story has begun")
        self.longest_pause = 0.0

    def words(self) -> int:
        """How many words have come."""
        return len(re.findall(r'"content": ?"w\d+ "', self.text))

    def hears(self, more: int) -> None:
        """Waits for so many more words."""
        wanted = self.words() + more
        until(lambda: self.words() >= wanted, f"{more} more words")

    def end(self) -> str:
        """All of it, once it has ended."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "the stream does not end"
        return self.text

    def _listen(self) -> None:
        last = time.monotonic()
        with contextlib.suppress(OSError, http.client.HTTPException):
            while part := self._reply.read1():
                self.text += part.decode()
                now = time.monotonic()
                self.longest_pause = max(self.longest_pause, now - last)
                last = now


def is_whole(text: str) -> bool:
    """Whether a stream says that it is."""
    return text.endswith("data: [DONE]\n\n")


def error_of(text: str) -> dict:
    """The explicit error that a stream ended with."""
    events = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]
    assert "error" in events[-1], events[-1:]
    return events[-1]["error"]
