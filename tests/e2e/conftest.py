"""Fixtures: real engines, scripted engines, a gateway in front of either, clients.

Nothing here uses a fixed port or waits a fixed time: ports are taken as the
kernel gives them, and what is waited for is asked for until a deadline. Engines
live as long as the test session, gateways too unless a test wants its own.

    HANSE_BINARY    the gateway to test (default: build/release/hanse)
"""

from __future__ import annotations

import collections.abc
import pathlib
import sys

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/grid"))

from harness import ACME, Engine, Gateway, ScriptedEngine, free_port, render_config  # noqa: E402

SITES = ("ashburn", "frankfurt", "hamburg", "lyon")


@pytest.fixture(scope="session")
def engines(
    tmp_path_factory: pytest.TempPathFactory,
) -> collections.abc.Iterator[dict[str, Engine]]:
    """The four sites' engines, with the real model."""
    logs = tmp_path_factory.mktemp("engines")
    running = {name: Engine(logs / f"{name}.log") for name in SITES}
    try:
        for engine in running.values():
            engine.await_ready()
        yield running
    finally:
        for engine in running.values():
            engine.stop()


@pytest.fixture(scope="session")
def grid(
    engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Gateway]:
    """A gateway in front of the real engines."""
    urls = {name: engine.url for name, engine in engines.items()}
    gateway = Gateway(render_config(tmp_path_factory.mktemp("grid"), urls))
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def scripted() -> collections.abc.Iterator[dict[str, ScriptedEngine]]:
    """Four engines that do as a test says."""
    running = {name: ScriptedEngine(name) for name in SITES}
    try:
        yield running
    finally:
        for engine in running.values():
            engine.stop()


@pytest.fixture
def scripted_grid(
    scripted: dict[str, ScriptedEngine], tmp_path: pathlib.Path
) -> collections.abc.Iterator[Gateway]:
    """A gateway in front of the scripted engines, new for each test."""
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls))
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def client(grid: Gateway) -> collections.abc.Iterator[openai.OpenAI]:
    """The official client, as anybody would set it up, but without retries.

    A retry would hide a failure that a test is there to see.
    """
    with openai.OpenAI(base_url=grid.url, api_key=ACME, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
def scripted_client(scripted_grid: Gateway) -> collections.abc.Iterator[openai.OpenAI]:
    """The same, in front of the scripted engines."""
    with openai.OpenAI(base_url=scripted_grid.url, api_key=ACME, max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture
def nowhere() -> str:
    """The URL of an engine that is not there."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> collections.abc.Iterator[None]:
    """Shows the gateway's last lines under a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Gateway):
                report.sections.append(("the gateway's last lines", value.log_tail()))
