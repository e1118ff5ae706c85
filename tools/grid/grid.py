"""The processes of one grid: an engine per site, and the gateway.

Whoever holds a `Grid` is their parent. The kernel is asked to end them when
the parent ends, however it ends. What others need to know of them stands in a
state file beside the logs.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import layout
import processes

READY_SECONDS_MAX = 120.0
DRAIN_SECONDS_MAX = 20.0
GATEWAY = "gateway"


class GridError(Exception):
    """Something that the reader can act on; the message says what and how."""


@dataclasses.dataclass
class Member:
    """One process of the grid."""

    name: str
    process: subprocess.Popen[bytes]
    identity: processes.Identity
    began: float = dataclasses.field(default_factory=time.monotonic)
    ready_seconds: float | None = None


class Grid:
    """Starts, watches and stops the processes. Used by one thread."""

    def __init__(self, plan: layout.Layout, state: pathlib.Path, binary: pathlib.Path) -> None:
        self._plan = plan
        self._state = state
        self._binary = binary
        self._members: dict[str, Member] = {}
        self._round = 0
        self.on_ready: Callable[[str, float], None] = lambda name, seconds: None

    @property
    def plan(self) -> layout.Layout:
        """What runs where."""
        return self._plan

    @property
    def round(self) -> int:
        """How often the grid was started, whole or in part."""
        return self._round

    @property
    def binary(self) -> pathlib.Path:
        """The gateway's program, which is also the command line of the product."""
        return self._binary

    def start(self) -> None:
        """Starts what is not running and waits until all of it answers.

        Fails: GridError, with what was started still running; the caller stops.
        """
        self._round += 1
        self._write("starting")
        try:
            missing = [site for site in self._plan.sites if not self._running(site.name)]
            for site in missing:
                self._start_engine(site)
            self._await([(site.name, site.host, site.port, "/health", 200) for site in missing])
            if not self._running(GATEWAY):
                self._start_gateway()
                # Any answer will do: without a key it is a refusal.
                self._await([(GATEWAY, self._plan.host, self._plan.port, "/v1/models", None)])
        except GridError as error:
            self._write("failed", str(error))
            raise
        self._write("up")

    def stop(self) -> None:
        """Ends every process: the gateway first, so that it can finish its streams."""
        order = sorted(self._members.values(), key=lambda member: member.name != GATEWAY)
        for member in order:
            member.process.terminate()
            if member.name == GATEWAY:
                _end(member, DRAIN_SECONDS_MAX)
        for member in order:
            _end(member, 5.0)
        self._members.clear()
        state_file(self._state).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """Ends one process without warning, as a power cut would."""
        self._members[name].process.kill()
        self._members[name].process.wait()

    def log(self, name: str) -> pathlib.Path:
        """Where a process writes what it has to say."""
        return self._state / "logs" / f"{name}.log"

    def deaths(self) -> Iterator[str]:
        """Names the processes that ended since the last call."""
        for name, member in list(self._members.items()):
            if member.process.poll() is not None:
                del self._members[name]
                yield f"{name}: {_how(member.process.returncode)}"

    def _running(self, name: str) -> bool:
        return name in self._members and self._members[name].process.poll() is None

    def _start_engine(self, site: layout.Site) -> None:
        # Engines share the machine, so each gets its part of the cores.
        threads = max(1, (os.cpu_count() or 1) // len(self._plan.sites))
        command = [sys.executable, str(layout.ROOT / "tools/grid/engine.py")]
        command += ["--host", site.host, "--port", str(site.port), "--alias", site.model]
        command += ["--slots", str(site.slots), "--context", str(site.context_tokens)]
        command += ["--threads", str(threads), "--parent", str(os.getpid())]
        self._start(site.name, command, signal.SIGKILL)

    def _start_gateway(self) -> None:
        if not self._binary.is_file():
            raise GridError(f"The gateway is not built: {self._binary} is missing. Run: make build")
        _make_token(self._plan.token_file)
        self._start(GATEWAY, [str(self._binary), "serve", str(self._plan.config)], signal.SIGTERM)

    def _start(self, name: str, command: list[str], on_parent_death: signal.Signals) -> None:
        log = self.log(name)
        log.unlink(missing_ok=True)
        process = processes.start(command, log, layout.ROOT, on_parent_death)
        identity = processes.Identity.of(process.pid) or processes.Identity(process.pid, 0)
        self._members[name] = Member(name, process, identity)
        self._write("starting")

    def _await(self, waits: list[tuple[str, str, int, str, int | None]]) -> None:
        """Waits until each of (name, host, port, path, status) answers."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while waits:
            for wait in list(waits):
                name, host, port, path, status = wait
                member = self._members[name]
                if member.process.poll() is not None:
                    raise GridError(
                        f"{name} ended while starting ({_how(member.process.returncode)}). "
                        f"The end of {self.log(name)}:\n{tail(self.log(name))}"
                    )
                if _answers(host, port, path, status):
                    member.ready_seconds = time.monotonic() - member.began
                    waits.remove(wait)
                    self._write("starting")
                    self.on_ready(name, member.ready_seconds)
            if waits and time.monotonic() > deadline:
                names = ", ".join(wait[0] for wait in waits)
                raise GridError(f"Not ready after {READY_SECONDS_MAX:.0f} s: {names}")
            time.sleep(0.02)

    def _write(self, phase: str, message: str = "") -> None:
        """Publishes the state, whole or not at all."""
        me = processes.Identity.of(os.getpid())
        content = {
            "supervisor": dataclasses.asdict(me) if me else None,
            "config": str(self._plan.config),
            "round": self._round,
            "phase": phase,
            "message": message,
            "members": {
                member.name: {
                    **dataclasses.asdict(member.identity),
                    "ready_seconds": member.ready_seconds,
                }
                for member in self._members.values()
            },
        }
        target = state_file(self._state)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1))
        draft.replace(target)


def state_file(state: pathlib.Path) -> pathlib.Path:
    """Where the state of a grid is published."""
    return state / "state.json"


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def tail(log: pathlib.Path) -> str:
    """The last lines of a log, indented."""
    lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
    return "\n".join("    " + line for line in lines) or "    (empty)"


def _make_token(path: pathlib.Path | None) -> None:
    """Makes the key of the admin listener, readable by its owner alone."""
    if path is None or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def _answers(host: str, port: int, path: str, status: int | None) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse().status
        return status is None or answer == status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(member: Member, seconds: float) -> None:
    try:
        member.process.wait(seconds)
    except subprocess.TimeoutExpired:
        member.process.kill()
        member.process.wait()
