"""The faults that scenario files name, each at the level of bytes.

A function here is a fault, its name is its name in the files, and its keyword
arguments are what the files may say about it. What breaks before a request
arrives is no script of an engine, and stands in addresses.py.
"""

from __future__ import annotations

import datetime
import email.utils
import inspect
import json
import socket
import time
from collections.abc import Callable
from typing import Any

from engine import Fault, Turn

FAULTS: dict[str, Callable[..., None]] = {}

# What an engine says of its own troubles, and a client must never read.
SECRET = "key sk-site-secret at 10.9.8.7"


def fault(function: Callable[..., None]) -> Callable[..., None]:
    """Puts a fault into the table."""
    FAULTS[function.__name__] = function
    return function


def make(name: str, parameters: dict[str, Any]) -> Fault:
    """The fault of that name, told what a file says about it."""
    if name not in FAULTS:
        raise ValueError(f"there is no fault called {name!r}")
    function = FAULTS[name]
    known = set(inspect.signature(function).parameters) - {"turn"}
    if unknown := set(parameters) - known:
        raise ValueError(f"the fault {name} knows nothing of {', '.join(sorted(unknown))}")
    return lambda turn: function(turn, **parameters)


def seconds(text: str) -> float:
    """ "250ms", "2s"."""
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


# --- No fault ------------------------------------------------------------------


@fault
def answers(turn: Turn, *, pace: str = "0s") -> None:
    """Answers well, in the form that it was asked for; with a pace, a token at a time."""
    if not turn.streamed:
        turn.reply(200, turn.answer.whole)
        return
    turn.begin()
    for event in turn.answer.progress:
        turn.wire.event(event)
        if pace != "0s" and turn.gone_within(seconds(pace)):
            return
    turn.finish()


@fault
def split_everywhere(turn: Turn) -> None:
    """Answers well, each byte a chunk and a packet of its own."""
    turn.wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    turn.begin_head()
    events = [*turn.answer.opening, *turn.answer.progress, *turn.answer.closing]
    raw = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n" for event in events) + "data: [DONE]\n\n"
    for byte in raw.encode():
        turn.wire.send(b"1\r\n%c\r\n" % byte)
    turn.wire.end_stream()


@fault
def json_where_stream(turn: Turn) -> None:
    """Answers well, but in one piece whatever was asked for."""
    turn.reply(200, turn.answer.whole)


@fault
def duplicate_ids(turn: Turn) -> None:
    """Numbers its events, and sends each twice, as a proxy does that resumes a stream."""
    turn.begin_head()
    events = [*turn.answer.opening, *turn.answer.progress, *turn.answer.closing]
    for number, event in enumerate(events):
        payload = f"id: {number}\ndata: {json.dumps(event)}\n\n".encode() * 2
        turn.wire.send(b"%x\r\n%s\r\n" % (len(payload), payload))
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def resent_ids(turn: Turn, *, tokens: int, again: int) -> None:
    """Numbers its events, and after so many tokens sends the last few again, as a proxy does that lost its place."""
    turn.begin_head()
    events = list(enumerate([*turn.answer.opening, *turn.answer.progress, *turn.answer.closing]))
    at = len(turn.answer.opening) + tokens
    for number, event in events[:at] + events[at - again : at] + events[at:]:
        _raw(turn, f"id: {number}\ndata: {json.dumps(event)}\n\n".encode())
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def one_id_for_all(turn: Turn) -> None:
    """Gives all its events one id, which then names nothing."""
    turn.begin_head()
    for event in [*turn.answer.opening, *turn.answer.progress, *turn.answer.closing]:
        _raw(turn, f"id: 0\ndata: {json.dumps(event)}\n\n".encode())
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def stream_where_json(turn: Turn) -> None:
    """Answers well, but as a stream whatever was asked for."""
    turn.begin()
    for event in turn.answer.progress:
        turn.wire.event(event)
    turn.finish()


@fault
def no_done(turn: Turn) -> None:
    """Ends properly, but without [DONE]."""
    turn.begin()
    for event in [*turn.answer.progress, *turn.answer.closing]:
        turn.wire.event(event)
    turn.wire.end_stream()


