#!/usr/bin/env python3
"""How often a rescued answer of the real model is the undisturbed one, word for word.

Each prompt is asked three times undisturbed, and then with a break at every
tenth token, once by a reset and once by `kill -9` of the engine, at temperature
0. An engine's own answers differ now and then: what is in its cache changes how
it rounds. So the table has a column for undisturbed answers too, without which
the others would say little. `--no-cache` has the engine read everything anew.

    .venv/bin/python tests/e2e/rescue_report.py [--no-cache]     # minutes

Prints the table of docs/reliability.md. Exits with 1 if an answer was not one
coherent answer, or was not billed by its usage.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/grid"))

from cutting import Cut  # noqa: E402
from harness import Engine  # noqa: E402
from rescuing import (  # noqa: E402
    ANSWER_TOKENS,
    PROMPTS,
    Grid,
    Told,
    assert_billed_by_usage,
    assert_one_answer,
)

SITES = ("ashburn", "frankfurt", "hamburg", "lyon")
EVERY = 10


@dataclasses.dataclass
class Row:
    """One prompt, or all."""

    asked: int = 0
    equal: int = 0
    longer: int = 0  # Equal, and then went on.

    def note(self, told: Told, plain: Told) -> None:
        """Counts one answer."""
        self.asked += 1
        self.equal += told.text() == plain.text()
        self.longer += told.text() != plain.text() and told.text().startswith(plain.text())

    def __str__(self) -> str:
        more = f" (+ {self.longer} that go on)" if self.longer else ""
        return f"{self.equal} of {self.asked}{more}"


@dataclasses.dataclass
class Report:
    """The table as far as it is known."""

    wrong: list[str] = dataclasses.field(default_factory=list)
    plain: Row = dataclasses.field(default_factory=Row)
    reset: Row = dataclasses.field(default_factory=Row)
    killed: Row = dataclasses.field(default_factory=Row)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-cache", action="store_true", help="have engines read every prompt anew")
    more = {"cache_prompt": False} if parser.parse_args().no_cache else {}
    everything = Report()
    print("| prompt | undisturbed, again | cut by a reset | engine killed | prompt tokens billed too many |")
    print("|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engines = {name: Engine(folder / f"{name}.log") for name in SITES}
        for engine in engines.values():
            stack.callback(engine.stop)
        for engine in engines.values():
            engine.await_ready()
        grid = Grid(engines, folder)
        stack.callback(grid.stop)
        for prompt in PROMPTS:
            measure(grid, prompt, more, everything)
    total = everything
    print(f"| all | {total.plain} | {total.reset} | {total.killed} | |")
    for what in total.wrong:
        print(f"wrong: {what}")
    return 1 if total.wrong else 0


def measure(grid: Grid, prompt: str, more: dict, everything: Report) -> None:
    """Measures one prompt, and prints its row."""
    body = {"messages": PROMPTS[prompt], "max_tokens": ANSWER_TOKENS, **more}
    plain = grid.ask(body)
    mine = Report()
    for _ in range(2):
        again = grid.ask(body)
        mine.plain.note(again, plain)
        everything.plain.note(again, plain)
    off: set[int] = set()
    for after in range(EVERY, plain.deltas, EVERY):
        for by, row, row_of_all in [(None, mine.reset, everything.reset), (grid.kill, mine.killed, everything.killed)]:
            told = grid.ask(body, Cut(after, by=by))
            grid.revive()
            try:
                assert_one_answer(told)
                assert_billed_by_usage(told, grid.record(told))
            except AssertionError as wrong:
                everything.wrong.append(f"{prompt}, cut after {after}: {wrong}")
                continue
            off.add(told.usage["prompt_tokens"] - plain.usage["prompt_tokens"])
            row.note(told, plain)
            row_of_all.note(told, plain)
    most = f"{min(off)} to {max(off)}" if len(off) > 1 else f"{max(off)}"
    most += f" of {plain.usage['prompt_tokens']}"
    print(f"| {prompt} | {mine.plain} | {mine.reset} | {mine.killed} | {most} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
