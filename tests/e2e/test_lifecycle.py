"""Starting, stopping, and changing the configuration under load."""

from __future__ import annotations

import collections.abc
import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import openai
import pytest
from asking import MODEL, SAY_HI
from harness import (
    ACME,
    BINARY,
    Gateway,
    Request,
    Script,
    ScriptedEngine,
    Wire,
    chunk,
    free_port,
    get,
    render_config,
    until,
)

Engines = dict[str, ScriptedEngine]

STREAMS = 100
STREAM = json.dumps({"model": MODEL, "messages": SAY_HI, "stream": True})
HEADERS = {"Authorization": f"Bearer {ACME}", "Content-Type": "application/json"}


def held_back(release: threading.Event) -> Script:
    """A script that begins an answer and ends it when it is told to."""

    def script(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "begun "}))
        release.wait(20)
        wire.event(chunk({"content": "and ended"}))
        wire.event(chunk({}, "stop"))
        wire.event("[DONE]")
        wire.end_stream()

    return script


@pytest.fixture
def wide_grid(scripted: Engines, tmp_path: pathlib.Path) -> collections.abc.Iterator[Gateway]:
    """A gateway in front of sites that have slots for all those streams."""
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text.replace("slots = 4\n", f"slots = {STREAMS}\n")))
    try:
        yield gateway
    finally:
        gateway.stop()


class Streams:
    """Many answers under way at once, all of them begun and none of them ended."""

    def __init__(self, gateway: Gateway) -> None:
        self._connections = []
        for _ in range(STREAMS):
            connection = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=30)
            connection.request("POST", "/v1/chat/completions", STREAM, HEADERS)
            self._connections.append(connection)
        self._replies = [connection.getresponse() for connection in self._connections]
        for reply in self._replies:
            assert reply.status == 200
            while b"begun" not in reply.readline():
                pass

    def texts(self) -> list[bytes]:
        """What came of each until its end."""
        rest = [reply.read() for reply in self._replies]
        for connection in self._connections:
            connection.close()
        return rest


def are_whole(texts: list[bytes]) -> bool:
    """Whether all streams ended as they should."""
    return len(texts) == STREAMS and all(
        b"and ended" in text and text.endswith(b"data: [DONE]\n\n") for text in texts
    )


def test_all_streams_are_finished_before_the_gateway_ends(scripted: Engines, wide_grid: Gateway) -> None:
    release = threading.Event()
    for engine in scripted.values():
        engine.script = held_back(release)
    streams = Streams(wide_grid)
    wide_grid.process.send_signal(signal.SIGTERM)

    def closed() -> bool:
        try:
            wide_grid.connect().close()
            return False
        except OSError:
            return True

    until(closed, "the gateway takes no more connections")
    release.set()
    assert are_whole(streams.texts())
    assert wide_grid.process.wait(20) == 0


def test_a_request_that_does_not_come_does_not_hold_up_the_end(scripted_grid: Gateway) -> None:
    with scripted_grid.connect() as head, scripted_grid.connect() as body:
        head.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        body.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ACME}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode()
        )
        assert get(scripted_grid.origin, "/v1/models")[0] == 401  # what came before has been read
        scripted_grid.process.send_signal(signal.SIGTERM)
        assert scripted_grid.process.wait(5) == 0
        for connection in (head, body):
            reply = connection.recv(65536)
            assert reply.startswith(b"HTTP/1.1 503 ") and b'"code":"draining"' in reply


def test_a_new_configuration_is_taken_without_dropping_a_request(
    scripted: Engines, wide_grid: Gateway
) -> None:
    release = threading.Event()
    for engine in scripted.values():
        engine.script = held_back(release)
    text = wide_grid.config.read_text()
    streams = Streams(wide_grid)
    wide_grid.config.write_text(text.replace("[alias.smollm2]", "[alias.little]").replace(
        "[price.standard.smollm2]", "[price.standard.little]"
    ))
    wide_grid.process.send_signal(signal.SIGHUP)
    with openai.OpenAI(base_url=wide_grid.url, api_key=ACME, max_retries=0) as client:
        until(lambda: [m.id for m in client.models.list()] == ["little"], "the new alias is there")
    release.set()
    assert are_whole(streams.texts())


