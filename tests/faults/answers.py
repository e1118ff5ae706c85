"""What a sound engine says: one fixed answer, in every shape in which it can be asked for.

All engines of a scenario have the same "model", so a continuation by another
engine can be told from a new answer to the letter. A continuation is asked for
as llama.cpp understands it: a last message of the assistant, or, of a text
completion, a longer prompt.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import harness

# Pieces of one, two and more words, some with letters of several bytes, so
# that a cut between bytes, words or tokens shows.
TOKENS = ("Far", " out", " at", " sea", " the", " water", " is", " as", " blue", " as", " the", " Größe", " ☃", ".")
PROMPT = "What is it like out there?"
PROMPT_TOKENS = 10


@dataclasses.dataclass(frozen=True)
class Model:
    """What the model of a site would say, left alone."""

    tokens: tuple[str, ...] = TOKENS
    reasoning: tuple[str, ...] = ()
    tool: str = ""  # The name of a function that it calls, with its tokens as arguments.
    prompt_tokens: int = PROMPT_TOKENS

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.tokens)


@dataclasses.dataclass(frozen=True)
class Answer:
    """One engine's answer to one request, as the events of a stream."""

    opening: list[dict]  # The role.
    progress: list[dict]  # One event per token, of whatever kind.
    closing: list[dict]  # Finish and usage, by choice.
    pieces: list[str]  # What each event of `progress` says.
    given: str  # The part of the answer that came with the request.
    whole: dict  # The same in one piece.


def answer_to(request: harness.Request, model: Model, kind: str, site: str) -> Answer:
    """What an engine of `kind` at `site` says to `request`."""
    body = request.json()
    dialect = _Chat(body, model, site) if request.path.endswith("/chat/completions") else _Text(body, model)
    given = dialect.given() if kind == "llama.cpp" or isinstance(dialect, _Text) else 0
    tokens = model.tokens[given:]
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(model.reasoning + tokens)
    reasoning = () if given else model.reasoning[:limit]
    tokens = tokens[: limit - len(reasoning)]
    said = _Said(
        reasoning=reasoning,
        tokens=tokens,
        finish="length" if given + len(tokens) < len(model.tokens) else ("tool_calls" if model.tool else "stop"),
        usage=harness.usage(model.prompt_tokens + given, len(reasoning) + len(tokens)),
    )
    count = body.get("n") or 1
    choices = [dialect.pieces(said, index) for index in range(count)]
    progress = [event for turn in zip(*choices, strict=True) for event in turn]
    return Answer(
        opening=[event for index in range(count) for event in dialect.opening(index)],
        progress=[event for event, _ in progress],
        closing=list(_closing(dialect, said, count, kind)),
        pieces=[piece for _, piece in progress],
        given="".join(model.tokens[:given]),
        whole=dialect.whole(said, count),
    )


@dataclasses.dataclass(frozen=True)
class _Said:
    reasoning: tuple[str, ...]
    tokens: tuple[str, ...]
    finish: str
    usage: dict


def _closing(dialect: _Chat | _Text, said: _Said, count: int, kind: str) -> Iterator[dict]:
    # llama.cpp reports the usage of each choice by itself.
    for index in range(count):
        yield dialect.choice(index, {}, said.finish)
        if kind == "llama.cpp":
            yield {**dialect.event([]), "usage": said.usage}
    if kind != "llama.cpp":
        yield {**dialect.event([]), "usage": _times(said.usage, count)}


def _times(usage: dict, count: int) -> dict:
    return harness.usage(usage["prompt_tokens"], usage["completion_tokens"] * count)


