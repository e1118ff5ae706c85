"""All scenarios are played at once, for most of them do nothing but wait; each test then reads its own.

    HANSE_BINARY    the gateway to test (default: build/release/hanse)
"""

from __future__ import annotations

import collections.abc
import concurrent.futures
import os
import pathlib
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "e2e"), str(FOLDER.parents[1] / "tools/grid")]

import clients  # noqa: E402
import play  # noqa: E402

Plays = dict[str, concurrent.futures.Future[tuple[play.Played, str]]]


@pytest.fixture(scope="session")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Plays]:
    """The plays of all tests that were chosen, by the test's id; those that wait are begun first."""
    cases = {item.callspec.id: item.callspec.params["case"] for item in request.session.items if hasattr(item, "callspec")}
    base = tmp_path_factory.getbasetemp()
    node = clients.NodeClient()
    known: dict[str, clients.Client] = {"python": clients.PythonClient(), "node": node}
    players = concurrent.futures.ThreadPoolExecutor(max_workers=3 * (os.cpu_count() or 1))

    def run(identity: str) -> tuple[play.Played, str]:
        scenario, mode, client = cases[identity]
        folder = base / identity
        folder.mkdir()
        return play.play(scenario, mode, known[client], folder)

    try:
        in_order = sorted(cases, key=lambda identity: not cases[identity][0].waits)
        yield {identity: players.submit(run, identity) for identity in in_order}
    finally:
        players.shutdown(cancel_futures=True)
        node.stop()
