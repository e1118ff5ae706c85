"""The processes of a storm: four engines that are killed, and a gateway that is killed."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tools/grid")]

import harness  # noqa: E402
import load  # noqa: E402
import processes  # noqa: E402

# Two kinds, so that answers are continued here and repeated there.
KINDS = {"ashburn": "llama.cpp", "frankfurt": "openai", "hamburg": "llama.cpp", "lyon": "openai"}


def quiet_port() -> int:
    """A free port that the kernel gives to no client.

    Who is killed and comes back wants its old port again; one of those that
    clients are given might be in use by then.
    """
    first, last = (int(word) for word in pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    below = range(2000, min(first, 30000)) if first > 4000 else range(last + 1, 65535)
    for port in random.SystemRandom().sample(below, 50):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Engine:
    """A noted engine."""

    def __init__(self, site: str, folder: pathlib.Path, *options: str) -> None:
        self.site = site
        self.notes = folder / f"{site}.notes"
        self.notes.touch()
        self._port = quiet_port()
        self._log = folder / f"{site}.log"
        self._options = options
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it; it listens a moment later."""
        command = [sys.executable, str(HERE / "noted_engine.py"), "--site", self.site, "--kind", KINDS[self.site]]
        command += ["--port", str(self._port), "--notes", str(self.notes), *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """Ends it without warning."""
        assert self._process.poll() is None, f"{self.site} had ended:\n{self._log.read_text()}"
        self._process.kill()
        self._process.wait()

    def await_ready(self) -> None:
        """Waits until it can answer."""

        def ready() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            with contextlib.suppress(OSError):
                return harness.get(self.url, "/health")[0] == 200
            return False

        harness.until(ready, f"{self.site} is ready")


class Gateway(harness.Gateway):
    """A gateway that may also be killed while it starts."""

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts it and does not wait."""
        command = [str(harness.BINARY), "serve", str(self.config)]
        return processes.start(command, self.config.with_suffix(".log"), ROOT, signal.SIGKILL)


def render(folder: pathlib.Path, engines: dict[str, Engine], more: str = "") -> pathlib.Path:
    """The configuration: config/four-sites.toml with room for more at once, and two tenants more, and hedges."""
    digests = {name: hashlib.sha256(load.KEYS[name].encode()).hexdigest() for name in ("guild", "club")}
    tenants = f"""
[tenant.guild]
name = "A guild that would rather have an error than another site's words"
home = "DE"
policy = "none"
data = "none"
price = "standard"
rescue = "never"
[tenant.guild.project.hall]
[tenant.guild.project.hall.key.clerk]
sha256 = "{digests["guild"]}"
[tenant.club]
name = "A club whose requests carry an Idempotency-Key"
home = "DE"
policy = "none"
data = "none"
price = "standard"
idempotency_keys = true
[tenant.club.project.bar]
[tenant.club.project.bar.key.till]
sha256 = "{digests["club"]}"
"""

    def change(text: str) -> str:
        for site, kind in KINDS.items():
            pattern = rf'(^\[site\.{site}\]$.*?kind = )"[^"]*"'
            text = re.sub(pattern, rf'\g<1>"{kind}"', text, count=1, flags=re.M | re.S)
        text = re.sub(r"^slots = 4$", "slots = 16", text, flags=re.M)
        text = re.sub(r"^\[class\.interactive\]$", r"\g<0>\nhedge_percent = 50", text, flags=re.M)
        text = text.replace('budget = "0.000001"', 'budget = "1000000.00"')
        text = text.replace('budget = "25.00"', 'budget = "1000000.00"\nrescue = "any-variant"')
        for name in ("listen", "admin"):
            text = re.sub(rf'^{name} = "[^"]*"', f'{name} = "127.0.0.1:{quiet_port()}"', text, flags=re.M)
        text = re.sub(r"^context_tokens = .*$", "context_tokens = 40000", text, flags=re.M)
        # An engine that is back is to be used again before the next kill.
        return text + tenants + '\n[health]\nprobe_interval = "100ms"\npause_first = "100ms"\n' + more

    return harness.render_config(folder, {site: engine.url for site, engine in engines.items()}, change)
