"""Who owes what, through crashes; and nothing written that should not be."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import subprocess
import threading
import time
import typing
from collections.abc import Callable

import openai
import pytest
from asking import MODEL
from harness import (
    BINARY,
    ACME,
    SMALLSHOP,
    Gateway,
    Request,
    Script,
    ScriptedEngine,
    Wire,
    answering,
    chunk,
    get,
    render_config,
    until,
)

Engines = dict[str, ScriptedEngine]

SECRET_PROMPT = "the-prompt-that-nobody-may-keep"
SECRET_ANSWER = "the-answer-that-nobody-may-keep"
SECRET_KEY = "hk-a-key-that-nobody-may-keep"


def test_the_books_balance_and_the_journal_says_so(scripted_grid: Gateway, scripted_client: openai.OpenAI) -> None:
    for _ in range(5):
        scripted_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    done = scripted_grid.command("books", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    balance = scripted_grid.command("books", "balance", "--json")
    assert balance.returncode == 0, balance.stderr
    json.loads(balance.stdout)
    for word in ("acme", "atlantic-cloud"):
        assert word in balance.stdout


def test_the_journal_is_printed_whole(scripted_grid: Gateway, scripted_client: openai.OpenAI) -> None:
    """Also when it is long: an audit must not end early without a word."""

    def ask(_: int) -> None:
        scripted_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(600)))

    def postings(*options: str) -> list[dict]:
        return json.loads(scripted_grid.command("books", "journal", "--json", *options).stdout)

    until(lambda: len({row["request"] for row in postings()}) == 600, "all requests are in the journal")
    assert len(postings()) > 1000
    assert len(postings("--limit", "7")) == 7


def test_the_books_survive_a_kill(scripted_grid: Gateway, scripted_client: openai.OpenAI) -> None:
    for _ in range(3):
        scripted_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    def audit() -> dict:
        return json.loads(scripted_grid.command("books", "verify", "--json").stdout)

    def balance() -> str:
        return scripted_grid.command("books", "balance", "--json").stdout

    def caught_up() -> bool:
        listed = scripted_grid.command("books", "journal", "--json")
        return listed.returncode == 0 and len(json.loads(listed.stdout)) == audit()["postings"]

    # The books follow the journal; the journal itself has everything at once.
    assert audit()["requests_charged"] == 3
    until(caught_up, "the books have caught up with the journal")
    before = balance()
    scripted_grid.kill()
    scripted_grid.start()
    assert audit()["good"] and audit()["requests_charged"] == 3
    until(lambda: balance() == before, "the books say the same as before")


def test_a_last_byte_waits_for_the_disk_where_power_counts(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """With a disk that syncs slowly."""
    urls = {name: engine.url for name, engine in scripted.items()}

    def seconds_for_answers(durability: str, sync_milliseconds: int) -> list[float]:
        """For a whole answer and a streamed one."""
        folder = tmp_path / durability
        folder.mkdir()

        def change(text: str) -> str:
            return text + f'\n[ledger]\ndurability = "{durability}"\n'

        def ask(client: openai.OpenAI, stream: bool) -> float:
            begun = time.monotonic()
            reply = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "x"}], stream=stream
            )
            if stream:
                text = "".join(part.choices[0].delta.content or "" for part in reply if part.choices)
            else:
                text = reply.choices[0].message.content
            assert text == "Hello from ashburn"
            return time.monotonic() - begun

        gateway = Gateway(render_config(folder, urls, change), odd={"ODD_SYNC_MILLISECONDS": sync_milliseconds})
        try:
            with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:
                return [ask(client, stream) for stream in (False, True)]
        finally:
            gateway.stop()
            assert gateway.command("books", "verify").returncode == 0

    assert min(seconds_for_answers("power", 200)) >= 0.2
    assert min(seconds_for_answers("process", 1000)) < 1


def test_an_empty_budget_stops_a_request_before_any_site_is_asked(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    with openai.OpenAI(base_url=scripted_grid.url, api_key=SMALLSHOP, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "insufficient_quota"
    assert not any(engine.requests for engine in scripted.values())


def test_a_clock_set_back_between_two_starts_does_no_harm(
    scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    def ask() -> None:
        scripted_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])

    ask()
    scripted_grid.stop()
    scripted_grid.odd = {"ODD_CLOCK_SECONDS": -86_400}
    scripted_grid.start()
    ask()
    assert "the clock is behind" in scripted_grid.log_tail()
    scripted_grid.kill()
    scripted_grid.start()
    ask()
    done = scripted_grid.command("books", "verify", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["requests_charged"] == 3, done.stdout + done.stderr


def test_a_journal_that_has_lost_its_end_is_neither_good_nor_gone_on_from(
    scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    for _ in range(3):
        scripted_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    scripted_grid.stop()
    (entries,) = scripted_grid.config.parent.rglob("*.entries")
    whole = entries.read_bytes()

    entries.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = scripted_grid.command("books", "verify")
    assert done.returncode != 0 and "NOT WHOLE" in done.stdout
    audit = json.loads(scripted_grid.command("books", "verify", "--json").stdout)
    assert not audit["good"] and entries.name in audit["torn"]

    # Cut cleanly, at the end of its header: only the books know that there was more.
    entries.write_bytes(whole[:128])
    refused = subprocess.run(
        [str(BINARY), "serve", str(scripted_grid.config)], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode != 0 and "lost its end" in refused.stderr

    entries.write_bytes(whole)
    assert scripted_grid.command("books", "verify").returncode == 0


def test_many_requests_at_once_cannot_spend_more_than_the_budget(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    """A budget for a few answers, and two hundred requests that all see it full at first."""
    scripted_grid.stop()
    text = scripted_grid.config.read_text()
    assert 'budget = "0.000001"' in text
    scripted_grid.config.write_text(text.replace('budget = "0.000001"', 'budget = "0.0001"'))
    scripted_grid.start()

    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 200})
    headers = {"Authorization": f"Bearer {SMALLSHOP}", "Content-Type": "application/json"}
    together = threading.Barrier(200)

    def ask(_: int) -> bool:
        connection = http.client.HTTPConnection(scripted_grid.plan.host, scripted_grid.plan.port, timeout=30)
        with contextlib.closing(connection):
            connection.connect()
            together.wait()
            connection.request("POST", "/v1/chat/completions", body, headers)
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            if reply.status != 200:
                assert answer["error"]["code"] == "insufficient_quota"
            return reply.status == 200

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answered = sum(pool.map(ask, range(200)))
    # An answer costs (10 x 0.12 + 3 x 0.36) / 1e6 = 0.00000228, so 43 fit; and the last of
    # them only if what 200 tokens would cost, 0.000072, were still there to set aside.
    assert 1 <= answered <= (0.0001 - 0.000072) / 0.00000228 + 1
    assert sum(len(engine.requests) for engine in scripted.values()) == answered
    assert scripted_grid.command("books", "verify").returncode == 0


def test_no_prompt_reply_or_key_is_written_anywhere(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """Whatever happens, with everything on that writes: debug log, recording, records, metrics."""
    recording = tmp_path / "run.rec"
    gateway = Gateway(
        render_config(
            tmp_path,
            {name: engine.url for name, engine in scripted.items()},
            lambda text: text + '\n[telemetry]\nlog_level = "debug"\n',
        ),
        "--record",
        str(recording),
    )
    messages: typing.Any = [{"role": "user", "content": SECRET_PROMPT}]
    shown: list[tuple[object, bytes]] = []

    def all_do(script: Script) -> None:
        for engine in scripted.values():
            engine.script = script

    def refuses_and_quotes(_: Request, wire: Wire) -> None:
        error = {"message": f"cannot parse: {SECRET_PROMPT}", "type": "invalid_request_error", "code": 400}
        wire.reply(400, json.dumps({"error": error}).encode())

    def fails_and_quotes(_: Request, wire: Wire) -> None:
        error = {"message": f"crashed on: {SECRET_PROMPT}", "type": "server_error", "code": 500}
        wire.reply(500, json.dumps({"error": error}).encode())

    def is_cut_and_quotes(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": SECRET_ANSWER}))
        wire.event({"error": {"code": 500, "message": f"lost: {SECRET_PROMPT}", "type": "server_error"}})
        wire.end_stream()

    def babbles(_: Request, wire: Wire) -> None:
        wire.send(f"{SECRET_PROMPT} {SECRET_ANSWER}\r\n\r\n".encode())
        wire.connection.shutdown(2)

    def show_record(request: str) -> None:
        status, record = get(gateway.admin, f"/records/{request}", gateway.admin_headers)
        assert status == 200, record
        shown.append((f"record {request}", record))

    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:

            def ask(model: str = MODEL) -> str:
                raw = client.chat.completions.with_raw_response.create(model=model, messages=messages)
                assert SECRET_ANSWER in raw.text
                return raw.headers["x-request-id"]

            def ask_streamed() -> str:
                with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:
                    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
                    assert SECRET_ANSWER in text
                    return stream.response.headers["x-request-id"]

            def fails(expected: type[openai.APIError], call: Callable[[], object]) -> None:
                with pytest.raises(expected) as caught:
                    call()
                if isinstance(caught.value, openai.APIStatusError) and caught.value.status_code >= 500:
                    show_record(caught.value.response.headers["x-request-id"])

            all_do(answering(SECRET_ANSWER))
            show_record(ask())
            show_record(ask_streamed())
            fails(openai.NotFoundError, lambda: ask("nobody"))
            all_do(refuses_and_quotes)
            fails(openai.BadRequestError, ask)
            fails(openai.BadRequestError, ask_streamed)
            all_do(is_cut_and_quotes)
            fails(openai.APIError, ask_streamed)
            all_do(fails_and_quotes)
            fails(openai.InternalServerError, ask)
            all_do(babbles)
            fails(openai.InternalServerError, ask)
        status, _ = get(gateway.origin, f"/v1/models/{SECRET_PROMPT}", {"Authorization": f"Bearer {ACME}"})
        assert status == 404
        status, _ = get(gateway.origin, "/v1/models", {"Authorization": f"Bearer {SECRET_KEY}"})
        assert status == 401
        status, metrics = get(gateway.admin, "/metrics", gateway.admin_headers)
        assert status == 200
        shown.append(("metrics", metrics))
    finally:
        gateway.stop()
    written = dict(gateway.written())
    assert {recording, gateway.config.with_suffix(".log")} < set(written), "there is something to look at"
    assert b"an attempt failed" in written[gateway.config.with_suffix(".log")] and written[recording]
    for where, content in [*written.items(), *shown]:
        for secret in (SECRET_PROMPT, SECRET_ANSWER, SECRET_KEY, ACME):
            assert secret.encode() not in content, f"{secret} stands in {where}"
