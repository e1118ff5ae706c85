"""Child processes that never outlive their parent, and are known by more than a number."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.


@dataclasses.dataclass(frozen=True)
class Identity:
    """A process for as long as it lives.

    Numbers are used again, so a number read from a file may by now mean a
    stranger. The time at which a process began tells the two apart.
    """

    pid: int
    began: int  # Clock ticks since boot, field 22 of /proc/PID/stat.

    @staticmethod
    def of(pid: int) -> Identity | None:
        """Returns the identity of a living process, or None."""
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is a name that may contain anything; the rest
        # begins after its last parenthesis.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else Identity(pid, int(fields[19]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if the process is still there."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def wait(self, seconds: float) -> bool:
        """Waits until the process is gone; says whether it is."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def die_with_parent(number: signal.Signals) -> None:
    """Asks the kernel to send this signal to the calling process when its parent ends.

    It stays in force when the process becomes another program.
    """
    if _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def start(
    command: list[str], log: pathlib.Path, directory: pathlib.Path, on_parent_death: signal.Signals
) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own, so that Ctrl-C reaches only us.

    Requires: called from the main thread, because the kernel counts the death
    of the thread that started a child as the death of its parent.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(on_parent_death),
        )


def holder_of_port(host: str, port: int) -> str | None:
    """Says who listens on a port, as well as we may know; None if it is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it, closed connections would hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return None
        except OSError as error:
            if error.errno not in (98, 13):  # EADDRINUSE, EACCES
                return error.strerror or str(error)
    inode = _listening_inode(port)
    for entry in pathlib.Path("/proc").iterdir() if inode else ():
        if not entry.name.isdigit():
            continue
        try:
            if any(os.readlink(fd) == f"socket:[{inode}]" for fd in (entry / "fd").iterdir()):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"process {entry.name}: {words.strip()[:60]}"
        except OSError:
            continue  # Gone, or not ours to look at.
    return "another process"


def _listening_inode(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                return fields[9]
    return None
