"""The demonstration grid, as verbs.

    python tools/grid up      start it and leave it running in the background
    python tools/grid down    stop it; leaves no process behind
    python tools/grid run     start it, walk through the product, stop it

A supervisor owns all processes: `run` is its own, `up` leaves one behind. What
it writes stands under build/grid/ unless told otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import layout
import processes
import walk
from console import paint, say, wrap
from grid import DRAIN_SECONDS_MAX, GATEWAY, Grid, GridError, state_file, tail


class Stopped(BaseException):
    """A signal asked us to end.

    No ordinary exception: libraries take every one of those for a part that
    cannot be imported or a connection that failed, and go on.
    """


# --- The verbs ---------------------------------------------------------------


def up(plan: layout.Layout, state: pathlib.Path, binary: pathlib.Path) -> int:
    """Starts the grid in the background, or what is missing of it."""
    with _only_one(state):
        running = _read_state(state)
        if running and (supervisor := _supervisor(running)):
            if running["config"] != str(plan.config):
                raise GridError(f"A grid of {running['config']} is up. Run: make down")
            members = {site.name for site in plan.sites} | {GATEWAY}
            missing = {name for name in members if not _alive(running, name)}
            if not missing:
                say(f"The grid is up already. Gateway: {plan.url}")
                return 0
            say(f"Up already, but for {', '.join(sorted(missing))}.")
            supervisor.send(signal.SIGHUP)
            _watch(plan, state, supervisor, running["round"], members - missing)
        else:
            _sweep(running)
            _check_before_start(plan, binary)
            state_file(state).unlink(missing_ok=True)
            say(_heading(plan))
            supervisor = _leave_supervisor(plan, state, binary)
            _watch(plan, state, supervisor, 0, set())
    say()
    say(how_to_use(plan))
    say()
    say("  " + paint("make down", "bold") + " stops it. Logs are in " + _short(state / "logs") + "/")
    return 0


def down(state: pathlib.Path) -> int:
    """Stops the grid, if there is one."""
    running = _read_state(state)
    supervisor = _supervisor(running) if running else None
    if supervisor:
        supervisor.send(signal.SIGTERM)
        if not supervisor.wait(DRAIN_SECONDS_MAX + 10):
            supervisor.send(signal.SIGKILL)
    _sweep(running)
    state_file(state).unlink(missing_ok=True)
    say("The grid is stopped." if supervisor else "The grid is not up.")
    return 0


def run(plan: layout.Layout, state: pathlib.Path, binary: pathlib.Path) -> int:
    """Starts the grid, walks through the product, and stops the grid."""
    with _only_one(state):
        running = _read_state(state)
        if running and _supervisor(running):
            raise GridError("The grid is up already, and the walk wants one of its own. Run: make down")
        _sweep(running)
        _check_before_start(plan, binary)
        grid = Grid(plan, state, binary)
        grid.on_ready = lambda name, seconds: say(_ready_line(plan, name, seconds))
        check = _raise_on_signals()
        status = 1
        try:
            say(_heading(plan))
            grid.start()
            check()
            status = walk.walk(grid, check)
        finally:
            _ignore_signals()
            grid.stop()
    say()
    if status == 0:
        say("  Everything is stopped again. To keep a grid up: " + paint("make up", "bold") + ". Then:")
        say()
        say(how_to_use(plan))
        say()
        say("  " + paint("make down", "bold") + " stops it.")
    else:
        say("  Everything is stopped again. Logs are in " + _short(state / "logs") + "/")
    return status


def supervise(plan: layout.Layout, state: pathlib.Path, binary: pathlib.Path) -> int:
    """Owns the processes that `up` leaves behind, until it is told to stop."""
    grid = Grid(plan, state, binary)
    wanted = ["start"]
    signal.signal(signal.SIGHUP, lambda *_: wanted.append("start"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: wanted.append("stop"))
    try:
        while "stop" not in wanted:
            if wanted:
                wanted.clear()
                try:
                    grid.start()
                except GridError as error:
                    say(str(error))
                    # What runs goes on running; but there must be something.
                    if grid.round == 1:
                        return 1
            for death in grid.deaths():
                say(f"{time.strftime('%H:%M:%S')} {death}")
            time.sleep(0.2)
    finally:
        _ignore_signals()
        grid.stop()
    return 0


# --- What people read --------------------------------------------------------


def how_to_use(plan: layout.Layout) -> str:
    """A curl line and a five-line program."""
    body = '{"model": "smollm2", "stream": true,\n         "messages": [{"role": "user", "content": "Ahoy!"}]}'
    curl = (
        f"curl -N {plan.url}/chat/completions \\\n"
        f"    -H 'Authorization: Bearer {walk.ACME}' \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -d '{body}'"
    )
    program = (
        "from openai import OpenAI\n"
        f'client = OpenAI(base_url="{plan.url}", api_key="{walk.ACME}")\n'
        'ahoy = [{"role": "user", "content": "Ahoy!"}]\n'
        'answer = client.chat.completions.create(model="smollm2", messages=ahoy)\n'
        "print(answer.choices[0].message.content)"
    )
    blocks = [("From the shell", curl), ("From Python (.venv/bin/python has the client)", program)]
    lines = []
    for title, text in blocks:
        lines.append("  " + paint(title, "dim"))
        lines += ["    " + line for line in text.splitlines()] + [""]
    return "\n".join(lines[:-1])


def _heading(plan: layout.Layout) -> str:
    count = len(plan.sites)
    title = paint("Hanse", "bold") + f"  {count} inference sites with a real model, one gateway in front"
    return f"\n  {title}\n"


def _ready_line(plan: layout.Layout, name: str, seconds: float) -> str:
    if name == GATEWAY:
        what = plan.url
    else:
        site = next(site for site in plan.sites if site.name == name)
        what = f"{site.place}  {site.owner:<29} {site.price}"
    return f"  {paint(f'{name:<10}', 'cyan')} {what:<58} {paint(f'ready in {seconds:4.1f} s', 'dim')}"


def _short(path: pathlib.Path) -> str:
    return str(path.relative_to(layout.ROOT)) if path.is_relative_to(layout.ROOT) else str(path)


# --- State and signals -------------------------------------------------------


def _read_state(state: pathlib.Path) -> dict | None:
    try:
        return json.loads(state_file(state).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _identity(entry: dict) -> processes.Identity:
    return processes.Identity(entry["pid"], entry["began"])


def _supervisor(running: dict) -> processes.Identity | None:
    supervisor = _identity(running["supervisor"])
    return supervisor if supervisor.alive() else None


def _alive(running: dict, name: str) -> bool:
    return name in running["members"] and _identity(running["members"][name]).alive()


def _sweep(running: dict | None) -> None:
    """Ends what a supervisor that died may have left: nothing, if the kernel did its part."""
    for entry in (running or {}).get("members", {}).values():
        member = _identity(entry)
        member.send(signal.SIGKILL)
        member.wait(5.0)


def _leave_supervisor(
    plan: layout.Layout, state: pathlib.Path, binary: pathlib.Path
) -> processes.Identity:
    """Starts a supervisor that outlives this process."""
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(pathlib.Path(__file__).parent), "--config", str(plan.config), "--state", str(state)]
    with (state / "supervisor.log").open("wb") as log:
        child = subprocess.Popen(
            [*command, "--binary", str(binary), "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=layout.ROOT,
            start_new_session=True,
        )
    return processes.Identity.of(child.pid) or processes.Identity(child.pid, 0)


def _watch(
    plan: layout.Layout,
    state: pathlib.Path,
    supervisor: processes.Identity,
    after: int,
    known: set[str],
) -> None:
    """Shows the progress of a supervisor until the round after `after` has ended."""
    while True:
        running = _read_state(state)
        if running and running["round"] > after:
            for name, entry in running["members"].items():
                if entry["ready_seconds"] is not None and name not in known:
                    known.add(name)
                    say(_ready_line(plan, name, entry["ready_seconds"]))
            if running["phase"] == "up":
                return
            if running["phase"] == "failed" and running["round"] > 1:
                raise GridError(running["message"])
        if not supervisor.alive():
            raise GridError("The grid did not start:\n" + tail(state / "supervisor.log"))
        time.sleep(0.05)


@contextlib.contextmanager
def _only_one(state: pathlib.Path) -> Iterator[None]:
    """Keeps two starts from mixing their processes."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GridError("Another make run or make up is at work on this grid.") from None
        yield


