#!/usr/bin/env python3
"""Every verb of the command line shows an example and, where it says something, can say it in JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator

BINARY = ""
FOUR_SITES = os.path.join(os.path.dirname(__file__), "../../config/four-sites.toml")


# A file without an end must not take all the memory there is.
MEMORY_BYTES_MAX = 512 << 20
DEADLINE_SECONDS = 20


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """How it ends, whatever it ends with; an error if it does not."""
    memory = (resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    return subprocess.run(
        [BINARY, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
        preexec_fn=lambda: resource.setrlimit(*memory),
    )


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

    def test_a_wrong_command_line_ends_with_2_and_the_nearest_right_word(self) -> None:
        for line, said in (
            ("serv x.toml", "hanse: there is no verb 'serv': did you mean 'serve'?"),
            ("books balnce -c x.toml", "hanse books: there is no verb 'balnce': did you mean 'balance'?"),
            ("check --jsn x.toml", "hanse check: there is no option '--jsn': did you mean '--json'?"),
            ("books balance --confg=x", "hanse books balance: there is no option '--confg': did you mean '--config'?"),
            ("--versoin", "hanse: there is no option '--versoin': did you mean '--version'?"),
            ("", "hanse: a verb is missing: it may be one of serve, check,"),
            ("keys", "hanse keys: a verb is missing: it may be new"),
            ("check", "hanse check: FILE is required"),
            ("check /nowhere/x.toml", "hanse check: FILE: File does not exist: /nowhere/x.toml"),
            ("version more", "hanse version: 'more' is one word too many"),
            ("books journal -c /dev/null --limit many", "hanse books journal: Could not convert: --limit = many"),
            ("replay --recording /dev/null", "hanse replay: --check is required"),
        ):
            with self.subTest(line):
                done = run(*line.split())
                self.assertIn(said, done.stderr)
                self.assertIn(" --help` shows what there is\n", done.stderr)
                self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_help_says_what_its_exit_status_means(self) -> None:
        self.assertIn("Exit status:\n  0: done\n", hanse("--help"))

    def test_what_is_no_file_is_refused_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pipe, large = f"{folder}/pipe", f"{folder}/large.toml"
            os.mkfifo(pipe)
            with open(large, "wb") as file:
                file.truncate(1 << 30)
            for name, why in (
                (pipe, "it is a pipe"),
                ("/dev/zero", "it is a device"),
                (large, "it is larger than 67108864 bytes"),
            ):
                for verb in (["check"], ["serve"], ["books", "verify", "-c"]):
                    with self.subTest(f"{verb[0]} {name}"):
                        done = run(*verb, name)
                        self.assertIn(f"cannot read this file: {why}", done.stderr)
                        self.assertEqual(done.returncode, 2)
            self.assertIn("File is actually a directory", run("check", folder).stderr)
            self.assertEqual(run("replay", "--check", "--recording", pipe).returncode, 2)

    def test_a_key_begins_with_what_can_be_sent(self) -> None:
        for prefix in ("a b", "a,b", "a\nb", "gr\u00fcn", "\udcff", "x" * 65):
            for more in ([], ["--json"]):
                with self.subTest(repr(prefix)):
                    done = run("keys", "new", "--prefix", prefix, *more)
                    self.assertIn("hanse: a key's prefix has at most 64 of", done.stderr)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(json.loads(hanse("keys", "new", "--prefix", "hk-A_1.b", "--json"))["key"], r"^hk-A_1\.b-\w{40}$")

    def test_a_drill_says_who_has_a_lawful_route_left_and_who_must_be_refused(self) -> None:
        drill = ["drill", "--config", FOUR_SITES, "--json"]
        told = json.loads(hanse(*drill, "--country", "DE"))
        self.assertEqual(told["sites_lost"], ["frankfurt", "hamburg"])
        change = {r["data"]: r["change"] for r in told["requests"] if r["tenant"] == "acme"}
        self.assertEqual(change["none"], "fewer_routes")
        self.assertEqual(change["personal; subjects=EU"], "dearer")
        [personal] = [r for r in told["requests"] if r["tenant"] == "acme" and r["data"] == "personal; subjects=EU"]
        self.assertEqual([r["site"] for r in personal["routes_after"]], ["lyon"])
        self.assertEqual(personal["routes_before"][0]["mix_per_million"], "0.105")
        self.assertEqual(personal["routes_after"][0]["mix_per_million"], "0.135")
        refused = json.loads(hanse(*drill, "--site", "hamburg", "--site", "lyon"))["requests"]
        [personal] = [r for r in refused if r["tenant"] == "acme" and r["data"] == "personal; subjects=EU"]
        self.assertEqual(personal["change"], "refused")
        self.assertIn({"rule": "eu-personal-stays-in-the-eu", "sites": ["ashburn"]}, personal["refused_by"])
        self.assertEqual(json.loads(hanse(*drill, "--law", "US"))["sites_lost"], ["ashburn", "frankfurt"])

    def test_a_drill_is_told_to_people_too(self) -> None:
        said = hanse("drill", "--config", FOUR_SITES, "--site", "hamburg", "--site", "lyon")
        self.assertIn("Without hamburg, lyon:\n8 kinds of request: 2 refused,", said)
        self.assertIn("eu-personal-out-of-foreign-reach (ashburn frankfurt)", said)
        said = hanse("drill", "--config", FOUR_SITES, "--supplier", "elbe-compute")
        self.assertRegex(said, r"acme +smollm2 +personal; subjects=EU +dearer +lyon +0.105 +0.135 +\+28.6 %")

    def test_a_drill_of_what_is_not_there_ends_with_2_and_the_nearest_word(self) -> None:
        for line, said in (
            ("--supplier elbe-comput", "no site in service is of a supplier 'elbe-comput': did you mean 'elbe-compute'?"),
            ("--site hambrug", "there is no site 'hambrug' in service: did you mean 'hamburg'?"),
            ("--country XX", "no site in service stands in 'XX': it may be one of DE, FR, US"),
            ("", "say what is lost: --site, --supplier, --country or --law"),
        ):
            with self.subTest(line):
                done = run("drill", "--config", FOUR_SITES, *line.split())
                self.assertIn(said, done.stderr)
                self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_the_version_is_the_same_for_people_and_programs(self) -> None:
        said = json.loads(hanse("version", "--json"))
        self.assertEqual(hanse("version"), f"hanse {said['version']} ({said['build']})\n")


def write_config(folder: str) -> str:
    """Four sites, and a gateway that needs neither ports of its own nor a token."""
    with open(FOUR_SITES, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"(?m)^listen = .*$", 'listen = "127.0.0.1:0"', text)
    text = re.sub(r"(?m)^admin = .*$", 'admin = "unix:admin.sock"', text)
    text = re.sub(r"(?m)^admin_token_file = .*$", "", text)
    text = re.sub(r"(?m)^data_dir = .*$", 'data_dir = "data"', text)
    with open(f"{folder}/gateway.toml", "w", encoding="utf-8") as file:
        file.write(text)
    return f"{folder}/gateway.toml"


@contextlib.contextmanager
def gateway() -> Iterator[str]:
    """A gateway that runs without any engine; its configuration's file."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(folder)
        running = subprocess.Popen([BINARY, "serve", config, "--record", f"{folder}/run.rec"], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while run("drill", "--config", config, "--live", "--end").returncode != 0:
                if running.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("the gateway does not answer")
                time.sleep(0.05)
            yield config
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(DEADLINE_SECONDS)
        if "decided alike" not in hanse("replay", "--recording", f"{folder}/run.rec", "--check"):
            raise AssertionError("the run does not replay")


class LiveDrills(unittest.TestCase):
    def test_a_live_drill_leaves_sites_out_until_it_is_ended_and_replays(self) -> None:
        def live(*arguments: str) -> dict[str, int]:
            told = json.loads(hanse("drill", "--config", config, "--live", "--json", *arguments))
            return {drill["site"]: drill["ends_in_seconds"] for drill in told["live"]}

        with gateway() as config:
            self.assertEqual(live("--supplier", "elbe-compute"), {"hamburg": 600})
            self.assertEqual(set(live("--country", "FR", "--for", "1h")), {"hamburg", "lyon"})
            self.assertEqual(set(live("--end", "--site", "hamburg")), {"lyon"})
            self.assertEqual(live("--end"), {})
            said = run("drill", "--config", config, "--live", "--for", "2d", "--site", "lyon")
            self.assertIn("--for is a time from 1s to 24h, not '2d'", said.stderr)
            self.assertEqual((said.returncode, said.stdout), (2, ""))

    def test_without_a_gateway_a_live_drill_ends_with_1(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            said = run("drill", "--config", write_config(folder), "--live", "--site", "lyon")
        self.assertIn("hanse: no gateway answers at unix:", said.stderr)
        self.assertEqual((said.returncode, said.stdout), (1, ""))


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
