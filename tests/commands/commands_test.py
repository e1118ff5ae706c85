#!/usr/bin/env python3
"""Every verb of the command line shows an example and, where it says something, can say it in JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unittest

BINARY = ""


def hanse(*arguments: str) -> str:
    """What it prints when all is well."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def verbs(*under: str) -> list[tuple[str, ...]]:
    """All verbs below one, as `--help` lists them."""
    _, _, listed = hanse(*under, "--help").partition("Subcommands:\n")
    found = []
    for name in re.findall(r"^  (\w+)  ", listed, re.MULTILINE):
        verb = (*under, name)
        found += [verb, *verbs(*verb)]
    return found


class Commands(unittest.TestCase):
    def test_every_verb_shows_an_example_of_itself(self) -> None:
        known = verbs()
        self.assertIn(("books", "rebuild"), known)
        for verb in known:
            with self.subTest(" ".join(verb)):
                self.assertRegex(hanse(*verb, "--help"), f"Example:\n  hanse {' '.join(verb)}")

    def test_every_verb_that_ends_by_itself_has_json(self) -> None:
        for verb in verbs():
            if verb not in (("serve",), ("keys",), ("books",)):
                with self.subTest(" ".join(verb)):
                    self.assertIn("--json", hanse(*verb, "--help"))

    def test_the_version_is_the_same_for_people_and_programs(self) -> None:
        said = json.loads(hanse("version", "--json"))
        self.assertEqual(hanse("version"), f"hanse {said['version']} ({said['build']})\n")


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