def test_a_log_that_was_moved_away_is_begun_anew(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """What logrotate does."""
    log, moved = tmp_path / "hanse.log", tmp_path / "hanse.log.1"
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text + f'\n[telemetry]\nlog_file = "{log}"\n'))
    try:
        until(lambda: "serving" in log.read_text(), "the log is written")
        log.rename(moved)
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: log.exists() and "configuration reloaded" in log.read_text(), "it goes on in a new file")
        assert "configuration reloaded" not in moved.read_text()
    finally:
        gateway.stop()


def test_a_reload_does_not_depend_on_who_reads_the_output(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """Neither with something to say, nor when it cannot be said."""

    def outdated(text: str) -> str:
        return text.replace("2027-09-30", "2020-09-30") + f'\n[telemetry]\nlog_file = "{tmp_path / "hanse.log"}"\n'

    urls = {name: engine.url for name, engine in scripted.items()}
    config = render_config(tmp_path, urls, outdated)
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen([str(BINARY), "serve", str(config)], stderr=full, stdout=full)
    try:
        log = tmp_path / "hanse.log"
        until(lambda: log.exists() and "serving" in log.read_text(), "the gateway serves")
        process.send_signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in log.read_text(), "it takes the new configuration")
        assert re.search(r"warning configuration path=.* line=\d+ column=\d+ detail=.*C5", log.read_text())
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_few_descriptors_lower_the_bound_on_clients(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """Clients that only sit there leave descriptors for sites and for the journal."""
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls), before=("prlimit", "--nofile=300:300"))
    idle: list[socket.socket] = []
    try:
        assert re.search(r"connections_max is lowered.* open_files_max=300 connections_max=86", gateway.log_tail())
        for _ in range(250):
            idle.append(socket.create_connection((gateway.plan.host, gateway.plan.port)))
        for _ in range(8):
            client = http.client.HTTPConnection(gateway.plan.host, gateway.plan.port, timeout=20)
            client.request("POST", "/v1/chat/completions", json.dumps({"model": MODEL, "messages": SAY_HI}), HEADERS)
            assert client.getresponse().status == 200
            client.close()
    finally:
        for connection in idle:
            connection.close()
        gateway.stop()


def test_at_debug_the_log_follows_a_request_from_site_to_site(scripted: Engines, tmp_path: pathlib.Path) -> None:
    urls = {name: engine.url for name, engine in scripted.items()}
    more = '\n[telemetry]\nlog_level = "debug"\n'
    gateway = Gateway(render_config(tmp_path, urls, lambda text: text + more))

    def fails(_: Request, wire: Wire) -> None:
        wire.reply(500, b'{"error":{"message":"no"}}')

    scripted["ashburn"].script = fails
    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=30) as client:
            reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY_HI)
        assert get(gateway.origin, "/v1/models")[0] == 401
        request, site = reply.headers["x-request-id"], reply.headers["hanse-site"]
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in gateway.log_tail(), "the reload is logged")
        log = gateway.log_tail()
        lines = [line.partition(request)[2] for line in log.splitlines() if request in line]
        lines = [line for line in lines if line and "http_status" not in line]
        assert len(lines) == 5 and site != "ashburn"
        assert lines[0].startswith(" attempt=1 site=ashburn first_token_limit_ms=")
        assert lines[1].startswith(" attempt=1 site=ashburn outcome=") and "answered" not in lines[1]
        assert lines[2].startswith(f" attempt=2 site={site} first_token_limit_ms=")
        assert lines[3].startswith(f" attempt=2 site={site} outcome=answered first_token_ms=")
        assert lines[4].startswith(" outcome=answered attempts=2 took_ms=")
        for said in (
            "request turned away outcome=",
            "site probed site=hamburg outcome=well",
            "sites=4 sites_with_connections_kept=4",
        ):
            assert said in log, said
    finally:
        gateway.stop()


def test_a_bad_configuration_is_refused_and_the_old_one_kept(
    scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    scripted_grid.config.write_text(scripted_grid.config.read_text() + "\n[nonsense]\nx = 1\n")
    scripted_grid.process.send_signal(signal.SIGHUP)
    line = scripted_grid.config.read_text().count("\n") - 1
    until(lambda: "is refused" in scripted_grid.log_tail(), "the refusal is logged")
    assert re.search(rf" error +configuration path=.* line={line} column=\d+ detail=.*nonsense", scripted_grid.log_tail())
    assert scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI).choices