class _Chat:
    """The dialect of /v1/chat/completions."""

    def __init__(self, body: dict, model: Model, site: str) -> None:
        self._messages = body["messages"]
        self._model = model
        # Engines draw these at random, so no two agree on one.
        self._call_id = f"call_at_{site}"
        self._logprobs = bool(body.get("logprobs"))

    def given(self) -> int:
        """How many of the answer's tokens the request already holds."""
        last = self._messages[-1]
        return _tokens_in(last["content"], self._model) if last["role"] == "assistant" else 0

    def event(self, choices: list[dict]) -> dict:
        """A chunk."""
        return {**harness.chunk(), "choices": choices}

    def choice(self, index: int, delta: dict, finish: str | None = None, logprobs: dict | None = None) -> dict:
        """A chunk of one choice."""
        more = {"logprobs": logprobs} if logprobs else {}
        return self.event([{"finish_reason": finish, "index": index, "delta": delta, **more}])

    def opening(self, index: int) -> list[dict]:
        """What comes before the first token."""
        return [self.choice(index, {"role": "assistant", "content": None})]

    def pieces(self, said: _Said, index: int) -> list[tuple[dict, str]]:
        """Each token with its event."""
        made = [(self.choice(index, {"reasoning_content": token}), token) for token in said.reasoning]
        for number, token in enumerate(said.tokens):
            if self._model.tool:
                made.append((self.choice(index, {"tool_calls": [self._call(token, first=number == 0)]}), token))
            else:
                made.append((self.choice(index, {"content": token}, logprobs=self._logprob(token)), token))
        return made

    def whole(self, said: _Said, count: int) -> dict:
        """The answer in one piece."""
        text = "".join(said.tokens)
        message: dict = {"role": "assistant", "content": None if self._model.tool else text}
        if self._model.tool:
            message["tool_calls"] = [self._call(text, first=True)]
        if said.reasoning:
            message["reasoning_content"] = "".join(said.reasoning)
        choices = [{"index": i, "finish_reason": said.finish, "message": message} for i in range(count)]
        usage = _times(said.usage, count)
        return {**harness.chunk(), "object": "chat.completion", "choices": choices, "usage": usage}

    def _call(self, arguments: str, first: bool) -> dict:
        head = {"id": self._call_id, "type": "function"} if first else {}
        name = {"name": self._model.tool} if first else {}
        return {"index": 0, **head, "function": {**name, "arguments": arguments}}

    def _logprob(self, token: str) -> dict | None:
        if not self._logprobs:
            return None
        row = {"token": token, "bytes": list(token.encode()), "logprob": -0.5, "top_logprobs": []}
        return {"content": [row]}


class _Text:
    """The dialect of /v1/completions."""

    def __init__(self, body: dict, model: Model) -> None:
        self._prompt = body["prompt"]
        self._model = model

    def given(self) -> int:
        """How many of the answer's tokens the prompt already holds."""
        return _tokens_in(self._prompt.removeprefix(PROMPT), self._model)

    def event(self, choices: list[dict]) -> dict:
        """A chunk."""
        return {**harness.chunk(), "object": "text_completion", "choices": choices}

    def choice(self, index: int, delta: dict, finish: str | None = None) -> dict:
        """A chunk of one choice."""
        text = delta.get("content", "")
        return self.event([{"text": text, "index": index, "logprobs": None, "finish_reason": finish}])

    def opening(self, index: int) -> list[dict]:
        """A text completion has no role."""
        del index
        return []

    def pieces(self, said: _Said, index: int) -> list[tuple[dict, str]]:
        """Each token with its event."""
        return [(self.choice(index, {"content": token}), token) for token in said.tokens]

    def whole(self, said: _Said, count: int) -> dict:
        """The answer in one piece."""
        choices = [{"index": i, "text": "".join(said.tokens), "finish_reason": said.finish} for i in range(count)]
        return {**self.event([]), "choices": choices, "usage": _times(said.usage, count)}


def _tokens_in(text: str, model: Model) -> int:
    """How many tokens of the answer `text` is made of.

    A model that is given anything else would go astray, and so says the engine.
    """
    for count in range(len(model.tokens) + 1):
        if "".join(model.tokens[:count]) == text:
            return count
    raise ValueError(f"asked to go on from {json.dumps(text)}, which is no beginning of {json.dumps(model.text)}")
