"""What engines tell of themselves on their metrics pages, and what comes of it."""

from __future__ import annotations

import json

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import ACME, Gateway, Request, ScriptedEngine, Wire, get, until


class TellingEngine(ScriptedEngine):
    """A scripted engine with a metrics page."""

    def __init__(self, name: str) -> None:
        self.page: tuple[int, bytes] = (404, b"no such page")
        self.pages_asked = 0
        self.probes = 0
        super().__init__(name)

    def tells(self, running: int, waiting: int) -> None:
        """Lets its page say so much, in llama.cpp's words."""
        lines = [f"llamacpp:requests_processing {running}", f"llamacpp:requests_deferred {waiting}", ""]
        self.page = (200, "\n".join(lines).encode())

    def _answer_probe(self, request: Request, wire: Wire) -> None:
        if not request.path.endswith("/metrics"):
            self.probes += 1
            return super()._answer_probe(request, wire)
        self.pages_asked += 1
        return wire.reply(*self.page)


@pytest.fixture
def telling(scripted: dict[str, ScriptedEngine]) -> TellingEngine:
    """The engine of the site that is asked first; it is there before the gateway starts."""
    scripted["ashburn"].stop()
    engine = TellingEngine("ashburn")
    scripted["ashburn"] = engine
    return engine


def sites(gateway: Gateway) -> dict[str, dict]:
    """What the gateway tells of its sites."""
    status, body = get(gateway.admin, "/sites", gateway.admin_headers)
    assert status == 200
    return {site["site"]: site for site in json.loads(body)["sites"]}


def gauge(gateway: Gateway, line: str) -> float:
    """A line of the gateway's own metrics."""
    text = get(gateway.admin, "/metrics", gateway.admin_headers)[1].decode()
    return float(next(found for found in text.splitlines() if found.startswith(line)).rsplit(" ", 1)[1])


def answered_by(gateway: Gateway, scripted: dict[str, ScriptedEngine]) -> str:
    """Asks once; the site that answered."""
    before = {name: len(engine.requests) for name, engine in scripted.items()}
    with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=30) as client:
        client.chat.completions.create(model=MODEL, messages=SAY_HI, max_tokens=8)
    return next(name for name, engine in scripted.items() if len(engine.requests) > before[name])


def test_an_engine_that_others_use_is_passed_over_while_its_queue_is_long(
    telling: TellingEngine, request: pytest.FixtureRequest, scripted: dict[str, ScriptedEngine]
) -> None:
    telling.tells(running=4, waiting=12)
    gateway = request.getfixturevalue("scripted_grid")
    until(lambda: "engine" in sites(gateway)["ashburn"], "the gateway knows", 5)
    told = sites(gateway)["ashburn"]["engine"]
    assert (told["running"], told["waiting"], told["others"]) == (4, 12, 16)
    assert told["counts_percent"] == 100 and told["told_ago_ns"] < 2e9
    assert gauge(gateway, 'hanse_site_engine_others{site="ashburn"}') == 16
    assert 0 <= gauge(gateway, 'hanse_site_sign_age_seconds{site="ashburn"}') < 2
    assert answered_by(gateway, scripted) == "frankfurt"

    telling.tells(running=0, waiting=0)
    until(lambda: sites(gateway)["ashburn"]["engine"]["others"] == 0, "the queue is gone", 5)
    assert answered_by(gateway, scripted) == "ashburn"


def test_an_engine_without_a_metrics_page_is_left_alone_and_no_worse_for_it(
    telling: TellingEngine, request: pytest.FixtureRequest, scripted: dict[str, ScriptedEngine]
) -> None:
    gateway = request.getfixturevalue("scripted_grid")
    probes = telling.probes
    until(lambda: telling.probes >= probes + 4, "it has been probed a few times", 10)
    assert telling.pages_asked == 1
    assert "engine" not in sites(gateway)["ashburn"]
    assert sites(gateway)["ashburn"]["circuit"] == "closed"
    assert gauge(gateway, 'hanse_site_sign_age_seconds{site="ashburn"}') == -1
    assert answered_by(gateway, scripted) == "ashburn"


def test_the_real_engine_tells(grid: Gateway) -> None:
    until(lambda: all("engine" in site for site in sites(grid).values()), "all four have told", 10)
    assert all(site["engine"]["others"] == 0 for site in sites(grid).values())
