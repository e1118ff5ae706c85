"""Engines fail in every way there is; the client gets the answer, or a clear error."""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Callable

import openai
import pytest
from asking import MODEL, SAY_HI, STORY, endless
from harness import (
    ACME,
    Engine,
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
    usage,
)

Engines = dict[str, ScriptedEngine]


def all_do(engines: Engines, script: Script) -> None:
    """Gives all engines the same script."""
    for engine in engines.values():
        engine.script = script


def asked(engines: Engines) -> list[str]:
    """The engines that got a request."""
    return [name for name, engine in engines.items() if engine.requests]


def first_fails(engines: Engines, failing: Script) -> None:
    """The first engine that is asked fails; whoever is asked next answers."""
    used = threading.Event()

    def script_of(name: str) -> Script:
        def script(request: Request, wire: Wire) -> None:
            if not used.is_set():
                used.set()
                failing(request, wire)
            else:
                answering("Hello", " from ", name)(request, wire)

        return script

    for name, engine in engines.items():
        engine.script = script_of(name)


def status(code: int) -> Script:
    """Fails with a status."""
    body = b'{"error":{"message":"no","type":"server_error","code":%d}}' % code
    return lambda _, wire: wire.reply(code, body)


def closes(_: Request, wire: Wire) -> None:
    """Closes without a word."""
    wire.connection.shutdown(2)


def resets(_: Request, wire: Wire) -> None:
    """Breaks off without a word."""
    wire.reset()


def babbles(_: Request, wire: Wire) -> None:
    """Says what is no HTTP."""
    wire.send(b"220 mail.example.org ESMTP\r\n")
    wire.connection.shutdown(2)


def promises_a_stream_and_closes(_: Request, wire: Wire) -> None:
    """Sends the head and no event."""
    wire.begin_stream()
    wire.connection.shutdown(2)


def ends_an_empty_stream(_: Request, wire: Wire) -> None:
    """Sends a head, and ends properly without an event."""
    wire.begin_stream()
    wire.end_stream()


def fails_inside_the_stream(_: Request, wire: Wire) -> None:
    """Says 200, and then that it failed."""
    wire.begin_stream()
    wire.event({"error": {"code": 500, "message": "slot failed", "type": "server_error"}})
    wire.end_stream()


def redirects(_: Request, wire: Wire) -> None:
    """Sends the gateway elsewhere, which is not for an engine to say."""
    wire.reply(302, b"{}", ["Location: http://127.0.0.1:1/"])


BEFORE_THE_FIRST_TOKEN = [
    status(500),
    status(502),
    status(503),
    closes,
    resets,
    babbles,
    promises_a_stream_and_closes,
    ends_an_empty_stream,
    fails_inside_the_stream,
    redirects,
]
NAMES = ["500", "502", "503", "closes", "resets", "babbles", "head-only", "empty", "error-event", "redirect"]


@pytest.mark.parametrize("failing", BEFORE_THE_FIRST_TOKEN, ids=NAMES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_failure_before_the_first_token_is_not_noticed(
    scripted: Engines, scripted_client: openai.OpenAI, failing: Script, streamed: bool
) -> None:
    first_fails(scripted, failing)
    if streamed:
        with scripted_client.chat.completions.create(
            model=MODEL, messages=SAY_HI, stream=True
        ) as stream:
            text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
            headers = stream.response.headers
    else:
        raw = scripted_client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI)
        text, headers = raw.parse().choices[0].message.content or "", raw.headers
    assert text == f"Hello from {headers['hanse-site']}"
    # A kept connection that closes before any byte of the response is no
    # failure of the site: the same attempt goes on over a fresh one.
    may_be_one = failing in (closes, resets)
    assert headers["hanse-attempts"] in (("1", "2") if may_be_one else ("2",))
    assert len(asked(scripted)) == int(headers["hanse-attempts"]) or may_be_one


