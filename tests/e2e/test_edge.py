"""Bytes on the wire: what is odd is refused or understood, and never reaches an engine half understood."""

from __future__ import annotations

import json
import pathlib
import re
import select
import socket
import subprocess
import threading

import pytest
from harness import ACME, BINARY, Gateway, ScriptedEngine, Wire, answering, render_config, until

Engines = dict[str, ScriptedEngine]

BODY = b'{"model":"smollm2","messages":[{"role":"user","content":"Say hi."}]}'
STREAM = BODY[:-1] + b',"stream":true}'
KEY = f"Authorization: Bearer {ACME}".encode()
TYPE = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(BODY)


def post(*fields: bytes, body: bytes = BODY, version: bytes = b"HTTP/1.1") -> bytes:
    """A request with exactly these header fields."""
    return b"\r\n".join([b"POST /v1/chat/completions " + version, *fields, b"", body])


def good(body: bytes = BODY, *more: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """A request that is right."""
    return post(b"Host: x", KEY, TYPE, b"Content-Length: %d" % len(body), *more, body=body, version=version)


def read_all(connection: socket.socket) -> bytes:
    """Reads until the other side closes."""
    received = bytearray()
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return bytes(received)


def read_replies(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Reads replies that say their length."""
    reader = connection.makefile("rb")
    replies = []
    for _ in range(count):
        status = int(reader.readline().split()[1])
        length = 0
        while field := reader.readline().strip():
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        replies.append((status, reader.read(length)))
    return replies


def asked(engines: Engines) -> int:
    """How many requests reached an engine."""
    return sum(len(engine.requests) for engine in engines.values())


REFUSED = {
    "two lengths": post(b"Host: x", KEY, TYPE, LENGTH, b"Content-Length: 1"),
    "length and chunks": post(b"Host: x", KEY, TYPE, LENGTH, b"Transfer-Encoding: chunked"),
    "length with a sign": post(b"Host: x", KEY, TYPE, b"Content-Length: +%d" % len(BODY)),
    "length list": post(b"Host: x", KEY, TYPE, b"Content-Length: 3, 3"),
    "unknown coding": post(b"Host: x", KEY, TYPE, b"Transfer-Encoding: gzip, chunked"),
    "chunked twice": post(b"Host: x", KEY, TYPE, b"Transfer-Encoding: chunked, chunked"),
    "no host": post(KEY, TYPE, LENGTH),
    "two hosts": post(b"Host: x", b"Host: y", KEY, TYPE, LENGTH),
    "host with a space": post(b"Host: x y", KEY, TYPE, LENGTH),
    "folded line": post(b"Host: x", KEY, TYPE, LENGTH, b"X-A: 1\r\n 2"),
    "space before the colon": post(b"Host: x", KEY, TYPE, b"Content-Length : %d" % len(BODY)),
    "zero byte": post(b"Host: x", KEY, TYPE, LENGTH, b"X-A: a\x00b"),
    "bare CR": post(b"Host: x", KEY, TYPE, LENGTH, b"X-A: a\rb"),
    "bare LF head": good().replace(b"\r\n", b"\n"),
    "empty name": post(b"Host: x", KEY, TYPE, LENGTH, b": x"),
    "version 2.0": good(version=b"HTTP/2.0"),
    "version 0.9": good(version=b"HTTP/0.9"),
    "version 1.2": good(version=b"HTTP/1.2"),
    "two spaces": good().replace(b"POST /", b"POST  /"),
    "no slash": good().replace(b"POST /v1", b"POST v1"),
    "chunk size junk": post(b"Host: x", KEY, TYPE, b"Transfer-Encoding: chunked", body=b"3x\r\nabc\r\n0\r\n\r\n"),
    "chunk size huge": post(
        b"Host: x", KEY, TYPE, b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n"
    ),
    "head too large": post(b"Host: x", KEY, TYPE, LENGTH, b"X-A: " + b"a" * 40_000),
    "too many fields": post(b"Host: x", KEY, TYPE, LENGTH, *[b"X-%d: a" % n for n in range(120)]),
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
}


@pytest.mark.parametrize("name", REFUSED)
def test_framing_that_could_be_read_in_two_ways_is_refused(
    scripted: Engines, scripted_grid: Gateway, name: str
) -> None:
    # What follows on the connection would be a second request to a careless reader.
    smuggled = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n\r\n"
    with scripted_grid.connect() as connection:
        connection.sendall(REFUSED[name] + smuggled)
        received = read_all(connection)
    # One refusal, and the connection is closed: reading it to its end ended.
    (status,) = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert 400 <= status < 600 and status != 401, received
    assert asked(scripted) == 0
    with scripted_grid.connect() as connection:
        connection.sendall(good())
        assert read_replies(connection, 1)[0][0] == 200


TOLD = {
    400: ("malformed_http", "invalid_request_error", "client", REFUSED["two lengths"]),
    413: ("body_too_large", "invalid_request_error", "client", post(b"Host: x", b"Content-Length: 17000000")),
    414: ("target_too_long", "invalid_request_error", "client", b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n"),
    417: ("unsupported_expectation", "invalid_request_error", "client", good(BODY, b"Expect: something")),
    431: ("header_too_large", "invalid_request_error", "client", REFUSED["head too large"]),
    501: ("not_implemented", "server_error", "us", REFUSED["unknown coding"]),
    505: ("http_version_not_supported", "server_error", "us", REFUSED["version 2.0"]),
}


@pytest.mark.parametrize("status", TOLD)
def test_a_refusal_of_framing_is_told_in_the_words_of_all_errors(scripted_grid: Gateway, status: int) -> None:
    code, kind, fault, request = TOLD[status]
    with scripted_grid.connect() as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    error = json.loads(body)["error"]
    assert (error["code"], error["type"], error["hanse"]["fault"]) == (code, kind, fault)
    assert error["hanse"]["request_id"].startswith("rej_")
    assert b"\r\nx-request-id: " + error["hanse"]["request_id"].encode() in head
    assert b"\r\nx-should-retry: false" in head


def test_a_body_that_breaks_off_is_told_in_the_trace_of_its_head(scripted_grid: Gateway) -> None:
    trace = b"0af7651916cd43dd8448eb211c80319c"
    request = good(BODY, b"traceparent: 00-" + trace + b"-b7ad6b7169203331-01")[:-1]
    with scripted_grid.connect() as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 400 ") and b'"malformed_http"' in received
    assert b"\r\ntraceparent: 00-" + trace + b"-" in received


def test_requests_on_one_connection_are_answered_in_order(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    with scripted_grid.connect() as connection:
        connection.sendall(good() + b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n\r\n" + good())
        (first, one), (second, two), (third, _) = read_replies(connection, 3)
    assert (first, second, third) == (200, 200, 200)
    assert json.loads(one)["object"] == "chat.completion"
    assert json.loads(two)["object"] == "list"


def test_a_client_that_waits_for_leave_to_send_gets_it(scripted: Engines, scripted_grid: Gateway) -> None:
    with scripted_grid.connect() as connection:
        connection.sendall(good(BODY, b"Expect: 100-continue")[: -len(BODY)])
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert read_replies(connection, 1)[0][0] == 200


def test_a_client_without_a_key_gets_no_leave_to_send(scripted: Engines, scripted_grid: Gateway) -> None:
    with scripted_grid.connect() as connection:
        connection.sendall(post(b"Host: x", TYPE, LENGTH, b"Expect: 100-continue", body=b""))
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_a_body_in_chunks_is_taken_and_framed_anew(scripted: Engines, scripted_grid: Gateway) -> None:
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in BODY) + b"0\r\nX-Trailer: 1\r\n\r\n"
    with scripted_grid.connect() as connection:
        connection.sendall(
            post(b"Host: x", KEY, TYPE, b"Transfer-Encoding: chunked", b"Connection: close", body=chunks)
        )
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    (request,) = [request for engine in scripted.values() for request in engine.requests]
    assert request.json()["messages"] == json.loads(BODY)["messages"]
    assert "x-trailer" not in request.names()


def test_an_old_client_gets_a_stream_without_chunks(scripted: Engines, scripted_grid: Gateway) -> None:
    with scripted_grid.connect() as connection:
        connection.sendall(good(STREAM, version=b"HTTP/1.0"))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"data: ") and body.endswith(b"data: [DONE]\n\n")


def test_names_that_imitate_framing_do_not_pass(scripted: Engines, scripted_grid: Gateway) -> None:
    with scripted_grid.connect() as connection:
        connection.sendall(good(BODY, b"Content_Length: 3", b"Transfer_Encoding: chunked", b"Connection: close"))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    (request,) = [request for engine in scripted.values() for request in engine.requests]
    assert not any("_" in name for name in request.names())


def test_a_slow_reader_stops_the_engine_and_not_the_gateway(
    scripted: Engines, scripted_grid: Gateway
) -> None:
    """An engine that writes 160 MB to a client that reads nothing must be held back."""
    sent = [0]
    ended = threading.Event()

    def script(_: object, wire: Wire) -> None:
        wire.begin_stream()
        data = json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 160_000}}]}).encode()
        event = b"%x\r\ndata: %s\n\n\r\n" % (len(data) + 8, data)
        for _ in range(1000):
            rest = memoryview(event)
            while rest:
                select.select([], [wire.connection], [])
                count = wire.connection.send(rest, socket.MSG_DONTWAIT)
                sent[0] += count
                rest = rest[count:]
        wire.event("[DONE]")
        wire.end_stream()
        ended.set()

    for engine in scripted.values():
        engine.script = script

    def ask_another() -> None:
        with scripted_grid.connect() as quick:
            quick.sendall(good(BODY, b"Connection: close"))
            assert b"quick" in read_all(quick)

    def held_back() -> bool:
        """Whether nothing more was taken for a second, in which the gateway answered others."""
        before = sent[0]
        for _ in range(10):
            ask_another()
            if ended.wait(0.1) or sent[0] != before:
                return ended.is_set()
        return True

    with scripted_grid.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        # A site that went far past its limit would be stopped.
        slow.sendall(good(STREAM[:-1] + b',"max_tokens":700}', b"Connection: close"))
        received = len(slow.recv(100))
        for engine in scripted.values():
            engine.script = answering("quick")
        until(held_back, "the engine is held back")
        # The kernels' buffers of both connections, at their largest, are 40 MB.
        assert not ended.is_set() and sent[0] < 80_000_000
        # And when the client reads on, it gets everything.
        last = b""
        while part := slow.recv(1 << 20):
            received += len(part)
            last = (last + part)[-100:]
        assert received > 160_000_000 and b"data: [DONE]\n\n" in last


def test_the_admin_listener_wants_its_token(scripted_grid: Gateway) -> None:
    from harness import get

    assert get(scripted_grid.admin, "/metrics")[0] == 401
    assert get(scripted_grid.admin, "/metrics", {"Authorization": f"Bearer {ACME}"})[0] == 401
    status, text = get(scripted_grid.admin, "/metrics", scripted_grid.admin_headers)
    assert status == 200 and b"# TYPE " in text


def test_a_token_is_one_line_whatever_stands_around_it(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """The gateway and its own client read the file alike; what no client can send is refused at the start."""
    from harness import get

    config = render_config(tmp_path, {name: engine.url for name, engine in scripted.items()})
    token = tmp_path / "admin.token"
    token.write_bytes(b" the-token-of-this-test \r\n")
    gateway = Gateway(config)
    try:
        assert get(gateway.admin, "/metrics", {"Authorization": "Bearer the-token-of-this-test"})[0] == 200
        asked = gateway.command("explain", "req_0000000000000000000000000000000000000000")
        assert "is a request of journal" in asked.stderr, asked.stderr
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data/books.sqlite").stat().st_mode & 0o777 == 0o600
    finally:
        gateway.stop()
    token.write_bytes(b"the-token\nanother\n")
    done = subprocess.run([BINARY, "serve", config], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and "may not stand in a header" in done.stdout + done.stderr


def test_a_gateway_says_which_one_it_is(scripted_grid: Gateway) -> None:
    from harness import get

    assert get(scripted_grid.admin, "/readyz", scripted_grid.admin_headers) == (200, b"four-sites: ready\n")
    metrics = get(scripted_grid.admin, "/metrics", scripted_grid.admin_headers)[1]
    assert b'hanse_build_info{gateway="four-sites",' in metrics
    assert 'serving gateway="four-sites"' in scripted_grid.log_tail()


def test_past_its_connections_a_new_client_is_told_at_once(scripted: Engines, tmp_path: pathlib.Path) -> None:
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text + "\n[http]\nconnections_max = 1\n"))

    def told() -> bytes:
        with gateway.connect() as connection:
            connection.settimeout(5)
            return read_all(connection)

    left = threading.Event()
    for engine in scripted.values():
        engine.script = lambda request, wire: (left.wait(20), answering("late")(request, wire))
    try:
        with gateway.connect() as first:
            first.sendall(good())
            until(lambda: asked(scripted), "the first client is being served")
            for _ in range(3):
                reply = told()
                assert reply.startswith(b"HTTP/1.1 503 ") and b'"code":"overloaded"' in reply
            left.set()
            assert read_replies(first, 1)[0][0] == 200
    finally:
        left.set()
        gateway.stop()


def test_the_public_listener_shows_nothing_of_the_admin_one(scripted_grid: Gateway) -> None:
    from harness import get

    for path in ("/metrics", "/records/1", "/health"):
        assert get(scripted_grid.origin, path, scripted_grid.admin_headers)[0] in (401, 404)
