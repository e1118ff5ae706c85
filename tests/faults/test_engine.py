"""The engine that the scenarios trust, asked without a gateway between."""

from __future__ import annotations

import contextlib
import http.client
import json
import typing

import answers
import engine
import faults
import pytest
import tap

WORDS = answers.TOKENS


def told_by(kind: str, body: dict[str, typing.Any], path: str = "/v1/chat/completions") -> tuple[tap.Told, list]:
    """What an engine of `kind` answers, and what it complains of."""
    asked = engine.FaultyEngine("here", kind, answers.Model(), [faults.make("answers", {})], lambda: None)
    with contextlib.closing(http.client.HTTPConnection(asked.url.removeprefix("http://"), timeout=10)) as connection:
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.headers['content-type']}\r\n\r\n"
            told = tap.read(head.encode() + reply.read(), closed=True)
        except (ConnectionError, http.client.HTTPException):
            told = tap.Told()
        finally:
            asked.stop()
    return told, asked.errors


def chat(*messages: tuple[str, str], **more: object) -> dict[str, typing.Any]:
    """The body of a streamed chat."""
    return {"messages": [{"role": role, "content": text} for role, text in messages], "stream": True, **more}


def usage_of(told: tap.Told) -> list[tuple[int, int]]:
    """What it says that it used."""
    reports = [chunk["usage"] for chunk in told.chunks if chunk.get("usage")]
    return [(report["prompt_tokens"], report["completion_tokens"]) for report in reports]


def finishes_of(told: tap.Told) -> list[str]:
    """Its finish reasons."""
    return [c["finish_reason"] for chunk in told.chunks for c in chunk["choices"] if c["finish_reason"]]


USER = ("user", answers.PROMPT)


def test_llama_goes_on_from_a_last_message_of_the_assistant() -> None:
    told, errors = told_by("llama.cpp", chat(USER, ("assistant", "".join(WORDS[:5])), max_tokens=3))
    assert told.text == "".join(WORDS[5:8]) and finishes_of(told) == ["length"]
    assert usage_of(told) == [(answers.PROMPT_TOKENS + 5, 3)]
    assert not errors


def test_a_hosted_api_begins_anew_whatever_the_assistant_said() -> None:
    told, errors = told_by("openai", chat(USER, ("assistant", "".join(WORDS[:5]))))
    assert told.text == "".join(WORDS) and finishes_of(told) == ["stop"]
    assert not errors


@pytest.mark.parametrize("kind", ["llama.cpp", "openai"])
def test_a_text_completion_goes_on_from_a_longer_prompt(kind: str) -> None:
    body = {"prompt": answers.PROMPT + "".join(WORDS[:12]), "stream": True}
    told, errors = told_by(kind, body, "/v1/completions")
    assert told.text == "".join(WORDS[12:])
    assert not errors


def test_it_complains_when_it_is_to_go_on_from_what_it_never_says() -> None:
    told, errors = told_by("llama.cpp", chat(USER, ("assistant", "Far out at s")))
    assert told.status == 0 and len(errors) == 1 and "no beginning" in str(errors[0])


def test_llama_reports_the_usage_of_each_choice_by_itself() -> None:
    assert usage_of(told_by("llama.cpp", chat(USER, n=2, max_tokens=3))[0]) == [(10, 3), (10, 3)]
    assert usage_of(told_by("openai", chat(USER, n=2, max_tokens=3))[0]) == [(10, 6)]
