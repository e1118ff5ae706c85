"""Who checks the checker: each thing that may be wrong is planted once, and found.

The books are rows in the schema that the gateway itself makes, written here by
hand: one request, answered whole, by one site.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import sqlite3
import subprocess
import types

import pytest
import storm_grid
from load import Ask
from reckoning import COMPLETED, LOST, OUTPUT_NANO, Findings, Reckoning

SCHEMA = storm_grid.ROOT / "src/adapters/storage/sqlite_schema.h"
JOURNAL = 7
CUT_OFF, FAILED = 3, 2
TRACE = "0af7651916cd43dd8448eb211c80319c"
PROMPT, TOKENS = 10, 40
COST = PROMPT * 120 + TOKENS * OUTPUT_NANO
OWED = PROMPT * 40 + TOKENS * 120
RECEIVABLE, PAYABLE, REVENUE, EXPENSE = 1, 2, 3, 4
ACCOUNTS = {
    RECEIVABLE: (1, "receivable/acme/web/laptop/EUR"),
    PAYABLE: (2, "payable/atlantic-cloud/ashburn/EUR"),
    REVENUE: (3, "revenue/EUR"),
    EXPENSE: (4, "cost/EUR"),
}


@dataclasses.dataclass
class World:
    """One request as its client, the books and an engine know it; a test spoils something."""

    ask: Ask
    request: dict = dataclasses.field(default_factory=dict)
    attempt: dict = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    times_posted: int = 1
    booked: bool = True
    requests_open: int = 0
    debits: str = "1.00"
    trace: str = "dddd"  # In the record.
    others: list[Ask] = dataclasses.field(default_factory=list)  # With the same key.
    more_requests: list[dict] = dataclasses.field(default_factory=list)


def world() -> World:
    """A world in which all is well."""
    name = "req_" + _digits(JOURNAL << 72 | 1 << 48 | 1)
    ask = Ask(trace=TRACE, tenant="acme", chat=True, streamed=True, tokens=TOKENS)
    ask.outcome, ask.request_id, ask.delivered = "whole", name, TOKENS
    ask.cost_nano, ask.prompt, ask.output = COST, PROMPT, TOKENS
    row = {"journal": 1, "epoch": 1, "sequence": 1, "outcome": COMPLETED}
    tokens = {"prompt_tokens": PROMPT, "output_tokens": TOKENS}
    return World(
        ask=ask,
        request=row | tokens | {"receivable": RECEIVABLE, "charged_nano": COST, "closed_position": 9},
        attempt=row | tokens | {"attempt": 1, "payable": PAYABLE, "owed_nano": OWED},
        notes=[f"1.0 asked {TRACE} 0", f"1.0 made {TOKENS}", f"1.0 used {PROMPT} {TOKENS}"],
    )


def reckon(that: World, folder: pathlib.Path) -> Findings:
    """What is found wrong with it."""
    (folder / "data").mkdir()
    _write_books(that, folder / "data/books.sqlite")
    notes = folder / "ashburn.notes"
    notes.write_text("".join(f"{line}\n" for line in that.notes))
    gateway = types.SimpleNamespace(config=folder / "gateway.toml", command=lambda *words: _say(that, words))
    reckoning = Reckoning(gateway, {"ashburn": types.SimpleNamespace(notes=notes)})  # type: ignore[arg-type]
    reckoning.reckon([that.ask, *that.others])
    return reckoning.found


def test_nothing_is_found_where_all_is_well(tmp_path: pathlib.Path) -> None:
    found = reckon(world(), tmp_path)
    assert not found.lost and not found.doubled and not found.unbalanced


def test_a_request_that_two_have_asked_for_is_billed_once(tmp_path: pathlib.Path) -> None:
    that = world()
    _ask_twice(that)
    found = reckon(that, tmp_path)
    assert not found.lost and not found.doubled and not found.unbalanced


def test_who_comes_back_may_have_it_from_one_who_left_without_a_word(tmp_path: pathlib.Path) -> None:
    that = world()
    _ask_twice(that)
    that.ask.outcome, that.ask.request_id, that.ask.delivered = "left", "", 0
    that.trace = TRACE
    found = reckon(that, tmp_path)
    assert not found.lost and not found.doubled and not found.unbalanced


def not_booked(that: World) -> None:
    that.booked = False


def charged_too_little(that: World) -> None:
    that.request["charged_nano"] -= 1


def still_open(that: World) -> None:
    that.requests_open = 1


def cut_without_a_kill(that: World) -> None:
    that.ask.outcome = "cut"


def hung(that: World) -> None:
    that.ask.outcome = "hung"


def tokens_that_nobody_accounts_for(that: World) -> None:
    _crash(that, charged=TOKENS * OUTPUT_NANO // 2)


def work_without_an_attempt(that: World) -> None:
    that.notes += ["1.1 asked ffff 0", "1.1 made 5"]


def owed_for_less_than_was_reported(that: World) -> None:
    that.attempt["output_tokens"] -= 1


def another_answer_for_who_comes_back(that: World) -> None:
    _ask_twice(that)
    that.others[0].cost_nano += 1


def a_key_that_is_refused(that: World) -> None:
    _ask_twice(that)
    that.others[0].outcome, that.others[0].why = "error", "idempotency_key_reused"
    that.others[0].request_id = ""


LOST_ONES = [
    another_answer_for_who_comes_back,
    a_key_that_is_refused,
    not_booked,
    charged_too_little,
    still_open,
    cut_without_a_kill,
    hung,
    tokens_that_nobody_accounts_for,
    work_without_an_attempt,
    owed_for_less_than_was_reported,
]


@pytest.mark.parametrize("spoil", LOST_ONES, ids=lambda spoil: spoil.__name__)
def test_what_is_lost_is_found(tmp_path: pathlib.Path, spoil) -> None:  # type: ignore[no-untyped-def]
    that = world()
    spoil(that)
    assert reckon(that, tmp_path).lost


def charged_twice(that: World) -> None:
    that.times_posted = 2


def charged_too_much(that: World) -> None:
    that.request["charged_nano"] += 1


def charged_to_another(that: World) -> None:
    that.ask.tenant = "guild"


def nobodys_request(that: World) -> None:
    that.ask.request_id, that.ask.trace = "", "eeee"


def charged_more_than_was_sent_before_a_crash(that: World) -> None:
    _crash(that, charged=(TOKENS + 1) * OUTPUT_NANO)


def charged_more_than_was_told_before_an_error(that: World) -> None:
    that.ask.outcome, that.ask.delivered = "error", TOKENS - 1
    that.request["outcome"] = that.attempt["outcome"] = CUT_OFF


def charged_to_a_client_that_left_without_a_word(that: World) -> None:
    that.ask.outcome, that.ask.streamed, that.ask.delivered = "left", False, 0
    that.request["outcome"] = FAILED


def owed_for_more_than_was_made(that: World) -> None:
    that.attempt["output_tokens"] += 1


def carried_out_twice_for_one_key(that: World) -> None:
    _ask_twice(that)
    again = that.others[0]
    again.replayed, again.request_id = False, "req_" + _digits(JOURNAL << 72 | 1 << 48 | 2)
    that.more_requests = [that.request | {"sequence": 2, "closed_position": 10}]


DOUBLED = [
    carried_out_twice_for_one_key,
    charged_twice,
    charged_too_much,
    charged_to_another,
    nobodys_request,
    charged_more_than_was_sent_before_a_crash,
    charged_more_than_was_told_before_an_error,
    charged_to_a_client_that_left_without_a_word,
    owed_for_more_than_was_made,
]


@pytest.mark.parametrize("spoil", DOUBLED, ids=lambda spoil: spoil.__name__)
def test_what_is_doubled_is_found(tmp_path: pathlib.Path, spoil) -> None:  # type: ignore[no-untyped-def]
    that = world()
    spoil(that)
    assert reckon(that, tmp_path).doubled


def test_books_that_do_not_balance_are_found(tmp_path: pathlib.Path) -> None:
    that = world()
    that.debits = "1.01"
    assert reckon(that, tmp_path).unbalanced


# --- Making it ----------------------------------------------------------------


def _ask_twice(that: World) -> None:
    that.ask.key = "one"
    that.others = [dataclasses.replace(that.ask, trace="bbbb", replayed=True)]


def _crash(that: World, charged: int) -> None:
    that.ask.outcome, that.ask.era_ended = "cut", 1
    that.request |= {"outcome": LOST, "charged_nano": charged, "prompt_tokens": 0}
    that.attempt |= {"outcome": LOST, "prompt_tokens": 0}


def _write_books(that: World, path: pathlib.Path) -> None:
    found = re.search(r'R"sql\((.*?)\)sql"', SCHEMA.read_text(), re.S)
    assert found
    database = sqlite3.connect(path)
    database.executescript(found[1])
    database.execute("INSERT OR REPLACE INTO kinds VALUES (1, 'receivable')")
    for account, (kind, name) in ACCOUNTS.items():
        _insert(database, "accounts", {"journal": 1, "account": account, "kind": kind, "currency": "EUR", "path": name})
    if that.booked:
        _insert(database, "requests", that.request)
        _insert(database, "attempts", that.attempt)
    for request in that.more_requests:
        _insert(database, "requests", request)
    for line in range(that.times_posted):
        posting = {"position": 9, "line": line, "debit": RECEIVABLE, "credit": REVENUE, "epoch": 1, "sequence": 1}
        _insert(database, "postings", {"journal": 1, **posting})
    database.commit()
    database.close()


def _insert(database: sqlite3.Connection, table: str, row: dict) -> None:
    """Columns that are not given are 0."""
    columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
    values = [row.get(column, 0) for column in columns]
    database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


def _say(that: World, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """What the gateway's own program would say."""
    charged, owed = (that.request["charged_nano"], that.attempt["owed_nano"]) if that.booked else (0, 0)
    said: dict = {"trace_id": that.trace}
    if words[:2] == ("books", "verify"):
        totals = [{"currency": "EUR", "debits": that.debits, "credits": "1.00"}]
        said = {"requests_open": that.requests_open, "totals": totals, "journal": f"{JOURNAL:032x}"}
        said |= {"postings": that.times_posted}
    elif words[:2] == ("books", "balance"):
        amounts = {"receivable": charged, "revenue": charged, "payable": owed}
        amounts |= {"suspense_receivable": 0, "suspense_payable": 0}
        said = {"balanced": True, "totals": [{name: str(nano / 1e9) for name, nano in amounts.items()}]}
    return subprocess.CompletedProcess(words, 0, json.dumps(said), "")


def _digits(value: int) -> str:
    digits = ""
    for _ in range(40):
        digits, value = "0123456789abcdefghjkmnpqrstvwxyz"[value & 31] + digits, value >> 5
    return digits
