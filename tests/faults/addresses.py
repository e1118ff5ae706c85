"""Faults that happen before a request arrives: addresses at which no engine can be reached.

A site is healthy when the gateway starts, and moves to such an address by a
reload, so that the gateway has no reason to leave it out before it asks.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable

import harness

# The first member makes the URL; what it opens is closed with the stack.
ADDRESSES: dict[str, Callable[[contextlib.ExitStack], str]] = {}


def address(function: Callable[[contextlib.ExitStack], str]) -> Callable[[contextlib.ExitStack], str]:
    """Puts an address into the table."""
    ADDRESSES[function.__name__] = function
    return function


@address
def refused(stack: contextlib.ExitStack) -> str:
    """Nobody listens there; the port stays taken, so that nobody else ever will."""
    taken = stack.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{taken.getsockname()[1]}"


@address
def unanswered(stack: contextlib.ExitStack) -> str:
    """The host drops what is sent to it, as one behind a firewall."""
    # A listener whose queue is full answers no further connection.
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@address
def unreachable(stack: contextlib.ExitStack) -> str:
    """There is no way to that network: a group of hosts takes no connections."""
    del stack
    return "http://224.0.0.1:8080"


@address
def name_not_resolved(stack: contextlib.ExitStack) -> str:
    """No such host; the domain is reserved for being none (RFC 6761)."""
    del stack
    return "http://no-such-site.invalid:8080"


@address
def reset_on_connect(stack: contextlib.ExitStack) -> str:
    """Takes every connection and breaks it off at once."""
    return _listen(stack, "http", lambda connection: harness.Wire(connection).reset())


@address
def tls_failure(stack: contextlib.ExitStack) -> str:
    """Speaks plain HTTP where TLS is spoken to it."""

    def babble(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    return _listen(stack, "https", babble)


@address
def tls_untrusted(stack: contextlib.ExitStack) -> str:
    """Shows a certificate that anybody could have made."""

    def shake_hands(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), _self_signed().wrap_socket(connection, server_side=True) as safe:
            safe.recv(4096)

    return _listen(stack, "https", shake_hands)


def _listen(stack: contextlib.ExitStack, scheme: str, meet: Callable[[socket.socket], None]) -> str:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    # Closing alone would leave accept() waiting.
    stack.callback(listener.shutdown, socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(harness.DEADLINE_SECONDS)
                with contextlib.suppress(OSError):
                    meet(connection)

    threading.Thread(target=accept, daemon=True).start()
    return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


@functools.lru_cache(maxsize=1)
def _self_signed() -> ssl.SSLContext:
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "certificate.pem")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=nobody"
        made = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command.split(), *made], check=True, capture_output=True, timeout=harness.DEADLINE_SECONDS)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context
