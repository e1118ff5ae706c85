"""Decision records: kept with the journal, read with and without a gateway, erased in time."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import shutil
import signal

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import (
    ACME,
    SMALLSHOP,
    Gateway,
    Request,
    ScriptedEngine,
    Wire,
    chunk,
    get,
    render_config,
    until,
)

Engines = dict[str, ScriptedEngine]

PERSONAL = "personal; subjects=EU"
HEALTH = "personal; subjects=EU; categories=health"


def ask(gateway: Gateway, data: str | None = None, key: str = ACME) -> str:
    """Asks, however it ends; returns the request's id."""
    with openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0, timeout=30) as client:
        try:
            reply = client.chat.completions.with_raw_response.create(
                model=MODEL, messages=SAY_HI, extra_headers={"Hanse-Data": data} if data else {}
            )
            return reply.headers["x-request-id"]
        except openai.APIStatusError as error:
            return error.response.headers["x-request-id"]


def ask_often(gateway: Gateway, count: int) -> str:
    """Asks what no site may answer, with as large a record as can be; returns the last id."""
    connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=30)
    body = json.dumps({"model": MODEL, "messages": SAY_HI})
    headers = {
        "Authorization": f"Bearer {ACME}",
        "Content-Type": "application/json",
        "Hanse-Data": HEALTH,
        "X-Request-Id": "x" * 128,
    }
    with contextlib.closing(connection):
        for _ in range(count):
            connection.request("POST", "/v1/chat/completions", body, headers)
            reply = connection.getresponse()
            assert reply.status == 403
            reply.read()
        return reply.headers["x-request-id"]


