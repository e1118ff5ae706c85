"""What is wrong is said in OpenAI's words, so that its clients understand it."""

from __future__ import annotations

import http.client
import json
import pathlib

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import ACME, SMALLSHOP, Gateway, Request, ScriptedEngine, Wire, render_config

CHAT = "/v1/chat/completions"
GOOD = json.dumps({"model": MODEL, "messages": SAY_HI, "max_tokens": 1}).encode()
JSON = {"Content-Type": "application/json"}


def send(
    grid: Gateway,
    body: bytes = GOOD,
    path: str = CHAT,
    method: str = "POST",
    key: str | None = f"Bearer {ACME}",
    **headers: str,
) -> tuple[int, dict, http.client.HTTPMessage]:
    """Sends one request and reads the JSON that must come back."""
    connection = http.client.HTTPConnection(grid.plan.host, grid.plan.port, timeout=30)
    all_headers = {**JSON, **({"Authorization": key} if key else {}), **headers}
    connection.request(method, path, body, all_headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    assert reply.getheader("Content-Type", "").startswith("application/json"), text
    return reply.status, json.loads(text), reply.headers


def error_of(grid: Gateway, status: int, **request: object) -> dict:
    """Sends a request that must fail with this status; returns the error object."""
    got, body, headers = send(grid, **request)  # type: ignore[arg-type]
    assert got == status, body
    error = body["error"]
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str) and error["type"]
    assert error["code"] is None or isinstance(error["code"], str)
    assert "param" in error
    assert headers["x-request-id"] == error["hanse"]["request_id"]
    assert headers["traceparent"]
    return error


@pytest.mark.parametrize(
    "key", [None, "Bearer", "Bearer ", "Basic YTpi", "Bearer hk-demo-nobody-0000000000", f"Bearer {ACME}x"]
)
def test_without_a_known_key_there_is_nothing(grid: Gateway, key: str | None) -> None:
    error_of(grid, 401, key=key)


def test_the_client_sees_an_authentication_error(grid: Gateway) -> None:
    with openai.OpenAI(base_url=grid.url, api_key="hk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model=MODEL, messages=SAY_HI)


def test_an_unknown_model_is_answered_with_the_nearest_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="smolm2", messages=SAY_HI)
    assert caught.value.code == "model_not_found"
    assert f"'{MODEL}'" in str(caught.value) or f'"{MODEL}"' in str(caught.value) or MODEL in str(caught.value)


def test_bad_json_is_answered_with_the_place(grid: Gateway) -> None:
    error = error_of(grid, 400, body=b'{\n  "model": "smollm2",\n  "messages": oops\n}')
    assert "line 3" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"[1]",
        b'"text"',
        b"{",
        GOOD + b"x",
        GOOD.replace(b"Say hi.", b"\xff"),
        GOOD.replace(b"Say hi.", b"\xed\xa0\x80"),
        b'{"model":"smollm2","model":"smollm2","messages":[]}',
        b'{"model":"smollm2","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"model":"smollm2","messages":[],"stream":"yes"}',
        b'{"messages":[{"role":"user","content":"x"}]}',
    ],
    ids=["empty", "null", "array", "number", "string", "cut", "trailing", "bad-utf8", "surrogate"]
    + ["twice", "deep", "type", "no-model"],
)
def test_a_body_that_makes_no_sense_is_the_clients_fault(grid: Gateway, body: bytes) -> None:
    assert error_of(grid, 400, body=body)["type"] == "invalid_request_error"