@fault
def no_finish(turn: Turn) -> None:
    """Says [DONE], but no finish reason."""
    turn.begin()
    for event in [*turn.answer.progress, *(e for e in turn.answer.closing if not e["choices"])]:
        turn.wire.event(event)
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def no_usage(turn: Turn) -> None:
    """Says nothing of what it used."""
    if not turn.streamed:
        turn.reply(200, {name: value for name, value in turn.answer.whole.items() if name != "usage"})
        return
    turn.begin()
    for event in [*turn.answer.progress, *(e for e in turn.answer.closing if e["choices"])]:
        turn.wire.event(event)
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def second_role(turn: Turn, *, tokens: int) -> None:
    """Says its role again after so many tokens, as if a new message began."""
    turn.begin()
    for event in turn.answer.progress[:tokens] + turn.answer.opening + turn.answer.progress[tokens:]:
        turn.wire.event(event)
    turn.finish()


@fault
def finish_contradicts(turn: Turn, *, finish: str) -> None:
    """Ends with a finish reason that its answer contradicts."""
    turn.begin()
    for event in turn.answer.progress:
        turn.wire.event(event)
    for event in turn.answer.closing:
        if event["choices"]:
            event["choices"][0]["finish_reason"] = finish
        turn.wire.event(event)
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def other_model(turn: Turn) -> None:
    """Answers well, and names another model than it was asked for."""
    if not turn.streamed:
        turn.reply(200, {**turn.answer.whole, "model": "somebody-elses"})
        return
    turn.begin()
    for event in [*turn.answer.progress, *turn.answer.closing]:
        turn.wire.event({**event, "model": "somebody-elses"})
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def talks_after_finish(turn: Turn) -> None:
    """Goes on talking when it has said that it is done."""
    turn.begin()
    closing = turn.answer.closing
    more = [{**turn.answer.progress[0], "id": "another"}]
    for event in turn.answer.progress + closing[:1] + more + closing[1:]:
        turn.wire.event(event)
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


# --- Before the first byte -------------------------------------------------------


@fault
def reset_after_request(turn: Turn) -> None:
    """Reads the request, and breaks the connection off."""
    turn.wire.reset()


@fault
def closed_after_request(turn: Turn) -> None:
    """Reads the request, and closes without a word."""
    turn.wire.connection.shutdown(2)


@fault
def dead_pooled_connection(turn: Turn) -> None:
    """Closes without a word a connection that has served before, and serves a fresh one."""
    if turn.asked.first_on_connection:
        answers(turn)
    else:
        turn.wire.connection.shutdown(2)


@fault
def silent(turn: Turn) -> None:
    """Says nothing."""
    turn.hold()


@fault
def trickled_headers(turn: Turn, *, every: str = "50ms") -> None:
    """Sends a head that has no end, a byte at a time."""
    turn.wire.send(b"HTTP/1.1 200 OK\r\nX-Patience: ")
    turn.repeat(lambda: turn.wire.send(b"x"), seconds(every))


@fault
def trickled_reply(turn: Turn, *, every: str = "50ms") -> None:
    """Sends a reply in one piece that has no end, a byte at a time."""
    turn.wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
    turn.repeat(lambda: turn.wire.send(b" "), seconds(every))


@fault
def headers_then_silence(turn: Turn) -> None:
    """Sends the head, and nothing more."""
    turn.begin_head()
    turn.hold()


@fault
def role_then_silence(turn: Turn) -> None:
    """Says who speaks, and nothing more."""
    turn.begin()
    turn.hold()


@fault
def http(turn: Turn, *, status: int, retry_after: str = "") -> None:
    """Fails with a status; `retry_after` is seconds, or "date" for the next full second."""
    headers = []
    if retry_after == "date":
        then = datetime.datetime.fromtimestamp(int(time.time()) + 1, datetime.UTC)
        headers = [f"Retry-After: {email.utils.format_datetime(then, usegmt=True)}"]
    elif retry_after:
        headers = [f"Retry-After: {retry_after}"]
    turn.reply(status, {"error": {"message": SECRET, "type": "some_error", "code": status}}, *headers)


def _named_status(name: str, status: int) -> None:
    def named(turn: Turn, *, retry_after: str = "") -> None:
        http(turn, status=status, retry_after=retry_after)

    named.__doc__ = f"Fails with {status}."
    FAULTS[name] = named


