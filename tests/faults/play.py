"""Plays a scenario: engines, the gateway, an official client, and what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import re
import signal
import time
import typing

import answers
import clients
import harness
import tap
from addresses import ADDRESSES
from engine import Asked, FaultyEngine
from scenario import Ask, Scenario, seconds

ALL_SITES = ("ashburn", "frankfurt", "hamburg", "lyon")
# Probes would find an ill site first or not, by luck. Each site is probed once,
# while it is well.
NO_MORE_PROBES = '\n[health]\nprobe_interval = "1h"\n'


@dataclasses.dataclass
class Came:
    """What came of one request."""

    ask: Ask
    told: tap.Told
    heard: clients.Heard
    asked: list[Asked]  # What the engines were asked meanwhile, in order.
    record: dict | None
    took: float  # Seconds, for the client.
    client_left_at: float | None
    ended_at: float


@dataclasses.dataclass
class Played:
    """What came of a scenario."""

    came: list[Came]
    audit: dict  # What `hanse books verify` says.
    notes: list[str]
    log: str  # The gateway's last lines.


class Stage:
    """The processes of one scenario while it is played."""

    def __init__(self, scenario: Scenario, mode: str, folder: pathlib.Path, stack: contextlib.ExitStack) -> None:
        self._scenario = scenario
        self._mode = mode
        self._tap: tap.Tap | None = None
        self._stack = stack
        self.engines = {
            site.name: FaultyEngine(site.name, site.kind, site.model, site.does, self._delivered)
            for site in scenario.sites
        }
        for engine in self.engines.values():
            stack.callback(engine.stop)
        self.gateway = self._start(folder)
        self._move_sites()

    def ask(self, ask: Ask, client: clients.Client) -> Came:
        """Has the client ask, and waits until all is over."""
        before = len(self._asked())
        self._tap = tap.Tap(self.gateway.plan.host, self.gateway.plan.port)
        self._stack.callback(self._tap.stop)
        question = clients.Question(
            url=self._tap.url,
            api=ask.api,
            body=self._body(ask),
            headers={"Hanse-Data": ask.data} if ask.data else {},
            leaves_after_tokens=ask.leaves.get("after_tokens"),
            leaves_after_seconds=seconds(ask.leaves["after"]) if "after" in ask.leaves else None,
        )
        heard = client.ask(question)
        ended = time.monotonic()
        harness.until(self._tap.is_over, "all has been told", 5)
        told = self._tap.told()
        record = self._record(told)
        self._await_quiet(before)
        return Came(
            ask=ask,
            told=told,
            heard=heard,
            asked=self._asked()[before:],
            record=record,
            # From the connection on: a client that has yet to start up is not late.
            took=(self._tap.last_byte_at or ended) - (self._tap.opened_at or ended),
            client_left_at=self._tap.client_left_at,
            ended_at=ended,
        )

    def close(self) -> dict:
        """Ends the gateway well, and has its books checked from the journal alone."""
        self.gateway.stop()
        audit = self.gateway.command("books", "verify", "--json")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        return json.loads(audit.stdout)

    def notes(self) -> list[str]:
        """What the engines noticed."""
        errors = [f"{name}: {error}" for name, engine in self.engines.items() for error in engine.errors]
        return errors + [note for engine in self.engines.values() for note in engine.notes]

    def _start(self, folder: pathlib.Path) -> harness.Gateway:
        urls = {name: engine.url for name, engine in self.engines.items()}
        for last_try in (False, False, True):
            try:
                gateway = harness.Gateway(harness.render_config(folder, urls, self._change))
                self._stack.callback(self._stop_if_running, gateway)
                # A probe has a second; on a machine that is busy with other things one
                # may be lost, and the next one comes too late for any test.
                patience = harness.DEADLINE_SECONDS if last_try else 5.0
                harness.until(self._all_probed, "each site has been probed", patience)
                return gateway
            except AssertionError as error:
                # The port was free when it was looked for; others look too.
                if last_try or not any(words in str(error) for words in ("in use", "probed")):
                    raise
                if "probed" in str(error):
                    gateway.kill()
        raise AssertionError("unreachable")

    def _all_probed(self) -> bool:
        return all(engine.probes for engine in self.engines.values())

    @staticmethod
    def _stop_if_running(gateway: harness.Gateway) -> None:
        if gateway.process.poll() is None:
            gateway.kill()

    def _change(self, text: str) -> str:
        kinds = {site.name: site.kind for site in self._scenario.sites}
        for name in ALL_SITES:
            text = text.replace(f"[site.{name}]\n", f"[site.{name}]\nretired = {str(name not in kinds).lower()}\n")
            pattern = rf'(^\[site\.{name}\]$.*?kind = )"[^"]*"'
            text = re.sub(pattern, rf'\g<1>"{kinds.get(name, "llama.cpp")}"', text, count=1, flags=re.M | re.S)
        for change in self._scenario.replace:
            assert text.count(change["text"]) == 1, f"must stand once in the configuration: {change['text']}"
            text = text.replace(change["text"], change["by"])
        return text + NO_MORE_PROBES

    def _move_sites(self) -> None:
        moving = {site.name: site.address for site in self._scenario.sites if site.address}
        if not moving:
            return
        config = self.gateway.config
        text = config.read_text()
        for name, where in moving.items():
            old = self.engines[name].url
            assert text.count(old) == 1
            text = text.replace(old, ADDRESSES[where](self._stack))
        config.write_text(text)
        self.gateway.process.send_signal(signal.SIGHUP)
        harness.until(self._has_reloaded, "the sites have moved")

    def _has_reloaded(self) -> bool:
        metrics = harness.get(self.gateway.admin, "/metrics", self.gateway.admin_headers)[1].decode()
        return re.search(r"^hanse_snapshot_changes_total 1$", metrics, re.M) is not None

    def _body(self, ask: Ask) -> dict[str, typing.Any]:
        question: dict[str, typing.Any] = {"prompt": answers.PROMPT}
        if ask.api == "chat":
            question = {"messages": [{"role": "user", "content": answers.PROMPT}]}
        streamed = self._mode == "stream"
        usage = {"stream_options": {"include_usage": True}} if streamed else {}
        return {"model": "smollm2", **question, "temperature": 0, **ask.parameters, "stream": streamed, **usage}

    def _delivered(self) -> int | None:
        return self._tap.delivered() if self._tap and self._mode == "stream" else None

    def _asked(self) -> list[Asked]:
        return sorted((one for engine in self.engines.values() for one in engine.asked), key=lambda one: one.at)

    def _record(self, told: tap.Told) -> dict | None:
        identity = told.headers.get("x-request-id")
        if not identity:
            return None
        read: dict = {}

        def is_there() -> bool:
            status, body = harness.get(self.gateway.admin, f"/records/{identity}", self.gateway.admin_headers)
            if status == 200:
                read.update(json.loads(body))
            return bool(read)

        harness.until(is_there, "the request has a record", 10)
        return read

    def _await_quiet(self, before: int) -> None:
        """Waits until no engine works for a request that is over."""

        def is_quiet() -> bool:
            return all(one.left_at for one in self._asked()[before:] if one.waited_for_it)

        with contextlib.suppress(AssertionError):
            harness.until(is_quiet, "the engines are left alone", 5)


def play(scenario: Scenario, mode: str, client: clients.Client, folder: pathlib.Path) -> Played:
    """Plays it."""
    with contextlib.ExitStack() as stack:
        stage = Stage(scenario, mode, folder, stack)
        try:
            came = [stage.ask(ask, client) for ask in scenario.asks]
            return Played(came, stage.close(), stage.notes(), stage.gateway.log_tail())
        except AssertionError as error:
            raise AssertionError(f"{error}\n{chr(10).join(stage.notes())}\n{stage.gateway.log_tail()}") from error


def summary(record: dict | None) -> str:
    """A record in a few lines, for whoever reads a failure."""
    if record is None:
        return "no record"
    rows = [f"{record['id']} {record['outcome']} in {record['took_ns'] / 1e9:.2f} s"]
    for attempt in record["attempts"]:
        limits = ", ".join(f"{name[:-3]} {value / 1e9:.2f}" for name, value in attempt["limits"].items())
        took = attempt["measured"].get("took_ns", 0) / 1e9
        predicted = attempt["predicted"]["first_token_ns"] / 1e9
        tokens = {kind: count for kind, count in attempt["tokens"].items() if count}
        rows.append(f"  {attempt['site']}: {attempt['outcome']} in {took:.2f} s, predicted {predicted:.2f}")
        rows.append(f"    limits {limits}; tokens {tokens}, owed {attempt['owed']}")
    return "\n".join(rows)
