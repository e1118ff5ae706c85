"""When the gateway's own machine fails: disks that are full, broken or slow, damaged files, clocks that jump.

Each test is a row of docs/reliability-stores.md.
"""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextlib
import errno
import http.client
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest
from harness import BINARY, until
from odd_grid import Engines, Listener, Machine, Telling, error_of, is_whole

ERRORS = [errno.ENOSPC, errno.EROFS, errno.EIO]
named = pytest.mark.parametrize("error", ERRORS, ids=[errno.errorcode[error] for error in ERRORS])

# The longest pause between two events of a stream that counts as going on. The
# engine pauses for 20 ms.
PAUSE_SECONDS = 0.5


@pytest.fixture
def machine(scripted: Engines, tmp_path: pathlib.Path) -> collections.abc.Iterator[Machine]:
    """A gateway of a test's own, on a machine that is all right so far."""
    made = Machine(tmp_path, scripted)
    try:
        yield made
    finally:
        made.normal()
        made.gateway.stop()


# --- A disk that fails under the journal -------------------------------------


@named
@pytest.mark.parametrize("what", ["write", "sync"])
def test_a_disk_that_fails_ends_all_with_an_error_and_loses_nothing(
    scripted: Engines, machine: Machine, error: int, what: str
) -> None:
    assert machine.ask() == 200
    telling = Telling(scripted)
    listener = Listener(machine)
    machine.rule(f"{machine.journal} {what} {error} 0")
    statuses: list[int] = []
    until(lambda: statuses.append(machine.ask()) or statuses[-1] == 503, "nothing is admitted")

    # Said to the client, freed at the site, told to the operator.
    text = listener.end()
    assert not is_whole(text) and error_of(text)["hanse"]["fault"] == "us"
    assert telling.left.wait(20), "the engine goes on for nobody"
    status, why = machine.ready()
    assert status == 503 and "the journal cannot be written" in why
    log = machine.gateway.log_tail()
    assert "nothing is admitted until a restart" in log and str(machine.journal) in log

    # For good: what the disk still holds is unknown.
    machine.normal()
    assert machine.ask() == 503
    machine.restart()
    assert machine.ask() == 200
    audit = machine.audit()
    assert audit["requests_open"] == 0 and audit["requests_lost"] >= 1


@named
def test_a_disk_that_cannot_be_written_at_the_start_is_said_and_nothing_served(machine: Machine, error: int) -> None:
    assert machine.ask() == 200
    machine.gateway.stop()
    machine.rule(f"{machine.journal} write {error} 0", f"{machine.journal} open {error} 0")
    with pytest.raises(AssertionError, match="the gateway ended"):
        machine.gateway.start()
    assert str(machine.journal) in machine.gateway.log_tail()
    machine.normal()
    machine.gateway.start()
    assert machine.ask() == 200


# --- A disk that is slow under the journal -----------------------------------


@pytest.mark.parametrize("what", ["write", "sync"])
def test_a_disk_that_stands_still_stops_no_stream_that_waits_for_no_entry(
    scripted: Engines, machine: Machine, what: str
) -> None:
    telling = Telling(scripted)
    listener = Listener(machine)
    machine.rule(f"{machine.journal} {what} 0 60000")
    # Something to write down, so that the disk is asked.
    asked = threading.Thread(target=machine.ask, daemon=True)
    asked.start()
    listener.hears(100)
    machine.normal()
    asked.join(30)
    assert machine.ask() == 200
    telling.ended.set()
    assert is_whole(listener.end())
    assert listener.longest_pause < PAUSE_SECONDS
    assert machine.audit()["requests_lost"] == 0


