"""Labels decide where a request may run, at the first attempt and at every other."""

from __future__ import annotations

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import Gateway, Request, ScriptedEngine, Wire

Engines = dict[str, ScriptedEngine]

PERSONAL = "personal; subjects=EU"
HEALTH = "personal; subjects=EU; categories=health"


def ask(client: openai.OpenAI, data: str | None = None, **fields: object):  # type: ignore[no-untyped-def]
    """Asks with a data label."""
    headers = {"Hanse-Data": data} if data else {}
    return client.chat.completions.with_raw_response.create(
        model=MODEL, messages=SAY_HI, extra_headers=headers, **fields  # type: ignore[arg-type]
    )


def asked(engines: Engines) -> set[str]:
    """The engines that got a request."""
    return {name for name, engine in engines.items() if engine.requests}


def fail(_: Request, wire: Wire) -> None:
    """An engine that fails."""
    wire.reply(503, b'{"error":{"message":"no","type":"server_error","code":503}}')


def test_the_cheapest_site_answers_what_may_run_anywhere(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    assert ask(scripted_client).headers["hanse-site"] == "ashburn"
    assert asked(scripted) == {"ashburn"}


def test_personal_data_of_the_eu_stays_in_the_eu_and_out_of_foreign_reach(
    scripted: Engines, scripted_client: openai.OpenAI
) -> None:
    assert ask(scripted_client, PERSONAL).headers["hanse-site"] == "hamburg"
    assert asked(scripted) == {"hamburg"}


def test_a_second_attempt_is_as_lawful_as_the_first(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    scripted["hamburg"].script = fail
    reply = ask(scripted_client, PERSONAL)
    assert reply.headers["hanse-site"] == "lyon" and reply.headers["hanse-attempts"] == "2"
    assert asked(scripted) == {"hamburg", "lyon"}


def test_no_answer_is_better_than_an_unlawful_one(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    scripted["hamburg"].script = scripted["lyon"].script = fail
    with pytest.raises(openai.InternalServerError):
        ask(scripted_client, PERSONAL)
    assert asked(scripted) == {"hamburg", "lyon"}


def test_a_request_that_nobody_may_serve_names_every_site_and_rule(
    scripted: Engines, scripted_client: openai.OpenAI
) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(scripted_client, HEALTH)
    assert isinstance(caught.value.body, dict)
    refusals = caught.value.body["hanse"]["refusals"]  # type: ignore[index]
    assert {refusal["site"] for refusal in refusals} == set(scripted)
    rules = {(refusal["site"], refusal["rule"]) for refusal in refusals}
    assert ("ashburn", "eu-personal-stays-in-the-eu") in rules
    assert ("frankfurt", "eu-personal-out-of-foreign-reach") in rules
    assert ("hamburg", "health-needs-hds") in rules and ("lyon", "health-needs-hds") in rules
    assert asked(scripted) == set()
    assert caught.value.response.headers.get("x-should-retry") != "true"


@pytest.mark.parametrize("label", ["Personal;Subjects=eu", "personal ;  subjects=EU"], ids=["case", "blanks"])
def test_a_label_is_understood_however_it_is_written(
    scripted: Engines, scripted_client: openai.OpenAI, label: str
) -> None:
    assert ask(scripted_client, label).headers["hanse-site"] == "hamburg"
    assert asked(scripted) == {"hamburg"}


def test_a_label_that_is_not_known_is_refused_and_not_lost(
    scripted: Engines, scripted_client: openai.OpenAI
) -> None:
    """Subjects are told by whose law protects them; of a member state, that is the EU's."""
    with pytest.raises(openai.BadRequestError) as caught:
        ask(scripted_client, "personal; subjects=DE")
    assert '"DE"' in str(caught.value) and "EU" in str(caught.value)
    assert asked(scripted) == set()


@pytest.mark.parametrize("labels", [["none", PERSONAL], [PERSONAL, "none"], [PERSONAL, PERSONAL]])
def test_two_label_headers_are_refused_and_one_is_taken(
    scripted: Engines, scripted_grid: Gateway, labels: list[str]
) -> None:
    from test_edge import BODY, good, read_all

    def answer(*data: str) -> bytes:
        with scripted_grid.connect() as connection:
            fields = [f"Hanse-Data: {one}".encode() for one in data]
            connection.sendall(good(BODY, *fields, b"Connection: close"))
            return read_all(connection)

    assert answer(*labels).startswith(b"HTTP/1.1 400 ")
    assert asked(scripted) == set()
    assert answer(PERSONAL).startswith(b"HTTP/1.1 200 ")
    assert asked(scripted) == {"hamburg"}


def test_the_decision_can_be_explained_afterwards(scripted_grid: Gateway, scripted_client: openai.OpenAI) -> None:
    reply = ask(scripted_client, PERSONAL)
    done = scripted_grid.command("explain", reply.headers["x-request-id"])
    assert done.returncode == 0, done.stderr
    for word in ("ashburn", "frankfurt", "hamburg", "eu-personal-stays-in-the-eu", "eu-personal-out-of-foreign-reach"):
        assert word in done.stdout


@pytest.mark.parametrize("header", [{"Hanse-Data": ""}, {"Hanse_Data": PERSONAL}, {"hanse_class": "batch"}], ids=str)
def test_a_label_that_would_pass_unnoticed_is_refused(
    scripted: Engines, scripted_client: openai.OpenAI, header: dict[str, str]
) -> None:
    with pytest.raises(openai.BadRequestError):
        scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI, extra_headers=header)
    assert not asked(scripted)
