"""Live and replay are one: what a live run recorded is decided again, bit for bit."""

from __future__ import annotations

import os
import pathlib
import subprocess

import openai
import pytest
from asking import MODEL
from harness import ACME, BINARY, SMALLSHOP, Gateway, ScriptedEngine, render_config

SAY_HI = [{"role": "user", "content": "Say hi."}]
EU = {"Hanse-Data": "personal; subjects=EU"}

# The same recording must be decided alike by every build there is.
BINARIES = [BINARY, *(pathlib.Path(p) for p in os.environ.get("HANSE_OTHER_BINARIES", "").split(os.pathsep) if p)]


def replay(binary: pathlib.Path, recording: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Decides the recording again."""
    command = [str(binary), "replay", "--recording", str(recording), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_run_with_a_killed_site_is_decided_again_bit_for_bit(
    scripted: dict[str, ScriptedEngine], tmp_path: pathlib.Path
) -> None:
    recording = tmp_path / "run.rec"
    gateway = Gateway(
        render_config(tmp_path, {name: engine.url for name, engine in scripted.items()}),
        "--record",
        str(recording),
    )
    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:

            def ask(**more: object) -> str:
                raw = client.chat.completions.with_raw_response.create(
                    model=MODEL, messages=SAY_HI, **more  # type: ignore[call-overload]
                )
                return raw.headers["hanse-site"]

            assert ask() == "ashburn"
            assert ask(extra_headers=EU) == "hamburg"
            scripted["hamburg"].script = lambda _, wire: wire.reset()
            assert ask(extra_headers=EU) == "lyon"
            assert len(list(client.chat.completions.create(model=MODEL, messages=SAY_HI, stream=True))) > 1
            with pytest.raises(openai.PermissionDeniedError):
                ask(extra_headers={"Hanse-Data": "personal; subjects=EU; categories=health"})
        with openai.OpenAI(base_url=gateway.url, api_key=SMALLSHOP, max_retries=0) as client:
            with pytest.raises(openai.RateLimitError):
                client.chat.completions.create(model=MODEL, messages=SAY_HI)
    finally:
        gateway.stop()

    # A restart must not erase it.
    again = [str(BINARY), "serve", str(gateway.config), "--record", str(recording)]
    refused = subprocess.run(again, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "is there already" in refused.stderr

    for binary in BINARIES:
        done = replay(binary, recording)
        assert done.returncode == 0, f"{binary}: {done.stdout}{done.stderr}"

    # Content has no place in a recording.
    assert b"Say hi." not in recording.read_bytes()

    # A recording that was tampered with does not pass.
    damaged = bytearray(recording.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    recording.write_bytes(damaged)
    assert replay(BINARY, recording).returncode != 0
