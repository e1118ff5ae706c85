#!/usr/bin/env python3
"""The build step that keeps the layers refuses what it says it refuses."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKER = ROOT / "tools" / "check_layers.py"


def run_on(files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the checker on a tree made of `files` (path below src -> text)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run([sys.executable, str(CHECKER), folder], capture_output=True, text=True, check=False)


class Layers(unittest.TestCase):
    def assert_refused(self, file: str, include: str, because: str) -> None:
        result = run_on({file: f"#pragma once\n#include {include}\n"})
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"{file}:2:", result.stderr)
        self.assertIn(because, result.stderr)

    def assert_allowed(self, file: str, include: str) -> None:
        result = run_on({file: f"#pragma once\n#include {include}\n"})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_an_upward_include_is_refused(self) -> None:
        self.assert_refused("base/time.h", '"core/gate/gate.h"', "only downward")
        self.assert_refused("core/gate/gate.h", '"adapters/http/loop.h"', "only downward")
        self.assert_refused("adapters/http/loop.h", '"drivers/serve/shard.h"', "only downward")

    def test_a_sibling_in_core_is_refused_save_to_dispatch(self) -> None:
        self.assert_refused("core/gate/gate.h", '"core/ledger/entry.h"', "sibling core/ledger")
        self.assert_refused("core/catalog/catalog.h", '"core/fleet/fleet.h"', "sibling core/fleet")
        self.assert_allowed("core/gate/gate.h", '"core/fleet/fleet.h"')
        self.assert_allowed("core/dispatch/dispatch.h", '"core/ledger/entry.h"')

    def test_adapters_do_not_know_each_other_save_http(self) -> None:
        self.assert_refused("adapters/config/load.h", '"adapters/http/loop.h"', "sibling adapters/http")
        self.assert_allowed("adapters/api/chat.h", '"adapters/http/message.h"')

    def test_replay_has_no_sockets(self) -> None:
        self.assert_refused("drivers/replay/world.h", '"adapters/http/loop.h"', "keeps clear")

    def test_core_has_no_clock_thread_chance_io_or_coroutine(self) -> None:
        for header in ["<chrono>", "<thread>", "<random>", "<fstream>", "<coroutine>", "<sys/socket.h>",
                       "<boost/asio/io_context.hpp>", "<unordered_map>"]:
            with self.subTest(header):
                self.assert_refused("core/gate/gate.cpp", header, "core may not include")
        self.assert_allowed("adapters/http/loop.cpp", "<thread>")

    def test_the_tree_of_the_project_holds(self) -> None:
        result = subprocess.run([sys.executable, str(CHECKER), str(ROOT / "src")],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_make_check_begins_with_the_layers_and_the_format(self) -> None:
        """The verb itself; its linter takes too long for a test."""
        result = subprocess.run(["make", "-C", str(ROOT), "check-style"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("tools/check_layers.py src", result.stdout)


if __name__ == "__main__":
    unittest.main()