def test_a_prompt_longer_than_the_context_says_so_in_openais_words(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "word " * 3000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
    assert caught.value.code == "context_length_exceeded"


def test_an_error_before_a_stream_is_no_stream(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "word " * 3000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=messages, stream=True)  # type: ignore[arg-type]
    assert caught.value.response.headers["content-type"].startswith("application/json")


def test_what_the_engine_refuses_is_told_with_a_word_for_a_code(client: openai.OpenAI) -> None:
    """The engine's codes are numbers, which clients that compare words never match."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=SAY_HI, n=50)
    assert caught.value.code is None or isinstance(caught.value.code, str)


def test_an_image_for_a_model_that_cannot_see_is_the_clients_fault(client: openai.OpenAI) -> None:
    """The engine answers 500; trying again, there or elsewhere, would not help."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item, misc]


def test_a_path_that_is_not_there(grid: Gateway) -> None:
    error_of(grid, 404, path="/v1/nothing")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_method_that_is_not_allowed_names_those_that_are(grid: Gateway, method: str) -> None:
    status, _, headers = send(grid, method=method, body=b"")
    assert status == 405
    assert "POST" in headers["Allow"]


def test_another_media_type_is_refused(grid: Gateway) -> None:
    error_of(grid, 415, **{"Content-Type": "text/xml"})


def test_a_body_over_the_limit_is_refused_before_it_is_read(grid: Gateway) -> None:
    with grid.connect() as connection:
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ACME}\r\n"
            "Content-Type: application/json\r\nContent-Length: 17000000\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("label", ["personal; subjects", "nonsense", "personal; subjects=Atlantis", ";;", "="])
def test_a_label_that_is_not_understood_is_an_error_and_not_ignored(grid: Gateway, label: str) -> None:
    assert error_of(grid, 400, **{"Hanse-Data": label})["param"].lower() == "hanse-data"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Hanse-Labels", "hanse-data"),
        ("Hanse.Data", "hanse-data"),
        ("HANSE_DATA", "hanse-data"),
        ("hanse-clas", "hanse-class"),
        ("HanseClass", "hanse-class"),
    ],
)
def test_a_header_that_is_nearly_ours_is_an_error_and_not_ignored(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway, name: str, meant: str
) -> None:
    error = error_of(scripted_grid, 400, **{name: "personal; subjects=EU"})
    assert error["param"] == meant and f"`{meant}`" in error["message"]
    assert not any(engine.requests for engine in scripted.values())


def test_a_label_that_is_announced_for_the_trailer_is_an_error(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway
) -> None:
    assert error_of(scripted_grid, 400, Trailer="Expires, Hanse-Data")["param"] == "trailer"
    assert send(scripted_grid, Trailer="Expires")[0] == 200


def test_a_sites_own_words_are_made_fit_for_the_client(
    scripted: dict[str, ScriptedEngine], tmp_path: pathlib.Path
) -> None:
    """Where a site is and what it calls the model is between the site and us."""

    def refuse(request: Request, wire: Wire) -> None:
        host = next(value for name, value in request.headers if name.lower() == "host")
        message = (
            f"temperature\x1b[31m must be below 2 for {request.json()['model']} at {host}, "
            f"see http://{host}/docs" + " more" * 200
        )
        error = {"message": message, "type": "invalid_request_error", "code": "bad value", "param": "temperature"}
        wire.reply(400, json.dumps({"error": error}).encode())

    for engine in scripted.values():
        engine.script = refuse
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(
        render_config(
            tmp_path, urls, lambda text: text.replace('upstream_model = "smollm2"', 'upstream_model = "Inner/M-7"')
        )
    )
    try:
        error = error_of(gateway, 400)
    finally:
        gateway.stop()
    assert error["message"].startswith(
        f"temperature [31m must be below 2 for {MODEL} at [site], see [link] more more"
    )
    assert len(error["message"]) == 500 and error["message"].endswith("\u2026")
    assert "127.0.0.1" not in json.dumps(error) and "M-7" not in json.dumps(error)
    assert error["code"] is None and error["param"] == "temperature"


def test_an_empty_budget_is_told_so_that_clients_do_not_try_again(grid: Gateway) -> None:
    with openai.OpenAI(base_url=grid.url, api_key=SMALLSHOP, max_retries=5) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model=MODEL, messages=SAY_HI)
    assert caught.value.code == "insufficient_quota"
    assert caught.value.response.headers["x-should-retry"] == "false"
    # The client counts its retries in a header of the request that failed.
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"


def test_errors_do_not_repeat_the_key_or_the_prompt(grid: Gateway) -> None:
    secret = "the-secret-of-the-test"
    body = json.dumps({"model": secret, "messages": [{"role": "user", "content": secret * 2}]}).encode()
    _, answer, _ = send(grid, body=body)
    assert secret * 2 not in json.dumps(answer)
    _, answer, _ = send(grid, key=f"Bearer {secret}")
    assert secret not in json.dumps(answer)


TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.mark.parametrize(
    "request_",
    [
        {"path": "/v1/models", "method": "GET", "body": b""},
        {"path": f"/v1/models/{MODEL}", "method": "GET", "body": b""},
        {"path": "/v1/models/smolm2", "method": "GET", "body": b""},
        {"path": "/v1/nothing"},
        {"key": None},
        {"body": b"{"},
        {"body": GOOD.replace(MODEL.encode(), b"smolm2")},
        {"Hanse-Data": "nonsense"},
        {"Hanse-Class": "warp"},
    ],
    ids=["models", "model", "no-such-model", "path", "key", "json", "model-asked", "label", "class"],
)
def test_a_reply_without_a_request_in_the_books_still_says_which_it_was(
    scripted_grid: Gateway, request_: dict
) -> None:
    _, body, headers = send(scripted_grid, **request_, **TRACED)
    assert headers["x-request-id"].startswith("rej_")
    assert headers["traceparent"].startswith(f"00-{TRACE}-") and headers["traceparent"] != TRACED["traceparent"]
    assert "hanse-attempts" not in headers and "hanse-site" not in headers
    if "error" in body:
        assert body["error"]["hanse"]["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    "request_",
    [{"Hanse-Data": "personal; subjects=EU; categories=health"}, {"key": f"Bearer {SMALLSHOP}"}],
    ids=["law", "budget"],
)
def test_a_refusal_by_law_or_budget_says_that_no_site_was_asked(scripted_grid: Gateway, request_: dict) -> None:
    status, body, headers = send(scripted_grid, **request_, **TRACED)
    assert status in (403, 429)
    assert not headers["x-request-id"].startswith("rej_")
    assert headers["traceparent"].startswith(f"00-{TRACE}-")
    assert headers["hanse-attempts"] == "0" and body["error"]["hanse"]["attempts"] == 0
    assert "hanse-site" not in headers


def test_an_error_after_attempts_says_how_many_and_where(
    scripted: dict[str, ScriptedEngine], scripted_grid: Gateway
) -> None:
    def fail(_: Request, wire: Wire) -> None:
        wire.reply(500, b'{"error":{"message":"no","type":"server_error","code":500}}')

    for engine in scripted.values():
        engine.script = fail
    status, body, headers = send(scripted_grid)
    assert status == 502
    tried = sum(len(engine.requests) for engine in scripted.values())
    assert headers["hanse-attempts"] == str(tried) == str(body["error"]["hanse"]["attempts"])
    assert headers["hanse-site"] == body["error"]["hanse"]["site"]
    assert scripted[headers["hanse-site"]].requests


def test_an_unknown_latency_class_is_answered_with_those_that_there_are(scripted_grid: Gateway) -> None:
    error = error_of(scripted_grid, 400, **{"Hanse-Class": "warp"})
    assert error["param"] == "hanse-class"
    assert "interactive" in error["message"] and "batch" in error["message"]


def test_a_rate_is_named_and_says_whether_coming_again_helps(
    scripted: dict[str, ScriptedEngine], tmp_path: pathlib.Path
) -> None:
    key = "[tenant.acme.project.web.key.laptop]"
    change = key + "\nlimits = { tokens_per_minute = 300, requests_per_minute = 1 }"
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text.replace(key, change)))
    try:
        long = GOOD.replace(b"Say hi.", b"word " * 200)
        status, body, headers = send(gateway, body=long)
        assert status == 429 and body["error"]["code"] == "exceeds_rate_limit"
        assert "key acme/web/laptop: 300 tokens a minute" in body["error"]["message"]
        assert headers["x-should-retry"] == "false" and "Retry-After" not in headers
        assert send(gateway)[0] == 200
        status, body, headers = send(gateway)
        assert status == 429 and body["error"]["code"] == "rate_limit_exceeded"
        assert "key acme/web/laptop: 1 requests a minute" in body["error"]["message"]
        assert headers["x-should-retry"] == "true" and 50 <= int(headers["Retry-After"]) <= 60
    finally:
        gateway.stop()
    assert sum(len(engine.requests) for engine in scripted.values()) == 1
