#!/usr/bin/env python3
"""Checks that the layers of src/ hold: no include goes up or sideways.

Usage: check_layers.py SRC

The rules, from docs/architecture.md:

* base < core < adapters < drivers < apps: a folder includes its own layer only
  as far as the table below says, and lower layers freely.
* In core, only dispatch knows its siblings; the others know catalog, fleet
  and base.
* Adapters do not know each other, save that api and engines may use http.
* drivers/replay uses no sockets, so it may not include adapters/http, api or
  engines' network side.
* core has no I/O, clock, thread, random device or coroutine: the headers that
  bring them are refused by name.

Prints one line per breach, `file:line: what, and why`, and exits with 1.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LAYERS = ["base", "core", "adapters", "drivers", "apps"]

# Who may include a sibling of its own layer, beside itself.
SIBLINGS: dict[str, set[str]] = {
    "core/catalog": set(),
    "core/fleet": {"core/catalog"},
    "core/dispatch": {"*"},
    "adapters/api": {"adapters/http"},
    "adapters/engines": {"adapters/http"},
}
CORE_DEFAULT = {"core/catalog", "core/fleet"}

# Modules that a module may not include although its layer would allow it.
REFUSED: dict[str, set[str]] = {
    "drivers/replay": {"adapters/http", "adapters/api", "adapters/engines", "drivers/serve"},
    "drivers/serve": {"drivers/replay"},
}

# In core: what brings I/O, a clock, a thread, chance or a coroutine.
CORE_REFUSED = {
    "chrono": "a clock", "ctime": "a clock", "time.h": "a clock", "sys/time.h": "a clock",
    "thread": "a thread", "mutex": "a thread", "shared_mutex": "a thread",
    "condition_variable": "a thread", "future": "a thread", "atomic": "a thread",
    "semaphore": "a thread", "latch": "a thread", "barrier": "a thread", "stop_token": "a thread",
    "pthread.h": "a thread", "random": "a random device", "coroutine": "a coroutine",
    "iostream": "I/O", "fstream": "I/O", "istream": "I/O", "ostream": "I/O", "cstdio": "I/O",
    "stdio.h": "I/O", "filesystem": "I/O", "fcntl.h": "I/O", "unistd.h": "I/O",
    "unordered_map": "iteration in no fixed order", "unordered_set": "iteration in no fixed order",
}
CORE_REFUSED_PREFIXES = {
    "sys/": "I/O", "netinet/": "I/O", "arpa/": "I/O", "boost/asio": "I/O", "openssl/": "I/O or chance",
    "sqlite3": "I/O", "libpq": "I/O", "spdlog/": "I/O", "fmt/chrono": "a clock", "fmt/os": "I/O",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def module_of(path: str) -> str:
    """The module of a path below src/: `base`, or the first two folders."""
    parts = path.split("/")
    return parts[0] if parts[0] == "base" or len(parts) < 3 else "/".join(parts[:2])


def breach(user: str, header: str, quoted: bool) -> str | None:
    """Why `user` (a module) may not include `header`, or None."""
    layer = user.split("/")[0]
    if not quoted or header.split("/")[0] not in LAYERS:
        if layer == "core":
            if header in CORE_REFUSED:
                return f"core may not include <{header}>: it brings {CORE_REFUSED[header]}"
            for prefix, what in CORE_REFUSED_PREFIXES.items():
                if header.startswith(prefix):
                    return f"core may not include <{header}>: it brings {what}"
        return None
    used = module_of(header)
    used_layer = used.split("/")[0]
    if used == user:
        return None
    if LAYERS.index(used_layer) > LAYERS.index(layer):
        return f"{user} may not include {header}: arrows point only downward"
    if used in REFUSED.get(user, set()):
        return f"{user} may not include {header}: {user} keeps clear of {used}"
    if used_layer != layer:
        return None
    allowed = SIBLINGS.get(user, CORE_DEFAULT if layer == "core" else set())
    if "*" in allowed or used in allowed:
        return None
    return f"{user} may not include {header}: it may not know its sibling {used}"


def check(src: Path) -> list[str]:
    """All breaches below `src`, in order of file and line."""
    breaches = []
    for path in sorted(src.rglob("*")):
        if path.suffix not in {".h", ".cpp"}:
            continue
        relative = path.relative_to(src).as_posix()
        user = module_of(relative)
        if user.split("/")[0] not in LAYERS:
            breaches.append(f"{path}:1: {user} is not one of the layers {', '.join(LAYERS)}")
            continue
        # A test stands beside its code but may look at more than the code may.
        is_test = path.stem.endswith(("_test", "_bench", "_fuzz")) or "/testing/" in f"/{relative}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            match = INCLUDE.match(line)
            if not match:
                continue
            why = breach(user, match[2], match[1] == '"')
            if why and not (is_test and match[1] == "<"):
                breaches.append(f"{path}:{number}: {why}")
    return breaches


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    breaches = check(Path(sys.argv[1]))
    for line in breaches:
        print(line, file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
