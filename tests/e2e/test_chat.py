"""The official Python client, unmodified, asks a real model through the gateway."""

from __future__ import annotations

import json
import time
import typing

import openai
import pytest
from asking import MODEL, SAY_HI, STORY, TOOL_QUESTION, endless
from harness import ACME, Gateway, Request, ScriptedEngine, Wire, chunk, get, usage


def test_a_whole_answer_has_text_usage_and_where_it_came_from(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI, max_tokens=8)
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage and 1 <= answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.headers["hanse-site"] in ("ashburn", "frankfurt", "hamburg", "lyon")
    assert raw.headers["hanse-attempts"] == "1"
    assert raw.headers["x-request-id"] and raw.headers["x-request-id"] in answer.id
    assert answer._request_id == raw.headers["x-request-id"]


def test_a_stream_begins_with_the_role_and_ends_with_the_usage(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=SAY_HI, max_tokens=8, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
        headers = stream.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["hanse-site"] and headers["hanse-attempts"] and headers["traceparent"]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.model for chunk in chunks} == {MODEL}
    *content, last = chunks
    assert content[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in content)
    assert sum(chunk.choices[0].finish_reason is not None for chunk in content) == 1
    assert content[-1].choices[0].finish_reason in ("stop", "length")
    assert all(chunk.usage is None for chunk in content)
    assert last.choices == [] and last.usage
    assert 1 <= last.usage.completion_tokens <= 8


def test_the_last_chunk_says_what_the_answer_cost(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=SAY_HI, max_tokens=4, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *_, last = stream
        headers = stream.response.headers
    hanse = (last.model_extra or {})["hanse"]
    assert hanse["request_id"] == headers["x-request-id"]
    assert hanse["site"] == headers["hanse-site"]
    assert str(hanse["attempts"]) == headers["hanse-attempts"]
    assert hanse["cost"]["currency"] == "EUR"
    assert float(hanse["cost"]["amount"]) > 0


def test_usage_that_was_not_asked_for_is_not_shown(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=SAY_HI, max_tokens=4, stream=True
    ) as stream:
        chunks = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert all("timings" not in (chunk.model_extra or {}) for chunk in chunks)


def test_tokens_arrive_while_the_engine_still_writes(client: openai.OpenAI) -> None:
    begun = time.monotonic()
    with client.chat.completions.create(
        model=MODEL, messages=STORY, stream=True, **endless(96)
    ) as stream:
        times = [time.monotonic() - begun for chunk in stream if chunk.choices[0].delta.content]
    assert len(times) > 20
    assert times[0] < times[-1] / 2, "the answer came in one lump"


def test_both_choices_are_answered_and_both_are_counted(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=SAY_HI, n=2, **endless(5))
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert all(choice.message.content for choice in answer.choices)
    assert answer.usage and answer.usage.completion_tokens == 10


def test_both_choices_of_a_stream_end_before_its_one_usage_chunk(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL,
        messages=SAY_HI,
        n=2,
        stream=True,
        stream_options={"include_usage": True},
        **endless(5),
    ) as stream:
        *content, last = stream
    for index in (0, 1):
        mine = [c.choices[0] for c in content if c.choices[0].index == index]
        assert mine[0].delta.role == "assistant"
        assert [c.finish_reason for c in mine if c.finish_reason] == ["length"]
    assert last.usage and last.usage.completion_tokens == 10
    assert sum(chunk.usage is not None for chunk in content) == 0


def test_a_tool_is_called_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(**TOOL_QUESTION)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]  # type: ignore[index]
    assert call.type == "function" and call.id
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)


def test_a_tool_is_called_in_a_stream(client: openai.OpenAI) -> None:
    name, arguments, ids, finish = "", "", set(), None
    with client.chat.completions.create(stream=True, **TOOL_QUESTION) as stream:
        for chunk in stream:
            for call in chunk.choices[0].delta.tool_calls or []:
                assert call.index == 0
                if call.id:
                    ids.add(call.id)
                if call.function:
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
            finish = chunk.choices[0].finish_reason or finish
    assert finish == "tool_calls"
    assert name == "get_weather" and len(ids) == 1
    assert "city" in json.loads(arguments)