def test_while_a_disk_stands_still_nothing_is_admitted_and_who_waits_is_told(
    scripted: Engines, machine: Machine
) -> None:
    assert machine.ask() == 200
    asked = len(scripted["ashburn"].requests)
    machine.rule(f"{machine.journal} write 0 60000")
    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.append(machine.ask()), daemon=True)
    waiting.start()
    until(lambda: machine.ready()[0] == 503, "whoever sends it clients is told")
    assert "stands still" in machine.ready()[1]
    assert machine.ask() == 503
    until(lambda: statuses, "who waits is told")
    assert statuses == [503] and len(scripted["ashburn"].requests) == asked, "nothing is sent that is not booked"
    assert "the journal's disk stands still" in machine.gateway.log_tail()

    machine.normal()
    until(lambda: machine.ready()[0] == 200, "it goes on by itself")
    assert machine.ask() == 200
    assert "the journal's disk goes on" in machine.gateway.log_tail()
    audit = machine.audit()
    assert (audit["requests_charged"], audit["requests_lost"], audit["requests_open"]) == (2, 0, 0)


def test_a_stream_at_its_mark_waits_for_the_disk_and_then_is_told(scripted: Engines, machine: Machine) -> None:
    """At most 256 tokens go out ahead of what is written down."""
    telling = Telling(scripted, pause_seconds=0.015)
    listener = Listener(machine)
    machine.rule(f"{machine.journal} write 0 60000")
    text = listener.end()
    assert not is_whole(text) and "disk" in error_of(text)["message"]
    assert telling.left.wait(20), "the engine goes on for nobody"
    machine.normal()
    until(lambda: machine.ready()[0] == 200, "it goes on by itself")
    audit = machine.audit()
    assert (audit["requests_charged"], audit["requests_lost"], audit["requests_open"]) == (1, 0, 0)


def test_a_kill_while_the_disk_stands_still_loses_nothing_that_left(scripted: Engines, machine: Machine) -> None:
    telling = Telling(scripted)
    listener = Listener(machine)
    machine.rule(f"{machine.journal} write 0 60000")

    def ask_in_vain() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            machine.ask()

    threading.Thread(target=ask_in_vain, daemon=True).start()
    listener.hears(50)
    machine.restart()
    telling.ended.set()
    assert not is_whole(listener.end())
    audit = machine.audit()
    assert audit["requests_lost"] == 1 and audit["requests_open"] == 0


# --- Books -------------------------------------------------------------------


@named
def test_books_that_cannot_be_written_are_not_noticed_and_catch_up(
    scripted: Engines, machine: Machine, error: int
) -> None:
    assert machine.ask() == 200
    until(machine.books_have_all, "the books are level")
    machine.rule(f"{machine.books} write {error} 0", f"{machine.books} sync {error} 0")
    for _ in range(20):
        assert machine.ask() == 200
    assert machine.ready()[0] == 200
    assert machine.metric("hanse_books_lag_entries") > 0
    machine.normal()
    until(machine.books_have_all, "the books have caught up")
    assert machine.ask() == 200
    assert machine.audit()["requests_charged"] == 22


@pytest.mark.parametrize("what", ["write", "sync"])
def test_books_that_stand_still_are_not_noticed_and_catch_up(scripted: Engines, machine: Machine, what: str) -> None:
    """For ten minutes, too: docs/configuration.md has how far they may be behind."""
    text = (pathlib.Path(__file__).parents[2] / "docs/configuration.md").read_text()
    assert re.search(r"^\| `lag_max` \| [^|]* \| `15m` \|", text, re.M)
    telling = Telling(scripted)
    listener = Listener(machine)
    machine.rule(f"{machine.books} {what} 0 600000")
    begun = time.monotonic()
    for _ in range(20):
        assert machine.ask() == 200
    assert time.monotonic() - begun < 5
    assert machine.ready()[0] == 200
    assert machine.metric("hanse_books_lag_entries") > 0
    listener.hears(50)
    machine.normal()
    telling.ended.set()
    assert is_whole(listener.end()) and listener.longest_pause < PAUSE_SECONDS
    until(machine.books_have_all, "the books have caught up")


