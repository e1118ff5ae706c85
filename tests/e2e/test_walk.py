"""What a newcomer runs: the grid comes up, walks, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from harness import BINARY, ROOT, free_port, render_config, until

VERBS = [sys.executable, str(ROOT / "tools/grid")]


@pytest.fixture
def config(tmp_path: pathlib.Path) -> pathlib.Path:
    """The demonstration's configuration on free ports, with a folder of its own."""
    urls = {site: f"http://127.0.0.1:{free_port()}" for site in ("ashburn", "frankfurt", "hamburg", "lyon")}
    return render_config(tmp_path, urls)


def verb(config: pathlib.Path, name: str) -> list[str]:
    """The command for one verb."""
    options = ["--config", str(config), "--state", str(config.parent / "state"), "--binary", str(BINARY)]
    return [*VERBS, *options, name]


def run(config: pathlib.Path, name: str) -> subprocess.CompletedProcess[str]:
    """Runs one verb to its end."""
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        verb(config, name), capture_output=True, text=True, timeout=180, env=environment, check=False
    )


def processes_of(config: pathlib.Path) -> list[str]:
    """The processes that carry this configuration, or one of its ports, in their command line."""
    import layout

    words = [str(config)] + [f"--port\0{site.port}\0" for site in layout.read(config).sites]
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if any(word in line for word in words):
                found.append(f"{entry.name}: {line}")
    return found


def test_the_walk_ends_well_and_leaves_no_process_behind(config: pathlib.Path) -> None:
    done = run(config, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout and "✓" in done.stdout
    assert "make up" in done.stdout and "curl" in done.stdout and "from openai import OpenAI" in done.stdout
    assert "\x1b" not in done.stdout, "colour where nobody looks"
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    assert processes_of(config) == []


@pytest.mark.parametrize("moment", ["hamburg", "gateway", "    you ", "A site disappears"])
def test_a_walk_that_is_interrupted_leaves_no_process_behind(config: pathlib.Path, moment: str) -> None:
    with subprocess.Popen(verb(config, "run"), stdout=subprocess.PIPE, text=True) as walk:
        assert walk.stdout
        for line in walk.stdout:
            if moment in line:
                break
        walk.send_signal(signal.SIGINT)
        walk.stdout.read()
        assert walk.wait(60) == 130
    assert processes_of(config) == []


def test_up_twice_is_up_once_and_down_leaves_nothing(config: pathlib.Path) -> None:
    try:
        first = run(config, "up")
        assert first.returncode == 0, first.stdout + first.stderr
        second = run(config, "up")
        assert second.returncode == 0 and "up already" in second.stdout
        state = json.loads((config.parent / "state/state.json").read_text())
        os.kill(state["members"]["lyon"]["pid"], signal.SIGKILL)
        until(lambda: "lyon" in run(config, "up").stdout, "up starts lyon again")
    finally:
        assert run(config, "down").returncode == 0
    assert processes_of(config) == []
    assert run(config, "down").returncode == 0


def test_nothing_outlives_a_supervisor_that_is_killed(config: pathlib.Path) -> None:
    try:
        assert run(config, "up").returncode == 0
        state = json.loads((config.parent / "state/state.json").read_text())
        os.kill(state["supervisor"]["pid"], signal.SIGKILL)
        until(lambda: processes_of(config) == [], "the kernel ends the children")
    finally:
        run(config, "down")


def test_a_port_that_is_taken_is_named_with_its_holder(config: pathlib.Path) -> None:
    import socket

    import layout

    site = layout.read(config).sites[2]
    with socket.create_server((site.host, site.port)):
        done = run(config, "up")
    assert done.returncode == 1
    assert str(site.port) in done.stdout and site.name in done.stdout and str(os.getpid()) in done.stdout
    assert processes_of(config) == []