def test_a_kept_connection_that_dies_costs_no_attempt(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    engine = scripted["ashburn"]
    well = engine.script

    def once_dead(request: Request, wire: Wire) -> None:
        engine.script = well
        closes(request, wire)

    scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    engine.script = once_dead
    raw = scripted_client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI)
    assert (raw.headers["hanse-site"], raw.headers["hanse-attempts"]) == ("ashburn", "1")
    assert len(engine.requests) == 3
    metrics = get(scripted_grid.admin, "/metrics", scripted_grid.admin_headers)[1].decode()
    assert "\nhanse_calls_sent_again_total 1\n" in metrics


def test_an_engine_that_is_not_there_is_passed_over(
    scripted: Engines, tmp_path: pathlib.Path, nowhere: str
) -> None:
    """All but lyon are down, and lyon answers."""
    urls = {name: nowhere for name in scripted} | {"lyon": scripted["lyon"].url}
    gateway = Gateway(render_config(tmp_path, urls))
    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:
            answer = client.chat.completions.create(model=MODEL, messages=SAY_HI)
        assert answer.choices[0].message.content == "Hello from lyon"
    finally:
        gateway.stop()


@pytest.mark.parametrize("failing", [status(500), closes, babbles], ids=["500", "closes", "babbles"])
def test_when_all_fail_the_client_hears_whose_fault_it_was(
    scripted: Engines, scripted_client: openai.OpenAI, failing: Script
) -> None:
    all_do(scripted, failing)
    with pytest.raises(openai.InternalServerError) as caught:
        scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert caught.value.status_code in (502, 503, 504)
    assert isinstance(caught.value.code, str)


def cut_after(text: str, how: Callable[[Wire], None]) -> Script:
    """Answers with some text, and fails."""

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": None}))
        wire.event(chunk({"content": text}))
        how(wire)

    return script


def half_an_event(wire: Wire) -> None:
    """Dies inside an event."""
    wire.send(b'20\r\ndata: {"choices":[{"del')
    wire.connection.shutdown(2)


def bad_chunk_size(wire: Wire) -> None:
    """Says a chunk size that is none."""
    wire.send(b"zz\r\n")
    wire.connection.shutdown(2)


def end_without_done(wire: Wire) -> None:
    """Ends the body as if all were said, without a finish and without [DONE]."""
    wire.end_stream()


CUTS = [
    lambda wire: wire.connection.shutdown(2),
    lambda wire: wire.reset(),
    half_an_event,
    bad_chunk_size,
    end_without_done,
]
CUT_NAMES = ["closed", "reset", "half-event", "bad-chunk", "no-done"]


@pytest.mark.parametrize("how", CUTS, ids=CUT_NAMES)
def test_a_stream_that_is_cut_never_looks_complete(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI, how: Callable[[Wire], None]
) -> None:
    all_do(scripted, cut_after("Once upon a time", how))
    text = ""
    with pytest.raises(openai.APIError):
        with scripted_client.chat.completions.create(
            model=MODEL, messages=SAY_HI, stream=True
        ) as stream:
            for part in stream:
                text += part.choices[0].delta.content or ""
                assert part.choices[0].finish_reason is None
    # Each site goes on with what the one before has begun, and breaks off too.
    assert text == "Once upon a time" * text.count("Once")


@pytest.mark.parametrize("how", CUTS, ids=CUT_NAMES)
def test_a_whole_answer_that_is_cut_is_an_error(
    scripted: Engines, scripted_client: openai.OpenAI, how: Callable[[Wire], None]
) -> None:
    all_do(scripted, cut_after("Once upon a time", how))
    with pytest.raises(openai.InternalServerError):
        scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)


def test_a_text_that_says_done_is_a_text(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    said = "The stream ends with\n\ndata: [DONE]\n\nand nothing else."
    all_do(scripted, answering(*said.partition(": ")))
    with scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI, stream=True) as stream:
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == said
    answer = scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert answer.choices[0].message.content == said


