"""What a request may cost and how long it may take, whatever client and site write."""

from __future__ import annotations

import collections.abc
import contextlib
import http.client
import itertools
import json
import pathlib
import threading
import time
from decimal import Decimal

import pytest
from asking import MODEL, SAY_HI
from harness import ACME, SMALLSHOP, Gateway, Request, ScriptedEngine, Wire, chunk, render_config, usage

Engines = dict[str, ScriptedEngine]


def ask(grid: Gateway, body: dict, key: str = ACME) -> tuple[int, str, http.client.HTTPMessage]:
    """Sends one chat."""
    connection = http.client.HTTPConnection(grid.plan.host, grid.plan.port, timeout=30)
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        text = json.dumps({"model": MODEL, "messages": SAY_HI, **body})
        connection.request("POST", "/v1/chat/completions", text, headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode(), reply.headers


def record_of(grid: Gateway, headers: http.client.HTTPMessage) -> dict:
    """What is known of a request."""
    return json.loads(grid.command("explain", headers["x-request-id"], "--json").stdout)


def events_of(text: str) -> list[dict]:
    """The JSON of a stream's events."""
    return [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]


@contextlib.contextmanager
def changed_grid(
    scripted: Engines, folder: pathlib.Path, *changes: tuple[str, str]
) -> collections.abc.Iterator[Gateway]:
    """A gateway whose configuration is changed."""

    def change(text: str) -> str:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return text

    gateway = Gateway(render_config(folder, {name: engine.url for name, engine in scripted.items()}, change))
    try:
        yield gateway
    finally:
        gateway.stop()


# --- The output limit --------------------------------------------------------

LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")


@pytest.mark.parametrize("named", [*LIMITS, None])
def test_one_output_limit_leaves_whatever_the_client_named(
    scripted: Engines, scripted_grid: Gateway, named: str | None
) -> None:
    """A null beside the number left under the number's name, and llama.cpp believed the null."""
    for size in range(3):
        others = [name for name in LIMITS if name != named]
        for nulls in itertools.permutations(others, size):
            members = [(name, None) for name in nulls] + ([(named, 7)] if named else [])
            for order in itertools.permutations(members):
                assert ask(scripted_grid, dict(order))[0] == 200
    for request in scripted["ashburn"].requests:
        pairs = json.loads(request.body, object_pairs_hook=list)
        assert [pair for pair in pairs if pair[0] in LIMITS] == [("max_tokens", 7 if named else 256)]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_site_that_does_not_keep_to_its_limit_is_stopped(
    scripted: Engines, scripted_grid: Gateway, streamed: bool
) -> None:
    stopped = threading.Event()

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        try:
            while True:
                wire.event(chunk({"content": "word "}))
        except OSError:
            stopped.set()

    scripted["ashburn"].script = script
    status, text, headers = ask(
        scripted_grid, {"max_tokens": 5, "stream": streamed, "stream_options": {"include_usage": True}}
    )
    assert status == 200 and stopped.wait(20), "the engine still writes"
    if streamed:
        events = events_of(text)
        finishes = [c["finish_reason"] for event in events for c in event["choices"] if c["finish_reason"]]
        assert finishes == ["length"] and text.endswith("data: [DONE]\n\n")
        end = events[-1]
    else:
        end = json.loads(text)
        assert end["choices"][0]["finish_reason"] == "length"
    bill = record_of(scripted_grid, headers)["bill"]
    assert end["hanse"]["estimated"] and end["usage"]["completion_tokens"] < 1000
    assert Decimal(end["hanse"]["cost"]["amount"]) == Decimal(bill["charged"]) <= Decimal(bill["held"])
    assert scripted_grid.command("books", "verify").returncode == 0


# --- Usage -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "completion", "marks"),
    [
        ("null", None, {"estimated"}),
        ("{}", None, {"estimated"}),
        ("[]", None, {"estimated"}),
        ('{"prompt_tokens":-1,"completion_tokens":-2}', None, {"estimated"}),
        ('{"completion_tokens":2}', 2, {"estimated"}),
        ('{"prompt_tokens":7,"completion_tokens":"5"}', None, {"estimated"}),
        ('{"prompt_tokens":10.5,"completion_tokens":2}', 2, {"estimated", "contradicted"}),
        ('{"prompt_tokens":7,"completion_tokens":2,"reasoning_tokens":5,"total_tokens":14}', 7, set()),
        ('{"prompt_tokens":7,"completion_tokens":99999999999}', 1 << 30, {"contradicted"}),
        ('{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"vendor":1}', 2, set()),
    ],
)
def test_a_whole_reply_says_the_usage_that_is_billed_and_once(
    scripted: Engines, tmp_path: pathlib.Path, said: str, completion: int | None, marks: set[str]
) -> None:
    choices = '"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]'
    body = f'{{{choices},"usage":{said}}}'
    for engine in scripted.values():
        engine.script = lambda _, wire: wire.reply(200, body.encode())
    with changed_grid(scripted, tmp_path, ('kind = "llama.cpp"', 'kind = "openai"')) as grid:
        status, text, headers = ask(grid, {})
        assert status == 200
        names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
        assert len(names) == len(set(names)), names
        reply = json.loads(text)
        bill = record_of(grid, headers)["bill"]
    shown, billed = reply["usage"], bill["tokens"]
    assert shown["prompt_tokens"] == billed["prompt"] + billed["cached_read"] + billed["cache_write"] > 0
    assert shown["completion_tokens"] == billed["output"] + billed["reasoning"] > 0
    assert shown["total_tokens"] == shown["prompt_tokens"] + shown["completion_tokens"]
    assert completion is None or shown["completion_tokens"] == completion
    assert set(shown) == {*usage(), "completion_tokens_details"}  # As in streams.
    assert {mark for mark in ("estimated", "contradicted") if mark in reply["hanse"]} == marks


# --- Time and money ----------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_outlasts_its_class_is_no_sites_fault(
    scripted: Engines, tmp_path: pathlib.Path, streamed: bool
) -> None:
    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < begun + 20 and not wire.closed_by_peer():
                wire.event(chunk({"content": "w"}))
                threading.Event().wait(0.1)

    for engine in scripted.values():
        engine.script = script
    with changed_grid(scripted, tmp_path, ('time_limit = "60s"', 'time_limit = "2s"')) as grid:
        status, text, headers = ask(grid, {"stream": streamed, "max_tokens": 500})
        assert status == (200 if streamed else 504)
        error = (events_of(text)[-1] if streamed else json.loads(text))["error"]
        record = record_of(grid, headers)
    assert error["code"] == "time_limit_passed" and error["hanse"]["fault"] == "us"
    assert "time limit" in error["message"] and "`interactive`" in error["message"]
    assert "[DONE]" not in text
    assert record["outcome"] == "out_of_time"
    # What came of a stream has been delivered, and is paid for.
    assert (Decimal(record["bill"]["charged"]) > 0) == streamed


def test_what_is_free_is_had_without_a_budget(scripted: Engines, tmp_path: pathlib.Path) -> None:
    with changed_grid(
        scripted,
        tmp_path,
        ('prompt = "0.120"\ncached = "0.030"\noutput = "0.360"', 'prompt = "0"\ncached = "0"\noutput = "0"'),
        ('budget = "0.000001"', 'budget = "0"'),
    ) as grid:
        status, text, _ = ask(grid, {}, key=SMALLSHOP)
        assert status == 200, text
        assert Decimal(json.loads(text)["hanse"]["cost"]["amount"]) == 0
        assert grid.command("books", "verify").returncode == 0