def test_books_that_are_too_far_behind_stop_admission_until_they_have_caught_up(
    scripted: Engines, tmp_path: pathlib.Path
) -> None:
    machine = Machine(tmp_path, scripted, '\n[ledger]\nlag_max = "1s"\n')
    try:
        telling = Telling(scripted)
        listener = Listener(machine)
        machine.rule(f"{machine.books} write {errno.EIO} 0")
        until(lambda: machine.ask() == 503, "nothing is admitted")
        assert "behind the journal" in machine.ready()[1]
        # Who was admitted does not wait for the books.
        listener.hears(20)
        telling.ended.set()
        assert is_whole(listener.end())
        machine.normal()
        until(lambda: machine.ask() == 200, "it goes on by itself")
    finally:
        machine.normal()
        machine.gateway.stop()


# --- Damaged files -----------------------------------------------------------


def newest_entries(machine: Machine) -> pathlib.Path:
    """The file of the journal that was written last."""
    return max(machine.journal.glob("*.entries"))


def test_a_torn_tail_is_cut_at_the_last_whole_record_and_told(machine: Machine) -> None:
    for _ in range(3):
        assert machine.ask() == 200
    machine.gateway.kill()
    entries = newest_entries(machine)
    whole = entries.read_bytes()
    # What a killed write leaves: a block that began and did not end.
    entries.write_bytes(whole + whole[128:200])
    machine.gateway.start()
    assert re.search(r"the journal's end was cut off.*\.entries", machine.gateway.log_tail())
    assert machine.ask() == 200
    assert machine.audit()["requests_charged"] == 4


@pytest.mark.parametrize("where", ["middle", "end"])
def test_a_flipped_bit_in_what_the_books_know_is_refused_with_its_place(machine: Machine, where: str) -> None:
    for _ in range(3):
        assert machine.ask() == 200
    until(machine.books_have_all, "the books are level")
    machine.gateway.kill()
    entries = newest_entries(machine)
    whole = entries.read_bytes()
    at = len(whole) // 2 if where == "middle" else len(whole) - 50
    damaged = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
    entries.write_bytes(damaged)
    for _ in range(2):
        refused = subprocess.run(
            [str(BINARY), "serve", str(machine.gateway.config)], capture_output=True, text=True, timeout=30, check=False
        )
        assert refused.returncode == 1
        expected = rf"{entries.name} at offset \d+" if where == "middle" else "lost its end"
        assert re.search(expected, refused.stderr), refused.stderr
        assert entries.read_bytes() == damaged, "nothing is thrown away"
    entries.write_bytes(whole)
    machine.gateway.start()
    assert machine.ask() == 200
    assert machine.audit()["requests_charged"] == 4


def test_what_is_left_of_a_journal_is_gone_on_from_when_its_owner_says_so(machine: Machine) -> None:
    for _ in range(3):
        assert machine.ask() == 200
    until(machine.books_have_all, "the books are level")
    machine.gateway.kill()
    entries = newest_entries(machine)
    whole = entries.read_bytes()
    entries.write_bytes(whole[:-50])
    with pytest.raises(AssertionError, match="books rebuild"):
        machine.gateway.start()
    done = machine.gateway.command("books", "rebuild")
    assert done.returncode == 0, done.stdout + done.stderr
    machine.gateway.start()
    assert re.search(rf"the journal's end was cut off.*{entries.name} at offset", machine.gateway.log_tail())
    assert machine.ask() == 200
    until(machine.books_have_all, "the books have caught up")
    assert machine.audit()["requests_open"] == 0