for _status in (500, 502, 503, 504, 529, 401, 403):
    _named_status(f"http_{_status}", _status)
_named_status("rate_limited", 429)


@fault
def http_404_model(turn: Turn) -> None:
    """Does not have the model."""
    error = {"message": "The model smollm2 does not exist", "type": "not_found_error", "code": "model_not_found"}
    turn.reply(404, {"error": error})


@fault
def context_exceeded(turn: Turn) -> None:
    """Finds the prompt too long, in llama.cpp's words."""
    message = "request (931 tokens) exceeds the available context size (768 tokens), try increasing it"
    turn.reply(400, {"error": {"code": 400, "message": message, "type": "exceed_context_size_error"}})


@fault
def content_filter(turn: Turn) -> None:
    """Does not like the prompt."""
    error = {"message": "refused by the content policy", "type": "invalid_request_error", "code": "content_filter"}
    turn.reply(400, {"error": error})


@fault
def error_body_200(turn: Turn) -> None:
    """Says 200, and that it failed."""
    turn.reply(200, {"error": {"message": SECRET, "type": "server_error", "code": 500}})


@fault
def html_200(turn: Turn) -> None:
    """Says 200, and shows somebody's log-in page."""
    _body(turn, b"<!DOCTYPE html><html><body>Please log in.</body></html>", "text/html; charset=utf-8")


@fault
def empty_body(turn: Turn) -> None:
    """Says 200, and nothing more."""
    _body(turn, b"", "application/json")


@fault
def empty_stream(turn: Turn) -> None:
    """Begins a stream, and ends it properly without an event."""
    turn.begin_head()
    turn.wire.end_stream()


