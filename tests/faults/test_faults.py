"""Every fault by name, on real sockets, with both official clients: the whole answer, or a clear error."""

from __future__ import annotations

import concurrent.futures

import addresses
import checks
import faults
import play
import pytest
import scenario

CLIENTS = ("python", "node")
SCENARIOS = scenario.read_all()
CASES = [(one, mode, client) for one in SCENARIOS for mode in one.modes for client in CLIENTS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].name}-{case[1]}-{case[2]}")
def test_it_ends_as_its_file_says(
    case: tuple[scenario.Scenario, str, str],
    plays: dict[str, concurrent.futures.Future[tuple[play.Played, str]]],
    request: pytest.FixtureRequest,
) -> None:
    one, mode, _ = case
    played, log = plays[request.node.callspec.id].result()
    wrong = checks.check(one, mode, played)
    if wrong:
        records = "\n".join(play.summary(came.record) for came in played.came)
        pytest.fail("\n".join([one.about, *(f"  {what}" for what in wrong), records, log]), pytrace=False)


def test_every_fault_has_a_scenario() -> None:
    used = set[str]().union(*(one.faults for one in SCENARIOS))
    named = {name for name in faults.FAULTS if name != "http"} | set(addresses.ADDRESSES)
    assert not named - used