def _raise_on_signals() -> Callable[[], None]:
    """Turns signals into Stopped.

    Returns what raises it again if a signal has come: Python drops what is
    raised while it calls a destructor.
    """
    came: list[Stopped] = []

    def stop(number: int, _: object) -> None:
        came.append(Stopped(signal.Signals(number).name))
        raise came[0]

    def check() -> None:
        if came:
            raise came[0]

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    return check


def _ignore_signals() -> None:
    """Cleaning up is short and bounded, and must not be cut in half."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


# --- Before the start --------------------------------------------------------


def _check_before_start(plan: layout.Layout, binary: pathlib.Path) -> None:
    if not binary.is_file():
        raise GridError(f"The gateway is not built: {_short(binary)} is missing. Run: make build")
    wanted = [(site.name, site.host, site.port) for site in plan.sites]
    wanted.append((GATEWAY, plan.host, plan.port))
    if plan.admin and not plan.admin.startswith("unix:"):
        wanted.append(("the gateway's admin listener", *layout.split(plan.admin)))
    taken = []
    for name, host, port in wanted:
        holder = processes.holder_of_port(host, port)
        if holder:
            taken.append(f"  {host}:{port} for {name} is held by {holder}")
    if taken:
        lines = "\n".join(taken)
        raise GridError(
            f"These ports are taken:\n{lines}\n"
            f"Stop what holds them, or change the ports in {_short(plan.config)}."
        )


def main() -> int:
    """Reads the command line and carries out the verb."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["up", "down", "run", "supervise"])
    parser.add_argument("--config", type=pathlib.Path, default=layout.ROOT / "config/four-sites.toml")
    parser.add_argument("--state", type=pathlib.Path, default=layout.ROOT / "build/grid")
    parser.add_argument(
        "--binary",
        type=pathlib.Path,
        default=os.environ.get("HANSE_BINARY", layout.ROOT / "build/release/hanse"),
    )
    options = parser.parse_args()
    state, binary = options.state.resolve(), options.binary.resolve()
    try:
        if options.verb == "down":
            return down(state)
        plan = layout.read(options.config)
        return {"up": up, "run": run, "supervise": supervise}[options.verb](plan, state, binary)
    except GridError as error:
        first, *rest = str(error).split("\n")
        say(paint(wrap(first), "red"))
        for line in rest:
            say("  " + line)
        return 1
    except BrokenPipeError:
        # Nobody reads on, as with `| head`. What had to be stopped is stopped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Stopped as stopped:
        say(f"\n  Stopped by {stopped}; nothing is left running.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