def test_odd_framing_of_events_is_understood(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    """Comments, CRLF, no blank after the colon, an event in pieces, and data that is null."""

    def script(_: Request, wire: Wire) -> None:
        import json

        wire.begin_stream()
        first = json.dumps(chunk({"role": "assistant", "content": "He"}))
        second = json.dumps(chunk({"content": "llo"}))
        raw = f": ping\r\n\r\ndata: null\r\n\r\ndata:{first}\r\n\r\nid: 7\nevent: message\ndata: {second}\n\n"
        for byte in raw.encode():
            wire.send(b"1\r\n%c\r\n" % byte)
        wire.event(chunk({}, "stop", usage=usage(output=2)))
        wire.event("[DONE]")
        wire.end_stream()

    all_do(scripted, script)
    with scripted_client.chat.completions.create(
        model=MODEL, messages=SAY_HI, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello"
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 2


def test_a_connection_that_the_engine_gave_up_is_not_used_again(
    scripted: Engines, scripted_client: openai.OpenAI
) -> None:
    """The engine closes after each reply, without having said so."""

    def script(request: Request, wire: Wire) -> None:
        answering("Hello")(request, wire)
        wire.connection.shutdown(2)

    all_do(scripted, script)
    for _ in range(10):
        raw = scripted_client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI)
        assert raw.parse().choices[0].message.content == "Hello"
        assert raw.headers["hanse-attempts"] == "1"


def test_connections_to_an_engine_are_used_again(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    for _ in range(20):
        scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    requests = sum(len(engine.requests) for engine in scripted.values())
    # Probes have connections too, hence not exactly one.
    assert requests == 20
    assert sum(engine.connections for engine in scripted.values()) < 20


def test_nothing_of_the_client_but_its_question_leaves_for_an_engine(
    scripted: Engines, scripted_client: openai.OpenAI
) -> None:
    scripted_client.chat.completions.create(
        model=MODEL,
        messages=SAY_HI,
        user="somebody",
        extra_headers={
            "Cookie": "session=1",
            "Hanse-Class": "interactive",
            "X-Forwarded-For": "10.0.0.1",
            "Connection": "keep-alive, X-Drop-Me",
            "X-Drop-Me": "1",
            "Proxy-Authorization": "Basic YTpi",
        },
        extra_body={"vendor_field": {"kept": [1, 2.50, "x"]}},
    )
    (name,) = asked(scripted)
    (request,) = scripted[name].requests
    assert not request.names() & {"authorization", "cookie", "x-drop-me", "proxy-authorization"}
    assert not {n for n in request.names() if n.startswith(("hanse-", "x-stainless", "x-forwarded"))}
    assert [n for n, _ in request.headers].count("Host") == 1
    assert request.json()["vendor_field"] == {"kept": [1, 2.50, "x"]}
    assert b'{"kept": [1, 2.5, "x"]}' in request.body or b'{"kept":[1,2.5,"x"]}' in request.body
    assert request.json()["model"] == MODEL


def test_a_client_that_leaves_a_stream_stops_the_engine(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    gone = threading.Event()

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "x"}))
        until(wire.closed_by_peer, "the gateway leaves the engine")
        gone.set()

    all_do(scripted, script)
    with scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI, stream=True) as stream:
        next(iter(stream))
    assert gone.wait(5), "the engine went on for nobody"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_before_the_first_token_stops_the_engine(
    scripted: Engines, scripted_grid: Gateway, streamed: bool
) -> None:
    begun, gone = threading.Event(), threading.Event()

    def script(_: Request, wire: Wire) -> None:
        begun.set()
        until(wire.closed_by_peer, "the gateway leaves the engine")
        gone.set()

    all_do(scripted, script)
    with scripted_grid.connect() as connection:
        body = b'{"model":"smollm2","messages":[],"stream":%s}' % (b"true" if streamed else b"false")
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ACME}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        assert begun.wait(5)
    assert gone.wait(5), "the engine went on for nobody"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_real_engine_is_free_again_when_its_client_times_out(
    grid: Gateway, engines: dict[str, Engine], streamed: bool
) -> None:
    """Left alone, the engine writes on for nobody when a whole answer was asked for."""
    predicted = {name: engine.counter("tokens_predicted_total") for name, engine in engines.items()}
    with openai.OpenAI(base_url=grid.url, api_key=ACME, max_retries=0, timeout=1.0) as client:
        with pytest.raises(openai.APITimeoutError):
            if streamed:
                with client.chat.completions.create(
                    model=MODEL, messages=STORY, stream=True, timeout=0.003, **endless(900)
                ) as stream:
                    list(stream)
            else:
                client.chat.completions.create(model=MODEL, messages=STORY, **endless(900))
    until(lambda: all(engine.idle() for engine in engines.values()), "the engines are idle", 5)
    written = sum(e.counter("tokens_predicted_total") - predicted[n] for n, e in engines.items())
    assert written < 900, "the engine wrote the whole answer"