def test_a_reload_reaches_the_connections_to_sites(
    scripted: Engines, scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    def opened_by_two_requests() -> int:
        before = scripted["ashburn"].connections
        for _ in range(2):
            assert scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI).choices
        return scripted["ashburn"].connections - before

    opened_by_two_requests()
    assert opened_by_two_requests() == 0
    text = scripted_grid.config.read_text()
    scripted_grid.config.write_text(text + "\n[http]\nidle_connections_per_site_max = 0\n")
    scripted_grid.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in scripted_grid.log_tail(), "it takes the new configuration")
    assert opened_by_two_requests() == 2


def test_what_cannot_be_reloaded_is_refused_or_said(
    scripted_grid: Gateway, scripted_client: openai.OpenAI
) -> None:
    text = scripted_grid.config.read_text()
    scripted_grid.config.write_text(text.replace('currency = "EUR"', 'currency = "CHF"'))
    scripted_grid.process.send_signal(signal.SIGHUP)
    until(lambda: "gateway.currency cannot change" in scripted_grid.log_tail(), "the refusal is logged")
    scripted_grid.config.write_text(text + '\n[telemetry]\nlog_format = "json"\n')
    scripted_grid.process.send_signal(signal.SIGHUP)
    until(lambda: "only after a restart" in scripted_grid.log_tail(), "the warning is logged")
    assert scripted_client.chat.completions.create(model=MODEL, messages=SAY_HI).choices


def test_a_full_disk_ends_every_request_and_frees_every_engine(scripted: Engines, tmp_path: pathlib.Path) -> None:
    """Nothing that could not be written down is sent, and nobody is left waiting."""
    urls = {name: engine.url for name, engine in scripted.items()}
    gateway = Gateway(render_config(tmp_path, urls), odd={"ODD_FILE_BYTES_MAX": 110_000})
    left = threading.Event()
    asked = threading.Event()

    def endless(_: Request, wire: Wire) -> None:
        wire.begin_stream()
        wire.event(chunk({"role": "assistant", "content": "begun "}))
        asked.set()
        while not wire.closed_by_peer():
            time.sleep(0.1)
            wire.event(chunk({"content": "on "}))
        left.set()

    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0, timeout=20) as client:
            usual = {name: engine.script for name, engine in scripted.items()}
            for engine in scripted.values():
                engine.script = endless
            with client.chat.completions.create(model=MODEL, messages=SAY_HI, stream=True) as stream:
                parts = iter(stream)
                assert next(parts).choices
                assert asked.wait(20)
                for name, engine in scripted.items():
                    engine.script = usual[name]

                def refused() -> bool:
                    try:
                        client.chat.completions.create(model=MODEL, messages=SAY_HI)
                        return False
                    except openai.InternalServerError as error:
                        assert error.status_code == 503
                        return True

                until(refused, "the disk is full")
                with pytest.raises(openai.APIError):
                    list(parts)
                assert left.wait(20), "the engine goes on for nobody"
            until(refused, "it stays refused")
    finally:
        gateway.odd = {}
        gateway.kill()
    gateway.start()
    try:
        assert gateway.command("books", "verify").returncode == 0
    finally:
        gateway.stop()


def test_a_site_that_comes_up_later_is_found_without_a_restart(tmp_path: pathlib.Path) -> None:
    ports = {site: free_port() for site in ("ashburn", "frankfurt", "hamburg", "lyon")}
    gateway = Gateway(render_config(tmp_path, {s: f"http://127.0.0.1:{p}" for s, p in ports.items()}))
    engine = None
    try:
        with openai.OpenAI(base_url=gateway.url, api_key=ACME, max_retries=0) as client:
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(model=MODEL, messages=SAY_HI)
            engine = ScriptedEngine("lyon", ports["lyon"])

            def answered() -> bool:
                try:
                    return bool(client.chat.completions.create(model=MODEL, messages=SAY_HI).choices)
                except openai.InternalServerError:
                    return False

            until(answered, "lyon answers")
    finally:
        gateway.stop()
        if engine:
            engine.stop()


def test_an_idle_gateway_calls_nobody_but_its_sites(scripted_grid: Gateway) -> None:
    """All of its connections go to hosts that the configuration names."""
    known = {site.port for site in scripted_grid.plan.sites}
    sockets = set()
    for link in pathlib.Path(f"/proc/{scripted_grid.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # Its probes come and go.
            sockets.add(link.readlink().name)
    assert sockets
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if f"socket:[{fields[9]}]" in sockets and fields[3] == "01":
            local, remote = (int(field.rpartition(":")[2], 16) for field in fields[1:3])
            listening = {scripted_grid.plan.port, int(scripted_grid.plan.admin.rpartition(":")[2])}
            assert remote in known or local in listening, line
