"""The processes that the tests start: engines, engines with a script, gateways."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("HANSE_BINARY", ROOT / "build/release/hanse"))
# What makes a gateway's machine an odd one; see odd_machine.cpp.
ODD_MACHINE = pathlib.Path(os.environ.get("HANSE_ODD_MACHINE", BINARY.parent / "tests/libodd_machine.so"))
CONFIG = ROOT / "config/four-sites.toml"

# The keys of config/four-sites.toml.
ACME = "hk-demo-acme-000000000000"
SMALLSHOP = "hk-demo-smallshop-0000000"

# Long enough for a machine that does other things too, short enough to notice.
DEADLINE_SECONDS = 30.0
CONTEXT_TOKENS = 1024


# Those that connections are given lie above: else the next connection of anybody
# could have a port before it is listened on.
_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))


def free_port() -> int:
    """A port that nobody listens on, and that no other call was given of late."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def until(holds: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> float:
    """Waits until `holds()` is true; returns how long that took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.01)
    return time.monotonic() - begun


def get(url: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()


# --- Engines with the real model ---------------------------------------------


class Engine:
    """llama.cpp's server with the real model; its port stays the same when it comes back."""

    def __init__(self, log: pathlib.Path) -> None:
        self._log = log
        self._port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it; `await_ready` says when it can answer."""
        command = [sys.executable, str(ROOT / "tools/grid/engine.py"), "--port", str(self._port)]
        command += ["--slots", "4", "--context", str(CONTEXT_TOKENS), "--parent", str(os.getpid())]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def await_ready(self) -> None:
        """Waits until it can answer."""

        def ready() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            with contextlib.suppress(OSError):
                return get(self.url, "/health")[0] == 200
            return False

        until(ready, f"the engine at {self.url} is ready")

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it without warning."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()

    def counter(self, name: str) -> int:
        """One of its own counters."""
        text = get(self.url, "/metrics")[1].decode()
        found = re.search(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE)
        assert found, f"no {name} in the engine's metrics"
        return int(float(found.group(1)))

    def idle(self) -> bool:
        """Whether it works on nothing and has nothing waiting."""
        return self.counter("requests_processing") == 0 and self.counter("requests_deferred") == 0


# --- Engines with a script ---------------------------------------------------


@dataclasses.dataclass
class Request:
    """What arrived at a scripted engine."""

    method: str
    path: str
    headers: list[tuple[str, str]]  # As they came: order, case of the values, repetitions.
    body: bytes

    def json(self) -> dict:
        """The body, read."""
        return json.loads(self.body)

    def names(self) -> set[str]:
        """The names of the headers, in lower case."""
        return {name.lower() for name, _ in self.headers}


class Wire:
    """The engine's end of one connection, for a script to write on."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.connection.sendall(data)

    def reply(self, status: int, body: bytes, headers: Iterable[str] = ()) -> None:
        """Sends a whole JSON reply."""
        head = [f"HTTP/1.1 {status} Scripted", "Content-Type: application/json", *headers]
        self.send("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)

    def begin_stream(self) -> None:
        """Sends the head of an event stream."""
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, data: object) -> None:
        """Sends one event as one chunk; a string goes out as it is."""
        text = data if isinstance(data, str) else json.dumps(data)
        payload = f"data: {text}\n\n".encode()
        self.send(b"%x\r\n%s\r\n" % (len(payload), payload))

    def end_stream(self) -> None:
        """Ends the stream as it should end."""
        self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Breaks the connection off, with a reset."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # Whoever reads from it holds it open past a close() of its own.
        os.close(self.connection.detach())

    def closed_by_peer(self) -> bool:
        """Whether the other side has gone away; never waits."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):
                self.connection.setblocking(True)


Script = Callable[[Request, Wire], None]


def chunk(delta: dict | None = None, finish: str | None = None, **fields: object) -> dict:
    """One chunk of a chat stream, as llama.cpp words it."""
    choices = [] if delta is None else [{"finish_reason": finish, "index": 0, "delta": delta}]
    return {
        "choices": choices,
        "created": 1,
        "id": "chatcmpl-scripted",
        "model": "smollm2",
        "object": "chat.completion.chunk",
        **fields,
    }


def usage(prompt: int = 10, output: int = 3, cached: int = 0) -> dict:
    """The usage of a reply."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def answering(*pieces: str) -> Script:
    """A script that answers properly with these pieces of text."""

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": None}))
        for piece in pieces:
            wire.event(chunk({"content": piece}))
        wire.event(chunk({}, "stop"))
        wire.event(chunk(usage=usage(output=len(pieces))))
        wire.event("[DONE]")
        wire.end_stream()

    return script


