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

Plays = dict[str, concurrent.futures.Future[play.Played]]


@pytest.fixture(scope="session")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Plays]:
    """The plays of all tests that were chosen, by the test's id."""
    chosen = [item.callspec for item in request.session.items if hasattr(item, "callspec")]
    cases = {callspec.id: callspec.params["case"] for callspec in chosen if "case" in callspec.params}
    base = tmp_path_factory.getbasetemp()
    node = clients.NodeClient()
    known: dict[str, clients.Client] = {"python": clients.PythonClient(), "node": node}
    # Who waits needs no core.
    workers = os.cpu_count() or 1
    waiting = concurrent.futures.ThreadPoolExecutor(max_workers=8 * workers)
    working = concurrent.futures.ThreadPoolExecutor(max_workers=2 * workers)

    def run(identity: str) -> play.Played:
        scenario, mode, client = cases[identity]
        folder = base / identity
        folder.mkdir()
        return play.play(scenario, mode, known[client], folder)

    try:
        yield {
            identity: (waiting if case[0].waits else working).submit(run, identity) for identity, case in cases.items()
        }
    finally:
        for players in (waiting, working):
            players.shutdown(cancel_futures=True)
        node.stop()
