"""Holds what clients have against what the books and the engines say.

The books are read as they lie on disk, while no gateway runs: what a request
was charged, what each attempt at it is owed, what is in doubt. What it must be
follows from docs/ledger.md; each check names what it found, and whether a
client or supplier lost by it or somebody was charged or paid twice.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import sqlite3

import harness
from load import Ask

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
# Of the table `outcomes`, see docs/ledger.md.
COMPLETED, CANCELLED, LOST = 1, 4, 6
ESTIMATED = 1
# What tenants pay for an output token, in nano-units, and for one of a prompt at most.
OUTPUT_NANO, PROMPT_NANO = 360, 120
Number = tuple[int, int]  # Epoch and sequence.


def number_of(request_id: str) -> Number:
    """The epoch and sequence of a request, out of its name."""
    value = 0
    for digit in request_id.removeprefix("req_"):
        value = value * 32 + DIGITS.index(digit)
    return value >> 48 & 0xFFFFFF, value & 0xFFFFFFFFFFFF


@dataclasses.dataclass
class Work:
    """What one engine noted of one request that it got."""

    site: str
    trace: str
    given: int
    made: int = 0
    used: tuple[int, int] | None = None  # Prompt and output, as it reported them.


class Notes:
    """All engines' notes, read as far as they have come."""

    def __init__(self, engines: dict) -> None:
        self._engines = engines
        self._read = dict.fromkeys(engines, 0)
        self._by_ask: dict[tuple[str, str], Work] = {}
        self.by_trace: dict[str, list[Work]] = collections.defaultdict(list)
        self.made = 0

    def read(self) -> None:
        """Reads what is new."""
        for site, engine in self._engines.items():
            with engine.notes.open("rb") as notes:
                notes.seek(self._read[site])
                for line in notes:
                    self._take(site, line.decode().split())
                self._read[site] = notes.tell()

    def forget(self) -> None:
        """Drops what has been reckoned."""
        self._by_ask.clear()
        self.by_trace.clear()

    def _take(self, site: str, words: list[str]) -> None:
        ask, what, *rest = words
        if what == "asked":
            work = Work(site, rest[0], int(rest[1]))
            self._by_ask[site, ask] = work
            self.by_trace[work.trace].append(work)
            return
        work = self._by_ask[site, ask]
        if what == "made":
            self.made += int(rest[0]) - work.made
            work.made = int(rest[0])
        elif what == "used":
            work.used = (int(rest[0]), int(rest[1]))


@dataclasses.dataclass
class Findings:
    """What is wrong, and figures of what was looked at."""

    lost: list[str] = dataclasses.field(default_factory=list)
    doubled: list[str] = dataclasses.field(default_factory=list)
    unbalanced: list[str] = dataclasses.field(default_factory=list)
    figures: collections.Counter = dataclasses.field(default_factory=collections.Counter)


