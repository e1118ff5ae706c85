"""Every fault by name, on real sockets, with both official clients: the whole answer, or a clear error."""

from __future__ import annotations

import concurrent.futures
import inspect
import pathlib

import addresses
import checks
import faults
import play
import pytest
import scenario

FOLDER = pathlib.Path(__file__).parent
CLIENTS = ("python", "node")
SCENARIOS = scenario.read_all()
CASES = [(one, mode, client) for one in SCENARIOS for mode in one.modes for client in CLIENTS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].name}-{case[1]}-{case[2]}")
def test_it_ends_as_its_file_says(
    case: tuple[scenario.Scenario, str, str],
    plays: dict[str, concurrent.futures.Future[play.Played]],
    request: pytest.FixtureRequest,
) -> None:
    one, mode, _ = case
    played = plays[request.node.callspec.id].result()
    wrong = checks.check(one, mode, played)
    if wrong:
        records = "\n".join(play.summary(came.record) for came in played.came)
        pytest.fail("\n".join([one.about, *(f"  {what}" for what in wrong), records, played.log]), pytrace=False)


def test_every_fault_has_a_scenario() -> None:
    used = set[str]().union(*(one.faults for one in SCENARIOS))
    named = {name for name in faults.FAULTS if name != "http"} | set(addresses.ADDRESSES)
    assert not named - used


def test_every_fault_is_in_the_readme() -> None:
    rows = []
    for name, fault in [*faults.FAULTS.items(), *addresses.ADDRESSES.items()]:
        parameters = [known for known in inspect.signature(fault).parameters if known not in ("turn", "stack")]
        more = f" ({', '.join(parameters)})" if parameters else ""
        rows.append(f"| `{name}`{more} | {(fault.__doc__ or '').splitlines()[0]} |")
    lines = (FOLDER / "README.md").read_text().splitlines()
    assert [row for row in rows if row not in lines] == []