def test_a_named_tool_is_the_one_that_is_called(client: openai.OpenAI) -> None:
    """The engine takes a name for "auto"; here it is meant."""
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = client.chat.completions.create(**TOOL_QUESTION, tool_choice=choice)  # type: ignore[call-overload]
    assert answer.choices[0].message.tool_calls[0].function.name == "get_time"


def test_an_answer_keeps_to_a_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=SAY_HI,
        max_tokens=60,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert isinstance(json.loads(answer.choices[0].message.content or "")["x"], int)


def test_log_probabilities_pass_through(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=SAY_HI, max_tokens=2, temperature=0, logprobs=True, top_logprobs=2
    )
    content = answer.choices[0].logprobs.content  # type: ignore[union-attr]
    assert content and len(content) == 2 and len(content[0].top_logprobs) == 2


def test_a_character_of_several_tokens_still_comes_after_the_role(client: openai.OpenAI) -> None:
    """The engine leaves the role out when the first token is half a character."""
    with client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Repeat: \U0001f642\U0001f642"}],
        max_tokens=12,
        temperature=0,
        stream=True,
    ) as stream:
        first, *_ = stream
    assert first.choices[0].delta.role == "assistant"


def test_text_completions_whole_and_streamed(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="The sea", max_tokens=4)
    assert answer.object == "text_completion" and answer.model == MODEL
    assert answer.choices[0].text and answer.usage
    with client.completions.create(
        model=MODEL,
        prompt="The sea",
        max_tokens=4,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *content, last = stream
    assert "".join(chunk.choices[0].text for chunk in content)
    assert all(chunk.usage is None for chunk in content)
    assert last.choices == [] and last.usage and last.usage.completion_tokens == 4


def test_two_prompts_are_answered_and_counted(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=["The sea", "A dog"], **endless(3))
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert answer.usage and answer.usage.completion_tokens == 6
    assert answer.usage.prompt_tokens == 4


def test_the_part_of_the_prompt_that_was_cached_is_shown_and_costs_less(
    scripted: dict[str, ScriptedEngine], scripted_client: openai.OpenAI
) -> None:
    def costs(cached: int, stream: bool) -> float:
        """Asks for an answer to 1,000 tokens of which so many were cached; returns its price."""

        def script(_: Request, wire: Wire) -> None:
            wire.begin_stream()
            wire.event(chunk({"role": "assistant", "content": "x"}))
            wire.event(chunk({}, "stop"))
            wire.event(chunk(usage=usage(1000, 1, cached)))
            wire.event("[DONE]")
            wire.end_stream()

        for engine in scripted.values():
            engine.script = script
        messages: typing.Any = [{"role": "user", "content": "x" * 4000}]
        if stream:
            with scripted_client.chat.completions.create(
                model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
            ) as parts:
                *_, answer = parts
        else:
            answer = scripted_client.chat.completions.create(model=MODEL, messages=messages)
        assert answer.usage and answer.usage.prompt_tokens == 1000
        details = answer.usage.prompt_tokens_details
        assert (details.cached_tokens if details else 0) == cached
        return float((answer.model_extra or {})["hanse"]["cost"]["amount"])

    for stream in (False, True):
        # 1,000 tokens at 0.12 a million; with 800 of them at 0.03; and one of output at 0.36.
        assert costs(0, stream) == pytest.approx(0.00012036)
        assert costs(800, stream) == pytest.approx(0.00004836)


def test_models_are_listed_and_one_is_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_a_stream_is_one_done_and_nothing_after_it(grid: Gateway, client: openai.OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=SAY_HI, max_tokens=4, stream=True
    ) as response:
        text = response.read().decode()
    assert text.count("data: [DONE]") == 1
    assert text.endswith("data: [DONE]\n\n")
    assert all(line == "" or line.startswith("data: ") for line in text.split("\n"))


def test_the_asynchronous_client_works_the_same(grid: Gateway) -> None:
    import asyncio

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=grid.url, api_key=ACME, max_retries=0) as client:
            one = client.chat.completions.create(model=MODEL, messages=SAY_HI, max_tokens=4)
            other = client.chat.completions.create(model=MODEL, messages=STORY, max_tokens=4)
            return [answer.choices[0].message.content or "" for answer in await asyncio.gather(one, other)]

    assert all(asyncio.run(ask()))


def test_the_bearer_scheme_is_read_in_any_case(grid: Gateway) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert get(grid.origin, "/v1/models", {"Authorization": f"{scheme} {ACME}"})[0] == 200
