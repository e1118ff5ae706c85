"""Streams of the real model break off at every tenth token, and the client reads one answer."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import typing

import pytest
from asking import TOOL_QUESTION
from cutting import Cut
from harness import Engine
from rescuing import ANSWER_TOKENS, PROMPTS, Grid, Told, assert_billed_by_usage, assert_one_answer, ends_of

EVERY = 10
# When a repetition does not keep to the words that the client has.
DIVERGED = "site_failed"


@pytest.fixture(scope="module")
def cut_grid(
    engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Grid]:
    """A gateway in front of the real engines, each behind a proxy that cuts."""
    grid = Grid(engines, tmp_path_factory.mktemp("cut"))
    try:
        yield grid
    finally:
        grid.revive()
        grid.stop()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> collections.abc.Callable[[str], None]:
    """Prints a line of the report, also of a test that passes."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\nreport: {text}", end="")

    return line


def question(prompt: str) -> dict[str, typing.Any]:
    """A chat of at most so many tokens."""
    return {"messages": PROMPTS[prompt], "max_tokens": ANSWER_TOKENS}


def assert_continued(grid: Grid, told: Told, breaks: int = 1) -> dict:
    """It broke so often, was continued each time, and is billed as one answer."""
    record = grid.record(told)
    assert told.error is None, json.dumps([told.error, record["attempts"]], indent=1)
    assert_one_answer(told, chat="chat" in told.chunks[0]["object"])
    assert_billed_by_usage(told, record)
    *broken, last = ends_of(record)
    assert last == "answered" and len(broken) == breaks
    assert all(end in ("reset", "closed_early") for end in broken), broken
    assert [attempt["take_up"] for attempt in record["attempts"]] == ["anew"] + ["continued"] * breaks
    assert (told.hanse["rescue"], told.hanse["attempts"]) == ("continued", breaks + 1)
    return record


def assert_usage_of(told: Told, plain: Told, cut: int) -> int:
    """Usage is that of the undisturbed answer; returns by how many prompt tokens it is off.

    How many tokens a delta has is not said before the end. So of text whose
    letters take several tokens, fewer are counted as delivered than were made,
    and the difference is taken for prompt: at most three tokens for each delta.
    """
    off = told.usage["prompt_tokens"] - plain.usage["prompt_tokens"]
    assert 0 <= off <= 3 * cut
    if plain.deltas == plain.usage["completion_tokens"]:
        assert off == 0
    if told.text() == plain.text():
        assert told.usage["completion_tokens"] == plain.usage["completion_tokens"] - off
    assert told.usage["completion_tokens"] <= ANSWER_TOKENS
    return off


# The others are for rescue_report.py.
@pytest.mark.parametrize("prompt", ["harbour", "emoji", "turn"])
def test_an_answer_that_is_cut_at_every_tenth_token_is_one_answer(
    cut_grid: Grid, prompt: str, say: collections.abc.Callable[[str], None]
) -> None:
    plain = cut_grid.ask(question(prompt))
    assert_one_answer(plain)
    cuts = range(EVERY, plain.deltas, EVERY)
    assert cuts
    equal, most_off = 0, 0
    for after in cuts:
        told = cut_grid.ask(question(prompt), Cut(after))
        assert_continued(cut_grid, told)
        assert cut_grid.given() == ["".join(told.pieces()[:after])], "it went on from what was delivered"
        most_off = max(most_off, assert_usage_of(told, plain, after))
        equal += told.text() == plain.text()
    say(f"{prompt}: {equal} of {len(cuts)} word for word, prompt tokens at most {most_off} too many")


def test_a_cut_inside_an_event_changes_nothing(cut_grid: Grid) -> None:
    # What an engine has cached changes its rounding, and with that now and then a word.
    body = question("harbour") | {"cache_prompt": False, "max_tokens": 30}
    at_its_end = cut_grid.ask(body, Cut(20))
    for extra in (1, 60):
        told = cut_grid.ask(body, Cut(20, bytes_of_next=extra))
        assert_continued(cut_grid, told)
        assert told.text() == at_its_end.text() and told.usage == at_its_end.usage | caches_of(told)


def caches_of(told: Told) -> dict:
    """What of the usage tells only of the engine's cache."""
    return {"prompt_tokens_details": told.usage["prompt_tokens_details"]}


def test_an_engine_that_is_killed_is_replaced_in_mid_answer(
    engines: dict[str, Engine], tmp_path: pathlib.Path, say: collections.abc.Callable[[str], None]
) -> None:
    equal = 0
    cuts = (20, 40)
    for after in cuts:
        # Of its own: to a gateway that has just seen many breaks, too few sites may be left.
        (tmp_path / str(after)).mkdir()
        grid = Grid(engines, tmp_path / str(after))
        try:
            plain = grid.ask(question("turn"))
            told = grid.ask(question("turn"), Cut(after, by=grid.kill))
            assert_continued(grid, told)
            assert_usage_of(told, plain, after)
            equal += told.text() == plain.text()
        finally:
            grid.revive()
            grid.stop()
    say(f"turn, engine killed: {equal} of {len(cuts)} word for word")


def test_two_breaks_in_one_answer_are_still_one_answer(cut_grid: Grid) -> None:
    plain = cut_grid.ask(question("harbour"))
    told = cut_grid.ask(question("harbour"), Cut(10), Cut(20))
    assert_continued(cut_grid, told, breaks=2)
    assert_usage_of(told, plain, 30)


@pytest.mark.parametrize("after", [10, 30])
def test_a_text_completion_goes_on_behind_its_text(cut_grid: Grid, after: int) -> None:
    body = {"prompt": "The old harbour of the town was", "max_tokens": 40, "ignore_eos": True}
    plain = cut_grid.ask(body, path="/v1/completions")
    told = cut_grid.ask(body, Cut(after), path="/v1/completions")
    assert_continued(cut_grid, told)
    assert told.usage["completion_tokens"] == plain.usage["completion_tokens"] == 40
    # The prompt and what follows it may share a token where they meet.
    assert abs(told.usage["prompt_tokens"] - plain.usage["prompt_tokens"]) <= 1


REPEATED: dict[str, dict[str, typing.Any]] = {
    "two choices": question("harbour") | {"n": 2, "max_tokens": 20},
    "log-probabilities": question("harbour") | {"logprobs": True, "max_tokens": 20},
    "a tool": {name: value for name, value in TOOL_QUESTION.items() if name != "model"},
    "a schema": question("list")
    | {
        "max_tokens": 40,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"ship": {"type": "string"}}}},
        },
    },
}


@pytest.mark.parametrize("what", REPEATED)
def test_what_cannot_be_continued_is_repeated_or_is_an_error(
    cut_grid: Grid, what: str, say: collections.abc.Callable[[str], None]
) -> None:
    plain = cut_grid.ask(REPEATED[what])
    assert_one_answer(plain)
    told = cut_grid.ask(REPEATED[what], Cut(5))
    record = cut_grid.record(told)
    if told.error:
        outcome = "told an error"
        assert told.error["code"] == DIVERGED and "[DONE]" not in told.events
        assert not [choice for choice in told.choices if choice["finish_reason"]]
    else:
        assert_one_answer(told)
        assert_billed_by_usage(told, record)
        assert record["attempts"][1]["take_up"] == told.hanse["rescue"] == "repeated"
        assert told.usage["prompt_tokens"] == plain.usage["prompt_tokens"]
        said = [[one.text(choice) for choice in range(2)] for one in (plain, told)]
        outcome = "repeated, word for word" if said[0] == said[1] else "repeated, with another end"
    say(f"{what}: {outcome}")