class Reckoning:
    """Reckons from one quiet moment to the next."""

    def __init__(self, gateway: harness.Gateway, engines: dict) -> None:
        self._gateway = gateway
        self._notes = Notes(engines)
        self._position = 0
        self._epochs = 0
        self.found = Findings()

    def reckon(self, asks: list[Ask]) -> None:
        """Requires: no client asks, no gateway runs; `asks` are those since the last time."""
        self._notes.read()
        self._verify()
        database = sqlite3.connect(f"file:{self._gateway.config.parent}/data/books.sqlite?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            self._reckon(asks, database)
            self._balance(database)
        finally:
            database.close()
        self.found.figures["tokens made by engines"] = self._notes.made
        self._notes.forget()

    # --- The journal and the books as a whole -----------------------------------

    def _verify(self) -> None:
        verified = self._gateway.command("books", "verify", "--json")
        if verified.returncode != 0:
            self.found.unbalanced.append(f"books verify: {verified.stdout}{verified.stderr}")
            return
        audit = json.loads(verified.stdout)
        if audit["requests_open"]:
            self.found.lost.append(f"{audit['requests_open']} requests are still open")
        for total in audit["totals"]:
            if total["debits"] != total["credits"]:
                self.found.unbalanced.append(f"debits {total['debits']}, credits {total['credits']}")
        self.audit = audit

    def _balance(self, database: sqlite3.Connection) -> None:
        balanced = self._gateway.command("books", "balance", "--json")
        if balanced.returncode != 0 or not json.loads(balanced.stdout)["balanced"]:
            self.found.unbalanced.append(f"books balance: {balanced.stdout}{balanced.stderr}")
            return
        (totals,) = json.loads(balanced.stdout)["totals"]
        (of_requests,) = database.execute(
            "SELECT SUM(charged_nano), SUM(in_doubt_nano), SUM(charged_nano + written_off_nano) FROM requests"
        )
        (of_attempts,) = database.execute("SELECT SUM(owed_nano), SUM(in_doubt_nano) FROM attempts")
        pairs = {
            "receivable": of_requests[0],
            "suspense_receivable": of_requests[1],
            "revenue": of_requests[2],
            "payable": of_attempts[0],
            "suspense_payable": of_attempts[1],
        }
        for name, nano in pairs.items():
            if round(float(totals[name]) * 1e9) != (nano or 0):
                self.found.unbalanced.append(f"{name} is {totals[name]}, its rows sum to {nano} nano")
        (counted,) = database.execute("SELECT COUNT(*) FROM postings")
        if counted[0] != self.audit["postings"]:
            self.found.unbalanced.append(f"{counted[0]} postings in the books, {self.audit['postings']} in the journal")
        self.totals = totals

    # --- Request by request -----------------------------------------------------

    def _reckon(self, asks: list[Ask], database: sqlite3.Connection) -> None:
        rows = {}
        for row in database.execute(
            "SELECT r.*, a.path FROM requests r JOIN accounts a ON a.account = r.receivable WHERE closed_position > ?",
            (self._position,),
        ):
            rows[row["epoch"], row["sequence"]] = row
        attempts = collections.defaultdict(list)
        first = min((number[0] for number in rows), default=0)
        for row in database.execute(
            "SELECT t.*, a.path FROM attempts t JOIN accounts a ON a.account = t.payable WHERE epoch >= ?", (first,)
        ):
            attempts[row["epoch"], row["sequence"]].append(row)
        self._position = max([self._position, *(row["closed_position"] for row in rows.values())])
        self._count_postings(database)

        # Whose a request is, and who else was told of it, having the same key.
        by_number: dict[Number, Ask] = {}
        told: dict[Number, list[Ask]] = collections.defaultdict(list)
        for ask in asks:
            if ask.request_id.startswith("req_"):
                number = number_of(ask.request_id)
                if ask.replayed:
                    told[number].append(ask)
                else:
                    by_number[number] = ask
        by_trace = {ask.trace: ask for ask in asks}
        for number in rows.keys() - by_number.keys():
            if rows[number]["outcome"] == LOST and told[number]:
                by_number[number] = self._first_of(told[number], asks)
            else:
                self._find_out_whose(number, rows[number], by_number, by_trace)
        for ask in asks:
            self._of_outcome(ask)
        for number in by_number.keys() | told.keys():
            all_told = told[number] + ([by_number[number]] if number in by_number else [])
            self._of_tenant(all_told, rows.get(number))
        self._of_keys(rows, by_number)
        for number, row in rows.items():
            self._of_suppliers(by_number.get(number), row, attempts[number])
        self._of_unknown(rows, by_number)

    def _count_postings(self, database: sqlite3.Connection) -> None:
        """A request is charged at most once, whatever rows say."""
        for row in database.execute(
            "SELECT epoch, sequence, COUNT(*) AS times FROM postings p JOIN accounts a ON a.account = p.debit "
            "JOIN kinds k ON k.kind = a.kind WHERE k.name = 'receivable' GROUP BY epoch, sequence HAVING times > 1"
        ):
            self.found.doubled.append(f"request {row['epoch']}/{row['sequence']} is charged {row['times']} times")

    def _find_out_whose(self, number: Number, row: sqlite3.Row, by_number: dict, by_trace: dict) -> None:
        """Whose request it was whose reply never reached its client: its record has the trace."""
        if row["outcome"] == LOST:
            self.found.figures["lost in a crash, and no client had a word of the reply"] += 1
            if row["charged_nano"]:
                self.found.doubled.append(f"request {number} is charged, and no client has a word of it")
            return
        told = self._gateway.command("explain", self._name(number), "--json")
        trace = json.loads(told.stdout).get("trace_id") if told.returncode == 0 else None
        ask = by_trace.get(trace)
        if ask is None:
            self.found.doubled.append(f"request {number} is nobody's (trace {trace}) {told.stderr}")
            return
        by_number[number] = ask

    def _first_of(self, told: list[Ask], asks: list[Ask]) -> Ask:
        """Who began what a crash took, when only those have a word of it who came after."""
        silent = [
            ask
            for ask in asks
            if ask.key == told[0].key and not ask.request_id and ask.era_begun == told[0].era_begun
        ]
        return next((ask for ask in silent if ask.trace in self._notes.by_trace), told[0])

    def _of_keys(self, rows: dict, by_number: dict) -> None:
        """One gateway carries out at most one request of a key to its end."""
        done = collections.Counter()
        for number, ask in by_number.items():
            if ask.key and number in rows and rows[number]["outcome"] == COMPLETED:
                done[number[0], ask.key] += 1
        for (epoch, key), times in done.items():
            if times > 1:
                self.found.doubled.append(f"carried out {times} times in epoch {epoch}: key {key}")

    def _name(self, number: Number) -> str:
        value = int(self.audit["journal"], 16) << 72 | number[0] << 48 | number[1]
        digits = ""
        for _ in range(40):
            digits, value = DIGITS[value & 31] + digits, value >> 5
        return f"req_{digits}"

    def _of_outcome(self, ask: Ask) -> None:
        figures = self.found.figures
        figures["asked"] += 1
        figures[ask.outcome] += 1
        figures["asked again after a failure"] += ask.retry
        figures["asked with a key"] += bool(ask.key)
        figures["told what another ask with the key has begun"] += ask.replayed
        if ask.rescue:
            figures[f"rescued: {ask.rescue}"] += 1
        if ask.outcome == "error":
            figures[f"error {ask.why}"] += 1
        if ask.outcome in ("wrong", "hung") or ask.why == "idempotency_key_reused":
            self.found.lost.append(f"{ask.outcome}: {ask.why} {ask}")
        if ask.outcome == "cut" and ask.gateway_was_there:
            self.found.lost.append(f"cut though the gateway was there: {ask}")

    def _of_tenant(self, told: list[Ask], row: sqlite3.Row | None) -> None:
        """What a tenant is charged for is what its client has, once however many were told it."""
        if row is not None:
            figures = self.found.figures
            figures["charged, nano"] += row["charged_nano"] + row["written_off_nano"]
            if row["outcome"] == LOST:
                figures["cut by a kill of the gateway"] += 1
                figures["in doubt of tenants, nano"] += row["in_doubt_nano"]
        works = self._notes.by_trace
        made = sum(work.made for ask in told for work in works.get(ask.trace, []))
        for ask in told:
            self._of_client(ask, row, made, told)

    def _of_client(self, ask: Ask, row: sqlite3.Row | None, made: int, told: list[Ask]) -> None:
        """Whether it is charged for what this client of it has."""
        found, figures = self.found, self.found.figures
        if row is None:
            if ask.outcome == "whole":
                found.lost.append(f"received whole, and not in the books: {ask}")
            elif ask.delivered:
                found.lost.append(f"{ask.delivered} tokens delivered, and not in the books: {ask}")
            return
        if not row["path"].startswith(f"receivable/{ask.tenant}/"):
            found.doubled.append(f"charged to {row['path']}: {ask}")
        charged, doubt = row["charged_nano"] + row["written_off_nano"], row["in_doubt_nano"]
        delivered = ask.delivered * OUTPUT_NANO
        if ask.outcome == "whole":
            said = (ask.cost_nano, ask.prompt, ask.output)
            booked = (charged, row["prompt_tokens"] + row["cached_read_tokens"], row["output_tokens"])
            if doubt or said != booked or ask.output != ask.tokens * ask.choices:
                where = found.lost if charged < ask.cost_nano else found.doubled
                where.append(f"told {said}, booked {booked} and {doubt} in doubt: {ask}")
        elif row["outcome"] == LOST:
            # Who has left may have been sent more than it has looked at.
            most = made if any(one.outcome == "left" for one in told) else max(one.delivered for one in told)
            if charged > most * OUTPUT_NANO:
                found.doubled.append(f"charged {charged} nano for {ask.delivered} tokens: {ask}")
            if charged + doubt < delivered:
                found.lost.append(f"{ask.delivered} tokens, {charged} charged and {doubt} in doubt: {ask}")
            if not ask.streamed and charged + doubt:
                found.doubled.append(f"a whole answer that nobody has, {charged} charged: {ask}")
        elif row["output_tokens"] > made or charged > made * OUTPUT_NANO + row["prompt_tokens"] * PROMPT_NANO:
            found.doubled.append(f"charged for {row['output_tokens']} tokens, {made} were made: {ask}")
        elif ask.outcome == "error" and row["output_tokens"] != ask.delivered:
            found.doubled.append(f"charged for {row['output_tokens']} tokens, has {ask.delivered}: {ask}")
        elif ask.outcome == "left" and not ask.streamed and charged and row["outcome"] != COMPLETED:
            found.doubled.append(f"left without a word, and is charged {charged}: {ask}")
        elif row["output_tokens"] < ask.delivered:
            found.lost.append(f"charged for {row['output_tokens']} tokens, has {ask.delivered}: {ask}")
        elif ask.outcome == "cut":
            # The answer was complete and booked; only its last bytes were lost.
            figures["booked whole, and cut in its last bytes by a kill"] += 1
            if row["outcome"] != COMPLETED:
                found.doubled.append(f"cut, and booked as outcome {row['outcome']}: {ask}")

    def _of_suppliers(self, ask: Ask | None, row: sqlite3.Row, attempts: list[sqlite3.Row]) -> None:
        """What suppliers are owed for is what their engines have done."""
        figures = self.found.figures
        for attempt in attempts:
            figures["owed to suppliers, nano"] += attempt["owed_nano"]
            figures["in doubt of suppliers, nano"] += attempt["in_doubt_nano"]
            figures["tokens owed to suppliers"] += attempt["output_tokens"]
            figures["attempts outrun by another"] += attempt["outcome"] == CANCELLED and row["outcome"] == COMPLETED
        if ask is None:
            return  # Of a request that was lost before a word of its reply; see _of_unknown.
        works = self._notes.by_trace.get(ask.trace, [])
        for site in {attempt["path"].split("/")[2] for attempt in attempts} | {work.site for work in works}:
            here = [attempt for attempt in attempts if attempt["path"].split("/")[2] == site]
            done = [work for work in works if work.site == site]
            made, owed = sum(work.made for work in done), sum(attempt["output_tokens"] for attempt in here)
            if done and not here:
                self.found.lost.append(f"{site} made {made} tokens, and there is no attempt: {ask}")
            if owed > made:
                self.found.doubled.append(f"{site} is owed for {owed} tokens and made {made}: {ask}")
            for attempt in here:
                self._of_attempt(ask, attempt, done)

    def _of_attempt(self, ask: Ask, attempt: sqlite3.Row, done: list[Work]) -> None:
        if attempt["outcome"] == COMPLETED and not attempt["flags"] & ESTIMATED:
            booked = (attempt["prompt_tokens"] + attempt["cached_read_tokens"], attempt["output_tokens"])
            if booked not in [work.used for work in done]:
                self.found.lost.append(f"owed for {booked}, reported {[work.used for work in done]}: {ask}")
        if attempt["outcome"] == LOST and not attempt["owed_nano"] + attempt["in_doubt_nano"]:
            if any(work.made for work in done) and ask.delivered:
                self.found.lost.append(f"an engine worked, and nothing is owed or in doubt: {ask}")

    def _of_unknown(self, rows: dict, by_number: dict) -> None:
        """Each piece of work is somebody's: a known request's, or one's of those that a crash took whole."""
        known = {ask.trace for ask in by_number.values()}
        strays = [trace for trace in self._notes.by_trace if trace not in known]
        taken = [number for number, row in rows.items() if row["outcome"] == LOST and number not in by_number]
        if len(strays) > len(taken):
            self.found.lost.append(f"engines worked on {len(strays)} requests that the books know {len(taken)} of")
