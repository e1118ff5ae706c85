#!/usr/bin/env python3
"""Makes the profile that the release build is optimised with.

Usage: profile.py PROGRAM PROFILE

PROGRAM is a gateway that counts what it does (the `profile` preset). It serves
what the benchmarks ask of it, whole answers and streams, plain and over TLS,
with many clients and with one; what it counted becomes PROFILE.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

import servers

MERGE = "llvm-profdata-19"


def train(program: pathlib.Path, counts: pathlib.Path, folder: pathlib.Path) -> None:
    """Asks gateways for what gateways are asked for."""
    environment = {**os.environ, "LLVM_PROFILE_FILE": str(counts / "%p.profraw")}
    with servers.running_engine(200, 20) as engine:
        for name, more, clients in (("plain", "", ()), ("tls", servers.make_certificate(folder), ("tls",))):
            hanse, _ = servers.start_hanse(folder / name, engine, more, environment, program)
            try:
                for mode, count in (("json", 48), ("stream", 200), ("json", 1), ("stream", 1)):
                    print(f"profile: {name}, {mode}, {count} at once", flush=True)
                    servers.load(hanse.port, mode, count, 4, *clients)
            finally:
                hanse.stop()


def main() -> int:
    """Makes the profile."""
    program, profile = map(pathlib.Path, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        counts = pathlib.Path(name) / "counts"
        counts.mkdir()
        train(program.resolve(), counts, pathlib.Path(name))
        raw = sorted(counts.iterdir())
        subprocess.run([MERGE, "merge", "-sparse", "-o", profile, *raw], check=True)
    print(f"profile: {profile}, {profile.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
