"""Reads what bench/gateway/count_allocations.cpp writes, whose layout it knows."""

from __future__ import annotations

import json
import mmap
import os
import pathlib
import re
import struct
import subprocess
import typing

from servers import BUILD, Server

LIBRARY = BUILD / "bench" / "libcount_allocations.so"
HEAD = struct.Struct("QQ")
THREAD = struct.Struct("QQ")
THREADS = 64
SITE = struct.Struct("15Q")
SITES = 4096


class Board:
    """The counts of one process that was started with environment()."""

    def __init__(self, file: pathlib.Path) -> None:
        size = HEAD.size + THREADS * THREAD.size + SITES * SITE.size
        file.write_bytes(bytes(size))
        self.file = file
        with file.open("r+b") as opened:
            self.memory = mmap.mmap(opened.fileno(), size)

    def environment(self) -> dict[str, str]:
        """For the process."""
        return os.environ | {"HANSE_ALLOCATIONS": str(self.file), "LD_PRELOAD": str(LIBRARY)}

    def allocations(self, thread: int) -> int:
        """Allocations of one thread so far."""
        for i in range(THREADS):
            number, count = THREAD.unpack_from(self.memory, HEAD.size + i * THREAD.size)
            if number == thread:
                return int(count)
        raise SystemExit("the allocations of that thread are not counted")

    def keep_callers(self, keep: bool) -> None:
        """From now on the main thread's callers are kept, or not."""
        struct.pack_into("Q", self.memory, 0, int(keep))

    def callers(self, server: Server) -> list[tuple[int, list[str]]]:
        """How many allocations were asked for by whom, most first: functions, from the innermost out."""
        begin = HEAD.size + THREADS * THREAD.size
        found = []
        for i in range(SITES):
            count, *frames = SITE.unpack_from(self.memory, begin + i * SITE.size)
            if count:
                found.append((count, [frame for frame in frames if frame]))
        names = names_of({frame for _, frames in found for frame in frames}, server.pid)
        # What differs in an address within a function only is one caller.
        merged: dict[tuple[str, ...], int] = {}
        for count, frames in found:
            key = tuple(names[frame] for frame in frames)
            merged[key] = merged.get(key, 0) + count
        return sorted(((count, list(key)) for key, count in merged.items()), reverse=True)


def names_of(addresses: set[int], pid: int) -> dict[int, str]:
    """The functions at addresses of a running process."""
    bases: dict[str, int] = {}
    ranges = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            bases.setdefault(fields[5], begin)
            ranges.append((begin, end, fields[5]))
    asked: dict[int, tuple[str, int]] = {}
    for address in addresses:
        for begin, end, file in ranges:
            if begin <= address < end:
                asked[address] = (file, address - 1 - bases[file])  # the call, not what follows it
    lines = "".join(f'CODE "{file}" {offset:#x}\n' for file, offset in asked.values())
    command = ["llvm-symbolizer-19", "--functions=linkage", "--no-inlines", "--output-style=JSON"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    names = {address: "?" for address in addresses}
    for address, answer in zip(asked, done.stdout.splitlines(), strict=True):
        names[address] = name_in(answer) or pathlib.Path(asked[address][0]).name
    return names


def name_in(answer: str) -> str:
    """The function in one of the symbolizer's answers."""
    symbols = typing.cast(list[dict[str, str]], json.loads(answer).get("Symbol", []))
    name = symbols[0]["FunctionName"] if symbols else ""
    name = name.replace("(anonymous namespace)::", "").replace("hanse::", "")
    while (shorter := re.sub(r"<[^<>]*>|\([^()]*\)( const)?", "", name)) != name:  # arguments, innermost first
        name = shorter
    return name.strip()
