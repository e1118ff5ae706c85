#!/usr/bin/env python3
"""Records what llama.cpp's server really sends, as fixtures for codec tests.

Each file in `samples/` is one reply, byte by byte as it came over the socket,
chunk framing included, so that a test can feed it to the parser of replies
and to the engine's adapter alike. Run this after a change of the `xllamacpp`
version and read the difference: it is what the adapter has to cope with next.

    .venv/bin/python tests/e2e/record_samples.py
"""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = pathlib.Path(__file__).with_name("samples")


def chat(**fields: object) -> dict[str, object]:
    """A small chat request with the same answer every time."""
    return {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Say hi."}],
        "max_tokens": 3,
        "temperature": 0,
        **fields,
    }


def function(name: str, argument: str) -> dict[str, object]:
    """A tool with one argument."""
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}


def asked_before(number: int, city: str, weather: str) -> list[dict[str, object]]:
    """A past exchange in which the assistant used the tool."""
    call = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    ident = f"call_{number}"
    return [
        {"role": "user", "content": f"What is the weather in {city}?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": ident, "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": ident, "content": weather},
        {"role": "assistant", "content": f"It is {weather} in {city}."},
    ]


# So small a model calls a tool only after it has seen how, and with a push
# towards the five tokens of "<tool_call>".
TOOLS = {
    "messages": asked_before(1, "Rome", "24 C, sunny")
    + asked_before(2, "Oslo", "3 C, snow")
    + [{"role": "user", "content": "What is the weather in Paris?"}],
    "tools": [function("get_weather", "city"), function("get_time", "zone")],
    "logit_bias": {"44": 4, "19324": 4, "79": 4, "4350": 4, "46": 4},
    "max_tokens": 60,
}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
SEA = {"model": "smollm2", "prompt": "The sea", "max_tokens": 3, "temperature": 0}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
REQUESTS: dict[str, tuple[str, object]] = {
    "chat-stream-usage": (CHAT, chat(**USAGE)),
    # The same again: the prompt is in the cache now, and usage says so.
    "chat-stream-usage-cached": (CHAT, chat(**USAGE)),
    "chat-stream": (CHAT, chat(stream=True)),
    "chat-whole": (CHAT, chat()),
    # One usage chunk per choice, the first before the last choice has ended.
    "chat-stream-two-choices": (CHAT, chat(n=2, **USAGE)),
    # The usage of the whole answer counts the first choice only.
    "chat-whole-two-choices": (CHAT, chat(n=2)),
    "chat-stream-logprobs": (CHAT, chat(stream=True, logprobs=True, top_logprobs=1, max_tokens=2)),
    "chat-stream-progress": (CHAT, chat(stream=True, return_progress=True, cache_prompt=False)),
    "chat-stream-stop-word": (CHAT, chat(max_tokens=30, stop=["there"], **USAGE)),
    "chat-stream-tools": (CHAT, chat(**USAGE, **TOOLS)),
    "chat-whole-tools": (CHAT, chat(**TOOLS)),
    # A named tool is treated like "auto": the other tool is called.
    "chat-whole-tool-named": (
        CHAT,
        chat(**TOOLS, tool_choice={"type": "function", "function": {"name": "get_time"}}),
    ),
    "chat-whole-schema": (
        CHAT,
        chat(
            max_tokens=40,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        ),
    ),
    "chat-whole-zero-tokens": (CHAT, chat(max_tokens=0)),
    # Several tokens make one character, so the first chunk has no role.
    "chat-stream-without-role": (
        CHAT,
        chat(messages=[{"role": "user", "content": "Repeat: \U0001f642\U0001f642"}], max_tokens=12, **USAGE),
    ),
    "text-stream-usage": (TEXT, {**SEA, **USAGE}),
    "text-stream": (TEXT, {**SEA, "stream": True}),
    "text-whole": (TEXT, SEA),
    # May begin with an event whose data is `null`.
    "text-stream-two-prompts": (TEXT, {**SEA, "prompt": ["The sea", "A dog"], **USAGE}),
    "text-whole-two-prompts": (TEXT, {**SEA, "prompt": ["The sea", "A dog"]}),
    "models": ("/v1/models", None),
    "health": ("/health", None),
    "metrics": ("/metrics", None),
    "error-not-found": ("/nope", None),
    "error-bad-json": (CHAT, b'{"model":'),
    "error-no-messages": (CHAT, {"model": "smollm2"}),
    "error-field-range": (CHAT, chat(max_tokens=-5)),
    "error-too-many-choices": (CHAT, chat(n=9)),
    "error-tool-choice": (CHAT, chat(**TOOLS, tool_choice="sometimes")),
    "error-context": (CHAT, chat(messages=[{"role": "user", "content": "word " * 900}])),
    "error-image": (
        CHAT,
        chat(
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
                }
            ]
        ),
    ),
}


def exchange(host: str, port: int, path: str, body: object, headers: str = "") -> bytes:
    """Sends one request on a connection of its own and returns all that comes back."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    verb = "GET" if body is None else "POST"
    with socket.create_connection((host, port), timeout=60) as connection:
        head = f"{verb} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        reply = bytearray()
        while part := connection.recv(65536):
            reply += part
    return bytes(reply)


def start(*options: str) -> tuple[subprocess.Popen[str], str, int]:
    """Starts an engine on a free port and waits until it is ready."""
    engine = subprocess.Popen(
        [sys.executable, str(ROOT / "tools/grid/engine.py"), "--port", "0", "--slots", "2"]
        + ["--context", "768", "--verbosity", "1", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    address = engine.stdout.readline().rsplit("/", 1)[-1].strip()
    host, port = address.rsplit(":", 1)
    return engine, host, int(port)


def main() -> None:
    """Records every sample."""
    SAMPLES.mkdir(exist_ok=True)
    engine, host, port = start()
    for name, (path, body) in REQUESTS.items():
        reply = exchange(host, port, path, body)
        (SAMPLES / f"{name}.txt").write_bytes(reply)
        status = reply.split(b"\r\n", 1)[0].decode()
        print(f"{name:28} {len(reply):6} bytes  {status}")
    engine.terminate()
    engine.wait()

    engine, host, port = start("--api-key", "right")
    reply = exchange(host, port, CHAT, chat(), "Authorization: Bearer wrong\r\n")
    (SAMPLES / "error-api-key.txt").write_bytes(reply)
    engine.terminate()
    engine.wait()


if __name__ == "__main__":
    main()