def test_books_that_are_damaged_are_refused_and_can_be_made_anew(machine: Machine) -> None:
    assert machine.ask() == 200
    until(machine.books_have_all, "the books are level")
    machine.gateway.stop()
    machine.books.write_bytes(b"not a database at all, however long one looks" * 500)
    refused = subprocess.run(
        [str(BINARY), "serve", str(machine.gateway.config)], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode != 0 and machine.books.name in refused.stderr, refused.stderr
    machine.books.unlink()
    assert machine.gateway.command("books", "rebuild").returncode == 0
    machine.gateway.start()
    assert machine.ask() == 200


# --- Clocks, descriptors, memory, other files --------------------------------


@pytest.mark.parametrize("seconds", [86_400, -86_400], ids=["ahead", "back"])
def test_a_clock_that_jumps_is_not_noticed_by_any_request(scripted: Engines, machine: Machine, seconds: int) -> None:
    telling = Telling(scripted)
    listener = Listener(machine)
    machine.rule(f"clock is {seconds} 0")
    for _ in range(5):
        assert machine.ask() == 200
    listener.hears(50)
    machine.normal()
    assert machine.ask() == 200
    telling.ended.set()
    assert is_whole(listener.end()) and listener.longest_pause < PAUSE_SECONDS
    assert machine.audit()["requests_charged"] == 7


def test_without_a_descriptor_for_its_next_file_the_journal_goes_on_in_this_one(
    scripted: Engines, tmp_path: pathlib.Path
) -> None:
    machine = Machine(tmp_path, scripted, '\n[ledger]\nsegment_bytes = "1MiB"\n')
    try:
        machine.rule(f"{machine.journal} open {errno.EMFILE} 0")
        entries = newest_entries(machine)

        def ask_many(_: int) -> None:
            for _ in range(20):
                assert machine.ask() == 200

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while entries.stat().st_size < 1_100_000:
                list(pool.map(ask_many, range(8)))
        assert list(machine.journal.glob("*.entries")) == [entries]
        machine.normal()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while len(list(machine.journal.glob("*.entries"))) == 1:
                list(pool.map(ask_many, range(8)))
        machine.audit()
    finally:
        machine.normal()
        machine.gateway.stop()


def test_past_the_bound_on_open_requests_new_ones_are_refused_and_open_ones_go_on(
    scripted: Engines, tmp_path: pathlib.Path
) -> None:
    machine = Machine(tmp_path, scripted, "\n[limits]\nrequests_max = 2\n")
    try:
        telling = Telling(scripted)
        listeners = [Listener(machine), Listener(machine)]
        refused = machine.post()
        assert refused.status == 503 and int(refused.headers["retry-after"]) > 0
        refused.read()
        telling.ended.set()
        assert all(is_whole(listener.end()) for listener in listeners)
        until(lambda: machine.ask() == 200, "there is room again")
    finally:
        machine.gateway.stop()


@named
def test_a_reload_that_cannot_be_kept_is_refused_and_the_old_configuration_stays(machine: Machine, error: int) -> None:
    assert machine.ask() == 200
    snapshots = machine.data / "snapshots"
    machine.rule(f"{snapshots} write {error} 0", f"{snapshots} open {error} 0")
    config = machine.gateway.config
    config.write_text(config.read_text().replace('budget = "0.000001"', 'budget = "0.000002"'))
    machine.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "the new configuration is refused" in machine.gateway.log_tail(), "the refusal is logged")
    assert machine.ask() == 200
    machine.normal()
    machine.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in machine.gateway.log_tail(), "it is taken")
    assert machine.ask() == 200


@named
def test_a_log_that_cannot_be_written_is_not_noticed_by_any_request(
    scripted: Engines, tmp_path: pathlib.Path, error: int
) -> None:
    log = tmp_path / "log"
    machine = Machine(tmp_path, scripted, f'\n[telemetry]\nlog_file = "{log}"\nlog_level = "debug"\n')
    try:
        machine.rule(f"{log} write {error} 0")
        for _ in range(5):
            assert machine.ask() == 200
        machine.rule(f"{log} write 0 60000")
        for _ in range(5):
            assert machine.ask() == 200
    finally:
        machine.normal()
        machine.gateway.stop()