class ScriptedEngine:
    """An engine that does what a test says, and remembers what it was asked."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self.script: Script = answering("Hello", " from ", name)
        self.requests: list[Request] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self._stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        """Takes no more connections."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            reader = connection.makefile("rb")
            while request := _read_request(reader):
                if request.method == "GET":
                    self._answer_probe(request, wire)
                    continue
                self.requests.append(request)
                self.script(request, wire)

    def _answer_probe(self, request: Request, wire: Wire) -> None:
        if request.path.endswith("/models"):
            wire.reply(200, b'{"object":"list","data":[{"id":"smollm2","object":"model"}]}')
        else:
            wire.reply(200, b'{"status":"ok"}')


def _read_request(reader) -> Request | None:  # type: ignore[no-untyped-def]
    line = reader.readline().decode("latin-1").strip()
    if not line:
        return None
    method, path, _ = line.split(" ", 2)
    headers = []
    while field := reader.readline().decode("latin-1").strip():
        name, _, value = field.partition(":")
        headers.append((name, value.strip()))
    lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
    if any(name.lower() == "transfer-encoding" for name, _ in headers):
        body = b""
        while size := int(reader.readline().strip(), 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(lengths[0]) if lengths else b""
    return Request(method, path, headers, body)


# --- Gateways ----------------------------------------------------------------


def render_config(
    folder: pathlib.Path, urls: dict[str, str], change: Callable[[str], str] = lambda text: text
) -> pathlib.Path:
    """Writes config/four-sites.toml with free ports and other engines.

    The text is edited, not written anew, so that the tests run what people read.
    """
    text = CONFIG.read_text()
    for name in ("listen", "admin"):
        text, count = re.subn(rf'^{name} = "[^"]*"', f'{name} = "127.0.0.1:{free_port()}"', text, flags=re.M)
        assert count == 1, name
    for site, url in urls.items():
        pattern = rf'(^\[site\.{site}\]$.*?url = ")[^"]*"'
        text, count = re.subn(pattern, rf'\g<1>{url}"', text, flags=re.M | re.S)
        assert count == 1, site
    text = text.replace("../build/grid/", f"{folder}/")
    text = re.sub(r"^context_tokens = .*$", f"context_tokens = {CONTEXT_TOKENS}", text, flags=re.M)
    token = folder / "admin.token"
    token.touch(0o600)
    token.write_text("admin-token-of-the-tests-0123456789abcdef\n")
    config = folder / "gateway.toml"
    config.write_text(change(text))
    return config


class Gateway:
    """`hanse serve` with a configuration."""

    def __init__(
        self, config: pathlib.Path, *options: str, odd: dict[str, int | str] | None = None, before: tuple[str, ...] = ()
    ) -> None:
        import layout

        self.config = config
        self._before = before  # A program that starts it, with its arguments.
        self.odd = odd or {}  # The oddities of its machine at the next start.
        self._options = options
        self.plan = layout.read(config)
        self._log = config.with_suffix(".log")
        self.start()

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return self.plan.url

    @property
    def origin(self) -> str:
        """The same without a path."""
        return f"http://{self.plan.host}:{self.plan.port}"

    @property
    def admin(self) -> str:
        """Where the admin listener is."""
        return f"http://{self.plan.admin}"

    @property
    def admin_headers(self) -> dict[str, str]:
        """What the admin listener wants to see."""
        assert self.plan.token_file
        return {"Authorization": f"Bearer {self.plan.token_file.read_text().strip()}"}

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        return self._process

    def start(self) -> None:
        """Starts it and waits until it answers."""
        import processes

        command = [*self._before, str(BINARY), "serve", str(self.config), *self._options]
        if self.odd:
            oddities = [f"{name}={value}" for name, value in self.odd.items()]
            command = ["env", f"LD_PRELOAD={ODD_MACHINE}", *oddities, *command]
        self._process = processes.start(command, self._log, ROOT, signal.SIGKILL)

        def ready() -> bool:
            assert self._process.poll() is None, f"the gateway ended:\n{self.log_tail()}"
            with contextlib.suppress(OSError):
                return get(self.origin, "/v1/models")[0] > 0
            return False

        until(ready, "the gateway answers")

    def stop(self) -> None:
        """Asks it to end, and holds it to ending well: a sanitizer's report is an exit status."""
        self._process.terminate()
        try:
            status = self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the gateway did not end:\n{self.log_tail()}") from None
        assert status in (0, -signal.SIGKILL), f"the gateway ended with {status}:\n{self.log_tail()}"

    def kill(self) -> None:
        """Ends it without warning. It must not have ended by itself."""
        assert self._process.poll() is None, f"the gateway had ended:\n{self.log_tail()}"
        self._process.kill()
        self._process.wait()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line on the same configuration."""
        command = [str(BINARY), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)

    def connect(self) -> socket.socket:
        """A raw connection."""
        return socket.create_connection((self.plan.host, self.plan.port), timeout=DEADLINE_SECONDS)

    def log_tail(self) -> str:
        """The last lines that it logged."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-50:])

    def written(self) -> Iterable[tuple[pathlib.Path, bytes]]:
        """All files that it wrote: journal, books, logs."""
        for path in self.config.parent.rglob("*"):
            if path.is_file() and path not in (self.config, self.plan.token_file):
                yield path, path.read_bytes()
