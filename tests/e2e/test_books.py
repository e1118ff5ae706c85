"""Who owes what, through crashes; and nothing written that should not be."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import time

import openai
import pytest
from asking import MODEL
from harness import ACME, SMALLSHOP, Gateway, ScriptedEngine, render_config, until

Engines = dict[str, ScriptedEngine]

SECRET_PROMPT = "the-prompt-that-nobody-may-keep"
SECRET_ANSWER = "the-answer-that-nobody-may-keep"


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


def test_many_requests_at_once_cannot_spend_more_than_the_budget(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    """A budget for a few answers, and two hundred requests that all see it full at first."""
    scripted_grid.stop()
    text = scripted_grid.config.read_text()
    assert 'budget = "0.000001"' in text
    scripted_grid.config.write_text(text.replace('budget = "0.000001"', 'budget = "0.0001"'))
    scripted_grid.start()

    def ask(_: int) -> bool:
        with openai.OpenAI(base_url=scripted_grid.url, api_key=SMALLSHOP, max_retries=0) as client:
            try:
                client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "x"}], max_tokens=200
                )
                return True
            except openai.RateLimitError as error:
                assert error.code == "insufficient_quota"
                return False

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answered = sum(pool.map(ask, range(200)))
    # An answer costs (10 x 0.12 + 3 x 0.36) / 1e6 = 0.00000228, so 43 fit; and the last of
    # them only if what 200 tokens would cost, 0.000072, were still there to set aside.
    assert 1 <= answered <= (0.0001 - 0.000072) / 0.00000228 + 1
    assert sum(len(engine.requests) for engine in scripted.values()) == answered
    assert scripted_grid.command("books", "verify").returncode == 0


def test_no_prompt_reply_or_key_is_written_anywhere(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    from harness import answering, get

    for engine in scripted.values():
        engine.script = answering(SECRET_ANSWER)
    messages = [{"role": "user", "content": SECRET_PROMPT}]
    scripted_client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
    with scripted_client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:  # type: ignore[arg-type]
        assert SECRET_ANSWER in "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    with pytest.raises(openai.NotFoundError):
        scripted_client.chat.completions.create(model="nobody", messages=messages)  # type: ignore[arg-type]
    metrics = get(scripted_grid.admin, "/metrics", scripted_grid.admin_headers)[1]
    scripted_grid.stop()
    written = [*scripted_grid.written(), ("metrics", metrics)]
    assert len(written) > 1
    for where, content in written:
        for secret in (SECRET_PROMPT, SECRET_ANSWER, ACME):
            assert secret.encode() not in content, f"{secret} stands in {where}"
