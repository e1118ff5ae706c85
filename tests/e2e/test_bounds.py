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
def changed_grid(scripted: Engines, folder: pathlib.Path, *changes: tuple[str, str]) -> collections.abc.Iterator[Gateway]:
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