def explain(gateway: Gateway, request: str, *options: str) -> str:
    """What `hanse explain` prints."""
    done = gateway.command("explain", request, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(gateway: Gateway, request: str) -> str:
    """Why `hanse explain` prints nothing."""
    done = gateway.command("explain", request)
    assert done.returncode == 1 and done.stdout == "", done.stdout
    return done.stderr


def fail(_: Request, wire: Wire) -> None:
    """An engine that fails."""
    wire.reply(503, b'{"error":{"message":"no","type":"server_error","code":503}}')


def another(request: str, by: int) -> str:
    """The id of the request that came so many before or after this one."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for letter in request.removeprefix("req_"):
        number = number * 32 + digits.index(letter)
    number += by
    text = ""
    for _ in range(40):
        text = digits[number % 32] + text
        number //= 32
    return "req_" + text


def test_a_record_reads_the_same_from_the_gateway_and_from_its_journal(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    answered = ask(scripted_grid)
    refused_by_law = ask(scripted_grid, HEALTH)
    over_budget = ask(scripted_grid, key=SMALLSHOP)
    scripted["hamburg"].script = fail
    failed_over = ask(scripted_grid, PERSONAL)

    requests = {
        answered: "answered by ashburn",
        refused_by_law: "health-needs-hds",
        over_budget: "budget",
        failed_over: "answered by lyon",
    }
    told = {request: (explain(scripted_grid, request), explain(scripted_grid, request, "--json")) for request in requests}
    for request, words in requests.items():
        assert words in told[request][0]
    assert "hamburg" in told[failed_over][0] and "after hamburg failed" in told[failed_over][0]
    scripted_grid.stop()
    for request in requests:
        assert (explain(scripted_grid, request), explain(scripted_grid, request, "--json")) == told[request]


def test_the_record_of_a_refused_request_survives_a_kill(scripted: Engines, scripted_grid: Gateway) -> None:
    requests = {"refused_by_law": ask(scripted_grid, HEALTH), "over_budget": ask(scripted_grid, key=SMALLSHOP)}
    scripted_grid.kill()
    assert not any(engine.requests for engine in scripted.values())
    for end, request in requests.items():
        assert json.loads(explain(scripted_grid, request, "--json"))["outcome"] == end
    audit = json.loads(scripted_grid.command("books", "verify", "--json").stdout)
    assert audit["good"] and audit["requests_refused"] == 2
    assert audit["requests_open"] == audit["requests_lost"] == audit["postings"] == 0

    # A gateway that has started since reads it for whoever asks by HTTP.
    scripted_grid.start()
    for end, request in requests.items():
        status, body = get(scripted_grid.admin, f"/records/{request}", scripted_grid.admin_headers)
        assert status == 200 and json.loads(body)["outcome"] == end
        status, text = get(scripted_grid.admin, f"/records/{request}?view=text", scripted_grid.admin_headers)
        assert status == 200 and text.decode().startswith(request)


def test_what_cannot_be_explained_says_why(scripted: Engines, scripted_grid: Gateway) -> None:
    last = ask(scripted_grid)

    def each() -> None:
        assert "knows no request" in refused(scripted_grid, another(last, 1))
        assert "is a request of journal" in refused(scripted_grid, another(last, 1 << 80))
        assert scripted_grid.command("explain", "req_nonsense").returncode == 2

    each()
    scripted_grid.stop()
    each()
    snapshots = next(scripted_grid.config.parent.rglob("snapshots"))
    kept = next(snapshots.glob("*.toml"))
    text = kept.read_text()
    kept.write_text(text.replace('gateway.name = "four-sites"', 'gateway.name = "five-sites"'))
    assert "has been changed" in refused(scripted_grid, last)
    kept.write_text(text.replace('gateway.name = "four-sites"', "gateway.name = 4"))
    assert "does not load any more" in refused(scripted_grid, last)
    kept.unlink()
    assert "not the configuration under which it was decided" in refused(scripted_grid, last)
    shutil.rmtree(next(scripted_grid.config.parent.rglob("journal")))
    assert "cannot list" in refused(scripted_grid, last)


def test_a_request_under_way_has_no_record_yet_and_none_when_it_was_killed(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    def begins(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "begun "}))
        wire.connection.recv(1)

    for engine in scripted.values():
        engine.script = begins
    with scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI, stream=True) as stream:
        next(iter(stream))
        request = stream.response.headers["x-request-id"]
        assert "has not ended yet" in refused(scripted_grid, request)
        scripted_grid.kill()
    assert "has not ended yet" in refused(scripted_grid, request)
    scripted_grid.start()
    assert "was under way when the gateway was killed" in refused(scripted_grid, request)


def test_the_books_are_not_rebuilt_under_a_running_gateway(scripted_grid: Gateway) -> None:
    ask(scripted_grid)
    done = scripted_grid.command("books", "rebuild")
    assert done.returncode == 1 and "stop the gateway" in done.stderr
    scripted_grid.stop()
    before = scripted_grid.command("books", "balance", "--json").stdout
    assert scripted_grid.command("books", "rebuild").returncode == 0
    assert scripted_grid.command("books", "balance", "--json").stdout == before
    scripted_grid.start()
    ask(scripted_grid)


@pytest.mark.parametrize("rule", ['retention = "1s"', 'bytes_max = "1MiB"'], ids=["time", "room"])
def test_old_records_are_erased_and_the_journal_still_verifies(
    scripted: Engines, tmp_path: pathlib.Path, rule: str
) -> None:
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text + f"\n[records]\n{rule}\n"))
    try:
        first = ask(gateway)
        explain(gateway, first)
        if "bytes_max" in rule:
            gateway.stop()  # What is in memory within its time would hide that the file is gone.
            gateway.start()
        newest = first

        def erased() -> bool:
            nonlocal newest
            newest = ask_often(gateway, 1 if "retention" in rule else 1_000)
            return gateway.command("explain", first).returncode != 0

        until(erased, "the first record is erased", 60)
        assert "has been erased" in refused(gateway, first)
        assert "refused" in explain(gateway, newest)
        gateway.stop()
        assert "has been erased" in refused(gateway, first)
        audit = json.loads(gateway.command("books", "verify", "--json").stdout)
        assert audit["good"] and audit["requests_charged"] == 1
        payloads = sum(path.stat().st_size for path in tmp_path.rglob("*.payloads"))
        assert payloads <= 1 << 20
    finally:
        gateway.stop()


def test_a_shorter_retention_holds_after_a_reload(scripted: Engines, tmp_path: pathlib.Path) -> None:
    urls = {name: engine.url for name, engine in scripted.items()}
    config = render_config(tmp_path, urls, lambda text: text + '\n[records]\nretention = "8s"\n')
    gateway = Gateway(config)
    try:
        first = ask(gateway)
        config.write_text(config.read_text().replace('retention = "8s"', 'retention = "1s"'))
        gateway.process.send_signal(signal.SIGHUP)

        def erased() -> bool:
            ask(gateway)
            return not (next(tmp_path.rglob("journal")) / "00000001.payloads").exists()

        until(erased, "the first record is erased", 30)
        assert "has been erased" in refused(gateway, first), "memory does not tell more than the files"
        gateway.stop()
        assert "has been erased" in refused(gateway, first)
    finally:
        gateway.stop()


def test_a_configuration_goes_when_no_record_cites_it(scripted: Engines, tmp_path: pathlib.Path) -> None:
    urls = {name: engine.url for name, engine in scripted.items()}
    config = render_config(tmp_path, urls, lambda text: text + '\n[records]\nretention = "2s"\n')
    gateway = Gateway(config)

    def kept() -> int:
        return len(list(tmp_path.rglob("snapshots/*.toml")))

    try:
        first = ask(gateway)
        gateway.stop()
        text = config.read_text()
        config.write_text(text.replace('name = "four-sites"', 'name = "five-sites"'))
        gateway.start()
        assert kept() == 2
        explain(gateway, first)  # its record is there, and so is the old configuration
        newest = first

        def erased() -> bool:
            nonlocal newest
            newest = ask(gateway)  # a new segment, so that the old record's may go
            return kept() == 1

        until(erased, "the old configuration is erased", 60)
        # The file goes first and is told of then.
        told = "configurations that no record cites any more erased"
        until(lambda: told in gateway.log_tail(), "its erasure is told")
        assert "has been erased" in refused(gateway, first)
        explain(gateway, newest)
        gateway.stop()
        gateway.start()
        assert kept() == 1
    finally:
        gateway.stop()
