"""The processes that bench/run.py measures, and what the kernel says of them."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import pathlib
import signal
import socket
import subprocess
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
NGINX = ROOT / ".deps" / "bin" / "nginx"
KEY = "hk-bench-000000000000000"

CONFIGURATION = """
schema = 1
[gateway]
name = "bench"
currency = "EUR"
listen = "127.0.0.1:{port}"
admin = "unix:{folder}/admin.sock"
data_dir = "{folder}/data"
{more}
[http]
connections_max = 20000
retained_bytes_max = "2GiB"
[chip.mock]
name = "a chip that computes nothing"
[model.mock]
context_tokens = 8192
[model.mock.variant.v]
precision = "none"
[alias.mock]
model = "mock"
class = "any"
[class.any]
first_token = "30s"
per_token = "1s"
time_limit = "10m"
[supplier.mock]
name = "Mock GmbH"
home = "DE"
parents = "none"
[site.mock]
supplier = "mock"
place = "DE"
chip = "mock"
slots = 20000
engine = {{ kind = "openai", url = "http://127.0.0.1:{engine}" }}
[site.mock.offer.mock.v]
upstream_model = "mock"
price = {{ prompt = "0.040", output = "0.120" }}
profile = {{ first_token = "1ms", prefill_tokens_per_second = 100000, decode_tokens_per_second = 20 }}
[link.mock]
round_trip = "1ms"
bandwidth_mbit_per_second = 10000
[price.standard.mock]
prompt = "0.120"
output = "0.360"
[policy.union]
rules = [{{ name = "personal-stays", when = {{ data = "personal" }}, require = {{ place = ["EU"] }} }}]
[tenant.bench]
name = "Bench"
home = "DE"
policy = "union"
data = "none"
price = "standard"
budget = "1000000"
output_tokens_default = 256
[tenant.bench.project.p]
[tenant.bench.project.p.key.k]
sha256 = "{digest}"
"""

NGINX_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error crit;
events {{ worker_connections 30000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


class Server(typing.NamedTuple):
    """A process to be measured."""

    process: subprocess.Popen[bytes]
    pid: int  # of the process that serves
    port: int

    def stop(self) -> None:
        """Ends it in order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 10) -> None:
    """Waits until somebody listens on `port`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"nobody listens on port {port}")


def start_nginx(folder: pathlib.Path, engine: int) -> Server:
    """nginx with one worker."""
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(NGINX_CONFIGURATION.format(folder=folder, engine=engine, port=port))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", file], stderr=subprocess.DEVNULL)
    wait_for(port)
    # It listens before its worker is there.
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 10
    while not (workers := children.read_text().split()):
        if time.monotonic() > end:
            process.kill()
            raise SystemExit("nginx starts no worker")
        time.sleep(0.005)
    return Server(process, int(workers[0]), port)


def make_certificate(folder: pathlib.Path) -> str:
    """The lines of a configuration that turn TLS on, with a certificate of their own."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return f'tls_certificate_file = "{certificate}"\ntls_key_file = "{key}"'


def start_hanse(folder: pathlib.Path, engine: int, more: str = "",
                environment: dict[str, str] | None = None,
                program: pathlib.Path = BUILD / "hanse") -> tuple[Server, float]:
    """The gateway in a folder of its own, with `more` lines in its [gateway], and
    the seconds until it listened."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    file = folder / "bench.toml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    file.write_text(CONFIGURATION.format(folder=folder, engine=engine, port=port, digest=digest, more=more))
    log = folder / "hanse.log"
    began = time.monotonic()
    process = subprocess.Popen([program, "serve", file], stderr=log.open("wb"), env=environment)
    try:
        wait_for(port, 60)
    except SystemExit:
        process.kill()
        raise SystemExit(f"the gateway did not start:\n{log.read_text()}") from None
    return Server(process, process.pid, port), time.monotonic() - began


@contextlib.contextmanager
def running_engine(events: int, events_per_second: int) -> typing.Iterator[int]:
    """The port of an engine whose streams have so many events."""
    port = free_port()
    command = [BUILD / "bench" / "bench_mock_engine", str(port), str(events), str(events_per_second)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def start_load(port: int, mode: str, count: int, seconds: int, *more: str) -> subprocess.Popen[str]:
    """Starts clients."""
    command = [BUILD / "bench" / "bench_load", str(port), mode, str(count), str(seconds), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(clients: subprocess.Popen[str]) -> dict[str, float]:
    """What the clients saw, when they are done."""
    output, _ = clients.communicate(timeout=120)
    if clients.returncode != 0:
        raise SystemExit("the clients failed")
    return typing.cast(dict[str, float], json.loads(output.splitlines()[-1]))


def load(port: int, mode: str, count: int, seconds: int, *more: str) -> dict[str, float]:
    """Runs clients."""
    return result(start_load(port, mode, count, seconds, *more))


def cpu_by_thread(pid: int) -> dict[str, float]:
    """CPU seconds by the threads' names, from the scheduler's own nanoseconds; "main" is the one that serves."""
    seconds: dict[str, float] = collections.defaultdict(float)
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = "main" if int(task.name) == pid else (task / "comm").read_text().strip()
        seconds[name] += int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def private_kilobytes(pid: int) -> int:
    """Private memory that the process has written to."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


def resident_megabytes(pid: int) -> float:
    """Resident memory."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def remote_ends(pid: int) -> set[str]:
    """The remote ends (hexadecimal address:port) of the process's sockets, listeners aside."""
    sockets = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    ends = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in sockets and fields[2].rpartition(":")[2] != "0000":
                ends.add(fields[2])
    return ends


def metric(folder: pathlib.Path, name: str) -> float:
    """One of the gateway's own metrics, over its admin socket."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(folder / "admin.sock"))
        admin.sendall(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
        text = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))