def test_a_whole_answer_is_asked_for_as_a_stream_so_that_leaving_stops_it(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    begun, gone = threading.Event(), threading.Event()

    def script(request: Request, wire: Wire) -> None:
        assert request.json()["stream"] is True
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "x"}))
        begun.set()
        until(wire.closed_by_peer, "the gateway leaves the engine")
        gone.set()

    all_do(scripted, script)
    with openai.OpenAI(base_url=scripted_grid.url, api_key=ACME, max_retries=0, timeout=0.5) as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert begun.wait(5) and gone.wait(5), "the engine went on for nobody"


def test_a_cancelled_stream_frees_the_real_engine(client: openai.OpenAI, engines: dict[str, Engine]) -> None:
    with client.chat.completions.create(model=MODEL, messages=STORY, stream=True, **endless(900)) as stream:
        next(iter(stream))
        stream.close()
    until(lambda: all(engine.idle() for engine in engines.values()), "the engines are idle", 5)


def test_the_clients_own_retries_help_when_a_site_comes_back(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    """All sites fail at first; the official client tries again by itself, and is answered."""
    left = threading.Semaphore(len(scripted))

    def script(request: Request, wire: Wire) -> None:
        if left.acquire(blocking=False):
            status(503)(request, wire)
        else:
            answering("Hello again")(request, wire)

    all_do(scripted, script)
    with openai.OpenAI(base_url=scripted_grid.url, api_key=ACME, max_retries=8) as client:
        answer = client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert answer.choices[0].message.content == "Hello again"


def test_a_request_that_breaks_engines_does_not_close_the_sites_to_others(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    """An engine's 500 may be the request's own doing; one such request must not open every circuit."""

    def script(request: Request, wire: Wire) -> None:
        if "poison" in request.body.decode():
            wire.reply(500, b'{"error":{"message":"no","type":"server_error","code":500}}')
        else:
            answering("fine")(request, wire)

    all_do(scripted, script)
    poison = [{"role": "user", "content": "poison"}]
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            scripted_client.chat.completions.create(model=MODEL, messages=poison)  # type: ignore[arg-type]
        assert scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI).choices


@pytest.mark.parametrize(
    "message",
    [
        "response_format type must be one of text or json_object, but got: invalid_model",
        "Invalid tool_choice: model not found",
    ],
)
def test_an_error_that_quotes_the_client_is_not_held_against_the_site(
    scripted: Engines, scripted_client: openai.OpenAI, message: str
) -> None:
    def script(_: Request, wire: Wire) -> None:
        body = {"error": {"message": message, "type": "invalid_request_error", "code": 400}}
        wire.reply(400, json.dumps(body).encode())

    all_do(scripted, script)
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert asked(scripted) == ["ashburn"]


@pytest.mark.parametrize(
    "fields",
    [{"tools": "x"}, {"tools": [{}]}, {"reasoning_format": "x"}, {"messages": [{"content": "x"}]}],
    ids=str,
)
def test_what_the_real_engine_cannot_read_is_the_clients_fault(client: openai.OpenAI, fields: dict) -> None:
    """llama.cpp calls it a 500."""
    body = {"model": MODEL, "messages": SAY_HI, **fields}
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", body=body, cast_to=object)
    assert client.chat.completions.create(model=MODEL, messages=SAY_HI, max_tokens=2).choices


def test_a_silent_engine_that_answers_whole_leaves_time_for_another(
    scripted: Engines, tmp_path: pathlib.Path
) -> None:
    """An engine of the general kind is asked for a whole reply, whose first byte is its last."""
    urls = {name: engine.url for name, engine in scripted.items()}

    def change(text: str) -> str:
        assert text.count('kind = "llama.cpp"') == 4 and text.count('time_limit = "60s"') == 1
        return text.replace('kind = "llama.cpp"', 'kind = "openai"').replace('"60s"', '"12s"')

    def whole(_: Request, wire: Wire) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "here"}}
        wire.reply(200, json.dumps({"id": "x", "choices": [choice], "usage": usage()}).encode())

    release = threading.Event()
    scripted["ashburn"].script = lambda _, wire: release.wait(30) and None
    for name in ("frankfurt", "hamburg", "lyon"):
        scripted[name].script = whole
    gateway = Gateway(render_config(tmp_path, urls, change))
    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=30) as client:
            reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI)
            assert reply.headers["hanse-attempts"] == "2"
            assert reply.parse().choices[0].message.content == "here"
    finally:
        release.set()
        gateway.stop()