@fault
def truncated_json(turn: Turn) -> None:
    """Sends half of a JSON reply as if it were all."""
    raw = json.dumps(turn.answer.whole).encode()
    _body(turn, raw[: len(raw) // 2], "application/json")


@fault
def wrong_length(turn: Turn) -> None:
    """Promises more bytes than it sends."""
    raw = json.dumps(turn.answer.whole).encode()
    turn.wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (len(raw) + 9))
    turn.wire.send(raw)
    turn.wire.connection.shutdown(2)


@fault
def wrong_content_type(turn: Turn) -> None:
    """Sends what is no text at all."""
    _body(turn, b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png")


@fault
def not_http(turn: Turn) -> None:
    """Is a mail server."""
    turn.wire.send(b"220 mail.example.org ESMTP\r\n")
    turn.wire.connection.shutdown(2)


@fault
def redirect(turn: Turn) -> None:
    """Sends the gateway elsewhere, which is not for an engine to say."""
    turn.reply(302, {}, "Location: http://127.0.0.1:1/")


@fault
def oversize(turn: Turn) -> None:
    """Sends a single event of two megabytes, or a reply of seventeen."""
    if turn.streamed:
        turn.begin_head()
        turn.wire.event("x" * (2 << 20))
        turn.wire.end_stream()
    else:
        _body(turn, b'{"choices": "' + b"x" * (17 << 20) + b'"}', "application/json")


@fault
def error_first_event(turn: Turn) -> None:
    """Begins a stream, and says as its first word that it failed."""
    turn.begin_head()
    turn.wire.event({"error": {"message": SECRET, "type": "server_error", "code": 500}})
    turn.wire.end_stream()


# --- No progress -----------------------------------------------------------------


@fault
def keepalive_comments_only(turn: Turn, *, tokens: int = 0, every: str = "50ms") -> None:
    """After so many tokens, sends comments for ever."""
    _begin_with(turn, tokens)
    turn.repeat(lambda: _raw(turn, b": still here\n\n"), seconds(every))


@fault
def empty_deltas_only(turn: Turn, *, tokens: int = 0, every: str = "50ms") -> None:
    """After so many tokens, sends events without a word for ever."""
    _begin_with(turn, tokens)
    empty = json.loads(json.dumps(turn.answer.opening[0]))
    empty["choices"][0]["delta"] = {"content": ""}
    turn.repeat(lambda: turn.wire.event(empty), seconds(every))


@fault
def trickle(turn: Turn, *, every: str, tokens: int = 0) -> None:
    """After so many tokens, sends one in a long while, and would for ever."""
    _begin_with(turn, tokens)
    left = iter(turn.answer.progress[tokens:] * 1000)
    turn.repeat(lambda: turn.wire.event(next(left)), seconds(every))


@fault
def stall_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and nothing more."""
    turn.say(tokens)
    turn.hold()


# --- In the middle ---------------------------------------------------------------


@fault
def cut_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and breaks the connection off with a reset."""
    turn.say(tokens)
    turn.wire.reset()


@fault
def cut_at_once_after(turn: Turn, *, tokens: int) -> None:
    """The same without waiting until the client has them."""
    _begin_with(turn, tokens)
    turn.wire.reset()


@fault
def close_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and closes before the body's end."""
    turn.say(tokens)
    turn.wire.connection.shutdown(2)


@fault
def close_unframed_after(turn: Turn, *, tokens: int) -> None:
    """The same of a body that only the close ends, so that the cut looks like the end."""
    turn.wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for event in turn.answer.opening + turn.answer.progress[:tokens]:
        turn.wire.send(f"data: {json.dumps(event)}\n\n".encode())
    turn.await_delivered(tokens)
    turn.wire.connection.shutdown(2)


@fault
def clean_end_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and ends the body as if all were said."""
    turn.say(tokens)
    turn.wire.end_stream()


@fault
def half_event_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and closes inside the next event, between the bytes of a letter."""
    turn.say(tokens)
    following = turn.answer.progress[tokens]
    raw = f"data: {json.dumps(following, ensure_ascii=False)}".encode()
    cut = next((at for at, byte in enumerate(raw) if byte >= 0x80), len(raw) // 2)
    _raw(turn, raw[: cut + 1])
    turn.wire.connection.shutdown(2)


@fault
def bad_chunk_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and breaks HTTP's framing."""
    turn.say(tokens)
    turn.wire.send(b"zz\r\n")
    turn.wire.connection.shutdown(2)


@fault
def malformed_event_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and then an event that is no JSON."""
    turn.say(tokens) if tokens else turn.begin_head()
    turn.wire.event('{"choices": [{"delta": {"content": ')
    turn.wire.end_stream()


@fault
def error_event_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and then that it failed."""
    turn.say(tokens)
    turn.wire.event({"error": {"message": SECRET, "type": "server_error", "code": 500}})
    turn.wire.end_stream()


@fault
def error_words_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and then that it failed, in words that are not OpenAI's; and `[DONE]`."""
    turn.say(tokens)
    turn.wire.event({"object": "error", "message": SECRET, "type": "InternalServerError", "code": 500})
    turn.wire.event("[DONE]")
    turn.wire.end_stream()


@fault
def silent_after_finish(turn: Turn) -> None:
    """Says all and a finish reason, and neither its usage nor that it is done."""
    _say_all(turn)
    turn.hold()


@fault
def no_prefill(turn: Turn) -> None:
    """Will not go on with an answer; gives whole ones."""
    if turn.asked.body["messages"][-1]["role"] != "assistant":
        answers(turn)
        return
    message = "Assistant response prefill is incompatible with enable_thinking."
    turn.reply(400, {"error": {"message": message, "type": "invalid_request_error", "code": 400}})


@fault
def cut_after_finish(turn: Turn) -> None:
    """Says all and a finish reason, and breaks the connection off."""
    _say_all(turn)
    turn.wire.reset()


@fault
def oversize_event_after(turn: Turn, *, tokens: int) -> None:
    """Says so many tokens, and then an event of two megabytes."""
    turn.say(tokens)
    turn.wire.event("x" * (2 << 20))
    turn.wire.end_stream()


def _begin_with(turn: Turn, tokens: int) -> None:
    if not tokens:
        turn.begin()
        return
    turn.begin()
    for event in turn.answer.progress[:tokens]:
        turn.wire.event(event)


def _say_all(turn: Turn) -> None:
    """The whole answer with its finish reasons, without usage."""
    turn.say(len(turn.answer.progress))
    for event in turn.answer.closing:
        if event["choices"]:
            turn.wire.event(event)


def _raw(turn: Turn, raw: bytes) -> None:
    turn.wire.send(b"%x\r\n%s\r\n" % (len(raw), raw))


def _body(turn: Turn, raw: bytes, content_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(raw)}\r\n\r\n"
    turn.wire.send(head.encode() + raw)