def test_a_whole_answer_of_ten_megabytes_arrives_whole(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    piece = "x" * 50_000

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        for _ in range(200):
            wire.event(chunk({"content": piece}))
        wire.event(chunk({}, "stop"))
        wire.event(chunk(usage=usage(output=200)))
        wire.event("[DONE]")
        wire.end_stream()

    all_do(scripted, script)
    reply = scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert len(reply.choices[0].message.content or "") == 200 * len(piece)


def test_a_whole_answer_without_end_is_given_up(scripted: Engines, scripted_client: openai.OpenAI) -> None:
    gone = threading.Event()

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        try:
            while True:
                wire.event(chunk({"content": "x" * 100_000}))
        except OSError:
            gone.set()

    all_do(scripted, script)
    with pytest.raises(openai.InternalServerError) as caught:
        scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert caught.value.status_code == 502
    assert gone.wait(20), "an engine still writes for nobody"



def test_the_files_say_how_often_is_tried_and_when_a_site_is_left_out(
    scripted: Engines, tmp_path: pathlib.Path
) -> None:
    more = """
[limits]
attempts_max = 1
requests_max = 1
[health]
soft_failures_to_open = 1
pause_first = "1h"
pause_max = "1h"
probe_interval = "1h"
"""
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text + more))
    left = threading.Event()

    def waits(_: Request, wire: Wire) -> None:
        left.wait(20)
        status(500)(_, wire)

    try:
        client = openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=30)
        all_do(scripted, waits)
        replies: list[openai.APIStatusError] = []

        def ask() -> None:
            with pytest.raises(openai.APIStatusError) as failed:
                client.chat.completions.create(model=MODEL, messages=SAY_HI)
            replies.append(failed.value)

        first = threading.Thread(target=ask)
        first.start()
        until(lambda: asked(scripted), "a site has been asked")
        ask()
        assert replies[0].status_code == 503 and "as many open requests as it may" in replies[0].message
        left.set()
        first.join()
        assert replies[1].response.headers["hanse-attempts"] == "1"
        for _ in range(2 * len(scripted)):
            ask()
        assert len(asked(scripted)) > 1
        assert all(len(engine.requests) <= 1 for engine in scripted.values()), "it was left out"
    finally:
        left.set()
        gateway.stop()
